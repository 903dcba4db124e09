package sim

import (
	"fmt"
)

// Effect is what a treatment changes, for the visitors who hold it. It is the
// truth that an experiment is to find.
type Effect struct {
	Experiment string `json:"experiment"`
	Treatment  string `json:"treatment"`

	// From and To name the transition whose weight is multiplied by Weight: 1.2
	// makes it 1.2 times as frequent relative to the others of the state, so that a
	// transition of share s gets the share 1.2·s/(1 + 0.2·s). Both empty means that
	// no transition changes. Zero means 1: no change.
	From   string  `json:"from,omitempty"`
	To     string  `json:"to,omitempty"`
	Weight float64 `json:"weight,omitempty"`

	// Basket multiplies what purchases are worth. Zero means 1: no change.
	Basket float64 `json:"basket,omitempty"`
}

// check checks an effect against the model that it changes.
func (e *Effect) check(p *problems, path string, m *Model) {
	p.check(e.Experiment != "", path+".experiment", nil, "name the experiment")
	p.check(e.Treatment != "", path+".treatment", nil, "name the treatment")
	factor(p, path+".weight", e.Weight)
	factor(p, path+".basket", e.Basket)
	if e.From == "" && e.To == "" {
		p.check(e.Weight == 0 || e.Weight == 1, path+".weight", e.Weight, "name the transition that it changes, in from and to")
		return
	}
	from := m.state(e.From)
	if from < 0 || m.States[from].transition(e.To) < 0 {
		p.report(path+".from", fmt.Sprintf("%s → %s", e.From, e.To), "the model has no such transition")
	}
}

// transition returns the index of the transition to a state, or -1.
func (s *State) transition(to string) int {
	for i := range s.Next {
		if s.Next[i].To == to {
			return i
		}
	}
	return -1
}

// unchanged reports whether an effect changes nothing.
func (e *Effect) unchanged() bool {
	return orOne(e.Weight) == 1 && orOne(e.Basket) == 1
}
