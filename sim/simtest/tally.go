package simtest

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/strataxp/strata"
)

// Tally adds up over worlds how treatments were drawn, and whether they depend on
// each other. Each score has mean 0 and variance 1 where all is well.
type Tally struct {
	scores map[string]*score
}

// score is a sum of independent terms of mean zero.
type score struct {
	sum, variance float64
	n             int
}

func newTally() *Tally { return &Tally{scores: make(map[string]*score)} }

func (t *Tally) add(name string, x, variance float64) {
	s := t.scores[name]
	if s == nil {
		s = new(score)
		t.scores[name] = s
	}
	s.sum, s.variance, s.n = s.sum+x, s.variance+variance, s.n+1
}

// Add adds up what other worlds have seen.
func (t *Tally) Add(other *Tally) {
	for name, o := range other.scores {
		t.add(name, o.sum, o.variance)
		t.scores[name].n += o.n - 1
	}
}

// maxScore is beyond what chance does: one in 60 million is as far from zero.
const maxScore = 5.5

// Check returns an error that names all scores which are beyond chance.
func (t *Tally) Check() error {
	var bad []string
	for name, s := range t.scores {
		if z := s.z(); math.Abs(z) > maxScore {
			bad = append(bad, fmt.Sprintf("[allocation] %s: %.1f standard errors off (%d units)", name, z, s.n))
		}
	}
	if len(bad) == 0 {
		return nil
	}
	slices.Sort(bad)
	return fmt.Errorf("simtest: %s", strings.Join(bad, "\n"))
}

func (s *score) z() float64 {
	if s.variance < 5 { // the normal approximation needs some
		return 0
	}
	return s.sum / math.Sqrt(s.variance)
}

// drawn counts a unit for which a treatment was drawn.
func (t *Tally) drawn(w *world, u *strata.Unit, who subject, f *firstMeeting, e *strata.Experiment) {
	total := 0
	for i := range e.Treatments {
		total += e.Treatments[i].Weight
	}
	if f.chance = float64(e.Treatments[0].Weight) / float64(total); f.chance == 0 || f.chance == 1 {
		return
	}
	x := f.excess(controlKey)
	t.add("share of "+who.experiment+"'s control", x, f.variance())
	for _, other := range w.metBy(u) {
		g := w.first[other]
		if other.experiment == who.experiment || g.chance == 0 || g.chance == 1 {
			continue
		}
		pair := []string{other.experiment, who.experiment}
		slices.Sort(pair)
		t.add("independence of "+strings.Join(pair, " and "), x*g.excess(controlKey), f.variance()*g.variance())
	}
}

// bought counts a unit that bought, in the experiments that it met before and that
// change nothing.
func (t *Tally) bought(w *world, u *strata.Unit) {
	for _, who := range w.metBy(u) {
		f := w.first[who]
		if who.experiment == "pay" || f.bought || f.chance == 0 || f.chance == 1 {
			continue
		}
		f.bought = true
		t.add("share of "+who.experiment+"'s control among those who bought", f.excess(controlKey), f.variance())
	}
}

// metBy returns what the ids of a unit have met.
func (w *world) metBy(u *strata.Unit) (list []subject) {
	for _, id := range []string{u.User, u.Device, u.Session} {
		if id != "" {
			list = append(list, w.byID[id]...)
		}
	}
	return list
}

// excess is 1 less the chance for a unit in the control, and less the chance for
// others.
func (f *firstMeeting) excess(control string) float64 {
	if f.treatment == control {
		return 1 - f.chance
	}
	return -f.chance
}

func (f *firstMeeting) variance() float64 { return f.chance * (1 - f.chance) }
