package strata

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/strataxp/strata/internal/jsonread"
	"github.com/strataxp/strata/internal/makeway"
)

// Compile validates a plan and compiles it as it stands at an instant. The
// snapshot keeps nothing of the plan. Units that earlier changes of plan
// promised to keep are known to the store and not to the plan, so [Open] adds
// them and Compile does not.
func Compile(p *Plan, at time.Time) (*Snapshot, error) {
	v, err := p.validated()
	if err != nil {
		return nil, err
	}
	c := newCompiler(p, v.tree, at)
	c.audiences = v.audiences
	return c.compile()
}

// compile is Compile for a plan that was validated before. kept holds the kept
// units by experiment; it may be nil.
func compile(p *Plan, at time.Time, kept map[string]*keptUnits) (*Snapshot, error) {
	c := newCompiler(p, newTree(p), at)
	c.kept = kept
	return c.compile()
}

// compiler compiles a plan. What an experiment or layer has several of is cut from
// slabs, as a plan of 10,000 experiments would take a hundred thousand allocations.
type compiler struct {
	plan      *Plan
	tree      *tree
	at        time.Time
	kept      map[string]*keptUnits
	audiences audiences

	layers  map[string]*snapLayer
	domains map[string]*snapDomain
	snap    *Snapshot

	ends       jsonread.Slab[uint32]
	treatments jsonread.Slab[snapTreatment]
	touched    jsonread.Slab[touch]
	pointers   jsonread.Slab[*value]
	values     jsonread.Slab[value]
	slots      jsonread.Slab[snapSlot]

	params []int32   // scratch: those that an experiment sets
	sets   []Buckets // scratch: what is owned in a layer
	owners []snapSlot
}

func newCompiler(p *Plan, t *tree, at time.Time) *compiler {
	return &compiler{
		plan: p, tree: t, at: at,
		layers:  make(map[string]*snapLayer, len(p.Layers)),
		domains: make(map[string]*snapDomain, len(p.Domains)),
		snap: &Snapshot{
			serial: snapshotSerial.Add(1), version: p.Version, at: at,
			params:      make([]snapParam, 0, len(p.Parameters)),
			paramIndex:  make(map[string]int32, len(p.Parameters)),
			experiments: newExperimentIndex(len(p.Experiments)),
		},
	}
}

func (c *compiler) compile() (*Snapshot, error) {
	p := c.plan
	if err := c.parameters(); err != nil {
		return nil, err
	}
	c.diversions()
	layers := make([]snapLayer, len(p.Layers))
	for i := range p.Layers {
		c.layer(&p.Layers[i], &layers[i])
	}
	for i := range p.Domains {
		c.domain(&p.Domains[i])
	}
	for i := range p.Layers {
		c.path(&p.Layers[i])
	}
	experiments := make([]snapExperiment, len(p.Experiments))
	for i := range p.Experiments {
		makeway.At(i)
		if err := c.experiment(&p.Experiments[i], &experiments[i]); err != nil {
			return nil, err
		}
	}
	c.shareControls()
	for i := range p.Layers {
		c.fill(&p.Layers[i])
	}
	c.snap.root.finish()
	for _, d := range c.domains {
		d.finish()
	}
	c.parameterOwners()
	return c.snap, nil
}

func (c *compiler) parameters() error {
	for i := range c.plan.Parameters {
		p := &c.plan.Parameters[i]
		def, err := compileValue(p.Type, p.Default)
		if err != nil {
			return fmt.Errorf("%w: parameter %q: %w", ErrInvalidPlan, p.Key, err)
		}
		c.snap.paramIndex[p.Key] = int32(i)
		c.snap.params = append(c.snap.params, snapParam{key: p.Key, kind: p.Type, def: def})
	}
	return nil
}

// diversions gives the diversions in use their places, the commonest first.
func (c *compiler) diversions() {
	var uses [numDiversions]int
	for i := range c.plan.Layers {
		div, _ := c.plan.Layers[i].Diversion.index()
		uses[div]++
	}
	order := c.snap.diverts[:]
	for i := range order {
		order[i] = uint8(i)
	}
	slices.SortStableFunc(order, func(a, b uint8) int { return uses[b] - uses[a] })
	for _, n := range uses {
		c.snap.places += uint8(min(n, 1))
	}
	c.snap.places = max(c.snap.places, 1)
}

func (c *compiler) layer(l *Layer, out *snapLayer) {
	div, _ := l.Diversion.index()
	*out = snapLayer{
		key: l.Key, seed: layerSeed(l.salt()), snap: c.snap,
		div: uint8(div), place: uint8(slices.Index(c.snap.diverts[:], uint8(div))),
	}
	c.layers[l.Key] = out
	if l.Domain == "" {
		c.snap.root.add(out)
	}
}

