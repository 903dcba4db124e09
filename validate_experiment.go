package strata

import (
	"fmt"
	"maps"
	"slices"

	"github.com/strataxp/strata/internal/makeway"
)

func (v *validator) experiments() {
	v.byKey = make(map[string]*Experiment, len(v.plan.Experiments))
	for i := range v.plan.Experiments {
		x := &v.plan.Experiments[i]
		if v.byKey[x.Key] == nil {
			v.byKey[x.Key] = x
		}
	}
	salts := make(saltOwners)
	salted := anyOf(v.plan.Experiments, func(x *Experiment) bool { return x.Salt != "" })
	for i := range v.plan.Experiments {
		makeway.At(i)
		x := &v.plan.Experiments[i]
		path := v.item("experiments", i)
		v.key(path+".key", x.Key, v.byKey[x.Key] != x)
		v.salt(path+".salt", x.Salt)
		if other := salts.add(salted, x.salt(), x.Key); other != x.Key {
			v.report(path+".salt", x.salt(), "experiment %q has the same salt, so both would draw alike; choose another", other)
		}
		v.experiment(path, x)
	}
}

func (v *validator) experiment(path string, x *Experiment) {
	layer := v.tree.layers[x.Layer]
	if layer == nil {
		v.report(path+".layer", x.Layer, "no layer has this key")
	}
	if x.Phase < 0 {
		v.report(path+".phase", x.Phase, "phases count from 0")
	}
	switch x.Status {
	case "", StatusDraft, StatusRunning, StatusIntakeClosed, StatusStopped:
	default:
		v.report(path+".status", x.Status, "use draft, running, intake_closed or stopped")
	}
	if x.Buckets.meets(x.Draining) {
		v.report(path+".draining", x.Buckets.Intersect(x.Draining).String(), "these buckets are open as well; name each once")
	}
	v.audience(path+".audience", x.Audience)
	v.treatments(path, x, layer)
	v.sharedControl(path, x)
	v.schedule(path+".schedule", x.Schedule)
	v.references(path+".metrics", "metric", x.Metrics, func(key string) bool { return v.metric[key] != nil })
	v.analysis(path, x)
	v.earlier(path, x)
}

// Limits on what a report is broken down by.
const (
	maxBreakdowns     = 10
	maxAttributeBytes = 200
)

func (v *validator) analysis(path string, x *Experiment) {
	v.references(path+".analysis.primary", "metric of the experiment", x.Analysis.Primary, func(key string) bool { return slices.Contains(x.Metrics, key) })
	if x.Analysis.PlannedUnits < 0 {
		v.report(path+".analysis.planned_units", x.Analysis.PlannedUnits, "how many units the experiment is planned for, or zero for the default")
	}
	if n := len(x.Analysis.Breakdowns); n > maxBreakdowns {
		v.report(path+".analysis.breakdowns", n, "at most %d attributes are recorded with an exposure", maxBreakdowns)
	}
	var seen keySet
	for i, name := range x.Analysis.Breakdowns {
		if twice := seen.add(name); twice || !validKey(name) {
			v.report(v.item(path+".analysis.breakdowns", i), name, "name an attribute by letters, digits, '.', '_' and '-', each once")
		}
	}
}

func (v *validator) treatments(path string, x *Experiment, layer *Layer) {
	least := 2
	if x.SharedControl != "" || layer != nil && layer.Launch {
		least = 1
	}
	if n := len(x.Treatments); n < least || n > maxTreatments {
		v.report(path+".treatments", n, "an experiment has %d to %d treatments here", least, maxTreatments)
	}
	var seen keySet
	for j := range x.Treatments {
		t := &x.Treatments[j]
		at := v.item(path+".treatments", j)
		v.key(at+".key", t.Key, seen.add(t.Key))
		if t.Weight < 0 || t.Weight > maxWeight {
			v.report(at+".weight", t.Weight, "weights are integers from 0 to %d", maxWeight)
		}
		v.values(at+".values", t.Values, layer)
	}
	if sum := x.totalWeight(); len(x.Treatments) > 0 && (sum <= 0 || sum > maxTotalWeight) {
		v.report(path+".treatments", sum, "the weights must sum to something from 1 to %d; equal weights of 1 split evenly", maxTotalWeight)
	}
}

