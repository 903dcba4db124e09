package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTables(t *testing.T) {
	head, rows := []string{"", "p50 ms"}, [][]string{{"with", "1.25"}}
	var text, markdown bytes.Buffer
	printer{&text, false}.table(head, rows)
	printer{&markdown, true}.table(head, rows)
	require.Equal(t, "        p50 ms\n  with    1.25\n\n", text.String())
	require.Equal(t, "|  | p50 ms |\n|---|--:|\n| with | 1.25 |\n\n", markdown.String())
}

// made is a round whose requests took d before the fault and e from then on.
func made(d, e time.Duration) result {
	r := result{outcome: &outcome{before: timesOf(d), during: timesOf(e), late: timesOf(0), sent: 2, answered: 2, length: time.Second, took: time.Second, book: newLedger()}}
	r.health.Problems = []string{"the store is away"}
	r.closed = closed{said: true, accepted: 3, delivered: 3}
	return r
}

func TestAComparisonIsWrittenWithItsRatios(t *testing.T) {
	list, err := chosen("plain|hung")
	require.NoError(t, err)
	ms := time.Millisecond
	for _, markdown := range []bool{false, true} {
		for _, s := range list {
			c := comparison{scenario: s, without: []result{made(ms, 2*ms), made(ms, 2*ms)}, with: []result{made(2*ms, 2*ms), made(2*ms, 6*ms)}}
			var out bytes.Buffer
			printer{&out, markdown}.comparison(c)
			require.Contains(t, out.String(), "it said: the store is away")
			require.Contains(t, out.String(), s.about)
			if s.fault == nil {
				require.Contains(t, out.String(), "median of the rounds'")
				continue
			}
			for _, text := range []string{"without: during / before", "with, during: 0–5 ms: 1, 5–10 ms: 1"} {
				require.Contains(t, out.String(), text)
			}
			require.InDelta(t, 2, c.roundRatios(before)[0], 0.01)
			require.InDelta(t, 2, c.roundRatios(during)[0], 0.01)
			require.InDelta(t, 3, c.roundRatios(during)[3]+1, 0.01)
		}
	}
}
