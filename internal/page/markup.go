package page

import (
	"bytes"
	"html"
)

// Markup writes well-formed Markup: every element that is started is ended, and
// what comes from users is escaped. The same rules hold for HTML and for the SVG
// in it, so the page can be read by parsers of either.
type Markup struct {
	Out  bytes.Buffer // what has been written
	open []string
}

// Start opens an element. Attributes are pairs of names and values; those with
// an empty value are left out.
func (m *Markup) Start(name string, attrs ...string) {
	m.tag(name, attrs)
	m.Out.WriteByte('>')
	m.open = append(m.open, name)
}

// End closes the element that was opened last.
func (m *Markup) End() {
	last := len(m.open) - 1
	m.Out.WriteString("</")
	m.Out.WriteString(m.open[last])
	m.Out.WriteByte('>')
	if isBlock(m.open[last]) {
		m.Out.WriteByte('\n')
	}
	m.open = m.open[:last]
}

// Leaf writes an element that holds nothing but text.
func (m *Markup) Leaf(name, text string, attrs ...string) {
	m.Start(name, attrs...)
	m.Text(text)
	m.End()
}

// Void writes an element without content.
func (m *Markup) Void(name string, attrs ...string) {
	m.tag(name, attrs)
	m.Out.WriteString("/>")
}

func (m *Markup) tag(name string, attrs []string) {
	m.Out.WriteByte('<')
	m.Out.WriteString(name)
	for i := 0; i+1 < len(attrs); i += 2 {
		if attrs[i+1] == "" {
			continue
		}
		m.Out.WriteByte(' ')
		m.Out.WriteString(attrs[i])
		m.Out.WriteString(`="`)
		m.Text(attrs[i+1])
		m.Out.WriteByte('"')
	}
}

// Text writes text, escaped.
func (m *Markup) Text(s string) { m.Out.WriteString(html.EscapeString(Printable(s))) }

// isBlock reports whether an element ends its line in the source.
func isBlock(name string) bool {
	switch name {
	case "span", "a", "strong", "title", "svg":
		return false
	}
	return true
}
