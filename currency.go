package strata

import "math"

// minorDigits are the currencies whose minor unit is not a hundredth, with the
// number of decimals that it stands for (ISO 4217, list one). A library would
// bring all of the world's locales into every user's binary for these lines.
var minorDigits = map[string]int{
	"BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0,
	"RWF": 0, "UGX": 0, "UYI": 0, "VND": 0, "VUV": 0, "XAF": 0, "XOF": 0, "XPF": 0,
	"BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3,
	"CLF": 4, "UYW": 4,
}

// minorUnits returns how many minor units make one of the currency: 100 for the
// euro, 1 for the yen.
func minorUnits(currency string) float64 {
	digits, odd := minorDigits[currency]
	if !odd {
		digits = 2
	}
	return math.Pow10(digits)
}

// scale returns what a measure's sums are divided by in a report, so that people
// read euros and not cents.
func (m *Measure) scale() float64 {
	if m.isMoney() {
		return minorUnits(m.Currency)
	}
	return 1
}

func (m *Measure) isMoney() bool { return m.Value == ValueTotal || m.Value == ValueDiscount }

func validCurrency(c string) bool {
	if len(c) != 3 {
		return false
	}
	for i := range 3 {
		if c[i] < 'A' || c[i] > 'Z' {
			return false
		}
	}
	return true
}
