package sim

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/strataxp/strata"
)

// Run tries a plan with the visitors of a model before it is launched: how often
// the effects that are hoped for would be found and when, whether estimates are
// right, what overlapping experiments do to each other, and whether anything in the
// plan biases them.
//
// Each run is the real thing: a fresh store, the plan published to it, an engine
// with a clock of its own, visitors who meet experiments and are tracked, and a
// report on each experiment at the end. Only time is virtual. The plan is not
// changed; drafts run, stopped experiments do not, and what has no end gets one
// after Options.Days. Where metrics have windows, visitors go on coming until the
// longest is over.
//
// It fails with errors matching [strata.ErrInvalidPlan], [ErrInvalidModel] and
// [ErrOptions], with the error of ctx, and with what a store fails with. Cost: some
// 4 µs for each act (an event or a meeting), in all runs and in those that true
// effects are computed from (BenchmarkRun). Memory is that of the stores of the runs
// under way.
func Run(ctx context.Context, plan *strata.Plan, model *Model, o Options) (*Findings, error) {
	s, err := prepare(plan, model, o)
	if err != nil {
		return nil, err
	}
	r := &results{outcomes: make([]*outcome, s.o.Runs), truths: map[worldKey][]batchResult{}}
	if err := s.work(ctx, s.jobs(r)); err != nil {
		return nil, err
	}
	return s.findings(r), nil
}

// results are those of all runs.
type results struct {
	outcomes []*outcome
	truths   map[worldKey][]batchResult
}

// jobs are the parts of the work. Each writes to a place of its own, so that the
// findings do not depend on their order.
func (s *setup) jobs(r *results) []func(context.Context) error {
	var jobs []func(context.Context) error
	for i := range r.outcomes {
		jobs = append(jobs, func(ctx context.Context) (err error) {
			r.outcomes[i], err = s.run(ctx, i)
			return err
		})
	}
	for _, key := range s.worlds() {
		batches := make([]batchResult, truthBatches)
		r.truths[key] = batches
		for i := range batches {
			jobs = append(jobs, func(ctx context.Context) (err error) {
				batches[i], err = s.truth(ctx, key, i)
				return err
			})
		}
	}
	return jobs
}

// work does the jobs, some at a time. The first failure ends it.
func (s *setup) work(ctx context.Context, jobs []func(context.Context) error) error {
	var (
		mu   sync.Mutex
		done int
	)
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(s.o.Workers)
	for _, job := range jobs {
		all.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := job(ctx); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			done++
			if s.o.Progress != nil {
				s.o.Progress(done, len(jobs))
			}
			return nil
		})
	}
	return all.Wait()
}
