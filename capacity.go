package strata

import (
	"errors"
	"fmt"
	"math"

	"github.com/strataxp/strata/stats"
)

// Forecast is the traffic that a plan will see, for [Plan.Capacity].
type Forecast struct {
	// UnitsPerDay is how many new units arrive a day, by the id that they are
	// counted by. Returning ones do not count: an experiment has each unit once.
	UnitsPerDay map[Diversion]float64

	// Metrics says what each metric is like in the control. Metrics that are
	// missing are not planned for.
	Metrics map[string]Baseline

	// Match is the share of units that an experiment's audience lets in, by
	// experiment. Missing means all.
	Match map[string]float64

	// Days is how long an experiment may take. Zero means 28.
	Days int

	// Level is the confidence level of the verdicts, and Power the chance to
	// see an effect that is there. Zero means 0.95 and 0.8.
	Level, Power float64

	// Inference is what verdicts will go by. Empty means AlwaysValid.
	Inference Inference
}

// Baseline is a metric in the control, over units.
type Baseline struct {
	Mean     float64
	Variance float64 // per unit; p(1−p) for a share p of units

	// Correlation with the PrePeriod, 0 to 1. It divides the units that are
	// needed by 1 − Correlation².
	Correlation float64
}

// Capacity is what a plan's experiments can find out with the traffic that
// reaches them.
type Capacity struct {
	Days        int                  `json:"days"`
	Inference   Inference            `json:"inference"`
	Experiments []ExperimentCapacity `json:"experiments"` // in the order of the plan, stopped ones left out
}

// ExperimentCapacity is one experiment's.
type ExperimentCapacity struct {
	Experiment string   `json:"experiment"`
	Path       []string `json:"path,omitempty"` // the domains that it is nested in, outermost first

	// Reach is the share of all units that the experiment assigns, a shared
	// control left out.
	Reach       float64 `json:"reach"`
	UnitsPerDay float64 `json:"units_per_day"`

	// Comparisons is how many comparisons of primary metrics are corrected for.
	Comparisons int              `json:"comparisons"`
	Metrics     []MetricCapacity `json:"metrics"`
}

// MetricCapacity is what an experiment can find out about one metric, of the
// treatment with the fewest units.
type MetricCapacity struct {
	Metric string `json:"metric"`
	Role   Role   `json:"role"`

	// Effect is the relative lift that is to be seen: the metric's
	// MinimumEffect, or a guardrail's Margin.
	Effect float64 `json:"effect"`
	Outlook

	// SpareLevels is how many levels deeper the experiment could be nested, in
	// half of the traffic at each, and still see Effect within the forecast's
	// days; −1 where it cannot even now.
	SpareLevels int `json:"spare_levels"`

	// Alternatives are other places for the experiment.
	Alternatives []Alternative `json:"alternatives"`
}

// Outlook is how much can be seen, and when.
type Outlook struct {
	// Detectable is the relative lift that is seen within the forecast's days
	// with the forecast's power.
	Detectable float64 `json:"detectable"`

	// DaysNeeded is how many days it takes to see the effect asked for, 0 where
	// it takes more than ten years.
	DaysNeeded int `json:"days_needed"`
}

// Alternative is another way to give an experiment its traffic.
type Alternative struct {
	Kind AlternativeKind `json:"kind"`
	Outlook
}

// AlternativeKind says what is different.
type AlternativeKind string

// The alternatives.
const (
	// WholeLayer: the experiment has its layer for itself.
	WholeLayer AlternativeKind = "whole_layer"
	// OwnLayer: it has a layer of its own in the root domain, where it overlaps
	// with all others.
	OwnLayer AlternativeKind = "own_layer"
	// CommonControl: all experiments of its layer share one control, in the
	// same traffic, all groups being equal.
	CommonControl AlternativeKind = "common_control"
	// HalfTheTraffic: it is nested one level deeper, in half of the traffic.
	HalfTheTraffic AlternativeKind = "half_the_traffic"
)

const maxPlanningDays = 3650

// groups are the shares of all units that a comparison's two arms have.
type groups struct{ control, treatment float64 }

func (g groups) scaled(by float64) groups { return groups{g.control * by, g.treatment * by} }

// capacityPlanner works out a plan's capacity.
type capacityPlanner struct {
	plan     *Plan
	tree     *tree
	forecast Forecast
}

