package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

// Without an effect a test at 5% is significant in 5% of experiments.
func TestSimulationErrorOfComparisons(t *testing.T) {
	simulate(t, []simulation{
		{"normal, 12 units of sd 1 and 30 of sd 3", 12_000, []rate{
			between("Welch, 5%", 0.048, 0.052), // Welch's degrees of freedom are an approximation
			between("Welch, 1%", 0.0095, 0.0115),
			exactly("one-sided greater, 5%, and less, 5%: either", 0.1),
			between("pooled t, 5%: wrong for these arms", 0, 0.01),
		}, each(func(r *rand.Rand, happened []bool) {
			c, tr := drawNormal(r, 12, 5, 1), drawNormal(r, 30, 5, 3)
			welch, one := Compare(c, tr, Options{}), CompareOneSided(c, tr, Options{})
			happened[0] = welch.Significant()
			happened[1] = rejects(welch.Test, 0.01)
			happened[2] = rejects(one.Greater, 0.05) || rejects(one.Less, 0.05)
			happened[3] = Compare(c, tr, Options{Reference: PooledT}).Significant()
		})},
		{"normal, 8 and 20 units of the same sd", 12_000, []rate{
			exactly("pooled t, 5%", 0.05),
			exactly("pooled t, 1%", 0.01),
			between("normal reference, 5%: too often with 8 units", 0.07, 0.1),
		}, each(func(r *rand.Rand, happened []bool) {
			c, tr := drawNormal(r, 8, -2, 2), drawNormal(r, 20, -2, 2)
			pooled := Compare(c, tr, Options{Reference: PooledT})
			happened[0] = pooled.Significant()
			happened[1] = rejects(pooled.Test, 0.01)
			happened[2] = Compare(c, tr, Options{Reference: Normal}).Significant()
		})},
		{"normal, 5,000 and 20,000 units", 20_000, []rate{
			between("normal reference, 5%", 0.0499, 0.0502),
			exactly("one-sided greater, 5%", 0.05),
			exactly("one-sided less, 5%", 0.05),
		}, each(func(r *rand.Rand, happened []bool) {
			c, tr := drawNormal(r, 5_000, 1, 1), drawNormal(r, 20_000, 1, 2)
			happened[0] = Compare(c, tr, Options{Reference: Normal}).Significant()
			one := CompareOneSided(c, tr, Options{})
			happened[1], happened[2] = rejects(one.Greater, 0.05), rejects(one.Less, 0.05)
		})},
		{"revenue, 5% of 4,000 units buy, lognormal of sigma 1", 3_000, []rate{
			between("Welch, equal arms, 5%", 0.045, 0.051),
			between("Welch, one arm a quarter, 5%: 50 buyers are few", 0.045, 0.068),
		}, each(func(r *rand.Rand, happened []bool) {
			d := revenue{0.05, 1}
			c := d.arm(r, 4_000, 1)
			happened[0] = Compare(c, d.arm(r, 4_000, 1), Options{}).Significant()
			happened[1] = Compare(c, d.arm(r, 1_000, 1), Options{}).Significant()
		})},
	})
}

// The tests of shares are conservative where they are exact, and close to their
// level where counts are large.
func TestSimulationErrorOfProportions(t *testing.T) {
	rates := func(welch, pooled rate) []rate {
		return []rate{
			atMost("Fisher, 5%", 0.05), atMost("CompareProportions where exact, 5%", 0.05), welch, pooled,
		}
	}
	share := func(p float64, control, treatment int64) func(*rand.Rand) func([]bool) {
		return each(func(r *rand.Rand, happened []bool) {
			c, tr := drawSuccesses(r, control, p), drawSuccesses(r, treatment, p)
			got := CompareProportions(c, tr, Options{})
			happened[0] = rejects(FisherExact(c, tr), 0.05)
			happened[1] = got.Exact && got.Significant()
			happened[2] = got.Significant()
			happened[3] = rejects(PooledZ(c, tr), 0.05)
		})
	}
	simulate(t, []simulation{
		{"1% of 300 and 300 units", 4_000, rates(
			atMost("CompareProportions, 5%", 0.05), between("PooledZ, 5%: not for so few", 0.02, 0.06)), share(0.01, 300, 300)},
		{"5% of 100 and 500 units", 4_000, rates(
			between("CompareProportions, 5%", 0.02, 0.06), between("PooledZ, 5%: not for so few", 0.04, 0.07)), share(0.05, 100, 500)},
		{"30% of 60 and 90 units", 4_000, rates(
			between("CompareProportions, 5%", 0.045, 0.06), between("PooledZ, 5%", 0.045, 0.055)), share(0.3, 60, 90)},
		{"3% of 10,000 and 20,000 units", 4_000, rates(
			between("CompareProportions, 5%", 0.048, 0.053), between("PooledZ, 5%", 0.048, 0.052)), share(0.03, 10_000, 20_000)},
	})
}

