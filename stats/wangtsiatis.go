package stats

import (
	"fmt"
	"math"
)

// WangTsiatis is the classical family of group-sequential tests with a fixed
// number of equally spaced looks, z_k = C·t_k^(Delta−½): Wang and Tsiatis,
// "Approximately optimal one-parameter boundaries for group sequential trials",
// Biometrics 43 (1987). It needs the number of looks in advance and that they
// are taken on time; [GroupSequential] needs neither.
type WangTsiatis struct {
	// Level is 1 − α, above 0 and below 1; α is the error rate of both sides
	// together unless OneSided. Zero means 0.95.
	Level float64

	// OneSided stops for large z only.
	OneSided bool

	// Delta is the shape, between −2 and 1: 0 is O'Brien and Fleming's test
	// of 1979, ½ Pocock's of 1977.
	Delta float64
}

// Boundaries are those of equally spaced looks, 1 to 200 of them. A boundary
// is at most 8, and Fraction is in Information as well.
func (t WangTsiatis) Boundaries(looks int) Boundaries {
	if t.Level == 0 {
		t.Level = 0.95
	}
	if r := t.problem(looks); r != "" {
		return Boundaries{Reason: r}
	}
	alpha := 1 - t.Level
	side := alpha
	if !t.OneSided {
		side /= 2
	}
	shape := make([]float64, looks)
	for i := range shape {
		shape[i] = math.Pow(float64(i+1)/float64(looks), t.Delta-0.5)
	}
	// One look alone must not spend more than all; all together not more
	// than the sum.
	low := -NormalQuantile(side)
	high := -NormalQuantile(side/float64(looks)) / min(shape[0], 1)
	c := solveFalling(func(c float64) float64 {
		return math.Log(t.spent(c, shape)[looks-1] / side)
	}, max(low, 1e-6), high)
	return t.write(c, shape)
}

func (t WangTsiatis) problem(looks int) string {
	switch {
	case badLevel(t.Level) != "":
		return badLevel(t.Level)
	case t.OneSided && t.Level <= 0.5:
		return fmt.Sprintf("a one-sided level of %v has no positive boundary", t.Level)
	case !(t.Delta >= -2 && t.Delta <= 1):
		return fmt.Sprintf("the shape %v is not between -2 and 1", t.Delta)
	case looks < 1 || looks > 200:
		return fmt.Sprintf("%d looks, want 1 to 200", looks)
	}
	return ""
}

// spent is the error rate of each side up to each look.
func (t WangTsiatis) spent(c float64, shape []float64) []float64 {
	out := make([]float64, len(shape))
	w := startWalk(0)
	sum := 0.0
	n := float64(len(shape))
	for i, s := range shape {
		next := 0.0
		if i+1 < len(shape) {
			next = float64(i+2) / n
		}
		sum += w.stop(float64(i+1)/n, min(c*s, maxCritical), t.OneSided, next)
		out[i] = sum
	}
	return out
}

func (t WangTsiatis) write(c float64, shape []float64) Boundaries {
	g := GroupSequential{OneSided: t.OneSided}
	out := make([]Boundary, len(shape))
	for i, spent := range t.spent(c, shape) {
		at := float64(i+1) / float64(len(shape))
		z := min(c*shape[i], maxCritical)
		out[i] = Boundary{
			Information: at, Fraction: at, Critical: z,
			NominalP: g.bothSides(normalSurvival(z)), Spent: g.bothSides(spent),
		}
	}
	return Boundaries{Looks: out}
}
