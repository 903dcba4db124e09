package spool_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata/internal/spool"
	"github.com/strataxp/strata/internal/spool/crashfs"
)

// The format as format.go describes it, byte by byte: another program must be able
// to rely on it.
func TestFormatIsAsDescribed(t *testing.T) {
	mem := crashfs.New()
	l, err := openMem(t, mem, 512).Create(id(1))
	require.NoError(t, err)
	require.NoError(t, l.Append(7, 2, []byte("seven")))
	_, err = l.Sync()
	require.NoError(t, err)
	require.NoError(t, l.Append(9, 1, nil))
	require.NoError(t, l.Close())

	table := crc32.MakeTable(crc32.Castagnoli)
	stream := id(1)
	var header []byte
	header = append(header, "strspool"...)
	header = binary.LittleEndian.AppendUint32(header, 1)
	header = binary.LittleEndian.AppendUint32(header, 0)
	header = append(header, stream[:]...)
	header = binary.LittleEndian.AppendUint64(header, 1)
	header = binary.LittleEndian.AppendUint64(header, 1)
	header = append(header, make([]byte, 12)...)
	header = binary.LittleEndian.AppendUint32(header, crc32.Checksum(header, table))
	seed := crc32.Checksum(append(append([]byte{}, stream[:]...), 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0), table)

	var crcs []byte
	build := func(off int, idx uint64, count uint32, durable uint64, flags byte, payload []byte) []byte {
		var body []byte
		body = binary.LittleEndian.AppendUint64(body, idx)
		body = binary.LittleEndian.AppendUint32(body, count)
		body = binary.LittleEndian.AppendUint64(body, durable)
		body = append(body, flags, byte(seed), byte(seed>>8), byte(seed>>16))
		body = append(body, payload...)
		size := binary.LittleEndian.AppendUint32(nil, uint32(len(body)))
		sum := crc32.Update(crc32.Update(seed^uint32(off/8), table, size), table, body)
		crc := binary.LittleEndian.AppendUint32(nil, sum)
		crcs = append(crcs, crc...)
		frame := append(append(size, crc...), body...)
		return append(frame, make([]byte, -len(frame)&7)...)
	}
	want := header
	want = append(want, build(len(want), 7, 2, 0, 0, []byte("seven"))...)
	want = append(want, build(len(want), 9, 1, 8, 0, nil)...)
	chain := crc32.Checksum(crcs, table)
	footer := binary.LittleEndian.AppendUint64(nil, 2)
	footer = binary.LittleEndian.AppendUint32(footer, chain)
	footer = append(footer, 0, 0, 0, 0)
	want = append(want, build(len(want), 9, 0, 9, 2, footer)...)
	want = append(want, make([]byte, 512-len(want))...)

	f, err := mem.Open(memDir + "/" + streamName(stream) + "/00000000000000000001-00000001.seg")
	require.NoError(t, err)
	got := make([]byte, 512)
	_, err = f.ReadAt(got, 0)
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.NoError(t, f.Close())
}

func TestNewerVersionIsLeftAlone(t *testing.T) {
	mem := crashfs.New()
	sp := openMem(t, mem, 512)
	l, err := sp.Create(id(1))
	require.NoError(t, err)
	require.NoError(t, l.Append(1, 1, nil))
	require.NoError(t, l.Close())
	mem.Change(segmentPath(1, 1), func(b []byte) []byte {
		b[8] = 2
		binary.LittleEndian.PutUint32(b[60:], crc32.Checksum(b[:60], crc32.MakeTable(crc32.Castagnoli)))
		return b
	})
	_, err = sp.Recover(id(1))
	require.ErrorIs(t, err, spool.ErrVersion)
	left, err := sp.Leftover()
	require.NoError(t, err)
	require.Len(t, left, 1)
}

func TestFramesThatCannotBeAppended(t *testing.T) {
	l, err := openMem(t, crashfs.New(), 512).Create(id(1))
	require.NoError(t, err)
	require.ErrorIs(t, l.Append(1, 1, make([]byte, spool.MaxPayload+1)), spool.ErrTooLarge)
	require.ErrorIs(t, l.Note(make([]byte, spool.MaxPayload+1)), spool.ErrTooLarge)
	require.ErrorIs(t, l.Append(0, 1, nil), spool.ErrOrder)
	require.ErrorIs(t, l.Append(1, 0, nil), spool.ErrOrder)
	require.ErrorIs(t, l.Append(math.MaxInt64, 1, nil), spool.ErrOrder)
	require.NoError(t, l.Append(1, 1, make([]byte, spool.MaxPayload)), "one that is larger than a segment gets its own")
	require.Len(t, readAll(t, l, 1), 1)
	r := l.Reader(1)
	require.NoError(t, l.Remove())
	_, err = r.Next()
	require.ErrorIs(t, err, spool.ErrClosed)
	require.NoError(t, r.Close())
}

// FuzzDecodeFrame: whatever the bytes are, decoding does not panic, and what it
// takes for a frame is one that would be encoded so.
func FuzzDecodeFrame(f *testing.F) {
	f.Add(spool.EncodeFrame(1, 1, []byte("payload"), 1, 64, 0), uint32(1), int64(64))
	f.Add(spool.EncodeFrame(1<<40, 1000, nil, 99, 4096, 1<<39), uint32(99), int64(4096))
	f.Add([]byte{24, 0, 0, 0}, uint32(0), int64(0))
	f.Add(make([]byte, 64), uint32(0), int64(64))
	f.Fuzz(func(t *testing.T, b []byte, seed uint32, offset int64) {
		frame, flags, size, err := spool.DecodeFrame(b, seed, offset)
		if err != nil {
			require.ErrorIs(t, err, spool.ErrCorrupt)
			return
		}
		require.LessOrEqual(t, len(frame.Payload), len(b))
		if flags == 0 {
			durable := int64(binary.LittleEndian.Uint64(b[20:]))
			again := spool.EncodeFrame(frame.First, frame.Count, frame.Payload, seed, offset, durable)
			require.Len(t, again, int(size))
			require.True(t, bytes.HasPrefix(b, again[:32+len(frame.Payload)]))
		}
	})
}

// FuzzRecover: a segment of any bytes can be recovered and read to its end.
func FuzzRecover(f *testing.F) {
	f.Add([]byte{}, true)
	f.Add(spool.EncodeFrame(1, 1, []byte("payload"), spool.SeedOf(id(1), 1, 1), spool.HeaderSize, 0), false)
	f.Fuzz(func(t *testing.T, b []byte, whole bool) {
		mem := crashfs.New()
		sp := openMem(t, mem, 512)
		l, err := sp.Create(id(1))
		require.NoError(t, err)
		require.NoError(t, l.Append(1, 1, []byte("first")))
		mem.Kill()
		mem.Change(segmentPath(1, 1), func(old []byte) []byte {
			if whole {
				return b
			}
			return append(old[:spool.HeaderSize:spool.HeaderSize], b...)
		})
		l, err = openMem(t, mem, 512).Recover(id(1))
		if err != nil {
			require.ErrorIs(t, err, spool.ErrVersion)
			return
		}
		last := int64(0)
		r := l.Reader(1)
		for {
			frame, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			require.Greater(t, frame.First, last)
			last = frame.Last()
		}
		require.NoError(t, r.Close())
		require.LessOrEqual(t, last, l.End())
		require.NoError(t, l.Remove())
	})
}
