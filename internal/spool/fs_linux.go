package spool

import (
	"errors"
	"os"
	"syscall"
)

// allocate reserves space that reads as zeros. Where the file system cannot, the
// file is a hole, and a full disk shows when it is written to.
func allocate(f *os.File, size int64) error {
	err := control(f, func(fd int) error { return syscall.Fallocate(fd, 0, 0, size) })
	if errors.Is(err, errors.ErrUnsupported) {
		return f.Truncate(size)
	}
	return err
}

// datasync spares the time of last change, which nobody reads: the length does
// not change, as the space was reserved.
func datasync(f *os.File) error { return control(f, syscall.Fdatasync) }
