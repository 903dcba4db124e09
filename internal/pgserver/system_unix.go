//go:build unix

package pgserver

import (
	"errors"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// Credential is the user that a program runs as; nil is the one that we are.
type Credential = syscall.Credential

// What halts a process, and lets it go on.
const (
	sigStop = syscall.SIGSTOP
	sigCont = syscall.SIGCONT
)

func kill(pid int, s syscall.Signal) error { return syscall.Kill(pid, s) }

// attributes has a program run as a user, and in a group of its own: there an
// interrupt from the terminal does not reach it.
func attributes(as *Credential, group bool) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: as, Setpgid: group}
}

// Unprivileged returns the user to run as: PostgreSQL and PgBouncer refuse
// root. It is nil where we are not root.
func Unprivileged() (*Credential, error) {
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
