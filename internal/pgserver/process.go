package pgserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
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
func StartProcess(argv []string, dir, log string, as *syscall.Credential) (*Process, error) {
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
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as, Setpgid: true}
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
func (p *Process) signal(s syscall.Signal) error { return syscall.Kill(p.pid, s) }

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
// signal is killed.
func (p *Process) Stop(how syscall.Signal) {
	//lint:ignore errcheck it may have ended already
	_ = p.signal(how)
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

// Unprivileged returns the user to run as: PostgreSQL and PgBouncer refuse
// root. It is nil where we are not root.
func Unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("pgserver: PostgreSQL does not run as root, and there is neither a user postgres nor nobody; run this as another user")
}

// PrivateDir makes a folder for the temporary files of a user.
func PrivateDir(prefix string, as *syscall.Credential) (string, error) {
	dir, err := os.MkdirTemp("", prefix)
	if err != nil {
		return "", err
	}
	return dir, give(dir, as)
}

// give makes a file the property of the Unprivileged user.
func give(name string, as *syscall.Credential) error {
	if as == nil {
		return nil
	}
	return os.Chown(name, int(as.Uid), int(as.Gid))
}

// WriteFile writes a file that only its user may read.
func WriteFile(name, text string, as *syscall.Credential) error {
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		return err
	}
	return give(name, as)
}

func openLog(name string, as *syscall.Credential) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	return f, give(name, as)
}

// Tail returns the last bytes of a file, from the start of a line.
func Tail(name string, n int) string {
	text, err := os.ReadFile(name)
	if err != nil {
		return err.Error()
	}
	if len(text) > n {
		_, rest, _ := strings.Cut(string(text[len(text)-n:]), "\n")
		return rest
	}
	return string(text)
}

// findPostgres returns the folder with the programs of PostgreSQL.
func findPostgres() (string, error) {
	if initdb, err := exec.LookPath("initdb"); err == nil {
		if initdb, err = filepath.EvalSymlinks(initdb); err == nil {
			return filepath.Dir(initdb), nil
		}
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return "", errors.New("pgserver: PostgreSQL is not installed: there is no initdb in PATH nor in /usr/lib/postgresql; on Debian: apt-get install postgresql. Or set " + Env + " to the connection string of a superuser of a running server")
	}
	newest := slices.MaxFunc(found, func(a, b string) int { return major(a) - major(b) })
	return filepath.Dir(newest), nil
}

// major returns the version in /usr/lib/postgresql/15/bin/initdb.
func major(initdb string) int {
	n, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(initdb))))
	if err != nil {
		return 0
	}
	return n
}
