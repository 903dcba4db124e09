package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// columns are the heads of a table of one workload.
var columns = []string{"library", "exposures", "best", "median", "p90/p10", "allocs", "× floor", "× floor, medians", "× strata"}

// table is a workload's results, ready to print.
type table struct {
	name, title string
	rows        [][]string
}

// newTable sorts a workload's tasks, floors first, then by the state of exposures and
// the best time. The columns of ratios stay empty where there is nothing to divide by.
func newTable(w *workload, tasks []*task) table {
	mine := slices.DeleteFunc(slices.Clone(tasks), func(t *task) bool { return t.workload != w.name })
	slices.SortStableFunc(mine, func(x, y *task) int {
		return cmp.Or(rank(x)-rank(y), cmp.Compare(x.figures.best(), y.figures.best()))
	})
	out := table{name: w.name, title: w.title}
	floor := find(tasks, w.name, w.floor, false)
	for _, t := range mine {
		out.rows = append(out.rows, t.row(floor, find(tasks, w.name, "strata", t.exposures)))
	}
	return out
}

func rank(t *task) int {
	switch {
	case t.floor:
		return 0
	case !t.exposures:
		return 1
	default:
		return 2
	}
}

// find returns the task of a subject in a workload, or nil.
func find(tasks []*task, workload, subject string, exposures bool) *task {
	i := slices.IndexFunc(tasks, func(t *task) bool {
		return t.workload == workload && t.subject == subject && t.exposures == exposures
	})
	if i < 0 {
		return nil
	}
	return tasks[i]
}

func (t *task) row(floor, own *task) []string {
	f := &t.figures
	exposures := "off"
	switch {
	case t.floor:
		exposures, own = "", nil
	case t.exposures:
		exposures = "on"
	}
	return []string{
		t.subject, exposures, duration(f.best()), duration(f.median()), fmt.Sprintf("%.2f", f.spread()), decimal(f.allocations()),
		ratio(t, floor, (*figures).best), ratio(t, floor, (*figures).median), ratio(t, own, (*figures).best),
	}
}

// ratio returns a figure of t by that of another task, or "".
func ratio(t, by *task, figure func(*figures) float64) string {
	if by == nil || figure(&by.figures) == 0 {
		return ""
	}
	return decimal(figure(&t.figures) / figure(&by.figures))
}

// decimal writes a number with about three digits.
func decimal(x float64) string {
	switch {
	case x < 0.01:
		return "0"
	case x < 10:
		return fmt.Sprintf("%.2f", x)
	case x < 100:
		return fmt.Sprintf("%.1f", x)
	default:
		return fmt.Sprintf("%.0f", x)
	}
}

// duration writes nanoseconds with about three digits and a unit.
func duration(nanos float64) string {
	switch {
	case nanos >= 999.5e3:
		return decimal(nanos/1e6) + " ms"
	case nanos >= 999.5:
		return decimal(nanos/1e3) + " µs"
	default:
		return decimal(nanos) + " ns"
	}
}

// write prints the table, as text with aligned columns or in Markdown.
func (t *table) write(out *strings.Builder, markdown bool) {
	if markdown {
		t.writeMarkdown(out)
		return
	}
	fmt.Fprintf(out, "%s (%s)\n\n", t.title, t.name)
	rows := append([][]string{columns}, t.rows...)
	widths := make([]int, len(columns))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			fmt.Fprintf(&line, "%-*s  ", widths[i], cell)
		}
		fmt.Fprintln(out, strings.TrimRight(line.String(), " "))
	}
	fmt.Fprintln(out)
}

func (t *table) writeMarkdown(out *strings.Builder) {
	fmt.Fprintf(out, "### %s\n\n", t.title)
	fmt.Fprintf(out, "| %s |\n", strings.Join(columns, " | "))
	fmt.Fprintf(out, "|---|---|%s\n", strings.Repeat("--:|", len(columns)-2))
	for _, row := range t.rows {
		fmt.Fprintf(out, "| %s |\n", strings.Join(row, " | "))
	}
	fmt.Fprintln(out)
}
