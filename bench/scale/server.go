package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// counter counts statements as they are sent. It is a [pgx.QueryTracer].
type counter struct {
	statements atomic.Int64
	watching   atomic.Int64 // connections that have sent LISTEN

	mu        sync.Mutex
	recording bool
	times     []time.Time
}

// TraceQueryStart implements [pgx.QueryTracer].
func (c *counter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	c.statements.Add(1)
	if strings.HasPrefix(q.SQL, "listen ") {
		c.watching.Add(1)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.recording {
		c.times = append(c.times, time.Now())
	}
	return ctx
}

// TraceQueryEnd implements [pgx.QueryTracer].
func (*counter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// record notes from now on when statements are sent.
func (c *counter) record() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recording, c.times = true, nil
}

func (c *counter) recorded() []time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recording = false
	return c.times
}

// processorTime is for how long processors have been busy with each of a server's processes
// that live: the one with a number, and its children. It works on Linux only.
func processorTime(parent int) (map[string]time.Duration, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(stats) == 0 {
		return nil, fmt.Errorf("/proc tells of no processes (%v); measure on Linux", err)
	}
	times := make(map[string]time.Duration)
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		if own := filepath.Dir(path) == fmt.Sprintf("/proc/%d", parent); !own && parentIn(string(text)) != parent {
			continue
		}
		t, err := busy(filepath.Dir(path))
		if err != nil {
			return nil, err
		}
		times[path] = t
	}
	return times, nil
}

// spent is what processes took between two looks at them. What those took that ended
// meanwhile is not known.
func spent(before, after map[string]time.Duration) (sum time.Duration) {
	for path, t := range after {
		sum += max(0, t-before[path])
	}
	return sum
}

// parentIn reads the parent's number in a process's stat: the second field behind the
// name, which stands in brackets and may hold anything.
func parentIn(stat string) int {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 {
		return 0
	}
	n, err := strconv.Atoi(fields[1])
	if err != nil {
		return 0
	}
	return n
}

// busy reads for how long a process of one thread has run; zero when it has ended. Its
// stat would say it in hundredths of a second, which is too coarse for an idle one.
func busy(dir string) (time.Duration, error) {
	text, err := os.ReadFile(filepath.Join(dir, "schedstat"))
	if os.IsNotExist(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(text), " ")
	ns, err := strconv.ParseInt(first, 10, 64)
	return time.Duration(ns), err
}
