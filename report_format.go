package strata

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/strataxp/strata/stats"
)

// number prints six significant digits of a number below 1 and seven of one
// above, without an exponent where that stays readable.
func number(v float64) string {
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
		return bound(v, number)
	case math.Abs(v) >= 1e12:
		return fmt.Sprintf("%+.4g %%", hundredfold(v))
	}
	return fmt.Sprintf("%+.2f %%", 100*v)
}

// hundredfold is 100·v, or the largest number where that is beyond it.
func hundredfold(v float64) float64 {
	if math.IsInf(v, 0) {
		return v
	}
	return min(max(100*v, -math.MaxFloat64), math.MaxFloat64)
}

func valueText(e stats.Estimate) string {
	if e.NoValue {
		return "-"
	}
	return number(e.Value)
}

func seText(e stats.Estimate) string {
	if e.Reason != "" {
		return "-"
	}
	return number(e.SE)
}

func signed(e stats.Estimate) string {
	if e.NoValue {
		return "-"
	}
	if e.Value > 0 {
		return "+" + number(e.Value)
	}
	return number(e.Value)
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
	return "[" + bound(e.Low, format) + ", " + bound(e.High, format) + "]"
}

func bound(v float64, format func(float64) string) string {
	switch {
	case math.IsInf(v, -1):
		return "-∞"
	case math.IsInf(v, 1):
		return "∞"
	default:
		return format(v)
	}
}

func pText(t stats.Test) string {
	if t.Reason != "" {
		return "-"
	}
	return formatP(t.PValue)
}

// formatP prints two significant digits, and never 0.
func formatP(p float64) string {
	if p >= 0.0001 {
		return strconv.FormatFloat(p, 'f', max(2, 1-int(math.Floor(math.Log10(p)))), 64)
	}
	if p < 1e-300 {
		return "<1e-300"
	}
	return strconv.FormatFloat(p, 'e', 1, 64)
}

// days prints a duration in whole days, or in hours below two.
func days(d time.Duration) string {
	if d < 48*time.Hour {
		return count(int64(d/time.Hour), "hour", "hours")
	}
	return count(int64(d/(24*time.Hour)), "day", "days")
}

// shortened cuts a text to so many characters of one line.
func shortened(s string, width int) string {
	s = strings.ReplaceAll(s, "\n", string(unicode.ReplacementChar))
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	return string([]rune(s)[:width-1]) + "…"
}

// count prints "1 unit" and "2,000 units".
func count(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(n) + " " + many
}

func thousands(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// wrap breaks a text at spaces, though not between a number and its percent
// sign.
func wrap(text string, width int) []string {
	const glue = "\x00"
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(strings.ReplaceAll(text, " %", glue+"%")) {
		word = strings.ReplaceAll(word, glue, " ")
		for runes := []rune(word); len(runes) > width; runes = []rune(word) { // longer than a line
			if line != "" {
				lines = append(lines, line)
				line = ""
			}
			lines, word = append(lines, string(runes[:width])), string(runes[width:])
		}
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

// table prints aligned columns: the first left, the others right, as numbers
// want it. An all-empty last column costs nothing.
type table struct {
	header []string
	left   int // how many columns align left
	rows   [][]string
}

func (t *table) print(out *strings.Builder) {
	widths := make([]int, len(t.header))
	all := append([][]string{t.header}, t.rows...)
	for _, row := range all {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range all {
		var line strings.Builder
		line.WriteString(" ")
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i < t.left {
				if i > 0 {
					line.WriteString(" ")
				}
				line.WriteString(" " + cell + pad)
			} else {
				line.WriteString("  " + pad + cell)
			}
		}
		out.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}

// printable replaces what no parser of markup accepts and what commands a
// terminal: bytes that are not UTF-8 and control characters, and such as turn
// the direction of text. Keys and attributes may come from requests.
func printable(s string) string {
	plain := true
	for i := 0; i < len(s) && plain; i++ {
		plain = s[i] >= ' ' && s[i] < utf8.RuneSelf && s[i] != 0x7f
	}
	if plain {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r < ' ' || r >= 0x7f && r < 0xa0 || r == 0xfffe || r == 0xffff || turnsText(r):
			return utf8.RuneError
		}
		return r
	}, s)
}

// turnsText reports whether a character changes the direction of what follows,
// so that a key could make the text around it read backwards.
func turnsText(r rune) bool { return r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 }
