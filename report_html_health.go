package strata

import (
	"fmt"
	"strconv"

	"github.com/strataxp/strata/internal/page"
	"github.com/strataxp/strata/stats"
)

// health writes who met which treatment, and what was checked.
func (p *htmlReport) health() {
	p.Section("health", "Health")
	p.Leaf("p", "Whether the numbers above can be trusted.", "class", "sub")
	p.treatments()
	p.checks()
	p.End()
}

func (p *htmlReport) treatments() {
	p.StartTable("figures", "Units by treatment")
	p.Leaf("caption", "Units by treatment")
	p.Header(1, "Treatment", "Units", "Share", "Expected", "Lost events", "May have lost some", "Exposed from", "to")
	p.Start("tbody")
	for i, t := range p.r.Treatments {
		share := page.Missing
		if p.r.Units > 0 {
			share = page.Share(float64(t.Units) / float64(p.r.Units))
		}
		p.Row(1, p.treatmentName(i, t.Treatment), page.Thousands(t.Units), share, page.Share(t.Expected),
			page.Thousands(t.Shed), page.Thousands(t.Uncertain), minute(t.FirstExposure), minute(t.LastExposure))
	}
	p.End()
	p.EndTable()
}

// checks are the tests and counts that stand for an experiment's health.
func (p *htmlReport) checks() {
	h := &p.r.Health
	p.StartTable("figures checks", "Checks")
	p.Leaf("caption", "Checks")
	p.Start("thead")
	p.Start("tr")
	for _, name := range []string{"Check", "State", "Finding"} {
		p.Leaf("th", name, "scope", "col")
	}
	p.End()
	p.End()
	p.Start("tbody")
	p.tested("Sample ratio, one look", h.SampleRatio.Test, sampleRatioAlarm, sampleRatioCaution)
	p.tested("Sample ratio, any number of looks", h.SequentialSampleRatio.Test, sampleRatioAlarm, 0)
	p.found("Units in more than one treatment", WarnContradictions, page.Count(h.Contradictions, "unit", "units")+", left out")
	for _, x := range h.PrePeriod {
		p.tested("Alike before the experiment: "+x.Metric, x.Test, prePeriodAlarm/float64(len(h.PrePeriod)), 0)
	}
	p.tested("Losses of events alike in all treatments", h.Losses, lossesAlarm, 0)
	p.otherChecks()
	p.End()
	p.EndTable()
}

func (p *htmlReport) otherChecks() {
	h := &p.r.Health
	for _, x := range h.CarryOver {
		p.found("Carry-over from "+x.Experiment+", phase "+strconv.Itoa(x.Phase), WarnCarryOver,
			fmt.Sprintf("held %s of the buckets until %s", page.Share(x.Share), minute(x.Until)))
	}
	for _, x := range h.Immature {
		what := ", count all the same"
		if x.LeftOut {
			what = ", left out"
		}
		p.found("Windows that are not over: "+x.Metric, WarnImmature, page.Count(x.Units, "unit", "units")+what)
	}
	latest := "none yet"
	if !h.Latest.IsZero() {
		latest = minute(h.Latest) + " UTC"
	}
	p.found("Latest event", WarnStale, latest)
}

// tested writes the row of a test, with the p-values that it warns below.
func (p *htmlReport) tested(name string, t stats.Test, alarm, caution float64) {
	switch {
	case t.Reason != "":
		p.check(name, "open", page.Missing+" Not tested", t.Reason)
	case t.PValue < alarm:
		p.check(name, "bad", "✕ Alarm", "p "+probability(t))
	case t.PValue < caution:
		p.check(name, "warn", "! Caution", "p "+probability(t))
	default:
		p.check(name, "good", "✓ Fine", "p "+probability(t))
	}
}

// found writes the row of what there is a warning for, or not.
func (p *htmlReport) found(name, code, finding string) {
	for _, w := range p.r.Warnings {
		if w.Code != code {
			continue
		}
		switch w.Severity {
		case Alarm:
			p.check(name, "bad", "✕ Alarm", finding)
		case Caution:
			p.check(name, "warn", "! Caution", finding)
		default:
			p.check(name, "open", "i Note", finding)
		}
		return
	}
	p.check(name, "good", "✓ Fine", finding)
}

func (p *htmlReport) check(name, class, state, finding string) {
	p.Start("tr")
	p.Leaf("th", name, "scope", "row")
	p.Start("td")
	p.Leaf("span", state, "class", "chip "+class)
	p.End()
	p.Leaf("td", finding)
	p.End()
}
