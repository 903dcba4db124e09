package memstore_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/memstore"
	"github.com/strataxp/strata/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) strata.Store { return memstore.New() })
}

func BenchmarkStore(b *testing.B) {
	storetest.Benchmark(b, func(*testing.B) strata.Store { return memstore.New() })
}
