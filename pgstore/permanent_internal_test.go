package pgstore

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
)

// What somebody must see to is told from what passes by itself, by SQLSTATE.
func TestPermanentErrors(t *testing.T) {
	state := func(code string) error { return &pgconn.PgError{Code: code} }
	for want, errs := range map[bool][]error{
		true: {
			state("28P01"), state("28000"), state("3D000"), state("3F000"), state("42501"), state("42P01"), state("42703"), state("42804"),
			fmt.Errorf("%w: %w", ErrSchemaChanged, state("08P01")), fmt.Errorf("%w: 2 of 3", ErrSchemaChanged),
		},
		false: {
			state("08006"), state("08P01"), state("25006"), state("40001"), state("40P01"), state("53100"), state("53300"), state("55P03"),
			state("57P01"), state("57P03"), state("42P05"), io.ErrUnexpectedEOF,
		},
	} {
		for _, err := range errs {
			wrapped := failure(t.Context(), "ingest", err)
			require.Equal(t, want, errors.Is(wrapped, strata.ErrPermanent), "%v", wrapped)
			require.ErrorIs(t, wrapped, err)
		}
	}
}
