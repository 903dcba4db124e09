package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/posthog/posthog-go"
)

// posthogAdapter measures PostHog's library with local evaluation.
type posthogAdapter struct{}

func (posthogAdapter) Name() string   { return "posthog" }
func (posthogAdapter) Module() string { return "github.com/posthog/posthog-go" }

func (posthogAdapter) Remarks() []string {
	return []string{
		"local evaluation on every call (OnlyEvaluateLocally): one SHA-1 for the share of traffic, one for the treatment; the flag is looked for in a list, from the front, and the one that is asked for is the first.",
		"with exposures: a $feature_flag_called event once for each unit and flag, sent by a background goroutine over a transport that answers 200 and has no network; when that goroutine is behind, the caller waits.",
		"its set of reported exposures is a map without a lock: here every unit was reported before several goroutines ask, as it breaks otherwise.",
		"batch: GetAllFlags, which reports no exposures.",
		"loading: a new client that reads the flags over a transport in memory.",
	}
}

// transport answers every request from memory.
type transport struct {
	flags     []byte
	exposures func()
}

// RoundTrip answers with the flag definitions, or takes a batch of events.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	body := []byte("{}")
	switch {
	case strings.HasSuffix(r.URL.Path, "/local_evaluation"):
		body = t.flags
	case !strings.HasSuffix(r.URL.Path, "/batch/"):
		return nil, errors.New("posthog asks for " + r.URL.Path + ": it did not evaluate locally")
	}
	if r.Body != nil {
		if err := t.take(r.Body); err != nil {
			return nil, err
		}
	}
	return &http.Response{
		StatusCode: http.StatusOK, Status: "200 OK", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: r,
	}, nil
}

// take reads a request, and counts its exposures without decoding it.
func (t transport) take(body io.ReadCloser) error {
	defer body.Close()
	sent, err := io.ReadAll(body)
	if t.exposures != nil {
		for range bytes.Count(sent, []byte(`"$feature_flag_called"`)) {
			t.exposures()
		}
	}
	return err
}

// silent is a logger that does not log.
type silent struct{}

func (silent) Logf(string, ...any)   {}
func (silent) Errorf(string, ...any) {}

// openPosthog returns when the flags are loaded.
func openPosthog(flags []byte, exposures func()) (posthog.Client, error) {
	client, err := posthog.NewWithConfig("project", posthog.Config{
		Endpoint: "http://posthog.invalid", PersonalApiKey: "personal",
		DefaultFeatureFlagsPollingInterval: time.Hour,
		Transport:                          transport{flags, exposures},
		Logger:                             silent{},
	})
	if err != nil {
		return nil, err
	}
	found, err := client.GetFeatureFlags()
	if err == nil && len(found) == 0 {
		err = errors.New("posthog: no flags were loaded")
	}
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return client, nil
}

func (posthogAdapter) Load(s Setup) (Subject, error) {
	flags, err := posthogConfig(s.Experiments, s.Conditions)
	if err != nil {
		return nil, err
	}
	client, err := openPosthog(flags, s.Exposures)
	report := s.Exposures != nil
	return &posthogSubject{client, s, &report}, err
}

// posthogConfig is an answer of the endpoint local_evaluation.
func posthogConfig(n int, conditions bool) ([]byte, error) {
	var flags []any
	for _, name := range names[:n] {
		properties := []any{}
		if conditions {
			properties = []any{
				map[string]any{"key": "country", "type": "person", "operator": "exact", "value": []string{"DE", "AT"}},
				map[string]any{"key": "app_version", "type": "person", "operator": "gte", "value": 5},
			}
		}
		flags = append(flags, map[string]any{"key": name, "active": true, "filters": map[string]any{
			"groups": []any{map[string]any{"properties": properties, "rollout_percentage": 100}},
			"multivariate": map[string]any{"variants": []any{
				map[string]any{"key": off, "rollout_percentage": 50}, map[string]any{"key": on, "rollout_percentage": 50},
			}},
			"payloads": map[string]any{},
		}})
	}
	return json.Marshal(map[string]any{"flags": flags, "group_type_mapping": map[string]any{}, "cohorts": map[string]any{}})
}

type posthogSubject struct {
	client posthog.Client
	setup  Setup
	report *bool
}

func (s *posthogSubject) properties() posthog.Properties {
	if !s.setup.Conditions {
		return nil
	}
	return posthog.NewProperties().Set("country", s.setup.country()).Set("app_version", appVersion)
}

func (s *posthogSubject) One(id string) string { return s.treatment(id, names[0], s.properties()) }

func (s *posthogSubject) treatment(id, name string, properties posthog.Properties) string {
	value, _ := s.client.GetFeatureFlag(posthog.FeatureFlagPayload{
		Key: name, DistinctId: id, PersonProperties: properties, OnlyEvaluateLocally: true, SendFeatureFlagEvents: s.report,
	})
	if treatment, ok := value.(string); ok {
		return treatment
	}
	return off // it says false for a unit outside the audience
}

func (s *posthogSubject) Each(id string, n int) (count1 int) {
	properties := s.properties()
	for _, name := range names[:n] {
		count1 += count(s.treatment(id, name, properties))
	}
	return count1
}

func (s *posthogSubject) All(id string) (count1 int, ok bool) {
	flags, _ := s.client.GetAllFlags(posthog.FeatureFlagPayloadNoKey{
		DistinctId: id, PersonProperties: s.properties(), OnlyEvaluateLocally: true,
	})
	for _, name := range names[:s.setup.Experiments] {
		treatment, _ := flags[name].(string)
		count1 += count(treatment)
	}
	return count1, true
}

func (s *posthogSubject) Close() error { return s.client.Close() }

type posthogLoader struct{ config []byte }

func (posthogAdapter) Loading(n int) (Loader, error) {
	config, err := posthogConfig(n, false)
	return posthogLoader{config}, err
}

func (l posthogLoader) Bytes() int   { return len(l.config) }
func (l posthogLoader) Close() error { return nil }

func (l posthogLoader) Load() error {
	client, err := openPosthog(l.config, nil)
	if err != nil {
		return err
	}
	return client.Close()
}
