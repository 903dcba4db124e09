package strata

import (
	"context"
	"encoding/hex"
	"fmt"
	"iter"
	"time"

	"github.com/strataxp/strata/stats"
)

// Store keeps plans, events and exposures, and adds them up. memstore keeps
// them in memory; storetest.Run checks any other implementation, and each of
// its cases is a sentence from here.
//
// Every method is safe for concurrent use, stops when ctx is done and then
// returns an error matching ctx.Err(). A call takes account of everything that
// was stored before it began. Times are kept in microseconds. Values passed in
// and handed out are never aliased: either side may change its copy. Methods are
// never added to these interfaces; a new ability becomes an optional interface.
type Store interface {
	PlanStore
	EventStore
	ExposureStore
	ResultStore
}

// PlanStore keeps every version of the plan for ever: the history is the audit
// log.
type PlanStore interface {
	// PutPlan stores the plan as the version behind the newest, and returns
	// that version, provided that params.Plan.Version is the newest version
	// stored (0 when there is none). Otherwise it changes nothing and returns
	// an error matching ErrConflict. It does not validate; use Publish.
	PutPlan(ctx context.Context, params PutPlanParams) (version int64, err error)

	// Plan returns a stored version; version 0 stands for the newest. It
	// returns an error matching ErrNotFound where there is none.
	Plan(ctx context.Context, params PlanParams) (PlanVersion, error)

	// PlansInEffect returns the version in effect at params.At, followed by
	// all higher versions, which take effect later, in ascending order. The
	// version in effect is the highest whose EffectiveAt is not after At. It is
	// missing where every version takes effect later. Where params.Known is the
	// newest version stored, and was published at params.KnownAt, the answer is
	// empty: nothing is new. An empty store returns nothing, and no error.
	PlansInEffect(ctx context.Context, params PlansInEffectParams) ([]PlanVersion, error)

	// PlanHistory returns all versions without their plans, newest first, at
	// most params.Limit (0 means all).
	PlanHistory(ctx context.Context, params PlanHistoryParams) ([]PlanVersion, error)
}

// PutPlanParams are the parameters of [PlanStore.PutPlan].
type PutPlanParams struct {
	Plan    *Plan // its Version is the version it is based on
	Author  string
	Message string
	At      time.Time // when it is published
}

// PlanParams are the parameters of [PlanStore.Plan].
type PlanParams struct {
	Version int64 // 0 means the newest
}

// PlansInEffectParams are the parameters of [PlanStore.PlansInEffect].
type PlansInEffectParams struct {
	At    time.Time
	Known int64 // the newest version that the caller has; 0 means none

	// KnownAt is when that was published: its [PlanVersion.At], to the
	// microsecond. After a failover that has lost it, another version may have
	// its number. Zero means that the number is enough.
	KnownAt time.Time
}

// PlanHistoryParams are the parameters of [PlanStore.PlanHistory].
type PlanHistoryParams struct {
	Limit int // 0 means all
}

// PlanVersion is an entry of the plan's history.
type PlanVersion struct {
	Version     int64
	EffectiveAt time.Time // zero means at once
	Author      string
	Message     string
	At          time.Time // when it was published
	Plan        *Plan     // nil in a history; its Version is Version
}

// EventStore takes events in, exactly once.
//
// A stream is one writer's sequence of records, numbered from 1 without gaps.
// The store keeps a cursor for each stream: the last index that it has. A writer
// that does not know whether a batch arrived asks for the cursor and goes on
// behind it. So no record is lost or stored twice, whatever failed.
type EventStore interface {
	// Ingest stores the records of a batch and moves the stream's cursor to
	// their last index, all or nothing. The batch must start right behind the
	// cursor, after the Gap that it declares: otherwise nothing is stored and
	// the error matches ErrCursor and is a *CursorError. A stream that the
	// store does not know has the cursor 0. An empty batch without a gap and
	// without losses changes nothing.
	//
	// Losses are totals of the stream: each replaces what the store has of the
	// stream where it is higher, so that a batch that is sent again adds
	// nothing. A store that lets people fence a stream off refuses its batches
	// with an error matching ErrFenced.
	//
	// A purchase whose Tenant and OrderID are stored already is counted as a
	// repeat and does not count in any metric; forced purchases neither are
	// repeats nor make any. Of several exposures of a unit to an experiment in
	// one phase the store keeps the earliest, and remembers whether another
	// treatment was seen.
	Ingest(ctx context.Context, batch Batch) error

	// Cursor returns the last index that the store has of a stream, 0 for an
	// unknown one. The answer takes account of every Ingest that could still
	// succeed: it waits for batches of the stream that are under way.
	Cursor(ctx context.Context, params CursorParams) (last int64, err error)
}

// Batch is a run of records of one stream.
type Batch struct {
	Stream  StreamID
	First   int64 // index of the first record, or where it would be
	Gap     int64 // how many indexes before First are lost for good; usually 0, never negative
	Records []Record

	// GapReason says to people why there is a Gap; empty without one.
	GapReason string

	// Losses are what the writer did not take in, in all since the stream
	// began; nil where nothing was lost since the last batch.
	Losses *Losses
}

