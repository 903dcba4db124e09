package stats

import (
	"encoding/json"
	"fmt"
	"math"
)

// Group is one arm of an experiment as a comparison sees it: how many units,
// their mean and their variance per unit, so that the mean's squared standard
// error is Variance/N. [GroupMean], [GroupProportion] and [GroupRatio] make
// one from [Moments]; methods that adjust a mean return one as well. The zero
// value is an arm without units.
type Group struct {
	// N is the number of units.
	N int64

	// Mean is the estimate: a mean, a proportion or a ratio of sums. It is
	// meaningless when NoMean is set.
	Mean float64

	// Variance is the variance per unit, with divisor N−1 unless the
	// constructor says otherwise. It is meaningless when Reason is set.
	Variance float64

	// Reason says in words why Variance is missing, for example "1 unit, a
	// variance needs 2". Empty when it is there.
	Reason string

	// NoMean is set when not even Mean can be had; Reason says why.
	NoMean bool
}

const noUnits = "no units"

// GroupMean is the arm's mean of variable i of m and its sample variance. It is
// not estimable when m has units but no variable i.
func GroupMean(m Moments, i int) Group {
	if !m.has(i) {
		return noVariable(m.n, i)
	}
	g := Group{N: m.n, Mean: m.mean[i], Variance: m.covariance(i, i)}
	return g.checked()
}

// GroupProportion is the arm's share of units whose variable i is 1, where it
// is 0 for the others. The variance is the binomial p(1−p) with divisor N,
// not N−1, as GrowthBook, PostHog and Spotify's confidence compute it; use
// [GroupMean] for the sample variance, which is larger by N/(N−1). A share of
// 0 or 1 has variance 0.
//
// It is not estimable when the mean is outside [0, 1], or when m has units but
// no variable i.
func GroupProportion(m Moments, i int) Group {
	if !m.has(i) {
		return noVariable(m.n, i)
	}
	p := m.Mean(i)
	if p < 0 || p > 1 {
		return Group{N: m.n, NoMean: true, Reason: fmt.Sprintf("a share of %v is not between 0 and 1", p)}
	}
	g := Group{N: m.n, Mean: p, Variance: p * (1 - p)}
	return g.checked()
}

// GroupRatio is the arm's ratio R of the sums of variables num and den of m,
// such as revenue per order when the unit is the user. Its variance per unit
// is that of the delta method,
//
//	q = (s²_num − 2 R s_num,den + R² s²_den) / mean_den²,
//
// with sample (co)variances: Deng, Knoblich and Lu, "Applying the Delta
// Method in Metric Analytics", KDD 2018, section 3. The unit is the cluster:
// events of one user may depend on each other. A q that rounding alone
// explains, below 1e-13 of its terms, is 0.
//
// N counts every unit of m; units with neither numerator nor denominator leave
// the ratio alone but count. The mean of per-unit ratios is another metric. It
// is not estimable when the denominators sum to 0, or when m has units but no
// variable num or den.
func GroupRatio(m Moments, num, den int) Group {
	if !m.has(num) || !m.has(den) {
		return noVariable(m.n, max(num, den))
	}
	n, d := m.Mean(num), m.Mean(den)
	if m.n == 0 {
		return Group{}.checked()
	}
	if d == 0 {
		return Group{N: m.n, NoMean: true, Reason: "the denominators sum to 0"}
	}
	r := n / d
	squares := m.Variance(num) + r*r*m.Variance(den)
	spread := squares - 2*r*m.Covariance(num, den)
	if math.Abs(spread) <= 1e-13*squares {
		spread = 0
	}
	g := Group{N: m.n, Mean: r, Variance: spread / d / d}
	return g.checked()
}

// noVariable is a group of which a variable was asked for that nobody measured.
func noVariable(n int64, i int) Group {
	return Group{N: n, NoMean: true, Reason: fmt.Sprintf("the sample has no variable %d", i)}
}

// SE is the standard error of Mean, √(Variance/N), and 0 when Reason is set.
func (g Group) SE() float64 {
	g = g.checked()
	if g.Reason != "" {
		return 0
	}
	return math.Sqrt(g.meanVariance())
}

// meanVariance is the squared standard error of a group without a reason.
func (g Group) meanVariance() float64 { return g.Variance / float64(g.N) }

// checked returns g with a reason where it needs one, whoever made it.
func (g Group) checked() Group {
	switch {
	case g.NoMean && g.Reason != "":
	case g.NoMean:
		g.Reason = "the mean is not known"
	case g.N <= 0:
		g.Reason, g.NoMean = noUnits, true
	case !isFinite(g.Mean):
		g.Reason, g.NoMean = outOfRange, true
	case g.Reason != "":
	case g.N == 1:
		g.Reason = "1 unit, a variance needs 2"
	case g.Variance < 0:
		g.Reason = "the variance is negative, these are not the moments of one sample"
	case !isFinite(g.Variance):
		g.Reason = outOfRange
	}
	if g.NoMean {
		g.Mean = 0
	}
	if g.Reason != "" {
		g.Variance = 0
	}
	return g
}

// groupJSON is the wire form of Group: null is what is not known.
type groupJSON struct {
	N        int64    `json:"n"`
	Mean     *float64 `json:"mean"`
	Variance *float64 `json:"variance"`
	Reason   string   `json:"reason,omitempty"`
}

// MarshalJSON writes null for a mean or variance that is missing.
func (g Group) MarshalJSON() ([]byte, error) {
	g = g.checked()
	return json.Marshal(groupJSON{
		N:        g.N,
		Mean:     numberIf(!g.NoMean, g.Mean),
		Variance: numberIf(g.Reason == "", g.Variance),
		Reason:   g.Reason,
	})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (g *Group) UnmarshalJSON(data []byte) error {
	var wire groupJSON
	if err := json.Unmarshal(data, &wire); err != nil {
		return fmt.Errorf("stats: group: %w", err)
	}
	if wire.Reason == "" && (wire.Mean == nil || wire.Variance == nil) {
		return fmt.Errorf("%w: group without variance and reason", ErrValue)
	}
	*g = Group{
		N:        wire.N,
		Mean:     numberOr(wire.Mean, 0),
		Variance: numberOr(wire.Variance, 0),
		Reason:   wire.Reason,
		NoMean:   wire.Mean == nil,
	}.checked()
	return nil
}
