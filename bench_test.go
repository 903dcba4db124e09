package strata_test

import (
	"context"
	"fmt"
	"math/bits"
	"runtime"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/memstore"
)

// The numbers of the README come from:
//
//	go test -run '^$' -bench . -count 6 .
//
// On a shared machine only ratios to BenchmarkFloor of the same run mean much.

const benchUnits = 1024 // a power of two

// benchIDs are 36 bytes long, like UUIDs.
func benchIDs() []string {
	ids := make([]string, benchUnits)
	for i := range ids {
		ids[i] = fmt.Sprintf("%08x-1f2e-4d3c-8b5a-%012x", i*0x9E3779B1&0xffffffff, i*7919)
	}
	return ids
}

// discard takes everything in and keeps nothing.
type discard struct{ strata.Store }

func (discard) Ingest(context.Context, strata.Batch) error { return nil }

// benchPlan has one experiment a layer, each with a parameter of its own.
func benchPlan(layers int, audience string) *strata.Plan {
	b := strata.NewPlan()
	for i := range layers {
		param := fmt.Sprintf("param-%d", i)
		b.String(param, "off")
		b.Layer(fmt.Sprintf("layer-%d", i), strata.ByUser, param).
			Experiment(fmt.Sprintf("exp-%d", i), 1).
			Treatment("off", 1, nil).
			Treatment("on", 1, strata.Values{param: "on"}).
			Audience(audience).
			Running()
	}
	plan, err := b.Build()
	if err != nil {
		panic(err)
	}
	return plan
}

func benchEngine(tb testing.TB, plan *strata.Plan) *strata.Engine {
	tb.Helper()
	ctx := context.Background()
	store := discard{memstore.New()}
	if _, err := strata.Publish(ctx, store, plan, strata.PublishOptions{Author: "bench", Message: "bench"}); err != nil {
		tb.Fatal(err)
	}
	eng, err := strata.Open(ctx, store, strata.Config{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _, _ = eng.Close(context.Background()) })
	return eng
}

// Sinks keep the compiler from dropping what is measured.
var (
	sinkString string
	sinkInt    int
)

// BenchmarkFloor is what no assignment can beat: one hash of the id and one
// look-up of the experiment's name.
//
// It counts by itself: b.Loop costs about as much as what is to be measured.
func BenchmarkFloor(b *testing.B) {
	work := floorOfOne(benchIDs())
	b.ReportAllocs()
	work(b.N)
}

func floorOfOne(ids []string) func(n int) {
	experiments := map[string]uint64{}
	for i := range 100 {
		experiments[fmt.Sprintf("exp-%d", i)] = uint64(i)
	}
	return func(n int) {
		var x uint64
		for i := range n {
			x += xxhash.Sum64String(ids[i&(benchUnits-1)]) ^ experiments["exp-0"]
		}
		sinkInt = int(x)
	}
}

// BenchmarkFloorAll is what no set of decisions can beat: one hash of the id, and for
// each of a hundred seeds a mix and a choice between two treatments.
func BenchmarkFloorAll(b *testing.B) {
	work := floorOfAll(benchIDs())
	b.ReportAllocs()
	work(b.N)
}

func floorOfAll(ids []string) func(n int) {
	seeds := make([]uint64, 100)
	for i := range seeds {
		seeds[i] = xxhash.Sum64String(fmt.Sprintf("exp-%d", i))
	}
	return func(n int) {
		second := 0
		for i := range n {
			h := xxhash.Sum64String(ids[i&(benchUnits-1)])
			for _, seed := range seeds {
				v := h ^ seed
				v = (v ^ v>>30) * 0xBF58476D1CE4E5B9
				v = (v ^ v>>27) * 0x94D049BB133111EB
				at, _ := bits.Mul64(v^v>>31, 2)
				second += int(at)
			}
		}
		sinkInt = second
	}
}

// BenchmarkAssign reads one experiment of one unit through the engine, exposure
// filter included.
func BenchmarkAssign(b *testing.B) {
	for _, layers := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("layers=%d", layers), func(b *testing.B) {
			eng, ids := benchEngine(b, benchPlan(layers, "")), benchIDs()
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				a := eng.Assign(strata.Unit{User: ids[i&(benchUnits-1)]})
				sinkString = a.Treatment("exp-0")
			}
		})
	}
}

