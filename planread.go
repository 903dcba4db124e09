package strata

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/strataxp/strata/internal/jsonread"
	"github.com/strataxp/strata/internal/strictjson"
)

// A plan is read in one pass by tables that name the fields of each type. What that
// pass is not sure of is read again by encoding/json, with a look for what that
// would let pass. Only the second way decides what is wrong and says so, so the two
// need not agree on errors; a test compares what they accept.

// readPlan is UnmarshalJSON of a plan that is not too long.
func readPlan(data []byte) (*Plan, error) {
	if p, ok := readPlanFast(data); ok {
		return p, nil
	}
	return readPlanStrictly(data)
}

// readPlanFast reports false for a plan that it is not sure of.
func readPlanFast(data []byte) (*Plan, bool) {
	p, r := new(Plan), &planReader{Reader: jsonread.New(data)}
	jsonread.Object(r, planFields, p)
	return p, r.Done()
}

// readPlanStrictly finds every error, and takes some twenty times as long.
func readPlanStrictly(data []byte) (*Plan, error) {
	type plain Plan // without UnmarshalJSON
	q := new(plain)
	if found := strictjson.Check(data, *q); len(found) > 0 {
		problems := make([]Problem, 0, len(found))
		for _, x := range found {
			problems = append(problems, Problem{Path: x.Path, Cure: x.Cure})
		}
		return nil, &PlanError{Problems: problems}
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber() // an int parameter may pass 2⁵³
	if err := dec.Decode(q); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidPlan, err)
	}
	return (*Plan)(q), nil
}

// instant reads an instant as encoding/json does.
func (r *planReader) instant(into *time.Time) {
	if into.UnmarshalJSON(r.Token()) != nil {
		r.Fail()
	}
}

// duration reads the text form of a duration.
func (r *planReader) duration(into *Duration) {
	if into.UnmarshalText(r.Bytes()) != nil {
		r.Fail()
	}
}

// buckets reads the text form of a set of buckets.
func (r *planReader) buckets(into *Buckets) {
	text := r.Bytes()
	if string(text) == allBucketsText { // without a copy
		*into = allBuckets
		return
	}
	if into.UnmarshalText(text) != nil {
		r.Fail()
	}
}
