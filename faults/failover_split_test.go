package faults_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata/internal/pgserver"
	"github.com/strataxp/strata/internal/pgtest"
)

// Two primaries: the standby takes over as it does not hear from the other one,
// which lives, and some clients go on writing there while others have followed.
// What was written to the old primary is undone when it rejoins, and never
// confirmed: its clients send it again.
func TestF8SplitBrain(t *testing.T) {
	s := newSite(t, setup{})
	ctx := t.Context()
	stop := s.load(t, s.eng)
	s.progress(t, 200)
	require.NoError(t, s.Standby.PauseReceiver(ctx))
	old := s.Primary
	s.Promote(ctx, t)
	moved := s.open(t, setup{dsn: s.Primary.DSN(), standbys: []string{old.DSN(), s.Primary.DSN()}})
	stopMoved := s.load(t, moved)
	before := s.eng.Status().Written
	await(t, func() bool { return s.eng.Status().Written > before+500 }, "the engine on the old primary's side goes on")
	await(t, func() bool { return moved.Status().Written > 100 }, "others have followed")
	require.Greater(t, s.ask(t, old, cursor), before+400)
	require.GreaterOrEqual(t, s.eng.Status().Unconfirmed, int64(500))

	s.Rejoin(ctx, t)
	s.progress(t, 200)
	stop()
	stopMoved()
	require.Positive(t, s.eng.Status().Resent, "what the old primary had alone")
	require.Zero(t, moved.Status().Resent)
	s.confirm(t)
	s.close(t, moved)
	s.finish(t, nothingLost)
}

// The old primary comes back as a standby at its address, behind something that
// keeps the clients' connections: they live, and lead to a server that takes no
// writes. The pool is emptied, and the next connection goes to the new primary.
func TestF10Demotion(t *testing.T) {
	pair := pgtest.SharedPair(t)
	behind := *pair.Primary.Server
	behind.Port = portOf(t, pgtest.Bouncer(t, pair.Primary))
	s := newSite(t, setup{dsn: pgserver.MultiDSN("default_query_exec_mode=exec", &behind, pair.Standby.Server)})
	ctx := t.Context()
	stop := s.load(t, s.eng)
	s.progress(t, 200)
	stop()
	s.confirm(t) // nobody asks for anything: PgBouncer leaves a server alone for long that was down
	s.Primary.Stop(t, pgtest.Fast)
	s.Promote(ctx, t)
	s.Rejoin(ctx, t)

	stop = s.load(t, s.eng)
	s.progress(t, 200)
	stop()
	require.Positive(t, s.heard.count("25006"), "no connection led to the server that takes no writes: %q", s.heard.lines)
	s.confirm(t)
	s.finish(t, nothingLost)
}

// Of two standbys the one takes over that is less far; the other one follows it.
// Only what both had is confirmed, so what the new primary lacks is sent again.
func TestF12TheLaggardTakesOver(t *testing.T) {
	pair := pgtest.SharedPair(t)
	third := pair.Primary.StartStandby(t, pgtest.Config{})
	all := []*pgserver.Server{pair.Primary.Server, pair.Standby.Server, third.Server}
	dsns := []string{all[0].DSN(), all[1].DSN(), all[2].DSN()}
	s := newSite(t, setup{dsn: pgserver.MultiDSN("", all...), standbys: dsns})
	ctx := t.Context()
	stop := s.load(t, s.eng)
	s.progress(t, 200)
	s.lag(t, 500)
	s.Primary.Stop(t, pgtest.Killed)
	less := s.ask(t, s.Standby, cursor)
	await(t, func() bool { return s.ask(t, third, cursor) > less+400 }, "the other standby has more")
	s.Promote(ctx, t)
	s.progress(t, 200)
	require.GreaterOrEqual(t, s.eng.Status().Resent, int64(500))
	require.NoError(t, third.Rejoin(ctx, s.Primary.Server))
	s.Rejoin(ctx, t)
	stop()
	s.confirm(t)
	s.finish(t, nothingLost)
	require.NoError(t, third.CaughtUp(ctx, s.Primary.Server))
	require.Equal(t, s.ask(t, s.Primary, cursor), s.ask(t, third, cursor))
}

// portOf returns the port of a connection string.
func portOf(t *testing.T, dsn string) int {
	t.Helper()
	cfg, err := pgx.ParseConfig(dsn)
	require.NoError(t, err)
	return int(cfg.Port)
}
