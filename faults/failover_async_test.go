package faults_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/audit"
	"github.com/strataxp/strata/internal/pgtest"
	"github.com/strataxp/strata/internal/seed"
)

// lag makes the standby stay behind by n acknowledged events and more.
func (s *site) lag(t *testing.T, n int) {
	t.Helper()
	require.NoError(t, s.Standby.PauseReceiver(t.Context()))
	s.progress(t, n+waiters) // some were stored before, and their writers learn it only now
}

// The standby is behind when the primary dies: what was acknowledged and never
// got there is sent once more, nothing else is, and the spool is let go of only
// when there is a standby again.
func TestF1AcknowledgedEventsAreLost(t *testing.T) {
	s := newSite(t, setup{})
	stop := s.load(t, s.eng)
	s.progress(t, 200)
	s.lag(t, 500)
	require.GreaterOrEqual(t, s.eng.Status().Unconfirmed, int64(500))
	s.fail(t)
	s.progress(t, 200)
	require.GreaterOrEqual(t, s.eng.Status().Resent, int64(500), "what the new primary lacked")
	await(t, func() bool { return s.eng.Status().ConfirmErr != nil }, "there is no standby")
	s.Rejoin(t.Context(), t)
	stop()
	s.confirm(t)
	require.Zero(t, s.eng.Status().Lost)
	s.finish(t, nothingLost)
	s.requireSpoolEmpty(t)
}

// Without Standbys what is stored counts as safe. What the new primary lacks is
// lost where memory was all there was: one row says which events, and the status
// how many.
func TestF2LossIsVisible(t *testing.T) {
	s := newSite(t, setup{noStandbys: true, memory: true})
	kept, lost := s.loseTail(t)
	await(t, func() bool { return s.eng.Status().Lost == lost-kept }, "the status says what is lost")
	evidence := s.finish(t, audit.Terms{Safe: strata.LevelCommitted, MaxLost: lost - kept, MaxMissing: lost - kept})
	require.Len(t, evidence.Gaps, 1)
	gap := evidence.Gaps[0]
	require.Equal(t, [2]int64{kept + 1, lost}, [2]int64{gap.First, gap.Last})
	require.Contains(t, gap.Reason, "lost them in a failover")
	require.Zero(t, s.eng.Status().Resent, "nobody has them to send them again")
	s.Rejoin(t.Context(), t)
}

// A spool keeps its newest file a while longer, so that even then the tail is
// sent again, but for what was stored before it came to be written there; nothing
// promises it. What is lost is told, and no more.
func TestF2SpoolKeepsTheTail(t *testing.T) {
	s := newSite(t, setup{noStandbys: true})
	kept, lost := s.loseTail(t)
	status := s.eng.Status()
	require.Greater(t, status.Resent, (lost-kept)/2)
	require.Equal(t, lost-kept, status.Resent+status.Lost)
	evidence := s.finish(t, audit.Terms{Safe: strata.LevelCommitted, MaxLost: status.Lost, MaxMissing: status.Lost})
	require.Equal(t, status.Lost, evidence.Lost())
	s.Rejoin(t.Context(), t)
}

// loseTail has a failover take the events behind the index kept, up to lost, and
// something tracked behind it.
func (s *site) loseTail(t *testing.T) (kept, lost int64) {
	t.Helper()
	ctx := t.Context()
	stop := s.load(t, s.eng)
	s.progress(t, 200)
	require.NoError(t, s.Standby.PauseReceiver(ctx))
	s.progress(t, 200)
	stop()
	_, err := s.eng.Flush(ctx)
	require.NoError(t, err)
	lost = s.ask(t, s.Primary, cursor)
	s.fail(t)
	kept = s.ask(t, s.Primary, cursor)
	require.Greater(t, lost, kept+100)
	require.NoError(t, s.track(ctx, s.eng, strata.LevelCommitted))
	return kept, lost
}

// Servers that fail again and again, and come back each time.
func TestF3AgainAndAgain(t *testing.T) {
	s := newSite(t, setup{})
	stop := s.load(t, s.eng)
	resent := int64(0)
	rounds := 2
	if seed.Long() {
		rounds = 20
	}
	for range rounds {
		s.progress(t, 100)
		s.lag(t, 100)
		s.fail(t)
		s.progress(t, 100)
		s.Rejoin(t.Context(), t)
		now := s.eng.Status().Resent
		require.Greater(t, now, resent, "a failover lost nothing")
		resent = now
	}
	stop()
	s.confirm(t)
	s.finish(t, nothingLost)
	s.requireSpoolEmpty(t)
	t.Logf("%d failovers, %d events, %d sent once more", rounds, s.ledger.Len(), resent)
}

// A planned change of places, with everybody at work: the old primary shuts down,
// which waits until the standby has all, so that nothing is sent twice.
func TestF11Switchover(t *testing.T) {
	s := newSite(t, setup{})
	stop := s.load(t, s.eng)
	s.progress(t, 200)
	s.Primary.Stop(t, pgtest.Fast)
	s.Promote(t.Context(), t)
	s.progress(t, 200)
	s.Rejoin(t.Context(), t)
	stop()
	s.confirm(t)
	require.Zero(t, s.eng.Status().Resent)
	require.Zero(t, s.eng.Status().Lost)
	s.finish(t, nothingLost)
}
