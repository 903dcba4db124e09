package strata

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Builder writes a plan the way one would say it:
//
//	b := strata.NewPlan()
//	b.String("cta.color", "grey")
//	ui := b.Layer("ui", strata.ByUser, "cta.color")
//	ui.Experiment("cta-color", 0.5).
//		Treatment("grey", 1, nil).
//		Treatment("green", 1, strata.Values{"cta.color": "green"}).
//		Running()
//	plan, err := b.Build()
//
// What is said about something that the plan has already (with [ChangePlan])
// replaces what was there; salts, phases and as many of its buckets as the share
// allows stay. So a program may say its whole plan anew at every start, on top of
// the stored one, and change shares as it likes:
//
//	stored, err := store.Plan(ctx, strata.PlanParams{})
//	b := strata.ChangePlan(stored.Plan)
//
// Buckets are picked among the free ones by [Plan.PickFree], in the order of the
// calls; to make one experiment smaller and another larger, say the smaller one
// first, and publish that first where its buckets drain. Errors are collected and returned by Build. A Builder is not safe for
// concurrent use.
type Builder struct {
	plan *Plan
	errs []error
}

// NewPlan starts a plan for an empty store.
func NewPlan() *Builder { return ChangePlan(&Plan{}) }

// ChangePlan goes on with an existing plan, which it changes: what is built is
// based on its version. What is not mentioned stays.
func ChangePlan(p *Plan) *Builder { return &Builder{plan: p} }

// Build validates the plan and returns it. The error lists everything that is
// wrong.
func (b *Builder) Build() (*Plan, error) {
	if err := errors.Join(append(b.errs, b.plan.Validate())...); err != nil {
		return nil, err
	}
	return b.plan, nil
}

// Bool adds a bool parameter.
func (b *Builder) Bool(key string, def bool) *Builder { return b.parameter(key, TypeBool, def) }

// Int adds an int parameter.
func (b *Builder) Int(key string, def int64) *Builder { return b.parameter(key, TypeInt, def) }

// Float adds a float parameter.
func (b *Builder) Float(key string, def float64) *Builder { return b.parameter(key, TypeFloat, def) }

// String adds a string parameter.
func (b *Builder) String(key, def string) *Builder { return b.parameter(key, TypeString, def) }

// JSON adds a json parameter; def is anything that encoding/json can write.
func (b *Builder) JSON(key string, def any) *Builder { return b.parameter(key, TypeJSON, def) }

func (b *Builder) parameter(key string, t ParamType, def any) *Builder {
	p := upsert(&b.plan.Parameters, b.plan.Parameter(key))
	p.Key, p.Type, p.Default = key, t, def
	return b
}

// Metric adds a metric.
func (b *Builder) Metric(m Metric) *Builder {
	*upsert(&b.plan.Metrics, b.plan.Metric(m.Key)) = m
	return b
}

// upsert returns what was found, or a new entry at the end of the list.
func upsert[T any](list *[]T, found *T) *T {
	if found != nil {
		return found
	}
	*list = append(*list, *new(T))
	return &(*list)[len(*list)-1]
}

// EffectiveAt sets when every process switches to the plan.
func (b *Builder) EffectiveAt(at time.Time) *Builder {
	b.plan.EffectiveAt = at
	return b
}

// Layer adds a layer to the root domain, owning the given parameters.
func (b *Builder) Layer(key string, d Diversion, parameters ...string) *LayerBuilder {
	return b.layer(Layer{Key: key, Diversion: d, Parameters: parameters})
}

// LaunchLayer adds a launch layer, owning the given parameters.
func (b *Builder) LaunchLayer(key string, d Diversion, parameters ...string) *LayerBuilder {
	return b.layer(Layer{Key: key, Diversion: d, Parameters: parameters, Launch: true})
}

func (b *Builder) layer(l Layer) *LayerBuilder {
	to := upsert(&b.plan.Layers, b.plan.Layer(l.Key))
	l.Salt, l.Description = to.Salt, to.Description
	*to = l
	return &LayerBuilder{b: b, key: l.Key}
}

// resize brings a set of buckets to a share of a layer.
func (b *Builder) resize(layer, owner string, have, draining Buckets, share float64) Buckets {
	if !(share >= 0 && share <= 1) {
		b.errs = append(b.errs, fmt.Errorf("%w: %q: a share of %v; use 0 to 1", ErrInvalidPlan, owner, share))
		return have
	}
	set, err := b.plan.resize(layer, owner, have, draining, int(math.Round(share*NumBuckets)))
	if err != nil {
		b.errs = append(b.errs, err)
		return have
	}
	return set
}

