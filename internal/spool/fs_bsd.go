//go:build darwin || freebsd || dragonfly

package spool

import "os"

// allocate makes a hole of the size: there is no call to reserve space that the
// standard library has for all of these systems.
func allocate(f *os.File, size int64) error { return f.Truncate(size) }

func datasync(f *os.File) error { return f.Sync() }