// Losses count what a writer could not take in: events that never got an index.
// Entries are unique, totals of one stream, and only rise.
type Losses struct {
	Events []LostEvents `json:"events,omitempty"`
	Units  []LostUnits  `json:"units,omitempty"`
}

// LostEvents counts events that were not taken in.
type LostEvents struct {
	Kind   Kind       `json:"kind"`
	Reason LossReason `json:"reason"`
	Events int64      `json:"events"`
}

// LossReason says why an event was not taken in.
type LossReason string

// The reasons.
const (
	LossInvalid LossReason = "invalid" // refused with ErrInvalidEvent
	LossShed    LossReason = "shed"    // its unit was chosen when load had to be shed; ErrBufferFull
	LossFull    LossReason = "full"    // there was no room for it; ErrBufferFull
)

// LostUnits counts units of an experiment's phase that were exposed to a
// treatment and lost at least one event because load had to be shed.
type LostUnits struct {
	Experiment string `json:"experiment"`
	Phase      int    `json:"phase"`
	Treatment  string `json:"treatment"`
	Units      int64  `json:"units"`
}

// Last returns the index of the last record.
func (b Batch) Last() int64 { return b.First + int64(len(b.Records)) - 1 }

// CursorParams are the parameters of [EventStore.Cursor].
type CursorParams struct {
	Stream StreamID
}

// StreamID identifies a stream: a UUID, version 7.
type StreamID [16]byte

// String returns the usual form with hyphens.
func (id StreamID) String() string {
	h := hex.EncodeToString(id[:])
	return fmt.Sprintf("%s-%s-%s-%s-%s", h[:8], h[8:12], h[12:16], h[16:20], h[20:])
}

// Record is an event as a store receives it. Its Event is one of the event
// types, by value; its Time is set, in UTC, in whole microseconds.
type Record struct {
	Unit   Unit // Attributes is nil
	Forced bool // tracked through a forced assignment; counts in no metric
	Event  Event
}

// Confirmer is an [EventStore] that can tell what the loss of its primary server
// would not take with it. An [Engine] keeps events, in memory or in its spool,
// until they are confirmed, and sends again what a failover has lost.
type Confirmer interface {
	// Confirms reports whether the store has a server to ask. Where it has
	// none, what is stored counts as confirmed.
	Confirms() bool

	// Confirmed returns for each stream, in the order of params.Streams, the
	// last index that every server has that may take over; 0 for a stream that
	// is unknown there. It fails where one of them cannot be asked. It never
	// says more than what Ingest acknowledged or Cursor would answer.
	Confirmed(ctx context.Context, params ConfirmedParams) (last []int64, err error)
}

// ConfirmedParams are the parameters of [Confirmer.Confirmed].
type ConfirmedParams struct {
	Streams []StreamID
}

// ExposureStore lists exposed units, for those that a change of plan must keep
// in their treatment.
type ExposureStore interface {
	// Exposed yields the units exposed to an experiment in a phase, one entry
	// for each unit, with the treatment that it was exposed to first, in the
	// order in which the store learned of them, after the entry with the number
	// params.After. Recorded exposures of other systems (Bucket -1) are left
	// out; a unit that proves to have been assigned here before counts as
	// learned of then. An error ends the sequence.
	Exposed(ctx context.Context, params ExposedParams) iter.Seq2[ExposedUnit, error]
}

// ExposedParams are the parameters of [ExposureStore.Exposed].
type ExposedParams struct {
	Experiment string
	Phase      int
	After      int64 // the Sequence of the last entry seen; 0 means from the start
}

// ExposedUnit is an entry of [ExposureStore.Exposed].
type ExposedUnit struct {
	Sequence  int64 // rises from entry to entry, above 0; no number is given twice, not even after a failover
	Hash      uint64
	Treatment string
	Version   int64 // of the plan that assigned, as in the exposure
}

// ResultStore adds up what happened to the exposed units of an experiment.
type ResultStore interface {
	// Results returns the sufficient statistics of the metrics. A unit counts
	// in the treatment that it was exposed to; a unit seen in two treatments
	// counts in none, and in Contradictions. What a unit contributes to a
	// metric is what [Metric.Evaluate] makes of its events: those that carry
	// the id by which the exposure was diverted. The order in which records
	// arrived, their batches and their streams make no difference, and where
	// [UnitTotals] are exact the results are the same to the bit. (Only which of
	// two purchases with one OrderID is the repeat is decided by arrival.) An
	// experiment without exposures has empty results and no error.
	Results(ctx context.Context, params ResultsParams) (Results, error)
}

// ResultsParams are the parameters of [ResultStore.Results].
type ResultsParams struct {
	Experiment string
	Phase      int
	Metrics    []Metric

	// At is the instant of the report: a unit is immature in a metric whose
	// window ends after it. Zero means that no unit is. Events after At count
	// all the same.
	At time.Time

	// Until bounds metrics that have no window: their events at or after it do
	// not count. An experiment's end is such an instant: purchases years later
	// are no effect of it, and results must come to rest. Zero means no bound.
	Until time.Time

	// CompleteWindows leaves immature units out of the metric.
	CompleteWindows bool

	// Daily asks for Results.Days. Zone says where a day begins; nil means UTC.
	Daily bool
	Zone  *time.Location

	// Attribute asks for Results.Segments by an attribute's value. Empty means
	// none.
	Attribute string
}

