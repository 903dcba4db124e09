package pgstore_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/seed"
)

// BenchmarkPath is the whole way of events: taken in by Track, through the spool
// where there is one, to committed rows, 40,000 at a time. Everything is on the
// machine's two cores: Track, the encoding, the spool and the server. "copy" is
// pgx.CopyFrom of the same rows into a table without indexes.
func BenchmarkPath(b *testing.B) {
	events := seed.Cut(40_000, 10_000)
	order := 0
	records := browse(0, events/3+1, benchStart, &order)[:events]
	report := func(b *testing.B) {
		b.ReportMetric(float64(events*b.N)/b.Elapsed().Seconds(), "events/s")
	}
	b.Run("copy", func(b *testing.B) {
		s := benchStore(b)
		s.PlainTable(b)
		for b.Loop() {
			for i := 0; i < events; i += 10_000 {
				s.CopyFrom(b, records[i:i+10_000])
			}
		}
		report(b)
	})
	for _, lanes := range []int{1, 2} {
		for _, spool := range []bool{false, true} {
			b.Run(fmt.Sprintf("lanes=%d/spool=%t", lanes, spool), func(b *testing.B) {
				cfg := strata.Config{Lanes: lanes, RefreshInterval: -1, NoWatch: true}
				if spool {
					cfg.Spool.Dir = b.TempDir()
				}
				eng, err := strata.Open(b.Context(), benchStore(b), cfg)
				require.NoError(b, err)
				b.ReportAllocs()
				for b.Loop() {
					for i := range records {
						if err := eng.Track(records[i].Unit, records[i].Event); err != nil {
							b.Fatal(err)
						}
					}
					_, err := eng.Flush(b.Context())
					require.NoError(b, err)
				}
				report(b)
				_, err = eng.Close(b.Context())
				require.NoError(b, err)
			})
		}
	}
}
