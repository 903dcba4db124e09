package main

import (
	"context"
	"encoding/json"
	"log/slog"

	"github.com/growthbook/growthbook-golang"
)

// growthbookAdapter measures GrowthBook's library.
type growthbookAdapter struct{}

func (growthbookAdapter) Name() string   { return "growthbook" }
func (growthbookAdapter) Module() string { return "github.com/growthbook/growthbook-golang" }

func (growthbookAdapter) Remarks() []string {
	return []string{
		"a client with the unit's attributes is derived for each request, as its documentation says; a result tells the bucket, the rule and the experiment.",
		"it has no call for all features.",
		"with exposures: an experiment callback, which is told of every evaluation; dropping repeated ones is left to the application.",
		"loading: UpdateFromApiResponseJSON, which keeps the raw JSON beside what it parsed.",
	}
}

func (growthbookAdapter) Load(s Setup) (Subject, error) {
	client, err := newGrowthbook(s.Exposures)
	if err != nil {
		return nil, err
	}
	config, err := growthbookConfig(s.Experiments, s.Conditions)
	if err != nil {
		return nil, err
	}
	if err := client.UpdateFromApiResponseJSON(config); err != nil {
		return nil, err
	}
	return &growthbookSubject{client, s}, nil
}

// newGrowthbook returns a client that has no source of data and logs nothing.
func newGrowthbook(exposures func()) (*growthbook.Client, error) {
	options := []growthbook.ClientOption{growthbook.WithLogger(slog.New(slog.DiscardHandler))}
	if exposures != nil {
		options = append(options, growthbook.WithExperimentCallback(
			func(context.Context, *growthbook.Experiment, *growthbook.ExperimentResult, *growthbook.TrackingUserContext, any) {
				exposures()
			}))
	}
	return growthbook.NewClient(context.Background(), options...)
}

// growthbookConfig is an answer of the features API.
func growthbookConfig(n int, conditions bool) (string, error) {
	features := map[string]any{}
	for _, name := range names[:n] {
		rule := map[string]any{
			"key": name, "seed": name, "hashAttribute": "id", "hashVersion": 2, "phase": "0",
			"variations": []string{off, on}, "weights": []float64{0.5, 0.5}, "coverage": 1,
			"meta": []any{map[string]any{"key": "0"}, map[string]any{"key": "1"}},
		}
		if conditions {
			rule["condition"] = map[string]any{
				"country":     map[string]any{"$in": []string{"DE", "AT"}},
				"app_version": map[string]any{"$gte": 5},
			}
		}
		features[name] = map[string]any{"defaultValue": off, "rules": []any{rule}}
	}
	config, err := json.Marshal(map[string]any{"status": 200, "features": features, "dateUpdated": "2026-01-01T00:00:00Z"})
	return string(config), err
}

type growthbookSubject struct {
	client *growthbook.Client
	setup  Setup
}

func (s *growthbookSubject) unit(id string) *growthbook.Client {
	attributes := growthbook.Attributes{"id": id}
	if s.setup.Conditions {
		attributes["country"], attributes["app_version"] = s.setup.country(), appVersion
	}
	client, err := s.client.WithAttributes(attributes)
	if err != nil {
		return s.client
	}
	return client
}

func (s *growthbookSubject) One(id string) string {
	return growthbookTreatment(s.unit(id), names[0])
}

func growthbookTreatment(client *growthbook.Client, name string) string {
	treatment, _ := client.EvalFeature(context.Background(), name).Value.(string)
	return treatment
}

func (s *growthbookSubject) Each(id string, n int) (count1 int) {
	client := s.unit(id)
	for _, name := range names[:n] {
		count1 += count(growthbookTreatment(client, name))
	}
	return count1
}

func (s *growthbookSubject) All(string) (int, bool) { return 0, false }
func (s *growthbookSubject) Close() error           { return s.client.Close() }

type growthbookLoader struct {
	client *growthbook.Client
	config string
}

func (growthbookAdapter) Loading(n int) (Loader, error) {
	client, err := newGrowthbook(nil)
	if err != nil {
		return nil, err
	}
	config, err := growthbookConfig(n, false)
	return &growthbookLoader{client, config}, err
}

func (l *growthbookLoader) Bytes() int   { return len(l.config) }
func (l *growthbookLoader) Load() error  { return l.client.UpdateFromApiResponseJSON(l.config) }
func (l *growthbookLoader) Close() error { return l.client.Close() }
