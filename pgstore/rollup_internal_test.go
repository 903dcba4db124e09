package pgstore

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/rollup"
)

// A transaction keeps of its units what is stored, and not ten times as much.
func TestApplyLetsFactsGo(t *testing.T) {
	known := rollup.Unit{Facts: []strata.Fact{{Kind: strata.KindClick, At: 1}}}
	u := &rolledUnit{known: true, stored: known.Append(nil), facts: []strata.Fact{{Kind: strata.KindClick, At: 2}}}
	s := &share{configs: map[int32]*rollup.Config{0: {Calendar: rollup.NewCalendar(nil)}}, cells: make(rollup.Cells), latest: make(map[int32]int64)}
	require.NoError(t, s.apply([]*rolledUnit{u}))
	require.Nil(t, u.before.Facts)
	require.Nil(t, u.after.Facts)
	var stored rollup.Unit
	require.NoError(t, stored.Decode(u.stored, 0))
	require.Len(t, stored.Facts, 2)
}
