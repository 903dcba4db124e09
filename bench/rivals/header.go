package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/strataxp/strata/bench/internal/machine"
)

// writeHeader says where and with what the numbers were measured.
func writeHeader(out *strings.Builder, h *harness, now time.Time) {
	fmt.Fprintf(out, "- %s\n", machine.Line(now))
	fmt.Fprintf(out, "- %d rounds of samples of %v, seed %d\n", h.rounds, h.sample, h.seed)
	for _, a := range adapters() {
		fmt.Fprintf(out, "- %s: %s %s\n", a.Name(), a.Module(), version(a.Module()))
	}
	fmt.Fprintln(out)
}

// writeFooter says how to read the numbers.
func writeFooter(out *strings.Builder, chosen func(name string) bool) {
	fmt.Fprint(out, `How to read this

- Units are 1,024 ids of 36 characters in turn; each experiment has two treatments, half of
  all traffic each. Every library's answers were checked before: about half of the units in
  each treatment, the same at every call, and independent between two experiments.
- What a library needs to know of the unit (attributes, context, user) is built once a
  request: in each operation for one experiment, once an operation for all of 100.
- Libraries are called through an interface of this program, which takes a nanosecond or
  two, and floors are plain loops.
- Best is the least time of a slice of 0.2 ms (2 ms in parallel, one operation where that
  takes longer) in all rounds: others on the machine only ever add. A library's own garbage
  is hardly ever collected in its best slice; the median of whole samples has it.
- Nothing is delivered over a network.
- Floor a is xxhash of the id; floor b looks the experiment's name up in a map of 100
  besides; floor c hashes the id once, and mixes, scales and counts for 100 seeds.

`)
	for _, a := range adapters() {
		if !chosen(a.Name()) {
			continue
		}
		fmt.Fprintf(out, "%s:\n", a.Name())
		for _, remark := range a.Remarks() {
			fmt.Fprintf(out, "- %s\n", remark)
		}
		fmt.Fprintln(out)
	}
	fmt.Fprintf(out, "Not obtainable through the module proxy used: %s.\n", notObtainable)
}
