package strata

import (
	"math"
	"strings"
	"time"

	"github.com/strataxp/strata/internal/page"
	"github.com/strataxp/strata/stats"
)

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
		u = metricUnit{times: 100, suffix: " %", name: "points", decimals: page.DecimalsFor(100*least, 2)}
	case m.Currency != "":
		u.decimals = max(minorDecimals(m.Currency), page.DecimalsFor(least, 1))
	default:
		u.decimals = page.DecimalsFor(least, 2)
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

// text prints an estimate, without its unit of money.
func (u metricUnit) text(v float64) string {
	s := page.Decimal(v*u.times, u.decimals)
	if s == page.Missing {
		return s
	}
	return s + u.suffix
}

// signed prints a difference.
func (u metricUnit) signed(v float64) string {
	return page.WithSign(page.Decimal(v*u.times, u.decimals))
}

// plain prints an end of the interval of a difference.
func (u metricUnit) plain(v float64) string { return page.Decimal(v*u.times, u.decimals) }

// rangeText prints an interval, or that it is page.Missing.
func rangeText(e stats.Estimate, format func(float64) string) string {
	if e.Reason != "" || math.IsNaN(e.Low) || math.IsNaN(e.High) {
		return page.Missing
	}
	return "[" + page.Bound(e.Low, format) + ", " + page.Bound(e.High, format) + "]"
}

// pointText prints an estimate's value.
func pointText(e stats.Estimate, format func(float64) string) string {
	if e.NoValue {
		return page.Missing
	}
	return format(e.Value)
}

// errorText prints an estimate's standard error.
func (u metricUnit) errorText(e stats.Estimate) string {
	if e.Reason != "" {
		return page.Missing
	}
	return u.text(e.SE)
}

// probability prints a test's p-value.
func probability(t stats.Test) string {
	if t.Reason != "" {
		return page.Missing
	}
	return probabilityText(t.PValue)
}

func probabilityText(p float64) string {
	if !(p > 0 && p <= 1) {
		return page.Missing
	}
	return page.Probability(p)
}

// correctedText prints the p-value that decides, where there was a test.
func correctedText(c *Corrected) string {
	if c.Family == 0 {
		return page.Missing
	}
	return probabilityText(c.PValue)
}

// settingText prints a share that somebody chose, with no more digits than they
// gave it.
func settingText(v float64) string {
	if math.IsNaN(v) || math.Abs(v) > 1e12 {
		return page.Missing
	}
	return percent(v)
}

// minute prints an instant, in UTC.
func minute(t time.Time) string {
	if t.IsZero() {
		return page.Missing
	}
	return t.UTC().Format("2006-01-02 15:04")
}

// together keeps a number and its sign of percent on one line.
func together(s string) string { return strings.ReplaceAll(s, " %", "\u00a0%") }
