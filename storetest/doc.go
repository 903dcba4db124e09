// Package storetest checks that a [strata.Store] keeps its promises: every case
// of the suite is a sentence of the interfaces' documentation. The stores of
// this module run it; run it on yours:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) strata.Store { return mystore.New() })
//	}
//
//	func BenchmarkStore(b *testing.B) {
//		storetest.Benchmark(b, func(b *testing.B) strata.Store { return mystore.New() })
//	}
//
// The function must return an empty store each time; it registers clean-up with
// t.Cleanup. Cases run in parallel, each on a store of its own.
//
// # What it compares with
//
// Results are compared with an oracle that is written from the documentation of
// [strata.Metric], [strata.Measure] and [strata.Step] in exact fractions,
// without a look at [strata.Metric.Evaluate]. Conversions, counts, funnels, and
// sums and ratios of integers must agree to the bit; other metrics, which pass
// through floating point, to nine digits of the values' scale.
//
// # Randomness
//
// Some cases draw records, batches and orders of arrival at random. A failure
// prints the seed; STRATA_SEED=… repeats it. Others use rapid, which prints a
// seed of its own and shrinks what failed; its flags, such as -rapid.checks,
// are those of the test binary. -short cuts the long loops, and STRATA_LONG=1
// makes them longer.
//
// # What it does not check
//
// Durability: what a crash, a failover or a full disk leaves behind. Nor
// Publish, which is the same code for every store.
package storetest