// LayerBuilder adds to a layer.
type LayerBuilder struct {
	b   *Builder
	key string
}

// Domain adds a nested domain that takes a share (0 … 1) of the layer.
func (l *LayerBuilder) Domain(key string, share float64) *DomainBuilder {
	d := upsert(&l.b.plan.Domains, l.b.plan.Domain(key))
	if d.Layer != l.key {
		*d = Domain{Key: key, Layer: l.key}
	}
	d.Buckets = l.b.resize(l.key, key, d.Buckets, d.Draining, share)
	d.Draining = d.Draining.Minus(d.Buckets)
	return &DomainBuilder{b: l.b, key: key}
}

// Experiment adds a draft experiment that takes a share (0 … 1) of the layer.
func (l *LayerBuilder) Experiment(key string, share float64) *ExperimentBuilder {
	e := upsert(&l.b.plan.Experiments, l.b.plan.Experiment(key))
	was := *e
	if was.Layer != l.key {
		was.Buckets, was.Draining = Buckets{}, Buckets{}
	}
	*e = Experiment{Key: key, Layer: l.key, Salt: was.Salt, Phase: was.Phase, Buckets: was.Buckets, Draining: was.Draining}
	set := l.b.resize(l.key, key, was.Buckets, was.Draining, share)
	e.Buckets, e.Draining = set, was.Draining.Minus(set)
	return &ExperimentBuilder{b: l.b, key: key}
}

// DomainBuilder adds to a nested domain.
type DomainBuilder struct {
	b   *Builder
	key string
}

// Layer adds a layer to the domain, owning the given parameters.
func (d *DomainBuilder) Layer(key string, by Diversion, parameters ...string) *LayerBuilder {
	return d.b.layer(Layer{Key: key, Domain: d.key, Diversion: by, Parameters: parameters})
}

// ExperimentBuilder fills in an experiment. Its methods return it, for chaining.
type ExperimentBuilder struct {
	b   *Builder
	key string
}

func (x *ExperimentBuilder) set(change func(*Experiment)) *ExperimentBuilder {
	change(x.b.plan.Experiment(x.key))
	return x
}

// Treatment adds a treatment; the first one is the control.
func (x *ExperimentBuilder) Treatment(key string, weight int, values Values) *ExperimentBuilder {
	return x.set(func(e *Experiment) {
		e.Treatments = append(e.Treatments, Treatment{Key: key, Weight: weight, Values: values})
	})
}

// SharedControl makes another experiment's control this one's.
func (x *ExperimentBuilder) SharedControl(experiment string) *ExperimentBuilder {
	return x.set(func(e *Experiment) { e.SharedControl = experiment })
}

// Audience sets the condition that units must match.
func (x *ExperimentBuilder) Audience(condition string) *ExperimentBuilder {
	return x.set(func(e *Experiment) { e.Audience = condition })
}

// Schedule sets when the experiment runs.
func (x *ExperimentBuilder) Schedule(s Schedule) *ExperimentBuilder {
	return x.set(func(e *Experiment) { e.Schedule = s })
}

// Metrics names the metrics of the report; the first is the primary one, unless
// Analysis says otherwise.
func (x *ExperimentBuilder) Metrics(keys ...string) *ExperimentBuilder {
	return x.set(func(e *Experiment) { e.Metrics = keys })
}

// Analysis says how results will be read.
func (x *ExperimentBuilder) Analysis(a Analysis) *ExperimentBuilder {
	return x.set(func(e *Experiment) { e.Analysis = a })
}

// Describe says what the experiment is about.
func (x *ExperimentBuilder) Describe(text string) *ExperimentBuilder {
	return x.set(func(e *Experiment) { e.Description = text })
}

// Phase sets the phase; a higher one draws everybody anew.
func (x *ExperimentBuilder) Phase(phase int) *ExperimentBuilder {
	return x.set(func(e *Experiment) { e.Phase = phase })
}

// Status sets the status. An experiment is a draft until told otherwise.
func (x *ExperimentBuilder) Status(s Status) *ExperimentBuilder {
	return x.set(func(e *Experiment) { e.Status = s })
}

// Running sets the status to running.
func (x *ExperimentBuilder) Running() *ExperimentBuilder {
	return x.set(func(e *Experiment) { e.Status = StatusRunning })
}
