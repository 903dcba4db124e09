package spool

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// Defaults of Config, in bytes.
const (
	DefaultSegmentBytes = 8 << 20
	DefaultMaxBytes     = 1 << 30
	DefaultMinFree      = 256 << 20
	DefaultKeepBytes    = 8 << 20
)

// Config says where a spool is and how large it may become. Only Dir is required.
type Config struct {
	// Dir is the folder of all streams. It is made if it does not exist.
	Dir string

	// SegmentBytes is the size of a segment, which is reserved when it is begun.
	// A frame that does not fit gets a segment of its own size. Zero means
	// DefaultSegmentBytes (8 MiB).
	SegmentBytes int64

	// MaxBytes is the most that the segments in Dir may take, those of streams
	// that an earlier process left behind included, and those of processes that
	// are known to be alive not. Zero means DefaultMaxBytes (1 GiB).
	MaxBytes int64

	// MinFree is how much space on the disk is left to others: no segment is
	// begun that would leave less. Zero means DefaultMinFree (256 MiB), −1 none.
	MinFree int64

	// KeepBytes is the most memory that a Log takes for frames that are not
	// durable yet, which it keeps to write them again after a failed sync.
	// Beyond it Append syncs. A single frame that is larger is kept all the
	// same, alone. Zero means DefaultKeepBytes (8 MiB).
	KeepBytes int64

	// FS is the file system. Nil means what is mounted at Dir, usually OS().
	FS FS
}

func (c Config) withDefaults() Config {
	if c.SegmentBytes == 0 {
		c.SegmentBytes = DefaultSegmentBytes
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = DefaultMaxBytes
	}
	if c.MinFree == 0 {
		c.MinFree = DefaultMinFree
	}
	if c.KeepBytes == 0 {
		c.KeepBytes = DefaultKeepBytes
	}
	if c.FS == nil {
		c.FS = mounted(c.Dir)
	}
	return c
}

func (c Config) validate() error {
	var errs []error
	if c.Dir == "" {
		errs = append(errs, errors.New("spool: Config.Dir is empty; name a folder on a local disk"))
	}
	if c.SegmentBytes < 0 {
		errs = append(errs, fmt.Errorf("spool: Config.SegmentBytes is %d; it must be positive, or 0 for %d", c.SegmentBytes, DefaultSegmentBytes))
	}
	if c.MaxBytes < 0 {
		errs = append(errs, fmt.Errorf("spool: Config.MaxBytes is %d; it must be positive, or 0 for %d", c.MaxBytes, DefaultMaxBytes))
	}
	if c.MinFree < -1 {
		errs = append(errs, fmt.Errorf("spool: Config.MinFree is %d; it must be positive, 0 for %d, or -1 for none", c.MinFree, DefaultMinFree))
	}
	if c.KeepBytes < 0 {
		errs = append(errs, fmt.Errorf("spool: Config.KeepBytes is %d; it must be positive, or 0 for %d", c.KeepBytes, DefaultKeepBytes))
	}
	return errors.Join(errs...)
}

// Spool is a folder of streams. It holds no descriptor and needs no closing; its
// logs do. It is safe for concurrent use.
type Spool struct {
	cfg Config

	mu    sync.Mutex
	open  map[[16]byte]bool  // streams that a Log of ours holds
	bytes map[[16]byte]int64 // of segments, by stream
	total int64              // sum of bytes
}

// Open makes the folder if need be and counts what is in it. It reads no segment:
// its cost is one look at each file. On a system without what a spool needs it
// fails with an error that matches errors.ErrUnsupported.
func Open(cfg Config) (*Spool, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	if err := supported(cfg.FS); err != nil {
		return nil, err
	}
	if err := cfg.FS.MkdirAll(cfg.Dir); err != nil {
		return nil, failed("make the folder", cfg.Dir, err)
	}
	syncAbove(cfg.FS, cfg.Dir)
	s := &Spool{cfg: cfg, open: map[[16]byte]bool{}, bytes: map[[16]byte]int64{}}
	if _, err := s.Leftover(); err != nil {
		return nil, err
	}
	return s, nil
}

// syncAbove makes durable that a folder was made, and those above it. Best effort:
// they may be folders that we may not read, and then others have made them.
func syncAbove(fsys FS, dir string) {
	for above := filepath.Dir(dir); above != dir; dir, above = above, filepath.Dir(above) {
		_ = fsys.SyncDir(above)
	}
}

// Size returns how many bytes the segments take on the disk, those of streams of
// other living processes not included once Recover met their locks.
func (s *Spool) Size() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}

