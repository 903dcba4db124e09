package sim

import (
	"time"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/stats"
)

// Mean is a mean over runs with its standard error, which comes from how much they
// differ; 0 for a single run. Of a share of runs both go by the count.
type Mean struct {
	Value float64 `json:"value"`
	SE    float64 `json:"se"`
}

// Findings are what [Run] found. String prints them for people, WriteHTML writes a
// page of them; the JSON form is for machines. They hold no NaN.
type Findings struct {
	Model    string    `json:"model"`
	Seed     uint64    `json:"seed"`
	AA       bool      `json:"aa,omitempty"`
	Runs     int       `json:"runs"`
	Visitors int       `json:"visitors"` // of each run, within Days
	Start    time.Time `json:"start"`
	Days     int       `json:"days"`
	Level    float64   `json:"level"`
	Acts     int64     `json:"acts"`   // events and meetings with experiments, in all runs
	Events   int64     `json:"events"` // of those, events

	Experiments []ExperimentFindings `json:"experiments"` // in the order of the plan
	Pairs       []PairFindings       `json:"pairs,omitempty"`

	// Notes are what somebody should know before the launch, in sentences.
	Notes []string `json:"notes,omitempty"`
}

// ExperimentFindings are those of one experiment.
type ExperimentFindings struct {
	Experiment string `json:"experiment"`

	// Units is how many units a run reaches, a shared control left out; Expected is
	// what [strata.Plan.Capacity] makes of those that met the experiment in time.
	// Ramps, which a forecast takes as open, make Units fewer.
	Units    Mean    `json:"units"`
	Expected float64 `json:"expected"`

	// PlannedUnits is the number of units that the always-valid intervals are tuned
	// for: that of the experiment's analysis, or 5,000.
	PlannedUnits int64 `json:"planned_units"`

	// Contradictions is how many units of a run met two treatments.
	Contradictions Mean `json:"contradictions"`

	// SampleRatioAlarms is the share of runs whose report has an alarm about the
	// sample ratio, NotTrusted of those that have any alarm.
	SampleRatioAlarms Mean `json:"sample_ratio_alarms"`
	NotTrusted        Mean `json:"not_trusted"`

	// Decided is the share of runs in which some primary comparison is a win or a
	// loss at the end. In an A/A run it is the rate of false positives, which
	// should be at most 1 − Level.
	Decided Mean `json:"decided"`

	// Comparisons are those of each primary metric with each treatment.
	Comparisons []ComparisonFindings `json:"comparisons"`
}

// ComparisonFindings are those of a treatment and the control in a primary metric.
type ComparisonFindings struct {
	Metric    string `json:"metric"`
	Treatment string `json:"treatment"`
	Control   string `json:"control"`

	// True is the true lift: what the same visitors do when all have the treatment,
	// over when all have the control, the other experiments going on. It is 0
	// without error where nothing changes.
	True Mean `json:"true"`

	// Estimated is how many runs have an estimate at the end. Those below leave the
	// others out, which are no random ones: too few did what the metric counts.
	// Where it is 0, Lift, Bias and Covered are 0 as well, and say nothing.
	Estimated int `json:"estimated"`

	// Lift is the estimate at the end, Bias what it is off the true lift by. A lift is a ratio, whose mean is above the
	// truth where the control has few units: by RatioBias, about, which is no fault
	// of the plan.
	Lift      Mean    `json:"lift"`
	Bias      Mean    `json:"bias"`
	RatioBias float64 `json:"ratio_bias"`

	// Covered is the share of intervals for one look at the end, of those there
	// are, that hold the true lift, AlwaysCovered that of always-valid ones.
	Covered       Mean `json:"covered"`
	AlwaysCovered Mean `json:"always_covered"`

	// Wins and Losses are the shares of runs with these verdicts at the end,
	// corrected for the number of comparisons.
	Wins   Mean `json:"wins"`
	Losses Mean `json:"losses"`

	// PlannedPower is the chance of a win or a loss at the end that planning
	// promises: by the true lift, the units expected, the control's variance, and
	// a normal distribution, corrected by Bonferroni. 0 where it is not known.
	PlannedPower float64 `json:"planned_power"`

	// ByDay are the detection curves. They are not corrected for other comparisons,
	// and there is nothing to find before there is enough evidence for an
	// always-valid interval.
	ByDay []DayFindings `json:"by_day"`

	// MedianDays is after how many days half of the runs had found something by
	// looking every day, 0 where they had not by the end.
	MedianDays int `json:"median_days"`

	// PValues tests whether the p-values for one look at the end are uniform, as
	// they are where there is no effect (Kolmogorov and Smirnov). Only in A/A runs;
	// otherwise it has a reason.
	PValues stats.Test `json:"p_values"`

	inert bool // it has effects, and nobody does anything else for them
}

// DayFindings are the shares of runs that had found something by the end of a day.
type DayFindings struct {
	Day int `json:"day"` // from 1

	// Wins and Losses are the shares in which the always-valid interval, looked at
	// every day, had left 0 out.
	Wins   float64 `json:"wins"`
	Losses float64 `json:"losses"`

	// Planned is the share in which a single look at the end of this day finds
	// something: the experiment's power, had it been planned to end then.
	Planned float64 `json:"planned"`
}

// PairFindings say what two experiments do to each other.
type PairFindings struct {
	Experiments [2]string        `json:"experiments"`
	Diversion   strata.Diversion `json:"diversion"`

	// Table counts the units in both, of all runs, by the treatment of the first
	// and of the second. Independent tests that one tells nothing of the other; of
	// a layer that they share there are none.
	Table       [][]int64  `json:"table"`
	Independent stats.Test `json:"independent"`

	// Changes is what one experiment's effect does to the other's true lift.
	Changes []Interference `json:"changes,omitempty"`
}

// Interference is what becomes of a true lift when the other experiment's effect is
// there.
type Interference struct {
	Experiment string `json:"experiment"`
	Metric     string `json:"metric"`
	Treatment  string `json:"treatment"`
	Alone      Mean   `json:"alone"` // the true lift without the other's effect
	Both       Mean   `json:"both"`  // and with it
}