// Capacity says what the plan's experiments can find out with the traffic that
// a forecast promises: how many units reach each, which effect they show within
// the time given, how long the effect asked for takes, and what sharing or
// nesting differently would change. It answers how deep nesting may go before
// nothing can be seen. The plan must be valid. Ramps are taken as open.
//
// An effect is seen when the interval that decides, corrected for the number of
// primary comparisons, excludes 0 with probability Power:
//
//	(multiplier + z_Power)·√(cv²·(1−ρ²)·(1/n_C + 1/n_T)) ≤ effect
//
// with the coefficient of variation cv of the metric, its correlation ρ with
// the past, and the multiplier of a normal quantile or a confidence sequence.
// Both arms are taken to vary as the baseline does. Cost: some 30 µs for each
// metric of an experiment (BenchmarkCapacity).
func (p *Plan) Capacity(f Forecast) (*Capacity, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	f, err := f.withDefaults(p)
	if err != nil {
		return nil, err
	}
	c := capacityPlanner{plan: p, tree: newTree(p), forecast: f}
	out := &Capacity{Days: f.Days, Inference: f.Inference}
	for i := range p.Experiments {
		if e := &p.Experiments[i]; e.Status != StatusStopped {
			out.Experiments = append(out.Experiments, c.experiment(e))
		}
	}
	return out, nil
}

func (f Forecast) withDefaults(p *Plan) (Forecast, error) {
	f.Days, f.Level, f.Power = orDefault(f.Days, 28), orDefault(f.Level, 0.95), orDefault(f.Power, 0.8)
	f.Inference = orDefault(f.Inference, AlwaysValid)
	var errs []error
	bad := func(field string, value any, cure string) {
		errs = append(errs, fmt.Errorf("%w: Forecast.%s = %v: %s", ErrConfig, field, value, cure))
	}
	if f.Days < 1 || f.Days > maxPlanningDays {
		bad("Days", f.Days, fmt.Sprintf("use 1 to %d days", maxPlanningDays))
	}
	if !(f.Level > 0 && f.Level < 1) {
		bad("Level", f.Level, "use a number between 0 and 1, such as 0.95")
	}
	if !(f.Power > 0 && f.Power < 1) {
		bad("Power", f.Power, "use a number between 0 and 1, such as 0.8")
	}
	if f.Inference != AlwaysValid && f.Inference != OneLook {
		bad("Inference", f.Inference, "use AlwaysValid or OneLook")
	}
	for d, n := range f.UnitsPerDay {
		if _, known := d.index(); !known || !(n >= 0) || math.IsInf(n, 0) {
			bad(fmt.Sprintf("UnitsPerDay[%q]", d), n, "use a diversion, and a number of at least 0")
		}
	}
	for key, share := range f.Match {
		if !(share >= 0 && share <= 1) || p.Experiment(key) == nil {
			bad(fmt.Sprintf("Match[%q]", key), share, "name an experiment of the plan, and a share from 0 to 1")
		}
	}
	for key, b := range f.Metrics {
		switch {
		case p.Metric(key) == nil:
			bad(fmt.Sprintf("Metrics[%q]", key), b, "the plan has no such metric")
		case !(math.Abs(b.Mean) > 0) || math.IsInf(b.Mean, 0):
			bad(fmt.Sprintf("Metrics[%q].Mean", key), b.Mean, "a relative effect needs a mean other than 0")
		case !(b.Variance > 0) || math.IsInf(b.Variance, 0):
			bad(fmt.Sprintf("Metrics[%q].Variance", key), b.Variance, "use a positive number; p(1−p) for a share p")
		case !(b.Correlation >= 0 && b.Correlation < 1):
			bad(fmt.Sprintf("Metrics[%q].Correlation", key), b.Correlation, "use a number from 0 to below 1")
		}
	}
	return f, errors.Join(errs...)
}

func (c *capacityPlanner) experiment(e *Experiment) ExperimentCapacity {
	layer := c.tree.layers[e.Layer]
	out := ExperimentCapacity{Experiment: e.Key}
	through := 1.0
	path, err := c.tree.path(layer)
	if err == nil { // a valid plan has a path
		for _, s := range path {
			out.Path = append(out.Path, s.domain.Key)
			through *= float64(s.domain.Buckets.Len()) / NumBuckets
		}
	}
	through *= c.match(e)
	units := c.forecast.UnitsPerDay[orDefault(layer.Diversion, ByUser)]
	out.Reach = through * float64(e.Buckets.Len()) / NumBuckets
	out.UnitsPerDay = out.Reach * units
	primary := 0
	for _, key := range e.Metrics {
		if c.role(e, key) == RolePrimary {
			primary++
		}
	}
	g, treatments := c.groups(e, through)
	out.Comparisons = max(1, primary*treatments)
	for _, key := range e.Metrics {
		if b, known := c.forecast.Metrics[key]; known {
			out.Metrics = append(out.Metrics, c.metric(e, key, b, g, through, units, out.Comparisons))
		}
	}
	return out
}

func (c *capacityPlanner) match(e *Experiment) float64 {
	if share, known := c.forecast.Match[e.Key]; known {
		return share
	}
	return 1
}

func (c *capacityPlanner) role(e *Experiment, key string) Role {
	m := c.plan.Metric(key)
	b := reportBuilder{experiment: e}
	return b.role(m, max(1, len(m.Steps))-1)
}

