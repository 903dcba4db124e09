package pgserver

import "syscall"

// sysEpollWait is the call by which a process of PostgreSQL waits; most machines
// have only its newer form.
const sysEpollWait = syscall.SYS_EPOLL_WAIT
