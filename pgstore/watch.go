package pgstore

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
)

// errClosed is what a closed store answers those that want to watch.
var errClosed = errors.New("the store is closed")

// WatchPlans implements [strata.PlanWatcher] by LISTEN, on a connection of its
// own that is not one of the pool's. Behind PgBouncer with transaction pooling
// no notice ever arrives, and nothing fails.
func (s *Store) WatchPlans(ctx context.Context, changed func()) error {
	const doing = "watch for plans"
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	conn, err := s.watchConn(ctx, stop)
	if err != nil {
		return s.failure(ctx, doing, err)
	}
	defer s.endWatch(ctx, conn)
	if _, err := conn.Exec(ctx, "listen "+quote(s.channel())); err != nil {
		return s.failure(ctx, doing, err)
	}
	for {
		changed() // what was published before LISTEN counts as well
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return s.failure(ctx, doing, err)
		}
	}
}

// watchConn takes a connection out of the pool, for Close to end.
func (s *Store) watchConn(ctx context.Context, stop context.CancelFunc) (*pgx.Conn, error) {
	pooled, err := s.pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		pooled.Release()
		return nil, errClosed
	}
	conn := pooled.Hijack()
	s.watchers[conn] = stop
	s.watching.Add(1)
	return conn, nil
}

func (s *Store) endWatch(ctx context.Context, conn *pgx.Conn) {
	//lint:ignore errcheck nothing was promised through it
	_ = conn.Close(context.WithoutCancel(ctx))
	s.mu.Lock()
	delete(s.watchers, conn)
	s.mu.Unlock()
	s.watching.Done()
}
