// Package sim is a simulation kit: it answers questions about a plan before it is
// launched, with visitors that are made up and effects that are known.
//
// A [Model] says how visitors behave: a Markov chain over the states of a shop,
// the time between steps, what baskets are worth, who comes back and when, on
// which devices, and which share of the traffic is robots. [Shop] is one that is
// built in, [ParseModel] reads one from JSON. An [Effect] changes a transition or
// the value of baskets for the visitors of a treatment. [Traffic] plays a model:
// it hands what every visitor does, in ascending order of time, to a [Site].
//
//	traffic, err := sim.NewTraffic(sim.Shop(), sim.TrafficOptions{
//		Seed: 1, Visitors: 10_000, Start: monday, Length: 14 * 24 * time.Hour,
//		Meets:   map[string]string{"one-page-checkout": "checkout"},
//		Effects: []sim.Effect{{Experiment: "one-page-checkout", Treatment: "on", From: "checkout", To: "pay", Weight: 1.2}},
//	})
//	err = traffic.Run(ctx, site)
//
// [Run] plays whole plans: each run publishes the plan to a fresh store and opens a
// real engine on it with a virtual clock; the findings say how often the effects
// would be found and when, and whether the answers would be right.
//
//	findings, err := sim.Run(ctx, plan, sim.Shop(), sim.Options{Meets: meets, Effects: effects})
//	fmt.Print(findings)
//
// [FitClicks] and [FitOrders] make models of recorded sessions and purchases. The
// guide is docs/simulation.md.
//
// Everything follows from the seed: the same model and options give the same acts,
// on every machine of an architecture (processors of another may round times and
// baskets differently in their last digit). Each visit draws from a generator of its own, that comes from
// the seed, the visitor and the visit, so that a visitor who behaves otherwise
// changes nobody else.
package sim
