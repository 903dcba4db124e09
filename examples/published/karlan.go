package main

import (
	"fmt"
	"strings"

	"github.com/strataxp/strata/stats"
)

// factor is one part of the letter that was varied in the treatment group.
type factor struct {
	name   string
	levels []string
}

var karlanFactors = []factor{
	{"match ratio", []string{"1:1", "2:1", "3:1"}},
	{"maximum size", []string{"$25,000", "$50,000", "$100,000", "unstated"}},
	{"suggested amount", []string{"1.00 of the highest gift", "1.25 of it", "1.50 of it"}},
}

// letter is a combination of the factors' levels.
type letter [3]int

var karlanMetrics = []string{"response", "gift in $"}

// karlan is the letters' donors by what they were offered. Variable 0 of the
// moments is whether they gave, 1 how much.
type karlan struct {
	control, treatment stats.Moments
	letters            map[letter]*stats.Moments
}

var karlanColumns = []string{
	"treatment", "out_gavedum", "out_amountgive",
	"treat_ratio2", "treat_ratio3", "treat_size50", "treat_size100", "treat_sizeno", "treat_askd2", "treat_askd3",
}

func readKarlan(path string) (*karlan, error) {
	k := &karlan{letters: make(map[letter]*stats.Moments)}
	err := eachRow(path, karlanColumns, func(r row) error {
		v, err := r.numbers(0)
		if err != nil {
			return err
		}
		return k.add(v[0] == 1, letter{level(v[3:5]), level(v[5:8]), level(v[8:10])}, v[1], v[2])
	})
	return k, err
}

// level turns the indicators of all levels but the first into a number.
func level(indicators []float64) int {
	for i, v := range indicators {
		if v == 1 {
			return i + 1
		}
	}
	return 0
}

func (k *karlan) add(treated bool, l letter, gave, amount float64) error {
	if !treated {
		return k.control.Add(gave, amount)
	}
	if k.letters[l] == nil {
		k.letters[l] = new(stats.Moments)
	}
	if err := k.letters[l].Add(gave, amount); err != nil {
		return err
	}
	return k.treatment.Add(gave, amount)
}

// crossed is a metric by the levels of factor a, in rows, and in columns by
// those of factor b, or by both other factors where b is -1.
func (k *karlan) crossed(metric, a, b int) ([][]stats.Group, error) {
	sums := make([][]stats.Moments, len(karlanFactors[a].levels))
	for i := range sums {
		sums[i] = make([]stats.Moments, columnsOf(a, b))
	}
	for l, donors := range k.letters {
		if err := sums[l[a]][l.column(a, b)].Merge(*donors); err != nil {
			return nil, err
		}
	}
	cells := make([][]stats.Group, len(sums))
	for i, row := range sums {
		for _, m := range row {
			cells[i] = append(cells[i], stats.GroupMean(m, metric))
		}
	}
	return cells, nil
}

func columnsOf(a, b int) int {
	if b >= 0 {
		return len(karlanFactors[b].levels)
	}
	n := 1
	for i, f := range karlanFactors {
		if i != a {
			n *= len(f.levels)
		}
	}
	return n
}

func (l letter) column(a, b int) int {
	if b >= 0 {
		return l[b]
	}
	n := 0
	for i, f := range karlanFactors {
		if i != a {
			n = n*len(f.levels) + l[i]
		}
	}
	return n
}

// finding is a test among several, with its p-value corrected for them.
type finding struct {
	what     string
	lift     stats.Estimate // of a main effect
	test     stats.Test
	anova    stats.ANOVA // of an interaction
	adjusted float64
}

// mainEffects compares each level of each factor with the factor's first,
// averaged over all combinations of the others.
func (k *karlan) mainEffects(metric int) ([]finding, error) {
	var all []finding
	for a, f := range karlanFactors {
		cells, err := k.crossed(metric, a, -1)
		if err != nil {
			return nil, err
		}
		for to := 1; to < len(f.levels); to++ {
			got := stats.MainEffect(cells, false, 0, to, stats.EqualWeights).Compare(stats.Options{Reference: stats.Normal})
			all = append(all, finding{what: fmt.Sprintf("%s: %s", f.name, f.levels[to]), lift: got.Lift, test: got.Test})
		}
	}
	return corrected(all)
}

