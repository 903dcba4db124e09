package strata

import "github.com/strataxp/strata/internal/jsonread"

// The tables that a plan is read by: of each type, its fields as its JSON tags name
// them, in the order of the type. A test compares them with the tags.

// planReader reads one plan. Short lists are cut from slabs.
type planReader struct {
	jsonread.Reader
	treatments jsonread.Slab[Treatment]
	weights    jsonread.Slab[Weight]
	strings    jsonread.Slab[string]
}

type readField[T any] = jsonread.Field[*planReader, T]

func (r *planReader) keys(into *[]string) { jsonread.List(r, &r.strings, into, readKey) }

func readKey(r *planReader, into *string) { jsonread.String(r, into) }

var planFields = []readField[Plan]{
	{Name: "version", Read: func(r *planReader, p *Plan) { jsonread.Int(r, &p.Version) }},
	{Name: "effective_at", Read: func(r *planReader, p *Plan) { r.instant(&p.EffectiveAt) }},
	{Name: "parameters", Read: func(r *planReader, p *Plan) { jsonread.Rows(r, &p.Parameters, readParameter) }},
	{Name: "domains", Read: func(r *planReader, p *Plan) { jsonread.Rows(r, &p.Domains, readDomain) }},
	{Name: "layers", Read: func(r *planReader, p *Plan) { jsonread.Rows(r, &p.Layers, readLayer) }},
	{Name: "experiments", Read: func(r *planReader, p *Plan) { jsonread.Rows(r, &p.Experiments, readExperiment) }},
	{Name: "metrics", Read: func(r *planReader, p *Plan) { jsonread.Rows(r, &p.Metrics, readMetric) }},
	{Name: "retired", Read: func(r *planReader, p *Plan) { jsonread.Rows(r, &p.Retired, readRetired) }},
	{Name: "ledger", Read: func(r *planReader, p *Plan) { jsonread.Rows(r, &p.Ledger, readTenure) }},
}

var parameterFields = []readField[Parameter]{
	{Name: "key", Read: func(r *planReader, x *Parameter) { jsonread.String(r, &x.Key) }},
	{Name: "description", Read: func(r *planReader, x *Parameter) { jsonread.String(r, &x.Description) }},
	{Name: "type", Read: func(r *planReader, x *Parameter) { jsonread.String(r, &x.Type) }},
	{Name: "default", Read: func(r *planReader, x *Parameter) { r.Any(&x.Default) }},
}

var domainFields = []readField[Domain]{
	{Name: "key", Read: func(r *planReader, d *Domain) { jsonread.String(r, &d.Key) }},
	{Name: "description", Read: func(r *planReader, d *Domain) { jsonread.String(r, &d.Description) }},
	{Name: "layer", Read: func(r *planReader, d *Domain) { jsonread.String(r, &d.Layer) }},
	{Name: "buckets", Read: func(r *planReader, d *Domain) { r.buckets(&d.Buckets) }},
	{Name: "draining", Read: func(r *planReader, d *Domain) { r.buckets(&d.Draining) }},
}

var layerFields = []readField[Layer]{
	{Name: "key", Read: func(r *planReader, l *Layer) { jsonread.String(r, &l.Key) }},
	{Name: "description", Read: func(r *planReader, l *Layer) { jsonread.String(r, &l.Description) }},
	{Name: "domain", Read: func(r *planReader, l *Layer) { jsonread.String(r, &l.Domain) }},
	{Name: "salt", Read: func(r *planReader, l *Layer) { jsonread.String(r, &l.Salt) }},
	{Name: "diversion", Read: func(r *planReader, l *Layer) { jsonread.String(r, &l.Diversion) }},
	{Name: "parameters", Read: func(r *planReader, l *Layer) { r.keys(&l.Parameters) }},
	{Name: "launch", Read: func(r *planReader, l *Layer) { r.Bool(&l.Launch) }},
}

