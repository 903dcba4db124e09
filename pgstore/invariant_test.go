package pgstore_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/pgtest"
	"github.com/strataxp/strata/internal/seed"
	"github.com/strataxp/strata/pgstore"
)

// shop makes up records of a few users in a few experiments: late ones, early
// ones, contradictions, orders tracked twice.
type shop struct {
	random *rand.Rand
	orders int
}

func (s *shop) records(n int) []strata.Record {
	records := make([]strata.Record, n)
	for i := range records {
		records[i] = s.record()
	}
	return records
}

func (s *shop) record() strata.Record {
	who := s.random.IntN(40)
	u := strata.Unit{User: fmt.Sprintf("user-%08d", who), Device: fmt.Sprintf("device-%d", who%30), Tenant: "shop"}
	at := benchStart.Add(time.Duration(s.random.IntN(5*24*60)) * time.Minute)
	r := strata.Record{Unit: u, Forced: s.random.IntN(20) == 0}
	switch s.random.IntN(8) {
	case 0, 1:
		e := s.random.IntN(3)
		diversion, id := strata.ByUser, who
		if e == 2 {
			diversion, id = strata.ByDevice, who%30
		}
		treatment := []string{"control", "variant"}[(id>>e)&1]
		if s.random.IntN(40) == 0 {
			treatment = "control"
		}
		r.Forced = false
		r.Event = strata.Exposure{Time: at, Experiment: fmt.Sprintf("experiment%d", e), Treatment: treatment, Diversion: diversion, Bucket: -1, Version: 1,
			Attributes: map[string]string{"country": []string{"DE", "AT"}[s.random.IntN(2)]}}
	case 2, 3:
		r.Event = strata.PageView{Time: at, Page: []string{"/", "/cart"}[s.random.IntN(2)]}
	case 4:
		r.Event = strata.Click{Time: at, Target: "buy"}
	case 5:
		r.Event = strata.Conversion{Time: at, Goal: "signup", Value: s.random.NormFloat64()}
	default:
		if s.random.IntN(4) > 0 {
			s.orders++
		}
		r.Event = strata.Purchase{Time: at, OrderID: fmt.Sprintf("o%d", s.orders), Total: int64(s.random.IntN(10_000)), Discount: int64(s.random.IntN(100)), Currency: []string{"EUR", "USD"}[s.random.IntN(2)]}
	}
	return r
}

// shopPlan measures the shop in every way, and in a random selection of them.
func shopPlan(version int64, random *rand.Rand) *strata.Plan {
	p := benchPlan(3)
	p.Version = version
	p.Layers[2].Diversion = strata.ByDevice
	day := strata.Duration(24 * time.Hour)
	value := strata.Measure{Event: strata.KindConversion, Value: strata.ValueAmount}
	p.Metrics = append(p.Metrics,
		strata.Metric{Key: "value", Type: strata.MetricSum, Measure: value, PrePeriod: day, Window: day},
		strata.Metric{Key: "mean", Type: strata.MetricMean, Measure: value},
		strata.Metric{Key: "past", Type: strata.MetricRatio, Measure: p.Metrics[1].Measure, Denominator: &strata.Measure{Event: strata.KindPurchase}, PrePeriod: day},
		strata.Metric{Key: "funnel", Type: strata.MetricFunnel, Window: 2 * day, Steps: []strata.Step{{Event: strata.KindPageView}, {Event: strata.KindClick}, {Event: strata.KindPurchase, Within: day}}},
	)
	for i := range p.Experiments {
		e := &p.Experiments[i]
		e.Metrics = nil
		for _, j := range random.Perm(len(p.Metrics))[:1+random.IntN(len(p.Metrics))] {
			e.Metrics = append(e.Metrics, p.Metrics[j].Key)
		}
	}
	return p
}

