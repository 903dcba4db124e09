package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/launchdarkly/go-jsonstream/v3/jreader"
	"github.com/launchdarkly/go-sdk-common/v3/ldcontext"
	ldevents "github.com/launchdarkly/go-sdk-events/v3"
	"github.com/launchdarkly/go-server-sdk-evaluation/v3/ldmodel"
	ldclient "github.com/launchdarkly/go-server-sdk/v7"
	"github.com/launchdarkly/go-server-sdk/v7/interfaces"
	"github.com/launchdarkly/go-server-sdk/v7/ldcomponents"
	"github.com/launchdarkly/go-server-sdk/v7/subsystems"
	"github.com/launchdarkly/go-server-sdk/v7/subsystems/ldstoreimpl"
	"github.com/launchdarkly/go-server-sdk/v7/subsystems/ldstoretypes"
)

// launchdarklyAdapter measures LaunchDarkly's server library.
type launchdarklyAdapter struct{}

func (launchdarklyAdapter) Name() string   { return "launchdarkly" }
func (launchdarklyAdapter) Module() string { return "github.com/launchdarkly/go-server-sdk/v7" }

func (launchdarklyAdapter) Remarks() []string {
	return []string{
		"StringVariation looks for prerequisites and single targets and builds a reason, where there are none too; the flags are experiment rollouts.",
		"with exposures: an event processor that discards what it is told, so that building events is counted and summing them up in the background is not.",
		"without exposures: NoEvents, at which the library builds none.",
		"batch: AllFlagsState, which is made for handing flags to a browser and sends no events.",
		"loading: the reader of its streaming source, written down here from its public parts, and Init of the store in memory.",
	}
}

func (launchdarklyAdapter) Load(s Setup) (Subject, error) {
	config, err := launchdarklyConfig(s.Experiments, s.Conditions)
	if err != nil {
		return nil, err
	}
	client, _, err := openLaunchdarkly(config, s.Exposures)
	return &launchdarklySubject{client, s}, err
}

func openLaunchdarkly(config []byte, exposures func()) (*ldclient.LDClient, *bytesSource, error) {
	source := &bytesSource{config: config}
	settings := ldclient.Config{
		DataSource:       source,
		Events:           ldcomponents.NoEvents(),
		Logging:          ldcomponents.NoLogging(),
		DiagnosticOptOut: true,
	}
	if exposures != nil {
		settings.Events = discardEvents{exposures: exposures}
	}
	client, err := ldclient.MakeCustomClient("sdk-key", settings, 5*time.Second)
	return client, source, err
}

// bytesSource is a data source that has what a stream begins with in memory.
type bytesSource struct {
	config []byte
	sink   subsystems.DataSourceUpdateSink
}

// Build is called by the library when a client is made.
func (s *bytesSource) Build(c subsystems.ClientContext) (subsystems.DataSource, error) {
	s.sink = c.GetDataSourceUpdateSink()
	return s, nil
}

func (s *bytesSource) IsInitialized() bool { return true }
func (s *bytesSource) Close() error        { return nil }

// Start loads once. A failure shows in the subject, whose treatments are all off.
func (s *bytesSource) Start(ready chan<- struct{}) {
	defer close(ready)
	if s.load() == nil {
		s.sink.UpdateStatus(interfaces.DataSourceStateValid, interfaces.DataSourceErrorInfo{})
	}
}

// load does what the library's streaming source does with a "put".
func (s *bytesSource) load() error {
	r := jreader.NewReader(s.config)
	var flags []ldstoretypes.KeyedItemDescriptor
	for top := r.Object(); top.Next(); {
		if string(top.Name()) != "flags" {
			continue
		}
		for object := r.Object(); object.Next(); {
			key := string(object.Name())
			flag := ldmodel.UnmarshalFeatureFlagFromJSONReader(&r)
			flags = append(flags, ldstoretypes.KeyedItemDescriptor{
				Key: key, Item: ldstoretypes.ItemDescriptor{Version: flag.Version, Item: &flag},
			})
		}
	}
	if err := r.Error(); err != nil {
		return err
	}
	if !s.sink.Init([]ldstoretypes.Collection{{Kind: ldstoreimpl.Features(), Items: flags}}) {
		return errors.New("launchdarkly: the store refuses the flags")
	}
	return nil
}

