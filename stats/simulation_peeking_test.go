package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

// running is an experiment that is looked at after every pair of units, one in
// each arm.
type running struct {
	pairs        int64
	sum, squares [2]float64
}

func (x *running) add(control, treatment float64) {
	x.pairs++
	for i, v := range [2]float64{control, treatment} {
		x.sum[i] += v
		x.squares[i] += v * v
	}
}

func (x *running) group(i int) Group {
	mean := x.sum[i] / float64(x.pairs)
	return Group{N: x.pairs, Mean: mean, Variance: max(0, x.squares[i]-x.sum[i]*mean) / float64(x.pairs-1)}
}

// look is the difference and its standard error if the true lift is 0, or of
// the treatment's mean minus ratio times the control's.
func (x *running) look(ratio float64) (difference, se float64) {
	c, tr := x.group(0), x.group(1)
	return tr.Mean - ratio*c.Mean, math.Sqrt((tr.Variance + ratio*ratio*c.Variance) / float64(x.pairs))
}

// multipliers are those of a method after 1, 2, … pairs of units.
func multipliers(pairs int64, of func(units int64) float64) []float64 {
	m := make([]float64, pairs+1)
	for i := range m {
		m[i] = of(2 * int64(i))
	}
	return m
}

// unit is what the metric of one unit is drawn from.
type unit struct {
	draw     func(r *rand.Rand) float64
	variance float64
}

func normalUnit(mean, sd float64) unit {
	return unit{func(r *rand.Rand) float64 { return mean + sd*r.NormFloat64() }, sd * sd}
}

func convertingUnit(p float64) unit {
	return unit{func(r *rand.Rand) float64 { return float64(int(r.Float64() + p)) }, p * (1 - p)}
}

func revenueUnit(d revenue) unit {
	return unit{d.draw, d.buyers*math.Exp(d.sigma*d.sigma) - d.buyers*d.buyers}
}

const longPeek = 10_000 // pairs, so 20,000 units

var peekedMethods = []string{"Anytime", "LowerBound", "UpperBound", "AnytimeMSPRT", "AnytimeStatsig", "a plain 5% test"}

// peeking is an experiment that is looked at after every pair of units.
type peeking struct {
	units  unit
	scale  float64 // of the treatment's units, 1 without an effect
	first  int64   // pair of units that is looked at
	tuning float64 // of the sequence, in units
}

// start tells which of peekedMethods ever found an effect. A cheap bound says
// at which looks to ask.
func (p peeking) start(r *rand.Rand) func([]bool) {
	s := ConfidenceSequence{MinimumUnits: p.first, TuningN: p.tuning}
	m := MSPRT{MixingVariance: p.units.variance / 250} // effects of 6% of a standard deviation
	two := multipliers(longPeek, s.Multiplier)
	one := multipliers(longPeek, func(n int64) float64 { return -s.LowerBound(0, 1, n).Low })
	return func(happened []bool) {
		var x running
		for x.pairs < longPeek {
			x.add(p.units.draw(r), p.scale*p.units.draw(r))
			if x.pairs < p.first {
				continue
			}
			d, se := x.look(1)
			if !(se > 0) {
				continue
			}
			z := d / se
			happened[0] = happened[0] || math.Abs(z) >= two[x.pairs] && Anytime(x.group(0), x.group(1), s).Significant()
			happened[1] = happened[1] || z >= one[x.pairs] && s.LowerBound(d, se, 2*x.pairs).Low >= 0
			happened[2] = happened[2] || z <= -one[x.pairs] && s.UpperBound(d, se, 2*x.pairs).High <= 0
			if math.Abs(z) < 1.959964 {
				continue
			}
			happened[3] = happened[3] || AnytimeMSPRT(x.group(0), x.group(1), m).Significant()
			happened[4] = happened[4] || AnytimeStatsig(x.group(0), x.group(1), 0).Significant()
			happened[5] = true
		}
	}
}

