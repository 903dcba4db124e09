package strata

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/strataxp/strata/internal/page"
	"github.com/strataxp/strata/stats"
)

// Inference says how a report decides.
type Inference string

// The ways to decide. The zero value of ReportOptions.Inference chooses.
const (
	// AlwaysValid intervals hold however often one looks, and whenever one
	// stops. They are some 1.6 times as wide as those for one look.
	AlwaysValid Inference = "always_valid"

	// OneLook intervals hold for a single look at an end that was fixed
	// before. Looking every day until one is clear finds something in one of
	// four experiments that have no effect.
	OneLook Inference = "one_look"
)

// ReportOptions choose what a report covers. The zero value reports the current
// phase with 95 % intervals.
type ReportOptions struct {
	// Level is the confidence level of intervals. Zero means 0.95.
	Level float64

	// Phase is the phase to report. Nil means the plan's.
	Phase *int

	// Version is the plan version that says what the experiment and its metrics
	// are: for experiments that are no longer in the plan, and for the weights
	// of an earlier phase. 0 means the version in effect.
	Version int64

	// Inference is what verdicts go by; both kinds of interval are reported
	// anyway. Empty means OneLook for a phase that has reached the end that its
	// schedule had from the start and of which all windows are over, and
	// AlwaysValid for any other.
	Inference Inference

	// CompleteWindows leaves units out of a metric until its window is over.
	// Young units pull totals per unit down, in all treatments alike, so they
	// bias the estimates and not the comparison, while an effect that takes
	// time shows less.
	CompleteWindows bool

	// Attribute asks for a breakdown by an attribute of the unit, which must be
	// one of [Analysis.Breakdowns]. Empty means none.
	Attribute string

	// Zone is where days begin, for the results by day. Nil means UTC.
	Zone *time.Location

	// NoDays leaves the results by day out.
	NoDays bool

	// Clock is where time comes from. Nil means the system's clock.
	Clock Clock
}

// withDefaults fills in what is empty, and says what is wrong.
func (o ReportOptions) withDefaults() (ReportOptions, error) {
	o.Level = orDefault(o.Level, 0.95)
	if o.Clock == nil {
		o.Clock = systemClock{}
	}
	var errs []error
	if !(o.Level > 0 && o.Level < 1) {
		errs = append(errs, fmt.Errorf("%w: ReportOptions.Level = %v: use a number between 0 and 1, such as 0.95", ErrConfig, o.Level))
	}
	if o.Inference != "" && o.Inference != AlwaysValid && o.Inference != OneLook {
		errs = append(errs, fmt.Errorf("%w: ReportOptions.Inference = %q: use AlwaysValid or OneLook, or leave it empty", ErrConfig, o.Inference))
	}
	return o, errors.Join(errs...)
}

// Report says what happened to the units of an experiment's phase, by
// treatment, which treatment won, and whether that can be trusted. String
// prints it for people, WriteHTML writes a page of it; its JSON form is for
// machines, is described in docs/report.md, and holds no NaN: what cannot be
// estimated is null beside a reason.
type Report struct {
	Experiment  string    `json:"experiment"`
	Description string    `json:"description,omitempty"`
	Phase       int       `json:"phase"`
	Status      Status    `json:"status"`
	Running     bool      `json:"running"`        // status, schedule and phase let units in
	Ended       time.Time `json:"ended,omitzero"` // the end of the schedule, where it has been reached
	Version     int64     `json:"version"`        // of the plan
	Created     time.Time `json:"created"`
	Level       float64   `json:"level"`     // of every interval, unless it says otherwise
	Inference   Inference `json:"inference"` // what the verdicts go by
	Units       int64     `json:"units"`     // that are analysed

	// Verdict is the answer in a sentence.
	Verdict Verdict `json:"verdict"`

	Treatments []TreatmentReport `json:"treatments"` // control first
	Health     Health            `json:"health"`
	Metrics    []MetricReport    `json:"metrics"` // in the order of the plan; a funnel has one for each step
	Funnels    []FunnelReport    `json:"funnels,omitempty"`
	Breakdown  *Breakdown        `json:"breakdown,omitempty"`
	Warnings   []Warning         `json:"warnings,omitempty"` // the gravest first
}

