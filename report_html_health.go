package strata

import (
	"fmt"
	"strconv"

	"github.com/strataxp/strata/stats"
)

// health writes who met which treatment, and what was checked.
func (p *htmlReport) health() {
	p.section("health", "Health")
	p.leaf("p", "Whether the numbers above can be trusted.", "class", "sub")
	p.treatments()
	p.checks()
	p.end()
}

func (p *htmlReport) treatments() {
	p.startTable("figures", "Units by treatment")
	p.leaf("caption", "Units by treatment")
	p.header(1, "Treatment", "Units", "Share", "Expected", "Lost events", "May have lost some", "Exposed from", "to")
	p.start("tbody")
	for i, t := range p.r.Treatments {
		share := missing
		if p.r.Units > 0 {
			share = shareText(float64(t.Units) / float64(p.r.Units))
		}
		p.row(1, p.treatmentName(i, t.Treatment), thousands(t.Units), share, shareText(t.Expected),
			thousands(t.Shed), thousands(t.Uncertain), minute(t.FirstExposure), minute(t.LastExposure))
	}
	p.end()
	p.endTable()
}

// checks are the tests and counts that stand for an experiment's health.
func (p *htmlReport) checks() {
	h := &p.r.Health
	p.startTable("figures checks", "Checks")
	p.leaf("caption", "Checks")
	p.start("thead")
	p.start("tr")
	for _, name := range []string{"Check", "State", "Finding"} {
		p.leaf("th", name, "scope", "col")
	}
	p.end()
	p.end()
	p.start("tbody")
	p.tested("Sample ratio, one look", h.SampleRatio.Test, sampleRatioAlarm, sampleRatioCaution)
	p.tested("Sample ratio, any number of looks", h.SequentialSampleRatio.Test, sampleRatioAlarm, 0)
	p.found("Units in more than one treatment", WarnContradictions, count(h.Contradictions, "unit", "units")+", left out")
	for _, x := range h.PrePeriod {
		p.tested("Alike before the experiment: "+x.Metric, x.Test, prePeriodAlarm/float64(len(h.PrePeriod)), 0)
	}
	p.tested("Losses of events alike in all treatments", h.Losses, lossesAlarm, 0)
	p.otherChecks()
	p.end()
	p.endTable()
}

func (p *htmlReport) otherChecks() {
	h := &p.r.Health
	for _, x := range h.CarryOver {
		p.found("Carry-over from "+x.Experiment+", phase "+strconv.Itoa(x.Phase), WarnCarryOver,
			fmt.Sprintf("held %s of the buckets until %s", shareText(x.Share), minute(x.Until)))
	}
	for _, x := range h.Immature {
		what := ", count all the same"
		if x.LeftOut {
			what = ", left out"
		}
		p.found("Windows that are not over: "+x.Metric, WarnImmature, count(x.Units, "unit", "units")+what)
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
		p.check(name, "open", missing+" Not tested", t.Reason)
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
	p.start("tr")
	p.leaf("th", name, "scope", "row")
	p.start("td")
	p.leaf("span", state, "class", "chip "+class)
	p.end()
	p.leaf("td", finding)
	p.end()
}
