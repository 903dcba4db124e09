package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOptionsThatMakeNoSense(t *testing.T) {
	good := options{share: 1, scenarios: "plain", length: time.Second, rounds: 1}
	require.NoError(t, good.validate())
	for _, spoil := range []func(*options){
		func(o *options) { o.rate = -1 }, func(o *options) { o.share = 0 }, func(o *options) { o.share = 1.1 },
		func(o *options) { o.length = 0 }, func(o *options) { o.rounds = 0 }, func(o *options) { o.warm = -1 },
	} {
		o := good
		spoil(&o)
		require.ErrorContains(t, run(t.Context(), o, &bytes.Buffer{}), "there must be requests")
	}
}

func TestScenariosAreChosenByName(t *testing.T) {
	list, err := chosen("plain|hung")
	require.NoError(t, err)
	require.Len(t, list, 2)
	list, err = chosen(".*")
	require.NoError(t, err)
	require.Len(t, list, len(scenarios()))
	_, err = chosen("pla")
	require.ErrorContains(t, err, "matches none of: plain noreuse")
	_, err = chosen("(")
	require.ErrorContains(t, err, "-scenarios")
}

// All of it, for a moment: the real shop, real requests, both variants, the audit.
func TestAComparisonInMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the shop")
	}
	o := options{rate: 200, share: 1, scenarios: "memory", length: 500 * time.Millisecond, warm: 200 * time.Millisecond, rounds: 1}
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), o, &out))
	for _, text := range []string{"200 requests a second", "memory: the store is in memory", "with / without", "achieved", "0 refused", "0–5 ms: "} {
		require.Contains(t, out.String(), text)
	}
	require.NotContains(t, out.String(), "first error")
	require.Regexp(t, `without strata +100 `, out.String())
	require.Regexp(t, ` with +100 `, out.String())
}
