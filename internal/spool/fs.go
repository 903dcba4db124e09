package spool

import "io"

// FS is what a spool needs of a file system. Names are paths. Errors match
// fs.ErrNotExist and fs.ErrExist, syscall.ENOSPC and syscall.EDQUOT where that is
// the reason. It must be safe for concurrent use.
type FS interface {
	// MkdirAll makes a folder that only the user may enter, and its parents. One
	// that exists is no error.
	MkdirAll(dir string) error
	// Create makes a file of size bytes that reads as zeros, with its space
	// reserved where the system can, so that a full disk shows here. It must not
	// exist, and after an error does not.
	Create(name string, size int64) (File, error)
	// Open opens a file to read.
	Open(name string) (File, error)
	// List returns the base names in a folder, sorted.
	List(dir string) ([]string, error)
	// Remove removes a file or an empty folder.
	Remove(name string) error
	// Rename gives a file another name in the same folder, all or nothing.
	Rename(from, to string) error
	// SyncDir makes what was made, renamed and removed in a folder durable.
	SyncDir(dir string) error
	// Free returns how many bytes the user may still write, and a very large
	// number where the system does not say.
	Free(dir string) (int64, error)
	// Size returns the length of a file in bytes.
	Size(name string) (int64, error)
	// Lock makes the file if need be and locks it until it is closed or the
	// process ends. It fails with ErrLocked where it is locked, be it by another
	// descriptor of this process.
	Lock(name string) (io.Closer, error)
}

// File is an open file. WriteAt is used by one goroutine at a time, ReadAt and
// Sync while another one writes.
type File interface {
	io.ReaderAt
	io.WriterAt
	// Sync makes what was written durable.
	Sync() error
	io.Closer
}
