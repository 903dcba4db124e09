package pgtest

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata/internal/pgserver"
)

// Pair is a primary and a standby that follows it, asynchronously. They change
// places: what repmgr does with `standby promote` and `node rejoin` is done here
// with pg_promote and pg_rewind, which it calls as well.
type Pair struct{ Primary, Standby *Cluster }

// sharedPair is the pair of this process; nil before, and when a test has
// spoiled it.
var sharedPair *Pair

// sharedBy is the test that has it at present.
var sharedBy testing.TB

// SharedPair returns two servers of our own for tests that do not run in
// parallel, each of which leaves a primary with a standby behind. One that fails
// may not have: the next gets two new ones. They take some four seconds.
func SharedPair(t testing.TB) *Pair {
	t.Helper()
	if sharedPair == nil {
		p, err := newPair()
		require.NoError(t, err)
		sharedPair = p
	}
	if sharedBy == t {
		return sharedPair
	}
	sharedBy = t
	t.Cleanup(func() {
		if t.Failed() {
			require.NoError(t, discardPair())
		}
	})
	sharedPair.Primary.tailOnFailure(t)
	sharedPair.Standby.tailOnFailure(t)
	return sharedPair
}

func newPair() (*Pair, error) {
	a, err := pgserver.Start(Config{Replication: true})
	if err != nil {
		return nil, err
	}
	b, err := a.StartStandby(Config{})
	if err != nil {
		return nil, errors.Join(err, a.Discard())
	}
	return &Pair{&Cluster{a}, &Cluster{b}}, nil
}

func discardPair() error {
	p := sharedPair
	sharedPair = nil
	if p == nil {
		return nil
	}
	return errors.Join(p.Standby.Discard(), p.Primary.Discard())
}

// Promote has the standby take over, whatever became of the primary, which is
// the standby from then on; [Pair.Rejoin] makes it follow.
func (p *Pair) Promote(ctx context.Context, t testing.TB) {
	t.Helper()
	require.NoError(t, p.Standby.Promote(ctx))
	p.Primary, p.Standby = p.Standby, p.Primary
}

// Rejoin makes the standby follow the primary, and waits until it has.
func (p *Pair) Rejoin(ctx context.Context, t testing.TB) {
	t.Helper()
	require.NoError(t, p.Standby.Rejoin(ctx, p.Primary.Server))
	require.NoError(t, p.Standby.CaughtUp(ctx, p.Primary.Server))
}
