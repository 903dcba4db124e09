package simtest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/strataxp/strata"
)

// Script is what happens in a world besides its visitors. The same script plays
// the same way.
type Script struct {
	Seed      uint64 // of visitors, delays and faults
	Visitors  int
	Length    time.Duration
	Standby   bool // events are confirmed by a standby, which may take over
	Processes []Process
	Steps     []Step // in ascending order of time
}

// Process is how one of the application's processes is set up.
type Process struct {
	Refresh, Flush time.Duration
	Skew           time.Duration // of its clock
	Delay          time.Duration // of the network, up to this much each way
	Lanes          int
	Batch          int // records
	Filter         int // exposures that it remembers
	Spool          bool
}

// Step is something that happens at an instant.
type Step struct {
	At     time.Duration // since the start
	Do     string        // one of the names in changes, or of the others below
	On     string        // the experiment that is changed
	Amount int           // what it means depends on Do
	Policy strata.Policy
	Ahead  time.Duration // how long before it takes effect a plan is published; 0 means at once

	Process int           // that crashes, restarts, or cannot reach the store well; -1 means all
	Fault   fault         // how not
	For     time.Duration // and for how long
}

// What happens besides changes of plan.
const (
	doFault    = "fault"     // calls of the store fail, Amount in a hundred
	doKill     = "kill"      // a process dies, and another one takes its place after For
	doClose    = "close"     // a process is shut down, and another one takes its place
	doFailover = "fail over" // the standby takes over, without what it does not have
)

// String says the script in lines that people can read, and a seed that they can
// play again.
func (s *Script) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %d visitors in %v", s.Seed, s.Visitors, s.Length)
	if s.Standby {
		b.WriteString(", with a standby")
	}
	b.WriteString("\n")
	for i, p := range s.Processes {
		fmt.Fprintf(&b, "  process %d: %+v\n", i, p)
	}
	for _, step := range s.Steps {
		fmt.Fprintf(&b, "  %s\n", step)
	}
	return b.String()
}

// String says a step in words.
func (s Step) String() string {
	at := fmt.Sprintf("%-12v ", s.At)
	switch s.Do {
	case doFault:
		return at + fmt.Sprintf("%d %% of the calls of process %d: %s, for %v", s.Amount, s.Process, s.Fault, s.For)
	case doKill, doClose:
		return at + fmt.Sprintf("%s process %d; the next starts after %v", s.Do, s.Process, s.For)
	case doFailover:
		return at + s.Do
	}
	text := at + fmt.Sprintf("%s %s, %d", s.Do, s.On, s.Amount)
	if s.Policy != strata.Keep {
		text += ", " + string(s.Policy)
	}
	if s.Ahead > 0 {
		text += fmt.Sprintf(", published %v ahead", s.Ahead)
	}
	return text
}

// NewScript draws a script from a seed.
func NewScript(seed uint64) *Script {
	r := rand.New(rand.NewPCG(seed, 1))
	s := &Script{
		Seed: seed, Visitors: 60 + r.IntN(120), Length: time.Duration(12+r.IntN(36)) * time.Hour, Standby: r.IntN(3) == 0,
	}
	for range 1 + r.IntN(3) {
		s.Processes = append(s.Processes, newProcess(r))
	}
	if s.Standby || slices.ContainsFunc(s.Processes, func(p Process) bool { return p.Spool }) {
		s.Length /= 4 // a disk and a standby are looked at every second
	}
	for range 4 + r.IntN(12) {
		s.Steps = append(s.Steps, s.newStep(r))
	}
	if s.Standby { // what is it good for, if it never takes over?
		s.Steps = append(s.Steps, Step{At: time.Duration(r.Int64N(int64(s.Length))).Truncate(time.Second), Do: doFailover})
	}
	slices.SortStableFunc(s.Steps, func(a, b Step) int { return int(a.At - b.At) })
	return s
}

