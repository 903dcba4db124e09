package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/statsig-io/go-sdk"
)

// statsigAdapter measures Statsig's server library.
type statsigAdapter struct{}

func (statsigAdapter) Name() string   { return "statsig" }
func (statsigAdapter) Module() string { return "github.com/statsig-io/go-sdk" }

func (statsigAdapter) Remarks() []string {
	return []string{
		"local mode, with the configuration as bootstrap values; the experiments are evaluated by hashing, there are no overrides.",
		"a group is a rule on the unit's bucket, as its service writes them, so that half of the units hash twice; conditions stand in both rules.",
		"without exposures: GetExperimentWithExposureLoggingDisabled, which builds the exposure all the same and drops it; with them: GetExperiment, whose buffer goes to a transport that sends nothing in local mode, and an exposure callback.",
		"batch: GetClientInitializeResponse with names unhashed, the fastest of its forms; it is made for handing values to a browser.",
		"loading: a new client, as nothing else reads bytes; country look-up and user agents are switched off. A client leaves a goroutine behind for good, so this part leaks.",
	}
}

// statsigTick is how often a client looks whether it is closed, and for updates,
// which there are none of in local mode.
const statsigTick = 200 * time.Millisecond

func newStatsig(config string, exposures func()) (*statsig.Client, error) {
	options := &statsig.Options{
		LocalMode: true, BootstrapValues: config,
		ConfigSyncInterval: statsigTick, IDListSyncInterval: statsigTick, LoggingInterval: time.Hour,
		IPCountryOptions:     statsig.IPCountryOptions{Disabled: true},
		UAParserOptions:      statsig.UAParserOptions{Disabled: true},
		OutputLoggerOptions:  statsig.OutputLoggerOptions{LogCallback: func(string, error) {}},
		StatsigLoggerOptions: statsig.StatsigLoggerOptions{DisableInitDiagnostics: true, DisableSyncDiagnostics: true, DisableApiDiagnostics: true},
	}
	if exposures != nil {
		options.EvaluationCallbacks.ExposureCallback = func(string, *statsig.ExposureEvent) { exposures() }
	}
	client, details := statsig.NewClientWithDetails("secret-bench", options)
	if details.Error != nil || !details.Success {
		client.Shutdown()
		return nil, fmt.Errorf("statsig: not loaded: %w", errors.Join(errors.New(string(details.Source)), details.Error))
	}
	return client, nil
}

func (statsigAdapter) Load(s Setup) (Subject, error) {
	statsig.InitializeGlobalOutputLogger(statsig.OutputLoggerOptions{LogCallback: func(string, error) {}})
	config, err := statsigConfig(s.Experiments, s.Conditions)
	if err != nil {
		return nil, err
	}
	client, err := newStatsig(config, s.Exposures)
	return &statsigSubject{client, s}, err
}

// statsigConfig is an answer of the endpoint download_config_specs.
func statsigConfig(n int, conditions bool) (string, error) {
	var experiments []any
	for _, name := range names[:n] {
		experiments = append(experiments, map[string]any{
			"name": name, "type": "dynamic_config", "salt": name, "entity": "experiment", "idType": "userID",
			"enabled": true, "isActive": true, "defaultValue": map[string]any{"treatment": off},
			"rules": []any{statsigGroup(name, off, 500, conditions), statsigGroup(name, on, 1000, conditions)},
		})
	}
	config, err := json.Marshal(map[string]any{
		"has_updates": true, "time": 1_767_225_600_000, "dynamic_configs": experiments,
		"feature_gates": []any{}, "layer_configs": []any{}, "layers": map[string]any{},
	})
	return string(config), err
}

// statsigGroup is the rule of the units whose bucket, of 1,000, is below limit and not
// in a group before.
func statsigGroup(name, treatment string, limit int, conditions bool) map[string]any {
	list := []any{map[string]any{
		"type": "user_bucket", "operator": "lt", "targetValue": limit, "field": nil,
		"additionalValues": map[string]any{"salt": name}, "idType": "userID", "isDeviceBased": false,
	}}
	if conditions {
		list = append([]any{
			map[string]any{"type": "user_field", "field": "country", "operator": "any", "targetValue": []string{"DE", "AT"}, "idType": "userID"},
			map[string]any{"type": "user_field", "field": "app_version", "operator": "gte", "targetValue": 5, "idType": "userID"},
		}, list...)
	}
	return map[string]any{
		"name": treatment, "groupName": treatment, "id": name + "-" + treatment, "salt": name + "-" + treatment,
		"passPercentage": 100, "conditions": list, "returnValue": map[string]any{"treatment": treatment},
		"idType": "userID", "isExperimentGroup": true,
	}
}

type statsigSubject struct {
	client *statsig.Client
	setup  Setup
}

func (s *statsigSubject) unit(id string) statsig.User {
	u := statsig.User{UserID: id}
	if s.setup.Conditions {
		u.Country, u.Custom = s.setup.country(), map[string]any{"app_version": appVersion}
	}
	return u
}

func (s *statsigSubject) One(id string) string { return s.treatment(s.unit(id), names[0]) }

func (s *statsigSubject) treatment(u statsig.User, name string) string {
	if s.setup.Exposures == nil {
		config := s.client.GetExperimentWithExposureLoggingDisabled(u, name)
		return config.GetString("treatment", off)
	}
	config := s.client.GetExperiment(u, name)
	return config.GetString("treatment", off)
}

func (s *statsigSubject) Each(id string, n int) (count1 int) {
	unit := s.unit(id)
	for _, name := range names[:n] {
		count1 += count(s.treatment(unit, name))
	}
	return count1
}

func (s *statsigSubject) All(id string) (count1 int, ok bool) {
	answer := s.client.GetClientInitializeResponseWithOptions(s.unit(id), &statsig.GCIROptions{HashAlgorithm: "none"})
	for _, name := range names[:s.setup.Experiments] {
		treatment, _ := answer.DynamicConfigs[name].Value["treatment"].(string)
		count1 += count(treatment)
	}
	return count1, true
}

func (s *statsigSubject) Close() error {
	s.client.Shutdown()
	return nil
}

type statsigLoader struct{ config string }

func (statsigAdapter) Loading(n int) (Loader, error) {
	config, err := statsigConfig(n, false)
	return statsigLoader{config}, err
}

func (l statsigLoader) Bytes() int   { return len(l.config) }
func (l statsigLoader) Close() error { return nil }

func (l statsigLoader) Load() error {
	client, err := newStatsig(l.config, nil)
	if err == nil {
		client.Shutdown()
	}
	return err
}
