package stats

import "math"

// FisherExact is the two-sided exact test of R. A. Fisher that two shares are
// equal: the probability, given all row and column sums, of the tables that
// are no more probable than the one observed (those within 1e-7 of its
// probability count as equal, as in R). It has no Statistic; it is
// conservative, so its level is at most the stated one.
//
// The time grows with the standard deviation of the count, the square root of
// the successes: 0.04 ms for a million units, 1 ms for a billion
// (BenchmarkFisherExact, a shared cloud core).
func FisherExact(control, treatment Share) Test {
	if a := checkArms(control.Group(), treatment.Group()); a.noValue {
		return noTest(a.reason)
	}
	if control.Units > math.MaxInt64-treatment.Units {
		return noTest(outOfRange)
	}
	h := hypergeometric{
		control: control.Units, treatment: treatment.Units,
		successes: control.Successes + treatment.Successes,
	}
	return newTest(0, 0, h.noMoreProbable(control.Successes))
}

// hypergeometric is how many of so many successes fall to the control.
type hypergeometric struct{ control, treatment, successes int64 }

// support is the least and the greatest possible count.
func (h hypergeometric) support() (low, high int64) {
	return max(0, h.successes-h.treatment), min(h.successes, h.control)
}

// logDensity is log P(x), by the saddle-point form of C. Loader, "Fast and
// accurate computation of binomial probabilities" (2000): differences of log
// factorials lose all digits when margins are in the billions.
func (h hypergeometric) logDensity(x int64) float64 {
	n, successes := float64(h.control+h.treatment), float64(h.successes)
	p := successes / n
	q := float64(h.control+h.treatment-h.successes) / n
	return logBinomial(float64(x), float64(h.control), p, q) + logBinomial(float64(h.successes-x), float64(h.treatment), p, q) -
		logBinomial(successes, n, p, q)
}

// ratioUp is P(x+1)/P(x).
func (h hypergeometric) ratioUp(x int64) float64 {
	return float64(h.control-x) / float64(x+1) * (float64(h.successes-x) / float64(h.treatment-h.successes+x+1))
}

// ratioDown is P(x−1)/P(x).
func (h hypergeometric) ratioDown(x int64) float64 {
	return float64(x) / float64(h.control-x+1) * (float64(h.treatment-h.successes+x) / float64(h.successes-x+1))
}

// noMoreProbable is the probability of all counts that are no more probable
// than x. The density has one mode, so these are two tails.
func (h hypergeometric) noMoreProbable(x int64) float64 {
	low, high := h.support()
	if low == high {
		return 1
	}
	observed := h.logDensity(x)
	bound := observed + 1e-7
	mode := h.mode(low, high)
	left := lastBelow(low-1, mode, func(v int64) bool { return v < low || h.logDensity(v) <= bound })
	right := high + 1 - lastBelow(0, high+1-mode, func(v int64) bool { return v == 0 || h.logDensity(high+1-v) <= bound })
	if left >= right {
		return 1
	}
	sum := 0.0
	if left >= low {
		sum += math.Exp(h.logDensity(left)) * tailSum(left-low, func(i int64) float64 { return h.ratioDown(left - i) })
	}
	if right <= high {
		sum += math.Exp(h.logDensity(right)) * tailSum(high-right, func(i int64) float64 { return h.ratioUp(right + i) })
	}
	return sum
}

// mode is a count of the highest probability.
func (h hypergeometric) mode(low, high int64) int64 {
	m := int64((float64(h.control) + 1) / (float64(h.control) + float64(h.treatment) + 2) * (float64(h.successes) + 1))
	m = min(max(m, low), high)
	for m < high && h.ratioUp(m) > 1 {
		m++
	}
	for m > low && h.ratioDown(m) > 1 {
		m--
	}
	return m
}

// lastBelow is the last v in [from, to] that holds, where holds is true at
// from and false from some v on.
func lastBelow(from, to int64, holds func(int64) bool) int64 {
	if holds(to) {
		return to
	}
	for to-from > 1 {
		middle := from + (to-from)/2
		if holds(middle) {
			from = middle
		} else {
			to = middle
		}
	}
	return from
}

// tailSum is 1 + r(0) + r(0) r(1) + … over at most steps falling ratios, until
// what is left cannot matter.
func tailSum(steps int64, ratio func(int64) float64) float64 {
	sum, term := 1.0, 1.0
	for i := range steps {
		r := ratio(i)
		term *= r
		sum += term
		if r < 1 && term*r < 1e-17*sum*(1-r) {
			break
		}
	}
	return sum
}
