package strata

import (
	"errors"
	"log/slog"
	"time"
)

// Config configures an [Engine]. The zero value of every field is a sensible
// production setting; -1 means "off" where a field says so. [Open] copies it.
type Config struct {
	// RefreshInterval is how often the store is asked for a newer plan. Zero
	// means DefaultRefreshInterval (5 s). -1 means only at Open, by
	// [Engine.Refresh], when a schedule or EffectiveAt falls due, and when a
	// [PlanWatcher] tells.
	RefreshInterval time.Duration

	// NoWatch leaves the store's notices of new plans unused, where the store
	// is a [PlanWatcher]: they cost a connection for each engine.
	NoWatch bool

	// PlanFile is where the plan is kept on disk, so that [Open] can start from
	// it while the store is down; empty means nowhere. It is written, readable
	// by its owner only, after a refresh that brought something new, and read
	// only when the store does not answer Open. Then, until the store does:
	//
	//   - the plan may be old: [EngineStatus.FromFile] says how old;
	//   - experiments that keep units in an earlier treatment serve defaults,
	//     since the store alone knows those units and nobody may be moved:
	//     [EngineStatus.Withheld] lists them;
	//   - events wait in the buffer, as whenever the store is down.
	//
	// A file that is damaged or not ours is an error of Open, beside the
	// store's own; while the store answers it is harmless. Nothing but a plan
	// file is ever replaced.
	PlanFile string

	// FlushInterval is the longest time an event waits in memory before a
	// write is attempted. Zero means DefaultFlushInterval (1 s). -1 means only
	// by [Engine.Flush] and Close, and when 64 kB have gathered.
	FlushInterval time.Duration

	// BatchSize is the largest number of records that are written in one
	// transaction; fewer where they are large. Zero means DefaultBatchSize
	// (10,000).
	BatchSize int

	// BufferBytes bounds the memory for events that are not safe elsewhere yet,
	// a quarter of which is set aside for batches on their way. A further eighth
	// (at least 256 KiB and at most 8 MiB for each lane) is taken where there is
	// a spool, for what it has not synced yet. Nothing ever waits for room: what
	// there is none for is refused with [ErrBufferFull] and counted. Page views,
	// clicks and custom events are shed from half of it on, unit by unit, so that
	// those kept are whole, and all of them at 70 %; exposures, purchases and
	// conversions from 85 % on. Zero means DefaultBufferBytes (64 MiB), some
	// 400,000 events; the least is 256 KiB a lane.
	BufferBytes int

	// Lanes is how many streams the process writes, each over a connection of
	// its own and with one batch on its way at a time. One is enough for some
	// 100,000 events a second; each costs memory and the store's
	// work. Events of a unit go through one lane. Zero means 1; the most is 16.
	Lanes int

	// Spool keeps events on disk until they are confirmed, so that they survive
	// the process and a store that is down for hours. The zero value means that
	// they wait in memory alone.
	Spool SpoolConfig

	// ExposureFilter is how many exposures this process remembers having
	// recorded, at 8 bytes each. What it forgets is recorded again and dropped
	// by the store. Zero means DefaultExposureFilter (131,072: 1 MiB).
	ExposureFilter int

	// StoreTimeout bounds every single call of the store that the engine makes
	// by itself. Zero means DefaultStoreTimeout (10 s).
	StoreTimeout time.Duration

	// Params are the handles that the program reads parameters through. Where
	// given, Open fails, and a refresh is refused, when the plan declares one
	// of them with another type.
	Params []Handle

	// Logger receives failures of background work. Nil means that nothing is
	// logged; [Engine.Status] tells all the same.
	Logger *slog.Logger

	// Clock is where time comes from. Nil means the system's clock.
	Clock Clock

	// Random returns 64 random bits; it is called from several goroutines. The
	// names of streams and the pauses between attempts are drawn from it.
	// Simulations that are to repeat themselves pass their own; nil means the
	// system's randomness.
	Random func() uint64
}

// The defaults of [Config].
const (
	DefaultRefreshInterval = 5 * time.Second
	DefaultFlushInterval   = time.Second
	DefaultBatchSize       = 10_000
	DefaultBufferBytes     = 64 << 20
	DefaultStoreTimeout    = 10 * time.Second

	minBufferBytes    = 256 << 10
	maxLanes          = 16
	maxExposureFilter = 1 << 28
)

// off is the value of a field that switches something off.
const off = -1

func (c Config) withDefaults() Config {
	c.RefreshInterval = orDefault(c.RefreshInterval, DefaultRefreshInterval)
	c.FlushInterval = orDefault(c.FlushInterval, DefaultFlushInterval)
	c.BatchSize = orDefault(c.BatchSize, DefaultBatchSize)
	c.BufferBytes = orDefault(c.BufferBytes, DefaultBufferBytes)
	c.Lanes = orDefault(c.Lanes, 1)
	c.Spool = c.Spool.withDefaults()
	c.ExposureFilter = orDefault(c.ExposureFilter, DefaultExposureFilter)
	c.StoreTimeout = orDefault(c.StoreTimeout, DefaultStoreTimeout)
	if c.Clock == nil {
		c.Clock = systemClock{}
	}
	if c.Random == nil {
		c.Random = systemRandom
	}
	return c
}

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// validate reports every bad field, not only the first: a person fixing a
// config file should need one round trip.
func (c Config) validate() error {
	var errs []error
	check := func(ok bool, field string, value any, cure string) {
		if !ok {
			errs = append(errs, &ConfigError{Field: field, Value: value, Cure: cure})
		}
	}
	check(c.RefreshInterval > 0 || c.RefreshInterval == off, "RefreshInterval", c.RefreshInterval, "use a positive duration, 0 for the default, -1 for off")
	check(c.FlushInterval > 0 || c.FlushInterval == off, "FlushInterval", c.FlushInterval, "use a positive duration, 0 for the default, -1 for off")
	check(c.BatchSize > 0, "BatchSize", c.BatchSize, "use a positive number, 0 for the default")
	check(c.Lanes > 0 && c.Lanes <= maxLanes, "Lanes", c.Lanes, "use 1 to 16, 0 for one")
	check(c.BufferBytes >= minBufferBytes*max(1, min(c.Lanes, maxLanes)), "BufferBytes", c.BufferBytes, "use at least 256 KiB for each lane, 0 for the default")
	c.Spool.validate(check)
	check(c.ExposureFilter > 0 && c.ExposureFilter <= maxExposureFilter, "ExposureFilter", c.ExposureFilter, "use 1 to 268,435,456, 0 for the default")
	check(c.StoreTimeout > 0, "StoreTimeout", c.StoreTimeout, "use a positive duration, 0 for the default")
	for _, h := range c.Params {
		check(h != nil, "Params", nil, "holds a nil handle; remove it")
	}
	return errors.Join(errs...)
}

// logError returns a function that logs a failure of the named work, if a
// logger was given.
func (c *Config) logError(work string) func(error) {
	if c.Logger == nil {
		return func(error) {}
	}
	return func(err error) {
		defer func() { _ = recover() }() // a handler that panics must not end the program
		c.Logger.Error("strata: cannot "+work, "error", err)
	}
}
