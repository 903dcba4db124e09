package strata_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/strataxp/strata"
)

// layeredPlan has n experiments, each on all traffic of a layer of its own.
func layeredPlan(n int) *strata.Plan {
	p := &strata.Plan{}
	for i := range n {
		param, layer := fmt.Sprintf("param-%d", i), fmt.Sprintf("layer-%d", i)
		p.Parameters = append(p.Parameters, strata.Parameter{Key: param, Type: strata.TypeString, Default: "off"})
		p.Layers = append(p.Layers, strata.Layer{Key: layer, Diversion: strata.ByUser, Parameters: []string{param}})
		p.Experiments = append(p.Experiments, strata.Experiment{
			Key: fmt.Sprintf("exp-%d", i), Layer: layer, Status: strata.StatusRunning, Buckets: strata.AllBuckets(),
			Treatments: []strata.Treatment{{Key: "off", Weight: 1}, {Key: "on", Weight: 1, Values: strata.Values{param: "on"}}},
		})
	}
	return p
}

// onPlans measures something done to plans of 100, 1,000 and 10,000 experiments.
func onPlans(b *testing.B, do func(p *strata.Plan, text []byte) error) {
	for _, n := range []int{100, 1_000, 10_000} {
		plan := layeredPlan(n)
		text, err := json.Marshal(plan)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("experiments=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := do(plan, text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkLoad is what a process does with a plan that it was sent: read it,
// validate it and compile it.
func BenchmarkLoad(b *testing.B) {
	onPlans(b, func(_ *strata.Plan, text []byte) error {
		p, err := strata.ParsePlan(text)
		if err != nil {
			return err
		}
		_, err = strata.Compile(p, time.Unix(0, 0))
		return err
	})
}

// BenchmarkParsePlan reads a plan's JSON form.
func BenchmarkParsePlan(b *testing.B) {
	onPlans(b, func(_ *strata.Plan, text []byte) error {
		_, err := strata.ParsePlan(text)
		return err
	})
}

// BenchmarkValidate checks a plan that has nothing wrong.
func BenchmarkValidate(b *testing.B) {
	onPlans(b, func(p *strata.Plan, _ []byte) error { return p.Validate() })
}

// BenchmarkClone copies a plan.
func BenchmarkClone(b *testing.B) {
	onPlans(b, func(p *strata.Plan, _ []byte) error {
		_, err := p.Clone()
		return err
	})
}

// BenchmarkMarshalPlan writes a plan's JSON form.
func BenchmarkMarshalPlan(b *testing.B) {
	onPlans(b, func(p *strata.Plan, _ []byte) error {
		_, err := json.Marshal(p)
		return err
	})
}

// BenchmarkBuild builds a plan of 100 experiments, each on all buckets of a layer.
func BenchmarkBuild(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		sinkInt = len(benchPlan(100, "").Experiments)
	}
}
