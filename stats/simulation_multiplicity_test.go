package stats

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

var corrections = []Correction{Bonferroni, Holm, Hochberg, Hommel, Sidak, HolmSidak, BenjaminiHochberg, BenjaminiYekutieli}

// sixTests draws z statistics of which the first nulls have no effect, the
// others one of 3 standard errors; common is the part of the noise that all
// share.
func sixTests(r *rand.Rand, nulls int, common float64) (z, p []float64) {
	shared := math.Sqrt(common) * r.NormFloat64()
	z, p = make([]float64, 6), make([]float64, 6)
	for i := range z {
		z[i] = shared + math.Sqrt(1-common)*r.NormFloat64()
		if i >= nulls {
			z[i] += 3
		}
		p[i] = math.Erfc(math.Abs(z[i]) / math.Sqrt2)
	}
	return z, p
}

// The corrections bound the chance of any false positive, and those of Benjamini
// the expected share of false ones among the positives.
func TestSimulationErrorsOfCorrections(t *testing.T) {
	rates := func(nulls int) (rates []rate) {
		for _, c := range corrections {
			name := fmt.Sprintf("%v, any false positive, 5%%", c)
			if c == BenjaminiHochberg || c == BenjaminiYekutieli {
				name = fmt.Sprintf("%v, share of false positives, 5%%", c)
			}
			rates = append(rates, atMost(name, 0.05))
		}
		return append(rates, between("no correction, any false positive", 0.05, 1-math.Pow(0.95, float64(nulls))))
	}
	draw := func(nulls int, common float64) func(*rand.Rand) func([]bool) {
		return each(func(r *rand.Rand, happened []bool) {
			_, p := sixTests(r, nulls, common)
			for i, c := range corrections {
				wrong, all := rejected(must(Adjust(c, p)), nulls)
				// With probability of the false share: a rate whose
				// expectation is the false discovery rate.
				happened[i] = wrong > 0
				if c == BenjaminiHochberg || c == BenjaminiYekutieli {
					happened[i] = r.Float64()*float64(all) < float64(wrong)
				}
			}
			wrong, _ := rejected(p, nulls)
			happened[len(corrections)] = wrong > 0
		})
	}
	simulate(t, []simulation{
		{"6 independent, no effects", 3_000, rates(6), draw(6, 0)},
		{"6 independent, 3 effects", 3_000, rates(3), draw(3, 0)},
		{"6 correlated by 0.7, no effects", 3_000, rates(6), draw(6, 0.7)},
		{"6 correlated by 0.7, 4 effects", 3_000, rates(2), draw(2, 0.7)},
	})
}

func rejected(p []float64, nulls int) (wrong, all int) {
	for i, v := range p {
		if v <= 0.05 {
			all++
			if i < nulls {
				wrong++
			}
		}
	}
	return wrong, all
}

// The intervals at adjusted levels keep what AdjustedLevels says of them.
func TestSimulationCoverageOfAdjustedLevels(t *testing.T) {
	const nulls = 3
	rates := []rate{
		exactly("bonferroni, all intervals hold, 1 − (1 − α/6)⁶", math.Pow(1-0.05/6, 6)),
		exactly("sidak, all intervals hold", 0.95),
	}
	for _, c := range []Correction{Holm, HolmSidak, Hochberg, Hommel} {
		rates = append(rates, atLeast(fmt.Sprintf("%v, no interval wrongly excludes 0, 95%%", c), 0.95),
			atLeast(fmt.Sprintf("%v, one interval by itself, 95%%", c), 0.95))
	}
	for _, c := range []Correction{BenjaminiHochberg, BenjaminiYekutieli} {
		rates = append(rates, atMost(fmt.Sprintf("%v, share of wrong ones among rejected, 5%%", c), 0.05))
	}
	draw := func(r *rand.Rand, happened []bool) {
		z, p := sixTests(r, nulls, 0)
		intervals := func(c Correction) (misses, excluded []bool) {
			for i, level := range must(AdjustedLevels(c, p, 0.05)) {
				half := NormalQuantile(1 - (1-level)/2)
				truth := 0.0
				if i >= nulls {
					truth = 3
				}
				misses = append(misses, math.Abs(z[i]-truth) > half)
				excluded = append(excluded, math.Abs(z[i]) >= half)
			}
			return misses, excluded
		}
		bonferroni, _ := intervals(Bonferroni)
		sidak, _ := intervals(Sidak)
		happened[0], happened[1] = count(bonferroni) == 0, count(sidak) == 0
		for i, c := range []Correction{Holm, HolmSidak, Hochberg, Hommel} {
			misses, excluded := intervals(c)
			happened[2+2*i] = count(excluded[:nulls]) == 0
			happened[3+2*i] = !misses[r.IntN(len(misses))]
		}
		for i, c := range []Correction{BenjaminiHochberg, BenjaminiYekutieli} {
			misses, excluded := intervals(c)
			wrong := 0
			for j := range misses {
				if misses[j] && excluded[j] {
					wrong++
				}
			}
			happened[10+i] = r.Float64()*float64(count(excluded)) < float64(wrong)
		}
	}
	simulate(t, []simulation{{"6 independent, 3 effects", 3_000, rates, each(draw)}})
}

func count(of []bool) (n int) {
	for _, b := range of {
		if b {
			n++
		}
	}
	return n
}

// With Dunnett's critical value the chance of any false positive is exact for
// treatments that share a control.
func TestSimulationErrorOfDunnett(t *testing.T) {
	sizes := []int64{2_000, 2_000, 4_000, 1_000}
	simulate(t, []simulation{{"4 treatments of 1,000 to 4,000 units, control 3,000", 5_000, []rate{
		exactly("any |z| beyond Critical, 5%", 0.05),
		exactly("any |z| beyond Critical, 1%", 0.01),
		between("any |z| beyond 1.96: not corrected", 0.1, 0.2),
		atLeast("all four lifts hold together, 95%", 0.945),
	}, func(r *rand.Rand) func([]bool) {
		z := make([]float64, len(sizes))
		five := Dunnett(z, 3_000, sizes, 0.95).Critical
		one := Dunnett(z, 3_000, sizes, 0.99).Critical
		return func(happened []bool) {
			c, largest := drawNormal(r, 3_000, 10, 2), 0.0
			happened[3] = true
			for _, n := range sizes {
				tr := drawNormal(r, n, 10, 2)
				largest = max(largest, math.Abs((tr.Mean-c.Mean)/(2*math.Sqrt(1.0/3_000+1/float64(n)))))
				happened[3] = happened[3] && FiellerLift(c, tr, five).Contains(0)
			}
			happened[0], happened[1], happened[2] = largest >= five, largest >= one, largest >= 1.959964
		}
	}}})
}
