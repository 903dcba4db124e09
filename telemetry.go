package strata

import (
	"iter"
	"math"
	"sync/atomic"
	"time"
)

// Instrument is one number about an engine's health, for whatever collects such
// numbers: package telemetry writes them in the format of Prometheus and as an
// expvar.
type Instrument struct {
	Name  string // in the manner of Prometheus, with its unit: "strata_events_written_total"
	Help  string
	Kind  InstrumentKind
	Label string  // name and value, as in `kind="purchase"`; "" for none
	Value float64 // of a counter or gauge
	Histogram
}

// InstrumentKind says how an [Instrument] is to be read.
type InstrumentKind string

// The kinds of instruments.
const (
	Counter       InstrumentKind = "counter"   // only rises while the process lives
	Gauge         InstrumentKind = "gauge"     // goes up and down
	HistogramKind InstrumentKind = "histogram" // durations, in seconds
)

// Histogram is how often something took how long.
type Histogram struct {
	Bounds []float64 // upper bounds of the buckets in seconds, the last one infinite; shared, not to be changed
	Counts []int64   // how many fell into each bucket, not added up
	Sum    float64   // of all, in seconds
}

// Count returns how many there were in all.
func (h *Histogram) Count() (n int64) {
	for _, c := range h.Counts {
		n += c
	}
	return n
}

// latencyBounds are the buckets of all histograms: 100 µs to 105 s, each twice
// the one before.
var latencyBounds = func() (bounds []float64) {
	for b := 100e-6; b < 110; b *= 2 {
		bounds = append(bounds, b)
	}
	return append(bounds, math.Inf(1))
}()

const numLatencies = 22

// latency counts durations. The zero value is ready for use, by any number of
// goroutines.
type latency struct {
	counts [numLatencies]atomic.Int64
	micros atomic.Int64
}

// record counts a duration, at the cost of two atomic additions.
func (l *latency) record(d time.Duration) {
	i := 0
	for s := d.Seconds(); i < numLatencies-1 && s > latencyBounds[i]; i++ {
		continue
	}
	l.counts[i].Add(1)
	l.micros.Add(d.Microseconds())
}

func (l *latency) histogram() Histogram {
	h := Histogram{Bounds: latencyBounds, Counts: make([]int64, numLatencies), Sum: float64(l.micros.Load()) / 1e6}
	for i := range h.Counts {
		h.Counts[i] = l.counts[i].Load()
	}
	return h
}

// engineMetrics are what an engine counts beside its [EngineStatus].
type engineMetrics struct {
	ingest, spoolWrite, spoolSync, refresh latency
	batches, failures, spoolFailures       atomic.Int64
	written, lost                          rising
}

// rising is the highest value that something has ever had: what is told as a
// counter must not fall when a failover takes something back.
type rising struct{ highest atomic.Int64 }

func (r *rising) to(v int64) float64 {
	for {
		h := r.highest.Load()
		if v <= h {
			return float64(h)
		}
		if r.highest.CompareAndSwap(h, v) {
			return float64(v)
		}
	}
}

// stored counts a batch that the store took.
func (m *engineMetrics) stored(d time.Duration) {
	m.batches.Add(1)
	m.ingest.record(d)
}

// Instruments yields the counters, gauges and histograms of the engine, as they
// are at the moment; always all of them, in the same order, those of one name
// together. It costs what [Engine.Status] does.
func (e *Engine) Instruments() iter.Seq[Instrument] {
	return func(yield func(Instrument) bool) {
		s, now := e.Status(), e.cfg.Clock.Now()
		for _, i := range e.instruments(&s, now) {
			if !yield(i) {
				return
			}
		}
	}
}