// interactions tests whether two factors change each other's effect.
func (k *karlan) interactions(metric int) ([]finding, error) {
	var all []finding
	for a := range karlanFactors {
		for b := a + 1; b < len(karlanFactors); b++ {
			cells, err := k.crossed(metric, a, b)
			if err != nil {
				return nil, err
			}
			what := fmt.Sprintf("%s × %s", karlanFactors[a].name, karlanFactors[b].name)
			all = append(all, finding{what: what, test: stats.InteractionWald(cells), anova: stats.InteractionANOVA(cells)})
		}
	}
	return corrected(all)
}

// corrected fills in Holm's p-values.
func corrected(all []finding) ([]finding, error) {
	p := make([]float64, len(all))
	for i, f := range all {
		p[i] = f.test.PValue
	}
	adjusted, err := stats.Adjust(stats.Holm, p)
	if err != nil {
		return nil, err
	}
	for i := range all {
		all[i].adjusted = adjusted[i]
	}
	return all, nil
}

// compare is the published comparison, with one variance for both groups as in
// a regression.
func (k *karlan) compare(metric int) stats.Comparison {
	return stats.Compare(stats.GroupMean(k.control, metric), stats.GroupMean(k.treatment, metric), stats.Options{Reference: stats.PooledT})
}

func (k *karlan) print(w *strings.Builder) error {
	fmt.Fprintf(w, "%d donors got a letter, %d of them with a matching grant.\n\n", k.control.N()+k.treatment.N(), k.treatment.N())
	fmt.Fprintf(w, "%-12s %20s %20s %10s %11s\n", "", "control (SE)", "match (SE)", "t", "p")
	for i, name := range karlanMetrics {
		c, t, got := stats.GroupMean(k.control, i), stats.GroupMean(k.treatment, i), k.compare(i)
		fmt.Fprintf(w, "%-12s %12.6f (%.3f) %11.6f  (%.3f) %10.5f %11.7f\n", name, c.Mean, c.SE(), t.Mean, t.SE(), got.Test.Statistic, got.Test.PValue)
	}
	fmt.Fprint(w, "published: response 0.018 and 0.022, t 3.10136, p 0.0019274; gift $0.813 (0.063) and $0.967 (0.049)\n")
	for i, name := range karlanMetrics {
		if err := k.printFactors(w, i, name); err != nil {
			return err
		}
	}
	fmt.Fprint(w, "\nThe paper found the same: a larger match ratio does no more than 1:1.\n")
	return nil
}

func (k *karlan) printFactors(w *strings.Builder, metric int, name string) error {
	main, err := k.mainEffects(metric)
	if err != nil {
		return err
	}
	between, err := k.interactions(metric)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "\nAmong the letters with a match, %s:\n%-46s %8s %22s %8s %8s\n", name, "", "lift", "95% interval", "p", "Holm")
	for _, f := range main {
		fmt.Fprintf(w, "%-46s %+7.1f%% %22s %8.4f %8.4f\n", f.what, 100*f.lift.Value, percents(f.lift), f.test.PValue, f.adjusted)
	}
	fmt.Fprintf(w, "%-46s %8s %22s %8s %8s\n", "", "Wald", "ANOVA", "p", "Holm")
	for _, f := range between {
		anova := fmt.Sprintf("F %.3f, p %.4f", f.anova.Test.Statistic, f.anova.Test.PValue)
		fmt.Fprintf(w, "%-46s %8.3f %22s %8.4f %8.4f\n", f.what, f.test.Statistic, anova, f.test.PValue, f.adjusted)
	}
	return nil
}

func percents(e stats.Estimate) string {
	if e.Reason != "" {
		return "none"
	}
	return fmt.Sprintf("[%+.1f%%, %+.1f%%]", 100*e.Low, 100*e.High)
}
