package strata

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
)

// Reason says why a layer gave a unit what it gave.
type Reason uint8

// The reasons of a [Decision].
const (
	// ReasonNotInBucket: nobody owns the unit's bucket.
	ReasonNotInBucket Reason = iota
	// ReasonAssigned: the unit is in the experiment, by the newest allocation.
	ReasonAssigned
	// ReasonHeld: the unit keeps the treatment that it was exposed to before a
	// change of plan.
	ReasonHeld
	// ReasonForced: the treatment was forced with [Assignment.Force]. Never
	// counted.
	ReasonForced
	// ReasonAudience: the unit's bucket is the experiment's, but it does not
	// match the audience. It is in no experiment of this layer.
	ReasonAudience
	// ReasonNotRunning: the bucket's experiment is a draft, outside its
	// schedule, or has not ramped up to this bucket.
	ReasonNotRunning
	// ReasonIntakeClosed: the experiment or bucket admits nobody new, and the
	// unit was not exposed before.
	ReasonIntakeClosed
	// ReasonNoID: the unit lacks the id that the layer diverts by.
	ReasonNoID
	// ReasonDomain: the bucket belongs to a nested domain, whose layers decide.
	ReasonDomain
)

var reasonNames = [...]string{
	ReasonNotInBucket:  "not in a bucket",
	ReasonAssigned:     "assigned",
	ReasonHeld:         "held",
	ReasonForced:       "forced",
	ReasonAudience:     "audience",
	ReasonNotRunning:   "not running",
	ReasonIntakeClosed: "intake closed",
	ReasonNoID:         "no id",
	ReasonDomain:       "nested domain",
}

// String returns the reason in words.
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return fmt.Sprintf("Reason(%d)", uint8(r))
}

// MarshalText writes the words of String.
func (r Reason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// Decision is what one layer decided for one unit, and why. It is small (32
// bytes) and refers to the snapshot it comes from.
//
// It has four fields, so that the compiler keeps it in registers: with six,
// BenchmarkAssignAll took half as long again.
type Decision struct {
	slot *snapSlot      // of the unit's bucket; without an id, any of the layer's
	met  *snapTreatment // the unit's, or nil
	hash uint64         // of the id
	drawn
}

type drawn struct {
	treatment int16
	reason    Reason
}

func (d *Decision) exp() *snapExperiment {
	if d.slot == nil {
		return nil
	}
	return d.slot.exp
}

// Layer returns the key of the layer that decided.
func (d Decision) Layer() string {
	if d.slot == nil {
		return ""
	}
	return d.slot.layer.key
}

// Domain returns the key of the domain that the layer lies in, "" for the root.
func (d Decision) Domain() string {
	if d.slot == nil {
		return ""
	}
	return d.slot.layer.in.name()
}

// Nested returns the key of the domain that the unit was led into, or "".
func (d Decision) Nested() string {
	if d.slot == nil {
		return ""
	}
	return d.slot.domain.name()
}

func (d *snapDomain) name() string {
	if d == nil {
		return ""
	}
	return d.key
}

// Experiment returns the key of the experiment that owns the unit's bucket, or
// "". The unit takes part only if Treatment is not empty.
func (d Decision) Experiment() string {
	if e := d.exp(); e != nil {
		return e.key
	}
	return ""
}

// Phase returns the phase of that experiment.
func (d Decision) Phase() int {
	if e := d.exp(); e != nil {
		return e.phase
	}
	return 0
}

// Treatment returns the key of the unit's treatment, or "".
func (d Decision) Treatment() string {
	if d.met == nil {
		return ""
	}
	return d.met.key
}

// Bucket returns the unit's bucket in the layer, or -1 where none was looked
// up: without an id, and where a forced treatment decided.
func (d Decision) Bucket() int {
	if d.slot == nil || d.slot.forced || d.reason == ReasonNoID {
		return -1
	}
	return bucketOf(d.hash, d.slot.layer.seed)
}

// Reason returns why.
func (d Decision) Reason() Reason { return d.reason }

// Values returns the parameters that the unit's treatment sets. It allocates.
func (d Decision) Values() Values {
	values := Values{}
	if d.Treatment() == "" {
		return values
	}
	for _, t := range d.slot.exp.touches {
		if v := t.values[d.treatment]; v != nil {
			p := &d.slot.layer.snap.params[t.param]
			values[p.key] = v.decode(p.kind)
		}
	}
	return values
}

// decode returns a compiled value as Go has it.
func (v *value) decode(t ParamType) any {
	switch t {
	case TypeBool:
		return v.num != 0
	case TypeInt:
		return int64(v.num)
	case TypeFloat:
		return math.Float64frombits(v.num)
	case TypeJSON:
		return json.RawMessage(v.str)
	default:
		return v.str
	}
}

// String is for logs: "ui: cta-color=green (assigned, bucket 4711)".
func (d Decision) String() string {
	var out strings.Builder
	out.WriteString(d.Layer())
	out.WriteString(": ")
	switch {
	case d.Treatment() != "":
		fmt.Fprintf(&out, "%s=%s ", d.Experiment(), d.Treatment())
	case d.Experiment() != "":
		fmt.Fprintf(&out, "%s: nothing ", d.Experiment())
	case d.Nested() != "":
		fmt.Fprintf(&out, "%s ", d.Nested())
	}
	fmt.Fprintf(&out, "(%v", d.reason)
	if bucket := d.Bucket(); bucket >= 0 {
		fmt.Fprintf(&out, ", bucket %d", bucket)
	}
	out.WriteByte(')')
	return out.String()
}

// MarshalJSON writes the decision with the values that it sets, for handing a
// whole set to a front end.
func (d Decision) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Layer      string `json:"layer"`
		Domain     string `json:"domain,omitempty"`
		Nested     string `json:"nested,omitempty"`
		Experiment string `json:"experiment,omitempty"`
		Phase      int    `json:"phase,omitempty"`
		Treatment  string `json:"treatment,omitempty"`
		Bucket     int    `json:"bucket"`
		Reason     Reason `json:"reason"`
		Values     Values `json:"values,omitempty"`
	}{
		d.Layer(), d.Domain(), d.Nested(), d.Experiment(), d.Phase(), d.Treatment(), d.Bucket(), d.reason, d.Values(),
	})
}
