package spool

import (
	"errors"
	"fmt"
)

var (
	// ErrFull means that there is no space for another segment: Config.MaxBytes
	// or Config.MinFree is reached, or the disk or a quota is full. Nothing was
	// taken. It passes when space is freed, by Trim or by somebody else.
	ErrFull = errors.New("spool: full")

	// ErrLocked means that another process, or another Log of this one, has the
	// stream open.
	ErrLocked = errors.New("spool: the stream is open elsewhere")

	// ErrClosed means that the Log or Reader was closed.
	ErrClosed = errors.New("spool: closed")

	// ErrReadOnly means that the Log was recovered: nothing is appended to it.
	ErrReadOnly = errors.New("spool: a recovered stream is not written to")

	// ErrOrder means that a frame does not begin behind the last index.
	ErrOrder = errors.New("spool: index is not behind the last one")

	// ErrTooLarge means that a payload is larger than MaxPayload.
	ErrTooLarge = errors.New("spool: payload too large")

	// ErrVersion means that a newer version of this program wrote the stream. It
	// is left alone: recover it with that version.
	ErrVersion = errors.New("spool: the stream has a format that this version does not know")

	// ErrCorrupt means that bytes are not what was written. Reading steps over
	// damage and tells it by Frame.Lost, so only decoding a single header or
	// frame returns it.
	ErrCorrupt = errors.New("spool: damaged")
)

// failed says what was being done to which file. What a disk says when it is
// full matches ErrFull as well.
func failed(doing, name string, err error) error {
	if isFull(err) {
		return fmt.Errorf("%w: %s %s: %w; free space on the disk or raise the quota", ErrFull, doing, name, err)
	}
	return fmt.Errorf("spool: %s %s: %w", doing, name, err)
}
