package pgstore_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/pgtest"
	"github.com/strataxp/strata/pgstore"
)

// A process whose days begin elsewhere than those of the schema neither adds to
// the daily results nor reads them, also if the zone was set behind its back.
func TestZoneSetByAnotherProcess(t *testing.T) {
	t.Parallel()
	dsn, schema := pgtest.Schema(t)
	before, err := pgstore.Open(t.Context(), dsn, pgstore.Config{Schema: schema, NoRollup: true})
	require.NoError(t, err)
	t.Cleanup(before.Close)
	tokyo, err := time.LoadLocation("Asia/Tokyo")
	require.NoError(t, err)
	s, err := pgstore.Open(t.Context(), dsn, pgstore.Config{Schema: schema, NoRollup: true, Zone: tokyo})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	(&benchWriter{store: before, stream: strata.StreamID{1}}).write(t, []strata.Record{{Unit: benchUser(1), Event: strata.Exposure{
		Time: benchStart.Add(8 * time.Hour), Experiment: "e", Treatment: "control", Diversion: strata.ByUser, Version: 1}}})
	_, err = before.RollUp(t.Context())
	require.ErrorIs(t, err, strata.ErrConfig)
	params := strata.ResultsParams{Experiment: "e", Daily: true, Zone: tokyo}
	r, err := s.Results(t.Context(), params)
	require.NoError(t, err)
	require.Len(t, r.Days, 1)
	require.Equal(t, benchStart.Add(5*time.Hour), r.Days[0].Day.UTC())
	params.Zone = nil
	params.Daily = false
	_, err = before.Results(t.Context(), params)
	require.ErrorIs(t, err, strata.ErrConfig)
}
