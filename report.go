package strata

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/strataxp/strata/stats"
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

	// Clock is where time comes from. Nil means the system's clock.
	Clock Clock
}

// Report says what happened to the units of an experiment's phase, by
// treatment, and whether it can be trusted. String prints it for people; its
// JSON form is for machines, and holds no NaN: what cannot be estimated is null
// beside a reason.
//
// Tests and intervals are for one look at the planned end. Looking every day
// and stopping at the first p below 0.05 finds an effect in more than one of
// five experiments that have none.
type Report struct {
	Experiment     string    `json:"experiment"`
	Description    string    `json:"description,omitempty"`
	Phase          int       `json:"phase"`
	Status         Status    `json:"status"`
	Version        int64     `json:"version"` // of the plan
	Created        time.Time `json:"created"`
	Level          float64   `json:"level"` // of every interval
	Units          int64     `json:"units"` // that are analysed
	Contradictions int64     `json:"contradictions"`

	Treatments  []TreatmentReport       `json:"treatments"` // control first
	SampleRatio stats.SampleRatioResult `json:"sample_ratio"`
	Metrics     []MetricReport          `json:"metrics"`
	Warnings    []Warning               `json:"warnings,omitempty"`
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
}

// MetricReport is one metric, or one step of a funnel, by treatment.
type MetricReport struct {
	Metric    string     `json:"metric"`
	Step      int        `json:"step,omitempty"` // of a funnel, from 1
	Label     string     `json:"label"`          // for people: the key, and a funnel's step
	Type      MetricType `json:"type"`
	Primary   bool       `json:"primary,omitempty"`
	Guardrail bool       `json:"guardrail,omitempty"`
	Direction Direction  `json:"direction"`

	// Currency of a money metric. Estimates are in whole units of it, such as
	// euros, although events are in cents.
	Currency string `json:"currency,omitempty"`

	Estimates   []TreatmentEstimate `json:"estimates"`   // in the order of Report.Treatments
	Comparisons []MetricComparison  `json:"comparisons"` // each treatment with the control
}

// TreatmentEstimate is a metric's estimate in one treatment.
type TreatmentEstimate struct {
	Treatment string `json:"treatment"`

	// Units is how many units the estimate rests on: those of the treatment,
	// or of a mean the ones that have a value.
	Units int64 `json:"units"`

	// Estimate is the mean over units, or the ratio, with its standard error
	// and an interval of its own. Compare treatments by the Comparisons, not
	// by whether these intervals overlap.
	Estimate stats.Estimate `json:"estimate"`
}

// MetricComparison compares a treatment with the control.
type MetricComparison struct {
	Treatment        string `json:"treatment"`
	Control          string `json:"control"`
	stats.Comparison        // difference, test and lift
	Verdict          string `json:"verdict"` // better, worse, or not clear
}

// Severity says how much a [Warning] weighs.
type Severity string

// The severities.
const (
	// Alarm: do not use the results before the cause is found.
	Alarm Severity = "alarm"
	// Caution: the results may be off; look into it.
	Caution Severity = "caution"
	// Note: something to know when reading.
	Note Severity = "note"
)

// Warning is something that a reader of the report must know.
type Warning struct {
	Severity Severity `json:"severity"`
	Code     string   `json:"code"` // one of the Warn constants
	Text     string   `json:"text"`
}

// The codes of warnings.
const (
	WarnSampleRatio    = "sample_ratio"
	WarnContradictions = "contradictions"
	WarnUnknown        = "unknown_treatment"
	WarnCarryOver      = "carry_over"
	WarnCurrency       = "other_currency"
	WarnRepeats        = "repeated_orders"
	WarnMissing        = "missing_values"
	WarnFew            = "few_events"
	WarnOneLook        = "one_look"
	WarnManyTests      = "many_tests"
	WarnSharedControl  = "shared_control"
)

// Thresholds of warnings.
const (
	sampleRatioAlarm   = 0.001
	sampleRatioCaution = 0.01
	contradictionAlarm = 0.01
	manyTests          = 4
	fewEvents          = 5
)

// NewReport reads the plan in effect and the results of an experiment from a
// store and computes the report. It returns an error matching [ErrNotFound] for an
// experiment that the plan does not have. Cost: that of [ResultStore.Results].
func NewReport(ctx context.Context, store Store, experiment string, opts ReportOptions) (*Report, error) {
	if opts.Level == 0 {
		opts.Level = 0.95
	}
	if !(opts.Level > 0 && opts.Level < 1) {
		return nil, fmt.Errorf("%w: ReportOptions.Level = %v: use a number between 0 and 1, such as 0.95", ErrConfig, opts.Level)
	}
	if opts.Clock == nil {
		opts.Clock = systemClock{}
	}
	plan, err := planOf(ctx, store, opts)
	if err != nil {
		return nil, err
	}
	e := plan.Experiment(experiment)
	if e == nil {
		return nil, fmt.Errorf("%w: experiment %q in plan version %d", ErrNotFound, experiment, plan.Version)
	}
	b := reportBuilder{plan: plan, experiment: e, level: opts.Level, now: opts.Clock.Now()}
	b.phase = e.Phase
	if opts.Phase != nil {
		b.phase = *opts.Phase
	}
	for _, key := range e.Metrics {
		if m := plan.Metric(key); m != nil {
			b.metrics = append(b.metrics, *m)
		}
	}
	b.results, err = store.Results(ctx, ResultsParams{Experiment: e.Key, Phase: b.phase, Metrics: b.metrics})
	if err != nil {
		return nil, err
	}
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
	return r, errors.Join(err, flushErr)
}

func (e *Engine) flushFor(ctx context.Context, d time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	_, err := e.Flush(ctx)
	return err
}
