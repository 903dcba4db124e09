package strata

import (
	"math"
	"slices"
)

func (v *validator) metrics() {
	v.metric = make(map[string]*Metric, len(v.plan.Metrics))
	for i := range v.plan.Metrics {
		x := &v.plan.Metrics[i]
		path := v.item("metrics", i)
		v.key(path+".key", x.Key, v.metric[x.Key] != nil)
		v.metric[x.Key] = x
		v.metricShape(path, x)
		if x.Window < 0 {
			v.report(path+".window", x.Window.String(), "a window is positive, or zero for no end")
		}
		if x.Direction != "" && x.Direction != Increase && x.Direction != Decrease {
			v.report(path+".direction", x.Direction, "use increase or decrease")
		}
		v.cap(path+".cap", x)
		v.prePeriod(path+".pre_period", x)
		v.stakes(path, x)
	}
}

// prePeriod checks the time before the exposure that CUPED adjusts by.
func (v *validator) prePeriod(path string, x *Metric) {
	switch {
	case x.PrePeriod < 0:
		v.report(path, x.PrePeriod.String(), "a pre-period is positive, or zero for none")
	case x.PrePeriod > 0 && (x.Type == MetricMean || x.Type == MetricFunnel):
		v.report(path, x.PrePeriod.String(), "a pre-period is for a conversion, count, sum or ratio")
	}
}

// stakes checks what a metric's verdict goes by.
func (v *validator) stakes(path string, x *Metric) {
	if !(x.MinimumEffect >= 0 && x.MinimumEffect <= 10) {
		v.report(path+".minimum_effect", x.MinimumEffect, "use a relative lift such as 0.02 for two percent, at most 10, or zero for the default")
	}
	switch {
	case !(x.Margin >= 0 && x.Margin < 1):
		v.report(path+".margin", x.Margin, "use a relative loss below 1, such as 0.01 for one percent, or zero for the default")
	case x.Margin > 0 && !x.Guardrail:
		v.report(path+".margin", x.Margin, "only a guardrail has a margin; set guardrail")
	}
}

// cap checks the largest total that a unit may contribute.
func (v *validator) cap(path string, x *Metric) {
	capped := x.Type == MetricCount || x.Type == MetricSum
	whole := x.Measure.Value == ValueAmount || x.Cap == math.Trunc(x.Cap)
	switch {
	case x.Cap == 0:
	case !capped || !(x.Cap > 0 && x.Cap < 1e18):
		v.report(path, x.Cap, "a cap is a positive number, on a count or sum")
	case !whole:
		v.report(path, x.Cap, "use a whole number: this metric counts in whole ones, money in minor units")
	}
}

// metricShape checks that the fields that the type needs are there, and no
// others.
func (v *validator) metricShape(path string, x *Metric) {
	switch x.Type {
	case MetricConversion, MetricCount:
		v.measure(path+".measure", x.Measure, false)
	case MetricSum, MetricMean:
		v.measure(path+".measure", x.Measure, true)
	case MetricRatio:
		v.measure(path+".measure", x.Measure, x.Measure.Value != ValueNumber)
		if x.Denominator == nil {
			v.report(path+".denominator", nil, "a ratio needs one")
		} else {
			v.measure(path+".denominator", *x.Denominator, x.Denominator.Value != ValueNumber)
		}
	case MetricFunnel:
		v.steps(path, x)
	default:
		v.report(path+".type", x.Type, "use conversion, count, sum, mean, ratio or funnel")
		return
	}
	if x.Denominator != nil && x.Type != MetricRatio {
		v.report(path+".denominator", nil, "only a ratio has one")
	}
	if len(x.Steps) > 0 && x.Type != MetricFunnel {
		v.report(path+".steps", len(x.Steps), "only a funnel has steps")
	}
}

const maxSteps = 20

func (v *validator) steps(path string, x *Metric) {
	if len(x.Steps) < 1 || len(x.Steps) > maxSteps {
		v.report(path+".steps", len(x.Steps), "a funnel has 1 to %d steps", maxSteps)
	}
	if !x.Measure.IsZero() {
		v.report(path+".measure", nil, "a funnel has steps in its place")
	}
	for j, s := range x.Steps {
		at := v.item(path+".steps", j)
		v.eventKind(at, s.Event, s.Name)
		if s.Within < 0 {
			v.report(at+".within", s.Within.String(), "a duration is positive, or zero for no limit")
		}
	}
}

// measureValues are what can be added up over events of a kind.
var measureValues = map[Kind][]MeasureValue{
	KindPurchase:   {ValueTotal, ValueDiscount, ValueItems},
	KindConversion: {ValueAmount},
	KindCustom:     {ValueAmount},
}

func (v *validator) measure(path string, m Measure, needsValue bool) {
	v.eventKind(path, m.Event, m.Name)
	allowed := measureValues[m.Event]
	switch {
	case !needsValue && m.Value != ValueNumber:
		v.report(path+".value", m.Value, "a conversion or count counts events; leave it empty or use a sum")
	case needsValue && !slices.Contains(allowed, m.Value):
		v.report(path+".value", m.Value, "events of kind %q have these values: %v", m.Event, allowed)
	}
	money := m.isMoney()
	switch {
	case money && !validCurrency(m.Currency):
		v.report(path+".currency", m.Currency, "money needs a currency of three capital letters, such as EUR; amounts of different currencies are never added")
	case m.Currency != "" && m.Event != KindPurchase:
		v.report(path+".currency", m.Currency, "only purchases have a currency")
	case m.Currency != "" && !validCurrency(m.Currency):
		v.report(path+".currency", m.Currency, "use three capital letters, such as EUR")
	}
}

func (v *validator) eventKind(path string, k Kind, name string) {
	switch k {
	case KindPageView, KindClick, KindConversion, KindCustom:
	case KindPurchase:
		if name != "" {
			v.report(path+".name", name, "purchases have no name")
		}
	default:
		v.report(path+".event", k, "use page_view, click, purchase, conversion or custom")
	}
}
