package strata

import (
	"context"
	"fmt"
	"sync"
)

// Level says how safe an event is: what it survives. Levels follow each other,
// though an event may skip some: without a spool nothing is ever written.
type Level int8

// The levels.
const (
	// LevelMemory: in the process's buffer. Lost when the process dies.
	LevelMemory Level = iota
	// LevelWritten: in the spool, handed to the operating system. Survives the
	// process, not the machine.
	LevelWritten
	// LevelSynced: in the spool, on the disk. Survives a loss of power.
	LevelSynced
	// LevelCommitted: in the store. Survives the loss of this machine.
	LevelCommitted
	// LevelConfirmed: on every server that may take over from the store's
	// primary, where the store is a [Confirmer] that has some; otherwise the
	// same as LevelCommitted. Survives a failover.
	LevelConfirmed

	numLevels
)

var levelNames = [numLevels]string{"memory", "written", "synced", "committed", "confirmed"}

// String returns the level in a word.
func (l Level) String() string {
	if l >= 0 && l < numLevels {
		return levelNames[l]
	}
	return fmt.Sprintf("Level(%d)", int8(l))
}

// watermarks are how far the records of one stream have come: for each level the
// last index that has reached it, all before included.
type watermarks struct {
	mu      sync.Mutex
	marks   [numLevels]int64
	losses  int64         // generation of the losses that the store has
	checked int64         // how often the store has been asked for its cursor
	changed chan struct{} // closed with the next change; nil while nobody waits
}

// advance raises a mark.
func (p *watermarks) advance(level Level, index int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if index > p.marks[level] {
		p.marks[level] = index
		p.announce()
	}
}

// regress lowers what the store has, as it says itself, and returns by how much.
func (p *watermarks) regress(index int64) (back int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	back = p.marks[LevelCommitted] - index
	if back <= 0 {
		return 0
	}
	p.marks[LevelCommitted] = index
	p.marks[LevelConfirmed] = min(p.marks[LevelConfirmed], index)
	p.losses = 0 // it may have lost those, too
	return back
}

// announce wakes those who wait. The lock is held.
func (p *watermarks) announce() {
	if p.changed != nil {
		close(p.changed)
		p.changed = nil
	}
}

// aligned notes that the store was asked for its cursor, for the n-th time.
func (p *watermarks) aligned(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.checked = n
	p.announce()
}

func (p *watermarks) lossesTold() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.losses
}

func (p *watermarks) mark(level Level) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.marks[level]
}

// level returns the highest level that a record has reached.
func (p *watermarks) level(index int64) Level {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.levelOf(index)
}

func (p *watermarks) levelOf(index int64) Level {
	for l := LevelConfirmed; l > LevelMemory; l-- {
		if p.marks[l] >= index {
			return l
		}
	}
	return LevelMemory
}

// await returns when a record has reached a level or a higher one, and else, when
// ctx or done is, the level that it has reached.
func (p *watermarks) await(ctx context.Context, done <-chan struct{}, level Level, index int64) (Level, error) {
	err := p.wait(ctx, done, func() bool { return p.levelOf(index) >= level })
	return p.level(index), err
}

// wait returns when something is so, which is looked at with every change, or
// when ctx or done is.
func (p *watermarks) wait(ctx context.Context, done <-chan struct{}, so func() bool) error {
	for {
		p.mu.Lock()
		ok := so()
		if !ok && p.changed == nil {
			p.changed = make(chan struct{})
		}
		changed := p.changed
		p.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-done:
			return ErrClosed
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// told notes up to which generation the store has the stream's losses.
func (p *watermarks) told(generation int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.losses = generation
	p.announce()
}
