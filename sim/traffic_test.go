package sim_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/sim"
)

// journal is a site that writes down what happens, and answers as it is told.
type journal struct {
	bytes.Buffer
	answer func(u *strata.Unit) string
	kinds  map[strata.Kind]int
	last   time.Time
	t      testing.TB
}

func (j *journal) Meet(at time.Time, u *strata.Unit, experiment string) string {
	j.order(at)
	answer := ""
	if j.answer != nil {
		answer = j.answer(u)
	}
	_, _ = fmt.Fprintln(j, at.UnixMicro(), u.User, u.Device, u.Session, u.Attributes, "meets", experiment, answer)
	return answer
}

func (j *journal) Do(at time.Time, u *strata.Unit, e strata.Event) {
	j.order(at)
	require.True(j.t, e.At().Equal(at))
	j.kinds[e.Kind()]++
	_, _ = fmt.Fprintf(j, "%d %s %s %s %v %+v\n", at.UnixMicro(), u.User, u.Device, u.Session, u.Attributes, e)
}

func (j *journal) order(at time.Time) {
	require.False(j.t, at.Before(j.last), "acts come in ascending order of time")
	j.last = at
}

func played(t testing.TB, m *sim.Model, o sim.TrafficOptions, answer func(*strata.Unit) string) *journal {
	t.Helper()
	traffic, err := sim.NewTraffic(m, o)
	require.NoError(t, err)
	j := &journal{answer: answer, kinds: map[strata.Kind]int{}, t: t}
	require.NoError(t, traffic.Run(t.Context(), j))
	return j
}

func TestSameSeedSameActs(t *testing.T) {
	o := sim.TrafficOptions{Seed: 7, Visitors: 300, Meets: map[string]string{"x": "checkout", "a": "land"}}
	first := played(t, sim.Shop(), o, nil)
	require.NotEmpty(t, first.Bytes())
	require.Equal(t, first.String(), played(t, sim.Shop(), o, nil).String())
	o.Seed++
	require.NotEqual(t, first.String(), played(t, sim.Shop(), o, nil).String())
}
