package strata

import (
	"time"

	"github.com/strataxp/strata/internal/spool"
)

// SpoolConfig configures the spool: a log on disk that events pass through on
// their way to the store. Every process that starts writes files of its own in
// Dir, and sends what processes left there that are gone. So several processes of
// one machine may share Dir; different programs, or different stores, must not.
// It needs Linux or another Unix.
type SpoolConfig struct {
	// Dir is a folder on a local disk; it is made if it is missing. Empty means
	// no spool.
	Dir string

	// MaxBytes bounds what this process's files in Dir take, and those of
	// processes that are gone. Files of other living processes are not counted,
	// so N processes may take N × MaxBytes. When it is reached, what the store
	// has and no standby has confirmed is deleted first; then events stay in
	// memory, and are refused when [Config.BufferBytes] is used up. Zero means
	// 1 GiB; the least is 16 MiB.
	MaxBytes int64

	// MinFreeBytes is what the spool leaves free on the disk. Zero means 256
	// MiB, -1 that it may fill it.
	MinFreeBytes int64

	// SyncInterval is how long an event that was written waits at most to be
	// synced to the disk: what is lost when the machine loses power. Zero means
	// DefaultSyncInterval (200 ms), -1 that nothing is synced unless
	// [Engine.TrackDurable] asks, and at Close.
	SyncInterval time.Duration

	// MaxAge is how long events are kept that the store has and no standby has
	// confirmed. Zero means 24 hours.
	MaxAge time.Duration
}

// DefaultSyncInterval is the default of [SpoolConfig.SyncInterval].
const DefaultSyncInterval = 200 * time.Millisecond

const (
	defaultSpoolBytes = 1 << 30
	minSpoolBytes     = 16 << 20
	defaultMinFree    = 256 << 20
	defaultSpoolAge   = 24 * time.Hour
)

func (c SpoolConfig) withDefaults() SpoolConfig {
	c.MaxBytes = orDefault(c.MaxBytes, defaultSpoolBytes)
	c.MinFreeBytes = orDefault(c.MinFreeBytes, defaultMinFree)
	c.SyncInterval = orDefault(c.SyncInterval, DefaultSyncInterval)
	c.MaxAge = orDefault(c.MaxAge, defaultSpoolAge)
	return c
}

func (c *SpoolConfig) validate(check func(ok bool, field string, value any, cure string)) {
	check(c.MaxBytes >= minSpoolBytes, "Spool.MaxBytes", c.MaxBytes, "use at least 16 MiB, 0 for the default")
	check(c.MinFreeBytes > 0 || c.MinFreeBytes == off, "Spool.MinFreeBytes", c.MinFreeBytes, "use a positive number, 0 for the default, -1 for none")
	check(c.SyncInterval > 0 || c.SyncInterval == off, "Spool.SyncInterval", c.SyncInterval, "use a positive duration, 0 for the default, -1 for off")
	check(c.MaxAge > 0, "Spool.MaxAge", c.MaxAge, "use a positive duration, 0 for the default")
}

// Bounds of the memory of one log for what is not synced yet.
const (
	minKeepBytes = 256 << 10
	maxKeepBytes = 8 << 20
)

// config is what package spool is told. A segment is a small part of the whole,
// since only whole ones can be deleted. The logs of all lanes together take an
// eighth of the memory for events besides that.
func (c *SpoolConfig) config(bufferBytes, lanes int) spool.Config {
	return spool.Config{
		Dir: c.Dir, MaxBytes: c.MaxBytes, MinFree: c.MinFreeBytes,
		SegmentBytes: min(8<<20, c.MaxBytes/16),
		KeepBytes:    int64(min(max(bufferBytes/8/lanes, minKeepBytes), maxKeepBytes)),
	}
}
