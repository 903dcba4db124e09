package stats

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestJointJSON(t *testing.T) {
	fine := Joint{N: 9, Control: 1, Treatment: 2, ControlVariance: 0.5, TreatmentVariance: 0.25, Covariance: 0.1, DF: 7}
	for text, j := range map[string]Joint{
		`{"n":9,"control":1,"treatment":2,"control_variance":0.5,"treatment_variance":0.25,"covariance":0.1,"df":7}`:                 fine,
		`{"n":9,"control":1,"treatment":2,"control_variance":null,"treatment_variance":null,"covariance":null,"reason":"r"}`:         {N: 9, Control: 1, Treatment: 2, Reason: "r"},
		`{"n":0,"control":null,"treatment":null,"control_variance":null,"treatment_variance":null,"covariance":null,"reason":"why"}`: {Reason: "why", NoMeans: true},
	} {
		data, err := json.Marshal(j)
		require.NoError(t, err)
		require.JSONEq(t, text, string(data))
		var back Joint
		require.NoError(t, json.Unmarshal(data, &back))
		require.Equal(t, j, back)
	}
	require.ErrorIs(t, json.Unmarshal([]byte(`{"n":4,"control":1}`), new(Joint)), ErrValue)
	require.Error(t, json.Unmarshal([]byte(`{"n":"4"}`), new(Joint)))

	data, err := json.Marshal(StratifiedResult{Means: fine, ConditionalSE: 0.5, Strata: 3})
	require.NoError(t, err)
	require.Contains(t, string(data), `"strata":3`)
}

func TestJointCompareRefuses(t *testing.T) {
	fine := Joint{N: 9, Control: 1, Treatment: 2, ControlVariance: 0.01, TreatmentVariance: 0.02, DF: 7}
	for reason, c := range map[string]Comparison{
		"pooled variance": fine.Compare(Options{Reference: PooledT}),
		"level 3":         fine.Compare(Options{Level: 3}),
		"not known":       Joint{NoMeans: true}.Compare(Options{}),
		"no units":        Joint{Control: 3}.Compare(Options{}),
		"not those":       Joint{N: 2, ControlVariance: -1}.Compare(Options{}),
		"neither arm":     Joint{N: 2, Control: 1}.Compare(Options{}),
	} {
		require.Contains(t, c.Test.Reason, reason)
		require.Contains(t, c.Difference.Reason, reason)
		requireSoundComparison(t, c)
	}
	require.Contains(t, Joint{N: 2, ControlVariance: 1}.Lift(2).Reason, "control mean is 0")
	require.Contains(t, Joint{N: 2, Control: 1, ControlVariance: 1}.Lift(2).Reason, "Fieller")
	require.Contains(t, fine.Lift(-1).Reason, "critical")
	require.Contains(t, fine.DeltaLift(0).Reason, "critical")
	require.Contains(t, fine.Difference(0).Reason, "critical")
	normal := fine.Compare(Options{Reference: Normal})
	require.Zero(t, normal.Test.DF)
	require.Less(t, normal.Test.PValue, fine.Compare(Options{}).Test.PValue)
}
