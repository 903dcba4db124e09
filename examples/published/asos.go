package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/strataxp/strata/stats"
)

// look is what was known of a metric at a time.
type look struct {
	day                float64
	control, treatment stats.Group
}

// series is one metric of one arm against the control, as it came in.
type series struct {
	experiment, arm, metric string
	looks                   []look
}

// asos is all series, in the order of the file.
type asos []*series

func readASOS(path string) (asos, error) {
	columns := []string{
		"experiment_id", "variant_id", "metric_id",
		"time_since_start", "count_c", "mean_c", "variance_c", "count_t", "mean_t", "variance_t",
	}
	var all asos
	byKey := make(map[[3]string]*series)
	err := eachRow(path, columns, func(r row) error {
		key := [3]string{r[0], r[1], r[2]}
		s := byKey[key]
		if s == nil {
			s = &series{experiment: r[0], arm: r[1], metric: r[2]}
			byKey[key] = s
			all = append(all, s)
		}
		if slices.Contains(r, "") {
			return nil // no variance: a look that cannot be used
		}
		v, err := r.numbers(3)
		if err != nil {
			return err
		}
		s.looks = append(s.looks, look{v[0], groupOf(v[1:4]), groupOf(v[4:7])})
		return nil
	})
	for _, s := range all {
		slices.SortFunc(s.looks, func(a, b look) int { return cmp.Compare(a.day, b.day) })
	}
	return all, err
}

func groupOf(v []float64) stats.Group {
	return stats.Group{N: int64(v[0]), Mean: v[1], Variance: v[2]}
}

// What somebody would have declared before the first look; the file does not
// say how long the experiments were meant to run.
const (
	tuningUnits     = 2_000_000
	expectedEffects = 0.005 // standard deviation of effects, in those of the metric
)

// decision is what a method says: in which direction, and when it first said so.
type decision struct {
	first     float64 // day of the first look with a significant result, NaN if none
	firstSign int
	finalSign int // 0 where the last look is not significant
}

// at notes what a look found.
func (d *decision) at(day float64, c stats.Comparison) {
	d.finalSign = 0
	if !c.Significant() {
		return
	}
	d.finalSign = cmp.Compare(c.Difference.Value, 0)
	if math.IsNaN(d.first) {
		d.first, d.firstSign = day, d.finalSign
	}
}

// outcome is what the methods make of a series, looking at every look of it.
type outcome struct {
	*series
	last            stats.Comparison // the fixed test at the end, the one it is for
	fixed           decision         // the same test at every look, which is wrong
	mixture, always decision         // mSPRT and confidence sequence
	jumps           bool
}

// jumped is whether the difference moved by more than 4 of its standard errors
// from one look to the next, which the arrival of more units hardly explains. In
// this file it looks as if one arm had been brought up to date and the other had
// not.
func jumped(before, now stats.Estimate) bool {
	return before.SE > 0 && math.Abs(now.Value-before.Value) > 4*before.SE
}

func (s *series) judge() outcome {
	none := decision{first: math.NaN()}
	o := outcome{series: s, fixed: none, mixture: none, always: none}
	sequence := stats.ConfidenceSequence{TuningN: tuningUnits}
	var mixture stats.MSPRT
	for _, l := range s.looks {
		if mixture.MixingVariance == 0 { // the scale of the metric is that of the first look
			mixture.MixingVariance = expectedEffects * expectedEffects * l.control.Variance
		}
		before := o.last.Difference
		o.last = stats.Compare(l.control, l.treatment, stats.Options{})
		o.jumps = o.jumps || jumped(before, o.last.Difference)
		o.fixed.at(l.day, o.last)
		o.mixture.at(l.day, stats.AnytimeMSPRT(l.control, l.treatment, mixture))
		o.always.at(l.day, stats.Anytime(l.control, l.treatment, sequence))
	}
	return o
}

// designs are the shares of units that experiments are usually given, control
// and treatment. 34 and 33 is what three arms of 34, 33 and 33% make of a pair.
var designs = [][2]float64{
	{50, 50}, {34, 33}, {33, 34}, {60, 40}, {40, 60}, {67, 33}, {33, 67},
	{75, 25}, {25, 75}, {80, 20}, {20, 80}, {90, 10}, {10, 90}, {95, 5}, {5, 95},
}

// split is how the units of a pair of arms were divided.
type split struct {
	experiment, arm string
	design          [2]float64
	share           float64 // of the treatment
	result          stats.SampleRatioResult
}

// divided finds the design whose share is nearest to that of the last look. It
// is a guess: the file does not tell the design, and a fault that ends at
// another one's share would not be noticed.
func (s *series) divided() split {
	last := s.looks[len(s.looks)-1]
	c, t := last.control.N, last.treatment.N
	share := float64(t) / float64(c+t)
	design := slices.MinFunc(designs, func(a, b [2]float64) int {
		return cmp.Compare(math.Abs(a[1]/(a[0]+a[1])-share), math.Abs(b[1]/(b[0]+b[1])-share))
	})
	return split{s.experiment, s.arm, design, share, stats.SampleRatio([]int64{c, t}, design[:])}
}

func (s split) mismatched() bool { return s.result.Reason == "" && s.result.PValue < 0.001 }

func (s split) designed() string { return fmt.Sprintf("%g : %g", s.design[0], s.design[1]) }

// splits is one for each pair of arms.
func (a asos) splits() (all []split) {
	for _, s := range a {
		seen := slices.ContainsFunc(all, func(b split) bool { return b.experiment == s.experiment && b.arm == s.arm })
		if len(s.looks) > 0 && !seen {
			all = append(all, s.divided())
		}
	}
	return all
}