func (v *validator) values(path string, values Values, layer *Layer) {
	if !v.words { // in any order
		for key, x := range values {
			v.value("", key, x, layer)
		}
		return
	}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		v.value(fmt.Sprintf("%s[%q]", path, key), key, values[key], layer)
	}
}

func (v *validator) value(path, key string, x any, layer *Layer) {
	param := v.params[key]
	if param == nil {
		v.report(path, x, "no parameter has this key")
		return
	}
	if layer != nil && !slices.Contains(layer.Parameters, key) {
		v.report(path, x, "layer %q does not own this parameter; add it to the layer's parameters or move the experiment", layer.Key)
	}
	if _, err := compileValue(param.Type, x); err != nil {
		v.report(path, x, "%v", err)
	}
}

func (v *validator) sharedControl(path string, x *Experiment) {
	if x.SharedControl == "" {
		return
	}
	path += ".shared_control"
	with := v.byKey[x.SharedControl]
	switch {
	case with == nil:
		v.report(path, x.SharedControl, "no experiment has this key")
	case with == x:
		v.report(path, x.SharedControl, "names the experiment itself; leave it empty")
	case with.SharedControl != "":
		v.report(path, x.SharedControl, "has no control of its own; name %q", with.SharedControl)
	case with.Layer != x.Layer:
		v.report(path, x.SharedControl, "lies in layer %q; a shared control is in the same layer", with.Layer)
	case with.Audience != x.Audience:
		v.report(path, x.SharedControl, "has another audience (%q); the groups would not be comparable", with.Audience)
	case !maps.Equal(touched(with), touched(x)):
		v.report(path, x.SharedControl, "sets other parameters, so its control is exposed at other moments; let both set the same ones")
	case len(with.Treatments) > 0 && x.treatment(with.Treatments[0].Key) >= 0:
		v.report(path, x.SharedControl, "its control %q is a treatment here too; rename that", with.Treatments[0].Key)
	}
}

// touched returns the parameters that any treatment sets.
func touched(x *Experiment) map[string]bool {
	params := make(map[string]bool)
	for i := range x.Treatments {
		for key := range x.Treatments[i].Values {
			params[key] = true
		}
	}
	return params
}

func (v *validator) schedule(path string, s Schedule) {
	if !s.End.IsZero() && !s.End.After(s.Start) {
		v.report(path+".end", s.End, "ends before or when it starts; move it after %v", s.Start)
	}
	for j, step := range s.Ramp {
		at := v.item(path+".ramp", j)
		if !(step.Share > 0 && step.Share <= 1) {
			v.report(at+".share", step.Share, "a share is above 0 and at most 1")
		}
		if step.At.IsZero() {
			v.report(at+".at", nil, "an instant is required")
		}
		if !s.End.IsZero() && !step.At.Before(s.End) {
			v.report(at+".at", step.At, "is not before the end")
		}
		if j > 0 && !(step.Share > s.Ramp[j-1].Share && step.At.After(s.Ramp[j-1].At)) {
			v.report(at, step.Share, "each step is later and larger than the one before; to shrink, change the buckets")
		}
	}
}

func (v *validator) earlier(path string, x *Experiment) {
	for j := range x.Earlier {
		at := v.item(path+".earlier", j)
		v.audience(at+".audience", x.Earlier[j].Audience)
		sum := 0
		for k, w := range x.Earlier[j].Weights {
			if x.treatment(w.Treatment) < 0 {
				v.report(v.item(at+".weights", k)+".treatment", w.Treatment, "no treatment has this key; a treatment whose units are kept stays in the plan, with weight 0")
			}
			if w.Weight < 0 || w.Weight > maxWeight {
				v.report(v.item(at+".weights", k)+".weight", w.Weight, "weights are integers from 0 to %d", maxWeight)
			}
			sum += max(w.Weight, 0)
		}
		if sum <= 0 || sum > maxTotalWeight {
			v.report(at+".weights", sum, "the weights must sum to something from 1 to %d", maxTotalWeight)
		}
	}
}
