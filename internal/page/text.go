package page

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Width is how many columns the text of a report takes at most, unless
// numbers are very long.
const Width = 100

// NameWidth is how many columns a treatment's key may take in a table.
const NameWidth = 18

// Paragraph prints a text behind a word in the margin.
func Paragraph(out *strings.Builder, word, text string) {
	indent := 0
	if word != "" {
		indent = max(9, utf8.RuneCountInString(word)+1)
	}
	for i, line := range Wrap(text, Width-indent) {
		if i > 0 {
			word = ""
		}
		fmt.Fprintf(out, "%-*s%s\n", indent, word, line)
	}
}

// Shortened cuts a text to so many characters of one line.
func Shortened(s string, width int) string {
	s = strings.ReplaceAll(s, "\n", string(unicode.ReplacementChar))
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	return string([]rune(s)[:width-1]) + "…"
}

// Wrap breaks a text at spaces, though not between a number and its percent
// sign.
func Wrap(text string, width int) []string {
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

// Table prints aligned columns: the first left, the others right, as numbers
// want it. An all-empty last column costs nothing.
type Table struct {
	Header []string
	Left   int // how many columns align left
	Rows   [][]string
}

// Print prints the table.
func (t *Table) Print(out *strings.Builder) {
	widths := make([]int, len(t.Header))
	all := append([][]string{t.Header}, t.Rows...)
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
			if i < t.Left {
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

// Printable replaces what no parser of Markup accepts and what commands a
// terminal: bytes that are not UTF-8 and control characters, and such as turn
// the direction of text. Keys and attributes may come from requests.
func Printable(s string) string {
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
