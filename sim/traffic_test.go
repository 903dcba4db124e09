package sim_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/seed"
	"github.com/strataxp/strata/sim"
)

// journal is a site that writes down what happens, by device's visitor, and
// answers as it is told.
type journal struct {
	all    bytes.Buffer
	by     map[string]*bytes.Buffer // by visitor
	answer func(u *strata.Unit) string
	kinds  map[strata.Kind]int
	last   time.Time
}

func newJournal(answer func(*strata.Unit) string) *journal {
	return &journal{by: map[string]*bytes.Buffer{}, answer: answer, kinds: map[strata.Kind]int{}}
}

func (j *journal) Meet(at time.Time, u *strata.Unit, experiment string) string {
	answer := ""
	if j.answer != nil {
		answer = j.answer(u)
	}
	j.write(at, u, "meets "+experiment+" "+answer)
	return answer
}

func (j *journal) Do(at time.Time, u *strata.Unit, e strata.Event) {
	j.kinds[e.Kind()]++
	j.write(at, u, fmt.Sprintf("%+v", e))
}

func (j *journal) write(at time.Time, u *strata.Unit, what string) {
	j.last = at
	line := fmt.Sprintf("%d %s %s %s %v %s\n", at.UnixMicro(), u.User, u.Device, u.Session, u.Attributes, what)
	j.all.WriteString(line)
	key := visitorOf(u)
	if j.by[key] == nil {
		j.by[key] = new(bytes.Buffer)
	}
	j.by[key].WriteString(line)
}

// visitorOf reads the visitor out of the device's id.
func visitorOf(u *strata.Unit) string {
	visitor, _, _ := strings.Cut(u.Device, "-")
	return visitor
}

func play(ctx context.Context, t require.TestingT, m *sim.Model, o sim.TrafficOptions, s sim.Site) {
	traffic, err := sim.NewTraffic(m, o)
	require.NoError(t, err)
	require.NoError(t, traffic.Run(ctx, s))
}

func TestSameSeedSameActs(t *testing.T) {
	o := sim.TrafficOptions{Seed: 7, Visitors: 300, Meets: map[string]string{"x": "checkout", "a": "land"}}
	logs := make([]string, 3)
	for i := range logs {
		if i == 2 {
			o.Seed++
		}
		j := newJournal(nil)
		play(t.Context(), t, sim.Shop(), o, j)
		logs[i] = j.all.String()
	}
	require.NotEmpty(t, logs[0])
	require.Equal(t, logs[0], logs[1])
	require.NotEqual(t, logs[0], logs[2])
}

// Times and choices of the first visitors, so that a change of what a seed means
// is seen. It is allowed, and told in the change log.
func TestSeedsKeepTheirMeaning(t *testing.T) {
	j := newJournal(nil)
	play(t.Context(), t, sim.Shop(), sim.TrafficOptions{Visitors: 2, Meets: map[string]string{"x": "land"}, Prefix: "p-"}, j)
	first, _, _ := strings.Cut(j.all.String(), "\n")
	second, rest, _ := strings.Cut(first, " ")
	require.Equal(t, "1768123355", second[:10], "seconds: the digits beyond may differ with the processor's arithmetic")
	require.Equal(t, " p-d0-0 p-s0-0 map[country:DE device:tablet] meets x ", rest)
}

// checker is a site that checks what holds for every act.
type checker struct {
	t        *rapid.T
	o        sim.TrafficOptions
	m        *sim.Model
	last     time.Time
	sessions map[string]string // device by session
	users    map[string]string // visitor by user
	orders   map[string]bool
	seen     *[5]int
}

func (c *checker) Meet(at time.Time, u *strata.Unit, experiment string) string {
	c.act(at, u)
	require.Equal(c.t, "x", experiment)
	c.seen[0]++
	return "on"
}

func (c *checker) Do(at time.Time, u *strata.Unit, e strata.Event) {
	c.act(at, u)
	require.True(c.t, e.At().Equal(at))
	if p, ok := e.(strata.Purchase); ok {
		c.seen[1]++
		require.False(c.t, c.orders[p.OrderID], "orders are unique")
		c.orders[p.OrderID] = true
		require.GreaterOrEqual(c.t, p.Total, int64(0))
		require.Less(c.t, c.m.Bots.Share, 1.0, "bots never buy")
	}
}

