package pgserver

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A server is a family of processes: the one that was started, and its children.
// They are looked up in /proc; elsewhere than on Linux only the parent is found.

// status returns the parent of a process, and reports whether it lives: a zombie
// does not.
func status(pid int) (parent int, alive bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false
	}
	_, after, _ := strings.Cut(string(stat), ") ") // behind the name, which may hold anything
	fields := strings.Fields(after)
	if len(fields) < 2 || fields[0] == "Z" || fields[0] == "X" {
		return 0, false
	}
	parent, err = strconv.Atoi(fields[1])
	return parent, err == nil
}

// stopped reports whether a process is halted, or gone, or cannot be looked at.
func stopped(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(after, "T") || strings.HasPrefix(after, "Z")
}

// children lists the processes that the program has started.
func (p *Process) children() (pids []int) {
	entries, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(filepath.Base(entry))
		if err != nil {
			continue
		}
		if parent, alive := status(pid); alive && parent == p.pid {
			pids = append(pids, pid)
		}
	}
	return pids
}

// Pause halts the program and its children: they keep what they have, and the
// system goes on to accept connections for them, but nobody answers.
func (p *Process) Pause() error {
	if err := p.signal(sigStop); err != nil {
		return err
	}
	for _, pid := range p.children() {
		//lint:ignore errcheck it may have ended meanwhile
		_ = kill(pid, sigStop)
	}
	return nil
}

// Resume lets the program and its children go on, whichever of them were halted.
func (p *Process) Resume() {
	for _, pid := range p.children() {
		//lint:ignore errcheck it may have ended meanwhile
		_ = kill(pid, sigCont)
	}
	//lint:ignore errcheck it may have ended meanwhile
	_ = p.signal(sigCont)
}

func killAll(pids []int) {
	for _, pid := range pids {
		//lint:ignore errcheck it may have ended meanwhile
		_ = kill(pid, syscall.SIGKILL)
	}
}

// waitGone waits until processes have ended, and their ports are free.
func waitGone(pids []int) {
	for deadline := time.Now().Add(Patience); len(pids) > 0 && time.Now().Before(deadline); {
		if _, alive := status(pids[0]); !alive {
			pids = pids[1:]
			continue
		}
		time.Sleep(time.Millisecond)
	}
}
