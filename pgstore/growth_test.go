package pgstore_test

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/seed"
	"github.com/strataxp/strata/pgstore"
)

// grown returns a store with so many events of users over ten days.
func grown(t testing.TB, events, users int) *pgstore.Store {
	t.Helper()
	const days = 10
	s := benchStore(t)
	_, err := s.PutPlan(t.Context(), strata.PutPlanParams{Plan: benchPlan(1), Author: "ada", Message: "m", At: benchStart})
	require.NoError(t, err)
	w := &benchWriter{store: s, stream: strata.StreamID{1}}
	w.write(t, expose(users, 1))
	order := 0
	rounds := events / (3 * users)
	for round := range rounds {
		day := round * days / rounds
		at := benchStart.Add(time.Duration(day)*24*time.Hour + time.Duration(round)*time.Millisecond)
		w.write(t, browse(0, users, at, &order))
	}
	_, err = s.RollUp(t.Context())
	require.NoError(t, err)
	s.Vacuum(t)
	return s
}

// question is what a report asks.
func question() strata.ResultsParams {
	return strata.ResultsParams{Experiment: "experiment0", Metrics: benchPlan(1).Metrics, At: benchStart.Add(30 * 24 * time.Hour), Daily: true}
}

// Ten times the events are the same results to read: the pages that a report
// reads are equal. It runs alone, as other transactions would keep the vacuum
// from what it needs.
func TestResultsDoNotGrowWithEvents(t *testing.T) {
	users := rounds(200, 1_000)
	pages := func(events int) int {
		s := grown(t, events, users)
		_, err := s.Results(t.Context(), question())
		require.NoError(t, err)
		days, units := s.Answers()
		require.EqualValues(t, []int64{1, 0}, []int64{days, units})
		return s.Pages(t, "experiment0")
	}
	few, many := pages(30*users), pages(300*users)
	t.Logf("%d events: %d pages; %d: %d", 30*users, few, 300*users, many)
	require.Equal(t, few, many)
}

// Nor does what is asked of exposures grow with them: a hundred times the units are a level
// more of an index.
func TestMaturityDoesNotGrowWithUnits(t *testing.T) {
	pages := func(users int) int {
		s := grown(t, 3*users, users)
		return s.MaturityPages(t, "experiment0")
	}
	few, many := pages(200), pages(20_000)
	t.Logf("%d pages for 200 units, %d for 20,000", few, many)
	require.LessOrEqual(t, many, few+10)
}

// sizes are how many events BenchmarkResults has: STRATA_EVENTS adds one.
func sizes(b *testing.B) []int {
	list := []int{seed.Cut(30_000, 3_000), seed.Cut(300_000, 6_000)}
	if more, err := strconv.Atoi(os.Getenv("STRATA_EVENTS")); err == nil {
		list = append(list, more)
	} else {
		b.Log("STRATA_EVENTS=10000000 measures more")
	}
	return list
}

// BenchmarkResults compares results from the daily rows with those from units,
// and with SQL over raw events, as the number of events grows.
func BenchmarkResults(b *testing.B) {
	for _, events := range sizes(b) {
		s := grown(b, events, events/30)
		fromUnits := question()
		fromUnits.Attribute = "country"
		for name, ask := range map[string]func(){
			"from_days": func() {
				_, err := s.Results(b.Context(), question())
				require.NoError(b, err)
			},
			"from_units": func() {
				_, err := s.Results(b.Context(), fromUnits)
				require.NoError(b, err)
			},
			"from_raw_events": func() { s.Straightforward(b, "experiment0") },
		} {
			b.Run(fmt.Sprintf("%s/%d_events", name, events), func(b *testing.B) {
				for b.Loop() {
					ask()
				}
				b.ReportMetric(float64(s.Pages(b, "experiment0")), "pages")
			})
		}
	}
}
