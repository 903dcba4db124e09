package memstore

import (
	"cmp"
	"slices"

	"github.com/strataxp/strata"
)

// losses are the totals of one stream.
type losses struct {
	events map[eventLoss]int64
	units  map[unitLoss]int64
}

type eventLoss struct {
	kind   strata.Kind
	reason strata.LossReason
}

type unitLoss struct {
	phaseKey
	treatment string
}

// lose keeps what a writer said that it lost: the higher of each two totals, as
// a batch may come again.
func (s *Store) lose(stream strata.StreamID, lost *strata.Losses) {
	if lost == nil {
		return
	}
	l := s.losses[stream]
	if l == nil {
		l = &losses{events: make(map[eventLoss]int64), units: make(map[unitLoss]int64)}
		s.losses[stream] = l
	}
	for _, e := range lost.Events {
		key := eventLoss{e.Kind, e.Reason}
		l.events[key] = max(l.events[key], e.Events)
	}
	for _, u := range lost.Units {
		key := unitLoss{phaseKey{u.Experiment, u.Phase}, u.Treatment}
		l.units[key] = max(l.units[key], u.Units)
	}
}

// shed says for each treatment how many of its units lost events, over all
// streams.
func (s *Store) shed(phase phaseKey, treatments map[string]strata.TreatmentResults) {
	for key, t := range treatments {
		t.Shed = 0
		for _, l := range s.losses {
			t.Shed += l.units[unitLoss{phase, key}]
		}
		t.Shed = min(t.Shed, t.Units)
		treatments[key] = t
	}
}

// Losses returns what the writer of a stream said that it lost, in order; empty
// for an unknown stream. It is for tests and tools that look into a store.
func (s *Store) Losses(stream strata.StreamID) strata.Losses {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var lost strata.Losses
	l := s.losses[stream]
	if l == nil {
		return lost
	}
	for key, n := range l.events {
		lost.Events = append(lost.Events, strata.LostEvents{Kind: key.kind, Reason: key.reason, Events: n})
	}
	for key, n := range l.units {
		lost.Units = append(lost.Units, strata.LostUnits{Experiment: key.experiment, Phase: key.phase, Treatment: key.treatment, Units: n})
	}
	slices.SortFunc(lost.Events, func(a, b strata.LostEvents) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Reason, b.Reason))
	})
	slices.SortFunc(lost.Units, func(a, b strata.LostUnits) int {
		return cmp.Or(cmp.Compare(a.Experiment, b.Experiment), cmp.Compare(a.Phase, b.Phase), cmp.Compare(a.Treatment, b.Treatment))
	})
	return lost
}
