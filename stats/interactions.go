package stats

// InteractionThreshold is the p-value, over all pairs of experiments together,
// below which [Interactions] calls two of them out; Eppo's.
const InteractionThreshold = 0.01

// ExperimentPair is two experiments that share units, with the cells of their
// crossed assignment: cells[i][j] is the arm of the units in arm i of the
// first and arm j of the second.
type ExperimentPair struct {
	First, Second string
	Cells         [][]Group
}

// PairInteraction is what [Interactions] found about a pair.
type PairInteraction struct {
	First  string `json:"first"`
	Second string `json:"second"`

	// Test is [InteractionWald]'s, its p-value not corrected.
	Test Test `json:"test"`

	// Interacts is set when PValue, times the number of pairs that could be
	// tested, is at most InteractionThreshold.
	Interacts bool `json:"interacts"`
}

// Interactions tests every pair for an interaction, Bonferroni-corrected for
// the number of pairs that could be tested. Interactions are rare; among many
// pairs an uncorrected test mostly finds chance. For another correction take
// the p-values of the tests that have no Reason.
func Interactions(pairs []ExperimentPair) []PairInteraction {
	found := make([]PairInteraction, len(pairs))
	tested := 0.0
	for i, p := range pairs {
		found[i] = PairInteraction{First: p.First, Second: p.Second, Test: InteractionWald(p.Cells)}
		if found[i].Test.Reason == "" {
			tested++
		}
	}
	for i := range found {
		found[i].Interacts = found[i].Test.Reason == "" && found[i].Test.PValue*tested <= InteractionThreshold
	}
	return found
}
