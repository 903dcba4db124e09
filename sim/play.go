package sim

import (
	"math/rand/v2"
	"time"

	"github.com/strataxp/strata"
)

// play is one run of a traffic.
type play struct {
	traffic *Traffic
	site    Site
	dice    dice
	heap    []*visitor // those under way, the earliest act first
	coming  *visitor   // who comes for the first time next; nil when all have
	begun   int        // how many visitors have been made

	side    rand.PCG                  // for what is drawn beside a visitor's way
	shared  map[uint64]map[string]any // attributes by a hash of them
	values  []int
	weights []float64
	scratch []byte
}

// maxSteps bounds a visit.
const maxSteps = 10_000

func newPlay(t *Traffic, s Site) *play {
	p := &play{traffic: t, site: s, dice: newDice(), shared: map[uint64]map[string]any{}}
	p.arrive()
	return p
}

// arrive makes the next visitor. First visits are in the order of their visitors,
// since each has its own part of all arrivals.
func (p *play) arrive() {
	p.coming = nil
	if p.begun < p.traffic.options.Visitors {
		p.coming = p.newVisitor(p.begun)
		p.begun++
	}
}

// next plays the earliest step, and reports whether there was one.
func (p *play) next() bool {
	if p.coming != nil && (len(p.heap) == 0 || p.coming.at < p.heap[0].at) {
		p.push(p.coming)
		p.arrive()
	}
	if len(p.heap) == 0 {
		return false
	}
	v := p.heap[0]
	if p.step(v) && v.at < p.traffic.calendar.end {
		p.fix()
	} else {
		p.pop()
	}
	return true
}

// step plays one step of a visitor, sets when the next one is, and reports whether
// there is one.
func (p *play) step(v *visitor) bool {
	p.dice.source.PCG = &v.pcg
	if v.waiting {
		p.begin(v)
	}
	s := &p.traffic.states[v.state]
	p.logIn(v, s.login)
	at := time.UnixMicro(v.at).UTC()
	for _, i := range s.meets {
		treatment := p.site.Meet(at, &v.unit, p.traffic.experiments[i])
		v.held[i] = uint8(p.traffic.treatments[i][treatment])
	}
	if s.event.Kind != "" {
		p.site.Do(at, &v.unit, p.event(v, s, at))
	}
	v.steps++
	if s.ends || v.steps >= maxSteps {
		return p.leave(v)
	}
	pace := 1.0
	if v.kind == bot {
		pace = orOne(p.traffic.model.Bots.Pace)
	}
	to := p.choose(v, s)
	v.at += s.pause.draw(p.dice, pace)
	if to < 0 || p.traffic.states[to].silent {
		return p.leave(v)
	}
	v.state = to
	return true
}

// choose draws the next state; −1 where there is nothing that a bot does.
func (p *play) choose(v *visitor, s *state) int {
	weights := s.weights
	if v.kind == bot {
		weights = s.bots
	}
	u := p.dice.Float64()
	if v.kind != bot && len(s.effects) > 0 {
		p.weights = append(p.weights[:0], weights...)
		weights = p.weights
	}
	for i := range s.effects {
		if e := &s.effects[i]; v.kind != bot && v.held[e.experiment] == e.treatment {
			weights[e.transition] *= e.factor
		}
	}
	sum := 0.0
	for _, w := range weights {
		sum += w
	}
	if !(sum > 0) {
		return -1
	}
	x, last := u*sum, -1
	for i, w := range weights {
		if w > 0 {
			last = s.next[i]
		}
		if x < w {
			break
		}
		x -= w
	}
	return last
}

// leave ends a visit, and reports whether another one follows.
func (p *play) leave(v *visitor) bool {
	chance, pace := v.chance(&p.traffic.model)
	// From a generator of its own: whether somebody comes back must not change
	// because they took another way through the shop.
	p.dice.begin(&v.pcg, derive(^v.seed, uint64(v.visit)))
	if !p.dice.hit(chance) {
		return false
	}
	gap := p.traffic.gap
	if p.dice.hit(p.traffic.model.Returns.Soon) {
		gap, pace = p.traffic.soon, 1
	}
	v.at = p.traffic.calendar.back(p.dice, v.at, gap, pace)
	v.waiting = true
	v.visit++
	v.unit, v.user = strata.Unit{}, ""
	return true
}

// event makes what a state tracks.
func (p *play) event(v *visitor, s *state, at time.Time) strata.Event {
	switch s.event.Kind {
	case strata.KindPageView:
		return strata.PageView{Time: at, Page: s.event.Name}
	case strata.KindClick:
		return strata.Click{Time: at, Target: s.event.Name}
	case strata.KindConversion:
		return strata.Conversion{Time: at, Goal: s.event.Name, Value: s.event.Value}
	case strata.KindCustom:
		return strata.Custom{Time: at, EventName: s.event.Name, Value: s.event.Value}
	default:
		e := p.purchase(v)
		e.Time = at
		return e
	}
}

// earlier orders visitors by their next act, those of one instant by index.
func earlier(a, b *visitor) bool { return a.at < b.at || a.at == b.at && a.index < b.index }

func (p *play) push(v *visitor) {
	p.heap = append(p.heap, v)
	i := len(p.heap) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !earlier(p.heap[i], p.heap[parent]) {
			return
		}
		p.heap[i], p.heap[parent] = p.heap[parent], p.heap[i]
		i = parent
	}
}

// fix restores the order after the first one's next act has moved.
func (p *play) fix() {
	h := p.heap
	for i := 0; ; {
		least := 2*i + 1
		if least >= len(h) {
			return
		}
		if right := least + 1; right < len(h) && earlier(h[right], h[least]) {
			least = right
		}
		if !earlier(h[least], h[i]) {
			return
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
}

// pop removes the first one.
func (p *play) pop() {
	last := len(p.heap) - 1
	p.heap[0], p.heap[last] = p.heap[last], nil
	p.heap = p.heap[:last]
	p.fix()
}
