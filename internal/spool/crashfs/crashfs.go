// Package crashfs is a file system in memory that loses what a real one may lose
// when the machine goes down, and fails where it is told to. It is for tests.
package crashfs

import (
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"github.com/strataxp/strata/internal/spool"
)

// FS is the file system. New makes one; it is safe for concurrent use. Folders
// must be made before files in them, and only Dir's own entries are lost in a
// crash as those of a real one are: per folder, unless it was synced.
type FS struct {
	mu       sync.Mutex
	dirs     map[string]*dir
	locks    map[string]*lock
	hits     map[Op]int
	ops      int
	off      int // operations until the machine goes off; 0: it does not
	fault    func(op Op, name string, n int) error
	capacity int64
	epoch    int // files and locks opened before a crash are dead
	handles  int // open files
	lost     Losses
}

// Losses counts what crashes took.
type Losses struct {
	Dropped int // unsynced writes that are gone
	Torn    int // that are there in part
	Zeroed  int // that are there as zeros
	Entries int // changes of folders that are undone
}

type dir struct {
	now     map[string]*node
	durable map[string]*node
	log     []change // since the last SyncDir
}

// change is one of a folder: from (if any) goes, to (if any) comes.
type change struct {
	from, to string
	node     *node
}

// node is a file or folder.
type node struct {
	isDir   bool
	now     []byte
	durable []byte
	writes  []write // since the last Sync
}

type write struct {
	off  int64
	data []byte
}

type lock struct {
	fs    *FS
	name  string
	epoch int
}

// New returns an empty file system.
func New() *FS {
	return &FS{
		dirs:  map[string]*dir{"/": newDir(nil)},
		locks: map[string]*lock{}, hits: map[Op]int{},
	}
}

func newDir(entries map[string]*node) *dir {
	d := &dir{now: map[string]*node{}, durable: map[string]*node{}}
	for name, n := range entries {
		d.now[name], d.durable[name] = n, n
	}
	return d
}

// at returns the folder and name of a path.
func (f *FS) at(name string) (*dir, string, error) {
	name = clean(name)
	d := f.dirs[path.Dir(name)]
	if d == nil {
		return nil, "", &fs.PathError{Op: "find", Path: name, Err: fs.ErrNotExist}
	}
	return d, path.Base(name), nil
}

func clean(name string) string { return path.Clean("/" + filepath.ToSlash(name)) }

// find returns a file.
func (f *FS) find(name string) (*node, error) {
	d, base, err := f.at(name)
	if err != nil {
		return nil, err
	}
	n := d.now[base]
	if n == nil || n.isDir {
		return nil, &fs.PathError{Op: "find", Path: name, Err: fs.ErrNotExist}
	}
	return n, nil
}

func (d *dir) change(c change) {
	c.apply(d.now)
	d.log = append(d.log, c)
}

// apply makes a change, if what it begins with is there.
func (c change) apply(entries map[string]*node) {
	if c.from != "" {
		if entries[c.from] != c.node {
			return
		}
		delete(entries, c.from)
	}
	if c.to != "" {
		entries[c.to] = c.node
	}
}

// MkdirAll implements spool.FS.
func (f *FS) MkdirAll(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin(MkdirAll, name); err != nil {
		return err
	}
	f.mkdirAll(clean(name))
	return nil
}

func (f *FS) mkdirAll(name string) {
	if f.dirs[name] != nil {
		return
	}
	f.mkdirAll(path.Dir(name))
	f.dirs[name] = newDir(nil)
	f.dirs[path.Dir(name)].change(change{to: path.Base(name), node: &node{isDir: true}})
}

