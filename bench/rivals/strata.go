package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/memstore"
)

// strataAdapter measures this project's own library.
type strataAdapter struct{}

func (strataAdapter) Name() string   { return "strata" }
func (strataAdapter) Module() string { return "github.com/strataxp/strata" }

func (strataAdapter) Remarks() []string {
	return []string{
		"without exposures: Snapshot.Assign and Peek; with them: Engine.Assign and Treatment, which records an exposure once for each unit and experiment and passes it by afterwards.",
		"each experiment has a layer of its own, as experiments that overlap have; one that owns all buckets of its layer takes one mix of the hash, others take two (bucket and treatment).",
		"exposures go to a store that discards them, by a background goroutine. The process remembers 1,048,576 of them here (8 MiB), as 1,024 units in 100 experiments are nearly the default of 131,072.",
		"the batch call records no exposures, as nothing was shown yet.",
		"loading: ParsePlan, which refuses unknown fields, and Compile, which validates; rivals accept nearly everything.",
	}
}

func (strataAdapter) Load(s Setup) (Subject, error) {
	plan := strataPlan(s.Experiments, s.Conditions)
	if s.Exposures != nil {
		engine, err := openEngine(plan, s.Exposures)
		return &strataEngine{engine}, err
	}
	snapshot, err := strata.Compile(plan, time.Now())
	if s.Conditions {
		return &strataAudience{strataSnapshot{snapshot}, s.country()}, err
	}
	return &strataSnapshot{snapshot}, err
}

// discard takes everything in and keeps nothing.
type discard struct {
	strata.Store
	exposures func()
}

// Ingest counts exposures.
func (d discard) Ingest(_ context.Context, b strata.Batch) error {
	for i := range b.Records {
		if b.Records[i].Event.Kind() == strata.KindExposure {
			d.exposures()
		}
	}
	return nil
}

func openEngine(plan *strata.Plan, exposures func()) (*strata.Engine, error) {
	ctx := context.Background()
	store := discard{memstore.New(), exposures}
	if _, err := strata.Publish(ctx, store, plan, strata.PublishOptions{Author: "bench", Message: "bench"}); err != nil {
		return nil, err
	}
	return strata.Open(ctx, store, strata.Config{ExposureFilter: 1 << 20})
}

// strataPlan has one experiment a layer, each with a parameter of its own.
func strataPlan(n int, conditions bool) *strata.Plan {
	audience := ""
	if conditions {
		audience = `country in ["DE", "AT"] && app_version >= 5`
	}
	p := &strata.Plan{}
	for i, name := range names[:n] {
		param, layer := fmt.Sprintf("param-%d", i), fmt.Sprintf("layer-%d", i)
		p.Parameters = append(p.Parameters, strata.Parameter{Key: param, Type: strata.TypeString, Default: off})
		p.Layers = append(p.Layers, strata.Layer{Key: layer, Diversion: strata.ByUser, Parameters: []string{param}})
		p.Experiments = append(p.Experiments, strata.Experiment{
			Key: name, Layer: layer, Status: strata.StatusRunning, Buckets: strata.AllBuckets(), Audience: audience,
			Treatments: []strata.Treatment{{Key: off, Weight: 1}, {Key: on, Weight: 1, Values: strata.Values{param: on}}},
		})
	}
	return p
}

// strataSnapshot assigns without recording anything.
type strataSnapshot struct{ snapshot *strata.Snapshot }

func (s *strataSnapshot) One(id string) string {
	a := s.snapshot.Assign(strata.Unit{User: id})
	return a.Peek(names[0])
}

func (s *strataSnapshot) Each(id string, n int) (count1 int) {
	a := s.snapshot.Assign(strata.Unit{User: id})
	for _, name := range names[:n] {
		count1 += count(a.Peek(name))
	}
	return count1
}

func (s *strataSnapshot) All(id string) (count1 int, ok bool) {
	a := s.snapshot.Assign(strata.Unit{User: id})
	for d := range a.All() {
		count1 += count(d.Treatment())
	}
	return count1, true
}

func (s *strataSnapshot) Close() error { return nil }

// strataAudience assigns units with attributes, in the first experiment.
type strataAudience struct {
	strataSnapshot
	country string
}

func (s *strataAudience) One(id string) string {
	a := s.snapshot.Assign(strata.Unit{User: id, Attributes: map[string]any{"country": s.country, "app_version": appVersion}})
	if treatment := a.Peek(names[0]); treatment != "" {
		return treatment
	}
	return off
}

func (s *strataAudience) Each(id string, n int) (count1 int) {
	a := s.snapshot.Assign(strata.Unit{User: id, Attributes: map[string]any{"country": s.country, "app_version": appVersion}})
	for _, name := range names[:n] {
		count1 += count(a.Peek(name))
	}
	return count1
}

func (s *strataAudience) All(string) (int, bool) { return 0, false }

// strataEngine assigns and records exposures.
type strataEngine struct{ engine *strata.Engine }

func (s *strataEngine) One(id string) string {
	a := s.engine.Assign(strata.Unit{User: id})
	return a.Treatment(names[0])
}

func (s *strataEngine) Each(id string, n int) (count1 int) {
	a := s.engine.Assign(strata.Unit{User: id})
	for _, name := range names[:n] {
		count1 += count(a.Treatment(name))
	}
	return count1
}

// All records nothing.
func (s *strataEngine) All(id string) (int, bool) {
	return (&strataSnapshot{s.engine.Snapshot()}).All(id)
}

// Close fails when exposures were refused: what was measured then is refusing them.
func (s *strataEngine) Close() error {
	r := s.engine.Status().Refused[strata.KindExposure]
	_, err := s.engine.Close(context.Background())
	if refused := r.Invalid + r.Shed + r.Full; refused > 0 {
		err = errors.Join(err, fmt.Errorf("strata: %d exposures were refused; make samples smaller", refused))
	}
	return err
}

type strataLoader struct{ config []byte }

func (strataAdapter) Loading(n int) (Loader, error) {
	config, err := json.Marshal(strataPlan(n, false))
	return strataLoader{config}, err
}

func (l strataLoader) Bytes() int   { return len(l.config) }
func (l strataLoader) Close() error { return nil }

func (l strataLoader) Load() error {
	plan, err := strata.ParsePlan(l.config)
	if err != nil {
		return err
	}
	_, err = strata.Compile(plan, time.Now())
	return err
}
