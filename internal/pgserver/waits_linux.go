package pgserver

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// waits reports whether a halted process was waiting for something to do, rather
// than doing it. Where the kernel does not tell it is taken to be.
func waits(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", pid))
	if err != nil {
		return true
	}
	number, _, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	n, err := strconv.Atoi(number)
	return err == nil && (n == syscall.SYS_EPOLL_PWAIT || n == sysEpollWait)
}
