package stats

import (
	"hash/fnv"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/strataxp/strata/internal/seed"
)

// The tests called TestSimulation… draw made-up experiments and count how often
// a test rejects or an interval covers. They come in three sizes: -short, the
// default, and with STRATA_LONG=1 (see scripts/soak) a hundred times as many
// draws, which find errors of a tenth of a per cent. The seed is drawn anew,
// printed on failure, and STRATA_SEED sets it.

// rate is an outcome of a draw and how often it should happen.
type rate struct {
	name        string // the method and its nominal level
	least, most float64
}

// exactly is for methods that keep their level to the simulation's precision.
func exactly(name string, p float64) rate { return rate{name, p, p} }

// atMost is for conservative tests, atLeast for conservative intervals.
func atMost(name string, p float64) rate  { return rate{name, 0, p} }
func atLeast(name string, p float64) rate { return rate{name, p, 1} }

// between is for methods that are approximate for these data: least and most
// say how good they are.
func between(name string, least, most float64) rate { return rate{name, least, most} }

// simulation is one kind of data with what is asked of it.
type simulation struct {
	name  string // the data
	draws int    // at the default size
	rates []rate
	// draw makes one experiment up, and sets happened for each of rates.
	// It is called once for each simulation and returns what may be kept
	// from draw to draw.
	start func(r *rand.Rand) (draw func(happened []bool))
}

// each is the start of a simulation that keeps nothing.
func each(draw func(r *rand.Rand, happened []bool)) func(*rand.Rand) func([]bool) {
	return func(r *rand.Rand) func([]bool) {
		return func(happened []bool) { draw(r, happened) }
	}
}

// simulate runs the simulations, several at a time.
func simulate(t *testing.T, simulations []simulation) {
	t.Helper()
	t.Parallel()
	first := seed.Of(t)
	for _, s := range simulations {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			s.run(t, first)
		})
	}
}

func (s simulation) run(t *testing.T, first uint64) {
	stream := fnv.New64a()
	_, _ = stream.Write([]byte(t.Name())) // never fails
	draw := s.start(rand.New(rand.NewPCG(first, stream.Sum64())))
	draws := simulationDraws(s.draws)
	counts, happened := make([]int, len(s.rates)), make([]bool, len(s.rates))
	for range draws {
		clear(happened)
		draw(happened)
		for i, h := range happened {
			if h {
				counts[i]++
			}
		}
	}
	for i, r := range s.rates {
		r.check(t, counts[i], draws)
	}
}

// simulationDraws is a number of draws at the size that was asked for: half of n, or
// many times n at length.
func simulationDraws(n int) int {
	switch {
	case seed.Long():
		return 100 * n
	case testing.Short():
		return max(50, n/5)
	}
	return n / 2
}

// tooUnlikely is how improbable a count must be to fail: beyond 4.8 standard
// errors. A thousand outcomes fail once in a thousand runs.
const tooUnlikely = 1e-6

// check fails when the count does not fit any rate from least to most.
func (r rate) check(t *testing.T, count, draws int) {
	t.Helper()
	const line = "%-68s %7d of %8d = %.5f, want %.4g to %.4g"
	values := []any{r.name, count, draws, float64(count) / float64(draws), r.least, r.most}
	if !r.fits(count, draws) {
		t.Errorf(line, values...)
	} else if testing.Verbose() {
		t.Logf(line, values...)
	}
}

func (r rate) fits(count, draws int) bool {
	k, n := float64(count), float64(draws)
	few := r.least > 0 && distuv.Binomial{N: n, P: r.least}.CDF(k) < tooUnlikely
	many := r.most < 1 && distuv.Binomial{N: n, P: r.most}.Survival(k-1) < tooUnlikely
	return !few && !many
}

// A check that cannot fail checks nothing.
func TestSimulationBoundsFindWrongRates(t *testing.T) {
	for _, c := range []struct {
		rate  rate
		count int
		fits  bool
	}{
		{exactly("in the middle", 0.05), 500, true},
		{exactly("four errors above", 0.05), 587, true},
		{exactly("six errors above", 0.05), 631, false},
		{exactly("six errors below", 0.05), 369, false},
		{atMost("none", 0.05), 0, true},
		{atMost("many", 0.05), 640, false},
		{atLeast("all", 0.95), 10_000, true},
		{atLeast("few", 0.95), 9_360, false},
		{between("inside", 0.93, 0.95), 9_400, true},
		{between("below", 0.93, 0.95), 9_100, false},
	} {
		require.Equal(t, c.fits, c.rate.fits(c.count, 10_000), c.rate.name)
	}
}
