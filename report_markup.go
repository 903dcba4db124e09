package strata

import (
	"bytes"
	"html"
)

// markup writes well-formed markup: every element that is started is ended, and
// what comes from users is escaped. The same rules hold for HTML and for the SVG
// in it, so the page can be read by parsers of either.
type markup struct {
	out  bytes.Buffer
	open []string
}

// start opens an element. Attributes are pairs of names and values; those with
// an empty value are left out.
func (m *markup) start(name string, attrs ...string) {
	m.tag(name, attrs)
	m.out.WriteByte('>')
	m.open = append(m.open, name)
}

// end closes the element that was opened last.
func (m *markup) end() {
	last := len(m.open) - 1
	m.out.WriteString("</")
	m.out.WriteString(m.open[last])
	m.out.WriteByte('>')
	if isBlock(m.open[last]) {
		m.out.WriteByte('\n')
	}
	m.open = m.open[:last]
}

// leaf writes an element that holds nothing but text.
func (m *markup) leaf(name, text string, attrs ...string) {
	m.start(name, attrs...)
	m.text(text)
	m.end()
}

// void writes an element without content.
func (m *markup) void(name string, attrs ...string) {
	m.tag(name, attrs)
	m.out.WriteString("/>")
}

func (m *markup) tag(name string, attrs []string) {
	m.out.WriteByte('<')
	m.out.WriteString(name)
	for i := 0; i+1 < len(attrs); i += 2 {
		if attrs[i+1] == "" {
			continue
		}
		m.out.WriteByte(' ')
		m.out.WriteString(attrs[i])
		m.out.WriteString(`="`)
		m.text(attrs[i+1])
		m.out.WriteByte('"')
	}
}

// text writes text, escaped.
func (m *markup) text(s string) { m.out.WriteString(html.EscapeString(printable(s))) }

// isBlock reports whether an element ends its line in the source.
func isBlock(name string) bool {
	switch name {
	case "span", "a", "strong", "title", "svg":
		return false
	}
	return true
}
