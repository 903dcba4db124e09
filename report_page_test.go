package strata_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
)

// node is an element of a page.
type node struct {
	name     string
	attrs    map[string]string
	children []*node
	text     string // of the node and all within
	from     int    // where its text begins in the page's
}

// pageOf writes a report as a page and parses it as strict XML: every tag is
// closed, every attribute quoted, everything else escaped.
func pageOf(t require.TestingT, r *strata.Report) (*node, []byte) {
	var out bytes.Buffer
	require.NoError(t, r.WriteHTML(&out))
	root := &node{}
	open := []*node{root}
	var text strings.Builder
	d := xml.NewDecoder(bytes.NewReader(out.Bytes()))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		switch x := token.(type) {
		case xml.StartElement:
			n := &node{name: x.Name.Local, attrs: map[string]string{}, from: text.Len()}
			for _, a := range x.Attr {
				require.NotContains(t, n.attrs, a.Name.Local, "an attribute twice")
				n.attrs[a.Name.Local] = a.Value
			}
			parent := open[len(open)-1]
			parent.children = append(parent.children, n)
			open = append(open, n)
		case xml.EndElement:
			n := open[len(open)-1]
			n.text, open = text.String()[n.from:], open[:len(open)-1]
		case xml.CharData:
			text.Write(x)
		}
	}
	require.Len(t, open, 1)
	require.Len(t, root.children, 1, "one root")
	return root.children[0], out.Bytes()
}

// all returns the nodes below that have a name.
func (n *node) all(names ...string) []*node {
	var list []*node
	for _, c := range n.children {
		if slices.Contains(names, c.name) {
			list = append(list, c)
		}
		list = append(list, c.all(names...)...)
	}
	return list
}

// requireGoodPage checks what holds of every page.
func requireGoodPage(t require.TestingT, r *strata.Report) *node {
	page, _ := pageOf(t, r)
	require.Equal(t, "html", page.name)
	require.Equal(t, "en", page.attrs["lang"])
	require.NotEmpty(t, page.all("title")[0].text)
	require.Empty(t, page.all("script", "link", "img", "iframe", "object", "embed", "form", "base", "image", "use"))
	requireLoadsNothing(t, page)
	requireHeadings(t, page)
	body := page.all("body")[0]
	requireNumbers(t, body)
	for _, svg := range body.all("svg") {
		if svg.attrs["height"] != "" && svg.attrs["viewBox"] == "" {
			requireDrawing(t, svg)
		}
	}
	return page
}

// requireLoadsNothing checks that links stay within the page, and lead
// somewhere.
func requireLoadsNothing(t require.TestingT, page *node) {
	ids := map[string]bool{}
	for _, n := range everything(page) {
		if id, has := n.attrs["id"]; has {
			require.False(t, ids[id], "id %s twice", id)
			ids[id] = true
		}
	}
	for _, n := range everything(page) {
		for name, value := range n.attrs {
			require.False(t, strings.HasPrefix(name, "on"), "a script in %s", name)
			switch name {
			case "href":
				require.True(t, ids[strings.TrimPrefix(value, "#")] && value[0] == '#', value)
			case "aria-labelledby":
				require.True(t, ids[value], value)
			case "src", "srcset", "action", "style", "data":
				require.Fail(t, "unexpected attribute", name)
			}
		}
	}
	style := page.all("style")[0].text
	require.NotContains(t, style, "url(")
	require.NotContains(t, style, "@import")
}

func everything(n *node) []*node {
	list := []*node{n}
	for _, c := range n.children {
		list = append(list, everything(c)...)
	}
	return list
}

// requireHeadings checks that headings go down one level at a time.
func requireHeadings(t require.TestingT, page *node) {
	level := 0
	for i, h := range page.all("h1", "h2", "h3", "h4") {
		n := int(h.name[1] - '0')
		require.LessOrEqual(t, n, level+1, h.text)
		require.True(t, i == 0 || n > 1, "one h1")
		level = n
	}
}

var notNumber = regexp.MustCompile(`NaN|\bInf\b|%!|\bnull\b`)

func requireNumbers(t require.TestingT, body *node) {
	if at := notNumber.FindStringIndex(body.text); at != nil {
		require.Fail(t, "no number", body.text[max(at[0]-100, 0):at[1]])
	}
	for _, n := range everything(body) {
		for _, value := range n.attrs {
			require.NotRegexp(t, notNumber, value)
		}
	}
}

// requireDrawing checks that a drawing says what it is, and that what is in it
// lies in it.
func requireDrawing(t require.TestingT, svg *node) {
	if svg.attrs["aria-hidden"] == "" {
		require.Equal(t, "img", svg.attrs["role"])
		require.NotEmpty(t, svg.attrs["aria-label"])
		require.Equal(t, "title", svg.children[0].name)
	}
	height, err := strconv.ParseFloat(svg.attrs["height"], 64)
	require.NoError(t, err)
	within := func(value string, limit float64) float64 {
		if value == "" {
			return 0
		}
		v, err := strconv.ParseFloat(value, 64)
		require.NoError(t, err)
		require.True(t, v >= -0.01 && v <= limit+0.01, "%v is not within %v", v, limit)
		return v
	}
	across := func(value string) float64 {
		require.True(t, value == "" || strings.HasSuffix(value, "%"), value)
		return within(strings.TrimSuffix(value, "%"), 100)
	}
	for _, n := range svg.all("line", "rect", "circle", "text", "svg") {
		for _, name := range []string{"x1", "x2", "cx"} {
			across(n.attrs[name])
		}
		for _, name := range []string{"y1", "y2", "cy"} {
			within(n.attrs[name], height)
		}
		require.LessOrEqual(t, across(n.attrs["x"])+across(n.attrs["width"]), 100.02)
		require.LessOrEqual(t, within(n.attrs["y"], height)+within(n.attrs["height"], height), height+0.01)
		if n.attrs["viewBox"] != "" {
			requirePaths(t, n)
		}
	}
}

var pathNumber = regexp.MustCompile(`[^M z,]+`)

// requirePaths checks that the paths of a stretched drawing lie in it.
func requirePaths(t require.TestingT, svg *node) {
	box := strings.Fields(svg.attrs["viewBox"])
	for _, path := range svg.all("path") {
		for i, text := range pathNumber.FindAllString(path.attrs["d"], -1) {
			v, err := strconv.ParseFloat(text, 64)
			require.NoError(t, err)
			limit, err := strconv.ParseFloat(box[2+i%2], 64)
			require.NoError(t, err)
			require.True(t, v >= 0 && v <= limit, "%v is not within %v", v, limit)
		}
	}
}
