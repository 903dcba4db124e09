package strata

import (
	"fmt"
	"math"
	"strings"

	"github.com/strataxp/strata/internal/page"
)

// String prints the capacity as a table of 100 columns.
func (c *Capacity) String() string {
	var out strings.Builder
	fmt.Fprintf(&out, "What each experiment can show within %s", page.Count(int64(c.Days), "day", "days"))
	if c.Inference == OneLook {
		out.WriteString(", with one look at the end\n")
	} else {
		out.WriteString(", looked at as often as one likes\n")
	}
	for i := range c.Experiments {
		c.Experiments[i].print(&out)
	}
	return out.String()
}

func (e *ExperimentCapacity) print(out *strings.Builder) {
	fmt.Fprintf(out, "\n%s: %s of all units, %s a day", e.Experiment, percent(roundTo(e.Reach, 3)), page.Thousands(int64(math.Round(e.UnitsPerDay))))
	if len(e.Path) > 0 {
		fmt.Fprintf(out, ", inside %s", strings.Join(e.Path, " > "))
	}
	out.WriteString("\n")
	if len(e.Metrics) == 0 {
		out.WriteString("  the forecast knows none of its metrics\n")
		return
	}
	t := page.Table{Header: []string{"metric", "where", "effect", "days for it", "detectable", "levels to spare"}, Left: 2}
	for i := range e.Metrics {
		m := &e.Metrics[i]
		spare := "none"
		if m.SpareLevels >= 0 {
			spare = fmt.Sprint(m.SpareLevels)
		}
		t.Rows = append(t.Rows, []string{page.Shortened(m.Metric, page.NameWidth), "as planned", percent(m.Effect), m.days(), m.lift(), spare})
		for _, a := range m.Alternatives {
			t.Rows = append(t.Rows, []string{"", strings.ReplaceAll(string(a.Kind), "_", " "), "", a.days(), a.lift(), ""})
		}
	}
	t.Print(out)
}

func (o *Outlook) days() string {
	if o.DaysNeeded == 0 {
		return "over 10 years"
	}
	return page.Thousands(int64(o.DaysNeeded))
}

func (o *Outlook) lift() string {
	if o.Detectable == 0 {
		return "-"
	}
	return percent(roundTo(o.Detectable, 3))
}
