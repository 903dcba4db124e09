package strata_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/strataxp/strata"
)

// stored returns an evaluation that went through its stored form, and checks
// that nothing of it was lost.
func stored(t require.TestingT, v *strata.Evaluator, exposed time.Time, e strata.Evaluation) strata.Evaluation {
	b, err := e.AppendBinary([]byte("before"))
	require.NoError(t, err)
	require.Equal(t, "before", string(b[:6]))
	require.LessOrEqual(t, len(b), 6+131)
	again, rest, err := v.Resume(exposed, append(b[6:], "behind"...))
	require.NoError(t, err)
	require.Equal(t, "behind", string(rest))
	require.Equal(t, e, again)
	return again
}

func TestStoredFormIsShort(t *testing.T) {
	v := strata.NewEvaluator(&strata.Metric{Type: strata.MetricSum,
		Measure: strata.Measure{Event: strata.KindPurchase, Value: strata.ValueTotal, Currency: "EUR"}}, time.Time{})
	e := v.Begin(evaluationStart)
	b, err := e.AppendBinary(nil)
	require.NoError(t, err)
	require.Len(t, b, 1, "nothing")
	e.Add(strata.NewFact(strata.Purchase{Time: evaluationStart, Total: 49_99, Currency: "EUR"}))
	b, err = e.AppendBinary(nil)
	require.NoError(t, err)
	require.Len(t, b, 5, "a purchase")
}

func TestResumeRefuses(t *testing.T) {
	count := strata.Metric{Type: strata.MetricCount, Measure: strata.Measure{Event: strata.KindPageView}}
	sum := strata.Metric{Type: strata.MetricSum, Measure: strata.Measure{Event: strata.KindCustom, Value: strata.ValueAmount}}
	funnel := strata.Metric{Type: strata.MetricFunnel, Window: strata.Duration(time.Second), Steps: []strata.Step{{Event: strata.KindPageView}}}
	for _, c := range []struct {
		what   string
		metric strata.Metric
		data   []byte
		says   string
	}{
		{"no data", count, nil, "the version = nothing"},
		{"another version", count, []byte{0x20}, "the version = 2"},
		{"an unknown part", count, []byte{0x18}, "the version"},
		{"a number cut off", count, []byte{0x11, 0x80}, "the number of events"},
		{"a negative number", count, []byte{0x11, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1}, "the number of events"},
		{"a number too long", count, []byte{0x11, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1}, "the number of events"},
		{"a part missing", count, []byte{0x15, 1}, "another currency"},
		{"a past without a pre-period", count, []byte{0x12, 1}, "pre-period"},
		{"a sum cut off", sum, []byte{0x11, 1, 0, 0}, "the sum = 2"},
		{"a part that no funnel has", funnel, []byte{0x13, 1, 1}, "the parts"},
		{"a step too many", funnel, []byte{0x11, 2, 0}, "the steps taken = 2"},
		{"a time behind the window", funnel, []byte{0x11, 1, 0xc0, 0x84, 0x3d}, "the time of the last = 1000000"},
		{"a time without a step", funnel, []byte{0x11, 0, 1}, "the time of the last = 1"},
	} {
		e, rest, err := strata.NewEvaluator(&c.metric, time.Time{}).Resume(evaluationStart, c.data)
		require.ErrorIs(t, err, strata.ErrEvaluation, c.what)
		require.ErrorContains(t, err, c.says, c.what)
		require.ErrorContains(t, err, "evaluate the unit's events anew", c.what)
		require.Equal(t, c.data, rest, c.what)
		require.Zero(t, e, c.what)
	}
}

// FuzzResume takes up anything: what is not refused must be stored again, and
// stay what it is.
func FuzzResume(f *testing.F) {
	for i, m := range benchMetrics() {
		e := strata.NewEvaluator(&m, time.Time{}).Begin(evaluationStart)
		e.Add(benchFacts(10)...)
		b, err := e.AppendBinary(nil)
		require.NoError(f, err)
		f.Add(i, b)
	}
	f.Add(2, []byte{0x11, 1, 1, 1})
	f.Add(5, []byte{0x11, 2, 9})
	f.Fuzz(func(t *testing.T, i int, data []byte) {
		metrics := benchMetrics()
		v := strata.NewEvaluator(&metrics[uint(i)%uint(len(metrics))], time.Time{})
		e, rest, err := v.Resume(evaluationStart, data)
		if err != nil {
			require.ErrorIs(t, err, strata.ErrEvaluation)
			require.Equal(t, data, rest)
			return
		}
		require.Equal(t, data[len(data)-len(rest):], rest)
		first, err := e.AppendBinary(nil)
		require.NoError(t, err)
		require.LessOrEqual(t, len(first), 131)
		again, rest, err := v.Resume(evaluationStart, first)
		require.NoError(t, err)
		require.Empty(t, rest)
		second, err := again.AppendBinary(nil)
		require.NoError(t, err)
		require.Equal(t, first, second)
		e.Add(benchFacts(10)...) // whatever was read, nothing panics
		_ = e.Totals()
	})
}

func TestStoredFormOfWideSums(t *testing.T) {
	m := strata.Metric{Type: strata.MetricSum, Measure: strata.Measure{Event: strata.KindPurchase, Value: strata.ValueTotal}}
	v := strata.NewEvaluator(&m, time.Time{})
	rapid.Check(t, func(t *rapid.T) {
		e := v.Begin(evaluationStart)
		ends := rapid.SliceOf(rapid.SampledFrom([]int64{math.MaxInt64, math.MinInt64, 1, -1, 0}))
		for i, x := range ends.Draw(t, "amounts") {
			e.Add(strata.NewFact(strata.Purchase{Time: evaluationStart.Add(time.Duration(i) * time.Second), Total: x}))
			e = stored(t, v, evaluationStart, e)
		}
	})
}