// groups returns the shares of all units of the control and of the smallest
// treatment that has any, and the number of treatments to compare.
func (c *capacityPlanner) groups(e *Experiment, through float64) (g groups, treatments int) {
	share := func(of *Experiment, i int) float64 {
		return through * float64(of.Buckets.Len()) / NumBuckets * float64(of.Treatments[i].Weight) / float64(of.totalWeight())
	}
	from := 1
	if with := c.plan.Experiment(e.SharedControl); e.SharedControl != "" && with != nil {
		g.control, from = share(with, 0), 0
	} else {
		g.control = share(e, 0)
	}
	for i := from; i < len(e.Treatments); i++ {
		treatments++
		if s := share(e, i); s > 0 && (g.treatment == 0 || s < g.treatment) {
			g.treatment = s
		}
	}
	return g, treatments
}

func (c *capacityPlanner) metric(e *Experiment, key string, b Baseline, g groups, through, units float64, comparisons int) MetricCapacity {
	m := c.plan.Metric(key)
	out := MetricCapacity{Metric: key, Role: c.role(e, key), Effect: m.minimumEffect()}
	alpha := 1 - c.forecast.Level
	switch out.Role {
	case RolePrimary:
		alpha /= float64(comparisons)
	case RoleGuardrail:
		out.Effect, alpha = m.margin(), min(2*alpha, 0.99) // one side of it
	}
	q := question{
		forecast: &c.forecast, effect: out.Effect, level: 1 - alpha, units: units,
		cv:       math.Sqrt(b.Variance*(1-b.Correlation*b.Correlation)) / math.Abs(b.Mean),
		sequence: stats.ConfidenceSequence{Level: c.forecast.Level, TuningN: float64(e.Analysis.PlannedUnits)},
	}
	out.Outlook = q.outlook(g)
	out.SpareLevels = q.spareLevels(g)
	add := func(kind AlternativeKind, g groups) {
		out.Alternatives = append(out.Alternatives, Alternative{kind, q.outlook(g)})
	}
	if own := float64(e.Buckets.Len()) / NumBuckets; own > 0 && e.SharedControl == "" {
		if own < 1 {
			add(WholeLayer, g.scaled(1/own))
		}
		if through < c.match(e) {
			add(OwnLayer, g.scaled(c.match(e)/(own*through)))
		}
	}
	if common, better := c.commonControl(e, through); better {
		add(CommonControl, common)
	}
	add(HalfTheTraffic, g.scaled(0.5))
	return out
}

// commonControl divides the traffic of a layer's experiments among all their
// treatments and one control. It is of use where there are two experiments.
func (c *capacityPlanner) commonControl(e *Experiment, through float64) (groups, bool) {
	buckets, treatments, controls := 0, 0, 0
	for _, other := range c.tree.inLayer[e.Layer] {
		if other.Status == StatusStopped || other.Audience != e.Audience || other.Buckets.IsEmpty() {
			continue
		}
		buckets += other.Buckets.Len()
		treatments += len(other.Treatments)
		if other.SharedControl == "" {
			treatments--
			controls++
		}
	}
	if controls < 2 {
		return groups{}, false
	}
	each := through * float64(buckets) / NumBuckets / float64(treatments+1)
	return groups{each, each}, true
}

// question is an effect that an experiment is to show.
type question struct {
	forecast *Forecast
	effect   float64 // relative
	level    float64 // of the corrected interval
	units    float64 // a day, of all traffic
	cv       float64 // of the metric, after adjustment
	sequence stats.ConfidenceSequence
}

// multiplier is how many standard errors the interval reaches with so many
// units in both arms.
func (q *question) multiplier(units float64) float64 {
	if q.forecast.Inference == OneLook {
		return stats.NormalQuantile(1 - (1-q.level)/2)
	}
	return atLevel(q.sequence, q.level).Multiplier(int64(min(max(units, 1), 1e18)))
}

// detectable is the relative lift that is seen after so many days.
func (q *question) detectable(g groups, days float64) float64 {
	n := q.units * days
	se := q.cv * math.Sqrt(1/(n*g.control)+1/(n*g.treatment))
	return (q.multiplier(n*(g.control+g.treatment)) + stats.NormalQuantile(q.forecast.Power)) * se
}

func (q *question) outlook(g groups) Outlook {
	if !(q.units > 0) || !(g.control > 0) || !(g.treatment > 0) {
		return Outlook{}
	}
	o := Outlook{Detectable: q.detectable(g, float64(q.forecast.Days))}
	// What is detectable falls with every day.
	low, high := 0, maxPlanningDays+1
	for high-low > 1 {
		if middle := (low + high) / 2; q.detectable(g, float64(middle)) <= q.effect {
			high = middle
		} else {
			low = middle
		}
	}
	if high <= maxPlanningDays {
		o.DaysNeeded = high
	}
	return o
}

// spareLevels halves the traffic until the effect is out of reach.
func (q *question) spareLevels(g groups) int {
	levels := -1
	for levels < 60 && q.units > 0 && g.control > 0 && g.treatment > 0 && q.detectable(g, float64(q.forecast.Days)) <= q.effect {
		g = g.scaled(0.5)
		levels++
	}
	return levels
}
