package pgstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/strataxp/strata"
)

var _ strata.Confirmer = (*Store)(nil)

// standbyConns bounds the connections to each standby.
const standbyConns = 2

// standby is a server that may take over.
type standby struct {
	name   string // host and port
	config *pgxpool.Config
	pool   *pgxpool.Pool
	reset  resetter
}

// parseStandbys reads [Config.Standbys].
func parseStandbys(dsns []string) (list []*standby, err error) {
	for i, dsn := range dsns {
		field := fmt.Sprintf("Standbys[%d]", i)
		cfg, dsnErr := parseDSN(field, dsn)
		if dsnErr != nil {
			err = errors.Join(err, dsnErr)
			continue
		}
		names := hosts(cfg)
		if len(names) > 1 {
			err = errors.Join(err, &ConfigError{Field: field, Value: names, Cure: "lists several servers, of which only one would be asked; give each a string of its own"})
			continue
		}
		cfg.MaxConns, cfg.MinConns, cfg.MinIdleConns = standbyConns, 0, 0
		list = append(list, &standby{name: names[0], config: cfg})
	}
	return list, err
}

// openStandbys makes a pool for each standby, which connects when it is needed.
func (s *Store) openStandbys(ctx context.Context) error {
	for _, b := range s.standbys {
		var err error
		if b.pool, err = pgxpool.NewWithConfig(context.WithoutCancel(ctx), b.config); err != nil {
			s.closeStandbys()
			return s.failure(ctx, "prepare connections to standby "+b.name, err)
		}
	}
	return nil
}

func (s *Store) closeStandbys() {
	for _, b := range s.standbys {
		if b.pool != nil {
			b.pool.Close()
		}
	}
}

// Confirms implements [strata.Confirmer]: it reports whether [Config.Standbys]
// names any.
func (s *Store) Confirms() bool { return len(s.standbys) > 0 }

// Confirmed implements [strata.Confirmer]. It asks every server of
// [Config.Standbys], and the one that the store writes to, and returns the lowest
// answers. What a standby shows it has on its disk. It fails where one cannot
// be asked, and where none is in recovery: then there is no standby, as after a
// failover until the old primary has come back. A server that has no such schema
// yet confirms nothing. It costs a query on each server, of one row for each
// stream.
func (s *Store) Confirmed(ctx context.Context, params strata.ConfirmedParams) ([]int64, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(params.Streams) == 0 {
		return nil, nil
	}
	ids := make([]string, 0, len(params.Streams))
	for _, id := range params.Streams {
		ids = append(ids, id.String())
	}
	replies := make([]standing, 1+len(s.standbys))
	var asking sync.WaitGroup
	for i, b := range s.standbys {
		asking.Go(func() { replies[1+i] = s.askStandby(ctx, b, ids) })
	}
	replies[0] = s.standing(ctx, s.pool, ids)
	asking.Wait()
	if err := replies[0].err; err != nil {
		return nil, s.failure(ctx, "ask for cursors", err)
	}
	return s.lowest(replies)
}

// standing is how far a server has got.
type standing struct {
	standby bool
	last    []int64
	err     error
}

// lowest returns the last index that every server has. The first is the one that
// the store writes to. One that is in recovery no more counts as well: it may be
// a primary beside the one that the store knows, with less.
func (s *Store) lowest(replies []standing) ([]int64, error) {
	confirmed := false
	lowest := replies[0].last
	for _, r := range replies[1:] {
		if r.err != nil {
			return nil, r.err
		}
		confirmed = confirmed || r.standby
		for i := range lowest {
			lowest[i] = min(lowest[i], r.last[i])
		}
	}
	if confirmed {
		return lowest, nil
	}
	return nil, &Error{
		Doing: "confirm what is stored", Err: errNoStandby,
		Cure: "let the former primary, or another server, follow the present one as a standby; until then a failover would lose what only the primary has",
	}
}

var errNoStandby = errors.New("none of Config.Standbys is in recovery, so no standby confirms")

// selectStanding reads cursors, without waiting for batches under way.
const selectStanding = `
select pg_catalog.pg_is_in_recovery(), coalesce(s.last_idx, 0)
from pg_catalog.unnest($1::text[]) with ordinality as k(id, n) left join {schema}.stream s on s.stream_id = k.id::uuid order by k.n`

func (s *Store) standing(ctx context.Context, db database, ids []string) (r standing) {
	var last int64
	r.err = scanRows(ctx, db, s.sql(selectStanding), []any{ids}, []any{&r.standby, &last}, func() { r.last = append(r.last, last) })
	return r
}

// askStandby is standing for a server that lags, perhaps behind the migration of
// the schema.
func (s *Store) askStandby(ctx context.Context, b *standby, ids []string) standing {
	r := s.standing(ctx, b.pool, ids)
	switch sqlState(r.err) {
	case stateUndefinedTable, stateUndefinedSchema:
		return standing{standby: true, last: make([]int64, len(ids))}
	}
	if r.err != nil {
		b.reset.after(r.err, b.pool, s.cfg.Clock)
		r.err = failure(ctx, "ask the standby "+b.name+" what it has", r.err)
	}
	return r
}

// hostPort names a server.
func hostPort(host string, port uint16) string {
	if strings.HasPrefix(host, "/") { // the folder of a Unix socket
		return host + ":" + strconv.Itoa(int(port))
	}
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}
