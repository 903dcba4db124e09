package stats

import (
	"fmt"
	"math"
	"slices"
)

// SpendingFamily is a family of functions that say how much of the error rate
// α a group-sequential test may have spent by a share t of its information:
// K. K. G. Lan and D. L. DeMets, "Discrete sequential boundaries for clinical
// trials", Biometrika 70 (1983). A two-sided test spends α/2 on each side.
type SpendingFamily int

const (
	// OBrienFleming spends 2(1 − Φ(z_{α/2}/√t)): next to nothing early, so
	// that the last look is almost a fixed-sample test. It is the default.
	OBrienFleming SpendingFamily = iota

	// Pocock spends α log(1 + (e−1)t): about equal boundaries at all looks.
	Pocock

	// PowerSpending spends α t^Shape.
	PowerSpending

	// HwangShihDeCani spends α (1 − e^(−Shape·t))/(1 − e^(−Shape)): early
	// for positive shapes, late for negative ones, α t for 0. Hwang, Shih and
	// De Cani, Statistics in Medicine 9 (1990).
	HwangShihDeCani
)

var spendingNames = []string{"obrien_fleming", "pocock", "power", "hwang_shih_decani"}

// String is the name in plans and JSON, such as "obrien_fleming".
func (f SpendingFamily) String() string { return enumName(int(f), spendingNames) }

// MarshalText writes the family's name.
func (f SpendingFamily) MarshalText() ([]byte, error) { return enumText(int(f), spendingNames) }

// UnmarshalText reads the family's name.
func (f *SpendingFamily) UnmarshalText(text []byte) error {
	i, err := enumFrom(string(text), spendingNames)
	*f = SpendingFamily(i)
	return err
}

// Spending is a spending function. The zero value is O'Brien and Fleming's.
type Spending struct {
	Family SpendingFamily `json:"family"`

	// Shape is the exponent of PowerSpending, above 0 and at most 50, where
	// zero means 2 as at Spotify; and the parameter of HwangShihDeCani,
	// between −50 and 50. The other families have none.
	Shape float64 `json:"shape,omitempty"`
}

func (s Spending) problem() string {
	switch {
	case s.Family < OBrienFleming || s.Family > HwangShihDeCani:
		return fmt.Sprintf("spending family %d is unknown", s.Family)
	case s.Family == PowerSpending && !(s.Shape >= 0 && s.Shape <= 50):
		return fmt.Sprintf("the exponent %v of the spending function is not between 0 and 50", s.Shape)
	case s.Family == HwangShihDeCani && !(math.Abs(s.Shape) <= 50):
		return fmt.Sprintf("the shape %v of the spending function is not between -50 and 50", s.Shape)
	}
	return ""
}

// Spent is how much of alpha may be spent on one side by the share t of the
// information: 0 at t = 0, alpha from t = 1 on. It is 0 for unusable
// parameters.
func (s Spending) Spent(t, alpha float64) float64 {
	switch {
	case s.problem() != "" || !(t > 0) || !(alpha > 0 && alpha < 1):
		return 0
	case t >= 1:
		return alpha
	}
	switch s.Family {
	case Pocock:
		return alpha * math.Log1p((math.E-1)*t)
	case PowerSpending:
		if s.Shape == 0 {
			return alpha * t * t
		}
		return alpha * math.Pow(t, s.Shape)
	case HwangShihDeCani:
		if s.Shape == 0 {
			return alpha * t
		}
		return alpha * math.Expm1(-s.Shape*t) / math.Expm1(-s.Shape)
	default:
		return min(2*normalSurvival(-NormalQuantile(alpha/2)/math.Sqrt(t)), alpha)
	}
}

// enumName is names[i], or a number in brackets when there is none.
func enumName(i int, names []string) string {
	if i < 0 || i >= len(names) {
		return fmt.Sprintf("unknown(%d)", i)
	}
	return names[i]
}

func enumText(i int, names []string) ([]byte, error) {
	if i < 0 || i >= len(names) {
		return nil, fmt.Errorf("%w: %d is none of %q", ErrValue, i, names)
	}
	return []byte(names[i]), nil
}

func enumFrom(text string, names []string) (int, error) {
	i := slices.Index(names, text)
	if i < 0 {
		return 0, fmt.Errorf("%w: %q is none of %q", ErrValue, text, names)
	}
	return i, nil
}