// Whoever looks after every pair of units and stops at the first significant
// look is right with the methods that are valid at any time, and wrong with a
// test for a fixed sample. From the second pair on, with variances estimated
// from three or four units, only some of them hold: that is what MinimumUnits
// is for.
func TestSimulationErrorUnderPeeking(t *testing.T) {
	normal := normalUnit(2, 1)
	some, few := convertingUnit(0.05), convertingUnit(0.01)
	moderate, heavy := revenueUnit(revenue{0.05, 1}), revenueUnit(revenue{0.02, 1.5})
	kept := func() []rate {
		var rates []rate
		for _, m := range peekedMethods[:5] {
			rates = append(rates, atMost(m+", 5%", 0.05))
		}
		return append(rates, between(peekedMethods[5]+": far beyond", 0.25, 0.9))
	}
	statsig, tuned := kept(), kept()
	statsig[4] = between("AnytimeStatsig, 10% from the second pair on", 0.08, 0.13)
	copy(tuned, []rate{
		between("Anytime, 15% from the second pair on, tuned for 10", 0.12, 0.18),
		between("LowerBound, 10% from the second pair on, tuned for 10", 0.08, 0.13),
		between("UpperBound, 10% from the second pair on, tuned for 10", 0.08, 0.13),
	})
	tuned[4] = statsig[4]
	simulate(t, []simulation{
		{"normal, 100 to 10,000 pairs", 150, kept(), peeking{normal, 1, 100, 0}.start},
		{"normal, 100 to 10,000 pairs, tuned for 200 units", 100, kept(), peeking{normal, 1, 100, 200}.start},
		{"5% convert, 100 to 10,000 pairs", 150, kept(), peeking{some, 1, 100, 0}.start},
		{"5% convert, 100 to 10,000 pairs, tuned for 200 units", 100, kept(), peeking{some, 1, 100, 200}.start},
		{"1% convert, 100 to 10,000 pairs", 150, kept(), peeking{few, 1, 100, 0}.start},
		{"revenue, 5% buy, lognormal of sigma 1, 100 to 10,000 pairs", 150, kept(), peeking{moderate, 1, 100, 0}.start},
		{"revenue, 5% buy, lognormal of sigma 1, tuned for 200 units", 100, kept(), peeking{moderate, 1, 100, 200}.start},
		{"revenue, 2% buy, lognormal of sigma 1.5, 100 to 10,000 pairs", 150, kept(), peeking{heavy, 1, 100, 0}.start},
		{"normal, no minimum: 2 to 10,000 pairs", 100, statsig, peeking{normal, 1, 2, 0}.start},
		{"normal, no minimum: 2 to 10,000 pairs, tuned for 10 units", 100, tuned, peeking{normal, 1, 2, 10}.start},
	})
}

// A real effect is found long before the last look.
func TestSimulationPowerUnderPeeking(t *testing.T) {
	var found []rate
	for _, m := range peekedMethods {
		found = append(found, atLeast(m+" finds the effect", 0.97))
	}
	found[2] = atMost("UpperBound finds a decrease that is not there", 0.05)
	found[4].least = 0.95 // Statsig's halved α costs power
	simulate(t, []simulation{
		{"normal, 2.5% more with a standard deviation of 30% of the mean, 10,000 pairs", 100, found, peeking{normalUnit(2, 0.6), 1.025, 100, 0}.start},
	})
}

