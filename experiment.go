package strata

import (
	"math"
	"time"
)

// Experiment owns buckets of one layer and draws a treatment for each unit in
// them. Key, Layer, Status, Buckets and Treatments are what most experiments
// set.
type Experiment struct {
	Key         string `json:"key"`
	Description string `json:"description,omitempty"`

	// Layer is the key of the layer whose buckets the experiment owns and
	// whose parameters its treatments set.
	Layer string `json:"layer"`

	// Salt seeds the draw of treatments. Empty means Key. Never change it
	// during a phase: everybody would be drawn anew.
	Salt string `json:"salt,omitempty"`

	// Phase counts from 0. A new phase draws every unit's treatment anew and
	// keeps statistics of its own; it is the way to restart an experiment.
	Phase int `json:"phase,omitempty"`

	// Status is empty (draft), running, intake_closed or stopped.
	Status Status `json:"status,omitempty"`

	// Buckets is the share of the layer's traffic, as explicit buckets.
	// [Plan.PickFree] picks free ones. Widening the set moves nobody. An
	// experiment without buckets assigns nobody: another system does, and
	// [Engine.RecordExposure] reports it.
	Buckets Buckets `json:"buckets,omitzero"`

	// Treatments are the arms. The first one is the control, unless
	// SharedControl names another experiment's.
	Treatments []Treatment `json:"treatments"`

	// SharedControl is the key of an experiment in the same layer whose first
	// treatment serves as control here too, so that k experiments need k+1
	// groups and not 2k. Both must have the same audience and set the same
	// parameters; only time in which both run counts. Empty means that the
	// experiment has a control of its own.
	SharedControl string `json:"shared_control,omitempty"`

	// Audience is a condition over the unit's attributes, for example
	//
	//	country in ["DE", "AT"] && app_version >= 5
	//
	// Empty means everybody. A unit in the experiment's buckets that does not
	// match is in no experiment of the layer: what remains after a condition
	// is not a random sample. docs/audience.md has the grammar.
	Audience string `json:"audience,omitempty"`

	// Schedule limits when the experiment runs and how it ramps up.
	Schedule Schedule `json:"schedule,omitzero"`

	// Metrics are keys of [Plan.Metrics]. The first is the primary metric,
	// unless Analysis says otherwise.
	Metrics []string `json:"metrics,omitempty"`

	// Analysis says how results will be read. Decide it before the start.
	Analysis Analysis `json:"analysis,omitzero"`

	// Draining are buckets that were taken from the running experiment. They
	// still belong to it, closed to newcomers, until it is over. [Publish]
	// writes it.
	Draining Buckets `json:"draining,omitzero"`

	// Earlier lists how this phase drew treatments before changes that kept
	// its exposed units. [Publish] writes it.
	Earlier []Allocation `json:"earlier,omitempty"`

	// History is what happened in this phase so far. [Publish] writes it.
	History History `json:"history,omitzero"`
}

// Analysis says how the results of an experiment will be read. What is decided
// after seeing them is no evidence. The zero value is a good start.
type Analysis struct {
	// Primary are the keys of the metrics that decide, among the experiment's
	// Metrics. Empty means the first of those.
	Primary []string `json:"primary,omitempty"`

	// PlannedUnits is how many units the experiment is planned for, all
	// treatments together. Always-valid intervals are narrowest, compared with
	// those for one look, where so many have been exposed. It cannot change
	// during a phase: chosen by results, it would void them. Zero means 5,000.
	PlannedUnits int64 `json:"planned_units,omitempty"`

	// Breakdowns are attributes of the unit that are recorded with its
	// exposure, so that a report can be broken down by one of them: at most
	// 10. Nothing else of [Unit.Attributes] is ever stored. An attribute added
	// later is missing from exposures before.
	Breakdowns []string `json:"breakdowns,omitempty"`
}

// IsZero reports whether nothing is said.
func (a Analysis) IsZero() bool {
	return len(a.Primary) == 0 && a.PlannedUnits == 0 && len(a.Breakdowns) == 0
}

// History is what [Publish] remembers of an experiment's phase.
type History struct {
	// Begun means that some version of the phase was running: units may have
	// met its treatments.
	Begun bool `json:"begun,omitempty"`

	// Resized means that the phase's share of its layer was changed after it
	// began.
	Resized bool `json:"resized,omitempty"`

	// EndMoved means that the end of the schedule was set or changed after the
	// phase began: it was not planned, so a report goes on by always-valid
	// intervals. StoppedEarly means that the experiment was stopped before its
	// end, or had none.
	EndMoved     bool `json:"end_moved,omitempty"`
	StoppedEarly bool `json:"stopped_early,omitempty"`

	// AnalysisChanged means that the primary metrics, or how a metric of the
	// experiment is defined, were changed after the phase began. Reports say so.
	AnalysisChanged bool `json:"analysis_changed,omitempty"`

	// KeepFrom and KeepBefore bound the plan versions whose exposures are kept:
	// at least KeepFrom, where the exposed last followed the newest allocation
	// by policy Fresh, and below KeepBefore, from where on units are drawn as
	// they are now. KeepBefore is 0 where there is nobody to keep.
	KeepFrom   int64 `json:"keep_from,omitempty"`
	KeepBefore int64 `json:"keep_before,omitempty"`
}