// Results are the sufficient statistics of an experiment's phase.
type Results struct {
	// Treatments holds the results by treatment key: those in which a unit
	// counts, whether or not the plan still has them.
	Treatments map[string]TreatmentResults

	// Contradictions is the number of units that were exposed to more than one
	// treatment.
	Contradictions int64

	// RepeatedOrders is the number of purchases of the units in Treatments
	// that were tracked again, and not counted again.
	RepeatedOrders int64

	// Latest is when the last event happened that the store has of units
	// exposed in the phase, units in contradiction included: all of their
	// exposures, and what they did, repeats and what was forced aside. It never
	// goes back.
	Latest time.Time

	// Days tells how the results came about, in ascending order: see
	// [DayResults]. It has an entry for each day on which anything in them
	// changed. Others may be there or be missing: then the results stood as
	// they did the day before.
	Days []DayResults

	// Segments holds Treatments of the units with each value of the attribute
	// that was asked for; units without it are under "". No value, no entry.
	Segments map[string]map[string]TreatmentResults
}

// DayResults are the results as they stood at the end of a day: of the units
// exposed before, from their events before; immature are those whose window had
// not ended then, or had not at ResultsParams.At where that is earlier. A unit
// that was later seen in a second treatment is left out on all days, and so is
// an order that was later found to be a repeat.
type DayResults struct {
	Day        time.Time // the instant at which the day began, in the zone asked for
	Treatments map[string]TreatmentResults
}

// DayOf returns the first instant of the day of t in a zone (nil means UTC).
// Days have 23 or 25 hours where clocks are changed, and begin at one o'clock
// where that happens at midnight. A day that has begun does not end because
// clocks are put back across midnight: days follow each other without overlap.
func DayOf(t time.Time, zone *time.Location) time.Time {
	if zone == nil {
		zone = time.UTC
	}
	t = t.In(zone)
	year, month, day := t.Date()
	if t.Hour() >= 12 {
		if next := firstOfDay(year, month, day+1, zone); !next.After(t) {
			return next // midnight was there already
		}
	}
	return firstOfDay(year, month, day, zone)
}

// firstOfDay returns the first instant of a date.
func firstOfDay(year int, month time.Month, day int, zone *time.Location) time.Time {
	year, month, day = time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Date()
	begin := time.Date(year, month, day, 0, 0, 0, 0, zone)
	if begin.Day() != day { // midnight was skipped, and this is before the gap
		_, gap := begin.ZoneBounds()
		return gap
	}
	start, _ := begin.ZoneBounds()
	if begin.Hour() > 0 && start.Day() == day {
		return start.In(zone) // midnight was skipped, and this is behind the gap
	}
	if start.IsZero() {
		return begin
	}
	_, offset := begin.Zone()
	_, before := start.Add(-1).Zone()
	if earlier := begin.Add(time.Duration(offset-before) * time.Second); earlier.Before(start) && earlier.Day() == day {
		return earlier // midnight was there twice
	}
	return begin
}

// NextDay returns the first instant of the day behind that of t in a zone.
func NextDay(t time.Time, zone *time.Location) time.Time {
	return DayOf(DayOf(t, zone).Add(36*time.Hour), zone) // no day has 36 hours
}

// TreatmentResults are the results of the units of one treatment.
type TreatmentResults struct {
	Units         int64
	FirstExposure time.Time // of the unit exposed first
	LastExposure  time.Time // of the unit exposed last

	// Shed is how many of the units lost events because a buffer was full: the
	// sum of [LostUnits] over all streams, at most Units. (A unit that lost some
	// in two processes counts twice.) Uncertain is how many may have lost some,
	// because a writer died with records that no store confirmed. 0 where a
	// store does not know; 0 in Days and Segments.
	Shed, Uncertain int64

	// Metrics holds the results by metric key.
	Metrics map[string]MetricResults
}

// MetricResults are the sufficient statistics of a metric over units.
type MetricResults struct {
	// Moments has one entry, except for a funnel: there it has one for each
	// step. An entry's variables are the metric's value, or for a ratio the
	// numerator and the denominator. With a PrePeriod the same follow once
	// more, of the time before the exposure.
	Moments []stats.Moments

	// Immature is the number of units whose window ends after
	// ResultsParams.At.
	Immature int64

	// OtherCurrency is the number of purchases that did not count because they
	// were in another currency.
	OtherCurrency int64
}

// Immature reports whether the metric's window of a unit exposed at that
// instant ends after the report's; never when at is zero.
func (m *Metric) Immature(exposed, at time.Time) bool {
	return !at.IsZero() && m.Window > 0 && m.windowEnd(exposed).After(at)
}

// windowEnd returns the end of an exposure's window, or the zero time.
func (m *Metric) windowEnd(exposed time.Time) time.Time {
	if m.Window == 0 {
		return time.Time{}
	}
	return exposed.Add(time.Duration(m.Window))
}
