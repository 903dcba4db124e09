package strata

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/strataxp/strata/stats"
)

// missing stands for a number that is not there.
const missing = "–"

// metricUnit is how the estimates of a metric are printed.
type metricUnit struct {
	times    float64 // 100 for percentages
	decimals int
	suffix   string // of estimates
	name     string // of differences, for a table's header
}

// unitOf chooses so many digits that standard errors show two of them, and money
// at least the digits that its coins have.
func unitOf(m *MetricReport) metricUnit {
	u := metricUnit{times: 1, name: m.Currency}
	switch least := leastError(m); {
	case m.Type == MetricConversion || m.Type == MetricFunnel:
		u = metricUnit{times: 100, suffix: " %", name: "points", decimals: decimalsFor(100*least, 2)}
	case m.Currency != "":
		u.decimals = max(minorDecimals(m.Currency), decimalsFor(least, 1))
	default:
		u.decimals = decimalsFor(least, 2)
	}
	return u
}

func minorDecimals(currency string) int { return int(math.Round(math.Log10(minorUnits(currency)))) }

// leastError is the smallest standard error of a metric, or where there is none
// a hundredth of its smallest estimate.
func leastError(m *MetricReport) float64 {
	se, value := math.Inf(1), math.Inf(1)
	for _, e := range m.Estimates {
		if e.Estimate.Reason == "" && e.Estimate.SE > 0 {
			se = min(se, e.Estimate.SE)
		}
		if v := math.Abs(e.Estimate.Value); !e.Estimate.NoValue && v > 0 {
			value = min(value, v)
		}
	}
	if math.IsInf(se, 1) {
		return value / 100
	}
	return se
}

// decimalsFor is how many decimals show so many digits of a number.
func decimalsFor(v float64, digits int) int {
	if !(v > 0) || math.IsInf(v, 0) {
		return 2
	}
	return min(max(digits-1-int(math.Floor(math.Log10(v))), 0), 9)
}

// text prints an estimate, without its unit of money.
func (u metricUnit) text(v float64) string {
	s := decimalText(v*u.times, u.decimals)
	if s == missing {
		return s
	}
	return s + u.suffix
}

// signed prints a difference.
func (u metricUnit) signed(v float64) string { return withSign(decimalText(v*u.times, u.decimals)) }

// plain prints an end of the interval of a difference.
func (u metricUnit) plain(v float64) string { return decimalText(v*u.times, u.decimals) }

// decimalText prints a number with its thousands apart, and very large or small
// ones with an exponent.
func decimalText(v float64, decimals int) string {
	switch size := math.Abs(v); {
	case math.IsNaN(v):
		return missing
	case math.IsInf(v, 0):
		return bound(v, number)
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
	return thousands(n) + rest
}

// withSign marks what is positive as such.
func withSign(s string) string {
	if s == "" || s == missing || s[0] == '-' || strings.Trim(s, "0. %") == "" {
		return s
	}
	return "+" + s
}

// liftText prints a relative difference as a percentage.
func liftText(v float64) string {
	s := liftNumber(v)
	if s == missing || math.IsInf(v, 0) {
		return s
	}
	return s + " %"
}

// liftNumber is liftText without its sign of percent.
func liftNumber(v float64) string {
	decimals := 2
	if size := math.Abs(100 * v); size > 0 && size < 0.005 {
		decimals = decimalsFor(size, 2)
	}
	return withSign(decimalText(hundredfold(v), decimals))
}

// shareText prints a share as a percentage.
func shareText(v float64) string {
	if math.IsNaN(v) {
		return missing
	}
	return decimalText(100*v, 2) + " %"
}

// rangeText prints an interval, or that it is missing.
func rangeText(e stats.Estimate, format func(float64) string) string {
	if e.Reason != "" || math.IsNaN(e.Low) || math.IsNaN(e.High) {
		return missing
	}
	return "[" + bound(e.Low, format) + ", " + bound(e.High, format) + "]"
}

// pointText prints an estimate's value.
func pointText(e stats.Estimate, format func(float64) string) string {
	if e.NoValue {
		return missing
	}
	return format(e.Value)
}

// errorText prints an estimate's standard error.
func (u metricUnit) errorText(e stats.Estimate) string {
	if e.Reason != "" {
		return missing
	}
	return u.text(e.SE)
}

// probability prints a test's p-value.
func probability(t stats.Test) string {
	if t.Reason != "" {
		return missing
	}
	return probabilityText(t.PValue)
}

func probabilityText(p float64) string {
	if !(p > 0 && p <= 1) {
		return missing
	}
	return formatP(p)
}

// correctedText prints the p-value that decides, where there was a test.
func correctedText(c *Corrected) string {
	if c.Family == 0 {
		return missing
	}
	return probabilityText(c.PValue)
}

// settingText prints a share that somebody chose, with no more digits than they
// gave it.
func settingText(v float64) string {
	if math.IsNaN(v) || math.Abs(v) > 1e12 {
		return missing
	}
	return percent(v)
}

// minute prints an instant, in UTC.
func minute(t time.Time) string {
	if t.IsZero() {
		return missing
	}
	return t.UTC().Format("2006-01-02 15:04")
}

// together keeps a number and its sign of percent on one line.
func together(s string) string { return strings.ReplaceAll(s, " %", "\u00a0%") }
