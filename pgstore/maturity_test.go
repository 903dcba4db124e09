package pgstore_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
)

// A window may end between two microseconds, and a report be of such an instant.
func TestWindowThatEndsBetweenMicroseconds(t *testing.T) {
	t.Parallel()
	s := benchStore(t)
	plan := benchPlan(1)
	plan.Metrics[0].Window = strata.Duration(time.Hour + 200)
	_, err := s.PutPlan(t.Context(), strata.PutPlanParams{Plan: plan, Author: "ada", Message: "m", At: benchStart})
	require.NoError(t, err)
	(&benchWriter{store: s, stream: strata.StreamID{1}}).write(t, expose(1, 1))
	for ns, immature := range map[time.Duration]int64{0: 1, 199: 1, 200: 0, 999: 0, 1000: 0} {
		r, err := s.Results(t.Context(), strata.ResultsParams{Experiment: "experiment0", Metrics: plan.Metrics[:1], At: benchStart.Add(time.Hour + ns)})
		require.NoError(t, err)
		require.Equal(t, immature, r.Treatments["control"].Metrics["converted"].Immature, "%v behind the hour", ns)
	}
}
