package sim

import (
	"maps"
	"slices"

	"github.com/strataxp/strata"
)

// state is a [State] ready to be played.
type state struct {
	event   Track
	login   float64
	pause   spread
	next    []int
	weights []float64 // of people
	bots    []float64 // of bots: 0 for what they never do
	meets   []int     // the experiments that are met here, in the order of their keys
	effects []weightEffect
	ends    bool // the visit
	silent  bool // nothing happens here
}

// weightEffect changes a transition of its state.
type weightEffect struct {
	experiment int
	treatment  uint8
	transition int
	factor     float64
}

// basketEffect changes what purchases are worth.
type basketEffect struct {
	experiment int
	treatment  uint8
	factor     float64
}

// compile makes the states and effects ready.
func (t *Traffic) compile(m *Model) {
	t.experiments = slices.Sorted(maps.Keys(t.options.Meets))
	t.treatments = make([]map[string]int, len(t.experiments))
	t.gap, t.soon = spreadOf(m.Returns.Gap), spreadOf(m.Returns.SoonGap)
	if len(m.Devices.Shares) > 0 {
		t.devices = cumulative(m.Devices.Shares)
	}
	for i := range m.Attributes {
		var w []float64
		for _, v := range m.Attributes[i].Values {
			w = append(w, v.Weight)
		}
		t.attributes = append(t.attributes, cumulative(w))
	}
	for i := range m.States {
		t.states = append(t.states, compileState(m, &m.States[i]))
	}
	for i, experiment := range t.experiments {
		s := &t.states[m.state(t.options.Meets[experiment])]
		s.meets = append(s.meets, i)
	}
	for i := range t.options.Effects {
		t.compileEffect(m, &t.options.Effects[i])
	}
	for i := range t.states {
		s := &t.states[i]
		s.silent = s.ends && s.event.IsZero() && len(s.meets) == 0
	}
}

func compileState(m *Model, from *State) state {
	s := state{event: from.Event, login: from.Login, pause: spreadOf(from.pause()), ends: len(from.Next) == 0}
	for _, next := range from.Next {
		to := m.state(next.To)
		s.next = append(s.next, to)
		s.weights = append(s.weights, next.Weight)
		bots := next.Weight
		if len(m.States[to].Next) == 0 {
			bots /= orOne(m.Bots.Linger)
		}
		if m.States[to].Event.Kind == strata.KindPurchase {
			bots = 0
		}
		s.bots = append(s.bots, bots)
	}
	return s
}

func (t *Traffic) compileEffect(m *Model, e *Effect) {
	if e.unchanged() {
		return
	}
	experiment := slices.Index(t.experiments, e.Experiment)
	numbers := t.treatments[experiment]
	if numbers == nil {
		numbers = map[string]int{}
		t.treatments[experiment] = numbers
	}
	number, known := numbers[e.Treatment]
	if !known {
		number = len(numbers) + 1
		numbers[e.Treatment] = number
	}
	if factor := orOne(e.Weight); factor != 1 {
		from := m.state(e.From)
		t.states[from].effects = append(t.states[from].effects, weightEffect{experiment, uint8(number), m.States[from].transition(e.To), factor})
	}
	if factor := orOne(e.Basket); factor != 1 {
		t.baskets = append(t.baskets, basketEffect{experiment, uint8(number), factor})
	}
}
