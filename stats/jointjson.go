package stats

import (
	"encoding/json"
	"fmt"
)

// jointJSON is the wire form of Joint: null is what is not known.
type jointJSON struct {
	N                 int64    `json:"n"`
	Control           *float64 `json:"control"`
	Treatment         *float64 `json:"treatment"`
	ControlVariance   *float64 `json:"control_variance"`
	TreatmentVariance *float64 `json:"treatment_variance"`
	Covariance        *float64 `json:"covariance"`
	DF                *float64 `json:"df,omitempty"`
	Reason            string   `json:"reason,omitempty"`
}

// MarshalJSON writes null for means and variances that are missing.
func (j Joint) MarshalJSON() ([]byte, error) {
	j = j.checked()
	known := j.Reason == ""
	return json.Marshal(jointJSON{
		N:                 j.N,
		Control:           numberIf(!j.NoMeans, j.Control),
		Treatment:         numberIf(!j.NoMeans, j.Treatment),
		ControlVariance:   numberIf(known, j.ControlVariance),
		TreatmentVariance: numberIf(known, j.TreatmentVariance),
		Covariance:        numberIf(known, j.Covariance),
		DF:                numberIf(known && j.DF != 0, j.DF),
		Reason:            j.Reason,
	})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (j *Joint) UnmarshalJSON(data []byte) error {
	var wire jointJSON
	if err := json.Unmarshal(data, &wire); err != nil {
		return fmt.Errorf("stats: joint: %w", err)
	}
	complete := wire.Control != nil && wire.Treatment != nil && wire.ControlVariance != nil && wire.TreatmentVariance != nil
	if wire.Reason == "" && !complete {
		return fmt.Errorf("%w: joint means without variances and reason", ErrValue)
	}
	*j = Joint{
		N:                 wire.N,
		Control:           numberOr(wire.Control, 0),
		Treatment:         numberOr(wire.Treatment, 0),
		ControlVariance:   numberOr(wire.ControlVariance, 0),
		TreatmentVariance: numberOr(wire.TreatmentVariance, 0),
		Covariance:        numberOr(wire.Covariance, 0),
		DF:                numberOr(wire.DF, 0),
		Reason:            wire.Reason,
		NoMeans:           wire.Control == nil || wire.Treatment == nil,
	}.checked()
	return nil
}
