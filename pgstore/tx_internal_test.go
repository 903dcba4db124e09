package pgstore

import (
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
)

// A standby that refuses to begin is one whose connections are given up. (What
// PostgreSQL says is seen by TestF10Demotion of module faults.)
func TestStandbyThatRefusesToBeginIsLeft(t *testing.T) {
	refusal := fmt.Errorf("begin: %w", &pgconn.PgError{Code: "0A000", Message: "cannot set transaction read-write mode during recovery"})
	require.False(t, serverGone(refusal), "the code alone means many things")
	err := failure(t.Context(), "write", beginError(refusal))
	require.True(t, serverGone(err))
	require.ErrorIs(t, err, ErrConnection)
	require.ErrorContains(t, err, "list all hosts in the connection string")

	other := errors.New("other")
	require.Equal(t, other, beginError(other))
}
