package simtest

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/spool/crashfs"
)

// slot is one of the application's processes, and those that took its place.
type slot struct {
	Process
	index int
	disk  *crashfs.FS // nil without a spool
	dir   string
	now   *process // nil while none runs
	again time.Time
	count int

	outages []outage // of its network, whichever process runs there
}

// process is a process from its start to its end.
type process struct {
	slot *slot
	name string
	eng  *strata.Engine
	link *link

	met   map[meeting]bool // exposures that it should have recorded
	deeds []*deed          // in the order in which they were taken in

	ended ending
	at    time.Time   // when it ended
	left  strata.Left // by its own word
	well  bool        // it could reach the store when it was closed, and some time before
}

// meeting is a treatment that a unit met in a process.
type meeting struct {
	subject
	treatment string
}

// deed is a record that a process took in, or had reason to.
type deed struct {
	text string    // says all of it
	at   time.Time // in the world's time
	must bool      // it must be stored; otherwise it may: its exposure was recorded before
}

// ending is how a process ended.
type ending int

const (
	running ending = iota
	killed
	closed
)

// skewed is a clock that is ahead, or behind.
type skewed struct {
	strata.Clock
	by time.Duration
}

func (c skewed) Now() time.Time { return c.Clock.Now().Add(c.by) }

// start starts a process in a slot.
func (w *world) start(s *slot) {
	s.count++
	p := &process{slot: s, name: fmt.Sprintf("p%d.%d", s.index, s.count), met: make(map[meeting]bool)}
	p.link = w.newLink(p.name, s.Delay)
	var drawn atomic.Uint64
	cfg := strata.Config{
		RefreshInterval: s.Refresh, FlushInterval: s.Flush, StoreTimeout: 5 * time.Second, NoWatch: true,
		BatchSize: s.Batch, Lanes: s.Lanes, ExposureFilter: s.Filter, BufferBytes: 4 << 20,
		Clock:  skewed{strata.SystemClock(), s.Skew},
		Random: func() uint64 { return hashOf(w.script.Seed, p.name, drawn.Add(1)) },
	}
	if !w.script.Standby { // a plan that is lost in a failover may be in the file
		cfg.PlanFile = filepath.Join(w.dir, fmt.Sprintf("plan-%d.json", s.index))
	}
	if s.disk != nil {
		cfg.Spool = strata.SpoolConfig{Dir: s.dir, MinFreeBytes: -1, MaxBytes: 16 << 20, SyncInterval: 5*time.Second + 1}
	}
	p.link.faults = s.outages
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	eng, err := strata.Open(ctx, p.link, cfg)
	switch {
	case err != nil && !p.link.well(time.Now().Add(-time.Minute)):
		s.again = time.Now().Add(30 * time.Second)
		w.hits.add("a process could not start", 1)
		return
	case err != nil:
		w.fail("open", "process %s: %v", p.name, err)
		s.again = time.Now().Add(30 * time.Second)
		return
	}
	p.eng = eng
	if !eng.Status().FromFile.IsZero() {
		w.hits.add("a process started from its file", 1)
	}
	w.trace.add("%s started", p.name)
	s.now = p
	w.all = append(w.all, p)
}

// kill ends a process as SIGKILL does: what it had written to its disk stays.
func (w *world) kill(s *slot) {
	p := s.now
	p.link.kill()
	if s.disk != nil {
		s.disk.Off(1)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	now := time.Now()
	_, _ = p.eng.Close(ctx)             // it reaches nothing; only its goroutines end
	rest(now.Add(2 * time.Millisecond)) // all of them, whichever Close waited for
	if s.disk != nil {
		s.disk.Kill()
	}
	w.end(s, killed)
}

// closeTimeout is how long a deployment waits for a process.
const closeTimeout = 10 * time.Second

// shutDown closes a process as a deployment does.
func (w *world) shutDown(s *slot) {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	s.now.well = s.now.link.well(time.Now().Add(-time.Minute))
	left, err := s.now.eng.Close(ctx)
	s.now.left = left
	said := fmt.Sprint(left, " ", err)
	if s.dir != "" { // which is another one each time
		said = strings.ReplaceAll(said, s.dir, "the disk")
	}
	w.trace.add("%s closed: %s", s.now.name, said)
	w.end(s, closed)
}

func (w *world) end(s *slot, how ending) {
	s.now.ended, s.now.at = how, time.Now()
	w.noteLoss(s.now)
	s.now = nil
}

// newLink connects a process with the store.
func (w *world) newLink(name string, delay time.Duration) *link {
	return &link{
		cluster: w.cluster, trace: w.trace, name: name, seed: w.script.Seed, delay: delay,
		calls: make(map[string]uint64), hits: w.hits,
	}
}
