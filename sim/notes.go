package sim

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/strataxp/strata/internal/page"
)

// When a finding is worth a note.
const (
	unlikely     = 0.0005 // a deviation that chance brings about less often is one
	alarmErrors  = 3      // so many standard errors above what chance does
	lowPower     = 0.5    // less is a coin
	dependent    = 0.001  // a p-value below which two experiments are not independent
	alarmRate    = 0.002  // of sample-ratio alarms, by chance, with two looks
	unitsErrors  = 5
	plannedTimes = 5    // so many times off, always-valid intervals are a fifth wider or more
	unitsAtLeast = 0.02 // less of a difference is not worth a word
)

// notes say what somebody should know before the launch.
func (f *Findings) notes() []string {
	var notes []string
	say := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	for i := range f.Experiments {
		e := &f.Experiments[i]
		f.experimentNotes(e, say)
		for j := range e.Comparisons {
			f.comparisonNotes(e, &e.Comparisons[j], say)
		}
	}
	for _, p := range f.Pairs {
		if p.Independent.Reason == "" && p.Independent.PValue < dependent/float64(len(f.Pairs)) {
			say("%s and %s are not independent (p %s): the treatment of one tells something of the other's.", p.Experiments[0], p.Experiments[1], page.Probability(p.Independent.PValue))
		}
		for _, c := range p.Changes {
			other := p.Experiments[0]
			if other == c.Experiment {
				other = p.Experiments[1]
			}
			if d := c.Both.Value - c.Alone.Value; math.Abs(d) > beyondChance(truthBatches)*math.Hypot(c.Both.SE, c.Alone.SE) {
				say("The effect of %s changes the lift of %s, %s in %s from %s to %s.", other, c.Experiment, c.Treatment, c.Metric, page.Lift(c.Alone.Value), page.Lift(c.Both.Value))
			}
		}
	}
	return notes
}

// beyondChance is beyond how many standard errors, themselves estimated from so many
// numbers, hardly anything is by chance: Student's t.
func beyondChance(numbers int) float64 {
	t := distuv.StudentsT{Sigma: 1, Nu: float64(max(numbers-1, 1))}
	return t.Quantile(1 - unlikely/2)
}

// estimates is from how many numbers the error of a bias is known.
func (c *ComparisonFindings) estimates(runs int) int {
	if c.True.SE > 0 {
		return min(runs, truthBatches)
	}
	return runs
}

// above reports whether a share of runs is clearly above a rate.
func above(share Mean, rate float64, runs int) bool {
	return share.Value-rate > alarmErrors*math.Sqrt(rate*(1-rate)/float64(runs))
}

func (f *Findings) experimentNotes(e *ExperimentFindings, say func(string, ...any)) {
	if e.Units.Value == 0 {
		say("Nobody is in %s: look at its buckets, audience, schedule and where visitors meet it.", e.Experiment)
		return
	}
	if d := math.Abs(e.Units.Value - e.Expected); d > unitsErrors*e.Units.SE && d > unitsAtLeast*e.Expected {
		say("%s reaches %s units where its buckets promise %s: a ramp, or a domain above it, keeps units out.", e.Experiment, page.Thousands(int64(e.Units.Value)), page.Thousands(int64(e.Expected)))
	}
	if planned := float64(e.PlannedUnits); e.Units.Value > plannedTimes*planned || plannedTimes*e.Units.Value < planned {
		say("%s reaches %s units and is tuned for %s: set planned_units in its analysis, so that looking every day finds more.", e.Experiment, page.Thousands(int64(e.Units.Value)), page.Thousands(e.PlannedUnits))
	}
	if above(e.SampleRatioAlarms, alarmRate, f.Runs) && e.SampleRatioAlarms.Value*float64(f.Runs) > 1 {
		say("%s has alarms about its sample ratio in %s of the runs: something loses or adds units in one treatment.", e.Experiment, page.Share(e.SampleRatioAlarms.Value))
	}
	if e.Contradictions.Value > 0.001*e.Units.Value {
		say("In %s %s units of a run meet two treatments, and are left out: divert by an id that stays with a visitor.", e.Experiment, page.Decimal(e.Contradictions.Value, 1))
	}
	if f.AA && above(e.Decided, 1-f.Level, f.Runs) {
		say("%s finds something in %s of the runs although there is nothing: more than the %s that its level allows.", e.Experiment, page.Share(e.Decided.Value), page.Share(1-f.Level))
	}
}

func (f *Findings) comparisonNotes(e *ExperimentFindings, c *ComparisonFindings, say func(string, ...any)) {
	name := fmt.Sprintf("%s, %s in %s", e.Experiment, c.Treatment, c.Metric)
	if c.Estimated < f.Runs && e.Units.Value > 0 {
		say("%s has an estimate in %d of %d runs: too few units do what it counts.", name, c.Estimated, f.Runs)
	} else if math.Abs(c.Bias.Value-c.RatioBias) > beyondChance(c.estimates(f.Runs))*c.Bias.SE && c.Bias.SE > 0 {
		say("%s is biased: the lift is estimated as %s on average and is %s.", name, page.Lift(c.Lift.Value), page.Lift(c.True.Value))
	}
	found := c.Wins.Value + c.Losses.Value
	switch {
	case c.True.Value == 0 || math.Abs(c.True.Value) < beyondChance(truthBatches)*c.True.SE:
	case found < lowPower && e.Units.Value > 0:
		say("%s: a lift of %s is found in %s of the runs within %s. Give it more traffic or time, or hope for more.", name, page.Lift(c.True.Value), page.Share(found), page.Count(int64(f.Days), "day", "days"))
	}
	if c.inert {
		say("%s: its effect changes nothing. Visitors may meet %s behind the transition that it is about; see Options.Meets.", name, e.Experiment)
	}
	if f.AA && c.Estimated == f.Runs && c.PValues.Reason == "" && c.PValues.PValue < dependent {
		say("%s: the p-values of the runs are not uniform (p %s).", name, page.Probability(c.PValues.PValue))
	}
}
