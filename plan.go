package strata

import (
	"fmt"
	"time"
)

// Plan is the whole configuration as one versioned document: parameters,
// domains, layers, experiments and metrics. The zero value is a valid plan in
// which nothing runs.
//
// A plan is data. Build it with [NewPlan], as a literal, or with [ParsePlan];
// check it with [Plan.Validate]; store it with [Publish]. The tree is written
// flat: a layer names the domain that it lies in, a domain the layer that it
// takes its traffic from, an experiment its layer. A Plan is not safe for
// concurrent use while somebody changes it.
type Plan struct {
	// Version is assigned by [Publish]. In a plan to be published it is the
	// version that the plan is based on: 0 for the first.
	Version int64 `json:"version,omitempty"`

	// EffectiveAt is when every process switches to this version. The zero
	// time means as soon as each process has loaded it. A version is based on
	// the newest one, also where that one still waits: if it takes effect
	// earlier, it brings the waiting changes with it.
	EffectiveAt time.Time `json:"effective_at,omitzero"`

	Parameters  []Parameter  `json:"parameters,omitempty"`
	Domains     []Domain     `json:"domains,omitempty"`
	Layers      []Layer      `json:"layers,omitempty"`
	Experiments []Experiment `json:"experiments,omitempty"`
	Metrics     []Metric     `json:"metrics,omitempty"`

	// Retired remembers the last phase of experiments that ran and were removed,
	// so that their results are not mixed with those of another experiment of
	// the same key. [Publish] writes it.
	Retired []Retired `json:"retired,omitempty"`

	// Ledger remembers who last held each bucket that was given back, so that
	// buckets rest before they are used again and a report can warn of
	// carry-over. [Publish] writes it.
	Ledger []Tenure `json:"ledger,omitempty"`
}

// Retired is an experiment that ran and is no longer in the plan.
type Retired struct {
	Experiment string `json:"experiment"`
	Phase      int    `json:"phase,omitempty"` // the last one that ran
}

// Parameter is a named, typed value that code reads. What a unit gets is, in
// this order: the value of its experiment's treatment, the value of a launch,
// the parameter's default.
type Parameter struct {
	Key         string    `json:"key"`
	Description string    `json:"description,omitempty"`
	Type        ParamType `json:"type"`

	// Default is a bool, an integer, a number, a string or any JSON value, as
	// Type says.
	Default any `json:"default"`
}

// ParamType is the type of a [Parameter].
type ParamType string

// The types of a parameter. An int is an int64, a float is a float64, and json
// is any JSON document.
const (
	TypeBool   ParamType = "bool"
	TypeInt    ParamType = "int"
	TypeFloat  ParamType = "float"
	TypeString ParamType = "string"
	TypeJSON   ParamType = "json"
)

// Values are parameter values by parameter key, as a [Treatment] sets them.
type Values map[string]any

// Parameter returns the parameter with that key, or nil.
func (p *Plan) Parameter(key string) *Parameter {
	return find(p.Parameters, key, func(x *Parameter) string { return x.Key })
}

// Domain returns the domain with that key, or nil. The root domain is not in
// the plan and has no key.
func (p *Plan) Domain(key string) *Domain {
	return find(p.Domains, key, func(x *Domain) string { return x.Key })
}

// Layer returns the layer with that key, or nil.
func (p *Plan) Layer(key string) *Layer {
	return find(p.Layers, key, func(x *Layer) string { return x.Key })
}

// Experiment returns the experiment with that key, or nil. Changes through the
// pointer change the plan.
func (p *Plan) Experiment(key string) *Experiment {
	return find(p.Experiments, key, func(x *Experiment) string { return x.Key })
}

// Metric returns the metric with that key, or nil.
func (p *Plan) Metric(key string) *Metric {
	return find(p.Metrics, key, func(x *Metric) string { return x.Key })
}

func find[T any](list []T, key string, keyOf func(*T) string) *T {
	for i := range list {
		if keyOf(&list[i]) == key {
			return &list[i]
		}
	}
	return nil
}

// maxPlanBytes bounds the JSON form, so that a runaway generator is an error
// and not an outage. 10,000 experiments take about 5 MB.
const maxPlanBytes = 256 << 20

// ParsePlan reads the JSON form of a plan, which docs/plan.schema.json
// describes. It is strict: an unknown field, a field given twice and text after
// the document are errors. All such problems are reported at once, each with
// its path, in a [PlanError]. The plan itself is not validated; see
// [Plan.Validate].
func ParsePlan(data []byte) (*Plan, error) {
	p := new(Plan)
	if err := p.UnmarshalJSON(data); err != nil {
		return nil, err
	}
	return p, nil
}

// UnmarshalJSON is [ParsePlan] for a plan inside another document.
func (p *Plan) UnmarshalJSON(data []byte) error {
	if len(data) > maxPlanBytes {
		return fmt.Errorf("%w: the document has %d bytes, the limit is %d", ErrInvalidPlan, len(data), maxPlanBytes)
	}
	q, err := readPlan(data)
	if err != nil {
		return err
	}
	*p = *q
	return nil
}
