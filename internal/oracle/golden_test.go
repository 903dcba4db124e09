package oracle_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/oracle"
	"github.com/strataxp/strata/internal/oracle/spec"
)

// vector is a question to the specification, with its answer.
type vector struct {
	ID             string
	Diversion      strata.Diversion
	Layer          string
	LayerSalt      string `json:"layer_salt"`
	Experiment     string
	ExperimentSalt string `json:"experiment_salt"`
	Phase          int
	Weights        []int
	Bucket         int
	Treatment      int
}

// The model gives what the golden vectors freeze.
func TestModelGivesTheGoldenVectors(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "testdata", "golden.json"))
	require.NoError(t, err)
	var golden struct {
		Vectors []vector
		Ramp    []struct {
			Salt          string
			Bucket, Point int
		}
	}
	require.NoError(t, json.Unmarshal(data, &golden))
	require.NotEmpty(t, golden.Vectors)
	for _, v := range golden.Vectors {
		if v.Layer == "" {
			continue // of the raw functions: no plan can be made of it
		}
		model, err := oracle.NewPlan(v.plan())
		require.NoError(t, err)
		u := &strata.Unit{User: "else", Device: "else", Session: "else", Tenant: "else", Request: "else"}
		*map[strata.Diversion]*string{
			strata.ByUser: &u.User, strata.ByDevice: &u.Device, strata.BySession: &u.Session, strata.ByTenant: &u.Tenant, strata.ByRequest: &u.Request,
		}[v.Diversion] = v.ID
		want := map[string]string{v.Experiment: fmt.Sprint("t", v.Treatment)}
		require.Equal(t, want, model.Treatments(noon, u, nil), "%+v", v)
	}
	require.NotEmpty(t, golden.Ramp)
	for _, r := range golden.Ramp {
		require.Equal(t, r.Point, spec.RampPoint(r.Bucket, r.Salt), "%+v", r)
	}
}

// plan makes a plan in which one experiment owns the bucket of the vector.
func (v vector) plan() *strata.Plan {
	e := strata.Experiment{
		Key: v.Experiment, Salt: v.ExperimentSalt, Layer: v.Layer, Phase: v.Phase,
		Status: strata.StatusRunning, Buckets: strata.BucketList(v.Bucket),
	}
	for i, w := range v.Weights {
		e.Treatments = append(e.Treatments, strata.Treatment{Key: fmt.Sprint("t", i), Weight: w})
	}
	return &strata.Plan{
		Layers:      []strata.Layer{{Key: v.Layer, Salt: v.LayerSalt, Diversion: v.Diversion}},
		Experiments: []strata.Experiment{e},
	}
}
