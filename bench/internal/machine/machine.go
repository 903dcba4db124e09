// Package machine says where a figure was measured.
package machine

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// Line names the processor, the system, the version of Go, GOMAXPROCS and the day.
func Line(now time.Time) string {
	return fmt.Sprintf("%s, %s/%s, %s, GOMAXPROCS %d, %s", Processor(), runtime.GOOS, runtime.GOARCH,
		runtime.Version(), runtime.GOMAXPROCS(0), now.Format(time.DateOnly))
}

// Processor returns what the kernel calls the processor, "unknown processor" where it
// does not say.
func Processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}

// Resident returns how many bytes of memory the kernel has given to this process. It
// works on Linux only.
func Resident() (uint64, error) {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, err
	}
	var size, resident uint64
	if _, err := fmt.Sscan(string(text), &size, &resident); err != nil {
		return 0, fmt.Errorf("/proc/self/statm: %w", err)
	}
	return resident * uint64(os.Getpagesize()), nil
}
