package strata_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/spool/crashfs"
)

// U2: a model that is a few sets of ids says what the store has after any sequence
// of these steps.
var modelSteps = []string{"track", "track", "sync", "flush", "flush, acknowledgement lost", "replicate", "fail over", "kill", "power off", "close", "fence"}

func TestU2AgreesWithAModel(t *testing.T) {
	hits := make(map[string]int)
	rapid.Check(t, func(rt *rapid.T) {
		steps := rapid.SliceOfN(rapid.SampledFrom(modelSteps), 1, 12).Draw(rt, "steps")
		random := rapid.Uint64().Draw(rt, "random")
		failed := false
		synctest.Test(t, func(t *testing.T) {
			m := newModel(t, random)
			for _, step := range steps {
				m.step(step)
				hits[step]++
				if m.wrong != "" {
					break
				}
			}
			m.end()
			if failed = m.wrong != ""; failed {
				rt.Logf("%s", m.wrong)
			}
		})
		if failed {
			rt.Fatalf("the store has not what the model says")
		}
	})
	for _, step := range modelSteps {
		require.Positive(t, hits[step], "no sequence had the step %q", step)
	}
}

// ids is a set of events.
type ids map[string]bool

func (s ids) with(other ids) ids {
	s = maps.Clone(s)
	maps.Copy(s, other)
	return s
}

// model is the engine, its disk, its store and the standby, as sets of events.
type model struct {
	random *rand.Rand
	shelf  *shelf
	disk   *crashfs.FS
	cfg    strata.Config
	eng    *strata.Engine
	n      int
	wrong  string

	own     ids // of the living process
	synced  ids // of those: on the disk for good
	left    ids // of dead processes, in the spool
	stored  ids // committed at the primary
	standby ids // of those: at the standby
	stuck   ids // in streams that were fenced off before they were stored
	maybe   ids // neither promised nor given up: not synced when the power went

	unsynced ids // of processes that died: in the spool, and lost with the power
}

func newModel(t testing.TB, n uint64) *model {
	m := &model{
		random: rand.New(rand.NewPCG(n, 1)), shelf: newShelf(n).withStandby(), own: ids{}, synced: ids{}, left: ids{},
		stored: ids{}, standby: ids{}, stuck: ids{}, maybe: ids{}, unsynced: ids{},
	}
	m.cfg, m.disk = spooled(t, strata.Config{FlushInterval: -1, RefreshInterval: -1, StoreTimeout: time.Second})
	m.open()
	return m
}

func (m *model) open() {
	eng, err := strata.Open(context.Background(), m.shelf, m.cfg)
	if err != nil {
		panic(err)
	}
	m.eng = eng
}

// wait lets time pass, and everything that it brings about.
func (m *model) wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (m *model) step(step string) {
	switch step {
	case "track":
		for range 1 + m.random.IntN(5) {
			m.n++
			id := fmt.Sprint("e", m.n)
			if m.eng.Track(user(m.n), named(id)) == nil {
				m.own[id] = true
			}
		}
		m.wait(20 * time.Millisecond) // written, and not synced
	case "sync":
		m.wait(300 * time.Millisecond)
		m.synced = maps.Clone(m.own)
	case "flush":
		m.flush()
	case "flush, acknowledgement lost":
		m.shelf.setFault(once(m.shelf, "ingest", after))
		m.flush()
	case "replicate":
		m.shelf.replicate()
		m.standby = maps.Clone(m.stored)
	case "fail over":
		m.shelf.failOver()
		m.stored = maps.Clone(m.standby)
	case "kill":
		m.addUnsynced()
		m.die(m.disk.Kill)
	case "power off":
		m.addUnsynced()
		for id := range m.unsynced {
			if !m.standby[id] {
				m.maybe[id] = true
			}
		}
		m.die(func() { m.disk.Crash(m.random) })
	case "close":
		m.close()
	case "fence":
		m.fence()
	}
}

// addUnsynced notes what the process has on the disk that no sync has covered.
func (m *model) addUnsynced() {
	for id := range m.own {
		if !m.synced[id] {
			m.unsynced[id] = true
		}
	}
}

// flush brings what this process tracked to the store, and says so.
func (m *model) flush() {
	_, err := m.eng.Flush(context.Background())
	if err != nil {
		m.wrong = err.Error()
		return
	}
	m.stored = m.stored.with(m.own)
	m.compare("flush", m.own)
}

// die ends the process; the next one finds what it left, and sends it.
func (m *model) die(how func()) {
	m.disk.Off(1)
	m.shelf.setFault(always(before))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, _ = m.eng.Close(ctx)
	how()
	m.shelf.setFault(nil)
	m.next()
}

func (m *model) close() {
	if _, err := m.eng.Close(context.Background()); err != nil {
		m.wrong = err.Error()
	}
	m.next()
}

// next starts a process, which sends what others left: in time all of it.
func (m *model) next() {
	m.left = m.left.with(m.own)
	m.own, m.synced = ids{}, ids{}
	m.open()
	m.wait(2 * time.Minute)
	m.stored = m.stored.with(m.left)
}

// fence stops every stream that there is; what is not stored stays on the disk.
func (m *model) fence() {
	m.step("track") // so that the store knows the stream
	m.flush()
	m.wait(2 * time.Minute)
	m.stored = m.stored.with(m.left)
	m.shelf.replicate() // else what a failover takes then cannot be sent again
	m.standby = maps.Clone(m.stored)
	m.wait(2 * time.Second)
	m.shelf.fence()
	m.n++
	id := fmt.Sprint("e", m.n)
	if m.eng.Track(user(1), named(id)) == nil {
		m.stuck[id] = true
	}
	m.wait(3 * time.Second)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, _ = m.eng.Close(ctx)
	m.next()
}

// end lets everything settle and compares for the last time.
func (m *model) end() {
	if m.wrong == "" {
		m.flush()
		m.wait(3 * time.Minute)
		m.shelf.replicate()
		m.wait(3 * time.Minute)
		m.stored = m.stored.with(m.left).with(m.own)
		m.compare("the end", m.stored)
	}
	_, _ = m.eng.Close(context.Background())
}

// compare looks whether the store has what it must have, and nothing that it must
// not, each once.
func (m *model) compare(when string, must ids) {
	have := ids{}
	for _, r := range m.shelf.evidence().Rows {
		if have[r.ID] {
			m.wrong = fmt.Sprintf("%s: %s is stored twice", when, r.ID)
		}
		have[r.ID] = true
		if known := m.own[r.ID] || m.left[r.ID] || m.stored[r.ID] || m.maybe[r.ID]; !known || m.stuck[r.ID] {
			m.wrong = fmt.Sprintf("%s: %s is stored", when, r.ID)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(must)) {
		if !have[id] && !m.maybe[id] {
			m.wrong = fmt.Sprintf("%s: %s is not stored", when, id)
		}
	}
}

// once is a fault for the next call of a kind.
func once(s *shelf, op string, f fault) func(string) fault {
	used := false
	return func(o string) fault {
		if used || o != op {
			return noFault
		}
		used = true
		return f
	}
}