// Several processes write, roll up and publish at once, and their connections
// are killed all the time. In the end the rollup is what a recomputation makes,
// and what another store makes that has no rollup.
func TestRollupInvariant(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(seed.Of(t), 0))
	dsn, schema := pgtest.Schema(t)
	stores := make([]*pgstore.Store, 3)
	for i := range stores {
		stores[i] = open(t, dsn+"&pool_max_conns=4", schema)
	}
	const writers, batches, perBatch = 4, 25, 60
	var all sync.WaitGroup
	for w := range writers {
		own := rand.New(rand.NewPCG(random.Uint64(), 0))
		all.Go(func() {
			shop := &shop{random: own}
			records := shop.records(batches * perBatch)
			last := int64(0)
			stream := strata.StreamID{15: byte(w + 1)}
			for int(last) < len(records) {
				s := stores[own.IntN(len(stores))]
				n := min(1+own.IntN(2*perBatch), len(records)-int(last))
				if err := s.Ingest(t.Context(), strata.Batch{Stream: stream, First: last + 1, Records: records[last : int(last)+n]}); err == nil && own.IntN(5) > 0 {
					last += int64(n)
				} else if at, err := s.Cursor(t.Context(), strata.CursorParams{Stream: stream}); err == nil {
					last = at
				}
			}
		})
	}
	all.Go(func() {
		for version := int64(0); version < 6; {
			_, err := stores[0].PutPlan(t.Context(), strata.PutPlanParams{Plan: shopPlan(version, random), Author: "ada", Message: "metrics", At: benchStart})
			if err == nil {
				version++
				continue
			}
			if v, err := stores[0].PlanHistory(t.Context(), strata.PlanHistoryParams{Limit: 1}); err == nil && len(v) > 0 {
				version = v[0].Version
			}
		}
	})
	killing, stop := context.WithCancel(t.Context())
	var killer sync.WaitGroup
	killer.Go(func() { killBackends(t, killing, dsn, schema) })
	all.Wait()
	for range 10 { // a rollup under fire
		_, _ = stores[1].RollUp(t.Context())
	}
	stop()
	killer.Wait()

	for fresh := false; !fresh; { // another process may be at it
		_, err := stores[2].RollUp(t.Context())
		require.NoError(t, err)
		f, err := stores[2].Freshness(t.Context())
		require.NoError(t, err)
		fresh = f == pgstore.Freshness{Recomputed: 1}
	}
	v, err := stores[2].Verify(t.Context())
	require.NoError(t, err)
	require.True(t, v.OK(), "%+v", v)
	require.EqualValues(t, 70, v.Units)
	require.Positive(t, v.Cells)
	t.Logf("%+v", *v)
}

// killBackends ends connections of a test's stores, again and again.
func killBackends(t *testing.T, ctx context.Context, dsn, schema string) {
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = conn.Close(t.Context()) }()
	for ctx.Err() == nil {
		_, _ = conn.Exec(ctx, `select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and query like '%' || $1 || '%' and random() < 0.3`, schema)
		_, _ = conn.Exec(ctx, `select pg_sleep(0.02)`)
	}
}

// Verify finds what does not fit, whatever it is.
func TestVerifyFindsDifferences(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]string{
		"a daily result": `update {schema}.result_day set s0 = s0 + 1 where ctid = (select ctid from {schema}.result_day where s0 is not null limit 1)`,
		"a count":        `update {schema}.result_day set units = units + 1 where metric = 0`,
		"a missing row":  `delete from {schema}.result_day where ctid = (select ctid from {schema}.result_day where n > 0 limit 1)`,
		"an event":       `update {schema}.event set total = total + 1 where kind = 4 and not forced`,
		"a lost event":   `delete from {schema}.event where ctid = (select ctid from {schema}.event where kind = 2 and not forced limit 1)`,
		"an exposure":    `update {schema}.exposure set first_at = first_at + interval '1 second' where sequence & 1023 = 3`,
		"a unit":         `delete from {schema}.unit_state where ctid = (select ctid from {schema}.unit_state limit 1)`,
		"an order":       `delete from {schema}.purchase_order`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn, schema := pgtest.Schema(t)
			s := open(t, dsn, schema)
			_, err := s.PutPlan(t.Context(), strata.PutPlanParams{Plan: shopPlan(0, rand.New(rand.NewPCG(1, 1))), Author: "ada", Message: "m", At: benchStart})
			require.NoError(t, err)
			records := (&shop{random: rand.New(rand.NewPCG(1, 2))}).records(500)
			(&benchWriter{store: s, stream: strata.StreamID{1}}).write(t, records)
			v, err := s.Verify(t.Context())
			require.NoError(t, err)
			require.True(t, v.OK(), "%v", v.Found)
			conn, err := pgx.Connect(t.Context(), dsn)
			require.NoError(t, err)
			defer func() { require.NoError(t, conn.Close(context.WithoutCancel(t.Context()))) }()
			tag, err := conn.Exec(t.Context(), s.SQL(spoil))
			require.NoError(t, err)
			require.Positive(t, tag.RowsAffected())
			v, err = s.Verify(t.Context())
			require.NoError(t, err)
			require.False(t, v.OK())
			require.NotEmpty(t, v.Found)
		})
	}
}
