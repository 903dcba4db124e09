// Memory serves visitors whom it has never seen before, as fast as the machine can, while
// the plan changes every second, and says what that does to the memory of the process.
// It fails when memory grows with the number of visitors.
//
//	go -C bench run ./memory                 half a minute
//	go -C bench run ./memory -for 1h         a soak
//
// Each visit is assigned, reads ten parameters of as many experiments, views a page, and
// one in twenty buys. The store takes everything in and keeps nothing, so that what
// is seen is the engine's own.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/bench/internal/machine"
	"github.com/strataxp/strata/memstore"
)

// numLayers is how many layers the plan has, each with one experiment and one parameter.
const numLayers = 10

// tolerance is by how much the second half of a run may exceed the first: the collector
// lets the heap swing.
const tolerance = 1.25

// discard takes everything in and keeps nothing.
type discard struct{ strata.Store }

func (discard) Ingest(context.Context, strata.Batch) error { return nil }

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "memory:", err)
		}
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("memory", flag.ContinueOnError)
	length := flags.Duration("for", 30*time.Second, "how long")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), *length)
	defer cancel()
	s := &soak{store: memstore.New()}
	if err := s.open(ctx); err != nil {
		return err
	}
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() { s.visit(ctx) })
	}
	samples, err := s.watch(ctx, *length/40)
	cancel()
	all.Wait()
	_, closeErr := s.engine.Close(context.Background())
	if err := errors.Join(err, closeErr); err != nil {
		return err
	}
	return s.report(out, samples)
}

// soak is a run.
type soak struct {
	store  *memstore.Store
	engine *strata.Engine
	params []*strata.Param[string]
	visits atomic.Int64
	waited atomic.Int64
}

func plan(version int64) *strata.Plan {
	p := &strata.Plan{Version: version}
	for i := range numLayers {
		param, key := fmt.Sprintf("param-%d", i), fmt.Sprintf("layer-%d", i)
		p.Parameters = append(p.Parameters, strata.Parameter{Key: param, Type: strata.TypeString, Default: "off"})
		p.Layers = append(p.Layers, strata.Layer{Key: key, Parameters: []string{param}})
		p.Experiments = append(p.Experiments, strata.Experiment{
			Key: fmt.Sprintf("exp-%d", i), Layer: key, Status: strata.StatusRunning, Buckets: strata.AllBuckets(),
			Description: fmt.Sprintf("as of version %d", version),
			Treatments:  []strata.Treatment{{Key: "off", Weight: 1}, {Key: "on", Weight: 1, Values: strata.Values{param: "on"}}},
		})
	}
	return p
}

func (s *soak) open(ctx context.Context) (err error) {
	if err := s.publish(ctx, 0); err != nil {
		return err
	}
	for i := range numLayers {
		s.params = append(s.params, strata.StringParam(fmt.Sprintf("param-%d", i), "off"))
	}
	s.engine, err = strata.Open(ctx, discard{s.store}, strata.Config{})
	return err
}

func (s *soak) publish(ctx context.Context, version int64) error {
	_, err := strata.Publish(ctx, s.store, plan(version), strata.PublishOptions{Author: "bench", Message: "soak"})
	return err
}

// visit serves visitors until ctx is done.
func (s *soak) visit(ctx context.Context) {
	for ctx.Err() == nil {
		n := s.visits.Add(1)
		a := s.engine.Assign(strata.Unit{User: fmt.Sprintf("%016x-visitor-of-the-soak", uint64(n)*0x9E3779B97F4A7C15)})
		for _, p := range s.params {
			p.Get(a)
		}
		s.track(ctx, a, strata.PageView{Page: "/product"})
		if n%20 == 0 {
			s.track(ctx, a, strata.Purchase{OrderID: fmt.Sprint(n), Total: 49_99, Currency: "EUR"})
		}
	}
}

// track has visitors wait where the buffer is full, so that they come as fast as events
// are written, and no faster.
func (s *soak) track(ctx context.Context, a *strata.Assignment, e strata.Event) {
	for errors.Is(a.Track(e), strata.ErrBufferFull) && ctx.Err() == nil {
		s.waited.Add(1)
		//lint:ignore errcheck the next try shows whether there is room
		_, _ = s.engine.Flush(ctx)
	}
}

// sample is the memory of the process at a time.
type sample struct {
	visits   int64
	live     uint64 // bytes of the heap that the last collection found in use
	resident uint64 // bytes that the kernel has given to the process
	version  int64
}

// watch takes samples, and publishes a plan every second, until ctx is done.
func (s *soak) watch(ctx context.Context, every time.Duration) ([]sample, error) {
	var samples []sample
	sampling, publishing := time.NewTicker(every), time.NewTicker(time.Second)
	defer sampling.Stop()
	defer publishing.Stop()
	for {
		select {
		case <-ctx.Done():
			return samples, nil
		case <-sampling.C:
			next, err := s.sample()
			if err != nil {
				return nil, err
			}
			samples = append(samples, next)
		case <-publishing.C:
			if err := errors.Join(s.publish(context.Background(), s.engine.Status().Version), s.engine.Refresh(context.Background())); err != nil {
				return nil, err
			}
		}
	}
}

func (s *soak) sample() (sample, error) {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	resident, err := machine.Resident()
	return sample{visits: s.visits.Load(), live: live[0].Value.Uint64(), resident: resident, version: s.engine.Status().Version}, err
}

// report writes the samples, and an error when the second half is larger than the first.
// The first fifth is left out: buffers and the exposure filter fill up then.
func (s *soak) report(out io.Writer, samples []sample) error {
	var text strings.Builder
	fmt.Fprintf(&text, "- %s\n\n| visitors, each new | plan version | heap in use | resident |\n|--:|--:|--:|--:|\n", machine.Line(time.Now()))
	const mib = 1 << 20
	for _, x := range samples {
		fmt.Fprintf(&text, "| %d | %d | %.1f MiB | %.1f MiB |\n", x.visits, x.version, float64(x.live)/mib, float64(x.resident)/mib)
	}
	fmt.Fprintf(&text, "\nThe buffer was full %d times, and visitors waited for it.\n", s.waited.Load())
	if _, err := fmt.Fprint(out, text.String()); err != nil {
		return err
	}
	return steady(samples)
}

// steady compares the means of the two halves: a collection may fall anywhere.
func steady(samples []sample) error {
	if len(samples) < 10 {
		return errors.New("too few samples to tell; let it run for longer")
	}
	samples = samples[len(samples)/5:]
	half := len(samples) / 2
	for name, of := range map[string]func(sample) uint64{
		"heap in use": func(x sample) uint64 { return x.live },
		"resident":    func(x sample) uint64 { return x.resident },
	} {
		before, after := mean(samples[:half], of), mean(samples[half:], of)
		if after > tolerance*before {
			return fmt.Errorf("%s grew from %.0f bytes in the first half to %.0f in the second, over %d visits",
				name, before, after, samples[len(samples)-1].visits-samples[0].visits)
		}
	}
	return nil
}

func mean(samples []sample, of func(sample) uint64) float64 {
	sum := 0.0
	for _, x := range samples {
		sum += float64(of(x))
	}
	return sum / float64(len(samples))
}