// Create implements spool.FS.
func (f *FS) Create(name string, size int64) (spool.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin(Create, name); err != nil {
		return nil, err
	}
	d, base, err := f.at(name)
	if err != nil {
		return nil, err
	}
	if d.now[base] != nil {
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	}
	if f.capacity > 0 && f.used()+size > f.capacity {
		return nil, &fs.PathError{Op: "create", Path: name, Err: syscall.ENOSPC}
	}
	n := &node{now: make([]byte, size)}
	d.change(change{to: base, node: n})
	f.handles++
	return &file{fs: f, name: name, node: n, epoch: f.epoch, writable: true}, nil
}

// used returns the bytes of all files.
func (f *FS) used() (total int64) {
	for _, d := range f.dirs {
		for _, n := range d.now {
			total += int64(len(n.now))
		}
	}
	return total
}

// Open implements spool.FS.
func (f *FS) Open(name string) (spool.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin(Open, name); err != nil {
		return nil, err
	}
	n, err := f.find(name)
	if err != nil {
		return nil, err
	}
	f.handles++
	return &file{fs: f, name: name, node: n, epoch: f.epoch}, nil
}

// List implements spool.FS.
func (f *FS) List(name string) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin(List, name); err != nil {
		return nil, err
	}
	d := f.dirs[clean(name)]
	if d == nil {
		return nil, &fs.PathError{Op: "list", Path: name, Err: fs.ErrNotExist}
	}
	names := []string{}
	for base := range d.now {
		names = append(names, base)
	}
	slices.Sort(names)
	return names, nil
}

// Remove implements spool.FS.
func (f *FS) Remove(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin(Remove, name); err != nil {
		return err
	}
	d, base, err := f.at(name)
	if err != nil {
		return err
	}
	n := d.now[base]
	if n == nil {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	if n.isDir {
		if len(f.dirs[clean(name)].now) > 0 {
			return &fs.PathError{Op: "remove", Path: name, Err: syscall.ENOTEMPTY}
		}
		delete(f.dirs, clean(name))
	}
	d.change(change{from: base, node: n})
	return nil
}

// Rename implements spool.FS.
func (f *FS) Rename(from, to string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin(Rename, from); err != nil {
		return err
	}
	n, err := f.find(from)
	if err != nil {
		return err
	}
	d, base, _ := f.at(from)
	d.change(change{from: base, to: path.Base(clean(to)), node: n})
	return nil
}

// SyncDir implements spool.FS.
func (f *FS) SyncDir(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin(SyncDir, name); err != nil {
		return err
	}
	d := f.dirs[clean(name)]
	if d == nil {
		return &fs.PathError{Op: "syncdir", Path: name, Err: fs.ErrNotExist}
	}
	d.log = nil
	clear(d.durable)
	maps.Copy(d.durable, d.now)
	return nil
}

// Free implements spool.FS.
func (f *FS) Free(name string) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin(Free, name); err != nil {
		return 0, err
	}
	if f.capacity == 0 {
		return 1 << 60, nil
	}
	return f.capacity - f.used(), nil
}

// Size implements spool.FS.
func (f *FS) Size(name string) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin(Size, name); err != nil {
		return 0, err
	}
	n, err := f.find(name)
	if err != nil {
		return 0, err
	}
	return int64(len(n.now)), nil
}

// Lock implements spool.FS.
func (f *FS) Lock(name string) (io.Closer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin(Lock, name); err != nil {
		return nil, err
	}
	d, base, err := f.at(name)
	if err != nil {
		return nil, err
	}
	if f.locks[clean(name)] != nil && d.now[base] != nil {
		return nil, fmt.Errorf("%w: %s", spool.ErrLocked, name)
	}
	if d.now[base] == nil {
		d.change(change{to: base, node: &node{}})
	}
	l := &lock{fs: f, name: clean(name), epoch: f.epoch}
	f.locks[l.name] = l
	return l, nil
}

// Close lets go of the lock.
func (l *lock) Close() error {
	l.fs.mu.Lock()
	defer l.fs.mu.Unlock()
	if l.fs.locks[l.name] == l {
		delete(l.fs.locks, l.name)
	}
	return nil
}
