package sim

import (
	"math"
	"math/rand/v2"
	"strconv"

	"github.com/strataxp/strata"
)

// visitor is somebody who is on a visit, or will come back.
type visitor struct {
	index   int
	at      int64 // of the next act, in microseconds since 1970
	visit   int   // number of the visit, from 0
	state   int   // that the visitor is about to arrive in
	steps   int   // of this visit
	waiting bool  // for the visit to begin
	seed    uint64
	pcg     rand.PCG

	kind    visitorKind
	account bool
	taste   float64 // of baskets, a standard normal number
	devices int
	device  int
	known   uint8 // the devices on which the visitor has logged in, as bits
	orders  int

	held []uint8 // the treatment of each experiment, 0 for one without effect
	unit strata.Unit
	user string // the id, once logged in
}

type visitorKind uint8

const (
	person visitorKind = iota
	heavy
	bot
)

// newVisitor makes the visitor with that index, who comes for the first time. What
// is the visitor's own does not depend on what others do.
func (p *play) newVisitor(index int) *visitor {
	t := p.traffic
	v := &visitor{index: index, seed: derive(t.options.Seed, uint64(index)), devices: 1, waiting: true}
	if len(t.experiments) > 0 {
		v.held = make([]uint8, len(t.experiments))
	}
	p.dice.begin(&v.pcg, v.seed)
	v.at = t.calendar.arrival((float64(index) + p.dice.Float64()) / float64(t.options.Visitors))
	switch u := p.dice.Float64(); {
	case u < t.model.Bots.Share:
		v.kind = bot
	case u < t.model.Bots.Share+t.model.Heavy.Share:
		v.kind = heavy
	}
	v.account = p.dice.hit(t.model.Devices.Accounts) && v.kind != bot
	v.taste = p.dice.NormFloat64()
	if t.devices != nil {
		v.devices = 1 + pick(t.devices, p.dice.Float64())
	}
	return v
}

// chance is how likely a visit is followed by another one, and pace what the time
// until then is multiplied by.
func (v *visitor) chance(m *Model) (chance, pace float64) {
	switch v.kind {
	case heavy:
		return m.Heavy.Chance, orOne(m.Heavy.Gap)
	case bot:
		return m.Bots.Chance, 1
	default:
		return m.Returns.Chance, 1
	}
}

// begin begins a visit: a device, a session, logged in or not.
func (p *play) begin(v *visitor) {
	t := p.traffic
	v.waiting, v.steps, v.state = false, 0, t.start
	p.dice.begin(&v.pcg, derive(v.seed, uint64(v.visit)+1))
	if v.visit > 0 && v.devices > 1 && p.dice.hit(t.model.Devices.Switch) {
		v.device = (v.device + 1 + p.dice.IntN(v.devices-1)) % v.devices
	}
	p.ids(v)
	if v.known&(1<<v.device) != 0 && p.dice.hit(t.model.Devices.Remembered) {
		v.unit.User = v.user
	}
	v.unit.Attributes = p.attributes(v)
}

// ids makes the ids of a visit, all in one piece of memory.
func (p *play) ids(v *visitor) {
	prefix, b := p.traffic.options.Prefix, p.scratch[:0]
	b = append(b, prefix...)
	b = append(b, 'u')
	b = strconv.AppendInt(b, int64(v.index), 10)
	user := len(b)
	b = append(b, prefix...)
	b = append(b, 'd')
	b = strconv.AppendInt(b, int64(v.index), 10)
	b = append(b, '-')
	b = strconv.AppendInt(b, int64(v.device), 10)
	device := len(b)
	b = append(b, prefix...)
	b = append(b, 's')
	b = strconv.AppendInt(b, int64(v.index), 10)
	b = append(b, '-')
	b = strconv.AppendInt(b, int64(v.visit), 10)
	p.scratch = b
	all := string(b)
	v.user, v.unit = all[:user], strata.Unit{Device: all[user:device], Session: all[device:]}
}

// logIn logs a visitor in, perhaps.
func (p *play) logIn(v *visitor, chance float64) {
	if v.account && v.unit.User == "" && p.dice.hit(chance) {
		v.unit.User = v.user
		v.known |= 1 << v.device
	}
}

// attributes returns those of the visitor on the device. Maps are shared by all
// who have the same.
func (p *play) attributes(v *visitor) map[string]any {
	list := p.traffic.model.Attributes
	if len(list) == 0 {
		return nil
	}
	p.values = p.values[:0]
	key := uint64(0)
	for i := range list {
		part := uint64(i) << 8
		if list[i].Of == ofDevice {
			part += uint64(v.device) + 1
		}
		value := pick(p.traffic.attributes[i], uniform(derive(^v.seed, part)))
		p.values = append(p.values, value)
		key = mix(key ^ uint64(value))
	}
	if found, known := p.shared[key]; known {
		return found
	}
	made := make(map[string]any, len(list))
	for i := range list {
		made[list[i].Name] = list[i].Values[p.values[i]].Value
	}
	if len(p.shared) < maxShared {
		p.shared[key] = made
	}
	return made
}

// maxShared bounds the memory for maps of attributes.
const maxShared = 1 << 14

// purchase makes an order. It is drawn from a generator of its own, so that the way
// on does not depend on what was bought.
func (p *play) purchase(v *visitor) strata.Purchase {
	t, b := p.traffic, &p.traffic.model.Baskets
	p.dice.begin(&p.side, derive(derive(v.seed, uint64(v.visit)+1), uint64(v.orders)+1))
	defer func() { p.dice.source.PCG = &v.pcg }()
	value := b.Median * math.Exp(b.Sigma*(math.Sqrt(b.Taste)*v.taste+math.Sqrt(1-b.Taste)*p.dice.NormFloat64()))
	if v.kind == heavy {
		value *= orOne(t.model.Heavy.Basket)
	}
	for _, e := range t.baskets {
		if v.held[e.experiment] == e.treatment {
			value *= e.factor
		}
	}
	gross := int64(math.Round(min(max(value, 1), maxMoney)))
	e := strata.Purchase{Total: gross, Currency: t.currency()}
	if p.dice.hit(b.Discounts) {
		e.Discount = int64(float64(gross) * b.Discount)
		e.Total -= e.Discount
	}
	if b.Pieces > 0 {
		n := 1 + p.dice.poisson(b.Pieces-1)
		e.Items = []strata.Item{{SKU: "item", Quantity: n, Price: gross / n}}
	}
	buf := append(p.scratch[:0], t.options.Prefix...)
	buf = append(buf, 'o')
	buf = strconv.AppendInt(buf, int64(v.index), 10)
	buf = append(buf, '-')
	buf = strconv.AppendInt(buf, int64(v.orders), 10)
	p.scratch = buf
	e.OrderID = string(buf)
	v.orders++
	return e
}

func (t *Traffic) currency() string {
	if t.model.Baskets.Currency == "" {
		return "EUR"
	}
	return t.model.Baskets.Currency
}