// Leftover returns the streams in the folder that no Log of this Spool has open,
// in the order of their ids, which for UUIDs of version 7 is that of their age.
// Some may belong to processes that live: Recover tells. It also notices what
// other processes have removed, or left behind since.
func (s *Spool) Leftover() ([][16]byte, error) {
	names, err := s.cfg.FS.List(s.cfg.Dir)
	if err != nil {
		return nil, failed("list", s.cfg.Dir, err)
	}
	found := map[[16]byte]bool{}
	var left [][16]byte
	for _, name := range names {
		id, ok := parseStream(name)
		if !ok {
			continue
		}
		found[id] = true
		if s.isOpen(id) {
			continue
		}
		left = append(left, id)
		if !s.known(id) {
			s.count(id, s.measure(id))
		}
	}
	s.forget(found)
	slices.SortFunc(left, func(a, b [16]byte) int { return slices.Compare(a[:], b[:]) })
	return left, nil
}

func (s *Spool) isOpen(id [16]byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open[id]
}

func (s *Spool) known(id [16]byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.bytes[id]
	return ok
}

// measure returns how much the segments of a stream take.
func (s *Spool) measure(id [16]byte) (total int64) {
	dir := s.dir(id)
	names, err := s.cfg.FS.List(dir)
	if err != nil {
		return 0 // gone meanwhile, or not ours to read
	}
	for _, name := range names {
		if !strings.HasSuffix(name, segSuffix) && !strings.HasSuffix(name, tmpSuffix) {
			continue
		}
		if n, err := s.cfg.FS.Size(filepath.Join(dir, name)); err == nil {
			total += n
		}
	}
	return total
}

// count sets how much a stream takes; a negative number means that it is not ours
// to count.
func (s *Spool) count(id [16]byte, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[id] && n < 0 {
		return
	}
	s.total += max(n, 0) - max(s.bytes[id], 0)
	s.bytes[id] = n
}

// forget takes streams out of the count that are neither found nor open.
func (s *Spool) forget(found map[[16]byte]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, n := range s.bytes {
		if !found[id] && !s.open[id] {
			s.total -= max(n, 0)
			delete(s.bytes, id)
		}
	}
}

// reserve takes n bytes for a stream, or fails with ErrFull. force is for what
// replaces a segment and so does not make the spool larger for long.
func (s *Spool) reserve(id [16]byte, n int64, force bool) error {
	if s.cfg.MinFree > 0 {
		free, err := s.cfg.FS.Free(s.cfg.Dir)
		if err != nil {
			return failed("ask for the free space of", s.cfg.Dir, err)
		}
		if free-n < s.cfg.MinFree {
			return fmt.Errorf("%w: %d bytes are free on the disk of %s, and Config.MinFree is %d; free space, or lower it", ErrFull, free, s.cfg.Dir, s.cfg.MinFree)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.total+n > s.cfg.MaxBytes && !force {
		return fmt.Errorf("%w: segments take %d bytes, and Config.MaxBytes is %d; trim, or raise it", ErrFull, s.total, s.cfg.MaxBytes)
	}
	s.bytes[id] += n
	s.total += n
	return nil
}

// release gives back n bytes of a stream that is open.
func (s *Spool) release(id [16]byte, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes[id] -= n
	s.total -= n
}

// left notes that a Log is closed, or if gone, removed.
func (s *Spool) left(id [16]byte, gone bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, id)
	if gone {
		s.total -= max(s.bytes[id], 0)
		delete(s.bytes, id)
	}
}

func (s *Spool) dir(id [16]byte) string { return filepath.Join(s.cfg.Dir, formatStream(id)) }

func formatStream(id [16]byte) string {
	h := hex.EncodeToString(id[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

func parseStream(name string) (id [16]byte, ok bool) {
	b, err := hex.DecodeString(strings.ReplaceAll(name, "-", ""))
	if err != nil || len(b) != len(id) {
		return id, false
	}
	copy(id[:], b)
	return id, formatStream(id) == name
}

const lockName = "LOCK"

// Create begins a stream, whose folder must not exist, and locks it. The first
// segment is made by the first Append.
func (s *Spool) Create(stream [16]byte) (*Log, error) {
	dir := s.dir(stream)
	if _, err := s.cfg.FS.List(dir); err == nil {
		return nil, fmt.Errorf("spool: stream %s: %w; a stream is begun once", formatStream(stream), fs.ErrExist)
	}
	l := &Log{spool: s, fs: s.cfg.FS, dir: dir, stream: stream, mem: newMemory(s.cfg.KeepBytes)}
	if err := l.makeDir(); err != nil {
		return nil, err
	}
	if err := s.cfg.FS.SyncDir(s.cfg.Dir); err != nil {
		return nil, errors.Join(failed("sync", s.cfg.Dir, err), l.lock.Close())
	}
	s.mu.Lock()
	s.open[stream] = true
	s.bytes[stream] = 0
	s.mu.Unlock()
	return l, nil
}
