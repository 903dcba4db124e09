package stats

import (
	"math"
	"sort"
)

// walk is a Brownian motion with drift that is watched at a few times and
// stopped where it leaves an interval: the distribution of z·√t at the looks
// of a sequential test. It holds the density of those paths that have not been
// stopped, at the nodes of a quadrature. P. Armitage, C. K. McPherson and B. C.
// Rowe, "Repeated significance tests on accumulating data", JRSS A 132 (1969).
type walk struct {
	drift   float64
	t       float64
	nodes   []node
	density []float64
	cuts    []cut
}

// cut is where paths were stopped: the density had an edge there, which has
// been getting smoother since.
type cut struct{ x, t float64 }

// startWalk is the motion at time 0, all of it at 0.
func startWalk(drift float64) *walk {
	return &walk{drift: drift, nodes: []node{{0, 1}}, density: []float64{1}}
}

// above is the probability to be above b at time t > w.t without having been
// stopped, and its derivative with respect to b, negated.
func (w *walk) above(t, b float64) (p, slope float64) {
	sigma := math.Sqrt(t - w.t)
	shift := w.drift * (t - w.t)
	for i, n := range w.nodes {
		z := (b - n.x - shift) / sigma
		mass := n.weight * w.density[i]
		p += mass * normalSurvival(z)
		slope += mass * math.Exp(-z*z/2)
	}
	return p, slope / (sigma * math.Sqrt(2*math.Pi))
}

// below is the probability to be below b at time t.
func (w *walk) below(t, b float64) float64 {
	sigma := math.Sqrt(t - w.t)
	shift := w.drift * (t - w.t)
	p := 0.0
	for i, n := range w.nodes {
		p += n.weight * w.density[i] * normalSurvival((n.x+shift-b)/sigma)
	}
	return p
}

// reach is how many standard deviations a path is followed: what lies beyond
// is below 1e-18.
const reach = 9

// advance goes on to time t with the paths between low and high. next is the
// time of the look after that, or t if there is none: the nodes must be close
// enough for both steps.
func (w *walk) advance(t, low, high, next float64) {
	sigma := math.Sqrt(t - w.t)
	center, spread := w.drift*t, reach*math.Sqrt(t)
	nodes := panels(w.edges(t, max(low, center-spread), min(high, center+spread), next))
	density := make([]float64, len(nodes))
	shift, scale := w.drift*(t-w.t), 1/(sigma*math.Sqrt(2*math.Pi))
	for i, to := range nodes {
		at := to.x - shift
		first := sort.Search(len(w.nodes), func(j int) bool { return w.nodes[j].x >= at-reach*sigma })
		for j := first; j < len(w.nodes) && w.nodes[j].x <= at+reach*sigma; j++ {
			z := (at - w.nodes[j].x) / sigma
			density[i] += w.nodes[j].weight * w.density[j] * math.Exp(-z*z/2)
		}
		density[i] *= scale
	}
	w.t, w.nodes, w.density = t, nodes, density
	w.cuts = append(w.cuts, cut{low, t}, cut{high, t})
}

// edges divide low to high so that within a panel the density at time t and
// the step to the next look are smooth: about two standard deviations of the
// step, and near an older cut two of those that have blurred it since.
func (w *walk) edges(t, low, high, next float64) []float64 {
	const wide = 2.25
	widest := wide * math.Sqrt(t)
	if next > t {
		widest = min(widest, wide*math.Sqrt(next-t))
	}
	edges := []float64{low}
	for x := low; x < high; {
		step := widest
		for _, c := range w.cuts {
			if d := math.Abs(x-c.x) / 2; d < step {
				step = max(d, min(step, wide*math.Sqrt(t-c.t)))
			}
		}
		x = min(x+step, high)
		edges = append(edges, x)
	}
	return edges
}

// evenEdges cuts low to high into equal pieces of at most width.
func evenEdges(low, high, width float64) []float64 {
	if !(high > low) {
		return nil
	}
	n := int(math.Ceil((high - low) / width))
	edges := make([]float64, n+1)
	for i := range edges {
		edges[i] = low + (high-low)*float64(i)/float64(n)
	}
	return edges
}

// boundary is the z at time t that is exceeded with probability p by the paths
// that have not been stopped. The log of that probability is concave in the
// boundary, so Newton's method converges from where it is not 0; elsewhere the
// bracket is halved. Above maxCritical there is no need to know.
func (w *walk) boundary(t, p float64) float64 {
	if !(p > normalSurvival(maxCritical)) {
		return maxCritical
	}
	root := math.Sqrt(t)
	low, high := -reach*root, -NormalQuantile(p)*root
	b := high
	for range 200 {
		q, slope := w.above(t, b)
		step := math.Log(q/p) * q / slope
		if math.Abs(step) < 1e-13*(root+math.Abs(b)) {
			b += step
			break
		}
		if q > p {
			low = b
		} else {
			high = b
		}
		if next := b + step; next > low && next < high {
			b = next
		} else {
			b = low + (high-low)/2
		}
	}
	return min(b/root, maxCritical)
}

// solveFalling finds where the decreasing function f is 0 between low and
// high, with f(low) ≥ 0 ≥ f(high), by the Illinois variant of false position.
func solveFalling(f func(float64) float64, low, high float64) float64 {
	fl, fh := f(low), f(high)
	if fl <= 0 {
		return low
	}
	if fh >= 0 {
		return high
	}
	side := 0
	for range 100 {
		x := high - fh*(high-low)/(fh-fl)
		if !(x > low && x < high) {
			x = low + (high-low)/2
		}
		if high-low <= 1e-12*(math.Abs(low)+math.Abs(high)) {
			return x
		}
		fx := f(x)
		switch {
		case fx == 0:
			return x
		case fx > 0:
			if x-low < 1e-13*math.Abs(x) {
				return x
			}
			low, fl = x, fx
			if side == 1 {
				fh /= 2
			}
			side = 1
		default:
			if high-x < 1e-13*math.Abs(x) {
				return x
			}
			high, fh = x, fx
			if side == -1 {
				fl /= 2
			}
			side = -1
		}
	}
	return low + (high-low)/2
}
