package telemetry_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/memstore"
	"github.com/strataxp/strata/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// engine is one that has written three page views and refused a fourth.
func engine(t *testing.T) *strata.Engine {
	t.Helper()
	eng, err := strata.Open(t.Context(), memstore.New(), strata.Config{})
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := eng.Close(context.WithoutCancel(t.Context()))
		require.NoError(t, err)
	})
	for range 3 {
		require.NoError(t, eng.Track(strata.Unit{User: "ada"}, strata.PageView{Page: "/"}))
	}
	require.Error(t, eng.Track(strata.Unit{User: "ada"}, strata.PageView{}))
	_, err = eng.Flush(t.Context())
	require.NoError(t, err)
	return eng
}

// The grammar of a line, from the description of the format.
var line = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*(\{([a-zA-Z_][a-zA-Z0-9_]*="[^"\\]*",?)+\})? (\+Inf|NaN|-?[0-9.e+-]+)$`)

func TestPrometheus(t *testing.T) {
	answer := httptest.NewRecorder()
	telemetry.Handler(engine(t)).ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	require.Equal(t, telemetry.ContentType, answer.Header().Get("Content-Type"))
	text := answer.Body.String()
	require.Contains(t, text, "\nstrata_events_written_total 3\n")
	require.Contains(t, text, "\nstrata_events_refused_total{kind=\"page_view\",reason=\"invalid\"} 1\n")
	require.Contains(t, text, "# TYPE strata_ingest_seconds histogram\n")
	require.Regexp(t, `strata_ingest_seconds_bucket\{le="\+Inf"\} [1-9]`, text)

	types, count := make(map[string]bool), 0
	for scan := bufio.NewScanner(strings.NewReader(text)); scan.Scan(); {
		if name, ok := strings.CutPrefix(scan.Text(), "# TYPE "); ok {
			name, _, _ = strings.Cut(name, " ")
			require.False(t, types[name], "%s is described twice", name)
			types[name] = true
			continue
		}
		if !strings.HasPrefix(scan.Text(), "# HELP ") {
			require.Regexp(t, line, scan.Text())
			count++
		}
	}
	require.Greater(t, count, 50)
}

// The buckets of a histogram rise, and the last one counts all.
func TestBucketsAreCumulative(t *testing.T) {
	var b strings.Builder
	require.NoError(t, telemetry.Write(&b, engine(t)))
	last := int64(0)
	for scan := bufio.NewScanner(strings.NewReader(b.String())); scan.Scan(); {
		name, value, _ := strings.Cut(scan.Text(), " ")
		if strings.HasPrefix(name, "strata_ingest_seconds_bucket") || name == "strata_ingest_seconds_count" {
			n, err := strconv.ParseInt(value, 10, 64)
			require.NoError(t, err)
			require.GreaterOrEqual(t, n, last)
			last = n
		}
	}
	require.Positive(t, last)
}

func TestExpvar(t *testing.T) {
	var object map[string]any
	require.NoError(t, json.Unmarshal([]byte(telemetry.Var(engine(t)).String()), &object))
	require.EqualValues(t, 3, object["strata_events_written_total"])
	require.EqualValues(t, 1, object[`strata_events_refused_total{kind="page_view",reason="invalid"}`])
	ingest := object["strata_ingest_seconds"].(map[string]any)
	require.Positive(t, ingest["count"])
	require.Positive(t, ingest["p999"])
	require.Nil(t, object["strata_spool_sync_seconds"].(map[string]any)["p50"], "nothing was counted")
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("gone") }

func TestAWriterThatFails(t *testing.T) {
	require.ErrorContains(t, telemetry.Write(failing{}, engine(t)), "gone")
}
