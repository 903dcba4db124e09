package spool_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata/internal/spool"
	"github.com/strataxp/strata/internal/spool/crashfs"
)

// memDir is the folder of spools on a crashfs.
const memDir = "/data/spool"

func openMem(t testing.TB, mem *crashfs.FS, segment int64) *spool.Spool {
	t.Helper()
	s, err := spool.Open(spool.Config{Dir: memDir, SegmentBytes: segment, MinFree: -1, FS: mem})
	require.NoError(t, err)
	return s
}

// model is what a log must hold, as seen by who uses it.
type model struct {
	frames  []modelFrame // that Append took, or refused but may have written
	byFirst map[int64][]modelFrame
	last    int64
	durable int64 // as Sync reported
	trimmed int64 // as was asked for
	notes   []string
	noteOK  int // notes that are durable: the newest of notes[:noteOK] or a later one is read
	taken   int // notes that Note took, likewise
}

type modelFrame struct {
	first   int64
	count   int
	payload string
	taken   bool
}

// last returns the index of the frame's last record.
func (f modelFrame) last() int64 { return f.first + int64(f.count) - 1 }

func (m *model) append(l *spool.Log, gap int64, count int, payload string) error {
	f := modelFrame{first: m.last + 1 + gap, count: count, payload: payload}
	err := l.Append(f.first, count, []byte(payload))
	f.taken = err == nil
	m.frames = append(m.frames, f)
	if m.byFirst == nil {
		m.byFirst = map[int64][]modelFrame{}
	}
	m.byFirst[f.first] = append(m.byFirst[f.first], f)
	if err == nil {
		m.last = f.last()
	}
	return err
}

func (m *model) note(l *spool.Log) error {
	n := fmt.Sprintf("note %d", len(m.notes))
	m.notes = append(m.notes, n)
	err := l.Note([]byte(n))
	if err == nil {
		m.taken = len(m.notes)
	}
	return err
}

func (m *model) sync(l *spool.Log) error {
	last, taken := m.last, m.taken
	synced, err := l.Sync()
	m.durable = max(m.durable, synced)
	if err == nil {
		m.noteOK = taken
		if synced != last {
			return fmt.Errorf("Sync returned %d without an error, and the last index is %d", synced, last)
		}
	}
	return err
}

func (m *model) trim(l *spool.Log, upTo int64) error {
	m.trimmed = max(m.trimmed, upTo)
	return l.Trim(upTo)
}

// find tells whether a frame was appended, byte for byte.
func (m *model) find(f spool.Frame) bool {
	return slices.ContainsFunc(m.byFirst[f.First], func(have modelFrame) bool {
		return have.count == f.Count && have.payload == string(f.Payload)
	})
}

// reading is what was found in a recovered log.
type reading struct {
	behindHole int // frames behind records that are lost
	last       int64
}

// check reads a log from the front and compares it with the model: every frame that
// must be there (with records above trimmed, up to must) is, none is invented, none
// comes twice, all are in order.
func (m *model) check(t require.TestingT, l *spool.Log, must int64) (got reading) {
	r := l.Reader(1)
	defer r.Close()
	seen := map[int64]bool{}
	for {
		f, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		if !m.find(f) {
			require.Fail(t, "invented", "frame %d+%d (%d bytes) was never appended", f.First, f.Count, len(f.Payload))
		}
		require.Greater(t, f.First, got.last, "indexes ascend, and none comes twice")
		if f.Lost == spool.Torn || f.Lost == spool.Corrupt {
			got.behindHole++
		}
		if f.Lost == spool.Corrupt {
			require.LessOrEqual(t, got.last, m.trimmed, "frame %d: nothing has rotten; what was trimmed may be there again in part", f.First)
		}
		got.last = f.Last()
		seen[f.First] = true
	}
	for _, f := range m.frames {
		if f.taken && f.last() <= must && f.first > m.trimmed {
			if seen[f.first] {
				continue // building the message would take long
			}
			require.Fail(t, "lost", "frame %d is lost; durable is %d, trimmed %d, expected %d; %s", f.first, m.durable, m.trimmed, must, m)
		}
	}
	return got
}

// checkNote says whether the note is one of those that may be the newest.
func (m *model) checkNote(t require.TestingT, l *spool.Log, atLeast int) {
	if atLeast == 0 {
		return
	}
	require.Contains(t, m.notes[atLeast-1:], string(l.LatestNote()), "the newest note, or one that is newer")
}

// String lists the frames, for failures.
func (m *model) String() string {
	var b strings.Builder
	for _, f := range m.frames {
		fmt.Fprintf(&b, "%d+%d(%d,%t) ", f.first, f.count, len(f.payload), f.taken)
	}
	return b.String()
}

// step is one thing that a history does.
type step struct {
	do    string
	gap   int64
	count int
	size  int
	back  int64 // how far behind the last index a trim stays
}

// history returns random steps.
func history(r *rand.Rand, n int) []step {
	steps := make([]step, n)
	for i := range steps {
		s := step{do: "append", count: 1 + r.IntN(3), size: r.IntN(300)}
		switch p := r.IntN(20); {
		case p < 4:
			s.do = "sync"
		case p < 6:
			s.do = "note"
		case p < 8:
			s.do, s.back = "trim", int64(r.IntN(10))
		case p < 9:
			s.do = "oldest"
		case p < 10:
			s.gap = int64(r.IntN(5))
		case p < 11:
			s.size = 900 // its own segment
		}
		steps[i] = s
	}
	return steps
}

// run does the steps until the machine goes off. Other errors are those that were
// injected.
func (m *model) run(l *spool.Log, steps []step) {
	for i, s := range steps {
		var err error
		switch s.do {
		case "append":
			err = m.append(l, s.gap, s.count, fmt.Sprintf("%d:%s", i, strings.Repeat("x", s.size)))
		case "sync":
			err = m.sync(l)
		case "note":
			err = m.note(l)
		case "trim":
			err = m.trim(l, m.last-s.back)
		case "oldest":
			var freed int64
			before := m.trimmed
			m.trimmed = max(m.trimmed, m.last) // it may be gone though it failed
			freed, err = l.TrimOldest(m.last)
			if err == nil {
				m.trimmed = max(before, freed)
			}
		}
		if errors.Is(err, crashfs.ErrOff) {
			return
		}
	}
}
