package sim

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/strataxp/strata"
)

// Limits on a model. They keep one that was generated from exhausting the process
// that plays it.
const (
	maxStates     = 10_000
	maxDevices    = 8
	maxSigma      = 5
	maxAttributes = 50
	maxPieces     = 100
	maxMoney      = 1e12 // of a basket, in minor units
)

// longest is the longest median of a time.
const longest = 10 * 365 * 24 * time.Hour

// Validate checks the whole model and returns a [*ModelError] that lists every
// problem, or nil. It does not change the model.
func (m *Model) Validate() error {
	var p problems
	m.checkStates(&p)
	m.checkEnds(&p)
	m.Baskets.check(&p, m.sells())
	m.checkReturns(&p)
	m.Devices.check(&p)
	weights(&p, "seasons.hours", m.Seasons.Hours, 24)
	weights(&p, "seasons.weekdays", m.Seasons.Weekdays, 7)
	m.checkAttributes(&p)
	if len(p) > 0 {
		return &ModelError{Problems: p}
	}
	return nil
}

func (m *Model) checkStates(p *problems) {
	p.check(len(m.States) > 0, "states", nil, "a visit needs a state to begin in")
	p.check(len(m.States) <= maxStates, "states", len(m.States), "the limit is %d", maxStates)
	p.check(m.state(m.Start) >= 0, "start", m.Start, "name the state in which visits begin")
	seen := map[string]bool{}
	for i := range m.States {
		s := &m.States[i]
		path := fmt.Sprintf("states[%d]", i)
		p.check(s.Key != "", path+".key", nil, "a key is required")
		p.check(!seen[s.Key], path+".key", s.Key, "given twice; keep one")
		seen[s.Key] = true
		s.Event.check(p, path+".event")
		share(p, path+".login", s.Login)
		s.Pause.check(p, path+".pause", false)
		m.checkNext(p, path, s)
	}
}

func (m *Model) checkNext(p *problems, path string, s *State) {
	to := map[string]bool{}
	for j, next := range s.Next {
		at := fmt.Sprintf("%s.next[%d]", path, j)
		p.check(m.state(next.To) >= 0, at+".to", next.To, "the model has no such state")
		p.check(!to[next.To], at+".to", next.To, "two transitions lead there; add their weights up")
		to[next.To] = true
		p.check(next.Weight > 0 && next.Weight <= math.MaxFloat32, at+".weight", next.Weight, "use a number above 0")
	}
}

// checkEnds makes sure that no visit goes on for ever, for bots neither.
func (m *Model) checkEnds(p *problems) {
	if len(*p) > 0 {
		return // the states cannot be walked
	}
	for i := range m.States {
		if path := fmt.Sprintf("states[%d].next", i); !m.reachesEnd(i) {
			p.report(path, m.States[i].Key, "no way leads from here to a state without transitions, so that the visit would never end; add one")
		}
	}
}

// reachesEnd follows all transitions from a state.
func (m *Model) reachesEnd(from int) bool {
	seen := make([]bool, len(m.States))
	todo := []int{from}
	for len(todo) > 0 {
		i := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if len(m.States[i].Next) == 0 {
			return true
		}
		if seen[i] {
			continue
		}
		seen[i] = true
		for _, next := range m.States[i].Next {
			todo = append(todo, m.state(next.To))
		}
	}
	return false
}

func (t *Track) check(p *problems, path string) {
	switch t.Kind {
	case "":
		p.check(t.IsZero(), path+".kind", nil, "say of which kind the event is")
	case strata.KindPurchase:
		p.check(t.Name == "", path+".name", t.Name, "purchases have no name; leave it out")
	case strata.KindPageView, strata.KindClick, strata.KindConversion, strata.KindCustom:
		p.check(t.Name != "" && len(t.Name) <= 200 && plain(t.Name), path+".name", t.Name, "is required, at most 200 bytes of UTF-8 without NUL")
	default:
		p.report(path+".kind", string(t.Kind), "use page_view, click, purchase, conversion or custom")
	}
	valued := t.Kind == strata.KindConversion || t.Kind == strata.KindCustom
	p.check(math.Abs(t.Value) <= 1e15 && (valued || t.Value == 0), path+".value", t.Value, "conversions and custom events have a value, at most ±10¹⁵")
}

