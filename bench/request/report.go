package main

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/strataxp/strata/bench/internal/machine"
	"github.com/strataxp/strata/internal/page"
)

// printer writes what was found, as text or as Markdown.
type printer struct {
	w        io.Writer
	markdown bool
}

// print writes some text.
func (p printer) print(format string, args ...any) {
	//lint:ignore errcheck what cannot be printed cannot be reported either
	_, _ = fmt.Fprintf(p.w, format, args...)
}

func (p printer) heading(text string) {
	if p.markdown {
		p.print("### %s\n\n", text)
		return
	}
	p.print("%s\n%s\n\n", text, strings.Repeat("-", len([]rune(text))))
}

func (p printer) text(text string) { p.print("%s\n\n", text) }

// list writes lines of their own.
func (p printer) list(lines []string) {
	mark := "  "
	if p.markdown {
		mark = "- "
	}
	for _, line := range lines {
		p.print("%s%s\n", mark, line)
	}
	p.print("\n")
}

// table writes columns of numbers behind one of names.
func (p printer) table(head []string, rows [][]string) {
	if p.markdown {
		p.print("| %s |\n|---|%s\n", strings.Join(head, " | "), strings.Repeat("--:|", len(head)-1))
		for _, row := range rows {
			p.print("| %s |\n", strings.Join(row, " | "))
		}
		p.print("\n")
		return
	}
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, row := range append([][]string{head}, rows...) {
		printer{w: w}.print("%s\t\n", strings.Join(row, "\t"))
	}
	//lint:ignore errcheck it writes to memory
	_ = w.Flush()
	p.print("%s\n", text.String())
}

func (p printer) header() {
	p.text(fmt.Sprintf("%s, %d cores, %s %s/%s, GOMAXPROCS %d, %s. Shop, PostgreSQL (fsync off) and visitors share the machine.",
		machine.Processor(), runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0), time.Now().Format(time.DateOnly)))
}

func millis(d time.Duration) string  { return fmt.Sprintf("%.2f", float64(d)/float64(time.Millisecond)) }
func percent(share float64) string   { return fmt.Sprintf("%.1f %%", 100*share) }
func twoDigits(ratio float64) string { return fmt.Sprintf("%.2f", ratio) }

// comparison writes all about a scenario.
func (p printer) comparison(c comparison) {
	p.heading(c.name + ": " + c.about)
	p.figures(c)
	p.rounds(c)
	p.list(append(c.tails(), c.states()...))
}

// merged is the requests of all rounds of a variant.
func merged(list []result, pick func(*outcome) *times) *times {
	all := newTimes()
	for _, r := range list {
		all.merge(pick(r.outcome))
	}
	return all
}

func before(o *outcome) *times { return o.before }
func during(o *outcome) *times { return o.during }
func late(o *outcome) *times   { return o.late }
func whole(o *outcome) *times  { return o.all() }

// variants are the rows of a comparison.
func (c comparison) variants() (names []string, lists [][]result, picks []func(*outcome) *times) {
	if c.fault == nil {
		return []string{"without strata", "with"}, [][]result{c.without, c.with}, []func(*outcome) *times{whole, whole}
	}
	return []string{"without strata, before", "without, during", "with strata, before", "with, during"},
		[][]result{c.without, c.without, c.with, c.with}, []func(*outcome) *times{before, during, before, during}
}

// figures writes quantiles of all rounds together, and their ratios.
func (p printer) figures(c comparison) {
	var rows [][]string
	names, lists, picks := c.variants()
	var all []figures
	for i, name := range names {
		t := merged(lists[i], picks[i])
		f := t.figures()
		all = append(all, f)
		row := []string{name, page.Thousands(t.count())}
		for _, d := range f.list() {
			row = append(row, millis(d))
		}
		rows = append(rows, append(row, page.Thousands(errorsOf(lists[i])), percent(achievedBy(lists[i]))))
	}
	ratio := func(name string, list [4]float64) {
		row := []string{name, ""}
		for _, x := range list {
			row = append(row, twoDigits(x))
		}
		rows = append(rows, append(row, "", ""))
	}
	if c.fault == nil {
		ratio("with / without", all[1].ratios(all[0]))
		ratio("median of the rounds'", c.roundRatios(whole))
	} else {
		ratio("without: during / before", all[1].ratios(all[0]))
		ratio("with: during / before", all[3].ratios(all[2]))
		ratio("before: with / without", all[2].ratios(all[0]))
		ratio("during: with / without", all[3].ratios(all[1]))
		ratio("median of the rounds', before", c.roundRatios(before))
		ratio("median of the rounds', during", c.roundRatios(during))
	}
	p.table([]string{"", "requests", "p50 ms", "p99 ms", "p99.9 ms", "max ms", "errors", "achieved"}, rows)
}

