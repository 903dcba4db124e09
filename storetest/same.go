package storetest

import (
	"math/big"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/oracle"
	"github.com/strataxp/strata/stats"
)

// requireUnits checks that a metric with one integer for each unit comes from
// units with these values.
func requireUnits(t require.TestingT, r strata.Results, treatment, metric string, values ...int64) {
	var units [][]*big.Rat
	for _, v := range values {
		units = append(units, []*big.Rat{big.NewRat(v, 1)})
	}
	oracle.RequireMoments(t, []stats.Moments{oracle.Moments(units)}, r.Treatments[treatment].Metrics[metric].Moments, true, "metric %q of %q should come from units with the values %v", metric, treatment, values)
}

// requirePairs is requireUnits for a metric with a pre-period: the value, and
// that of the time before.
func requirePairs(t require.TestingT, r strata.Results, treatment, metric string, values ...[2]int64) {
	var units [][]*big.Rat
	for _, v := range values {
		units = append(units, []*big.Rat{big.NewRat(v[0], 1), big.NewRat(v[1], 1)})
	}
	oracle.RequireMoments(t, []stats.Moments{oracle.Moments(units)}, r.Treatments[treatment].Metrics[metric].Moments, true, "metric %q of %q should come from units with the values and past values %v", metric, treatment, values)
}
