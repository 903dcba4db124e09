package stats

import (
	"math/rand/v2"
	"testing"
)

// An interval at 95% holds the true value in 95% of experiments.
func TestSimulationCoverageOfLifts(t *testing.T) {
	rates := func(welch, fieller, delta, log rate) []rate { return []rate{welch, fieller, delta, log} }
	draw := func(arms func(r *rand.Rand) (c, tr Group), difference, lift float64) func(*rand.Rand) func([]bool) {
		z := NormalQuantile(0.975)
		return each(func(r *rand.Rand, happened []bool) {
			c, tr := arms(r)
			happened[0] = Compare(c, tr, Options{}).Difference.Contains(difference)
			fieller := FiellerLift(c, tr, z) // where it has no bounds it claims nothing
			happened[1] = fieller.Reason != "" || fieller.Contains(lift)
			happened[2] = DeltaLift(c, tr, z).Contains(lift)
			happened[3] = LogLift(c, tr, z).Contains(lift)
		})
	}
	normal := func(nc, nt int64, sd float64) func(r *rand.Rand) (c, tr Group) {
		return func(r *rand.Rand) (Group, Group) {
			return drawNormal(r, nc, 10, sd), drawNormal(r, nt, 11, 1.5*sd)
		}
	}
	spent := func(d revenue, n int64) func(r *rand.Rand) (c, tr Group) {
		return func(r *rand.Rand) (Group, Group) { return d.arm(r, n, 1), d.arm(r, n, 1.1) }
	}
	bought := func(d revenue) float64 { return 0.1 * d.buyers }
	moderate, heavy := revenue{0.05, 1}, revenue{0.02, 1.5}
	simulate(t, []simulation{
		{"normal, 400 and 600 units, variation 1/2, lift 10%", 10_000, rates(
			between("difference, 95%", 0.949, 0.951), between("Fieller, 95%", 0.947, 0.951),
			between("delta, 95%", 0.946, 0.951), between("log, 95%", 0.946, 0.951),
		), draw(normal(400, 600, 5), 1, 0.1)},
		{"normal, 15 and 20 units, variation 1/5: normal quantiles undercover", 10_000, rates(
			between("difference, 95%", 0.948, 0.952), atLeast("Fieller, at least 93%", 0.93),
			atLeast("delta, at least 93%", 0.93), atLeast("log, at least 93%", 0.93),
		), draw(normal(15, 20, 2), 1, 0.1)},
		{"revenue, 5% of 4,000 buy, lognormal of sigma 1: some skew", 2_000, rates(
			between("difference, 95%", 0.947, 0.955), between("Fieller, at least 94%", 0.94, 0.955),
			between("delta, at least 94%", 0.94, 0.955), between("log, at least 94%", 0.94, 0.96),
		), draw(spent(moderate, 4_000), bought(moderate), 0.1)},
		{"revenue, 2% of 2,000 buy, lognormal of sigma 1.5: 40 buyers are few", 4_000, rates(
			between("difference, 95%", 0.945, 0.975), between("Fieller, 95%", 0.945, 0.975),
			between("delta, at least 86%", 0.86, 0.95), between("log, at least 89%", 0.89, 0.95),
		), draw(spent(heavy, 2_000), bought(heavy), 0.1)},
	})
}

// With Welch's own quantile Fieller's interval covers small normal samples too.
func TestSimulationCoverageOfComparisonsInSmallSamples(t *testing.T) {
	simulate(t, []simulation{
		{"normal, 10 and 15 units, variation 1/10", 6_000, []rate{
			between("Compare's difference, 95%", 0.948, 0.953),
			between("Compare's lift, 95%", 0.947, 0.955),
			between("an arm's mean, 95%", 0.95, 0.95),
			between("one-sided lift at least, 95%", 0.946, 0.954),
			between("one-sided lift at most, 95%", 0.946, 0.954),
		}, each(func(r *rand.Rand, happened []bool) {
			c, tr := drawNormal(r, 10, 10, 1), drawNormal(r, 15, 12, 1)
			got, one := Compare(c, tr, Options{}), CompareOneSided(c, tr, Options{})
			happened[0] = got.Difference.Contains(2)
			happened[1] = got.Lift.Contains(0.2)
			happened[2] = c.Estimate(0.95).Contains(10)
			happened[3] = one.LiftAtLeast.Contains(0.2)
			happened[4] = one.LiftAtMost.Contains(0.2)
		})},
	})
}