// roundRatios are the medians over rounds of each figure with strata to that without.
func (c comparison) roundRatios(pick func(*outcome) *times) (medians [4]float64) {
	for i := range medians {
		var list []float64
		for round := range min(len(c.with), len(c.without)) {
			list = append(list, pick(c.with[round].outcome).figures().ratios(pick(c.without[round].outcome).figures())[i])
		}
		medians[i] = median(list)
	}
	return medians
}

func errorsOf(list []result) (n int64) {
	for _, r := range list {
		n += r.errors
	}
	return n
}

func achievedBy(list []result) (share float64) {
	for _, r := range list {
		share += r.achieved() / float64(len(list))
	}
	return share
}

// rounds writes each round, for the spread.
func (p printer) rounds(c comparison) {
	names, lists, picks := c.variants()
	var rows [][]string
	for i, name := range names {
		row := []string{name}
		for _, r := range lists[i] {
			f := picks[i](r.outcome).figures()
			row = append(row, fmt.Sprintf("%s / %s / %s", millis(f.p50), millis(f.p99), millis(f.p999)))
		}
		rows = append(rows, row)
	}
	head := []string{"p50 / p99 / p99.9 ms"}
	for round := range c.with {
		head = append(head, fmt.Sprintf("round %d", round+1))
	}
	p.table(head, rows)
}

// tails are the bins of each variant, and how late requests were sent.
func (c comparison) tails() (lines []string) {
	names, lists, picks := c.variants()
	for i, name := range names {
		lines = append(lines, name+": "+describe(merged(lists[i], picks[i]).bins()))
	}
	for i, list := range [][]result{c.without, c.with} {
		f := merged(list, late).figures()
		lines = append(lines, fmt.Sprintf("requests %s strata were sent late by %s ms (p50), %s (p99), %s (p99.9), %s at most", [...]string{"without", "with"}[i], millis(f.p50), millis(f.p99), millis(f.p999), millis(f.max)))
	}
	return lines
}

// states are what the shop said of itself after each round, and what was checked.
func (c comparison) states() (lines []string) {
	for i, r := range c.with {
		h, waiting := r.health, r.health.Accepted-r.health.Delivered
		line := fmt.Sprintf("round %d with strata: plan version %d in the end; %s events accepted, %s of them waiting when the load was over (%s of buffer), %s refused; then %s delivered, %s lost; %s orders acknowledged, all of them stored once",
			i+1, h.Plan, page.Thousands(r.closed.accepted), page.Thousands(waiting), mebibytes(h.Buffered), page.Thousands(r.closed.refused), page.Thousands(r.closed.delivered), page.Thousands(r.closed.lost), page.Thousands(r.book.count()))
		lines = append(lines, line, "  "+memory(r))
		for _, problem := range h.Problems {
			lines = append(lines, "  it said: "+problem)
		}
	}
	for i, r := range c.without {
		lines = append(lines, fmt.Sprintf("round %d without: %s", i+1, memory(r)))
		if r.firstError != nil {
			lines = append(lines, "  the first error: "+r.firstError.Error())
		}
	}
	for i, r := range c.with {
		if r.firstError != nil {
			lines = append(lines, fmt.Sprintf("round %d with strata, the first error: %v", i+1, r.firstError))
		}
	}
	return lines
}

// memory is what the shop's runtime said when the load was over, and how much more than
// when it began.
func memory(r result) string {
	h, f := r.health, r.first
	return fmt.Sprintf("heap %s, %s from the system, %d goroutines; during the load, for each request, %.0f µs of processor time and %s allocated; %d collections that stopped it for %s ms",
		mebibytes(h.HeapBytes), mebibytes(h.SysBytes), h.Goroutines,
		float64((h.computed-f.computed).Microseconds())/float64(max(r.answered, 1)), kibibytes(h.Allocated-f.Allocated, r.answered), h.GCs-f.GCs, millis(h.GCPauses-f.GCPauses))
}

func kibibytes(n, by int64) string {
	return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10)/float64(max(by, 1)))
}

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
