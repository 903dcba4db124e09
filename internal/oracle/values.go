package oracle

import (
	"encoding/json"
	"fmt"
	"math/big"
	"time"

	"github.com/strataxp/strata"
)

// Values returns, by the key of the parameter, what the unit's code reads at an
// instant: the value of its treatment, else that of a launch, else the default.
// Values have the type of the parameter: bool, int64, float64, string, and for
// json what encoding/json makes of the document. It fails where a value does not
// fit its parameter, and where two treatments of the unit set one parameter,
// which no plan may allow.
func (p *Plan) Values(at time.Time, u *strata.Unit, held Held) (map[string]any, error) {
	given := p.Treatments(at, u, held)
	launched, err := p.settings(given, true)
	if err != nil {
		return nil, err
	}
	treated, err := p.settings(given, false)
	if err != nil {
		return nil, err
	}
	out := make(map[string]any)
	for i := range p.source.Parameters {
		param := &p.source.Parameters[i]
		value := param.Default
		if v, ok := launched[param.Key]; ok {
			value = v
		}
		if v, ok := treated[param.Key]; ok {
			value = v
		}
		if out[param.Key], err = typed(param, value); err != nil {
			return nil, fmt.Errorf("oracle: plan %d: %w", p.source.Version, err)
		}
	}
	return out, nil
}

// settings returns what the treatments of launch layers set, or those of all
// other layers.
func (p *Plan) settings(given map[string]string, launch bool) (map[string]any, error) {
	out := make(map[string]any)
	by := make(map[string]string)
	for _, e := range p.experiments {
		if e.layer.Launch != launch {
			continue
		}
		for i := range e.Treatments {
			if t := &e.Treatments[i]; t.Key == given[e.Key] {
				for key, value := range t.Values {
					if other, twice := by[key]; twice {
						return nil, fmt.Errorf("oracle: plan %d: experiments %q and %q both set parameter %q for one unit; let one layer own it", p.source.Version, other, e.Key, key)
					}
					out[key], by[key] = value, e.Key
				}
			}
		}
	}
	return out, nil
}

// typed returns a value in the Go type of its parameter.
func typed(p *strata.Parameter, value any) (any, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("parameter %q: value %v has no JSON form: %w", p.Key, value, err)
	}
	switch p.Type {
	case strata.TypeBool:
		return decoded[bool](p, text)
	case strata.TypeFloat:
		return decoded[float64](p, text)
	case strata.TypeString:
		return decoded[string](p, text)
	case strata.TypeJSON:
		return decoded[any](p, text)
	case strata.TypeInt:
		number, ok := new(big.Rat).SetString(string(text)) // 3.0 and 3e2 are integers too
		if !ok || !number.IsInt() || !number.Num().IsInt64() {
			return nil, fmt.Errorf("parameter %q: %s is no int; set a whole number of 64 bits", p.Key, text)
		}
		return number.Num().Int64(), nil
	}
	return nil, fmt.Errorf("parameter %q: there is no type %q; use one of the Type constants", p.Key, p.Type)
}

func decoded[T any](p *strata.Parameter, text []byte) (any, error) {
	var out T
	if err := json.Unmarshal(text, &out); err != nil {
		return nil, fmt.Errorf("parameter %q: %s is no %s; set another value: %w", p.Key, text, p.Type, err)
	}
	return out, nil
}
