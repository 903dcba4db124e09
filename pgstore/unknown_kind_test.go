package pgstore_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/pgtest"
)

// An event of a kind that a newer program writes is left to that one, and its
// unit stays readable.
func TestKindOfANewerProgram(t *testing.T) {
	t.Parallel()
	s := benchStore(t)
	conn, err := pgx.Connect(t.Context(), pgtest.Shared(t).DSN())
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	w := &benchWriter{store: s, stream: strata.StreamID{1}}
	w.write(t, expose(2, 1))
	w.write(t, []strata.Record{{Unit: benchUser(1), Event: strata.PageView{Time: benchStart, Page: "/"}}})
	_, err = conn.Exec(t.Context(), s.SQL(`update {schema}.event set kind = 7 where kind = 2`))
	require.NoError(t, err)
	_, err = s.RollUp(t.Context())
	require.ErrorContains(t, err, "kind 7")
	_, err = conn.Exec(t.Context(), s.SQL(`update {schema}.event set kind = 2 where kind = 7`))
	require.NoError(t, err)
	_, err = s.RollUp(t.Context())
	require.NoError(t, err)
	v, err := s.Verify(t.Context())
	require.NoError(t, err)
	require.True(t, v.OK(), "%v", v.Found)
}
