package simtest

import (
	"context"
	"fmt"
	"time"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/oracle"
)

// noteLoss checks what a process says of itself at its end.
func (w *world) noteLoss(p *process) {
	for kind, refused := range p.eng.Status().Refused {
		w.fail("refused", "process %s refused %s: %+v", p.name, kind, refused)
	}
}

// checkIdle checks that processes have nothing left to do.
func (w *world) checkIdle() {
	for _, s := range w.slots {
		if s.now == nil {
			w.fail("left", "no process runs in slot %d", s.index)
			continue
		}
		st := s.now.eng.Status()
		if st.Unwritten > 0 || st.Unconfirmed > 0 || st.LeftoverStreams > 0 || st.Lost > 0 || st.TrimmedUnconfirmed > 0 || st.WriteErr != nil || st.RefreshErr != nil {
			w.fail("left", "process %s: %+v", s.now.name, st)
		}
	}
}

// checkReports checks that each process can tell how each experiment is doing, and
// that it counts the units that the oracle counts.
func (w *world) checkReports() {
	records := w.cluster.records()
	for _, s := range w.slots {
		if s.now == nil {
			continue
		}
		for _, key := range experimentKeys {
			r, err := s.now.eng.Report(context.Background(), key, strata.ReportOptions{})
			if err != nil {
				w.fail("report", "process %s, %s: %v", s.now.name, key, err)
				continue
			}
			want := int64(0)
			for _, t := range oracle.Results(records, strata.ResultsParams{Experiment: key, Phase: r.Phase}).Treatments {
				want += t.Units
			}
			if r.Units != want {
				w.fail("report", "process %s: the report on %s has %d units, and there are %d", s.now.name, key, r.Units, want)
			}
		}
	}
}

// check checks what is left when all is over.
func (w *world) check() {
	w.checkStored()
	w.checkResults()
	w.checkExposed()
}

// checkExposed compares the list of exposed units, by which units are kept, with
// the first exposures of all that the store has taken in.
func (w *world) checkExposed() {
	first := make(map[subject]map[uint64]strata.Exposure)
	for _, r := range w.cluster.records() {
		if x, ok := r.Event.(strata.Exposure); ok {
			s := subject{experiment: x.Experiment, phase: x.Phase}
			if first[s] == nil {
				first[s] = make(map[uint64]strata.Exposure)
			}
			if had, ok := first[s][x.Hash]; !ok || x.Time.Before(had.Time) {
				first[s][x.Hash] = x
			}
		}
	}
	for s, units := range first {
		listed, err := w.cluster.list(context.Background(), strata.ExposedParams{Experiment: s.experiment, Phase: s.phase})
		if err != nil {
			w.fail("exposed", "%s: %v", s.experiment, err)
		}
		for _, u := range listed {
			if x := units[u.Hash]; x.Treatment != u.Treatment || x.Version != u.Version {
				w.fail("exposed", "%s, phase %d: listed %+v, and the first exposure is %+v", s.experiment, s.phase, u, x)
			}
		}
		if len(listed) != len(units) {
			w.fail("exposed", "%s, phase %d: %d units are listed, and %d were exposed", s.experiment, s.phase, len(listed), len(units))
		}
	}
}

// checkStored checks that all that was taken in is stored, once, and nothing else.
func (w *world) checkStored() {
	stored := make(map[string]int)
	records := w.cluster.records()
	for i := range records {
		text := textOf(&records[i])
		if stored[text]++; stored[text] == 2 {
			w.fail("exactly once", "stored twice: %s", text)
		}
	}
	for _, p := range w.all {
		w.checkProcess(p, stored)
	}
	for text := range stored {
		w.fail("exactly once", "stored, but never taken in: %s", text)
	}
	w.hits.add("records stored", len(records))
}

// checkProcess checks that a process's records are stored, and takes them out of
// stored.
func (w *world) checkProcess(p *process, stored map[string]int) {
	var missing []*deed
	for _, d := range p.deeds {
		switch {
		case stored[d.text] > 0:
			delete(stored, d.text)
			if len(missing) > 0 && p.slot.Lanes == 1 {
				w.fail("exactly once", "process %s: stored, although what came before is lost: %s", p.name, d.text)
			}
		case d.must:
			missing = append(missing, d)
		}
	}
	w.hits.add("records lost with a process", len(missing))
	if why := w.lossOf(p, missing); why != "" {
		w.fail("exactly once", "process %s lost %d records, %s; the first is %s (%v before the end)", p.name, len(missing), why, missing[0].text, p.at.Sub(missing[0].at))
	}
}

// lossOf says what is wrong with a process losing records; "" if nothing is.
func (w *world) lossOf(p *process, missing []*deed) string {
	if len(missing) == 0 {
		return ""
	}
	age := p.at.Sub(missing[0].at)
	failedOver := w.hits.of(doFailover) > 0
	since := w.failedOver.After(p.at) // what no standby had when the process ended is gone
	patience := time.Duration(2+len(missing)/p.slot.Batch) * 4 * p.slot.Delay
	switch {
	case p.ended == closed && int64(len(missing)) > p.left.Memory && !since:
		return fmt.Sprintf("and was closed with %v", p.left)
	case p.ended == closed && p.well && !failedOver && patience < closeTimeout:
		return "although it was closed and the store was well"
	case p.ended == closed && p.slot.disk != nil && p.left.Memory == 0:
		return "although it was closed and had a disk"
	case p.ended == killed && p.slot.disk != nil && age > time.Second:
		return "although it had a disk"
	case p.ended == killed && w.hits.of(doFault) == 0 && !failedOver && age > p.slot.Flush+30*time.Second:
		return "although the store was well"
	}
	return ""
}

// checkResults compares the store's results of every phase with the oracle's.
func (w *world) checkResults() {
	newest, err := w.desk.Plan(context.Background(), strata.PlanParams{})
	if err != nil {
		w.fail("results", "%v", err)
		return
	}
	records := w.cluster.records()
	for i := range newest.Plan.Experiments {
		e := &newest.Plan.Experiments[i]
		params := strata.ResultsParams{Experiment: e.Key, At: time.Now(), Daily: true, Attribute: "country"}
		for _, key := range e.Metrics {
			params.Metrics = append(params.Metrics, *newest.Plan.Metric(key))
		}
		for params.Phase = range e.Phase + 1 {
			w.checkResultsOf(records, params)
			half := params
			half.CompleteWindows, half.Until, half.Attribute = true, w.begin.Add(w.script.Length/2), ""
			w.checkResultsOf(records, half)
		}
	}
}

func (w *world) checkResultsOf(records []strata.Record, params strata.ResultsParams) {
	got, err := w.cluster.now().Results(context.Background(), params)
	if err == nil {
		err = oracle.Same(params.Metrics, oracle.Results(records, params), got)
	}
	if err != nil {
		w.fail("results", "%s, phase %d, until %v: %v", params.Experiment, params.Phase, params.Until, err)
	}
}
