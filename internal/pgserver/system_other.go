//go:build !unix

package pgserver

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"
)

// Credential is the user that a program would run as.
type Credential struct{ Uid, Gid uint32 }

// What would halt a process, and let it go on.
const (
	sigStop syscall.Signal = 0
	sigCont syscall.Signal = 0
)

var errSystem = fmt.Errorf("pgserver: no server can be started on %s: %w; set %s to the connection string of a superuser of a running one", runtime.GOOS, errors.ErrUnsupported, Env)

func kill(int, syscall.Signal) error { return errSystem }

func attributes(*Credential, bool) *syscall.SysProcAttr { return nil }

// Unprivileged fails with an error matching errors.ErrUnsupported, and so nothing
// is started.
func Unprivileged() (*Credential, error) { return nil, errSystem }
