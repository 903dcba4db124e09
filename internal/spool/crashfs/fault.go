package crashfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// ErrOff is what every operation fails with once the machine is off (see FS.Off).
var ErrOff = errors.New("crashfs: the machine is off")

// Op names an operation of spool.FS and spool.File.
type Op string

// The operations.
const (
	MkdirAll Op = "mkdirall"
	Create   Op = "create"
	Open     Op = "open"
	List     Op = "list"
	Remove   Op = "remove"
	Rename   Op = "rename"
	SyncDir  Op = "syncdir"
	Free     Op = "free"
	Size     Op = "size"
	Lock     Op = "lock"
	Write    Op = "write"
	Read     Op = "read"
	Sync     Op = "sync"
)

// Short is an error of a write that came as far as N bytes.
type Short struct {
	N   int
	Err error // what the write returns; nil: io.ErrShortWrite
}

// Error implements error.
func (s *Short) Error() string { return fmt.Sprintf("short write of %d bytes: %v", s.N, s.Unwrap()) }

// Unwrap returns what the write fails with.
func (s *Short) Unwrap() error {
	if s.Err == nil {
		return io.ErrShortWrite
	}
	return s.Err
}

// Inject has fault asked before each operation; what it returns is what the
// operation fails with, without effect (but see Short). n counts the operations of
// the kind, from 1. nil ends it. It must not call the FS.
func (f *FS) Inject(fault func(op Op, name string, n int) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault = fault
	clear(f.hits)
}

// FailNth has the n-th operation of a kind from now on fail, once.
func (f *FS) FailNth(op Op, n int, err error) {
	f.Inject(func(o Op, _ string, i int) error {
		if o == op && i == n {
			return err
		}
		return nil
	})
}

// Limit sets how many bytes files may take in all; 0: any number.
func (f *FS) Limit(capacity int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.capacity = capacity
}

// Off has everything from the n-th operation on fail with ErrOff, as the machine
// is off: call Crash, or Kill, to go on. 0 means never.
func (f *FS) Off(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ops, f.off = 0, n
}

// Ops returns how many operations there were since Off was called.
func (f *FS) Ops() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ops
}

// Handles returns how many files are open.
func (f *FS) Handles() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.handles
}

// Lost returns what crashes took so far.
func (f *FS) Lost() Losses {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lost
}

// begin counts an operation and returns what it fails with. The lock is held.
func (f *FS) begin(op Op, name string) error {
	f.ops++
	if f.off > 0 && f.ops >= f.off {
		return ErrOff
	}
	f.hits[op]++
	if f.fault == nil {
		return nil
	}
	if err := f.fault(op, name, f.hits[op]); err != nil {
		return &fs.PathError{Op: string(op), Path: name, Err: err}
	}
	return nil
}