// plain reports whether a text can be stored.
func plain(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// check checks a time. One that is required is above zero.
func (l *LogNormal) check(p *problems, path string, required bool) {
	if l.IsZero() && !required {
		return
	}
	p.check(l.Median > 0 && time.Duration(l.Median) <= longest, path+".median", l.Median, "use a duration above 0 such as \"30s\", at most ten years")
	p.check(l.Sigma >= 0 && l.Sigma <= maxSigma, path+".sigma", l.Sigma, "use a number from 0 to %d", maxSigma)
}

// sells reports whether some state tracks a purchase.
func (m *Model) sells() bool {
	return slices.ContainsFunc(m.States, func(s State) bool { return s.Event.Kind == strata.KindPurchase })
}

func (b *Baskets) check(p *problems, needed bool) {
	p.check(b.Median > 0 || !needed, "baskets.median", b.Median, "a state tracks a purchase; say what half of the baskets are worth less than, in minor units")
	p.check(b.Currency == "" || validCurrency(b.Currency), "baskets.currency", b.Currency, "use three capital letters, such as EUR")
	p.check(b.Median >= 0 && b.Median <= maxMoney, "baskets.median", b.Median, "use minor units of money, at most 10¹²")
	p.check(b.Sigma >= 0 && b.Sigma <= maxSigma, "baskets.sigma", b.Sigma, "use a number from 0 to %d", maxSigma)
	share(p, "baskets.taste", b.Taste)
	share(p, "baskets.discounts", b.Discounts)
	p.check(b.Discount >= 0 && b.Discount < 1, "baskets.discount", b.Discount, "use a number from 0 to below 1")
	p.check(b.Pieces == 0 || b.Pieces >= 1 && b.Pieces <= maxPieces, "baskets.pieces", b.Pieces, "use a number from 1 to %d, or leave it out", maxPieces)
}

func validCurrency(code string) bool {
	for _, c := range []byte(code) {
		if c < 'A' || c > 'Z' {
			return false
		}
	}
	return len(code) == 3
}

func (m *Model) checkReturns(p *problems) {
	chance := func(path string, v float64) {
		p.check(v >= 0 && v < 1, path, v, "use a number from 0 to below 1")
	}
	chance("returns.chance", m.Returns.Chance)
	chance("heavy.chance", m.Heavy.Chance)
	chance("bots.chance", m.Bots.Chance)
	any := m.Returns.Chance > 0 || m.Heavy.Chance > 0 || m.Bots.Chance > 0
	m.Returns.Gap.check(p, "returns.gap", any)
	share(p, "returns.soon", m.Returns.Soon)
	m.Returns.SoonGap.check(p, "returns.soon_gap", any && m.Returns.Soon > 0)
	share(p, "heavy.share", m.Heavy.Share)
	share(p, "bots.share", m.Bots.Share)
	p.check(!(m.Heavy.Share+m.Bots.Share > 1), "heavy.share", m.Heavy.Share, "heavy visitors and bots are more than all visitors")
	factor(p, "heavy.gap", m.Heavy.Gap)
	factor(p, "heavy.basket", m.Heavy.Basket)
	factor(p, "bots.pace", m.Bots.Pace)
	factor(p, "bots.linger", m.Bots.Linger)
}

func (d *Devices) check(p *problems) {
	p.check(len(d.Shares) <= maxDevices, "devices.shares", len(d.Shares), "the limit is %d devices", maxDevices)
	weights(p, "devices.shares", d.Shares, len(d.Shares))
	share(p, "devices.switch", d.Switch)
	share(p, "devices.accounts", d.Accounts)
	share(p, "devices.remembered", d.Remembered)
}

func (m *Model) checkAttributes(p *problems) {
	p.check(len(m.Attributes) <= maxAttributes, "attributes", len(m.Attributes), "the limit is %d", maxAttributes)
	seen := map[string]bool{}
	for i := range m.Attributes {
		a := &m.Attributes[i]
		path := fmt.Sprintf("attributes[%d]", i)
		p.check(a.Name != "", path+".name", nil, "a name is required")
		p.check(!seen[a.Name], path+".name", a.Name, "given twice; keep one")
		seen[a.Name] = true
		p.check(a.Of == "" || a.Of == ofVisitor || a.Of == ofDevice, path+".of", a.Of, "use visitor or device")
		p.check(len(a.Values) > 0, path+".values", nil, "needs at least one value")
		for j, v := range a.Values {
			at := fmt.Sprintf("%s.values[%d]", path, j)
			switch v.Value.(type) {
			case string, bool, int, int64, float64:
			default:
				p.report(at+".value", v.Value, "use a string, a bool or a number")
			}
			p.check(v.Weight > 0 && v.Weight <= math.MaxFloat32, at+".weight", v.Weight, "use a number above 0")
		}
	}
}

// What an attribute can belong to.
const (
	ofVisitor = "visitor"
	ofDevice  = "device"
)

// share checks a part of a whole.
func share(p *problems, path string, v float64) {
	p.check(v >= 0 && v <= 1, path, v, "use a number from 0 to 1")
}

// factor checks what something is multiplied by; 0 stands for 1.
func factor(p *problems, path string, v float64) {
	p.check(v >= 0 && v <= 1e6, path, v, "use a number above 0 and at most a million, 0 for no change")
}

// weights checks relative numbers, of which there are so many or none.
func weights(p *problems, path string, list []float64, want int) {
	if len(list) == 0 {
		return
	}
	p.check(len(list) == want, path, len(list), "give %d numbers, or none", want)
	sum := 0.0
	for i, w := range list {
		p.check(w >= 0 && w <= math.MaxFloat32, fmt.Sprintf("%s[%d]", path, i), w, "use a number of at least 0")
		sum += w
	}
	p.check(!(sum <= 0), path, sum, "the numbers add up to nothing; use at least one above 0")
}