// Where the treatment is worse by exactly the margin, non-inferiority is shown
// in 5% of experiments.
func TestSimulationErrorOfNonInferiority(t *testing.T) {
	simulate(t, []simulation{
		{"normal, 400 and 300 units, treatment at the margin", 5_000, []rate{
			exactly("absolute margin, 5%", 0.05),
			between("relative margin, 5%", 0.048, 0.052), // its degrees of freedom are Welch's
			between("relative margin of a metric that should be low, 5%", 0.048, 0.052),
			between("fixed relative margin, 5%: takes the control's noise for larger", 0.03, 0.045),
			between("fixed relative margin of a metric that should be low, 5%: for smaller", 0.055, 0.075),
		}, each(func(r *rand.Rand, happened []bool) {
			c, worse := drawNormal(r, 400, 10, 3), drawNormal(r, 300, 8, 3)
			happened[0] = NonInferiority(c, worse, Margin{Absolute: 2}, Options{}).Shown()
			happened[1] = NonInferiority(c, worse, Margin{Relative: 0.2}, Options{}).Shown()
			slower := drawNormal(r, 300, 12, 3)
			happened[2] = NonInferiority(c, slower, Margin{Relative: 0.2, Decrease: true}, Options{}).Shown()
			happened[3] = NonInferiority(c, worse, Margin{Relative: 0.2, Fixed: true}, Options{}).Shown()
			happened[4] = NonInferiority(c, slower, Margin{Relative: 0.2, Fixed: true, Decrease: true}, Options{}).Shown()
		})},
		{"normal, 400 and 300 units, no difference", 3_000, []rate{
			atLeast("shown where the margin is large", 0.9999),
		}, each(func(r *rand.Rand, happened []bool) {
			happened[0] = NonInferiority(drawNormal(r, 400, 10, 3), drawNormal(r, 300, 10, 3), Margin{Relative: 0.2}, Options{}).Shown()
		})},
	})
}

// Adjusted by a covariate or by strata, a test still keeps its level.
func TestSimulationErrorOfAdjustments(t *testing.T) {
	rules := []ThetaRule{PooledTotal, PooledWithin, PerArm, FixedTheta}
	cuped := func(adjust func(c, tr Moments, o CUPEDOptions) CUPEDResult, theta float64, c, tr jointNormal, units int64) func(*rand.Rand) func([]bool) {
		return each(func(r *rand.Rand, happened []bool) {
			mc, mt := c.draw(r, units), tr.draw(r, 2*units)
			for i, rule := range rules {
				got := adjust(mc, mt, CUPEDOptions{Rule: rule, Theta: []float64{theta}, NoGuards: true})
				happened[i] = Compare(got.Control, got.Treatment, Options{}).Significant()
			}
			got := adjust(mc, mt, CUPEDOptions{})
			happened[len(rules)] = Compare(got.Control, got.Treatment, Options{}).Significant()
		})
	}
	names := func(least, most float64) (rates []rate) {
		for _, rule := range []string{"pooled total", "pooled within", "per arm", "fixed theta", "pooled total with guards"} {
			rates = append(rates, between("CUPED, "+rule+", 5%", least, most))
		}
		return rates
	}
	plain := metricAndCovariate(3, 0.8)
	// A unit's orders and visits, and the same from before.
	ratio := jointNormal{means: []float64{10, 20, 10, 20}, root: [][]float64{{2}, {1.5, 2}, {1.2, 0.3, 1.5}, {0.9, 1.2, 0.8, 1.5}}}
	simulate(t, []simulation{
		{"CUPED, normal with a correlation of 0.8, 100 and 200 units", 3_000, names(0.048, 0.056), cuped(CUPED, 0.8, plain, plain, 100)},
		{"CUPED, normal with a correlation of 0.8, 1,000 and 2,000 units", 3_000, names(0.049, 0.0515), cuped(CUPED, 0.8, plain, plain, 1_000)},
		{"CUPEDRatio, 500 and 1,000 units", 3_000, names(0.048, 0.053), cuped(CUPEDRatio, 0.5, ratio, ratio, 500)},
		{"strata, four of 300 units with means 0 to 9", 3_000, []rate{
			between("post-stratification, 5%", 0.048, 0.055),
			between("post-stratified ratio, 5%", 0.048, 0.055),
			between("post-stratification with a covariate, 5%", 0.048, 0.057),
		}, each(drawStrata)},
		{"visits of 200 and 300 users", 500, []rate{
			between("GroupRatio, 5%", 0.045, 0.056),
			between("one test per visit, 5%: visits of a user are not independent", 0.12, 0.3),
		}, each(func(r *rand.Rand, happened []bool) {
			c, cEvents := drawVisits(r, 200)
			tr, trEvents := drawVisits(r, 300)
			happened[0] = Compare(GroupRatio(c, 0, 1), GroupRatio(tr, 0, 1), Options{}).Significant()
			happened[1] = Compare(groupOf(cEvents), groupOf(trEvents), Options{}).Significant()
		})},
	})
}