var experimentFields = []readField[Experiment]{
	{Name: "key", Read: func(r *planReader, e *Experiment) { jsonread.String(r, &e.Key) }},
	{Name: "description", Read: func(r *planReader, e *Experiment) { jsonread.String(r, &e.Description) }},
	{Name: "layer", Read: func(r *planReader, e *Experiment) { jsonread.String(r, &e.Layer) }},
	{Name: "salt", Read: func(r *planReader, e *Experiment) { jsonread.String(r, &e.Salt) }},
	{Name: "phase", Read: func(r *planReader, e *Experiment) { jsonread.Int(r, &e.Phase) }},
	{Name: "status", Read: func(r *planReader, e *Experiment) { jsonread.String(r, &e.Status) }},
	{Name: "buckets", Read: func(r *planReader, e *Experiment) { r.buckets(&e.Buckets) }},
	{Name: "treatments", Read: func(r *planReader, e *Experiment) { jsonread.List(r, &r.treatments, &e.Treatments, readTreatment) }},
	{Name: "shared_control", Read: func(r *planReader, e *Experiment) { jsonread.String(r, &e.SharedControl) }},
	{Name: "audience", Read: func(r *planReader, e *Experiment) { jsonread.String(r, &e.Audience) }},
	{Name: "schedule", Read: func(r *planReader, e *Experiment) { jsonread.Object(r, scheduleFields, &e.Schedule) }},
	{Name: "metrics", Read: func(r *planReader, e *Experiment) { r.keys(&e.Metrics) }},
	{Name: "analysis", Read: func(r *planReader, e *Experiment) { jsonread.Object(r, analysisFields, &e.Analysis) }},
	{Name: "draining", Read: func(r *planReader, e *Experiment) { r.buckets(&e.Draining) }},
	{Name: "earlier", Read: func(r *planReader, e *Experiment) { jsonread.Rows(r, &e.Earlier, readAllocation) }},
	{Name: "history", Read: func(r *planReader, e *Experiment) { jsonread.Object(r, historyFields, &e.History) }},
}

var treatmentFields = []readField[Treatment]{
	{Name: "key", Read: func(r *planReader, t *Treatment) { jsonread.String(r, &t.Key) }},
	{Name: "description", Read: func(r *planReader, t *Treatment) { jsonread.String(r, &t.Description) }},
	{Name: "weight", Read: func(r *planReader, t *Treatment) { jsonread.Int(r, &t.Weight) }},
	{Name: "values", Read: func(r *planReader, t *Treatment) { jsonread.Map(r, &t.Values) }},
}

var scheduleFields = []readField[Schedule]{
	{Name: "start", Read: func(r *planReader, x *Schedule) { r.instant(&x.Start) }},
	{Name: "end", Read: func(r *planReader, x *Schedule) { r.instant(&x.End) }},
	{Name: "ramp", Read: func(r *planReader, x *Schedule) { jsonread.Rows(r, &x.Ramp, readRampStep) }},
}

var rampStepFields = []readField[RampStep]{
	{Name: "at", Read: func(r *planReader, x *RampStep) { r.instant(&x.At) }},
	{Name: "share", Read: func(r *planReader, x *RampStep) { r.Float(&x.Share) }},
}

var analysisFields = []readField[Analysis]{
	{Name: "primary", Read: func(r *planReader, a *Analysis) { r.keys(&a.Primary) }},
	{Name: "planned_units", Read: func(r *planReader, a *Analysis) { jsonread.Int(r, &a.PlannedUnits) }},
	{Name: "breakdowns", Read: func(r *planReader, a *Analysis) { r.keys(&a.Breakdowns) }},
}

var allocationFields = []readField[Allocation]{
	{Name: "weights", Read: func(r *planReader, a *Allocation) { jsonread.List(r, &r.weights, &a.Weights, readWeight) }},
	{Name: "audience", Read: func(r *planReader, a *Allocation) { jsonread.String(r, &a.Audience) }},
}

var weightFields = []readField[Weight]{
	{Name: "treatment", Read: func(r *planReader, w *Weight) { jsonread.String(r, &w.Treatment) }},
	{Name: "weight", Read: func(r *planReader, w *Weight) { jsonread.Int(r, &w.Weight) }},
}

var historyFields = []readField[History]{
	{Name: "begun", Read: func(r *planReader, h *History) { r.Bool(&h.Begun) }},
	{Name: "resized", Read: func(r *planReader, h *History) { r.Bool(&h.Resized) }},
	{Name: "end_moved", Read: func(r *planReader, h *History) { r.Bool(&h.EndMoved) }},
	{Name: "stopped_early", Read: func(r *planReader, h *History) { r.Bool(&h.StoppedEarly) }},
	{Name: "analysis_changed", Read: func(r *planReader, h *History) { r.Bool(&h.AnalysisChanged) }},
	{Name: "keep_from", Read: func(r *planReader, h *History) { jsonread.Int(r, &h.KeepFrom) }},
	{Name: "keep_before", Read: func(r *planReader, h *History) { jsonread.Int(r, &h.KeepBefore) }},
}

