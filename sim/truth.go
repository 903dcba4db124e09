package sim

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/strataxp/strata"
)

// True effects are computed from potential outcomes: the same visitors come to a
// shop in which all units of an experiment behave as with the control, and to one
// in which all behave as with a treatment. The other experiments go on as planned.
// Visitors come in batches, so that the error is known.

// truthBatches is into how many batches the visitors are divided.
const truthBatches = 8

// worldKey is a world, with the effects of one more experiment taken away, or of
// none.
type worldKey struct{ experiment, treatment, without string }

// batchResult is what the units of a world did in one batch, by primary metric.
type batchResult map[string]measured

type measured struct {
	units int64
	value float64
}

// worlds lists those that are needed: where an experiment changes nothing, there is
// nothing to compute.
func (s *setup) worlds() []worldKey {
	var list []worldKey
	for _, key := range s.experiments {
		if !s.affected(key) {
			continue
		}
		for _, treatment := range s.arms(key) {
			list = append(list, worldKey{key, treatment, ""})
			for _, other := range s.experiments {
				if other != key && s.affected(other) {
					list = append(list, worldKey{key, treatment, other})
				}
			}
		}
	}
	return list
}

// arms are the treatments that an experiment's units can behave as with: the
// control, its own or the one that it shares, and the others.
func (s *setup) arms(experiment string) []string {
	e := s.plan.Experiment(experiment)
	var keys []string
	if with := s.plan.Experiment(e.SharedControl); e.SharedControl != "" && with != nil {
		keys = append(keys, with.Treatments[0].Key)
	}
	for _, t := range e.Treatments {
		keys = append(keys, t.Key)
	}
	return keys
}

// truth plays a batch of a world.
func (s *setup) truth(ctx context.Context, key worldKey, batch int) (batchResult, error) {
	effects := slices.DeleteFunc(slices.Clone(s.o.Effects), func(e Effect) bool { return e.Experiment == key.without })
	visitors := max(s.o.TruthVisitors/truthBatches, 1)
	t, err := s.traffic(derive(^s.o.Seed, uint64(batch)), fmt.Sprintf("t%d-", batch), visitors, effects)
	if err != nil {
		return nil, err
	}
	e := s.plan.Experiment(key.experiment)
	w := &world{experiment: key.experiment, treatment: key.treatment, label: e.Treatments[len(e.Treatments)-1].Key}
	found := batchResult{}
	err = s.play(ctx, t, w, func(x *site) error {
		r, err := x.engine.Report(ctx, key.experiment, strata.ReportOptions{Level: s.o.Level, NoDays: true})
		if err != nil {
			return err
		}
		for _, m := range r.Metrics {
			for _, estimate := range m.Estimates {
				if m.Role == strata.RolePrimary && estimate.Treatment == w.label && !estimate.Estimate.NoValue {
					found[m.Label] = measured{estimate.Units, estimate.Estimate.Value}
				}
			}
		}
		return nil
	})
	return found, err
}

// trueLift is the lift of one world over another, in the same visitors, with its
// standard error: that of the batches' differences from the common lift.
func trueLift(control, treatment []batchResult, metric string) Mean {
	var c, t, units float64
	for i := range control {
		a, b := control[i][metric], treatment[i][metric]
		n := float64(min(a.units, b.units))
		c, t, units = c+n*a.value, t+n*b.value, units+n
	}
	if c == 0 || units == 0 {
		return Mean{}
	}
	lift := t/c - 1
	squares := 0.0
	for i := range control {
		a, b := control[i][metric], treatment[i][metric]
		d := float64(min(a.units, b.units)) * (b.value - (1+lift)*a.value) / c
		squares += d * d
	}
	n := float64(len(control))
	return Mean{Value: lift, SE: math.Sqrt(squares * n / (n - 1))}
}