func (e *Engine) instruments(s *EngineStatus, now time.Time) []Instrument {
	list := []Instrument{
		gauge("strata_plan_version", "Version of the plan in effect here.", float64(s.Version)),
		gauge("strata_plan_newest_version", "Newest version that the store is known to have.", float64(s.Newest)),
		gauge("strata_plan_age_seconds", "Time since the store last answered the question for a newer plan.", seconds(s.Refreshed, now)),
		gauge("strata_buffer_bytes", "Memory held by events that are not safe elsewhere yet.", float64(s.BufferedBytes)),
		gauge("strata_buffer_limit_bytes", "Config.BufferBytes.", float64(e.cfg.BufferBytes)),
		gauge("strata_events_unwritten", "Events taken in that the store has not got.", float64(s.Unwritten)),
		gauge("strata_events_unconfirmed", "Events taken in that not every server has that may take over.", float64(s.Unconfirmed)),
		gauge("strata_oldest_unconfirmed_seconds", "Age of the oldest event that is not confirmed.", seconds(s.OldestUnconfirmed, now)),
		gauge("strata_write_failing_seconds", "Time since writes to the store fail; 0 while they succeed.", seconds(s.FailingSince, now)),
		gauge("strata_lanes_fenced", "Streams of this process that were fenced off.", float64(s.Fenced)),
		gauge("strata_spool_bytes", "Bytes of the spool on disk.", float64(s.SpoolBytes)),
		gauge("strata_spool_degraded", "1 while events stay in memory because the spool cannot take them.", truth(s.SpoolErr != nil)),
		gauge("strata_leftover_streams", "Streams of processes that are gone, still in the spool.", float64(s.LeftoverStreams)),
		counter("strata_events_written_total", "Events of this process that the store has.", e.metrics.written.to(s.Written)),
		counter("strata_leftover_events_written_total", "Events of processes that are gone, sent from the spool.", float64(s.LeftoverWritten)),
		counter("strata_events_lost_total", "Events that were taken in and are in no store: each is in a gap that the store records.", e.metrics.lost.to(s.Lost)),
		counter("strata_events_resent_total", "Events sent again because a failover had lost them.", float64(s.Resent)),
		counter("strata_events_trimmed_unconfirmed_total", "Events let go of for want of room or by age before they were confirmed.", float64(s.TrimmedUnconfirmed)),
		counter("strata_batches_total", "Batches that the store took.", float64(e.metrics.batches.Load())),
		counter("strata_batch_failures_total", "Attempts at a batch that failed.", float64(e.metrics.failures.Load())),
		counter("strata_spool_failures_total", "Attempts at the spool that failed.", float64(e.metrics.spoolFailures.Load())),
	}
	for code := range numKindCodes {
		n, kind := s.Refused[kindCodes[code]], string(kindCodes[code])
		for _, r := range []LostEvents{{Reason: LossInvalid, Events: n.Invalid}, {Reason: LossShed, Events: n.Shed}, {Reason: LossFull, Events: n.Full}} {
			refused := counter("strata_events_refused_total", "Events that were not taken in, by kind and reason.", float64(r.Events))
			refused.Label = `kind="` + kind + `",reason="` + string(r.Reason) + `"`
			list = append(list, refused)
		}
	}
	return append(list,
		histogram("strata_ingest_seconds", "Time that the store took for a batch that it took.", &e.metrics.ingest),
		histogram("strata_refresh_seconds", "Time that asking for a newer plan took.", &e.metrics.refresh),
		histogram("strata_spool_write_seconds", "Time that writing to the spool took.", &e.metrics.spoolWrite),
		histogram("strata_spool_sync_seconds", "Time that syncing the spool took.", &e.metrics.spoolSync),
	)
}

func gauge(name, help string, v float64) Instrument {
	return Instrument{Name: name, Help: help, Kind: Gauge, Value: v}
}

func counter(name, help string, v float64) Instrument {
	return Instrument{Name: name, Help: help, Kind: Counter, Value: v}
}

func histogram(name, help string, l *latency) Instrument {
	return Instrument{Name: name, Help: help, Kind: HistogramKind, Histogram: l.histogram()}
}

// seconds returns the time since an instant, 0 for the zero one.
func seconds(since, now time.Time) float64 {
	if since.IsZero() {
		return 0
	}
	return max(0, now.Sub(since).Seconds())
}

func truth(on bool) float64 {
	if on {
		return 1
	}
	return 0
}