// TreatmentReport is how many units met a treatment.
type TreatmentReport struct {
	Treatment string `json:"treatment"`
	Units     int64  `json:"units"`

	// Expected is the share of all units that the weights promise, 0 for a
	// treatment that the plan does not have.
	Expected float64 `json:"expected"`

	FirstExposure time.Time `json:"first_exposure,omitzero"`
	LastExposure  time.Time `json:"last_exposure,omitzero"`

	// Shed is how many of the units lost events for want of room, Uncertain
	// how many may have lost some.
	Shed      int64 `json:"shed,omitempty"`
	Uncertain int64 `json:"uncertain,omitempty"`
}

// MetricReport is one metric, or one step of a funnel, by treatment.
type MetricReport struct {
	Metric    string     `json:"metric"`
	Step      int        `json:"step,omitempty"` // of a funnel, from 1
	Label     string     `json:"label"`          // for people: the key, and a funnel's step
	Type      MetricType `json:"type"`
	Role      Role       `json:"role"`
	Direction Direction  `json:"direction"`

	// Currency of a money metric. Estimates are in whole units of it, such as
	// euros, although events are in cents.
	Currency string `json:"currency,omitempty"`

	// MinimumEffect is the smallest relative lift worth knowing of; Margin is
	// the relative loss that a guardrail tolerates.
	MinimumEffect float64 `json:"minimum_effect"`
	Margin        float64 `json:"margin,omitempty"`

	Estimates   []TreatmentEstimate `json:"estimates"`   // in the order of Report.Treatments
	Comparisons []MetricComparison  `json:"comparisons"` // each treatment with the control
}

// Role is what a metric is for.
type Role string

// The roles.
const (
	// RolePrimary metrics decide. The chance of a false win or loss among all
	// their comparisons is held at 1 − Level (Holm).
	RolePrimary Role = "primary"

	// RoleSecondary metrics explain. Among their clear differences the expected
	// share of false ones is held at 1 − Level (Benjamini and Hochberg).
	RoleSecondary Role = "secondary"

	// RoleGuardrail metrics are watched for harm. Each is held at 1 − Level:
	// looking at many of them must not make harm harder to see.
	RoleGuardrail Role = "guardrail"
)

// TreatmentEstimate is a metric's estimate in one treatment.
type TreatmentEstimate struct {
	Treatment string `json:"treatment"`

	// Units is how many units the estimate rests on: those of the treatment,
	// of a mean the ones that have a value, and with CompleteWindows the mature
	// ones.
	Units int64 `json:"units"`

	// Estimate is the mean over units, or the ratio, with its standard error
	// and an interval of its own. Compare treatments by the Comparisons, not
	// by whether these intervals overlap.
	Estimate stats.Estimate `json:"estimate"`
}

// MetricComparison compares a treatment with the control.
type MetricComparison struct {
	Treatment string `json:"treatment"`
	Control   string `json:"control"`

	// Comparison is for one look at the planned end.
	stats.Comparison `json:"one_look"`

	// Exact is set where Comparison uses methods for few conversions.
	Exact bool `json:"exact,omitempty"`

	// AlwaysValid holds at every look.
	AlwaysValid stats.Comparison `json:"always_valid"`

	// Adjustment says what the units' past did for the comparisons above. Nil
	// for a metric without PrePeriod.
	Adjustment *Adjustment `json:"adjustment,omitempty"`

	// Corrected is what the verdict goes by.
	Corrected Corrected `json:"corrected"`

	// NonInferiority is the test of a guardrail, nil for others.
	NonInferiority *NonInferiority `json:"non_inferiority,omitempty"`

	// Days tells how the comparison came about.
	Days []DayComparison `json:"days,omitempty"`

	Verdict Verdict `json:"verdict"`

	arms *arms // what is compared; only while the report is made
}

