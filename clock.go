package strata

import (
	"crypto/rand"
	"encoding/binary"
	"time"
)

// Clock is where an engine takes the time from, and how it waits. The zero
// [Config] uses the system's; tests and simulations pass their own. Both
// methods are safe for concurrent use.
type Clock interface {
	// Now returns the current time.
	Now() time.Time

	// Timer returns a channel that receives once after d, and a function that
	// gives the timer up.
	Timer(d time.Duration) (fires <-chan time.Time, stop func())
}

// SystemClock returns the clock of the machine: what a zero [Config] uses.
func SystemClock() Clock { return systemClock{} }

// systemClock is the only place of this package that looks at the wall clock.
// Under testing/synctest it is the bubble's clock.
type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

func (systemClock) Timer(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTimer(d)
	return t.C, func() { t.Stop() }
}

// systemRandom is what a zero [Config] draws from. rand.Read never fails.
func systemRandom() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:])
	return binary.LittleEndian.Uint64(b[:])
}
