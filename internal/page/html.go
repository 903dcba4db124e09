package page

// StartPage begins a page that is one file without scripts and loads nothing, up
// to where its content goes.
func (m *Markup) StartPage(title string) {
	m.Out.WriteString("<!DOCTYPE html>\n")
	m.Start("html", "lang", "en")
	m.Start("head")
	m.Void("meta", "charset", "utf-8")
	m.Void("meta", "name", "viewport", "content", "width=device-width, initial-scale=1")
	m.Void("meta", "name", "color-scheme", "content", "light dark")
	m.Void("meta", "http-equiv", "Content-Security-Policy", "content", "default-src 'none'; style-src 'unsafe-inline'")
	m.Leaf("title", title)
	m.Start("style")
	m.Out.WriteString(style) // a constant without & and <
	m.End()
	m.End()
	m.Start("body")
	m.Start("main")
}

// EndPage ends what StartPage began.
func (m *Markup) EndPage() {
	m.End()
	m.End()
	m.End()
}

// Section opens a section with its heading.
func (m *Markup) Section(id, title string) {
	m.Start("section", "aria-labelledby", id)
	m.Leaf("h2", title, "id", id)
}

// StartTable opens a table that scrolls by itself where the screen is narrow.
func (m *Markup) StartTable(class, name string) {
	m.Start("div", "class", "scroll", "role", "region", "tabindex", "0", "aria-label", name)
	m.Start("table", "class", class)
}

// EndTable closes what StartTable opened.
func (m *Markup) EndTable() {
	m.End()
	m.End()
}

// Header writes a table's header: the first columns align left.
func (m *Markup) Header(left int, names ...string) {
	m.Start("thead")
	m.Start("tr")
	for i, name := range names {
		m.Leaf("th", name, "scope", "col", "class", alignment(i, left))
	}
	m.End()
	m.End()
}

// Row writes a table's row; its first cell is its header.
func (m *Markup) Row(left int, cells ...string) {
	m.Start("tr")
	for i, cell := range cells {
		if i == 0 {
			m.Leaf("th", cell, "scope", "row", "class", "key", "title", Tooltip(cell))
		} else {
			m.Leaf("td", cell, "class", alignment(i, left))
		}
	}
	m.End()
}

func alignment(i, left int) string {
	if i < left {
		return ""
	}
	return "num"
}

// Tooltip is the whole of a key that its cell may be too narrow for.
func Tooltip(key string) string {
	if len(key) > NameWidth {
		return key
	}
	return ""
}

// Fact writes a name with its value, for a list of facts.
func (m *Markup) Fact(name, value string) {
	m.Start("div")
	m.Leaf("dt", name)
	m.Leaf("dd", value)
	m.End()
}
