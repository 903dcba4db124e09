package audit_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/audit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var one, two = strata.StreamID{1}, strata.StreamID{2}

func good() (*audit.Ledger, *audit.Evidence) {
	l := audit.NewLedger()
	for _, id := range []string{"a", "b", "c", "d"} {
		l.Took(id, strata.LevelWritten)
	}
	l.Took("e", strata.LevelMemory)
	return l, &audit.Evidence{
		Rows:    []audit.Row{{Stream: one, Index: 1, ID: "a"}, {Stream: one, Index: 2, ID: "b"}, {Stream: two, Index: 1, ID: "c"}},
		Dead:    []audit.Row{{Stream: two, Index: 2, ID: "d"}},
		Cursors: map[strata.StreamID]int64{one: 2, two: 2},
	}
}

var terms = audit.Terms{Safe: strata.LevelWritten}

func TestWhatIsInOrder(t *testing.T) {
	l, e := good()
	require.NoError(t, l.Check(e, terms), "an event in memory may be lost")
	require.Equal(t, 5, l.Len())
	require.Equal(t, 4, l.AtLeast(strata.LevelWritten))
}

// Each invariant, when it is broken, is named.
func TestWhatIsNot(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(*audit.Ledger, *audit.Evidence, *audit.Terms)
		want  string
	}{
		"lost":    {func(_ *audit.Ledger, e *audit.Evidence, _ *audit.Terms) { e.Rows, e.Cursors[two] = e.Rows[:2], 2 }, "I1: event c was written and is not stored"},
		"doubled": {func(_ *audit.Ledger, e *audit.Evidence, _ *audit.Terms) { e.Rows[2].ID = "a" }, "I2: event a is stored 2 times"},
		"invented": {func(_ *audit.Ledger, e *audit.Evidence, _ *audit.Terms) {
			e.Rows = append(e.Rows, audit.Row{Stream: one, Index: 3, ID: "x"})
			e.Cursors[one] = 3
		}, "I4: event x"},
		"a hole":         {func(_ *audit.Ledger, e *audit.Evidence, _ *audit.Terms) { e.Rows[1].Index, e.Cursors[one] = 3, 3 }, "indexes 2 to 2 are nowhere"},
		"an index twice": {func(_ *audit.Ledger, e *audit.Evidence, _ *audit.Terms) { e.Rows[1].Index = 1 }, "index 1 is there twice"},
		"a wrong cursor": {func(_ *audit.Ledger, e *audit.Evidence, _ *audit.Terms) { e.Cursors[one] = 9 }, "the cursor is 9, the last index 2"},
		"no cursor":      {func(_ *audit.Ledger, e *audit.Evidence, _ *audit.Terms) { delete(e.Cursors, two) }, "no cursor"},
		"a gap": {func(_ *audit.Ledger, e *audit.Evidence, _ *audit.Terms) {
			e.Gaps = []audit.Gap{{one, 3, 4, "why"}}
			e.Cursors[one] = 4
		}, "2 indexes lie in gaps, 0 may"},
		"a count":           {func(_ *audit.Ledger, _ *audit.Evidence, terms *audit.Terms) { terms.Complete = true }, "I7: 5 events were taken in, 4 are stored"},
		"more than the gap": {func(_ *audit.Ledger, e *audit.Evidence, terms *audit.Terms) { e.Rows = e.Rows[1:]; terms.MaxLost = 5 }, "I1: event a"},
	} {
		t.Run(name, func(t *testing.T) {
			l, e := good()
			terms := terms
			test.spoil(l, e, &terms)
			require.ErrorContains(t, l.Check(e, terms), test.want)
		})
	}
}
