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
// Where what is fast and what is obvious conflict, it is obvious.
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
//   - A schedule holds for kept units too: outside of it nobody gets anything. So
//     does a ramp, but not for buckets that drain, nor where intake is closed.
//   - Attributes change. Where newcomers are not admitted, a unit that is kept
//     stays whatever its attributes have become. Elsewhere it is kept in the
//     audience if an earlier allocation would draw another treatment than the
//     newest, and outside of the audience if an earlier allocation had another
//     audience. Whether its attributes fit that one does not matter.
//   - A unit that was exposed before KeepFrom is not kept, even if it was exposed
//     again since: its first exposure counts. An engine that adds its own latest
//     exposures at a switch may know another one of a unit that met two
//     treatments; who asks the model says which, by [Held].
//   - not and ! apply to what is in parentheses, or to an attribute by itself.
//     Numbers are compared as float64. A list with an element that is no string
//     has another type than any condition implies.
package oracle
