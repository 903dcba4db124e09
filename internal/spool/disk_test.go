//go:build linux || darwin || freebsd

package spool_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata/internal/spool"
)

// What belongs to somebody who lives is refused, and not counted.
func TestLockedStreamIsRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	ours := open(t, spool.Config{Dir: dir, SegmentBytes: 4096})
	l, err := ours.Create(id(1))
	require.NoError(t, err)
	require.NoError(t, l.Append(1, 1, nil))
	theirs := open(t, spool.Config{Dir: dir, SegmentBytes: 4096})
	require.EqualValues(t, 4096, theirs.Size())
	left, err := theirs.Leftover()
	require.NoError(t, err)
	require.Equal(t, [][16]byte{id(1)}, left)
	_, err = theirs.Recover(id(1))
	require.ErrorIs(t, err, spool.ErrLocked)
	_, err = ours.Recover(id(1))
	require.ErrorIs(t, err, spool.ErrLocked)
	require.Zero(t, theirs.Size())
	require.NoError(t, l.Close())
	r, err := theirs.Recover(id(1))
	require.NoError(t, err)
	require.EqualValues(t, 4096, theirs.Size())
	require.NoError(t, r.Remove())
	left, err = ours.Leftover()
	require.NoError(t, err)
	require.Empty(t, left)
	require.Zero(t, ours.Size(), "what others removed is noticed")
}

// childDir tells the test binary to be the process that is killed.
const childDir = "STRATA_SPOOL_CHILD"

// A process that is killed loses nothing that Append took, and its lock.
func TestKilledProcess(t *testing.T) {
	if dir := os.Getenv(childDir); dir != "" {
		appendForever(t, dir)
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledProcess$")
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	said := bufio.NewScanner(out)
	appended := int64(0)
	for range 500 {
		require.True(t, said.Scan(), "the other process has ended")
		_, err := fmt.Sscan(said.Text(), &appended)
		require.NoError(t, err, said.Text())
	}
	sp := open(t, spool.Config{Dir: dir})
	_, err = sp.Recover(id(1))
	require.ErrorIs(t, err, spool.ErrLocked, "it lives")
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	l, err := sp.Recover(id(1))
	require.NoError(t, err)
	all := readAll(t, l, 1)
	require.GreaterOrEqual(t, int64(len(all)), appended)
	for i, f := range all {
		require.Equal(t, frame{int64(i + 1), 1, fmt.Sprintf("payload %d", i+1), spool.None}, f)
	}
	require.NoError(t, l.Remove())
}

// appendForever appends and says so, until it is killed.
func appendForever(t *testing.T, dir string) {
	l, err := open(t, spool.Config{Dir: dir, SegmentBytes: 4096}).Create(id(1))
	require.NoError(t, err)
	for i := int64(1); ; i++ {
		require.NoError(t, l.Append(i, 1, fmt.Appendf(nil, "payload %d", i)))
		fmt.Println(i)
	}
}

// A disk that is really full refuses, and takes again after a trim.
func TestFullDiskForReal(t *testing.T) {
	if runtime.GOOS != "linux" || os.Getuid() != 0 {
		t.Skip("mounting a small tmpfs needs root on Linux")
	}
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("no tmpfs can be mounted here: %v: %s", err, out)
	}
	t.Cleanup(func() { require.NoError(t, exec.CommandContext(context.Background(), "umount", dir).Run()) })
	sp := open(t, spool.Config{Dir: dir, SegmentBytes: 256 << 10})
	l, err := sp.Create(id(1))
	require.NoError(t, err)
	payload := make([]byte, 10_000)
	i := int64(0)
	for range 3 {
		for err = nil; err == nil; i++ {
			err = l.Append(i+1, 1, payload)
		}
		i--
		require.ErrorIs(t, err, spool.ErrFull)
		require.ErrorIs(t, err, syscall.ENOSPC)
		synced, err := l.Sync()
		require.NoError(t, err)
		require.Equal(t, i, synced)
		require.NoError(t, l.Trim(i-50))
	}
	require.NoError(t, l.Close())
	l, err = sp.Recover(id(1))
	require.NoError(t, err)
	all := readAll(t, l, 1)
	require.Equal(t, i, all[len(all)-1].first)
	require.LessOrEqual(t, all[0].first, i-49)
	require.NoError(t, l.Remove())

	sp = open(t, spool.Config{Dir: dir, SegmentBytes: 256 << 10, MinFree: 3 << 20})
	l, err = sp.Create(id(2))
	require.NoError(t, err)
	for i, err = 0, nil; err == nil; i++ {
		err = l.Append(i+1, 1, payload)
	}
	require.ErrorIs(t, err, spool.ErrFull)
	require.NotErrorIs(t, err, syscall.ENOSPC)
	free, err := spool.OS().Free(dir)
	require.NoError(t, err)
	require.GreaterOrEqual(t, free, int64(3<<20), "others have their space")
	require.NoError(t, l.Remove())
}

// Opening looks at the names of files, and reads none.
func TestOpenIsCheap(t *testing.T) {
	dir := t.TempDir()
	const streams, segments = 8, 16
	for n := range streams {
		folder := filepath.Join(dir, streamName(id(byte(n))))
		require.NoError(t, os.Mkdir(folder, 0o700))
		for i := range segments {
			name := filepath.Join(folder, fmt.Sprintf("%020d-%08d.seg", i*1000+1, i+1))
			require.NoError(t, os.WriteFile(name, nil, 0o600))
			require.NoError(t, os.Truncate(name, 8<<20))
		}
	}
	start := time.Now()
	sp := open(t, spool.Config{Dir: dir})
	took := time.Since(start)
	require.EqualValues(t, 1<<30, sp.Size())
	require.Less(t, took, 100*time.Millisecond)
	t.Logf("1 GiB in %d segments: %v", streams*segments, took)
	left, err := sp.Leftover()
	require.NoError(t, err)
	require.Len(t, left, streams)
}

func TestConfigNamesEveryBadField(t *testing.T) {
	_, err := spool.Open(spool.Config{SegmentBytes: -1, MaxBytes: -2, MinFree: -3, KeepBytes: -4})
	for _, field := range []string{"Dir", "SegmentBytes", "MaxBytes", "MinFree", "KeepBytes"} {
		require.ErrorContains(t, err, "Config."+field)
	}
}
