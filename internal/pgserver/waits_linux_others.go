//go:build linux && !amd64

package pgserver

import "syscall"

const sysEpollWait = syscall.SYS_EPOLL_PWAIT
