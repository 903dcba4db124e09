package strata

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
)

// Param is a typed handle on a parameter. Make one per parameter, once, at
// package level; it is safe for concurrent use by any number of engines.
//
// What it reads is, in this order: the value of the unit's experiment, the
// value of a launch, the plan's default, and, where the plan does not have the
// parameter or declares another type, the default given here. [Config.Params]
// turns that last mismatch into an error.
type Param[T any] struct {
	key  string
	kind ParamType
	def  T
	get  func(*value) (T, error)

	// cache is where the parameter stands in the snapshot last read: the
	// snapshot's serial number, and the index plus one in the low 24 bits. It
	// saves a map look-up a read, holds no snapshot alive, and is only ever
	// wrong for another snapshot, which the serial number shows.
	cache atomic.Uint64
}

const (
	cacheIndexBits = 24
	cacheIndexMask = 1<<cacheIndexBits - 1
)

// BoolParam makes a handle on a bool parameter.
func BoolParam(key string, def bool) *Param[bool] {
	return &Param[bool]{key: key, kind: TypeBool, def: def, get: func(v *value) (bool, error) { return v.num != 0, nil }}
}

// IntParam makes a handle on an int parameter.
func IntParam(key string, def int64) *Param[int64] {
	return &Param[int64]{key: key, kind: TypeInt, def: def, get: func(v *value) (int64, error) { return int64(v.num), nil }}
}

// FloatParam makes a handle on a float parameter.
func FloatParam(key string, def float64) *Param[float64] {
	return &Param[float64]{key: key, kind: TypeFloat, def: def,
		get: func(v *value) (float64, error) { return math.Float64frombits(v.num), nil }}
}

// StringParam makes a handle on a string parameter.
func StringParam(key, def string) *Param[string] {
	return &Param[string]{key: key, kind: TypeString, def: def, get: func(v *value) (string, error) { return v.str, nil }}
}

// JSONParam makes a handle on a json parameter that is decoded into a T. Each
// read decodes anew, so that no two readers share memory: about a microsecond
// and a few allocations. A value that does not decode reads as def.
func JSONParam[T any](key string, def T) *Param[T] {
	return &Param[T]{key: key, kind: TypeJSON, def: def, get: func(v *value) (T, error) {
		var out T
		err := json.Unmarshal([]byte(v.str), &out)
		return out, err
	}}
}

// Key returns the parameter's key.
func (p *Param[T]) Key() string { return p.key }

// Get returns the parameter's value for the unit, and records the exposure to
// the experiment that sets it, if any. Except for JSON it does not allocate
// unless an exposure is recorded.
func (p *Param[T]) Get(a *Assignment) T { return p.read(a, true) }

// Peek is Get without the exposure.
func (p *Param[T]) Peek(a *Assignment) T { return p.read(a, false) }

func (p *Param[T]) read(a *Assignment, expose bool) T {
	if a == nil {
		return p.def
	}
	index := p.index(a.snap)
	if index < 0 {
		return p.def
	}
	v, err := p.get(a.param(index, expose))
	if err != nil {
		return p.def
	}
	return v
}

// index returns where the parameter stands in the snapshot, or -1 where it is
// missing or of another type.
func (p *Param[T]) index(s *Snapshot) int32 {
	if s == nil {
		return -1
	}
	if c := p.cache.Load(); c>>cacheIndexBits == s.serial {
		return int32(c&cacheIndexMask) - 1
	}
	return p.lookUp(s)
}

func (p *Param[T]) lookUp(s *Snapshot) int32 {
	index, ok := s.paramIndex[p.key]
	if !ok || s.params[index].kind != p.kind {
		index = -1
	}
	if index < cacheIndexMask-1 {
		p.cache.Store(s.serial<<cacheIndexBits | uint64(index+1))
	}
	return index
}

// Handle is any [Param]. [Config.Params] takes them to check that code and plan
// agree.
type Handle interface {
	Key() string
	check(*Snapshot) error
}

// check reports a plan that declares the parameter with another type, or holds
// a value that does not decode. A plan that lacks the parameter is fine: code
// may be ahead of the plan.
func (p *Param[T]) check(s *Snapshot) error {
	index, ok := s.paramIndex[p.key]
	if !ok {
		return nil
	}
	param := &s.params[index]
	if param.kind != p.kind {
		return fmt.Errorf("%w: parameter %q is of type %s in the plan and %s in the code", ErrInvalidPlan, p.key, param.kind, p.kind)
	}
	var errs []error
	try := func(where string, v *value) {
		if _, err := p.get(v); err != nil {
			errs = append(errs, fmt.Errorf("%w: parameter %q: the value of %s does not decode: %w", ErrInvalidPlan, p.key, where, err))
		}
	}
	try("the default", &param.def)
	for _, e := range s.experiments.sorted() {
		if t := e.touch(index); t != nil {
			for i, v := range t.values {
				if v != nil {
					try(fmt.Sprintf("experiment %q, treatment %q", e.key, e.treatments[i].key), v)
				}
			}
		}
	}
	return errors.Join(errs...)
}