// newProcess draws how a process is set up. Odd nanoseconds keep the timers of
// several from firing at the same instant.
func newProcess(r *rand.Rand) Process {
	odd := func(from, to time.Duration) time.Duration { return from + time.Duration(r.Int64N(int64(to-from))) | 1 }
	p := Process{
		Refresh: odd(20*time.Second, 20*time.Minute), Flush: odd(time.Second, 2*time.Minute), Delay: odd(time.Millisecond, time.Second),
		Lanes: 1 + r.IntN(2), Batch: 1 + r.IntN(100), Filter: 1 << r.IntN(14), Spool: r.IntN(3) == 0,
	}
	if r.IntN(2) == 0 {
		p.Skew = time.Duration(r.IntN(4001)-2000) * time.Millisecond
	}
	return p
}

func (s *Script) newStep(r *rand.Rand) Step {
	at := time.Duration(r.Int64N(int64(s.Length))).Truncate(time.Second)
	process := r.IntN(len(s.Processes))
	switch n := r.IntN(20); {
	case n < 3:
		if r.IntN(3) == 0 {
			process = -1
		}
		return Step{
			At: at, Do: doFault, Process: process, Fault: faults[r.IntN(len(faults))], Amount: 10 + r.IntN(91),
			For: time.Duration(1+r.IntN(7200)) * time.Second,
		}
	case n < 5:
		return Step{At: at, Do: doKill, Process: process, For: time.Duration(r.IntN(600)) * time.Second}
	case n < 7:
		return Step{At: at, Do: doClose, Process: process, For: time.Duration(r.IntN(60)) * time.Second}
	case n < 9 && s.Standby:
		return Step{At: at, Do: doFailover}
	}
	return newChange(r, at)
}

// newChange draws a change of plan.
func newChange(r *rand.Rand, at time.Duration) Step {
	step := Step{At: at, Do: changeNames[r.IntN(len(changeNames))], On: experimentKeys[r.IntN(len(experimentKeys))], Amount: r.IntN(1 << 20)}
	often := 5
	if step.Do == "weigh" || step.Do == "add a treatment" {
		often = 2 // units meet a second treatment
	}
	if r.IntN(often) == 0 {
		step.Policy = strata.Fresh
	}
	if r.IntN(2) == 0 {
		step.Ahead = time.Duration(r.IntN(3600)) * time.Second
	}
	return step
}

// WithFailovers returns a script with a standby, and with failovers right behind
// changes of plan, which may be lost with them, and other changes right behind the
// failovers.
func (s *Script) WithFailovers() *Script {
	r := rand.New(rand.NewPCG(s.Seed, 77))
	out := *s
	out.Standby, out.Length = true, 5*time.Hour
	seconds := func(from, to int) time.Duration { return time.Duration(from+r.IntN(to-from)) * time.Second }
	out.Steps = nil
	for i, step := range s.Steps {
		step.At = time.Duration(r.Int64N(int64(out.Length))).Truncate(time.Second)
		out.Steps = append(out.Steps, step)
		if i%2 == 0 {
			out.Steps = append(out.Steps, Step{At: step.At + seconds(0, 100), Do: doFailover})
			again := s.Steps[r.IntN(len(s.Steps))]
			again.At = step.At + seconds(100, 400)
			out.Steps = append(out.Steps, again)
		}
	}
	slices.SortStableFunc(out.Steps, func(a, b Step) int { return int(a.At - b.At) })
	return &out
}

// valid says what keeps a script from being played.
func (s *Script) valid() error {
	if s.Visitors < 1 || s.Length < time.Minute || len(s.Processes) == 0 {
		return fmt.Errorf("simtest: a script of %d visitors, %v and %d processes; use at least one, a minute and one", s.Visitors, s.Length, len(s.Processes))
	}
	for i, p := range s.Processes {
		if p.Refresh <= 0 || p.Flush <= 0 || p.Delay <= 0 || p.Lanes < 1 || p.Batch < 1 || p.Filter < 1 {
			return fmt.Errorf("simtest: process %d is %+v; only Skew and Spool may be zero", i, p)
		}
	}
	return nil
}
