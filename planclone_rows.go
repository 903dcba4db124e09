package strata

// How each type in a plan is copied. What these methods do not mention is copied
// already; a test fills every field and looks for what they forgot.

func (c *cloner) parameter(p *Parameter) {
	c.texts(p.Key, p.Description, string(p.Type))
	p.Default = c.value(p.Default, 0)
}

func (c *cloner) domain(d *Domain) {
	c.texts(d.Key, d.Description, d.Layer)
	c.buckets(d.Buckets, d.Draining)
}

func (c *cloner) layer(l *Layer) {
	c.texts(l.Key, l.Description, l.Domain, l.Salt, string(l.Diversion))
	c.keys(&l.Parameters)
}

func (c *cloner) experiment(e *Experiment) {
	c.texts(e.Key, e.Description, e.Layer, e.Salt, string(e.Status), e.SharedControl, e.Audience)
	c.buckets(e.Buckets, e.Draining)
	if e.Treatments != nil { // JSON keeps an empty list
		treatments := c.treatments.Cut(len(e.Treatments))
		copy(treatments, e.Treatments)
		e.Treatments = treatments
	}
	c.each(len(e.Treatments))
	for i := range e.Treatments {
		c.treatment(&e.Treatments[i])
	}
	c.schedule(&e.Schedule)
	c.keys(&e.Metrics)
	c.keys(&e.Analysis.Primary)
	c.keys(&e.Analysis.Breakdowns)
	cloneRows(c, &e.Earlier, (*cloner).allocation)
}

func (c *cloner) treatment(t *Treatment) {
	c.texts(t.Key, t.Description)
	if len(t.Values) == 0 {
		t.Values = nil
		return
	}
	t.Values = c.values(t.Values, 0)
}

func (c *cloner) schedule(s *Schedule) {
	if s.IsZero() {
		*s = Schedule{}
		return
	}
	c.shortTime(&s.Start)
	c.shortTime(&s.End)
	cloneRows(c, &s.Ramp, func(c *cloner, x *RampStep) {
		c.time(&x.At)
		c.finite(x.Share)
	})
}

func (c *cloner) allocation(a *Allocation) {
	c.texts(a.Audience)
	if a.Weights != nil { // JSON keeps an empty list
		a.Weights = append(make([]Weight, 0, len(a.Weights)), a.Weights...)
	}
	c.each(len(a.Weights))
	for _, w := range a.Weights {
		c.texts(w.Treatment)
	}
}

func (c *cloner) metric(m *Metric) {
	c.texts(m.Key, m.Description, string(m.Type), string(m.Direction))
	c.measure(&m.Measure)
	if m.Denominator != nil {
		denominator := *m.Denominator
		c.measure(&denominator)
		m.Denominator = &denominator
	}
	cloneRows(c, &m.Steps, func(c *cloner, x *Step) { c.texts(string(x.Event), x.Name) })
	c.floats(&m.Cap, &m.MinimumEffect, &m.Margin)
}

func (c *cloner) measure(m *Measure) {
	c.texts(string(m.Event), m.Name, string(m.Value), m.Currency)
}

func (c *cloner) tenure(t *Tenure) {
	c.texts(t.Layer, t.Holder)
	c.buckets(t.Buckets)
	c.time(&t.Until)
}