// BenchmarkAssignParallel is BenchmarkAssign on all cores at once: time per
// operation must fall in proportion.
func BenchmarkAssignParallel(b *testing.B) {
	eng, ids := benchEngine(b, benchPlan(100, "")), benchIDs()
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		treatment := ""
		for i := 0; pb.Next(); i++ {
			a := eng.Assign(strata.Unit{User: ids[i&(benchUnits-1)]})
			treatment = a.Treatment("exp-0")
		}
		runtime.KeepAlive(treatment)
	})
}

// BenchmarkAssignAll takes every layer's decision for one unit.
func BenchmarkAssignAll(b *testing.B) {
	for _, layers := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("layers=%d", layers), func(b *testing.B) {
			eng, ids := benchEngine(b, benchPlan(layers, "")), benchIDs()
			b.ReportAllocs()
			n := 0
			for i := 0; b.Loop(); i++ {
				a := eng.Assign(strata.Unit{User: ids[i&(benchUnits-1)]})
				for d := range a.All() {
					n += len(d.Treatment()) // reads it, without a branch that would be mispredicted
				}
			}
			sinkInt = n
		})
	}
}

// BenchmarkTypedParam reads a parameter through a handle.
func BenchmarkTypedParam(b *testing.B) {
	for _, layers := range []int{1, 100} {
		b.Run(fmt.Sprintf("layers=%d", layers), func(b *testing.B) {
			eng, ids := benchEngine(b, benchPlan(layers, "")), benchIDs()
			param := strata.StringParam("param-0", "off")
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				sinkString = param.Get(eng.Assign(strata.Unit{User: ids[i&(benchUnits-1)]}))
			}
		})
	}
}

// BenchmarkAudience is BenchmarkAssign with a condition on two attributes.
func BenchmarkAudience(b *testing.B) {
	for _, audience := range []string{"", `country in ["DE", "AT"] && app_version >= 5`} {
		name := "conditions=0"
		if audience != "" {
			name = "conditions=2"
		}
		b.Run(name, func(b *testing.B) {
			eng, ids := benchEngine(b, benchPlan(1, audience)), benchIDs()
			attributes := map[string]any{"country": "AT", "app_version": 7}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				a := eng.Assign(strata.Unit{User: ids[i&(benchUnits-1)], Attributes: attributes})
				sinkString = a.Treatment("exp-0")
			}
		})
	}
}

// BenchmarkTrack takes a purchase in. The store is one that keeps up.
func BenchmarkTrack(b *testing.B) {
	eng, ids := benchEngine(b, benchPlan(1, "")), benchIDs()
	b.ReportAllocs()
	refused := 0
	for i := 0; b.Loop(); i++ {
		a := eng.Assign(strata.Unit{User: ids[i&(benchUnits-1)]})
		if a.Track(strata.Purchase{OrderID: "order", Total: 49_99, Currency: "EUR"}) != nil {
			refused++
		}
	}
	b.ReportMetric(float64(refused)/float64(b.N), "refused/op")
}

// BenchmarkCompile validates and compiles a plan with 100 experiments a layer.
func BenchmarkCompile(b *testing.B) {
	for _, n := range []int{1_000, 10_000} {
		b.Run(fmt.Sprintf("experiments=%d", n), func(b *testing.B) {
			plan := widePlan(b, n)
			b.ReportAllocs()
			for b.Loop() {
				snap, err := strata.Compile(plan, time.Unix(0, 0))
				if err != nil {
					b.Fatal(err)
				}
				sinkInt = int(snap.Version())
			}
		})
	}
}

// widePlan has n experiments of 1 % each.
func widePlan(tb testing.TB, n int) *strata.Plan {
	tb.Helper()
	p := &strata.Plan{}
	for i := range n {
		layer, at := fmt.Sprintf("layer-%d", i/100), i%100*100
		param := fmt.Sprintf("param-%d", i/100)
		if i%100 == 0 {
			p.Parameters = append(p.Parameters, strata.Parameter{Key: param, Type: strata.TypeString, Default: "off"})
			p.Layers = append(p.Layers, strata.Layer{Key: layer, Parameters: []string{param}})
		}
		p.Experiments = append(p.Experiments, strata.Experiment{
			Key: fmt.Sprintf("exp-%d", i), Layer: layer, Status: strata.StatusRunning,
			Buckets: strata.BucketRange(at, at+100),
			Treatments: []strata.Treatment{
				{Key: "off", Weight: 1},
				{Key: "on", Weight: 1, Values: strata.Values{param: "on"}},
			},
		})
	}
	return p
}