var metricFields = []readField[Metric]{
	{Name: "key", Read: func(r *planReader, m *Metric) { jsonread.String(r, &m.Key) }},
	{Name: "description", Read: func(r *planReader, m *Metric) { jsonread.String(r, &m.Description) }},
	{Name: "type", Read: func(r *planReader, m *Metric) { jsonread.String(r, &m.Type) }},
	{Name: "measure", Read: func(r *planReader, m *Metric) { jsonread.Object(r, measureFields, &m.Measure) }},
	{Name: "denominator", Read: func(r *planReader, m *Metric) {
		m.Denominator = new(Measure)
		jsonread.Object(r, measureFields, m.Denominator)
	}},
	{Name: "steps", Read: func(r *planReader, m *Metric) { jsonread.Rows(r, &m.Steps, readStep) }},
	{Name: "window", Read: func(r *planReader, m *Metric) { r.duration(&m.Window) }},
	{Name: "direction", Read: func(r *planReader, m *Metric) { jsonread.String(r, &m.Direction) }},
	{Name: "cap", Read: func(r *planReader, m *Metric) { r.Float(&m.Cap) }},
	{Name: "pre_period", Read: func(r *planReader, m *Metric) { r.duration(&m.PrePeriod) }},
	{Name: "minimum_effect", Read: func(r *planReader, m *Metric) { r.Float(&m.MinimumEffect) }},
	{Name: "guardrail", Read: func(r *planReader, m *Metric) { r.Bool(&m.Guardrail) }},
	{Name: "margin", Read: func(r *planReader, m *Metric) { r.Float(&m.Margin) }},
}

var measureFields = []readField[Measure]{
	{Name: "event", Read: func(r *planReader, m *Measure) { jsonread.String(r, &m.Event) }},
	{Name: "name", Read: func(r *planReader, m *Measure) { jsonread.String(r, &m.Name) }},
	{Name: "value", Read: func(r *planReader, m *Measure) { jsonread.String(r, &m.Value) }},
	{Name: "currency", Read: func(r *planReader, m *Measure) { jsonread.String(r, &m.Currency) }},
}

var stepFields = []readField[Step]{
	{Name: "event", Read: func(r *planReader, x *Step) { jsonread.String(r, &x.Event) }},
	{Name: "name", Read: func(r *planReader, x *Step) { jsonread.String(r, &x.Name) }},
	{Name: "within", Read: func(r *planReader, x *Step) { r.duration(&x.Within) }},
}

var retiredFields = []readField[Retired]{
	{Name: "experiment", Read: func(r *planReader, x *Retired) { jsonread.String(r, &x.Experiment) }},
	{Name: "phase", Read: func(r *planReader, x *Retired) { jsonread.Int(r, &x.Phase) }},
}

var tenureFields = []readField[Tenure]{
	{Name: "layer", Read: func(r *planReader, t *Tenure) { jsonread.String(r, &t.Layer) }},
	{Name: "holder", Read: func(r *planReader, t *Tenure) { jsonread.String(r, &t.Holder) }},
	{Name: "phase", Read: func(r *planReader, t *Tenure) { jsonread.Int(r, &t.Phase) }},
	{Name: "buckets", Read: func(r *planReader, t *Tenure) { r.buckets(&t.Buckets) }},
	{Name: "until", Read: func(r *planReader, t *Tenure) { r.instant(&t.Until) }},
}

func readParameter(r *planReader, into *Parameter)   { jsonread.Object(r, parameterFields, into) }
func readDomain(r *planReader, into *Domain)         { jsonread.Object(r, domainFields, into) }
func readLayer(r *planReader, into *Layer)           { jsonread.Object(r, layerFields, into) }
func readExperiment(r *planReader, into *Experiment) { jsonread.Object(r, experimentFields, into) }
func readTreatment(r *planReader, into *Treatment)   { jsonread.Object(r, treatmentFields, into) }
func readRampStep(r *planReader, into *RampStep)     { jsonread.Object(r, rampStepFields, into) }
func readAllocation(r *planReader, into *Allocation) { jsonread.Object(r, allocationFields, into) }
func readWeight(r *planReader, into *Weight)         { jsonread.Object(r, weightFields, into) }
func readMetric(r *planReader, into *Metric)         { jsonread.Object(r, metricFields, into) }
func readStep(r *planReader, into *Step)             { jsonread.Object(r, stepFields, into) }
func readRetired(r *planReader, into *Retired)       { jsonread.Object(r, retiredFields, into) }
func readTenure(r *planReader, into *Tenure)         { jsonread.Object(r, tenureFields, into) }
