package strata

import (
	"encoding/json"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/strataxp/strata/internal/jsonread"
)

// Clone returns a deep copy. Parameter values come back as JSON has them:
// numbers as [json.Number]. It fails for a plan that has no JSON form.
func (p *Plan) Clone() (*Plan, error) {
	if q, ok := p.cloneFast(); ok {
		return q, nil
	}
	return p.cloneByJSON()
}

// cloneByJSON says what a copy is. A plan is copied at each publication and by each
// reader of a store in memory, so that cloneFast makes most of them.
func (p *Plan) cloneByJSON() (*Plan, error) {
	data, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidPlan, err)
	}
	return ParsePlan(data)
}

// cloneFast makes the copy that cloneByJSON makes, or reports false where it is not
// sure to: where something cannot be written as JSON or comes back as something
// else, and where the document might be too long.
func (p *Plan) cloneFast() (*Plan, bool) {
	if p == nil {
		return nil, false
	}
	c, q := new(cloner), *p
	c.shortTime(&q.EffectiveAt)
	cloneRows(c, &q.Parameters, (*cloner).parameter)
	cloneRows(c, &q.Domains, (*cloner).domain)
	cloneRows(c, &q.Layers, (*cloner).layer)
	cloneRows(c, &q.Experiments, (*cloner).experiment)
	cloneRows(c, &q.Metrics, (*cloner).metric)
	cloneRows(c, &q.Retired, func(c *cloner, x *Retired) { c.texts(x.Experiment) })
	cloneRows(c, &q.Ledger, (*cloner).tenure)
	return &q, !c.unsure && c.bytes <= maxPlanBytes
}

// cloner replaces what lies behind the references of a shallow copy.
type cloner struct {
	bytes  int // the JSON form has no more than these
	unsure bool

	treatments jsonread.Slab[Treatment]
	strings    jsonread.Slab[string]
}

// rowBytes is more than the names and numbers of anything in a plan take.
const rowBytes = 1024

// cloneRows copies a list that JSON leaves out when it is empty.
func cloneRows[T any](c *cloner, list *[]T, clone func(*cloner, *T)) {
	if len(*list) == 0 {
		*list = nil
		return
	}
	*list = append(make([]T, 0, len(*list)), *list...)
	c.each(len(*list))
	for i := range *list {
		clone(c, &(*list)[i])
	}
}

func (c *cloner) each(n int) { c.bytes += n * rowBytes }

// texts looks at strings, which need no copy. Six bytes are the longest escape.
func (c *cloner) texts(list ...string) {
	for _, s := range list {
		c.bytes += 6 * len(s)
		if !utf8.ValidString(s) {
			c.unsure = true
		}
	}
}

// keys copies a list that JSON leaves out when it is empty.
func (c *cloner) keys(list *[]string) {
	if len(*list) == 0 {
		*list = nil
		return
	}
	c.texts(*list...)
	c.bytes += 3 * len(*list) // quotes and comma
	out := c.strings.Cut(len(*list))
	copy(out, *list)
	*list = out
}

// buckets looks at sets, which need no copy: a range takes eleven bytes at most.
func (c *cloner) buckets(sets ...Buckets) {
	for _, s := range sets {
		last := uint64(0)
		for _, w := range s.words {
			c.bytes += 11 * bits.OnesCount64(w&^(w<<1|last>>63))
			last = w
		}
	}
}

// time does what writing and reading does: UTC stays as it is without what Go knows of
// the monotonic clock, and of other zones only the offset remains.
func (c *cloner) time(t *time.Time) {
	if t.Location() == time.UTC {
		*t = t.UTC().Round(0)
		c.unsure = c.unsure || t.Year() < 0 || t.Year() > 9999
		return
	}
	text, err := t.MarshalJSON()
	if err != nil || t.UnmarshalJSON(text) != nil {
		c.unsure = true
	}
}

// shortTime is time for one that JSON leaves out when it is zero.
func (c *cloner) shortTime(t *time.Time) {
	if t.IsZero() {
		*t = time.Time{}
		return
	}
	c.time(t)
}

// floats is for numbers that JSON leaves out when they are zero.
func (c *cloner) floats(list ...*float64) {
	for _, f := range list {
		c.finite(*f)
		if *f == 0 {
			*f = 0 // and not minus zero
		}
	}
}

func (c *cloner) finite(f float64) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		c.unsure = true
	}
}

// maxValueDepth is how deep a parameter's value may nest for the fast way.
const maxValueDepth = 32

// value copies the value of a parameter.
func (c *cloner) value(v any, depth int) any {
	if c.bytes += 32; depth > maxValueDepth {
		c.unsure = true
		return nil
	}
	switch x := v.(type) {
	case nil, bool:
		return v
	case string:
		c.texts(x)
		return v
	case int:
		return json.Number(strconv.Itoa(x))
	case []any:
		return c.list(x, depth)
	case map[string]any:
		return c.object(x, depth)
	case json.Number:
		if integer(x) {
			c.bytes += len(x)
			return v
		}
	}
	return c.byJSON(v)
}

// list copies a list of values. JSON has null for one that is nil.
func (c *cloner) list(from []any, depth int) any {
	if from == nil {
		return nil
	}
	to := make([]any, len(from))
	for i, x := range from {
		to[i] = c.value(x, depth+1)
	}
	return to
}

// object copies values by name. JSON has null for one that is nil.
func (c *cloner) object(from map[string]any, depth int) any {
	if from == nil {
		return nil
	}
	return c.values(from, depth)
}

func (c *cloner) values(from map[string]any, depth int) map[string]any {
	to := make(map[string]any, len(from))
	for key, x := range from {
		c.texts(key)
		to[key] = c.value(x, depth+1)
	}
	return to
}

// integer reports whether a number is written as JSON writes integers.
func integer(n json.Number) bool {
	i, err := strconv.ParseInt(string(n), 10, 64)
	return err == nil && strconv.FormatInt(i, 10) == string(n)
}

// byJSON copies a value of any type.
func (c *cloner) byJSON(v any) (out any) {
	text, err := json.Marshal(v)
	r := jsonread.New(text)
	r.Any(&out)
	c.bytes += len(text)
	c.unsure = c.unsure || err != nil || !r.Done()
	return out
}