// Corrected is a comparison by the report's Inference, corrected for the others
// that are made beside it.
type Corrected struct {
	Inference  Inference        `json:"inference"`
	Correction stats.Correction `json:"correction"`
	Family     int              `json:"family"` // how many comparisons are corrected for together

	// PValue is adjusted: compare it with 1 − Report.Level. It is 1 where there
	// is no test.
	PValue float64 `json:"p_value"`

	// Level is the level at which the corrected test was decided, and the
	// intervals are of. They contain 0 exactly when PValue is above
	// 1 − Report.Level.
	Level      float64        `json:"level"`
	Difference stats.Estimate `json:"difference"`
	Lift       stats.Estimate `json:"lift"`
}

// Adjustment is what CUPED did to a comparison.
type Adjustment struct {
	// Applied says that the comparison is adjusted; otherwise Reason says why
	// it is not.
	Applied bool   `json:"applied"`
	Reason  string `json:"reason,omitempty"`

	// Theta is the slope of the metric on its past.
	Theta float64 `json:"theta,omitempty"`

	// VarianceReduction is the share of the variance that the past explains:
	// 0.3 saves 30 % of the units.
	VarianceReduction float64 `json:"variance_reduction,omitempty"`

	// Unadjusted is the comparison for one look without it.
	Unadjusted stats.Comparison `json:"unadjusted"`
}

// NonInferiority is the test that a guardrail lost no more than its margin.
type NonInferiority struct {
	Margin float64 `json:"margin"` // relative to the control

	// Lift is open on the harmless side; its other end is the largest loss that
	// the data allow at Report.Level, by the report's Inference.
	Lift stats.Estimate `json:"lift"`

	// Holds says that a loss beyond Margin is ruled out.
	Holds bool `json:"holds"`
}

// DayComparison is a comparison as it stood at the end of a day, always valid
// at Report.Level.
type DayComparison struct {
	Day        time.Time      `json:"day"`   // when it began
	Units      int64          `json:"units"` // in both arms
	Difference stats.Estimate `json:"difference"`
	Lift       stats.Estimate `json:"lift"`
}

// FunnelReport is a funnel as a table.
type FunnelReport struct {
	Metric string       `json:"metric"`
	Steps  []FunnelStep `json:"steps"`
}

// FunnelStep is how many units came how far, in the order of
// Report.Treatments.
type FunnelStep struct {
	Label  string        `json:"label"`
	Counts []FunnelCount `json:"counts"`
}

// FunnelCount is how many units of a treatment took a step.
type FunnelCount struct {
	Treatment string  `json:"treatment"`
	Units     int64   `json:"units"`
	Share     float64 `json:"share"` // of all exposed units

	// OfPrevious is the share of the units that took the step before. It
	// describes the funnel and compares no treatments: who gets so far is an
	// effect of the treatment already.
	OfPrevious float64 `json:"of_previous"`
}

// Breakdown is the report by an attribute of the unit.
type Breakdown struct {
	Attribute string `json:"attribute"`

	// Segments are ordered by size. Comparisons are corrected over all segments
	// and metrics together (Benjamini and Hochberg).
	Segments []Segment `json:"segments"`

	// Others is the number of values beyond the largest 20, and OtherUnits how
	// many units have one of them.
	Others     int   `json:"others,omitempty"`
	OtherUnits int64 `json:"other_units,omitempty"`
}

// Segment is the units with one value of the attribute; "" for those without.
type Segment struct {
	Value       string                  `json:"value"`
	Units       int64                   `json:"units"`
	Treatments  []TreatmentReport       `json:"treatments"`
	SampleRatio stats.SampleRatioResult `json:"sample_ratio"`
	Metrics     []MetricReport          `json:"metrics"`
}

