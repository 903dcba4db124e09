package faults_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata/internal/pgtest"
)

// synchronous makes commits on the primary wait for the standby, until the end of
// the test.
func (s *site) synchronous(t *testing.T) {
	t.Helper()
	set := func(ctx context.Context, c *pgtest.Cluster, sql string) {
		require.NoError(t, c.Exec(ctx, sql))
		require.NoError(t, c.Exec(ctx, "select pg_reload_conf()"))
	}
	t.Cleanup(func() {
		if !t.Failed() { // else both are thrown away
			set(context.WithoutCancel(t.Context()), s.Primary, "alter system reset synchronous_standby_names")
			set(context.WithoutCancel(t.Context()), s.Standby, "alter system reset synchronous_standby_names")
		}
	})
	set(t.Context(), s.Primary, "alter system set synchronous_standby_names = '*'")
	await(t, func() bool {
		return s.ask(t, s.Primary, `select count(*) from pg_stat_replication where sync_state = 'sync'`) > 0
	}, "the standby counts as synchronous")
}

// waiting counts the commits on the primary that wait for the standby.
const waiting = `select count(*) from pg_stat_activity where wait_event = 'SyncRep'`

// stuck waits until a commit waits for the standby.
func (s *site) stuck(t *testing.T, why string) {
	t.Helper()
	await(t, func() bool {
		n, err := s.askOnce(t.Context(), s.Primary, waiting)
		return err == nil && n > 0
	}, why)
}

// A commit that waits for its synchronous standby is on both servers once it is
// acknowledged: whenever the primary dies, nothing acknowledged is lost, and
// nothing is sent twice but what was in doubt.
func TestF4SynchronousStandby(t *testing.T) {
	s := newSite(t, setup{})
	s.synchronous(t)
	stop := s.load(t, s.eng)
	s.progress(t, 300)
	s.fail(t)
	s.progress(t, 200)
	require.Zero(t, s.eng.Status().Resent, "all that was acknowledged is there")
	stop()
	_, err := s.eng.Flush(t.Context())
	require.NoError(t, err)
	s.Rejoin(t.Context(), t)
	s.confirm(t)
	s.finish(t, nothingLost)
}

// cancelWait halts the standby, waits until a commit waits for it and cancels the
// wait: the server reports success then, with a warning. It returns how many
// events the engine counted as stored before.
func (s *site) cancelWait(t *testing.T) (before int64) {
	t.Helper()
	require.NoError(t, s.Standby.PauseReceiver(t.Context()))
	s.stuck(t, "a commit waits for the standby")
	before = s.eng.Status().Written
	s.ask(t, s.Primary, `select count(pg_cancel_backend(pid)) from pg_stat_activity where wait_event = 'SyncRep'`)
	await(t, func() bool { return s.heard.count("the synchronous standby has not confirmed it") > 0 }, "the engine is told that the wait was cancelled")
	return before
}

// requireNotTaken finds that the primary shows a batch that the engine does not
// count as stored.
func (s *site) requireNotTaken(t *testing.T, before int64) {
	t.Helper()
	require.Greater(t, s.ask(t, s.Primary, cursor), before, "the batch is there for all to see")
	require.Equal(t, before, s.eng.Status().Written, "and is taken for stored, though it is on one server only")
}

// The wait for the standby is cancelled, and the standby takes over: the batch,
// of which the old primary said that it was committed, is sent to the new one.
func TestF5CancelledWait(t *testing.T) {
	s := newSite(t, setup{})
	s.synchronous(t)
	stop := s.load(t, s.eng)
	s.progress(t, 200)
	before := s.cancelWait(t)
	s.requireNotTaken(t, before)
	s.fail(t)
	s.progress(t, 200)
	stop()
	s.Rejoin(t.Context(), t)
	s.confirm(t)
	require.Zero(t, s.eng.Status().Resent, "it never counted as stored")
	s.finish(t, nothingLost)
}

// The wait is cancelled, and the engine asks how far the store is: the answer
// waits for the standby, too, and nothing is let go of meanwhile. Nobody fails.
func TestF6TheAnswerWaits(t *testing.T) {
	s := newSite(t, setup{})
	s.synchronous(t)
	stop := s.load(t, s.eng)
	s.progress(t, 200)
	before := s.cancelWait(t)
	s.stuck(t, "the question for the cursor waits for the standby")
	s.requireNotTaken(t, before)
	require.NoError(t, s.Standby.ResumeReceiver())
	s.progress(t, 200)
	stop()
	s.confirm(t)
	require.Zero(t, s.eng.Status().Resent)
	s.finish(t, nothingLost)
}

// The primary crashes and starts again while a commit waits for the standby: then
// the batch is visible without being there. The standby takes over.
func TestF7CrashDuringTheWait(t *testing.T) {
	s := newSite(t, setup{})
	s.synchronous(t)
	stop := s.load(t, s.eng)
	s.progress(t, 200)
	require.NoError(t, s.Standby.PauseReceiver(t.Context()))
	s.stuck(t, "a commit waits for the standby")
	before := s.eng.Status().Written
	s.Primary.Restart(t, pgtest.Killed)
	s.stuck(t, "the question for the cursor waits for the standby")
	s.requireNotTaken(t, before)
	s.fail(t)
	s.progress(t, 200)
	stop()
	s.Rejoin(t.Context(), t)
	s.confirm(t)
	require.Zero(t, s.eng.Status().Resent, "it never counted as stored")
	s.finish(t, nothingLost)
}
