package stats

import (
	"math"
	"slices"
	"sync"

	"gonum.org/v1/gonum/integrate/quad"
)

// panelNodes is the number of Gauss–Legendre nodes per panel.
const panelNodes = 16

// gaussRule holds the nodes and weights on [−1, 1], and in upTo[i][j] the
// weights that integrate from −1 to node i.
type gaussRule struct {
	x, w [panelNodes]float64
	upTo [panelNodes][panelNodes]float64
}

// gauss is the rule, made once. The cumulative weights integrate the
// polynomial through the nodes, written in Legendre polynomials P:
// ∫P_k = (P_{k+1} − P_{k−1})/(2k+1).
var gauss = sync.OnceValue(func() *gaussRule {
	g := new(gaussRule)
	quad.Legendre{}.FixedLocations(g.x[:], g.w[:], -1, 1)
	var p [panelNodes][panelNodes + 1]float64
	for i, x := range g.x {
		p[i][0], p[i][1] = 1, x
		for k := 1.0; k < panelNodes; k++ {
			p[i][int(k)+1] = ((2*k+1)*x*p[i][int(k)] - k*p[i][int(k)-1]) / (k + 1)
		}
	}
	for i, x := range g.x {
		for j := range g.x {
			sum := 1 + x
			for k := 1; k < panelNodes; k++ {
				sum += p[j][k] * (p[i][k+1] - p[i][k-1])
			}
			g.upTo[i][j] = g.w[j] / 2 * sum
		}
	}
	return g
})

// node is a place on the line and the weight it has in an integral.
type node struct{ x, weight float64 }

// panels are the nodes of the rule between each two neighbours of edges,
// which must be sorted. Panels of no width are left out.
func panels(edges []float64) []node {
	g := gauss()
	nodes := make([]node, 0, panelNodes*len(edges))
	for i := 1; i < len(edges); i++ {
		half := (edges[i] - edges[i-1]) / 2
		if !(half > 0) {
			continue
		}
		middle := edges[i-1] + half
		for j := range g.x {
			nodes = append(nodes, node{middle + half*g.x[j], half * g.w[j]})
		}
	}
	return nodes
}

// sortedEdges are the distinct finite edges in order.
func sortedEdges(edges []float64) []float64 {
	edges = slices.DeleteFunc(edges, func(e float64) bool { return !isFinite(e) })
	slices.Sort(edges)
	return slices.Compact(edges)
}

// integrate is Σ weight·f over the nodes.
func integrate(nodes []node, f func(x float64) float64) float64 {
	sum := 0.0
	for _, n := range nodes {
		sum += n.weight * f(n.x)
	}
	return sum
}

// logConcave is a distribution on the line known up to a factor. Its log
// density, relative to that at the mode, and the slope of it are functions of
// the distance v from the mode.
type logConcave struct {
	mode, scale float64
	log, slope  func(v float64) float64

	// bends are where on the line the log density turns within a distance of
	// about 3, however flat or wide it is elsewhere.
	bends []float64
}

// edges cut the line where the log density has fallen by k²/2, for k up to
// 38, as far as float64 reaches: panels of one standard deviation each, were it normal, and as long as
// the tails need otherwise. They come in order.
func (d logConcave) edges() []float64 {
	const steps = 38
	out := make([]float64, 2*steps+1)
	out[steps] = d.mode
	for _, sign := range []float64{-1, 1} {
		v := sign * d.scale
		for k := 1; k <= steps; k++ {
			target := -float64(k*k) / 2
			for range 60 { // Newton from either side is safe: the function is concave
				off := d.log(v) - target
				next := v - off/d.slope(v)
				if math.Abs(off) < 0.1 || !(next*sign > 0) || !isFinite(next) {
					break
				}
				v = next
			}
			out[steps+int(sign)*k] = d.mode + v
		}
	}
	slices.Sort(out)
	return around(d.bends, out)
}

// around splits panels that are long for their distance from a bend.
func around(bends, edges []float64) []float64 {
	var out []float64
	for i, e := range edges {
		if i > 0 {
			for x := edges[i-1]; ; {
				step := math.Inf(1)
				for _, b := range bends {
					step = min(step, max(1.5, math.Abs(x-b)/2))
				}
				if x += step; !(x < e) {
					break
				}
				out = append(out, x)
			}
		}
		out = append(out, e)
	}
	return out
}

// tabulated is a distribution at the nodes of panels: density, and the
// probabilities below and above each node, each with its own precision.
type tabulated struct{ density, below, above []float64 }

// tabulate normalises d over the panels between edges, which must hold
// d.edges().
func (d logConcave) tabulate(nodes []node) tabulated {
	g := gauss()
	n := len(nodes)
	t := tabulated{make([]float64, n), make([]float64, n), make([]float64, n)}
	total := 0.0
	for i, at := range nodes {
		t.density[i] = math.Exp(d.log(at.x - d.mode))
		total += at.weight * t.density[i]
	}
	for i := range t.density {
		t.density[i] /= total
	}
	fromLeft, fromRight := 0.0, 0.0
	for p := 0; p < n; p += panelNodes {
		q := n - panelNodes - p
		t.fill(g, nodes, p, fromLeft, t.below, false)
		t.fill(g, nodes, q, fromRight, t.above, true)
		for j := range panelNodes {
			fromLeft += nodes[p+j].weight * t.density[p+j]
			fromRight += nodes[q+j].weight * t.density[q+j]
		}
	}
	return t
}

// fill writes the probability between an open side and each node of the panel
// that starts at first; start is what lies beyond the panel.
func (t tabulated) fill(g *gaussRule, nodes []node, first int, start float64, out []float64, mirrored bool) {
	half := nodes[first].weight / g.w[0]
	for i := range panelNodes {
		sum := 0.0
		for j := range panelNodes {
			if mirrored { // the rule is symmetric
				sum += g.upTo[panelNodes-1-i][panelNodes-1-j] * t.density[first+j]
			} else {
				sum += g.upTo[i][j] * t.density[first+j]
			}
		}
		out[first+i] = min(max(start+half*sum, 0), 1)
	}
}
