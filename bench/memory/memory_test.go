package main

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func samplesOf(live func(i int) uint64) []sample {
	samples := make([]sample, 40)
	for i := range samples {
		samples[i] = sample{visits: int64(i), live: live(i), resident: 1 << 20}
	}
	return samples
}

func TestSteady(t *testing.T) {
	require.NoError(t, steady(samplesOf(func(int) uint64 { return 1 << 20 })))
	require.NoError(t, steady(samplesOf(func(i int) uint64 { return 1<<20 + uint64(i%7)<<16 })), "it swings")
	require.NoError(t, steady(samplesOf(func(i int) uint64 { return min(uint64(i), 8) << 20 })), "it fills up at first")
	require.ErrorContains(t, steady(samplesOf(func(i int) uint64 { return uint64(i) << 20 })), "heap in use grew")
	require.Error(t, steady(nil))
}

// A short run serves visitors, changes the plan and samples its memory.
func TestRun(t *testing.T) {
	var out strings.Builder
	err := run([]string{"-for", "3s"}, &out)
	if err != nil {
		require.Regexp(t, "grew from|too few samples", err.Error(), "a run this short proves nothing about memory")
	}
	require.Contains(t, out.String(), "| visitors, each new |")
	require.Contains(t, out.String(), "| 2 |", "the plan has changed")
	require.Error(t, run([]string{"-nothing"}, io.Discard))
}

func TestVisitsEndWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := &soak{}
	cancel()
	s.visit(ctx)
	require.Zero(t, s.visits.Load())
}
