package pgstore_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/pgtest"
)

// A rollup ends with what was stored before it, however much comes in meanwhile.
func TestRollUpEndsUnderLoad(t *testing.T) {
	t.Parallel()
	s := benchStore(t)
	conn, err := pgx.Connect(t.Context(), pgtest.Shared(t).DSN())
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	// Wherever a ticket goes, another one comes.
	_, err = conn.Exec(t.Context(), s.SQL(`
create function {schema}.another() returns trigger language plpgsql as $$
begin
    insert into {schema}.rollup_ticket (batch_id, n_rows) values (old.batch_id + 1000, 0);
    return null;
end $$;
create trigger another after delete on {schema}.rollup_ticket for each row execute function {schema}.another()`))
	require.NoError(t, err)
	(&benchWriter{store: s, stream: strata.StreamID{1}}).write(t, expose(3, 1))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r, err := s.Results(ctx, strata.ResultsParams{Experiment: "experiment0"})
	require.NoError(t, err)
	require.EqualValues(t, 2, r.Treatments["control"].Units)
}
