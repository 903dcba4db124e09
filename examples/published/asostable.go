package main

import (
	"fmt"
	"math"
	"strings"

	"github.com/strataxp/strata/stats"
)

// asosTotals counts series.
type asosTotals struct {
	series, looks           int
	fixed, mixture, always  int // significant at the end
	peeked                  int // at some look the fixed test was significant
	unconfirmedFixed        int // of peeked: not, or not in that direction, at the end
	unconfirmedMixture      int // of peeked: never found by the mixture
	unconfirmedAlways       int // of peeked: never found by the sequence
	everMixture, everAlways int
	reversed                int // of peeked: significant the other way at the end
	jumps, alwaysInJumps    int // series with a jump, and of them: not confirming what the sequence found
	alwaysLost              int // not confirming what the sequence found
}

func (a asos) outcomes() (all []outcome, n asosTotals) {
	for _, s := range a {
		o := s.judge()
		all = append(all, o)
		n.add(o)
	}
	return all, n
}

func (n *asosTotals) add(o outcome) {
	one := func(count *int, when bool) {
		if when {
			*count++
		}
	}
	n.series++
	n.looks += len(o.looks)
	one(&n.fixed, o.fixed.finalSign != 0)
	one(&n.mixture, o.mixture.finalSign != 0)
	one(&n.always, o.always.finalSign != 0)
	one(&n.everMixture, o.mixture.firstSign != 0)
	one(&n.everAlways, o.always.firstSign != 0)
	lost := o.always.firstSign != 0 && o.always.finalSign != o.always.firstSign
	one(&n.alwaysLost, lost)
	one(&n.jumps, o.jumps)
	one(&n.alwaysInJumps, o.jumps && lost)
	sign := o.fixed.firstSign
	if sign == 0 {
		return
	}
	n.peeked++
	one(&n.unconfirmedFixed, o.fixed.finalSign != sign)
	one(&n.reversed, o.fixed.finalSign == -sign)
	one(&n.unconfirmedMixture, o.mixture.firstSign != sign)
	one(&n.unconfirmedAlways, o.always.firstSign != sign)
}

func (a asos) print(w *strings.Builder) error {
	all, n := a.outcomes()
	a.printSplits(w)
	fmt.Fprintf(w, "\n%d series of an arm's metric, %d looks. Each method looks at every one; + and − are the sign of\n", n.series, n.looks)
	fmt.Fprint(w, "a significant effect at 5%, and found is the day of the first look that has one. The fixed test is\n")
	fmt.Fprint(w, "meant for the last look only. Series in which nothing was ever significant are left out.\n\n")
	fmt.Fprintf(w, "%-31s | %-24s | %-15s | sequence\n", "experiment,", "fixed test", "mSPRT")
	fmt.Fprintf(w, "%-13s%10s %7s | %8s %6s %8s | %8s %6s | %8s %6s\n",
		"arm, metric", "units", "lift", "found", "at end", "p", "found", "at end", "found", "at end")
	for _, o := range all {
		if o.fixed.firstSign != 0 || o.mixture.firstSign != 0 || o.always.firstSign != 0 {
			o.print(w)
		}
	}
	n.print(w)
	return nil
}

func (o outcome) print(w *strings.Builder) {
	last := o.looks[len(o.looks)-1]
	fmt.Fprintf(w, "%-13s%10d %7s | %8s %6s %8.2g | %8s %6s | %8s %6s\n",
		fmt.Sprintf("%s %s %s %s", o.experiment, o.arm, o.metric, mark(o.jumps)), last.control.N+last.treatment.N,
		lift(o.last.Lift), o.fixed.when(), sign(o.fixed.finalSign), o.last.Test.PValue,
		o.mixture.when(), sign(o.mixture.finalSign), o.always.when(), sign(o.always.finalSign))
}

func mark(jumps bool) string {
	if jumps {
		return "!"
	}
	return ""
}

func lift(e stats.Estimate) string { return fmt.Sprintf("%+.2f%%", 100*e.Value) }

func (d decision) when() string {
	if math.IsNaN(d.first) {
		return "never"
	}
	return fmt.Sprintf("%s %.1f", sign(d.firstSign), d.first)
}

func sign(s int) string {
	switch {
	case s > 0:
		return "+"
	case s < 0:
		return "−"
	}
	return "·"
}

func (n asosTotals) print(w *strings.Builder) {
	fmt.Fprintf(w, "\n%-62s %6s %6s %9s\n", "of all series", "fixed", "mSPRT", "sequence")
	fmt.Fprintf(w, "%-62s %6d %6d %9d\n", "significant at some look", n.peeked, n.everMixture, n.everAlways)
	fmt.Fprintf(w, "%-62s %6d %6d %9d\n", "significant at the last look", n.fixed, n.mixture, n.always)
	fmt.Fprintf(w, "%-62s %6d %6d %9d\n", fmt.Sprintf("not confirming the %d at which a peeker stopped", n.peeked), n.unconfirmedFixed, n.unconfirmedMixture, n.unconfirmedAlways)
	fmt.Fprintf(w, "\nA peeker with the fixed test would have stopped in %d of %d series; in %d of those (%.0f%%) the same\n",
		n.peeked, n.series, n.unconfirmedFixed, 100*float64(n.unconfirmedFixed)/float64(max(1, n.peeked)))
	fmt.Fprintf(w, "test at the end does not agree, in %d it says the opposite. That does not mean wrong: totals of a\n", n.reversed)
	fmt.Fprint(w, "unit grow while it is observed, so that the effect itself may change from look to look.\n\n")
	fmt.Fprintf(w, "In %d series, marked !, the difference jumps by more than 4 standard errors between two looks:\n", n.jumps)
	fmt.Fprint(w, "it seems that one arm's totals were newer than the other's. Methods valid at any time do not guard\n")
	fmt.Fprintf(w, "against that: of the %d findings of the sequence that are gone at the end %d are in such series.\n", n.alwaysLost, n.alwaysInJumps)
}

func (a asos) printSplits(w *strings.Builder) {
	splits := a.splits()
	fmt.Fprintf(w, "Sample ratio of %d arms against their controls. The file does not tell the designed shares: each is\n", len(splits))
	fmt.Fprint(w, "held against the nearest of usual ones, so a fault that looks like another design stays hidden.\n\n")
	byDesign := make(map[string]int)
	for _, s := range splits {
		byDesign[s.designed()]++
	}
	for _, d := range designs {
		name := split{design: d}.designed()
		if byDesign[name] > 0 {
			fmt.Fprintf(w, "  designed %-8s %3d arms\n", name, byDesign[name])
		}
	}
	for _, s := range splits {
		if s.mismatched() {
			fmt.Fprintf(w, "  MISMATCH %s arm %s: %.3f%% instead of %.3f%%, p %.2g\n", s.experiment, s.arm,
				100*s.share, 100*s.design[1]/(s.design[0]+s.design[1]), s.result.PValue)
		}
	}
}