// Fieller's lift by a sequence holds the true lift at all looks together.
func TestSimulationCoverageOfAnytimeLift(t *testing.T) {
	const pairs, lift = 5_000, 0.1
	draw := func(u unit) func(*rand.Rand) func([]bool) {
		return func(r *rand.Rand) func([]bool) {
			s := ConfidenceSequence{TuningN: 4_000}
			m := multipliers(pairs, s.Multiplier)
			return func(happened []bool) {
				var x running
				happened[0] = true
				for x.pairs < pairs && happened[0] {
					x.add(u.draw(r), (1+lift)*u.draw(r))
					if x.pairs < DefaultMinimumUnits {
						continue
					}
					if d, se := x.look(1 + lift); math.Abs(d) >= m[x.pairs]*se {
						got := Anytime(x.group(0), x.group(1), s).Lift
						happened[0] = got.Reason != "" || got.Contains(lift)
					}
				}
			}
		}
	}
	simulate(t, []simulation{
		{"normal, lift 10%, 100 to 5,000 pairs", 300, []rate{atLeast("the lift of Anytime at all looks, 95%", 0.95)}, draw(normalUnit(2, 1))},
		{"revenue, lift 10%, 100 to 5,000 pairs", 300, []rate{atLeast("the lift of Anytime at all looks, 95%", 0.95)}, draw(revenueUnit(revenue{0.05, 1}))},
	})
}

// AnytimeLinear allows for the estimated variance, so that it may start with a
// handful of normal units.
func TestSimulationErrorOfAnytimeLinear(t *testing.T) {
	draw := func(g, effect float64) func(*rand.Rand) func([]bool) {
		return func(r *rand.Rand) func([]bool) {
			a := AnytimeLinear{G: g}
			m := multipliers(2_000, func(n int64) float64 { return a.Multiplier(float64(n-2), n) })
			return func(happened []bool) {
				var x running
				for x.pairs < 2_000 && !happened[0] {
					x.add(r.NormFloat64(), effect+r.NormFloat64())
					if x.pairs < 2 {
						continue
					}
					d, se := x.look(1)
					if m[x.pairs] > 0 && math.Abs(d) >= m[x.pairs]*se {
						happened[0] = a.Test(d, se, float64(2*x.pairs-2), 2*x.pairs).PValue <= 0.05000001
					}
				}
			}
		}
	}
	simulate(t, []simulation{
		{"normal, every pair of units from 2 to 2,000", 1_000, []rate{atMost("AnytimeLinear, 5%", 0.05)}, draw(0, 0)},
		{"normal, g = 1 as in avlm, every pair of units from 2 to 2,000", 1_000, []rate{atMost("AnytimeLinear, 5%", 0.05)}, draw(1, 0)},
		{"normal, an effect of 0.2", 500, []rate{atLeast("AnytimeLinear finds it", 0.98)}, draw(0, 0.2)},
	})
}

// The sequential sample ratio may be looked at after every few units; Pearson's
// test may not.
func TestSimulationErrorOfSequentialSampleRatio(t *testing.T) {
	draw := func(concentration, share float64) func(*rand.Rand) func([]bool) {
		return each(func(r *rand.Rand, happened []bool) {
			s, weights := SequentialSampleRatio{Concentration: concentration}, []float64{1, 1}
			counts := []int64{0, 0}
			for n := int64(1); n <= 10_000; n++ {
				if r.Float64() < share {
					counts[0]++
				} else {
					counts[1]++
				}
				if n%10 != 0 || n < 50 {
					continue
				}
				happened[0] = happened[0] || rejects(s.Look(counts, weights).Test, 0.05)
				d := float64(counts[0] - counts[1])
				happened[1] = happened[1] || d*d/float64(n) >= 3.841459
			}
		})
	}
	simulate(t, []simulation{
		{"two equal arms, a look after every 10 of 10,000 units", 300, []rate{
			atMost("SequentialSampleRatio, 5%", 0.05), between("chi-square at every look: far beyond", 0.4, 0.9)}, draw(0, 0.5)},
		{"two equal arms, concentration 100", 300, []rate{
			atMost("SequentialSampleRatio, 5%", 0.05), between("chi-square at every look: far beyond", 0.4, 0.9)}, draw(100, 0.5)},
		{"47% instead of 50%, 10,000 units", 100, []rate{
			atLeast("SequentialSampleRatio finds it", 0.98), atLeast("so does chi-square", 0.98)}, draw(0, 0.47)},
	})
}