// launchdarklyConfig is the data that a stream begins with.
func launchdarklyConfig(n int, conditions bool) ([]byte, error) {
	flags := map[string]any{}
	for i, name := range names[:n] {
		rollout := map[string]any{
			"kind": "experiment", "contextKind": "user", "seed": 1000 + i, "bucketBy": "key",
			"variations": []any{map[string]any{"variation": 0, "weight": 50_000}, map[string]any{"variation": 1, "weight": 50_000}},
		}
		flag := map[string]any{
			"key": name, "on": true, "version": 1, "salt": fmt.Sprintf("salt-%d", i),
			"variations": []string{off, on}, "offVariation": 0, "prerequisites": []any{}, "targets": []any{}, "rules": []any{},
			"fallthrough": map[string]any{"rollout": rollout}, "trackEventsFallthrough": true,
		}
		if conditions {
			flag["fallthrough"] = map[string]any{"variation": 0}
			flag["rules"] = []any{map[string]any{"id": "audience", "rollout": rollout, "trackEvents": true, "clauses": []any{
				map[string]any{"attribute": "country", "contextKind": "user", "op": "in", "values": []string{"DE", "AT"}},
				map[string]any{"attribute": "app_version", "contextKind": "user", "op": "greaterThanOrEqual", "values": []int{5}},
			}}}
		}
		flags[name] = flag
	}
	return json.Marshal(map[string]any{"flags": flags, "segments": map[string]any{}})
}

// discardEvents is an event processor that forgets everything.
type discardEvents struct {
	ldevents.EventProcessor // of the library, that does nothing
	exposures               func()
}

// Build is called by the library when a client is made.
func (d discardEvents) Build(subsystems.ClientContext) (ldevents.EventProcessor, error) {
	d.EventProcessor = ldevents.NewNullEventProcessor()
	return d, nil
}

// RecordEvaluation is told of every evaluation.
func (d discardEvents) RecordEvaluation(ldevents.EvaluationData) { d.exposures() }

type launchdarklySubject struct {
	client *ldclient.LDClient
	setup  Setup
}

func (s *launchdarklySubject) unit(id string) ldcontext.Context {
	if !s.setup.Conditions {
		return ldcontext.New(id)
	}
	return ldcontext.NewBuilder(id).SetString("country", s.setup.country()).SetInt("app_version", appVersion).Build()
}

func (s *launchdarklySubject) One(id string) string {
	treatment, _ := s.client.StringVariation(names[0], s.unit(id), off)
	return treatment
}

func (s *launchdarklySubject) Each(id string, n int) (count1 int) {
	unit := s.unit(id)
	for _, name := range names[:n] {
		treatment, _ := s.client.StringVariation(name, unit, off)
		count1 += count(treatment)
	}
	return count1
}

func (s *launchdarklySubject) All(id string) (count1 int, ok bool) {
	state := s.client.AllFlagsState(s.unit(id))
	for _, name := range names[:s.setup.Experiments] {
		count1 += count(state.GetValue(name).StringValue())
	}
	return count1, true
}

func (s *launchdarklySubject) Close() error { return s.client.Close() }

type launchdarklyLoader struct {
	client *ldclient.LDClient
	source *bytesSource
}

func (launchdarklyAdapter) Loading(n int) (Loader, error) {
	config, err := launchdarklyConfig(n, false)
	if err != nil {
		return nil, err
	}
	client, source, err := openLaunchdarkly(config, nil)
	return &launchdarklyLoader{client, source}, err
}

func (l *launchdarklyLoader) Bytes() int   { return len(l.source.config) }
func (l *launchdarklyLoader) Load() error  { return l.source.load() }
func (l *launchdarklyLoader) Close() error { return l.client.Close() }
