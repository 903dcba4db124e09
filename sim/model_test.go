package sim_test

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/sim"
)

func TestTheShopIsValidAndSurvivesJSON(t *testing.T) {
	data, err := json.Marshal(sim.Shop())
	require.NoError(t, err)
	m, err := sim.ParseModel(data)
	require.NoError(t, err)
	again, err := json.Marshal(m)
	require.NoError(t, err)
	require.JSONEq(t, string(data), string(again))
	require.Equal(t, sim.Shop(), m)
}

// Each case breaks the shop in one way; the problem names the field.
func TestModelValidation(t *testing.T) {
	for name, x := range map[string]struct {
		path  string
		spoil func(m *sim.Model)
	}{
		"no states":               {"states", func(m *sim.Model) { m.States = nil }},
		"unknown start":           {"start", func(m *sim.Model) { m.Start = "cellar" }},
		"no key":                  {"states[7].key", func(m *sim.Model) { m.States[7].Key = "" }},
		"key twice":               {"states[1].key", func(m *sim.Model) { m.States[1].Key = "land" }},
		"unknown target":          {"states[0].next[1].to", func(m *sim.Model) { m.States[0].Next[1].To = "roof" }},
		"target twice":            {"states[0].next[1].to", func(m *sim.Model) { m.States[0].Next[1].To = "browse" }},
		"weight 0":                {"states[0].next[0].weight", func(m *sim.Model) { m.States[0].Next[0].Weight = 0 }},
		"weight NaN":              {"states[0].next[0].weight", func(m *sim.Model) { m.States[0].Next[0].Weight = math.NaN() }},
		"no end":                  {"states[6].next", func(m *sim.Model) { m.States[6].Next = []sim.Transition{{To: "pay", Weight: 1}} }},
		"login above 1":           {"states[0].login", func(m *sim.Model) { m.States[0].Login = 1.5 }},
		"pause without median":    {"states[0].pause.median", func(m *sim.Model) { m.States[0].Pause = sim.LogNormal{Sigma: 1} }},
		"sigma":                   {"states[0].pause.sigma", func(m *sim.Model) { m.States[0].Pause.Sigma = -1 }},
		"kind":                    {"states[0].event.kind", func(m *sim.Model) { m.States[0].Event.Kind = "exposure" }},
		"event without kind":      {"states[0].event.kind", func(m *sim.Model) { m.States[0].Event = sim.Track{Name: "/"} }},
		"page without name":       {"states[0].event.name", func(m *sim.Model) { m.States[0].Event.Name = "" }},
		"page with NUL":           {"states[0].event.name", func(m *sim.Model) { m.States[0].Event.Name = "a\x00" }},
		"purchase with name":      {"states[6].event.name", func(m *sim.Model) { m.States[6].Event.Name = "x" }},
		"page with value":         {"states[0].event.value", func(m *sim.Model) { m.States[0].Event.Value = 2 }},
		"currency":                {"baskets.currency", func(m *sim.Model) { m.Baskets.Currency = "euro" }},
		"no median":               {"baskets.median", func(m *sim.Model) { m.Baskets.Median = 0 }},
		"basket sigma":            {"baskets.sigma", func(m *sim.Model) { m.Baskets.Sigma = 9 }},
		"taste":                   {"baskets.taste", func(m *sim.Model) { m.Baskets.Taste = -0.1 }},
		"discounts":               {"baskets.discounts", func(m *sim.Model) { m.Baskets.Discounts = 2 }},
		"discount":                {"baskets.discount", func(m *sim.Model) { m.Baskets.Discount = 1 }},
		"pieces":                  {"baskets.pieces", func(m *sim.Model) { m.Baskets.Pieces = 0.5 }},
		"always back":             {"returns.chance", func(m *sim.Model) { m.Returns.Chance = 1 }},
		"no gap":                  {"returns.gap.median", func(m *sim.Model) { m.Returns.Gap = sim.LogNormal{} }},
		"soon":                    {"returns.soon", func(m *sim.Model) { m.Returns.Soon = -1 }},
		"no soon gap":             {"returns.soon_gap.median", func(m *sim.Model) { m.Returns.Soon = 0.5 }},
		"too many heavy and bots": {"heavy.share", func(m *sim.Model) { m.Heavy.Share, m.Bots.Share = 0.6, 0.6 }},
		"heavy chance":            {"heavy.chance", func(m *sim.Model) { m.Heavy.Chance = -1 }},
		"pace":                    {"bots.pace", func(m *sim.Model) { m.Bots.Pace = math.Inf(1) }},
		"device shares":           {"devices.shares", func(m *sim.Model) { m.Devices.Shares = []float64{0, 0} }},
		"too many devices":        {"devices.shares", func(m *sim.Model) { m.Devices.Shares = make([]float64, 9) }},
		"switch":                  {"devices.switch", func(m *sim.Model) { m.Devices.Switch = 7 }},
		"hours":                   {"seasons.hours", func(m *sim.Model) { m.Seasons.Hours = []float64{1} }},
		"weekday":                 {"seasons.weekdays[2]", func(m *sim.Model) { m.Seasons.Weekdays[2] = -1 }},
		"attribute name":          {"attributes[0].name", func(m *sim.Model) { m.Attributes[0].Name = "" }},
		"attribute twice":         {"attributes[1].name", func(m *sim.Model) { m.Attributes[1].Name = "country" }},
		"attribute of":            {"attributes[0].of", func(m *sim.Model) { m.Attributes[0].Of = "session" }},
		"no values":               {"attributes[0].values", func(m *sim.Model) { m.Attributes[0].Values = nil }},
		"value":                   {"attributes[0].values[0].value", func(m *sim.Model) { m.Attributes[0].Values[0].Value = []string{"x"} }},
		"value weight":            {"attributes[0].values[0].weight", func(m *sim.Model) { m.Attributes[0].Values[0].Weight = 0 }},
	} {
		t.Run(name, func(t *testing.T) {
			m := sim.Shop()
			x.spoil(m)
			err := m.Validate()
			require.ErrorIs(t, err, sim.ErrInvalidModel)
			var problem *sim.ModelError
			require.ErrorAs(t, err, &problem)
			var paths []string
			for _, p := range problem.Problems {
				paths = append(paths, p.Path)
				require.NotEmpty(t, p.Cure)
			}
			require.Contains(t, paths, x.path)
			_, err = sim.NewTraffic(m, sim.TrafficOptions{})
			require.ErrorIs(t, err, sim.ErrInvalidModel)
		})
	}
}

