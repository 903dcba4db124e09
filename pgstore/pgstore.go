package pgstore

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/strataxp/strata"
)

var (
	_ strata.Store       = (*Store)(nil)
	_ strata.PlanWatcher = (*Store)(nil)
)

// Store is a store in PostgreSQL. Make one with [Open] or [New]; all methods are
// safe for concurrent use.
type Store struct {
	cfg    Config
	pool   *pgxpool.Pool
	owned  bool   // Close closes the pool
	schema string // quoted

	reset    resetter
	standbys []*standby

	ready atomic.Bool // the schema was found to be of this version

	tellsTimeline, noTimeline atomic.Bool // once it is known

	statements sync.Map // by the text that has {schema} in it, the complete one

	mu       sync.Mutex
	closed   bool
	watchers map[*pgx.Conn]context.CancelFunc
	watching sync.WaitGroup

	*rollups
}

// Open connects to a server and checks what it finds: that the server answers
// and is new enough, and that the schema is there and of this version. It
// migrates an older schema, unless [Config.NoMigrate] says not to. Errors match
// [ErrConnection], [ErrServerVersion], [ErrPrivilege], [ErrSchemaVersion] or
// [strata.ErrConfig], and say what to do; none ever holds a password.
//
// dsn is a connection string as in
// postgres://user:password@host:5432/database?sslmode=require, with the
// settings of package pgxpool such as pool_max_conns. It may list several hosts:
// then the store uses the one that takes writes, and looks for it again when it
// meets another, unless target_session_attrs or [Config.ReadOnly] says
// otherwise. Where dsn has no connect_timeout it is 5 seconds, for each host; a
// server that does not acknowledge what it was sent is given up after 15
// seconds, on Linux, and one that is silent after 25. ctx bounds Open only.
func Open(ctx context.Context, dsn string, cfg Config) (*Store, error) {
	s, err := newStore(cfg)
	if err != nil {
		return nil, err
	}
	poolConfig, err := parseDSN("dsn", dsn)
	if err != nil {
		return nil, err
	}
	if !s.cfg.ReadOnly {
		forWriting(poolConfig, dsn)
	}
	if s.cfg.Lazy {
		poolConfig.AfterConnect = s.checkOnce
	}
	s.owned = true
	if s.pool, err = pgxpool.NewWithConfig(context.WithoutCancel(ctx), poolConfig); err != nil {
		return nil, s.failure(ctx, "connect", err)
	}
	if !s.cfg.Lazy {
		if err := s.check(ctx, s.pool); err != nil {
			s.pool.Close()
			return nil, err
		}
	}
	if err := s.openStandbys(ctx); err != nil {
		s.pool.Close()
		return nil, err
	}
	s.start(ctx)
	return s, nil
}

// New is [Open] for a pool that the program has already. [Store.Close] does not
// close it. [Config.Lazy] is refused: it needs a pool of the store's own. With a
// synchronous standby give the pool [OnNotice]; where the primary may change,
// target_session_attrs, and time-outs for servers that are silent.
func New(ctx context.Context, pool *pgxpool.Pool, cfg Config) (*Store, error) {
	s, err := newStore(cfg)
	if err != nil {
		return nil, err
	}
	if pool == nil {
		return nil, &ConfigError{Field: "pool", Cure: "is nil; pass one made by pgxpool.New, or use Open"}
	}
	if cfg.Lazy {
		return nil, &ConfigError{Field: "Lazy", Value: true, Cure: "needs a pool of the store's own; use Open"}
	}
	s.pool = pool
	if err := s.check(ctx, pool); err != nil {
		return nil, err
	}
	if err := s.openStandbys(ctx); err != nil {
		return nil, err
	}
	s.start(ctx)
	return s, nil
}

func newStore(cfg Config) (*Store, error) {
	cfg = cfg.withDefaults()
	standbys, err := parseStandbys(cfg.Standbys)
	if err := errors.Join(cfg.validate(), err); err != nil {
		return nil, err
	}
	return &Store{cfg: cfg, schema: quote(cfg.Schema), standbys: standbys, watchers: make(map[*pgx.Conn]context.CancelFunc), rollups: newRollups(&cfg)}, nil
}

// Close ends all that the store does by itself, and closes the connections that
// [Open] made. It waits for calls that are under way. A second Close does
// nothing.
func (s *Store) Close() {
	s.mu.Lock()
	s.closed = true
	for _, stop := range s.watchers {
		stop()
	}
	s.mu.Unlock()
	s.watching.Wait()
	s.finish()
	s.closeStandbys()
	if s.owned {
		s.pool.Close()
	}
}

// check prepares the schema for use.
func (s *Store) check(ctx context.Context, db database) error {
	err := checkServer(ctx, db)
	if err == nil {
		err = s.checkSchema(ctx, db)
	}
	if err == nil {
		err = s.prepare(ctx, db)
	}
	if err != nil {
		return s.failure(ctx, "open the store", err)
	}
	s.ready.Store(true)
	return nil
}

// checkOnce is check on each new connection of a lazy store, until it succeeds.
func (s *Store) checkOnce(ctx context.Context, conn *pgx.Conn) error {
	if s.ready.Load() {
		return nil
	}
	return s.check(ctx, conn)
}

// database is what a pool, a connection and a transaction have in common.
type database interface {
	Begin(ctx context.Context) (pgx.Tx, error)
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// sql puts the schema's name into a statement, in which it is written {schema}.
// Arguments are basic Go types only, each with a cast in the statement: then
// every mode of execution means the same, those without prepared statements
// included.
//
// Each text is put together once: a batch takes some twenty statements, and what replacing
// cost was an eighth of what the rollup cost in a web application's process.
func (s *Store) sql(text string) string {
	if known, ok := s.statements.Load(text); ok {
		return known.(string)
	}
	complete := inSchema(text, s.schema)
	s.statements.Store(text, complete)
	return complete
}
