package oracle_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/oracle"
)

// A look-up in a plan with ten experiments, five of them in a nested domain.
// It should stay below 20 µs, so that a simulation can afford some 100,000.
func BenchmarkTreatments(b *testing.B) {
	p := &strata.Plan{
		Layers:  []strata.Layer{{Key: "outer"}, {Key: "inner", Domain: "lab"}},
		Domains: []strata.Domain{{Key: "lab", Layer: "outer", Buckets: strata.BucketRange(5000, 10_000)}},
	}
	for i := range 10 {
		p.Experiments = append(p.Experiments, strata.Experiment{
			Key: fmt.Sprint("exp", i), Layer: p.Layers[i%2].Key, Status: strata.StatusRunning, Buckets: strata.BucketRange(i*1000, (i+1)*1000),
			Audience:   `country in ["DE", "AT"] && app_version >= 5`,
			Treatments: []strata.Treatment{{Key: "off", Weight: 1}, {Key: "on", Weight: 1}},
		})
	}
	for i := range p.Experiments { // those of the outer layer have the lower half
		p.Experiments[i].Buckets = strata.BucketRange(i/2*1000, (i/2+1)*1000)
	}
	model, err := oracle.NewPlan(p)
	require.NoError(b, err)
	u := &strata.Unit{Attributes: map[string]any{"country": "AT", "app_version": 7}}
	for i := 0; b.Loop(); i++ {
		u.User = fmt.Sprint("user-", i)
		model.Treatments(noon, u, nil)
	}
}