func (c *checker) act(at time.Time, u *strata.Unit) {
	require.False(c.t, at.Before(c.last), "acts come in ascending order of time")
	c.last = at
	require.Zero(c.t, at.Nanosecond()%1000)
	require.False(c.t, at.Before(c.o.Start))
	require.True(c.t, at.Before(c.o.Start.Add(c.o.Length)))
	require.True(c.t, strings.HasPrefix(u.Device, c.o.Prefix) && u.Session != "")
	if device, known := c.sessions[u.Session]; known {
		require.Equal(c.t, device, u.Device, "a session has one device")
	}
	c.sessions[u.Session] = u.Device
	if u.User != "" {
		c.seen[2]++
		if visitor, known := c.users[u.User]; known {
			require.Equal(c.t, visitor, visitorOf(u), "a user is one visitor")
		}
		c.users[u.User] = visitorOf(u)
	}
	if strings.HasSuffix(u.Device, "-1") {
		c.seen[3]++
	}
	if strings.HasSuffix(u.Session, "-1") {
		c.seen[4]++
	}
}

// Whatever the shop and the options are, acts are in order, in time, and of units
// that belong together.
func TestActsAreConsistent(t *testing.T) {
	seed.OneGoroutine(t)
	var seen [5]int
	rapid.Check(t, func(t *rapid.T) {
		m := sim.Shop()
		m.Bots.Share = rapid.SampledFrom([]float64{0, 0.1, 1}).Draw(t, "bots")
		m.Heavy.Share = rapid.SampledFrom([]float64{0, 1 - m.Bots.Share}).Draw(t, "heavy")
		m.Returns.Chance = rapid.Float64Range(0, 0.9).Draw(t, "returns")
		m.Returns.Soon = rapid.SampledFrom([]float64{0, 0.5}).Draw(t, "soon")
		m.Returns.SoonGap = sim.LogNormal{Median: strata.Duration(time.Minute), Sigma: 1}
		m.Seasons.Weekdays[1] = rapid.SampledFrom([]float64{0, 1}).Draw(t, "mondays")
		if rapid.Bool().Draw(t, "flat") {
			m.Seasons = sim.Seasons{}
		}
		o := sim.TrafficOptions{
			Seed: rapid.Uint64().Draw(t, "seed"), Visitors: rapid.IntRange(1, 120).Draw(t, "visitors"), Prefix: "ü",
			Start:  time.Date(2026, 3, 1, rapid.IntRange(0, 23).Draw(t, "hour"), 17, 0, 5000, time.UTC),
			Length: time.Duration(rapid.IntRange(26, 900).Draw(t, "hours")) * time.Hour,
			Meets:  map[string]string{"x": "view"}, Effects: []sim.Effect{{Experiment: "x", Treatment: "on", From: "view", To: "add_to_cart", Weight: 5, Basket: 1.1}},
		}
		c := &checker{t: t, o: o, m: m, sessions: map[string]string{}, users: map[string]string{}, orders: map[string]bool{}, seen: &seen}
		play(context.Background(), t, m, o, c)
	})
	for i, what := range []string{"meetings", "purchases", "users", "second devices", "second visits"} {
		require.Positive(t, seen[i], what)
	}
}

// What the site answers one visitor changes no other.
func TestVisitorsAreIndependent(t *testing.T) {
	seed.OneGoroutine(t)
	o := sim.TrafficOptions{Seed: seed.Of(t), Visitors: 400, Meets: map[string]string{"x": "land"},
		Effects: []sim.Effect{{Experiment: "x", Treatment: "on", From: "land", To: "leave", Weight: 0.1, Basket: 2}}}
	plain := newJournal(func(*strata.Unit) string { return "" })
	play(t.Context(), t, sim.Shop(), o, plain)
	odd := func(u *strata.Unit) bool { return strings.HasSuffix(visitorOf(u), "1") }
	some := newJournal(func(u *strata.Unit) string {
		if odd(u) {
			return "on"
		}
		return ""
	})
	play(t.Context(), t, sim.Shop(), o, some)
	changed := 0
	for visitor, log := range plain.by {
		if strings.HasSuffix(visitor, "1") {
			if log.String() != some.by[visitor].String() {
				changed++
			}
			continue
		}
		require.Equal(t, log.String(), some.by[visitor].String())
	}
	require.Greater(t, changed, 20)
}

