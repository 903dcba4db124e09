package sim

import (
	"cmp"
	"fmt"
	"iter"
	"slices"

	"github.com/strataxp/strata"
)

// Click is one page of a recorded session.
type Click struct {
	// Page is its key, and the name of the page view that simulated visitors
	// track there. Required.
	Page string

	// Depth is how far along the way to the goal the page lies, where pages have
	// such an order; else 0.
	Depth int
}

// ClickOptions say how much a fitted model remembers.
type ClickOptions struct {
	// Memory is how many clicks of a session are told apart: the chance to leave
	// differs from click to click up to there. Zero means 16, and 1 a plain chain
	// over pages and depths. More needs more sessions.
	Memory int
}

// clickState is what a fitted model knows of a visitor: where, the deepest page so
// far, and after how many clicks.
type clickState struct {
	clicks, deepest int
	page            string
}

func (s clickState) key() string {
	if s.clicks == 0 {
		return "start"
	}
	return fmt.Sprintf("%s/%d/%d", s.page, s.deepest, s.clicks)
}

func compareClickStates(a, b clickState) int {
	return cmp.Or(cmp.Compare(a.clicks, b.clicks), cmp.Compare(a.deepest, b.deepest), cmp.Compare(a.page, b.page))
}

// left is the key of the state in which a fitted session ends.
const left = "leave"

// FitClicks makes a model of recorded sessions, each a list of pages in the order
// in which they were seen. The states of its Markov chain are a page, the deepest
// page so far and the number of clicks so far; the weights are how often each
// transition was seen, so that the shares of sessions that get so deep, or so long,
// are those of the record. Sessions without a click are passed over. The model says
// nothing about time, purchases and returns: fill those in, or take them from
// another model. It fails with an error matching [ErrInvalidModel] where there is
// no session, or where the pages are too many.
func FitClicks(sessions iter.Seq[[]Click], o ClickOptions) (*Model, error) {
	memory := cmp.Or(o.Memory, 16)
	if memory < 1 {
		return nil, fmt.Errorf("%w: ClickOptions.Memory = %d: use a positive number, 0 for the default", ErrOptions, o.Memory)
	}
	seen := map[clickState]map[clickState]int{}
	ends := map[clickState]int{}
	for session := range sessions {
		var at clickState
		for _, click := range session {
			to := clickState{min(at.clicks+1, memory), max(at.deepest, click.Depth), click.Page}
			if seen[at] == nil {
				seen[at] = map[clickState]int{}
			}
			seen[at][to]++
			at = to
		}
		if len(session) > 0 {
			ends[at]++
		}
		if len(seen) > maxStates {
			return nil, fmt.Errorf("%w: the sessions need more than %d states; give groups of pages one key, or use less ClickOptions.Memory", ErrInvalidModel, maxStates)
		}
	}
	if len(seen) == 0 {
		return nil, fmt.Errorf("%w: the record holds no session with a click", ErrInvalidModel)
	}
	m := &Model{Name: "clicks", Start: clickState{}.key(), States: clickStates(seen, ends)}
	if err := m.Validate(); err != nil {
		return nil, err
	}
	return m, nil
}

// clickStates turns counts into states.
func clickStates(seen map[clickState]map[clickState]int, ends map[clickState]int) []State {
	all := map[clickState]bool{{}: true}
	for _, next := range seen {
		for to := range next {
			all[to] = true
		}
	}
	var list []State
	for _, from := range sortedStates(all) {
		s := State{Key: from.key()}
		if from.clicks > 0 {
			s.Event = Track{Kind: strata.KindPageView, Name: from.page}
		}
		for _, to := range sortedStates(seen[from]) {
			s.Next = append(s.Next, Transition{To: to.key(), Weight: float64(seen[from][to])})
		}
		if n := ends[from]; n > 0 {
			s.Next = append(s.Next, Transition{To: left, Weight: float64(n)})
		}
		list = append(list, s)
	}
	return append(list, State{Key: left})
}

func sortedStates[V any](in map[clickState]V) []clickState {
	var list []clickState
	for s := range in {
		list = append(list, s)
	}
	slices.SortFunc(list, compareClickStates)
	return list
}