// add puts a layer behind those that the domain has.
func (d *snapDomain) add(l *snapLayer) {
	l.in, l.pos = d, len(d.layers)
	d.layers = append(d.layers, l)
}

func (c *compiler) domain(d *Domain) {
	out := &snapDomain{key: d.Key, above: c.layers[d.Layer], byParam: make(map[int32]*snapLayer)}
	for _, l := range c.tree.inDomain[d.Key] {
		out.add(c.layers[l.Key])
		for key := range c.tree.owned(l) {
			out.byParam[c.snap.paramIndex[key]] = c.layers[l.Key]
		}
	}
	c.domains[d.Key] = out
}

func (c *compiler) experiment(e *Experiment, out *snapExperiment) error {
	*out = snapExperiment{
		key: e.Key, phase: e.Phase,
		seed:     experimentSeed(e.salt(), e.Phase),
		layer:    c.layers[e.Layer],
		place:    c.layers[e.Layer].place,
		running:  e.Status.live() && e.Schedule.running(c.at),
		live:     e.Status.live(),
		unopened: e.Schedule.open(c.at) == 0,
		closed:   e.Status == StatusIntakeClosed,
		draft:    e.Status == "" || e.Status == StatusDraft,
		kept:     c.kept[e.Key],
	}
	if len(e.Analysis.Breakdowns) > 0 {
		if c.snap.breakdowns == nil {
			c.snap.breakdowns = make(map[string][]string)
		}
		c.snap.breakdowns[e.Key] = slices.Clone(e.Analysis.Breakdowns)
	}
	if h := e.History; h.KeepBefore > 0 {
		out.keep = &keepRange{h.KeepFrom, h.KeepBefore}
	}
	out.ends, out.treatments = c.ends.Cut(len(e.Treatments)), c.treatments.Cut(len(e.Treatments))
	sum := uint32(0)
	for i := range e.Treatments {
		sum += uint32(e.Treatments[i].Weight)
		out.ends[i] = sum
		out.treatments[i] = snapTreatment{e.Treatments[i].Key, exposureMark(out.seed, e.Treatments[i].Key)}
	}
	if len(out.ends) == 2 {
		out.usual, out.drawn = newDraw(out.seed, out.ends[0], sum)
	}
	if e.Audience != "" {
		program, err := c.audiences.compile(e.Audience)
		if err != nil {
			return fmt.Errorf("%w: experiment %q: audience: %w", ErrInvalidPlan, e.Key, err)
		}
		out.audience = program
	}
	for _, earlier := range e.Earlier {
		out.earlier = append(out.earlier, compileAllocation(e, earlier))
		out.audienceChanged = out.audienceChanged || earlier.Audience != e.Audience
	}
	c.noteBoundary(e)
	c.snap.experiments.add(out)
	return c.touches(e, out)
}

// compileAllocation translates an earlier allocation to today's treatments.
func compileAllocation(e *Experiment, a Allocation) snapAllocation {
	var out snapAllocation
	sum := uint32(0)
	for _, w := range a.Weights {
		sum += uint32(w.Weight)
		out.ends = append(out.ends, sum)
		out.index = append(out.index, e.treatment(w.Treatment))
	}
	return out
}

// path links a layer to the domains that lead to it.
func (c *compiler) path(l *Layer) {
	steps, err := c.tree.path(l)
	if err != nil {
		return // validated
	}
	out := c.layers[l.Key]
	for _, s := range steps {
		out.path = append(out.path, snapStep{c.layers[s.layer.Key], c.domains[s.domain.Key], !s.domain.Draining.IsEmpty()})
	}
}

func (c *compiler) noteBoundary(e *Experiment) {
	if !e.Status.live() {
		return
	}
	if next := e.Schedule.next(c.at); !next.IsZero() && (c.snap.next.IsZero() || next.Before(c.snap.next)) {
		c.snap.next = next
	}
}

func (c *compiler) touches(e *Experiment, out *snapExperiment) error {
	c.params = c.params[:0]
	for i := range e.Treatments {
		for key := range e.Treatments[i].Values {
			if index := c.snap.paramIndex[key]; !slices.Contains(c.params, index) {
				c.params = append(c.params, index)
			}
		}
	}
	slices.SortFunc(c.params, func(a, b int32) int { return strings.Compare(c.snap.params[a].key, c.snap.params[b].key) })
	out.touches = c.touched.Cut(len(c.params))
	for n, index := range c.params {
		out.touches[n] = touch{param: index, values: c.pointers.Cut(len(e.Treatments))}
		if err := c.touch(e, &c.snap.params[index], out.touches[n].values); err != nil {
			return err
		}
	}
	return nil
}

