// Package strata is an experimentation platform that lives inside a Go program.
//
// An application describes its experiments in a [Plan], publishes it to a
// [Store], and opens an [Engine] on that store. The engine compiles the plan
// into an immutable [Snapshot]; request handlers ask it what a [Unit] gets, and
// tell it what the unit does. Reports say which treatment won, and whether the
// data can be trusted.
//
//	store := memstore.New()
//	eng, err := strata.Open(ctx, store, strata.Config{})
//	defer eng.Close(shutdownCtx) // a context with a deadline of its own
//
//	var ctaColor = strata.StringParam("cta.color", "grey") // once, at package level
//
//	a := eng.Assign(strata.Unit{User: userID}) // pure: no I/O, no lock, no allocation
//	color := ctaColor.Get(a)                   // reading exposes
//	err = a.Track(strata.Purchase{OrderID: "o-17", Total: 49_99, Currency: "EUR"})
//
//	report, err := eng.Report(ctx, "cta-color", strata.ReportOptions{})
//	fmt.Println(report)
//
// # Layers and domains
//
// The model is that of Tang, Agarwal, O'Brien and Meyer, "Overlapping Experiment
// Infrastructure" (KDD 2010). A [Layer] owns parameters and cuts its traffic
// into 10,000 buckets. An [Experiment] owns buckets of one layer, so two
// experiments of one layer never share a unit, and experiments of different
// layers overlap independently. A [Domain] owns buckets too, and cuts them into
// layers of its own, to any depth up to six. A launch layer changes the default
// of a parameter, for rollouts.
//
// # What is guaranteed
//
//   - The same plan, unit and attributes give the same answer on every machine
//     and in every release of a major version. bucket.go specifies the hash.
//   - Widening an experiment moves nobody. Whatever would move units of a running
//     experiment is shown by [Diff], and [Publish] refuses it unless it is asked
//     for by name; units that were exposed keep their treatment by default, and
//     a phase that has run is never drawn in another way.
//   - A unit without the id that a layer diverts by is in nothing there. A unit in
//     an experiment's buckets that does not match its audience is in no experiment
//     of that layer.
//   - Assigning does no I/O, takes no lock and does not allocate. A slow or dead
//     store never slows a request.
//   - An exposure is recorded when a treatment is read, once per unit and
//     experiment. The first exposure wins; a unit seen in two treatments leaves
//     the analysis and is counted.
//   - An event that was taken in and has an index is stored exactly once, or lies
//     in a gap that the store records, whatever failed in between. [Level] says
//     what an event survives, and docs/reliability.md everything else.
//   - Under overload units are shed whole, independently of their treatments, and
//     counted.
//   - A [Report] may be read every day: its verdicts go by intervals that hold
//     however often one looks, until the experiment reaches the end of its
//     schedule, and are corrected for the number of comparisons. An alarm about
//     how units came into the treatments overrides them.
//
// # What is not
//
//   - Events wait in memory before they are written. A process that is killed
//     loses those: some milliseconds' worth with [Config.Spool]; without it up to
//     [Config.FlushInterval] of them, more while the store is down.
//   - The snapshot lags the store by up to [Config.RefreshInterval]. Use
//     [Plan.EffectiveAt] where all processes must switch at one instant.
//   - The statistics of a report are asymptotic, few conversions aside, and take
//     treatments not to affect each other's units.
//
// # Where things are
//
// experiment.go, layer.go, metric.go and plan.go hold the plan, validate.go its
// rules, planread.go how it is read, bucket.go and draw.go the hash, snapshot.go,
// assign.go, walk.go and index.go what happens at a request, diff.go, publish.go, settle.go and sticky.go what happens when it
// changes, events.go, recorder.go, lane.go, spooler.go and sender.go the way of an
// event to the store, level.go, confirm.go and leftover.go how it stays safe on it,
// fact.go and evaluation.go the way back. report.go says what a report holds,
// report_build.go and its neighbours make it, report_text.go and report_html.go
// print it; capacity.go plans traffic.
// Package sim tries a plan before it is launched, on visitors whose effects are
// known. Package telemetry hands the engine's health to whatever collects it.
// Package stats is the statistics, package pgstore the store in PostgreSQL,
// package memstore the one in memory, package storetest the suite that every store
// passes.
package strata
