package spool

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
)

// Log is one stream. It is safe for concurrent use by one appender, one syncer and
// any number of readers and trimmers. It takes up to Config.KeepBytes of memory while
// much is appended between two syncs, and little while all is durable.
type Log struct {
	spool  *Spool
	fs     FS
	dir    string
	stream [16]byte

	last   atomic.Int64 // last index appended
	synced atomic.Int64 // last index that is durable

	sync sync.Mutex // held by the one that syncs; taken before mu

	mu       sync.Mutex
	segs     []*segment // in the order of their numbers, which is that of their indexes
	active   *segment   // the one that is appended to; nil: the next append makes one
	seq      int64      // number of the newest segment
	lock     io.Closer
	newDir   bool // the folder may not be durable in the one above
	newName  bool // segments may not be durable in the folder
	readOnly bool // recovered
	closed   bool
	bad      bool // a sync failed, and what was kept is not written again yet

	mem     memory // frames that are not durable
	scratch []byte // to build what is not a record; small unless a note is large

	note        []byte // the newest
	hasNote     bool
	noteSeq     int64 // the segment that holds its newest copy
	noteEnd     int64 // where it ends there
	noteDurable int64 // a segment with a copy of a note that is durable; 0: none is
	noteTarget  int64 // what that will be after the running sync

	rewritten int64 // since the last sync that succeeded, segments from this one on hold again what older ones do; 0: none

	replaced []*segment // to be unlinked once what replaces them is durable
	doomed   []*segment // to be unlinked
	end      int64      // of a recovered log
	damage   damage     // of a recovered log
}

// Last returns the index of the last record appended, or of a recovered log the
// last that can be read (see End). 0 means none.
func (l *Log) Last() int64 { return l.last.Load() }

// Synced returns the index of the last record that is known to survive the end of
// the machine, and of a recovered log the last that is known to have been durable,
// whether it can be read or not. 0 means none.
func (l *Log) Synced() int64 { return l.synced.Load() }

// Bytes returns how much the segments take on the disk, the space that is reserved
// in them included.
func (l *Log) Bytes() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	var n int64
	for _, s := range l.all() {
		n += s.size
	}
	return n
}

// all returns the segments that are on the disk, those to be unlinked included.
func (l *Log) all() []*segment { return slices.Concat(l.segs, l.replaced, l.doomed) }

// closeFiles closes the segments, also those that could not be unlinked.
func (l *Log) closeFiles() (err error) {
	for _, s := range l.all() {
		err = errors.Join(err, s.close())
	}
	return err
}

// First returns the lowest index that is held, 0 if there is none.
func (l *Log) First() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.segs {
		if s.lo > 0 {
			return s.lo
		}
	}
	return 0
}

// LatestNote returns a copy of the newest note, nil if there is none. Of a
// recovered log it is the newest that can be read.
func (l *Log) LatestNote() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.hasNote {
		return nil
	}
	return append([]byte{}, l.note...)
}

// writable says why nothing can be appended.
func (l *Log) writable() error {
	if l.closed {
		return ErrClosed
	}
	if l.readOnly {
		return fmt.Errorf("%w: begin a new one", ErrReadOnly)
	}
	return nil
}

// Close syncs, marks the log as finished, and unlocks the stream. The files stay
// for another process, or a later Recover. After an error of the sync the stream
// is unlocked as well; what Synced tells is durable, and more may be. Closing
// twice does nothing.
func (l *Log) Close() error {
	var err error
	if !l.readOnly {
		_, err = l.Sync()
	}
	l.sync.Lock()
	defer l.sync.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	if l.active != nil && !l.bad {
		// The footer carries the mark, so that a later reader knows what has
		// been durable. It is no loss if it cannot be written.
		l.finish(l.active)
		err = errors.Join(err, l.active.file.Sync())
	}
	err = errors.Join(err, l.closeFiles())
	l.drop()
	l.spool.left(l.stream, false)
	return errors.Join(err, l.lock.Close())
}

// drop lets go of memory.
func (l *Log) drop() { l.mem, l.scratch = newMemory(l.mem.limit), nil }

// Remove deletes the stream with all that is in it, and closes the log. If
// something cannot be deleted it goes on with the rest, and the stream is left
// behind for a later Recover.
func (l *Log) Remove() error {
	l.sync.Lock()
	defer l.sync.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	l.closed = true
	err := errors.Join(l.closeFiles(), l.removeFiles())
	l.drop()
	l.spool.left(l.stream, err == nil)
	if err != nil {
		l.spool.count(l.stream, l.spool.measure(l.stream))
	}
	return errors.Join(err, l.lock.Close())
}

// removeFiles unlinks the segments, oldest first, then the lock, then the folder.
func (l *Log) removeFiles() error {
	names, err := l.fs.List(l.dir)
	if err != nil {
		return gone(err, "list", l.dir)
	}
	var errs []error
	for _, name := range names {
		if name == lockName {
			continue
		}
		path := filepath.Join(l.dir, name)
		errs = append(errs, gone(l.fs.Remove(path), "remove", path))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	path := filepath.Join(l.dir, lockName)
	if err := gone(l.fs.Remove(path), "remove", path); err != nil {
		return err
	}
	if err := gone(l.fs.Remove(l.dir), "remove", l.dir); err != nil {
		return err
	}
	if err := l.fs.SyncDir(l.spool.cfg.Dir); err != nil {
		return failed("sync", l.spool.cfg.Dir, err)
	}
	return nil
}