// Counts are discrete, so that coverage jumps with the true share; averaged
// over shares it is near the level.
func TestSimulationCoverageOfShares(t *testing.T) {
	anywhere := func(r *rand.Rand) float64 { return 0.01 + 0.98*r.Float64() }
	always := func(p float64) func(*rand.Rand) float64 { return func(*rand.Rand) float64 { return p } }
	draw := func(p func(*rand.Rand) float64, n int64) func(*rand.Rand) func([]bool) {
		return each(func(r *rand.Rand, happened []bool) {
			pc, pt := p(r), p(r)
			c, tr := drawSuccesses(r, n, pc), drawSuccesses(r, 2*n, pt)
			happened[0] = c.Wilson(0.95).Contains(pc)
			happened[1] = c.ClopperPearson(0.95).Contains(pc)
			happened[2] = NewcombeDifference(c, tr, 0.95).Contains(pt - pc)
			happened[3] = AgrestiCaffoDifference(c, tr, 0.95).Contains(pt - pc)
			happened[4] = CompareProportions(c, tr, Options{}).Difference.Contains(pt - pc)
		})
	}
	rates := func(wilson, newcombe, agresti, compare rate) []rate {
		return []rate{wilson, atLeast("Clopper–Pearson, at least 95%", 0.95), newcombe, agresti, compare}
	}
	simulate(t, []simulation{
		{"10 and 20 units, any shares", 2_000, rates(
			between("Wilson, 95%", 0.945, 0.96), between("Newcombe, 95%", 0.945, 0.97),
			between("Agresti–Caffo, 95%", 0.945, 0.97), atLeast("CompareProportions, at least 95%", 0.95)), draw(anywhere, 10)},
		{"200 and 400 units, any shares", 1_500, rates(
			between("Wilson, 95%", 0.948, 0.953), between("Newcombe, 95%", 0.948, 0.955),
			between("Agresti–Caffo, 95%", 0.948, 0.955), atLeast("CompareProportions, at least 94.5%", 0.945)), draw(anywhere, 200)},
		{"100 and 200 units, 3%", 1_500, rates(
			atLeast("Wilson, at least 91%: jumps with the share", 0.91), atLeast("Newcombe, at least 95%", 0.95),
			atLeast("Agresti–Caffo, at least 95%", 0.95), atLeast("CompareProportions, at least 95%", 0.95)), draw(always(0.03), 100)},
		{"5,000 and 10,000 units, 3%", 1_500, rates(
			between("Wilson, 95%", 0.945, 0.955), between("Newcombe, 95%", 0.948, 0.953),
			between("Agresti–Caffo, 95%", 0.948, 0.953), between("CompareProportions, 95%", 0.946, 0.952)), draw(always(0.03), 5_000)},
	})
}

// Adjusted arms cover with the lift that is true, not with that of the sample.
func TestSimulationCoverageOfCUPED(t *testing.T) {
	past := metricAndCovariate(10, 0.8)
	later := metricAndCovariate(11, 0.8)
	simulate(t, []simulation{
		{"normal with a correlation of 0.8, 300 and 400 units, lift 10%", 5_000, []rate{
			between("difference, 95%", 0.946, 0.952),
			between("Fieller's lift of adjusted arms, 95%", 0.946, 0.952),
			between("delta lift against the control as it was, 95%", 0.946, 0.953),
			between("unadjusted lift, 95%", 0.948, 0.952),
			atLeast("adjusted interval is narrower, unless the guards refuse: 0.1%", 0.998),
		}, each(func(r *rand.Rand, happened []bool) {
			c, tr := past.draw(r, 300), later.draw(r, 400)
			got := CUPED(c, tr, CUPEDOptions{})
			adjusted := Compare(got.Control, got.Treatment, Options{})
			plain := Compare(GroupMean(c, 0), GroupMean(tr, 0), Options{})
			happened[0] = adjusted.Difference.Contains(1)
			happened[1] = adjusted.Lift.Contains(0.1)
			happened[2] = got.Baseline.DeltaLift(1.959964).Contains(0.1)
			happened[3] = plain.Lift.Contains(0.1)
			happened[4] = adjusted.Lift.High-adjusted.Lift.Low < plain.Lift.High-plain.Lift.Low
		})},
	})
}
