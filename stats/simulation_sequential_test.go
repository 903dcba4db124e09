package stats

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// brownian draws the z statistics of looks at shares of the information.
func brownian(r *rand.Rand, fractions []float64, drift float64) []float64 {
	z, sum, before := make([]float64, len(fractions)), 0.0, 0.0
	for i, f := range fractions {
		sum += drift*(f-before) + math.Sqrt(f-before)*r.NormFloat64()
		z[i], before = sum/math.Sqrt(f), f
	}
	return z
}

// stops is a simulation of a group-sequential test: how often it stops without
// an effect, and with the one that a fixed test finds in 80%.
func stops(name string, g GroupSequential, looks []Boundary) simulation {
	fractions := make([]float64, len(looks))
	for i, b := range looks {
		fractions[i] = b.Fraction
	}
	const drift = 1.959964 + 0.841621
	power := g.Crossing(looks, drift).Power
	return simulation{name, 20_000, []rate{
		exactly("stops without an effect, 5%", 0.05),
		exactly("power is that of Crossing", power),
	}, each(func(r *rand.Rand, happened []bool) {
		happened[0] = g.Stopped(looks, brownian(r, fractions, 0)) >= 0
		z := brownian(r, fractions, drift)
		at := g.Stopped(looks, z)
		happened[1] = at >= 0 && z[at] > 0
	})}
}

// A group-sequential test spends its level on its looks, whatever the family
// and however uneven the looks.
func TestSimulationErrorOfGroupSequentialTests(t *testing.T) {
	families := []Spending{
		{Family: OBrienFleming}, {Family: Pocock}, {Family: PowerSpending}, {Family: PowerSpending, Shape: 0.5},
		{Family: HwangShihDeCani, Shape: 2}, {Family: HwangShihDeCani, Shape: -4}, {Family: HwangShihDeCani},
	}
	plans := map[string][]float64{"five even looks": {200, 400, 600, 800, 1000}, "four uneven looks": {100, 150, 700, 1000}}
	var all []simulation
	for _, family := range families {
		for plan, information := range plans {
			for _, oneSided := range []bool{false, true} {
				g := GroupSequential{Spending: family, OneSided: oneSided, Planned: 1000}
				name := fmt.Sprintf("%v %v, one-sided %t, %s", family.Family, family.Shape, oneSided, plan)
				all = append(all, stops(name, g, g.Boundaries(information).Looks))
			}
		}
	}
	simulate(t, all)
}

// Looks that come as they come, beyond the planned end too, share one level.
func TestSimulationErrorOfUnplannedLooks(t *testing.T) {
	g := GroupSequential{Planned: 1000, Spending: Spending{Family: Pocock}}
	var looks []Boundary
	for _, information := range []float64{123, 321, 777, 1150} {
		looks = g.Next(looks, information).Looks
	}
	fractions := []float64{0.123, 0.321, 0.777, 1.150}
	simulate(t, []simulation{{"looks at 12, 32, 78 and 115% of the plan", 20_000, []rate{
		exactly("stops without an effect, 5%", 0.05),
	}, each(func(r *rand.Rand, happened []bool) {
		happened[0] = g.Stopped(looks, brownian(r, fractions, 0)) >= 0
	})}})
}

// Half of the level for looking, half for the end.
func TestSimulationErrorOfHybrid(t *testing.T) {
	draw := func(effect float64) func(*rand.Rand) func([]bool) {
		return func(r *rand.Rand) func([]bool) {
			h := Hybrid{}
			return func(happened []bool) {
				var x running
				for x.pairs < 2_000 {
					x.add(r.NormFloat64(), effect+r.NormFloat64())
					if x.pairs%100 != 0 {
						continue
					}
					if x.pairs < 2_000 {
						happened[0] = happened[0] || h.Running(x.group(0), x.group(1)).Significant()
					}
				}
				happened[1] = h.AtEnd(x.group(0), x.group(1)).Significant()
				happened[0] = happened[0] || happened[1]
			}
		}
	}
	simulate(t, []simulation{
		{"normal, 19 looks and the end at 2,000 pairs", 1_000, []rate{
			between("looks and end together, 5%", 0.02, 0.05), between("at the end, 5%: half is left", 0.02, 0.035)}, draw(0)},
		{"normal, an effect of 0.1", 500, []rate{
			between("looks and end together", 0.75, 0.95), between("at the end", 0.75, 0.95)}, draw(0.1)},
	})
}

// PeekingErrorRate is what looking at a plain test costs.
func TestSimulationOfPeekingErrorRate(t *testing.T) {
	var all []simulation
	for _, looks := range []int{2, 5, 20} {
		want := must(PeekingErrorRate(looks, 0.95))
		all = append(all, simulation{fmt.Sprintf("%d looks, each after 200 more pairs of units", looks), 3_000, []rate{
			exactly("z test of a Brownian motion", want),
			between("Welch's test of normal units", want-0.003, want+0.003),
		}, each(func(r *rand.Rand, happened []bool) {
			fractions := make([]float64, looks)
			for i := range fractions {
				fractions[i] = float64(i + 1)
			}
			for _, z := range brownian(r, fractions, 0) {
				happened[0] = happened[0] || math.Abs(z) >= 1.959964
			}
			var arms [2]Moments
			for range looks {
				for i := range arms {
					more := drawNormal(r, 200, 3, 1)
					if err := arms[i].Merge(must(NewMoments(200, []float64{more.Mean}, []float64{199 * more.Variance}))); err != nil {
						panic(err)
					}
				}
				happened[1] = happened[1] || Compare(GroupMean(arms[0], 0), GroupMean(arms[1], 0), Options{}).Significant()
			}
		})})
	}
	simulate(t, all)
}

// The power that is planned is the power that is had.
func TestSimulationOfPlannedPower(t *testing.T) {
	n := must(SampleSizeMean(2, 0.5, 0, PowerPlan{}))
	units := int64(math.Ceil(n.Control))
	shares := int64(math.Ceil(must(SampleSizeProportion(0.1, 0.12, PooledNull, PowerPlan{}))))
	adjusted := int64(math.Ceil(must(SampleSizeMean(1, 0.25, 0.8, PowerPlan{})).Control))
	c, tr := metricAndCovariate(3, 0.8), metricAndCovariate(3.25, 0.8)
	simulate(t, []simulation{{"samples of the planned size", 4_000, []rate{
		between("Compare, 80%", 0.79, 0.81),
		between("PooledZ, 80%", 0.79, 0.81),
		between("CUPED, 80%", 0.78, 0.81),
	}, each(func(r *rand.Rand, happened []bool) {
		happened[0] = Compare(drawNormal(r, units, 3, 2), drawNormal(r, units, 3.5, 2), Options{}).Significant()
		happened[1] = rejects(PooledZ(drawSuccesses(r, shares, 0.1), drawSuccesses(r, shares, 0.12)), 0.05)
		got := CUPED(c.draw(r, adjusted), tr.draw(r, adjusted), CUPEDOptions{NoGuards: true})
		happened[2] = Compare(got.Control, got.Treatment, Options{}).Significant()
	})}})
}
