package strata

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/strataxp/strata/internal/page"
	"github.com/strataxp/strata/stats"
)

// roundTo rounds to so many significant digits.
func roundTo(v float64, digits int) float64 {
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', digits, 64), 64)
	if err != nil {
		return v
	}
	return rounded
}

// percentText prints a relative difference. Those that fill lines with digits
// get an exponent.
func percentText(v float64) string {
	switch {
	case math.IsInf(v, 0):
		return page.Bound(v, page.Number)
	case math.Abs(v) >= 1e12:
		return fmt.Sprintf("%+.4g %%", page.Hundredfold(v))
	}
	return fmt.Sprintf("%+.2f %%", 100*v)
}

func valueText(e stats.Estimate) string {
	if e.NoValue {
		return "-"
	}
	return page.Number(e.Value)
}

func seText(e stats.Estimate) string {
	if e.Reason != "" {
		return "-"
	}
	return page.Number(e.SE)
}

func signed(e stats.Estimate) string {
	if e.NoValue {
		return "-"
	}
	if e.Value > 0 {
		return "+" + page.Number(e.Value)
	}
	return page.Number(e.Value)
}

func signedPercent(e stats.Estimate) string {
	if e.NoValue {
		return "-"
	}
	return percentText(e.Value)
}

func intervalText(e stats.Estimate, format func(float64) string) string {
	if e.Reason != "" {
		return "-"
	}
	return "[" + page.Bound(e.Low, format) + ", " + page.Bound(e.High, format) + "]"
}

func pText(t stats.Test) string {
	if t.Reason != "" {
		return "-"
	}
	return page.Probability(t.PValue)
}

// days prints a duration in whole days, or in hours below two.
func days(d time.Duration) string {
	if d < 48*time.Hour {
		return page.Count(int64(d/time.Hour), "hour", "hours")
	}
	return page.Count(int64(d/(24*time.Hour)), "day", "days")
}
