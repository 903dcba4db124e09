package faults_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// needStrace skips a test where there is no strace that can inject faults.
func needStrace(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("there is no strace, which injects the faults of this test; install it (apt-get install strace)")
	}
	out, err := exec.CommandContext(t.Context(), "strace", "-D", "-f", "-o", os.DevNull, "-e", "inject=fdatasync:error=EIO", "true").CombinedOutput()
	if err != nil {
		t.Skipf("strace cannot trace here, as in a container without the capability SYS_PTRACE: %s", out)
	}
}

// tracer makes system calls of a writer fail.
type tracer struct {
	log  string
	line []string
}

// injecting returns a tracer that does something to a system call, in strace's
// words. It runs as the writer's grandchild, so that the writer is ours.
func (r *rig) injecting(call, what string) *tracer {
	log := filepath.Join(r.dir, fmt.Sprintf("strace-%d", len(r.ledgers)))
	return &tracer{log, []string{"strace", "-D", "-f", "--seccomp-bpf", "-o", log, "-e", "trace=" + call, "-e", "signal=none", "-e", "inject=" + call + ":" + what}}
}

// hits returns how many calls were tampered with so far.
func (s *tracer) hits(t testing.TB) int {
	t.Helper()
	text, err := os.ReadFile(s.log)
	require.NoError(t, err)
	return bytes.Count(text, []byte("INJECTED")) + bytes.Count(text, []byte("DELAYED"))
}

// sh runs a program that changes the machine.
func sh(t testing.TB, line ...string) error {
	t.Helper()
	out, err := exec.CommandContext(context.WithoutCancel(t.Context()), line[0], line[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(line, " "), err, out)
	}
	return nil
}

// mount mounts something on a new folder until the end of the test, which it skips
// where that is not allowed.
func mount(t testing.TB, args ...string) string {
	t.Helper()
	at := t.TempDir()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount what this test needs")
	}
	if err := sh(t, append(append([]string{"mount"}, args...), at)...); err != nil {
		t.Skipf("this machine mounts nothing for us, as a container without the capability SYS_ADMIN or without loop devices: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, unmount(t, at)) })
	return at
}

// unmount unmounts what may be unmounted already.
func unmount(t testing.TB, at string) error {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil || !strings.Contains(string(mounts), " "+at+" ") {
		return err
	}
	return sh(t, "umount", at)
}

// image is a small disk: a file system in a file.
type image struct{ file, at string }

// newImage makes a disk of so many MiB. The file must not exist.
func newImage(t testing.TB, file string, mib int64) image {
	t.Helper()
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.NoError(t, os.Truncate(file, mib<<20))
	if err := sh(t, "mkfs.ext4", "-q", "-F", file); err != nil {
		t.Skipf("a disk of its own cannot be made; install e2fsprogs: %v", err)
	}
	return image{file, mount(t, "-o", "loop", file)}
}

// losePower ends a writer as a loss of power does, and returns the disk as the next
// start finds it: what the system had written out by that moment.
func (p *process) losePower(disk image) image {
	t := p.rig.TB
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGSTOP))
	p.stopped()
	after := image{file: disk.file + "-after"}
	require.NoError(t, sh(t, "cp", "--sparse=always", disk.file, after.file))
	p.kill()
	require.NoError(t, unmount(t, disk.at))
	require.NoError(t, os.Remove(disk.file))
	after.at = mount(t, "-o", "loop", after.file)
	return after
}

// discard unmounts a disk and deletes it.
func (i image) discard(t testing.TB) {
	t.Helper()
	require.NoError(t, unmount(t, i.at))
	require.NoError(t, os.Remove(i.file))
}

// stopped returns when all threads of a process stand still.
func (p *process) stopped() {
	p.rig.Helper()
	require.Eventually(p.rig, func() bool {
		tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.pid()))
		for _, name := range tasks {
			text, readErr := os.ReadFile(name)
			_, after, _ := strings.Cut(string(text), ") ")
			if readErr == nil && !strings.HasPrefix(after, "T") && !strings.HasPrefix(after, "t") {
				return false
			}
		}
		return err == nil && len(tasks) > 0
	}, 10*time.Second, time.Millisecond)
}

// rss returns the resident memory of a process, in bytes.
func (p *process) rss() int64 {
	p.rig.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.pid()))
	require.NoError(p.rig, err)
	fields := strings.Fields(string(text))
	require.Greater(p.rig, len(fields), 1, "the writer has ended: %s", &p.says)
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	require.NoError(p.rig, err)
	return pages * int64(os.Getpagesize())
}

// free returns the free space of a disk, in bytes.
func free(t testing.TB, at string) int64 {
	t.Helper()
	var st syscall.Statfs_t
	require.NoError(t, syscall.Statfs(at, &st))
	return int64(st.Bavail) * st.Bsize
}

// limitMemory puts a process into a cgroup of its own that may use so much memory,
// and reports whether this machine lets us. The system kills who needs more.
func (p *process) limitMemory(bytes int64) bool {
	t := p.rig.TB
	t.Helper()
	for parent, file := range map[string]string{"/sys/fs/cgroup/memory": "memory.limit_in_bytes", "/sys/fs/cgroup": "memory.max"} {
		if _, err := os.Stat(filepath.Join(parent, "cgroup.procs")); err != nil {
			continue
		}
		//lint:ignore usetesting a cgroup is no folder that can be emptied
		group, err := os.MkdirTemp(parent, "strata-faults-")
		if err != nil {
			continue
		}
		t.Cleanup(func() {
			_ = p.cmd.Process.Kill() // else the group is in use; it may have ended
			require.Eventually(t, func() bool { return os.Remove(group) == nil }, 10*time.Second, 10*time.Millisecond)
		})
		if os.WriteFile(filepath.Join(group, file), []byte(strconv.FormatInt(bytes, 10)), 0o600) == nil &&
			os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte(strconv.Itoa(p.pid())), 0o600) == nil {
			return true
		}
	}
	return false
}
