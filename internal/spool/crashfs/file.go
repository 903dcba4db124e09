package crashfs

import (
	"errors"
	"io"
	"io/fs"
	"syscall"
)

// file is an open file. It is dead after a crash.
type file struct {
	fs       *FS
	name     string
	node     *node
	epoch    int
	writable bool
	closed   bool
}

// begin counts an operation of the file.
func (f *file) begin(op Op) error {
	if f.closed || f.epoch != f.fs.epoch {
		return &fs.PathError{Op: string(op), Path: f.name, Err: fs.ErrClosed}
	}
	return f.fs.begin(op, f.name)
}

// ReadAt implements io.ReaderAt.
func (f *file) ReadAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.begin(Read); err != nil {
		return 0, err
	}
	if off >= int64(len(f.node.now)) {
		return 0, io.EOF
	}
	n := copy(p, f.node.now[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt implements io.WriterAt.
func (f *file) WriteAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	err := f.begin(Write)
	if short := (*Short)(nil); errors.As(err, &short) {
		n := min(short.N, len(p))
		f.write(p[:n], off)
		return n, short.Unwrap()
	}
	if err != nil {
		return 0, err
	}
	if !f.writable {
		return 0, &fs.PathError{Op: "write", Path: f.name, Err: syscall.EBADF}
	}
	f.write(p, off)
	return len(p), nil
}

func (f *file) write(p []byte, off int64) {
	if grow := off + int64(len(p)) - int64(len(f.node.now)); grow > 0 {
		f.node.now = append(f.node.now, make([]byte, grow)...)
	}
	copy(f.node.now[off:], p)
	f.node.writes = append(f.node.writes, write{off, append([]byte(nil), p...)})
}

// Sync implements spool.File. When it is told to fail, the writes since the last
// one are taken for clean, as Linux does: no later Sync makes them durable.
func (f *file) Sync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.begin(Sync); err != nil {
		if !errors.Is(err, ErrOff) {
			f.node.writes = nil
		}
		return err
	}
	for len(f.node.durable) < len(f.node.now) {
		f.node.durable = append(f.node.durable, make([]byte, len(f.node.now)-len(f.node.durable))...)
	}
	for _, w := range f.node.writes {
		copy(f.node.durable[w.off:], w.data)
	}
	f.node.writes = nil
	return nil
}

// Close implements io.Closer. It does not sync.
func (f *file) Close() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.closed {
		return fs.ErrClosed
	}
	f.closed = true
	if f.epoch == f.fs.epoch {
		f.fs.handles--
	}
	return nil
}
