//go:build !(linux || darwin || freebsd || dragonfly)

package spool

import (
	"errors"
	"fmt"
	"io"
	"runtime"
)

// OS returns the file system of the machine, of which a spool on this system
// cannot make use: everything fails with an error that matches
// errors.ErrUnsupported.
func OS() FS { return noFS{} }

// supported says why the spool does not work on this system; nil: it does.
func supported(fs FS) error {
	if _, ok := fs.(noFS); ok {
		return errNoFS
	}
	return nil
}

// isFull does not matter where nothing can be written.
func isFull(error) bool { return false }

var errNoFS = fmt.Errorf("spool: no file locks and no sync of folders on %s; go without a spool: %w", runtime.GOOS, errors.ErrUnsupported)

type noFS struct{}

func (noFS) MkdirAll(string) error              { return errNoFS }
func (noFS) Create(string, int64) (File, error) { return nil, errNoFS }
func (noFS) Open(string) (File, error)          { return nil, errNoFS }
func (noFS) List(string) ([]string, error)      { return nil, errNoFS }
func (noFS) Remove(string) error                { return errNoFS }
func (noFS) Rename(string, string) error        { return errNoFS }
func (noFS) SyncDir(string) error               { return errNoFS }
func (noFS) Free(string) (int64, error)         { return 0, errNoFS }
func (noFS) Size(string) (int64, error)         { return 0, errNoFS }
func (noFS) Lock(string) (io.Closer, error)     { return nil, errNoFS }
