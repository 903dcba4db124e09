// Package oracle is a naive model of what should have happened: which units are
// in what, and what each metric's exact totals are. Tests and simulations
// compare the library with it.
//
// Its worth is that it knows nothing of what it judges. It is written from the
// documentation: the specification at the top of bucket.go, the comments of the
// plan's types, docs/audience.md, docs/changing.md and docs/metrics.md. Of the
// root package it uses plain data (plans, units, records, results) and of
// package stats the [stats.Moments] in which results are told; hashes come from
// the package spec below it, which implements the specification a second time.
// It is slow and obvious, and where the two conflict it is obvious.
//
// [NewPlan] reads a plan, [Plan.Treatments] and [Plan.Values] say what it gives a
// unit, [Exclusive] whether a plan may give a bucket to two owners, and
// [Results] what a store must return for some records.
//
// The model takes plans that [strata.Plan.Validate] would let pass. Others are an
// error, or mean something that the library need not agree with.
//
// Where the documentation does not say, the model decides as follows.
//
//   - A ramp, and a schedule, hold for kept units too: outside of it nobody gets
//     anything. Buckets that drain, and experiments whose intake is closed, have
//     no ramp.
//   - Where newcomers are not admitted a kept unit stays whatever its attributes
//     have become. Elsewhere it is kept if an earlier allocation would give it
//     another treatment than the newest, by the attributes that it has now.
//   - A unit that was kept in a treatment which the plan does not have any more
//     follows the newest allocation.
//   - not and ! apply to what is in parentheses, or to an attribute by itself.
//     Numbers are compared as float64. A list with an element that is no string
//     has another type than any condition implies.
package oracle
