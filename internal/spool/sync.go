package spool

import (
	"errors"
	"fmt"
)

// Sync makes durable what was appended before it was called, and returns the last
// index that is. Append goes on meanwhile. One sync serves all frames before it,
// so it pays to wait for several.
//
// If the disk refuses, what is not durable is written again to a new segment,
// which is then synced. If that succeeds there is no error. Otherwise the error is
// returned, and the next Sync tries again. An index is never reported that is not
// durable. Of a recovered log it returns Synced and does nothing.
func (l *Log) Sync() (int64, error) {
	l.sync.Lock()
	defer l.sync.Unlock()
	err := l.syncOnce()
	if err != nil && !errors.Is(err, ErrClosed) {
		// The first failure made the segments bad: this writes them anew.
		if again := l.syncOnce(); again != nil {
			return l.synced.Load(), errors.Join(again, err)
		}
		err = nil
	}
	return l.synced.Load(), err
}

// syncOnce writes again what an earlier failure left undone, and syncs.
func (l *Log) syncOnce() error {
	todo, last, err := l.beginSync()
	if err != nil || todo == nil {
		return err
	}
	err = l.flush(todo)
	return l.endSync(todo, last, err)
}

// pending is what a sync has to do.
type pending struct {
	segs  []*segment
	files []File // of segs
	dir   bool   // sync the folder
	above bool   // sync the one above as well
}

// beginSync takes down what is there to sync; nil: nothing.
func (l *Log) beginSync() (*pending, int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, 0, ErrClosed
	}
	if l.readOnly {
		return nil, 0, nil
	}
	if l.bad {
		if err := l.rewrite(); err != nil {
			return nil, 0, err
		}
	}
	p := &pending{dir: l.newName, above: l.newDir}
	for _, s := range l.segs {
		if !s.clean() {
			s.target = s.off
			p.segs = append(p.segs, s)
			p.files = append(p.files, s.file)
		}
	}
	if len(p.segs) == 0 && !p.dir && !p.above {
		return nil, 0, nil
	}
	l.newName, l.newDir = false, false
	l.noteTarget = l.noteSeq
	l.mem.begin()
	return p, l.last.Load(), nil
}

// flush does what takes long: no lock of the log is held.
func (l *Log) flush(p *pending) error {
	for i, f := range p.files {
		if err := f.Sync(); err != nil {
			return failed("sync", p.segs[i].name, err)
		}
	}
	for _, s := range p.segs {
		// A descriptor outlives the file: somebody may have removed it.
		if _, err := l.fs.Size(s.name); err != nil {
			return failed("look for", s.name, err)
		}
	}
	if p.dir {
		if err := l.fs.SyncDir(l.dir); err != nil {
			return failed("sync", l.dir, err)
		}
	}
	if p.above {
		if err := l.fs.SyncDir(l.spool.cfg.Dir); err != nil {
			return failed("sync", l.spool.cfg.Dir, err)
		}
		syncAbove(l.fs, l.spool.cfg.Dir)
	}
	return nil
}

// endSync takes down what is durable now, or that nothing is.
func (l *Log) endSync(p *pending, last int64, failure error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if failure != nil {
		for _, s := range p.segs {
			s.bad = true
		}
		l.bad = true
		l.newDir = l.newDir || p.above
		l.mem.failed()
		return failure
	}
	var errs []error
	for _, s := range p.segs {
		s.synced = s.target
		if s.sealed && s.clean() && s != l.active {
			errs = append(errs, s.close())
		}
	}
	l.mem.done()
	l.noteDurable = l.noteTarget
	l.synced.Store(last)
	l.rewritten = 0
	if len(l.replaced) > 0 {
		// Best effort, for the space: Trim tries again.
		l.doomed, l.replaced = append(l.doomed, l.replaced...), nil
		_ = l.unlink()
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("spool: close a segment: %w", err)
	}
	return nil
}

// rewrite puts all that is not durable into a new segment, after a sync failed:
// the kernel may have dropped it, and would not say so again. The new segment
// takes the place of what older ones hold behind the mark.
//
// Those that were there before the first failure stay until a sync succeeds: some
// of what they hold may be on the disk. Earlier attempts to write it again never
// were, and go as soon as this one is in place; so however often the disk refuses,
// there are the originals and one attempt. While the one before cannot be deleted
// the new one has to keep to Config.MaxBytes like any other segment.
func (l *Log) rewrite() error {
	mark := l.synced.Load()
	_ = l.unlink() // what is left of earlier attempts
	seg, err := l.begin(mark+1, 0, l.mem.kept, len(l.doomed) == 0)
	if err != nil {
		return err
	}
	var keep []*segment
	for _, s := range l.segs {
		if s.clean() {
			keep = append(keep, s)
			continue
		}
		_ = s.close() // it was not synced and will not be
		s.sealed, s.synced = true, s.off
		if s.hi > mark {
			s.hi, s.limit = mark, mark+1
		}
		switch {
		case l.rewritten > 0 && s.seq >= l.rewritten:
			l.doomed = append(l.doomed, s)
		case s.lo > mark || s.lo == 0:
			l.replaced = append(l.replaced, s)
		default:
			keep = append(keep, s)
		}
	}
	l.segs = keep
	l.activate(seg)
	if l.rewritten == 0 {
		l.rewritten = seg.seq
	}
	l.bad = false
	_ = l.unlink() // the next call tries again
	return nil
}
