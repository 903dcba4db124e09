package pgstore_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/pgtest"
)

const viewedPlan = `{
	"parameters": [{"key": "color", "type": "string", "default": "blue", "description": "of the button"}],
	"layers": [{"key": "ui", "parameters": ["color"]}],
	"experiments": [
		{"key": "cta", "layer": "ui", "status": "running", "phase": 2, "buckets": "0-99", "audience": "country == \"DE\"",
		 "schedule": {"start": "2025-03-01T00:00:00Z"}, "metrics": ["orders", "signups"],
		 "treatments": [{"key": "grey", "weight": 1}, {"key": "green", "weight": 3, "values": {"color": "green"}}]},
		{"key": "idea", "layer": "ui", "treatments": null}],
	"metrics": [{"key": "orders", "type": "count", "measure": {"event": "purchase"}, "window": "72h0m0s", "guardrail": true}]}`

func TestViewsShowThePlanInEffect(t *testing.T) {
	t.Parallel()
	dsn, schema := pgtest.Schema(t)
	s := open(t, dsn, schema)
	in := quoted(schema)
	require.Empty(t, query(t, dsn, "select * from "+in+".current_experiment"), "an empty store")
	plan, err := strata.ParsePlan([]byte(viewedPlan))
	require.NoError(t, err)
	_, err = s.PutPlan(t.Context(), strata.PutPlanParams{Plan: plan, Author: "ada", At: time.Unix(0, 0)})
	require.NoError(t, err)
	later := &strata.Plan{Version: 1, EffectiveAt: time.Date(2999, 1, 1, 0, 0, 0, 0, time.UTC)}
	_, err = s.PutPlan(t.Context(), strata.PutPlanParams{Plan: later, Author: "ada", At: time.Unix(0, 0)})
	require.NoError(t, err)

	for view, want := range map[string][]string{
		"current_plan":       {"1 NULL ada"},
		"current_experiment": {`1 cta ui 2 running 0-99 country == "DE" 2025-03-01 orders,signups`, "1 idea ui 0 draft NULL "},
		"current_treatment":  {"1 cta 1 grey 1 {}", `1 cta 2 green 3 {"color":"green"}`},
		"current_metric":     {`1 orders count {"event":"purchase"} 72h0m0s increase NULL true`},
		"current_layer":      {"1 ui user false color"},
		"current_parameter":  {`1 color of the button string "blue"`},
	} {
		columns := map[string]string{
			"current_plan":       "version, coalesce(effective_at::text, 'NULL'), author",
			"current_experiment": "version, experiment, layer, phase, status, nullif(buckets, ''), nullif(audience, ''), coalesce((starts_at at time zone 'UTC')::date::text, 'NULL'), array_to_string(metrics, ',')",
			"current_treatment":  "version, experiment, position, treatment, weight, parameter_values",
			"current_metric":     "version, metric, type, measure, attribution_window, direction, coalesce(cap::text, 'NULL'), guardrail::text",
			"current_layer":      "version, layer, diversion, launch::text, array_to_string(parameters, ',')",
			"current_parameter":  "version, parameter, description, type, default_value",
		}[view]
		got := query(t, dsn, "select concat_ws(' ', "+columns+") from "+in+"."+view)
		require.Equal(t, want, got, view)
	}
}

// The document is kept as text: keys in order, numbers as they were written.
func TestDocumentIsKeptAsPublished(t *testing.T) {
	t.Parallel()
	dsn, schema := pgtest.Schema(t)
	s := open(t, dsn, schema)
	plan, err := strata.ParsePlan([]byte(`{"parameters": [{"key": "x", "type": "json", "default": {"z": 1.50, "a": 123456789012345678901234567890, "s": "größe <🙂>"}}]}`))
	require.NoError(t, err)
	_, err = s.PutPlan(t.Context(), strata.PutPlanParams{Plan: plan, Author: "a", Message: strings.Repeat("why ", 1000), At: time.Unix(0, 0)})
	require.NoError(t, err)
	text := query(t, dsn, "select document::text from "+quoted(schema)+".plan_version")[0]
	for _, want := range []string{"1.50", "123456789012345678901234567890"} {
		require.Contains(t, text, want)
	}
}

func TestPlanOutOfUTF8IsAnError(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	_, err := s.PutPlan(t.Context(), strata.PutPlanParams{Plan: &strata.Plan{}, Author: "a\x00b", At: time.Unix(0, 0)})
	require.ErrorContains(t, err, "publish a plan")
	list, err := s.PlanHistory(t.Context(), strata.PlanHistoryParams{})
	require.NoError(t, err)
	require.Empty(t, list)
}

func TestPlanDiff(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	plan := benchPlan(1)
	plan.Experiments[0].Buckets = strata.BucketRange(0, 1000)
	publish := func() {
		stored, err := strata.Publish(t.Context(), s, plan, strata.PublishOptions{Author: "ada", Message: "m"})
		require.NoError(t, err)
		plan = stored
	}
	publish()
	plan.Experiments[0].Buckets = strata.BucketRange(0, 2000)
	publish()
	moves, err := s.PlanDiff(t.Context(), 1, 0, benchStart)
	require.NoError(t, err)
	require.Len(t, moves, 1)
	require.InDelta(t, 0.1, moves[0].Enters, 1e-9)
	require.Zero(t, moves[0].Changes)
	_, err = s.PlanDiff(t.Context(), 1, 9, benchStart)
	require.ErrorIs(t, err, strata.ErrNotFound)
}
