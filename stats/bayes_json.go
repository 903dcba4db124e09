package stats

import (
	"encoding/json"
	"fmt"
)

// posteriorJSON is the wire form of Posterior: null is what is not known.
type posteriorJSON struct {
	Level    float64  `json:"level"`
	Effect   Estimate `json:"effect"`
	Win      *float64 `json:"win"`
	LossShip *float64 `json:"loss_ship"`
	LossKeep *float64 `json:"loss_keep"`
}

// MarshalJSON writes null for the numbers of a posterior that is missing.
func (p Posterior) MarshalJSON() ([]byte, error) {
	known := p.Effect.Reason == ""
	return json.Marshal(posteriorJSON{
		Level: p.Level, Effect: p.Effect, Win: numberIf(known, p.Win),
		LossShip: numberIf(known, p.LossShip), LossKeep: numberIf(known, p.LossKeep),
	})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (p *Posterior) UnmarshalJSON(data []byte) error {
	var wire posteriorJSON
	if err := json.Unmarshal(data, &wire); err != nil {
		return fmt.Errorf("stats: posterior: %w", err)
	}
	if wire.Effect.Reason == "" && wire.Win == nil {
		return fmt.Errorf("%w: posterior without probability and reason", ErrValue)
	}
	*p = Posterior{
		Level: wire.Level, Effect: wire.Effect, Win: numberOr(wire.Win, 0.5),
		LossShip: numberOr(wire.LossShip, 0), LossKeep: numberOr(wire.LossKeep, 0),
	}
	return nil
}

// rateJSON is the wire form of RatePosterior: null is what is not known.
type rateJSON struct {
	ControlMean   *float64 `json:"control_mean"`
	TreatmentMean *float64 `json:"treatment_mean"`
	Win           *float64 `json:"win"`
	LossShip      *float64 `json:"loss_ship"`
	LossKeep      *float64 `json:"loss_keep"`
	Reason        string   `json:"reason,omitempty"`
}

// MarshalJSON writes null for the numbers of a comparison that could not be
// made.
func (p RatePosterior) MarshalJSON() ([]byte, error) {
	known := p.Reason == ""
	return json.Marshal(rateJSON{
		ControlMean: numberIf(known, p.ControlMean), TreatmentMean: numberIf(known, p.TreatmentMean),
		Win:      numberIf(known, p.Win),
		LossShip: numberIf(known, p.LossShip), LossKeep: numberIf(known, p.LossKeep),
		Reason: p.Reason,
	})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (p *RatePosterior) UnmarshalJSON(data []byte) error {
	var wire rateJSON
	if err := json.Unmarshal(data, &wire); err != nil {
		return fmt.Errorf("stats: rates: %w", err)
	}
	if wire.Reason == "" && wire.Win == nil {
		return fmt.Errorf("%w: rates without probability and reason", ErrValue)
	}
	*p = RatePosterior{
		ControlMean: numberOr(wire.ControlMean, 0), TreatmentMean: numberOr(wire.TreatmentMean, 0),
		Win:      numberOr(wire.Win, 0.5),
		LossShip: numberOr(wire.LossShip, 0), LossKeep: numberOr(wire.LossKeep, 0),
		Reason: wire.Reason,
	}
	return nil
}
