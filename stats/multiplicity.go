package stats

import (
	"fmt"
	"math"
	"slices"
)

// Correction is a way to keep an error rate over several p-values. Those from
// Bonferroni to Hommel, and the two of Šidák, bound the chance of any false
// positive; BenjaminiHochberg and BenjaminiYekutieli bound the expected share
// of false ones among the positives, which is for exploring.
type Correction int

const (
	// NoCorrection leaves p-values alone. It is the default.
	NoCorrection Correction = iota

	// Bonferroni holds under any dependence of the p-values.
	Bonferroni

	// Holm finds at least what Bonferroni finds and holds under any
	// dependence too: S. Holm, Scandinavian Journal of Statistics 6 (1979).
	// It is the one to take when in doubt.
	Holm

	// Hochberg finds at least what Holm finds, for independent or positively
	// dependent p-values: Y. Hochberg, Biometrika 75 (1988).
	Hochberg

	// Hommel finds at least what Hochberg finds, under the same condition:
	// G. Hommel, Biometrika 75 (1988).
	Hommel

	// Sidak is exact for independent p-values.
	Sidak

	// HolmSidak is Holm's procedure with Šidák's levels.
	HolmSidak

	// BenjaminiHochberg controls the false discovery rate for independent or
	// positively dependent p-values: JRSS B 57 (1995).
	BenjaminiHochberg

	// BenjaminiYekutieli controls it under any dependence: Annals of
	// Statistics 29 (2001).
	BenjaminiYekutieli
)

var correctionNames = []string{
	"none", "bonferroni", "holm", "hochberg", "hommel", "sidak", "holm_sidak",
	"benjamini_hochberg", "benjamini_yekutieli",
}

// String is the name in plans and JSON, such as "holm".
func (c Correction) String() string { return enumName(int(c), correctionNames) }

// MarshalText writes the correction's name.
func (c Correction) MarshalText() ([]byte, error) { return enumText(int(c), correctionNames) }

// UnmarshalText reads the correction's name.
func (c *Correction) UnmarshalText(text []byte) error {
	i, err := enumFrom(string(text), correctionNames)
	*c = Correction(i)
	return err
}

func (c Correction) check(p []float64) error {
	if c < NoCorrection || c > BenjaminiYekutieli {
		return fmt.Errorf("%w: correction %d is unknown", ErrValue, int(c))
	}
	for i, v := range p {
		if !(v >= 0 && v <= 1) {
			return fmt.Errorf("%w: p-value %d is %v, not between 0 and 1", ErrValue, i, v)
		}
	}
	return nil
}

// Adjust corrects p-values for their number. The results are in the order of
// the input; one is at most α exactly when the procedure, carried out at α,
// rejects. Leave out what could not be tested rather than passing 1.
//
// The error is [ErrValue] for a p-value that is not between 0 and 1. It costs
// a sort, Hommel's the square of the number.
func Adjust(c Correction, p []float64) ([]float64, error) {
	if err := c.check(p); err != nil {
		return nil, err
	}
	order := ascending(p)
	sorted := make([]float64, len(p))
	for k, i := range order {
		sorted[k] = p[i]
	}
	c.adjustSorted(sorted)
	out := make([]float64, len(p))
	for k, i := range order {
		out[i] = min(sorted[k], 1)
	}
	return out, nil
}

// ascending is the order of p, smallest first, equals as they come.
func ascending(p []float64) []int {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case p[a] < p[b]:
			return -1
		case p[a] > p[b]:
			return 1
		}
		return 0
	})
	return order
}

// adjustSorted replaces ascending p-values by adjusted ones.
func (c Correction) adjustSorted(p []float64) {
	m := float64(len(p))
	switch c {
	case Bonferroni:
		scale(p, func(float64) float64 { return m })
	case Sidak:
		sidak(p, func(float64) float64 { return m })
	case Holm:
		scale(p, func(k float64) float64 { return m - k })
		cumulativeMaximum(p)
	case HolmSidak:
		sidak(p, func(k float64) float64 { return m - k })
		cumulativeMaximum(p)
	case Hochberg:
		scale(p, func(k float64) float64 { return m - k })
		minimumFromEnd(p)
	case BenjaminiHochberg:
		scale(p, func(k float64) float64 { return m / (k + 1) })
		minimumFromEnd(p)
	case BenjaminiYekutieli:
		h := harmonic(len(p))
		scale(p, func(k float64) float64 { return h * m / (k + 1) })
		minimumFromEnd(p)
	case Hommel:
		hommel(p)
	}
}

func scale(p []float64, factor func(k float64) float64) {
	for k := range p {
		p[k] = min(p[k]*factor(float64(k)), 1)
	}
}

// sidak is 1 − (1−p)^n, precise for small p.
func sidak(p []float64, n func(k float64) float64) {
	for k := range p {
		p[k] = -math.Expm1(n(float64(k)) * math.Log1p(-p[k]))
	}
}

func cumulativeMaximum(p []float64) {
	for k := 1; k < len(p); k++ {
		p[k] = max(p[k], p[k-1])
	}
}

func minimumFromEnd(p []float64) {
	for k := len(p) - 2; k >= 0; k-- {
		p[k] = min(p[k], p[k+1])
	}
}

// harmonic is 1 + 1/2 + … + 1/m.
func harmonic(m int) float64 {
	sum := 0.0
	for k := 1; k <= m; k++ {
		sum += 1 / float64(k)
	}
	return sum
}

// hommel closes Simes' test: S. P. Wright, "Adjusted p-values for simultaneous
// inference", Biometrics 48 (1992), in the form of R's p.adjust.
func hommel(p []float64) {
	n := len(p)
	if n == 0 {
		return
	}
	simes := math.Inf(1)
	for i, v := range p {
		simes = min(simes, float64(n)*v/float64(i+1))
	}
	q, adjusted := make([]float64, n), make([]float64, n)
	for i := range q {
		q[i], adjusted[i] = simes, simes
	}
	for m := n - 1; m > 1; m-- {
		least := math.Inf(1)
		for k := 2; k <= m; k++ { // the m−1 largest
			least = min(least, float64(m)*p[n-m+k-1]/float64(k))
		}
		for i := range n - m + 1 {
			q[i] = min(float64(m)*p[i], least)
		}
		for i := n - m + 1; i < n; i++ {
			q[i] = q[n-m]
		}
		for i := range q {
			adjusted[i] = max(adjusted[i], q[i])
		}
	}
	for i := range p {
		p[i] = max(adjusted[i], p[i])
	}
}