// funnel counts checkouts, and what they lead to.
type funnel struct {
	treatment string
	checkouts int
	totals    map[string]int64
}

func (f *funnel) Meet(time.Time, *strata.Unit, string) string { f.checkouts++; return f.treatment }

func (f *funnel) Do(_ time.Time, _ *strata.Unit, e strata.Event) {
	if p, ok := e.(strata.Purchase); ok {
		f.totals[p.OrderID] = p.Total + p.Discount
	}
}

// A weight of 1.5 turns the share 0.58 of checkouts into 0.58·1.5/1.29, and a
// factor of baskets multiplies the very same baskets.
func TestEffectsAreWhatTheySay(t *testing.T) {
	seed.OneGoroutine(t)
	m := sim.Shop()
	m.Bots.Share = 0
	run := func(treatment string, e sim.Effect) *funnel {
		f := &funnel{treatment: treatment, totals: map[string]int64{}}
		e.Experiment, e.Treatment = "x", "on"
		play(t.Context(), t, m, sim.TrafficOptions{Seed: seed.Of(t), Visitors: 20_000, Meets: map[string]string{"x": "checkout"}, Effects: []sim.Effect{e}}, f)
		return f
	}
	weight := sim.Effect{From: "checkout", To: "pay", Weight: 1.5}
	for treatment, share := range map[string]float64{"off": 0.58, "on": 0.58 * 1.5 / 1.29} {
		f := run(treatment, weight)
		n := float64(f.checkouts)
		require.InDelta(t, share, float64(len(f.totals))/n, 4.5*math.Sqrt(share*(1-share)/n), treatment)
	}
	off, on := run("off", sim.Effect{Basket: 1.25}), run("on", sim.Effect{Basket: 1.25})
	require.Equal(t, len(off.totals), len(on.totals))
	for order, total := range off.totals {
		require.InDelta(t, 1.25*float64(total), float64(on.totals[order]), 1.2, order)
	}
}

func TestFirstVisitsFollowTheSeasons(t *testing.T) {
	seed.OneGoroutine(t)
	m := sim.Shop()
	m.Returns, m.Bots, m.Heavy = sim.Returns{}, sim.Bots{}, sim.Heavy{}
	hours, weekdays := make([]float64, 24), make([]float64, 7)
	play(t.Context(), t, m, sim.TrafficOptions{Seed: seed.Of(t), Visitors: 30_000, Meets: map[string]string{"x": "land"}}, meeting(func(at time.Time) {
		hours[at.Hour()]++
		weekdays[at.Weekday()]++
	}))
	share := func(list []float64, i int) float64 {
		sum := 0.0
		for _, v := range list {
			sum += v
		}
		return list[i] / sum
	}
	for i := range hours {
		require.InDelta(t, share(m.Seasons.Hours, i), share(hours, i), 0.01, "hour %d", i)
	}
	for i := range weekdays {
		require.InDelta(t, share(m.Seasons.Weekdays, i), share(weekdays, i), 0.01, "weekday %d", i)
	}
}

type meeting func(at time.Time)

func (m meeting) Meet(at time.Time, _ *strata.Unit, _ string) string { m(at); return "" }

func (meeting) Do(time.Time, *strata.Unit, strata.Event) {}

// Ten times the visitors in ten times the time are no more at once: memory goes by
// who is under way.
func TestMemoryGoesByWhoIsUnderWay(t *testing.T) {
	m := sim.Shop()
	m.Returns.Gap = sim.LogNormal{Median: strata.Duration(2 * time.Hour), Sigma: 0.5}
	most := func(visitors int) int {
		traffic, err := sim.NewTraffic(m, sim.TrafficOptions{Visitors: visitors, Length: time.Duration(visitors) * 10 * time.Minute})
		require.NoError(t, err)
		return sim.MostUnderWay(traffic, nobody{})
	}
	few, many := most(2_000), most(20_000)
	t.Logf("of 2,000 visitors %d at once, of 20,000 %d", few, many)
	require.Less(t, many, few+few/2)
}

func TestRunEndsWithItsContext(t *testing.T) {
	traffic, err := sim.NewTraffic(sim.Shop(), sim.TrafficOptions{})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, traffic.Run(ctx, nobody{}), context.Canceled)
}
