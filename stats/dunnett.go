package stats

import (
	"fmt"
	"math"
)

// DunnettResult compares several treatments with one control.
type DunnettResult struct {
	// Critical is the |z| above which a treatment is significant at the
	// level, all treatments together. Pass it on to [FiellerLift]: then the
	// intervals of all lifts hold together.
	Critical float64 `json:"critical"`

	// Tests are those of the treatments, each with its z and the p-value
	// adjusted for all of them.
	Tests []Test `json:"tests"`

	// Reason says in words why there is no result. Empty when there is one.
	Reason string `json:"reason,omitempty"`
}

// Dunnett adjusts two-sided z tests of treatments against a shared control for
// their number, allowing for the correlation that the control brings:
//
//	ρ_ij = λ_i λ_j,  λ_i² = n_i/(n_i + n_0).
//
// C. W. Dunnett, "A multiple comparison procedure for comparing several
// treatments with a control", JASA 50 (1955), in the normal version for large
// arms with equal variances. It is exact where Bonferroni is conservative: 3
// equal arms of treatment need |z| > 2.349 instead of 2.394. The p-values are those of
// the largest |z|; no step-down.
//
// level is 1 − α of all treatments together, zero means 0.95. There is no
// result for arms without units, for numbers of z and arms that differ, for
// more than 100 treatments and a z that is not finite. Probabilities are
// one-dimensional integrals good to ten digits, also in the far tail; the cost
// is about 2 ms for 3 treatments (BenchmarkDunnett).
func Dunnett(z []float64, controlUnits int64, treatmentUnits []int64, level float64) DunnettResult {
	if level == 0 {
		level = 0.95
	}
	if r := badDunnett(z, controlUnits, treatmentUnits, level); r != "" {
		return DunnettResult{Reason: r}
	}
	d := newDunnett(float64(controlUnits), treatmentUnits)
	out := DunnettResult{Critical: d.critical(1 - level), Tests: make([]Test, len(z))}
	for i, v := range z {
		out.Tests[i] = newTest(v, 0, d.exceeds(math.Abs(v)))
	}
	return out
}

func badDunnett(z []float64, control int64, treatments []int64, level float64) string {
	if r := badLevel(level); r != "" {
		return r
	}
	if len(z) != len(treatments) {
		return fmt.Sprintf("%d z values for %d treatments", len(z), len(treatments))
	}
	if len(z) < 1 || len(z) > maxArms {
		return fmt.Sprintf("%d treatments, want 1 to %d", len(z), maxArms)
	}
	if control < 1 {
		return fmt.Sprintf("control: %d units", control)
	}
	for i, n := range treatments {
		if n < 1 {
			return fmt.Sprintf("treatment %d: %d units", i, n)
		}
		if !isFinite(z[i]) {
			return fmt.Sprintf("treatment %d: z is %v", i, z[i])
		}
	}
	return ""
}

// dunnett is the joint distribution: Z_i = λ_i X + √(1−λ_i²) E_i with a
// standard normal X that all share.
type dunnett struct{ shared, own []float64 }

func newDunnett(control float64, treatments []int64) dunnett {
	d := dunnett{make([]float64, len(treatments)), make([]float64, len(treatments))}
	for i, n := range treatments {
		d.shared[i] = math.Sqrt(float64(n) / (float64(n) + control))
		d.own[i] = math.Sqrt(control / (float64(n) + control))
	}
	return d
}

// exceeds is P(max |Z_i| > c).
func (d dunnett) exceeds(c float64) float64 {
	if len(d.shared) == 1 || c == 0 {
		return 2 * normalSurvival(c)
	}
	return integrate(panels(d.edges(c)), func(x float64) float64 {
		log := 0.0 // of the chance that none exceeds c, given X = x
		for i, l := range d.shared {
			log += math.Log1p(-min(normalSurvival((c-l*x)/d.own[i])+normalSurvival((c+l*x)/d.own[i]), 1))
		}
		return -math.Expm1(log) * math.Exp(-x*x/2) / math.Sqrt(2*math.Pi)
	})
}

// edges cut the range of X where its density changes, and finely where a Z_i
// passes c, which is sudden when its arm is much larger than the control.
func (d dunnett) edges(c float64) []float64 {
	edges := evenEdges(-38, 38, 2)
	seen := map[float64]bool{}
	for i, l := range d.shared {
		if seen[l] {
			continue
		}
		seen[l] = true
		at, width := c/l, d.own[i]/l
		for _, k := range []float64{0, 1, 2, 3, 4, 6, 8} {
			for _, e := range []float64{at - k*width, at + k*width} {
				if width < 1 && e > -38 && e < 38 {
					edges = append(edges, e, -e)
				}
			}
		}
	}
	return sortedEdges(edges)
}

// critical is the c with P(max |Z_i| > c) = alpha, between that of one test
// and Bonferroni's.
func (d dunnett) critical(alpha float64) float64 {
	low := -NormalQuantile(alpha / 2)
	high := -NormalQuantile(alpha / 2 / float64(len(d.shared)))
	if len(d.shared) == 1 {
		return low
	}
	return solveFalling(func(c float64) float64 { return math.Log(d.exceeds(c) / alpha) }, low, high)
}
