package page

import (
	"math"
	"strconv"
	"strings"
)

// Missing stands for a number that is not there.
const Missing = "–"

// Number prints six significant digits of a Number below 1 and seven of one
// above, without an exponent where that stays readable.
func Number(v float64) string {
	if v == 0 {
		return "0"
	}
	magnitude := int(math.Floor(math.Log10(math.Abs(v))))
	if magnitude < -6 || magnitude > 14 {
		return strconv.FormatFloat(v, 'g', 6, 64)
	}
	decimals := 5 - magnitude
	if magnitude >= 0 {
		decimals = max(0, 6-magnitude)
	}
	return strconv.FormatFloat(v, 'f', decimals, 64)
}

// Hundredfold is 100·v, or the largest number where that is beyond it.
func Hundredfold(v float64) float64 {
	if math.IsInf(v, 0) {
		return v
	}
	return min(max(100*v, -math.MaxFloat64), math.MaxFloat64)
}

// Bound prints an end of an interval, which may be infinite.
func Bound(v float64, format func(float64) string) string {
	switch {
	case math.IsInf(v, -1):
		return "-∞"
	case math.IsInf(v, 1):
		return "∞"
	default:
		return format(v)
	}
}

// Probability prints two significant digits, and never 0.
func Probability(p float64) string {
	if p >= 0.0001 {
		return strconv.FormatFloat(p, 'f', max(2, 1-int(math.Floor(math.Log10(p)))), 64)
	}
	if p < 1e-300 {
		return "<1e-300"
	}
	return strconv.FormatFloat(p, 'e', 1, 64)
}

// Count prints "1 unit" and "2,000 units".
func Count(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Thousands(n) + " " + many
}

// Thousands prints an integer with its thousands apart.
func Thousands(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// DecimalsFor is how many decimals show so many digits of a number.
func DecimalsFor(v float64, digits int) int {
	if !(v > 0) || math.IsInf(v, 0) {
		return 2
	}
	return min(max(digits-1-int(math.Floor(math.Log10(v))), 0), 9)
}

// Decimal prints a number with its thousands apart, and very large or small
// ones with an exponent.
func Decimal(v float64, decimals int) string {
	switch size := math.Abs(v); {
	case math.IsNaN(v):
		return Missing
	case math.IsInf(v, 0):
		return Bound(v, Number)
	case size >= 1e12 || size > 0 && size < 1e-9:
		return strconv.FormatFloat(v, 'g', 4, 64)
	}
	s := strconv.FormatFloat(v, 'f', decimals, 64)
	if strings.Trim(s, "-0.") == "" {
		s = strings.TrimPrefix(s, "-") // no −0.00
	}
	whole, rest, _ := strings.Cut(s, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || n > -10_000 && n < 10_000 {
		return s
	}
	if rest != "" {
		rest = "." + rest
	}
	return Thousands(n) + rest
}

// WithSign marks what is positive as such.
func WithSign(s string) string {
	if s == "" || s == Missing || s[0] == '-' || strings.Trim(s, "0. %") == "" {
		return s
	}
	return "+" + s
}

// Lift prints a relative difference as a percentage.
func Lift(v float64) string {
	s := LiftNumber(v)
	if s == Missing || math.IsInf(v, 0) {
		return s
	}
	return s + " %"
}

// LiftNumber is Lift without its sign of percent.
func LiftNumber(v float64) string {
	decimals := 2
	if size := math.Abs(100 * v); size > 0 && size < 0.005 {
		decimals = DecimalsFor(size, 2)
	}
	return WithSign(Decimal(Hundredfold(v), decimals))
}

// Share prints a share as a percentage.
func Share(v float64) string {
	if math.IsNaN(v) {
		return Missing
	}
	return Decimal(100*v, 2) + " %"
}