// IsZero reports whether the phase has no history.
func (h History) IsZero() bool { return h == History{} }

// Treatment is one arm of an experiment.
type Treatment struct {
	Key         string `json:"key"`
	Description string `json:"description,omitempty"`

	// Weight is this arm's part of the experiment's units, relative to the sum
	// of all weights. 0 means nobody new.
	Weight int `json:"weight"`

	// Values are the parameters that this arm sets. A parameter that it does
	// not set keeps its launch value or default.
	Values Values `json:"values,omitempty"`
}

// Allocation is how an experiment drew treatments before a change.
type Allocation struct {
	Weights  []Weight `json:"weights"`
	Audience string   `json:"audience,omitempty"`
}

// Weight is a treatment's weight in an [Allocation].
type Weight struct {
	Treatment string `json:"treatment"`
	Weight    int    `json:"weight"`
}

// Status is where an [Experiment] stands.
type Status string

// The statuses of an experiment. The zero value means the same as StatusDraft.
const (
	// StatusDraft reserves buckets and assigns nobody.
	StatusDraft Status = "draft"
	// StatusRunning assigns, within the schedule.
	StatusRunning Status = "running"
	// StatusIntakeClosed keeps units that were exposed before, and admits
	// nobody.
	StatusIntakeClosed Status = "intake_closed"
	// StatusStopped gives everybody the defaults. The buckets are given back
	// when the plan is published; reports go on.
	StatusStopped Status = "stopped"
)

// live reports whether units may get a treatment, schedule aside.
func (s Status) live() bool { return s == StatusRunning || s == StatusIntakeClosed }

// Schedule limits when an experiment runs. The zero value means always.
type Schedule struct {
	// Start is the first instant at which units are assigned. Zero means at
	// once.
	Start time.Time `json:"start,omitzero"`

	// End is the first instant at which the experiment is over: everybody gets
	// the defaults. Zero means never.
	End time.Time `json:"end,omitzero"`

	// Ramp opens the experiment's buckets step by step. Before the first step
	// none are open; no steps means all are. Steps only ever open buckets, so
	// a ramp moves nobody. Each bucket has a fixed point between 0 and 1 at
	// which it opens, so the open share is Share up to chance.
	Ramp []RampStep `json:"ramp,omitempty"`
}

// RampStep opens a share of an experiment's buckets at an instant.
type RampStep struct {
	At    time.Time `json:"at"`
	Share float64   `json:"share"` // above 0, at most 1, rising from step to step
}

// IsZero reports whether there is no limit at all.
func (s Schedule) IsZero() bool { return s.Start.IsZero() && s.End.IsZero() && len(s.Ramp) == 0 }

// running reports whether now lies in [Start, End).
func (s Schedule) running(now time.Time) bool {
	return !now.Before(s.Start) && (s.End.IsZero() || now.Before(s.End))
}

// open returns the share of the buckets that the ramp has opened.
func (s Schedule) open(now time.Time) float64 {
	if len(s.Ramp) == 0 {
		return 1
	}
	share := 0.0
	for _, step := range s.Ramp {
		if !now.Before(step.At) {
			share = step.Share
		}
	}
	return share
}

// next returns the first boundary after now, or the zero time.
func (s Schedule) next(now time.Time) time.Time {
	var first time.Time
	consider := func(t time.Time) {
		if t.After(now) && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	consider(s.Start)
	consider(s.End)
	for _, step := range s.Ramp {
		consider(step.At)
	}
	return first
}

// openBuckets returns the buckets that the ramp has opened at now.
func (e *Experiment) openBuckets(now time.Time) Buckets {
	share := e.Schedule.open(now)
	if share >= 1 {
		return e.Buckets
	}
	seed := rampSeed(e.salt())
	limit := uint64(math.Round(share * rampScale))
	return collectBuckets(func(add func(int)) {
		for b := range e.Buckets.All() {
			if rampPoint(b, seed) < limit {
				add(b)
			}
		}
	})
}

// primary returns the keys of the metrics that decide.
func (e *Experiment) primary() []string {
	if len(e.Analysis.Primary) == 0 && len(e.Metrics) > 0 {
		return e.Metrics[:1]
	}
	return e.Analysis.Primary
}

func (e *Experiment) salt() string { return orKey(e.Salt, e.Key) }

// totalWeight is the sum of the treatments' weights.
func (e *Experiment) totalWeight() int64 {
	sum := int64(0)
	for i := range e.Treatments {
		sum += int64(e.Treatments[i].Weight)
	}
	return sum
}

// treatment returns the index of the treatment with that key, or -1.
func (e *Experiment) treatment(key string) int {
	for i := range e.Treatments {
		if e.Treatments[i].Key == key {
			return i
		}
	}
	return -1
}

func orKey(salt, key string) string {
	if salt == "" {
		return key
	}
	return salt
}
