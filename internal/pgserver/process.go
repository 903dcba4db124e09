package pgserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Process is a program under a watchdog.
type Process struct {
	watchdog *exec.Cmd
	leash    *os.File // the watchdog notices when this end is closed
	pid      int      // of the program
}

// watch runs a program and waits for a line. Where the pipe ends without one,
// the program that started it has died: then the program is ended and its folder removed. A
// shell does that because it works on every Unix, and survives a SIGKILL and an
// interrupt from the terminal, both of which end that program at once.
const watch = `dir=$1; shift
"$@" </dev/null &
echo $! >"$dir/pid.new" && mv "$dir/pid.new" "$dir/pid"
if read -r _; then wait $!; exit; fi
kill -QUIT $!
wait $!
rm -rf "$dir"
`

// StartProcess runs argv with its output appended to a file.
func StartProcess(argv []string, dir, log string, as *Credential) (*Process, error) {
	out, err := openLog(log, as)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	pidFile := filepath.Join(dir, "pid")
	if err := os.Remove(pidFile); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, errors.Join(err, w.Close())
	}
	cmd := exec.CommandContext(context.Background(), "/bin/sh", append([]string{"-c", watch, "sh", dir}, argv...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Dir = r, out, out, dir
	cmd.SysProcAttr = attributes(as, true)
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	p := &Process{watchdog: cmd, leash: w}
	for deadline := time.Now().Add(Patience); ; time.Sleep(time.Millisecond) {
		text, err := os.ReadFile(pidFile)
		if err == nil {
			p.pid, err = strconv.Atoi(strings.TrimSpace(string(text)))
			return p, err
		}
		if time.Now().After(deadline) {
			return nil, errors.Join(err, w.Close())
		}
	}
}

// signal sends a signal to the program.
func (p *Process) signal(s syscall.Signal) error { return kill(p.pid, s) }

// Ended tells whether the program has ended. The watchdog, its parent, waits
// for it only later; so a zombie counts as ended.
func (p *Process) Ended() bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
	if err != nil {
		return p.signal(0) != nil
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(after, "Z")
}

// Stop ends the program with a signal and waits for it; what does not heed the
// signal is killed. SIGKILL ends its children too, which are gone when it returns.
func (p *Process) Stop(how syscall.Signal) {
	var children []int
	if how == syscall.SIGKILL {
		//lint:ignore errcheck it may have ended already
		_ = p.signal(sigStop) // so that it starts no more of them
		children = p.children()
	} else {
		p.Resume() // what is halted heeds no signal
	}
	//lint:ignore errcheck it may have ended already
	_ = p.signal(how)
	killAll(children)
	defer waitGone(children)
	//lint:ignore errcheck the watchdog may have ended as well
	_, _ = p.leash.WriteString("\n")
	hung := time.AfterFunc(Patience, func() {
		//lint:ignore errcheck there is nothing left to do about it
		_ = p.signal(syscall.SIGKILL)
	})
	defer hung.Stop()
	//lint:ignore errcheck the code is that of a program that was told to end
	_ = p.watchdog.Wait()
	//lint:ignore errcheck nothing was buffered
	_ = p.leash.Close()
}
