package pgstore_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/pgtest"
	"github.com/strataxp/strata/pgstore"
)

// A store that only reads neither forgets anybody nor rolls up for Verify.
func TestReadOnlyForgetsNobody(t *testing.T) {
	t.Parallel()
	dsn, schema := pgtest.Schema(t)
	s, err := pgstore.Open(t.Context(), dsn, pgstore.Config{Schema: schema, NoRollup: true})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	(&benchWriter{store: s, stream: strata.StreamID{1}}).write(t, expose(3, 1))
	reader, err := pgstore.Open(t.Context(), dsn, pgstore.Config{Schema: schema, ReadOnly: true})
	require.NoError(t, err)
	t.Cleanup(reader.Close)
	_, err = reader.Forget(t.Context(), benchUser(1))
	require.ErrorIs(t, err, pgstore.ErrReadOnly)
	_, err = reader.Verify(t.Context())
	require.NoError(t, err)
	f, err := s.Freshness(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1, f.Batches)
}