// drawStrata makes a metric that depends on the stratum and on a covariate; for
// the ratio the covariate is the denominator.
func drawStrata(r *rand.Rand, happened []bool) {
	shares := []float64{0.4, 0.3, 0.2, 0.1}
	nc, nt := drawCounts(r, 600, shares), drawCounts(r, 600, shares)
	strata := make([]Stratum, len(shares))
	for i := range strata {
		d := metricAndCovariate(3*float64(i), 0.6)
		strata[i] = Stratum{d.draw(r, nc[i]), d.draw(r, nt[i])}
	}
	happened[0] = PostStratify(strata).Means.Compare(Options{}).Significant()
	happened[1] = PostStratifyRatio(strata).Means.Compare(Options{}).Significant()
	happened[2] = PostStratifyCUPED(strata).Means.Compare(Options{}).Significant()
}

// groupOf takes every event for a unit.
func groupOf(units [][]float64) Group {
	var m Moments
	for _, events := range units {
		for _, v := range events {
			if err := m.Add(v); err != nil {
				panic(err)
			}
		}
	}
	return GroupMean(m, 0)
}

// Checks of the assignment raise their alarm as rarely as they say.
func TestSimulationErrorOfAssignmentChecks(t *testing.T) {
	weights := []float64{0.5, 0.3, 0.2}
	simulate(t, []simulation{
		{"arms of 50, 30 and 20% of 5,000 units", 20_000, []rate{
			between("SampleRatio, 5%", 0.0485, 0.0515),
			between("SampleRatio, 0.1%", 0.0008, 0.0012),
		}, each(func(r *rand.Rand, happened []bool) {
			p := SampleRatio(drawCounts(r, 5_000, weights), weights).Test
			happened[0], happened[1] = rejects(p, 0.05), rejects(p, 0.001)
		})},
		{"a third of 60 units in the first of two arms", 20_000, []rate{
			atMost("SampleRatioExact, 5%", 0.05),
			atMost("SampleRatioExact, 0.1%", 0.001),
			atLeast("SampleRatioExact, 5%: not far below", 0.02),
		}, func(r *rand.Rand) func([]bool) {
			var p [61]Test
			for k := range p {
				p[k] = SampleRatioExact([]int64{int64(k), 60 - int64(k)}, []float64{1, 2}).Test
			}
			return func(happened []bool) {
				got := p[drawSuccesses(r, 60, 1.0/3).Successes]
				happened[0], happened[1] = rejects(got, 0.05), rejects(got, 0.001)
				happened[2] = happened[0]
			}
		}},
		{"3 arms of one experiment in 4 of another, 6,000 units", 10_000, []rate{
			between("ChiSquareTable, 5%", 0.0485, 0.0515),
		}, each(func(r *rand.Rand, happened []bool) {
			rows := drawCounts(r, 6_000, weights)
			table := make([][]int64, len(rows))
			for i, n := range rows {
				table[i] = drawCounts(r, n, []float64{0.1, 0.2, 0.3, 0.4})
			}
			happened[0] = rejects(ChiSquareTable(table), 0.05)
		})},
		{"a normal covariate in arms of 20, 40 and 80 units, unequal variances", 12_000, []rate{
			between("Balance of two, 5%", 0.048, 0.052),
			between("Balance of three, 5%", 0.048, 0.053),
			between("Balance of three, 0.1%", 0.0008, 0.0014),
		}, each(func(r *rand.Rand, happened []bool) {
			a, b, c := drawNormal(r, 20, 5, 1), drawNormal(r, 40, 5, 2), drawNormal(r, 80, 5, 3)
			happened[0] = rejects(Balance(a, b), 0.05)
			all := Balance(a, b, c)
			happened[1], happened[2] = rejects(all, 0.05), rejects(all, 0.001)
		})},
	})
}

