package spool_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata/internal/spool"
)

// Appending allocates nothing, apart from what a new segment takes.
func TestAppendAllocatesNothing(t *testing.T) {
	l, err := open(t, spool.Config{SegmentBytes: 64 << 20}).Create(id(1))
	require.NoError(t, err)
	payload := make([]byte, 2000)
	i := int64(0)
	add := func() {
		i++
		if err := l.Append(i, 1, payload); err != nil {
			t.Error(err)
		}
	}
	for range 2 { // both buffers come to their size
		for range 1500 {
			add()
		}
		_, err = l.Sync()
		require.NoError(t, err)
	}
	require.Zero(t, testing.AllocsPerRun(1000, add))
	require.NoError(t, l.Remove())
}

// benchLog returns a log that trims itself when told.
func benchLog(b *testing.B) *spool.Log {
	b.Helper()
	l, err := open(b, spool.Config{}).Create(id(1))
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, l.Remove()) })
	b.ReportAllocs()
	return l
}

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{200, 64 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			l := benchLog(b)
			payload := make([]byte, size)
			b.SetBytes(int64(size))
			for i := int64(1); b.Loop(); i++ {
				if err := l.Append(i, 1, payload); err != nil {
					b.Fatal(err)
				}
				if i%(1<<26/int64(size)) == 0 { // each 64 MiB
					if err := l.Trim(i); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

// A group of appends of 200 bytes and one Sync.
func BenchmarkAppendSync(b *testing.B) {
	for _, group := range []int{1, 100} {
		b.Run(fmt.Sprint(group), func(b *testing.B) {
			l := benchLog(b)
			payload := make([]byte, 200)
			i := int64(0)
			for b.Loop() {
				for range group {
					i++
					if err := l.Append(i, 1, payload); err != nil {
						b.Fatal(err)
					}
				}
				if _, err := l.Sync(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRead(b *testing.B) {
	for _, size := range []int{200, 64 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			l := benchLog(b)
			payload := make([]byte, size)
			for i := range int64(64<<20) / int64(size) {
				require.NoError(b, l.Append(i+1, 1, payload))
			}
			b.SetBytes(int64(size))
			r := l.Reader(1)
			for b.Loop() {
				_, err := r.Next()
				if errors.Is(err, io.EOF) {
					require.NoError(b, r.Close())
					r = l.Reader(1)
					_, err = r.Next()
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			require.NoError(b, r.Close())
		})
	}
}