// NewReport reads the plan in effect and the results of an experiment from a
// store and computes the report. It returns an error matching [ErrNotFound] for an
// experiment that the plan does not have. Cost: that of [ResultStore.Results],
// and [ReportOn]'s.
func NewReport(ctx context.Context, store Store, experiment string, opts ReportOptions) (*Report, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	plan, err := planOf(ctx, store, opts)
	if err != nil {
		return nil, err
	}
	b, err := newReportBuilder(plan, experiment, opts)
	if err != nil {
		return nil, err
	}
	b.results, err = store.Results(ctx, ResultsParams{
		Experiment: b.experiment.Key, Phase: b.phase, Metrics: b.metrics,
		At: b.now, Until: b.until(), CompleteWindows: opts.CompleteWindows,
		Daily: !opts.NoDays, Zone: opts.Zone, Attribute: opts.Attribute,
	})
	if err != nil {
		return nil, err
	}
	return b.build(), nil
}

// ReportOn computes the report on results that are at hand, wherever they come
// from: no store is asked, and the plan is validated but not published. Of the
// options, Version, Zone and NoDays have no meaning here. Cost: some 15 µs for
// each metric and treatment, twice that with a past, and a microsecond for each of their days, which are
// divided among the processors (BenchmarkReport).
func ReportOn(plan *Plan, experiment string, results Results, opts ReportOptions) (*Report, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	if plan == nil {
		return nil, fmt.Errorf("%w: the plan is nil", ErrInvalidPlan)
	}
	if err := plan.Validate(); err != nil {
		return nil, err
	}
	b, err := newReportBuilder(plan, experiment, opts)
	if err != nil {
		return nil, err
	}
	b.results = results
	return b.build(), nil
}

// planOf returns the plan that a report goes by.
func planOf(ctx context.Context, store PlanStore, opts ReportOptions) (*Plan, error) {
	if opts.Version != 0 {
		v, err := store.Plan(ctx, PlanParams{Version: opts.Version})
		return v.Plan, err
	}
	now := opts.Clock.Now()
	versions, err := store.PlansInEffect(ctx, PlansInEffectParams{At: now})
	if err != nil {
		return nil, err
	}
	if len(versions) == 0 || versions[0].EffectiveAt.After(now) {
		return &Plan{}, nil
	}
	return versions[0].Plan, nil
}

// Report writes what is buffered, so that the report covers what this process
// tracked before the call, and is then [NewReport] with the engine's store and
// clock. Writing is given [Config.StoreTimeout]; its error comes beside the
// report of what is stored.
func (e *Engine) Report(ctx context.Context, experiment string, opts ReportOptions) (*Report, error) {
	if opts.Clock == nil {
		opts.Clock = e.cfg.Clock
	}
	flushErr := e.flushFor(ctx, e.cfg.StoreTimeout)
	if errors.Is(flushErr, ErrClosed) {
		flushErr = nil // nothing will ever be written; report what is stored
	}
	r, err := NewReport(ctx, e.store, experiment, opts)
	if r != nil {
		r.warnRefused(e.Status().Refused)
	}
	return r, errors.Join(err, flushErr)
}

// warnRefused warns of events that this process could not take in: which units
// and treatments they were of is not known.
func (r *Report) warnRefused(refused map[Kind]Refused) {
	var full, invalid int64
	for _, n := range refused {
		full, invalid = full+n.Full+n.Shed, invalid+n.Invalid
	}
	if full == 0 && invalid == 0 {
		return
	}
	w := Warning{Caution, WarnLosses, fmt.Sprintf("this process could not take in %s: %d for want of room, %d as invalid; Engine.Status says which kinds", page.Count(full+invalid, "event", "events"), full, invalid)}
	at := slices.IndexFunc(r.Warnings, func(x Warning) bool { return x.Severity == Note })
	if at < 0 {
		at = len(r.Warnings)
	}
	r.Warnings = slices.Insert(r.Warnings, at, w)
}

func (e *Engine) flushFor(ctx context.Context, d time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	_, err := e.Flush(ctx)
	return err
}
