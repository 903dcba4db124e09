package sim

import "math"

// gapFit fits a mixture of two kinds of customers to the times between orders.
// Each kind comes back with a chance of its own after each order; the time until
// then, where it is not soon, is log-normal, with one sigma for both.
type gapFit struct {
	histories []history
	soon      float64 // which part of returns is soon
	classes   [2]gapClass
	sigma     float64
}

// history is what is known of a customer.
type history struct {
	gaps    sums    // logarithms of those that are not soon
	returns float64 // all of them
	open    float64 // logarithm of the time since the last order, in which nothing came
}

type gapClass struct{ share, chance, mu float64 }

// rounds is how often the fit is improved; it hardly moves after half of them.
const rounds = 100

// fit starts from a frequent and a rare kind, on both sides of what all gaps
// together say.
func (f *gapFit) fit(all sums) {
	f.sigma = max(math.Sqrt(all.squares()/all.n), 0.05)
	f.classes = [2]gapClass{{0.8, 0.6, all.mean() + 0.5}, {0.2, 0.9, all.mean() - 0.5}}
	for range rounds {
		f.improve()
	}
	if f.classes[0].mu < f.classes[1].mu {
		f.classes[0], f.classes[1] = f.classes[1], f.classes[0]
	}
}

// improve is one round of expectation and maximisation.
func (f *gapFit) improve() {
	var share, returned, visits [2]float64
	var gaps [2]sums
	for i := range f.histories {
		h := &f.histories[i]
		part := f.belongs(h)
		for k := range f.classes {
			c := &f.classes[k]
			z := (h.open - c.mu) / f.sigma
			// The chance that somebody who has not come back yet will.
			later := c.chance * (1 - f.soon) * upper(z)
			later /= 1 - c.chance + later
			share[k] += part[k]
			returned[k] += part[k] * (h.returns + later)
			visits[k] += part[k] * (h.returns + 1)
			gaps[k].plus(sums{part[k] * h.gaps.n, part[k] * h.gaps.x, part[k] * h.gaps.xx})
			// The gap that is cut off, by the moments of a normal tail.
			hazard := tail(z)
			mean := c.mu + f.sigma*hazard
			square := c.mu*c.mu + 2*c.mu*f.sigma*hazard + f.sigma*f.sigma*(1+z*hazard)
			w := part[k] * later
			gaps[k].plus(sums{w, w * mean, w * square})
		}
	}
	spread, n := 0.0, 0.0
	for k := range f.classes {
		f.classes[k].share = share[k] / (share[0] + share[1])
		if gaps[k].n < 1 {
			continue // nobody is of this kind
		}
		f.classes[k].chance = min(max(returned[k]/visits[k], 0.001), 0.99)
		f.classes[k].mu = gaps[k].mean()
		spread += gaps[k].squares()
		n += gaps[k].n
	}
	f.sigma = max(math.Sqrt(spread/n), 0.05)
}

// belongs is how likely a customer is of each kind.
func (f *gapFit) belongs(h *history) [2]float64 {
	var l [2]float64
	for k, c := range f.classes {
		z := (h.open - c.mu) / f.sigma
		silent := 1 - c.chance + c.chance*(1-f.soon)*upper(z)
		l[k] = math.Log(max(c.share, 1e-300)) + math.Log(silent) + h.returns*math.Log(c.chance) -
			(h.gaps.xx-2*c.mu*h.gaps.x+c.mu*c.mu*h.gaps.n)/(2*f.sigma*f.sigma)
	}
	rare := 1 / (1 + math.Exp(l[1]-l[0]))
	return [2]float64{rare, 1 - rare}
}

// upper is the chance that a standard normal number is above z.
func upper(z float64) float64 { return 0.5 * math.Erfc(z/math.Sqrt2) }

// tail is the mean of a standard normal number that is above z.
func tail(z float64) float64 {
	if z > 30 {
		return z + 1/z
	}
	return math.Exp(-z*z/2) / math.Sqrt(2*math.Pi) / upper(z)
}
