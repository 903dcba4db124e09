package simtest

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"sync"
	"time"
)

// trace is what happened in a world, line by line. Two plays of one script have
// the same.
type trace struct {
	mu    sync.Mutex
	start time.Time
	sum   uint64
	lines int
	tail  []string // the newest lines
	keep  int      // how many of them; 0 means all
}

func (t *trace) add(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	line := fmt.Sprintf("%v ", time.Since(t.start)) + fmt.Sprintf(format, args...)
	t.sum = hashOf(t.sum, line)
	t.lines++
	t.tail = append(t.tail, line)
	if t.keep > 0 && len(t.tail) > 2*t.keep {
		t.tail = append(t.tail[:0], t.tail[t.keep:]...)
	}
}

// hits count how often rare things happened.
type hits struct {
	mu sync.Mutex
	n  map[string]int
}

func (h *hits) add(what string, n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.n[what] += n
}

func (h *hits) of(what string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.n[what]
}

// hashOf mixes texts and numbers (FNV-1a, finished as in splitmix64). It is not
// the library's: what it judges must not decide what it sees.
func hashOf(parts ...any) uint64 {
	h := fnv.New64a()
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			_, _ = h.Write([]byte(p))
		case uint64:
			_ = binary.Write(h, binary.LittleEndian, p)
		case int:
			_ = binary.Write(h, binary.LittleEndian, int64(p))
		}
		_, _ = h.Write([]byte{0xff})
	}
	v := h.Sum64()
	v = (v ^ v>>30) * 0xBF58476D1CE4E5B9
	v = (v ^ v>>27) * 0x94D049BB133111EB
	return v ^ v>>31
}
