package stats

import (
	"encoding/json"
	"fmt"
)

// momentsJSON is the wire form of Moments.
type momentsJSON struct {
	N         *int64    `json:"n"`
	Mean      []float64 `json:"mean"`
	Comoments []float64 `json:"comoments"`
}

// MarshalJSON writes {"n":3,"mean":[…],"comoments":[…]} with the co-moments
// packed as [NewMoments] takes them. Reading it back gives the same bits.
func (m Moments) MarshalJSON() ([]byte, error) {
	return json.Marshal(momentsJSON{N: &m.n, Mean: m.mean[:m.k], Comoments: m.comoments[:pairs(m.k)]})
}

// UnmarshalJSON reads what MarshalJSON writes, with the checks of
// [NewMoments]. On failure m keeps its value.
func (m *Moments) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	var wire momentsJSON
	if err := json.Unmarshal(data, &wire); err != nil {
		return fmt.Errorf("stats: moments: %w", err)
	}
	if wire.N == nil {
		return fmt.Errorf("%w: n is missing", ErrValue)
	}
	read, err := NewMoments(*wire.N, wire.Mean, wire.Comoments)
	if err != nil {
		return err
	}
	*m = read
	return nil
}