func TestAllProblemsAreToldAtOnce(t *testing.T) {
	m := sim.Shop()
	m.Start, m.Baskets.Currency, m.Devices.Accounts = "", "?", 2
	var problem *sim.ModelError
	require.ErrorAs(t, m.Validate(), &problem)
	require.Len(t, problem.Problems, 3)
	require.Equal(t, 4, len(strings.Split(problem.Error(), "\n")))
}

func TestParsingIsStrict(t *testing.T) {
	for name, text := range map[string]string{
		"unknown field": `{"start": "a", "states": [{"key": "a", "colour": "red"}]}`,
		"twice":         `{"start": "a", "start": "a", "states": [{"key": "a"}]}`,
		"more text":     `{"start": "a", "states": [{"key": "a"}]} x`,
		"wrong type":    `{"start": 1, "states": [{"key": "a"}]}`,
		"duration":      `{"start": "a", "states": [{"key": "a", "pause": {"median": "soon"}}]}`,
		"not valid":     `{"start": "b", "states": [{"key": "a"}]}`,
		"not JSON":      `start`,
	} {
		_, err := sim.ParseModel([]byte(text))
		require.ErrorIs(t, err, sim.ErrInvalidModel, name)
	}
	m, err := sim.ParseModel([]byte(`{"start": "a", "states": [{"key": "a"}]}`))
	require.NoError(t, err)
	require.Equal(t, "a", m.Start)
}

