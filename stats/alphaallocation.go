package stats

import "fmt"

// AlphaAllocation divides an error rate α between the metrics of an
// experiment, before it starts: Eppo's preferential Bonferroni, and Spotify's
// treatment of guardrails (Schultzberg, Ankargren and Frånberg, "Risk-aware
// product decisions in A/B tests with multiple metrics", arXiv:2402.11609). The zero
// value is one primary metric of one treatment at 5%.
type AlphaAllocation struct {
	// Alpha is the error rate of the primary and secondary metrics together.
	// Zero means 0.05.
	Alpha float64

	// PrimaryShare is the part of Alpha that the primary metrics divide
	// among them, above 0 and at most 1. Zero means 0.5. Where there are
	// only primary or only secondary metrics they get all of it.
	PrimaryShare float64

	// PrimaryMetrics and SecondaryMetrics are how many there are. Two zeros
	// mean one primary metric.
	PrimaryMetrics, SecondaryMetrics int

	// Guardrails is the number of metrics that must all be shown not to be
	// harmed. Each is tested at the full Alpha, because one false pass among
	// them ships nothing unless all others pass too; they cost power instead.
	Guardrails int

	// Treatments is the number of arms other than the control. Zero means 1.
	Treatments int

	// Power is the power of the whole decision. Zero means 0.8.
	Power float64
}

// AllocatedAlpha is what one test of each kind gets.
type AllocatedAlpha struct {
	// Primary and Secondary are the error rates of one metric, all
	// treatments together; PrimaryPerArm and SecondaryPerArm those of one
	// metric and one treatment. They are 0 for a kind without metrics.
	Primary         float64 `json:"primary"`
	Secondary       float64 `json:"secondary"`
	PrimaryPerArm   float64 `json:"primary_per_arm"`
	SecondaryPerArm float64 `json:"secondary_per_arm"`

	// Guardrail is the one-sided error rate of one guardrail's
	// non-inferiority test, for one treatment; 0 without guardrails.
	Guardrail float64 `json:"guardrail"`

	// Power is what each test must be planned with so that all guardrails
	// and a primary metric succeed together with the allocation's power:
	// 1 − (1 − Power)/(Guardrails + 1).
	Power float64 `json:"power"`
}

func (a AlphaAllocation) withDefaults() AlphaAllocation {
	if a.Alpha == 0 {
		a.Alpha = 0.05
	}
	if a.PrimaryShare == 0 {
		a.PrimaryShare = 0.5
	}
	if a.PrimaryMetrics == 0 && a.SecondaryMetrics == 0 {
		a.PrimaryMetrics = 1
	}
	if a.Treatments == 0 {
		a.Treatments = 1
	}
	if a.Power == 0 {
		a.Power = 0.8
	}
	return a
}

// Allocate divides the error rate. The error is [ErrValue] for rates outside
// (0, 1) and negative counts.
func (a AlphaAllocation) Allocate() (AllocatedAlpha, error) {
	a = a.withDefaults()
	if err := a.check(); err != nil {
		return AllocatedAlpha{}, err
	}
	share := a.PrimaryShare
	switch {
	case a.SecondaryMetrics == 0:
		share = 1
	case a.PrimaryMetrics == 0:
		share = 0
	}
	var out AllocatedAlpha
	if a.PrimaryMetrics > 0 {
		out.Primary = share * a.Alpha / float64(a.PrimaryMetrics)
	}
	if a.SecondaryMetrics > 0 {
		out.Secondary = (1 - share) * a.Alpha / float64(a.SecondaryMetrics)
	}
	out.PrimaryPerArm = out.Primary / float64(a.Treatments)
	out.SecondaryPerArm = out.Secondary / float64(a.Treatments)
	if a.Guardrails > 0 {
		out.Guardrail = a.Alpha
	}
	out.Power = 1 - (1-a.Power)/float64(a.Guardrails+1)
	return out, nil
}

func (a AlphaAllocation) check() error {
	switch {
	case !(a.Alpha > 0 && a.Alpha < 1):
		return fmt.Errorf("%w: alpha is %v, not between 0 and 1", ErrValue, a.Alpha)
	case !(a.PrimaryShare > 0 && a.PrimaryShare <= 1):
		return fmt.Errorf("%w: the primary share is %v, not between 0 and 1", ErrValue, a.PrimaryShare)
	case !(a.Power > 0 && a.Power < 1):
		return fmt.Errorf("%w: the power is %v, not between 0 and 1", ErrValue, a.Power)
	case a.PrimaryMetrics < 0, a.SecondaryMetrics < 0, a.Guardrails < 0, a.Treatments < 0:
		return fmt.Errorf("%w: a negative number of metrics or treatments", ErrValue)
	}
	return nil
}
