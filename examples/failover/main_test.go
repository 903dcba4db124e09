package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/strataxp/strata"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The whole of it, in short: it fails by itself where anything is not right.
func TestNothingIsLost(t *testing.T) {
	o := options{failovers: 1, rate: 500, open: 300 * time.Millisecond, lag: 100 * time.Millisecond}
	require.NoError(t, run(t.Context(), o))
}

func TestOptionsThatMakeNoSense(t *testing.T) {
	for _, o := range []options{{rate: 1}, {rate: 0, open: 1}, {rate: 1, open: 1, failovers: -1}, {rate: 1, open: 1, lag: -1}, {rate: 1, open: 1, away: -1}} {
		require.ErrorContains(t, run(t.Context(), o), "none may be negative")
	}
}

// What is missing, and what is there twice, is a failure.
func TestLossesAreAFailure(t *testing.T) {
	orders := map[string]strata.Level{"a": strata.LevelMemory, "b": strata.LevelWritten, "c": strata.LevelCommitted}
	check := func(times map[string]int64) error {
		t := totals{written: 3, stock: stock{events: 3}}
		t.compare(orders, times)
		return t.verdict()
	}
	require.NoError(t, check(map[string]int64{"a": 1, "b": 1, "c": 1}))
	require.ErrorContains(t, check(map[string]int64{"a": 1, "c": 1}), "1 orders are lost and 0 events doubled")
	require.ErrorContains(t, check(map[string]int64{"a": 1, "b": 3, "c": 1}), "0 orders are lost and 2 events doubled")
	require.ErrorContains(t, totals{gaps: 2}.verdict(), "2 lost")
	require.ErrorContains(t, totals{written: 2, stock: stock{events: 1}}.verdict(), "the database has 1")
}

func TestTimesBelongToTheirPhase(t *testing.T) {
	var all times
	all.add(3)
	all.enter(during)
	for i := range time.Duration(1000) {
		all.add(1000 - i)
	}
	list := all.summary()
	require.Equal(t, summary{1, 3, 3, 3}, list[before])
	require.Equal(t, summary{1000, 501, 1000, 1000}, list[during])
	require.Zero(t, list[after])
}

func TestThousands(t *testing.T) {
	require.Equal(t, "-1,234,567", thousands(-1_234_567))
}
