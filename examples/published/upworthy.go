package main

import (
	"fmt"
	"strings"

	"github.com/strataxp/strata/stats"
)

// headlines is one test: an arm for each version, by how many saw and clicked
// it.
type headlines struct {
	week string
	arms []stats.Share
}

// upworthy is all tests, in the order of the file.
type upworthy []*headlines

func readUpworthy(path string) (upworthy, error) {
	var all upworthy
	byID := make(map[string]*headlines)
	err := eachRow(path, []string{"clickability_test_id", "test_week", "impressions", "clicks"}, func(r row) error {
		seen, err := r.numbers(2)
		if err != nil {
			return err
		}
		test := byID[r[0]]
		if test == nil {
			test = &headlines{week: r[1]}
			byID[r[0]] = test
			all = append(all, test)
		}
		test.arms = append(test.arms, stats.Share{Successes: int64(seen[1]), Units: int64(seen[0])})
		return nil
	})
	return all, err
}

// broken is whether the test ran in the weeks in which Upworthy's assignment is
// known not to have been random.
func (h *headlines) broken() bool { return h.week >= "201326" && h.week <= "201402" }

// mismatched is whether the impressions do not fit arms of one size.
func (h *headlines) mismatched() bool {
	observed, weights := make([]int64, len(h.arms)), make([]float64, len(h.arms))
	for i, a := range h.arms {
		observed[i], weights[i] = a.Units, 1
	}
	got := stats.SampleRatio(observed, weights)
	return got.Reason == "" && got.PValue < 0.001
}

// winner is whether the arm with the most clicks per impression beats every
// other one, by p-values corrected for all pairs of arms: the data chose the
// arm, so the pairs without it count as well.
func (h *headlines) winner() bool {
	best := 0
	for i, a := range h.arms {
		if rate(a) > rate(h.arms[best]) {
			best = i
		}
	}
	var p []float64
	var involved []int
	for i := range h.arms {
		for j := range i {
			if i == best || j == best {
				involved = append(involved, len(p))
			}
			p = append(p, stats.CompareProportions(h.arms[j], h.arms[i], stats.Options{}).Test.PValue)
		}
	}
	adjusted, err := stats.Adjust(stats.Holm, p)
	if err != nil {
		return false
	}
	for _, i := range involved {
		if adjusted[i] > 0.05 {
			return false
		}
	}
	return len(involved) > 0
}

func rate(s stats.Share) float64 { return float64(s.Successes) / float64(max(1, s.Units)) }

// headlineCount is what a group of tests have in common.
type headlineCount struct{ tests, arms, mismatched, winners, soundWinners int }

func (u upworthy) count(belongs func(*headlines) bool) (n headlineCount) {
	for _, test := range u {
		if !belongs(test) {
			continue
		}
		n.tests++
		n.arms += len(test.arms)
		mismatched, winner := test.mismatched(), test.winner()
		if mismatched {
			n.mismatched++
		}
		if winner {
			n.winners++
		}
		if winner && !mismatched {
			n.soundWinners++
		}
	}
	return n
}

func (u upworthy) totals() (impressions, clicks int64) {
	for _, test := range u {
		for _, a := range test.arms {
			impressions += a.Units
			clicks += a.Successes
		}
	}
	return impressions, clicks
}

func (u upworthy) print(w *strings.Builder) error {
	impressions, clicks := u.totals()
	inside := u.count((*headlines).broken)
	outside := u.count(func(h *headlines) bool { return !h.broken() })
	fmt.Fprintf(w, "%d impressions, %d clicks, %d arms in %d tests\n", impressions, clicks, inside.arms+outside.arms, len(u))
	fmt.Fprint(w, "published: 81,024,151 impressions, 1,231,208 clicks, 22,666 arms in 4,873 tests\n\n")
	fmt.Fprintf(w, "%-26s %8s %22s %16s %18s\n", "", "tests", "sample ratio p < 0.001", "clear winner", "and a fair split")
	for _, s := range []struct {
		name string
		n    headlineCount
	}{{"weeks 201326 to 201402", inside}, {"all others", outside}} {
		share := fmt.Sprintf("%d = %.1f%%", s.n.mismatched, 100*float64(s.n.mismatched)/float64(s.n.tests))
		winners := fmt.Sprintf("%d = %.1f%%", s.n.winners, 100*float64(s.n.winners)/float64(s.n.tests))
		fmt.Fprintf(w, "%-26s %8d %22s %16s %18d\n", s.name, s.n.tests, share, winners, s.n.soundWinners)
	}
	fmt.Fprint(w, "published: about 67% fail the sample ratio in those weeks (a broken assignment), 1.2% in others\n\n")
	fmt.Fprint(w, "A clear winner beats every other arm of its test at 5%, Holm-corrected over all pairs of arms.\n")
	return nil
}