func FuzzParseModel(f *testing.F) {
	f.Add([]byte(`{"start":"a","states":[{"key":"a","event":{"kind":"custom","name":"x","value":1},"login":0.5,"pause":{"median":"3s","sigma":1},"next":[{"to":"b","weight":2}]},{"key":"b","event":{"kind":"purchase"}}],"baskets":{"median":100,"pieces":2}}`))
	f.Add([]byte(`{"start":"a","states":[{"key":"a"}],"devices":{"shares":[1,2],"switch":1},"seasons":{"weekdays":[0,1,1,1,1,1,1]},"heavy":{"share":1},"bots":{"pace":2}}`))
	f.Add([]byte(`{"start":"a","states":[{"key":"a"}],"attributes":[{"name":"x","of":"device","values":[{"value":true,"weight":1}]}]}`))
	f.Add([]byte(`{"start": "a", "states": [{"key": "a"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := sim.ParseModel(data)
		if err != nil {
			require.ErrorIs(t, err, sim.ErrInvalidModel)
			return
		}
		require.NoError(t, m.Validate())
		again, err := json.Marshal(m)
		require.NoError(t, err)
		_, err = sim.ParseModel(again)
		require.NoError(t, err)
		// Returns without end would be played, and take as long.
		m.Returns.Chance, m.Heavy.Chance, m.Bots.Chance = 0, 0, 0
		traffic, err := sim.NewTraffic(m, sim.TrafficOptions{Visitors: 3, Length: time.Hour})
		if err != nil { // nobody comes in this hour
			require.ErrorIs(t, err, sim.ErrOptions)
			return
		}
		require.NoError(t, traffic.Run(t.Context(), nobody{}))
	})
}

// nobody is a site that looks at nothing.
type nobody struct{}

func (nobody) Meet(time.Time, *strata.Unit, string) string { return "" }

func (nobody) Do(time.Time, *strata.Unit, strata.Event) {}

func TestOptionsValidation(t *testing.T) {
	effect := sim.Effect{Experiment: "x", Treatment: "on", From: "checkout", To: "pay", Weight: 1.2}
	meets := map[string]string{"x": "checkout"}
	for path, o := range map[string]sim.TrafficOptions{
		"Visitors":              {Visitors: -1},
		"Length":                {Length: -time.Hour},
		"Start":                 {Start: time.Unix(0, 0)},
		"Prefix":                {Prefix: strings.Repeat("x", 300)},
		`Meets["x"]`:            {Meets: map[string]string{"x": "moon"}},
		"Effects[0].experiment": {Effects: []sim.Effect{effect}},
		"Effects[0].treatment":  {Meets: meets, Effects: []sim.Effect{{Experiment: "x", Basket: 2}}},
		"Effects[0].from":       {Meets: meets, Effects: []sim.Effect{{Experiment: "x", Treatment: "on", From: "pay", To: "search", Weight: 2}}},
		"Effects[0].weight":     {Meets: meets, Effects: []sim.Effect{{Experiment: "x", Treatment: "on", Weight: 2}}},
		"Effects[0].basket":     {Meets: meets, Effects: []sim.Effect{{Experiment: "x", Treatment: "on", Basket: -2}}},
	} {
		_, err := sim.NewTraffic(sim.Shop(), o)
		require.ErrorIs(t, err, sim.ErrOptions, path)
		var problem *sim.OptionsError
		require.True(t, errors.As(err, &problem))
		require.Equal(t, path, problem.Problems[0].Path)
	}
	_, err := sim.NewTraffic(nil, sim.TrafficOptions{})
	require.ErrorIs(t, err, sim.ErrInvalidModel)
	m := sim.Shop()
	m.Seasons.Weekdays = []float64{1, 0, 0, 0, 0, 0, 0}
	_, err = sim.NewTraffic(m, sim.TrafficOptions{Length: time.Hour})
	require.ErrorIs(t, err, sim.ErrOptions, "nobody comes on that Monday")
}
