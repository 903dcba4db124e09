package main

import "time"

// holds tells whether a machine holds a rate: 99.9 % of the requests are answered
// within 10 ms, at least 99 % of the rate is achieved, and none fails.
func holds(o *outcome) bool {
	return o.errors == 0 && o.achieved() >= 0.99 && o.all().figures().p999 < 10*time.Millisecond
}

// ladder is the rates that are tried, each about a fifth above the one before.
func ladder(from, to int) (rates []int) {
	for rate := from; rate <= to; rate = rate * 6 / 5 {
		rates = append(rates, rate)
	}
	return rates
}

// highest climbs a ladder and returns the highest rate that held in two of three
// trials, 0 where not even the first one did. It stops at the first that does not.
func highest(rates []int, trial func(rate int) (held bool, err error)) (best int, err error) {
	for _, rate := range rates {
		ok, err := twoOfThree(rate, trial)
		if err != nil || !ok {
			return best, err
		}
		best = rate
	}
	return best, nil
}

// twoOfThree leaves the third trial out where the first two agree.
func twoOfThree(rate int, trial func(rate int) (held bool, err error)) (bool, error) {
	held := 0
	for n := range 3 {
		ok, err := trial(rate)
		if err != nil {
			return false, err
		}
		if ok {
			held++
		}
		if held == 2 || n+1-held == 2 {
			break
		}
	}
	return held >= 2, nil
}
