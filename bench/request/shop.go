package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// binary builds the shop into a folder of its own, unless one is at hand.
func binary(ctx context.Context, given string) (path string, remove func() error, err error) {
	if given != "" {
		return given, func() error { return nil }, nil
	}
	dir, err := os.MkdirTemp("", "strata-request-")
	if err != nil {
		return "", nil, err
	}
	remove = func() error { return os.RemoveAll(dir) }
	path = filepath.Join(dir, "webshop")
	build := exec.CommandContext(ctx, "go", "build", "-o", path, "github.com/strataxp/strata/examples/webshop")
	if out, err := build.CombinedOutput(); err != nil {
		return "", nil, errors.Join(fmt.Errorf("go build: %w\n%s\nrun this from the folder bench", err, out), remove())
	}
	return path, remove, nil
}

// shop is the program that is measured, as a process of its own.
type shop struct {
	cmd         *exec.Cmd
	addr, debug string // host:port
	out         sync.WaitGroup
	final       closed
	errors      strings.Builder // the beginning of its standard error
}

// closed is what the shop says at its end.
type closed struct {
	said                                             bool
	orders, accepted, delivered, refused, lost, left int64
}

// startShop starts the shop and waits until it listens.
func startShop(ctx context.Context, path string, args ...string) (*shop, error) {
	s := &shop{cmd: exec.CommandContext(ctx, path, append([]string{"-addr", "127.0.0.1:0", "-debug", "127.0.0.1:0"}, args...)...)}
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	listening := make(chan struct{})
	s.out.Go(func() { s.readOutput(stdout, listening) })
	s.out.Go(func() { s.readErrors(stderr) })
	<-listening
	if s.addr == "" {
		_, err := s.stop()
		return nil, fmt.Errorf("the shop does not listen: %w\n%s", err, s.errors.String())
	}
	return s, nil
}

func (s *shop) readOutput(r io.Reader, listening chan struct{}) {
	var once sync.Once
	defer once.Do(func() { close(listening) })
	for lines := bufio.NewScanner(r); lines.Scan(); {
		line := lines.Text()
		if url, ok := strings.CutPrefix(line, "debugging on http://"); ok {
			s.debug = url
		}
		if url, ok := strings.CutPrefix(line, "listening on http://"); ok {
			s.addr = url
			once.Do(func() { close(listening) })
		}
		if strings.HasPrefix(line, "closed: ") {
			s.final = parseClosed(line)
		}
	}
}

// parseClosed reads the shop's last line.
func parseClosed(line string) (c closed) {
	n, err := fmt.Sscanf(line, "closed: %d orders, %d events accepted, %d delivered, %d refused, %d lost;", &c.orders, &c.accepted, &c.delivered, &c.refused, &c.lost)
	c.said = err == nil && n == 5
	c.left = c.accepted - c.delivered
	return c
}

const mostErrors = 4000

func (s *shop) readErrors(r io.Reader) {
	for lines := bufio.NewScanner(r); lines.Scan(); {
		if s.errors.Len() < mostErrors {
			s.errors.WriteString(lines.Text() + "\n")
		}
	}
}

// stop ends the shop as an operator would, and returns what it said at its end.
func (s *shop) stop() (closed, error) {
	//lint:ignore errcheck it may have ended by itself; Wait says how
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	s.out.Wait()
	err := s.cmd.Wait()
	if err == nil && !s.final.said {
		err = errors.New("it did not say what became of its events")
	}
	if err != nil {
		err = fmt.Errorf("the shop: %w\n%s", err, s.errors.String())
	}
	return s.final, err
}

// health is what /debug/strata says; examples/webshop/debug.go has the meanings.
type health struct {
	Plan       int64            `json:"plan"`
	Accepted   int64            `json:"accepted"`
	Delivered  int64            `json:"delivered"`
	Lost       int64            `json:"lost"`
	Refused    map[string]int64 `json:"refused"`
	Buffered   int64            `json:"buffered_bytes"`
	Problems   []string         `json:"problems"`
	HeapBytes  int64            `json:"heap_bytes"`
	SysBytes   int64            `json:"sys_bytes"`
	Goroutines int64            `json:"goroutines"`
	GCs        int64            `json:"gcs"`
	GCPauses   time.Duration    `json:"gc_pauses_ns"`
	Allocated  int64            `json:"allocated_bytes"`

	computed time.Duration // processor time so far, as the system counts it
}

// ask asks the shop how it is.
func (s *shop) ask(ctx context.Context) (h health, err error) {
	body, err := s.fetch(ctx, "/debug/strata")
	if err != nil {
		return h, err
	}
	if err := json.Unmarshal(body, &h); err != nil {
		return h, err
	}
	h.computed, err = processorTime(s.cmd.Process.Pid)
	return h, err
}

// fetch reads something from the address for those who run the shop.
func (s *shop) fetch(ctx context.Context, path string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.debug+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	r.Close = true
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", path, response.Status)
	}
	return body, err
}

// save writes what it fetches to a file.
func (s *shop) save(ctx context.Context, path, file string) error {
	data, err := s.fetch(ctx, path)
	if err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o600)
}