// touch compiles the values of a parameter, by treatment.
func (c *compiler) touch(e *Experiment, p *snapParam, into []*value) error {
	for i := range e.Treatments {
		v, set := e.Treatments[i].Values[p.key]
		if !set {
			continue
		}
		compiled, err := compileValue(p.kind, v)
		if err != nil {
			return fmt.Errorf("%w: experiment %q, treatment %q, %s: %w", ErrInvalidPlan, e.Key, e.Treatments[i].Key, p.key, err)
		}
		into[i] = &c.values.Cut(1)[0]
		*into[i] = compiled
	}
	return nil
}

func (c *compiler) shareControls() {
	for i := range c.plan.Experiments {
		e := &c.plan.Experiments[i]
		if e.SharedControl == "" {
			continue
		}
		with, sharer := c.snap.experiments.find(e.SharedControl), c.snap.experiments.find(e.Key)
		sharer.control, sharer.shares = with, true
		sharer.treatments = append(sharer.treatments, snapTreatment{with.treatments[0].key, exposureMark(sharer.seed, with.treatments[0].key)})
		if sharer.running {
			with.sharers = append(with.sharers, sharer)
		}
	}
}

// fill builds the table of a layer's bucket owners.
func (c *compiler) fill(l *Layer) {
	out := c.layers[l.Key]
	c.sets, c.owners = c.sets[:0], append(c.owners[:0], snapSlot{layer: out, kind: slotFree})
	add := func(set Buckets, s snapSlot) {
		if !set.IsEmpty() {
			c.sets = append(c.sets, set)
			c.owners = append(c.owners, s)
		}
	}
	for _, e := range c.tree.inLayer[l.Key] {
		if e.Status == StatusStopped {
			continue
		}
		exp := c.snap.experiments.find(e.Key)
		open := e.openBuckets(c.at)
		add(open, openSlot(exp))
		if len(e.Schedule.Ramp) > 0 {
			add(e.Buckets.Minus(open), snapSlot{layer: out, kind: slotReserved, exp: exp})
		}
		add(e.Draining, snapSlot{layer: out, kind: slotDraining, exp: exp})
	}
	for _, d := range c.tree.nested[l.Key] {
		add(d.Buckets, snapSlot{layer: out, kind: slotDomain, domain: c.domains[d.Key]})
		add(d.Draining, snapSlot{layer: out, kind: slotDomainDraining, domain: c.domains[d.Key]})
	}
	out.slots = c.slots.Cut(len(c.owners))
	copy(out.slots, c.owners)
	out.bits, out.mask, out.table = packOwners(c.sets)
	if len(c.sets) == 1 && out.bits == 0 {
		out.sole = &out.slots[1]
		if e := out.sole.exp; e != nil {
			e.alone = out.sole.plain && len(out.path) == 0
		}
	}
}

// finish gathers what the layers of a domain need to be decided one after the other.
func (d *snapDomain) finish() {
	d.usual = make([]usualLayer, len(d.layers))
	for i, l := range d.layers {
		d.usual[i] = usualLayer{slot: &l.slots[0], place: unusualPlace}
		if l.sole != nil && l.sole.plain {
			e := l.sole.exp
			d.usual[i] = usualLayer{e.usual, l.sole, [2]*snapTreatment{&e.treatments[0], &e.treatments[1]}, l.place}
		}
	}
}

// The tables of layers in which nobody or one owner has all buckets. Tables never
// change.
var nobodys, somebodys = []uint64{0}, []uint64{1}

// packOwners writes set i's buckets as the number i+1, and everything else as
// 0, with as few bits a bucket as the numbers need.
func packOwners(sets []Buckets) (bits uint32, mask uint64, table []uint64) {
	switch {
	case len(sets) == 0:
		return 0, 1, nobodys
	case len(sets) == 1 && sets[0].Len() == NumBuckets:
		return 0, 1, somebodys
	case len(sets) == 1:
		return 1, 1, sets[0].words // immutable, so it can be shared
	}
	bits = 2
	for 1<<bits <= len(sets) {
		bits *= 2
	}
	table = make([]uint64, (NumBuckets*bits+63)/64)
	for i, set := range sets {
		for b := range set.All() {
			at := uint32(b) * bits
			table[at>>6] |= uint64(i+1) << (at & 63)
		}
	}
	return bits, 1<<bits - 1, table
}

// parameterOwners finds, for each parameter, the layers of the root domain that lead
// to it.
func (c *compiler) parameterOwners() {
	for _, l := range c.tree.inDomain[""] {
		for key := range c.tree.owned(l) {
			p := &c.snap.params[c.snap.paramIndex[key]]
			if l.Launch {
				p.launch = c.layers[l.Key]
			} else {
				p.layer = c.layers[l.Key]
			}
		}
	}
}
