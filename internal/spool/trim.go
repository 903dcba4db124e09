package spool

import (
	"errors"
	"io/fs"
)

// Trim unlinks the segments whose records are all at or below upTo. The one that is
// appended to stays, unless it is more than half full. It needs no space. It may
// sync first, so that the newest note is durable elsewhere.
//
// After an error, of the sync or of unlinking, what could be trimmed was, and the
// next call tries the rest again. Readers on a segment that goes continue at the
// next one. After a power loss trimmed records may be there again.
func (l *Log) Trim(upTo int64) error {
	err := l.prepareTrim(upTo)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	for len(l.segs) > 0 && l.removable(l.segs[0], upTo) {
		l.doomed = append(l.doomed, l.segs[0])
		l.segs = l.segs[1:]
	}
	return errors.Join(err, l.unlink())
}

// TrimOldest unlinks the oldest segment that is not appended to, if its records are
// all at or below upTo, and returns the last of their indexes. 0 means that there
// is none. It is for making space where a limit wins over what has been confirmed.
func (l *Log) TrimOldest(upTo int64) (freedThrough int64, err error) {
	err = l.prepareTrim(min(upTo, l.oldest()))
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return 0, ErrClosed
	}
	for freedThrough == 0 && len(l.segs) > 0 && l.removable(l.segs[0], upTo) {
		freedThrough = l.segs[0].hi
		l.doomed = append(l.doomed, l.segs[0])
		l.segs = l.segs[1:]
	}
	return freedThrough, errors.Join(err, l.unlink())
}

// oldest returns the last index of the first segment that has records and is not
// appended to, 0 if there is none.
func (l *Log) oldest() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.segs {
		if s.hi > 0 && s != l.active {
			return s.hi
		}
	}
	return 0
}

// removable tells whether a segment can go.
func (l *Log) removable(s *segment, upTo int64) bool {
	return s.sealed && s.hi <= upTo && s.clean() && !l.holdsNote(s)
}

// holdsNote tells whether the only durable copy of a note is in the segment or
// one before it.
func (l *Log) holdsNote(s *segment) bool { return l.noteDurable > 0 && s.seq >= l.noteDurable }

// prepareTrim ends the active segment if it is worth it, and syncs if something
// can be trimmed only then.
func (l *Log) prepareTrim(upTo int64) error {
	l.mu.Lock()
	if l.closed || l.readOnly {
		l.mu.Unlock()
		return nil
	}
	if a := l.active; a != nil && a.hi > 0 && a.hi <= upTo && a.off > a.size/2 && !l.bad {
		l.retire(a)
	}
	wait := false
	for _, s := range l.segs {
		if !s.sealed || s.hi > upTo {
			break
		}
		wait = wait || !s.clean() || l.holdsNote(s) && l.noteSeq > s.seq
	}
	l.mu.Unlock()
	if !wait {
		return nil
	}
	_, err := l.Sync()
	return err
}

// retire ends the active segment. A note needs a new one to be carried over to,
// and where there is no space for that, the old one stays.
func (l *Log) retire(a *segment) {
	if l.hasNote {
		_, _ = l.rotate(0) // after an error nothing has changed
		return
	}
	l.finish(a)
	l.active = nil
}

// unlink removes the files of doomed segments, and makes that durable. What cannot
// be removed is tried again by the next call.
func (l *Log) unlink() error {
	if len(l.doomed) == 0 {
		return nil
	}
	var errs []error
	var left []*segment
	for _, s := range l.doomed {
		if err := gone(l.fs.Remove(s.name), "remove", s.name); err != nil {
			errs = append(errs, err)
			left = append(left, s)
			continue
		}
		errs = append(errs, s.close())
		l.spool.release(l.stream, s.size)
	}
	if len(left) < len(l.doomed) {
		errs = append(errs, gone(l.fs.SyncDir(l.dir), "sync", l.dir))
	}
	l.doomed = left
	return errors.Join(errs...)
}

// gone is failed, except for what is not there, which is as well.
func gone(err error, doing, name string) error {
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return failed(doing, name, err)
}
