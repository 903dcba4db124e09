package stats

import (
	"fmt"
	"math"
)

// AnytimeLinear makes the t statistics of a linear model valid at every look:
// Lindon, Ham, Tingley and Bojinov, "Anytime-valid linear models and
// regression adjusted causal inference in randomized experiments",
// arXiv:2210.08589, as in their R package avlm. With ν residual degrees of
// freedom, n observations and r = g/(g+n) the evidence is
//
//	log G = ½ log r + (ν+1)/2 · [log(1+t²/ν) − log(1+r t²/ν)].
//
// Unlike [ConfidenceSequence] it allows for the variance being estimated, so
// it may be used from small samples on when the errors are normal. With large
// samples it is the same sequence with g = 1/ρ.
type AnytimeLinear struct {
	// Level is the confidence level, above 0 and below 1. Zero means 0.95.
	Level float64

	// G is the tuning g in observations, chosen before the first look. Zero
	// means the one that is best at TuningN of the zero ConfidenceSequence:
	// 630 at 95%. avlm's default is 1.
	G float64
}

func (a AnytimeLinear) withDefaults() AnytimeLinear {
	if a.Level == 0 {
		a.Level = 0.95
	}
	if a.G == 0 && badLevel(a.Level) == "" {
		a.G = 1 / ConfidenceSequence{Level: a.Level}.RhoSquared()
	}
	return a
}

func (a AnytimeLinear) cannot(df float64, n int64) string {
	switch {
	case badLevel(a.Level) != "":
		return badLevel(a.Level)
	case !(a.G >= 1e-30 && a.G <= 1e30):
		return fmt.Sprintf("the tuning %v is not between 1e-30 and 1e30", a.G)
	case !(df > 0) || !isFinite(df):
		return fmt.Sprintf("%v degrees of freedom", df)
	case n < 1:
		return fmt.Sprintf("%d observations", n)
	}
	return ""
}

func (a AnytimeLinear) r(n int64) float64 { return a.G / (a.G + float64(n)) }

// Multiplier is how many standard errors the interval reaches to either side,
// for df residual degrees of freedom and n observations. It is 0 when these
// or the options are unusable, and when there is no bounded interval because
// df is too small for the level.
func (a AnytimeLinear) Multiplier(df float64, n int64) float64 {
	a = a.withDefaults()
	if a.cannot(df, n) != "" {
		return 0
	}
	r := a.r(n)
	// K = (1+t²/ν)/(1+r t²/ν) where log G = −log α, less one
	k1 := math.Expm1((-2*math.Log(1-a.Level) - math.Log(r)) / (df + 1))
	rest := 1 - r - r*k1
	if !(rest > 0) {
		return 0
	}
	t := math.Sqrt(df) * math.Sqrt(k1/rest)
	if !isFinite(t) {
		return 0
	}
	return t
}

// LogEValue is log G for a t statistic: evidence against no effect, whose
// exponential has expectation 1 without one. It is 0, no evidence, when it is
// not estimable.
func (a AnytimeLinear) LogEValue(t, df float64, n int64) float64 {
	a = a.withDefaults()
	if a.cannot(df, n) != "" || math.IsNaN(t) {
		return 0
	}
	r := a.r(n)
	t = min(math.Abs(t), 1e150)
	x := t / df * t
	return math.Log(r)/2 + (df+1)/2*(math.Log1p(x)-math.Log1p(r*x))
}

// Estimate is value ± Multiplier·se for a coefficient with its standard error.
func (a AnytimeLinear) Estimate(value, se, df float64, n int64) Estimate {
	a = a.withDefaults()
	if r := badStandardError(value, se); r != "" {
		return noInterval(value, r)
	}
	if r := a.cannot(df, n); r != "" {
		return noInterval(value, r)
	}
	c := a.Multiplier(df, n)
	if c == 0 {
		return noInterval(value, fmt.Sprintf("with %v degrees of freedom the interval is unbounded", df))
	}
	return symmetric(value, se, c)
}

// Test is the two-sided test that the coefficient is 0, at this look;
// Statistic is t. Its p-value is at most 1 − Level exactly when the interval
// of Estimate excludes 0.
func (a AnytimeLinear) Test(value, se, df float64, n int64) Test {
	a = a.withDefaults()
	if r := badStandardError(value, se); r != "" {
		return noTest(r)
	}
	if r := a.cannot(df, n); r != "" {
		return noTest(r)
	}
	t := value / se
	return newTest(t, df, math.Exp(-a.LogEValue(t, df, n)))
}
