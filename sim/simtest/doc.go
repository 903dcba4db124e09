// Package simtest plays whole worlds against a store: a shop full of visitors,
// several processes that serve them, an author who changes the plan while they do,
// and faults. An oracle that shares no code with the engine knows what should have
// happened.
//
//	func TestWorlds(t *testing.T) {
//		simtest.Run(t, func(t *testing.T) strata.Store { return mystore.New() }, simtest.Options{Seeds: 20})
//	}
//
// A world lives in a bubble of testing/synctest: its days pass in a second, and
// one seed decides everything. A world that fails is made smaller, step by step, as
// long as it fails, and told as a [Script] that can be played again.
//
// # What is checked
//
//   - assignment: each decision is the one that the documentation promises of the
//     plan in effect, as package internal/oracle reads it;
//   - stickiness: nobody who met a treatment meets another one or leaves, unless
//     the author asked for it, or the exposure had not reached the process yet;
//   - exclusivity: no unit is in two experiments of a layer;
//   - agreement: processes have the plan that they must have, and switch at its
//     EffectiveAt by their own clocks;
//   - exactly once: what was taken in is stored once, except what a process that
//     was killed had in memory, which is the end of its stream;
//   - exposures: each unit is recorded when it met its treatment, with what was
//     true then, and never otherwise;
//   - results: those of the store are the oracle's, to the digit where arithmetic
//     is exact;
//   - exposed units: the list by which units are kept has each once, with its first
//     treatment and version;
//   - allocation: over all worlds each treatment was drawn as often as its weight
//     says, also among those who bought, and independently in any two layers;
//   - nothing is left: no memory of events, no goroutine.
//
// # What is not
//
// Records are counted as stored when Ingest has returned no error; whether a store
// keeps each field shows only in results and exposed units. There are no tenants and
// requests, no gaps and losses, one currency and no zones: package storetest has
// those. The wrapper around the store numbers exposed units anew after a failover, as
// each store must by itself.
//
// # Stores
//
// A store is used by several goroutines and must not wait for anything but
// timers, locks, channels and the network: [strata.Config.NoWatch] is set, as a
// connection that listens would hold the virtual time up. It needs no clock.
package simtest