// Two factors without an interaction, and without a main effect of rows.
func TestSimulationErrorOfFactorialTests(t *testing.T) {
	cells := func(r *rand.Rand, units, sd func(i, j int) float64) [][]Group {
		table := make([][]Group, 2)
		for i := range table {
			table[i] = make([]Group, 3)
			for j := range table[i] {
				table[i][j] = drawNormal(r, int64(units(i, j)), 10+2*float64(j), sd(i, j))
			}
		}
		return table
	}
	rates := func(wald, anova rate) []rate {
		return []rate{
			wald, anova,
			between("Interaction of a 2×2 part, 5%", 0.047, 0.053),
			between("MainEffect with equal weights, 5%", 0.047, 0.053),
			between("MainEffect with population weights, 5%", 0.047, 0.053),
			between("InteractionRatio of a 2×2 part, 5%", 0.045, 0.055),
		}
	}
	draw := func(units, sd func(i, j int) float64) func(*rand.Rand) func([]bool) {
		return each(func(r *rand.Rand, happened []bool) {
			table := cells(r, units, sd)
			corner := [2][2]Group{{table[0][0], table[0][1]}, {table[1][0], table[1][1]}}
			happened[0] = rejects(InteractionWald(table), 0.05)
			happened[1] = rejects(InteractionANOVA(table).Test, 0.05)
			happened[2] = Interaction(corner).Compare(Options{}).Significant()
			happened[3] = MainEffect(table, false, 0, 1, EqualWeights).Compare(Options{}).Significant()
			happened[4] = MainEffect(table, false, 0, 1, PopulationWeights).Compare(Options{}).Significant()
			_, ratio := InteractionRatio(corner, Options{})
			happened[5] = rejects(ratio, 0.05)
		})
	}
	few := func(i, j int) float64 { return float64(30 + 10*i + 15*j) }
	many := func(i, j int) float64 { return 10 * few(i, j) }
	simulate(t, []simulation{
		{"normal, 30 to 70 units a cell, one sd", 6_000,
			rates(between("InteractionWald, 5%: chi-square, so for large cells", 0.05, 0.065), exactly("InteractionANOVA, 5%", 0.05)),
			draw(few, func(_, _ int) float64 { return 2 })},
		{"normal, 300 to 700 units a cell, sd from 1 to 3", 6_000,
			rates(between("InteractionWald, 5%", 0.0495, 0.052), between("InteractionANOVA, 5%: takes the sd for equal", 0.02, 0.08)),
			draw(many, func(i, j int) float64 { return 1 + float64(i+j)*2/3 })},
	})
}

// The quantiles' tests are asymptotic; with a thousand values they are close.
func TestSimulationErrorOfQuantiles(t *testing.T) {
	draw := func(nu float64) func(*rand.Rand) func([]bool) {
		return func(r *rand.Rand) func([]bool) {
			arm := func(n int) Group {
				values := make([]float64, n)
				for i := range values {
					values[i] = math.Exp(r.NormFloat64())
				}
				return must(NewOrderStatistics(values, nu)).Group()
			}
			return func(happened []bool) {
				c, tr := arm(1_000), arm(1_000)
				happened[0] = Compare(c, tr, Options{Reference: Normal}).Significant()
				half := 1.959964 * c.SE()
				truth := math.Exp(NormalQuantile(nu))
				happened[1] = math.Abs(c.Mean-truth) <= half
			}
		}
	}
	simulate(t, []simulation{
		{"medians of 1,000 lognormal values", 500, []rate{
			between("difference of medians, 5%", 0.04, 0.06), between("interval of a median, 95%", 0.935, 0.955)}, draw(0.5)},
		{"90th percentiles of 1,000 lognormal values", 500, []rate{
			between("difference of 90th percentiles, 5%", 0.035, 0.065), between("interval of a 90th percentile, 95%", 0.93, 0.955)}, draw(0.9)},
		{"medians of the visits of 300 users", 300, []rate{
			between("clustered difference of medians, 5%", 0.035, 0.065),
		}, each(func(r *rand.Rand, happened []bool) {
			_, c := drawVisits(r, 300)
			_, tr := drawVisits(r, 300)
			happened[0] = Compare(must(GroupQuantile(c, 0.5)), must(GroupQuantile(tr, 0.5)), Options{Reference: Normal}).Significant()
		})},
	})
}
