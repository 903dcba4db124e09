package stats

import (
	"encoding/json"
	"math"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func init() {
	addRunners(map[string]func(*testing.T, json.RawMessage) outputs{
		"factorial_main_effect": runMainEffect,
		"interaction_2x2":       runInteraction,
		"interaction_2x2_log":   runInteractionRatio,
		"interaction_wald":      runInteractionWald,
		"interaction_anova":     runInteractionANOVA,
		"false_positive_risk":   runFalsePositiveRisk,
	})
}

type factorialInput struct {
	Cells    map[string]armInput
	Variance string
	Factor   string
	Levels   []int
	Weights  string
	Alpha    float64
}

var cellName = regexp.MustCompile(`^a(\d+)b(\d+)$`)

// table is the groups by level of A, then of B.
func (in factorialInput) table(t *testing.T) [][]Group {
	t.Helper()
	rows, columns := 0, 0
	at := map[[2]int]Group{}
	for name, cell := range in.Cells {
		levels := cellName.FindStringSubmatch(name)
		require.NotNil(t, levels, "cell %q", name)
		i, err := strconv.Atoi(levels[1])
		require.NoError(t, err)
		j, err := strconv.Atoi(levels[2])
		require.NoError(t, err)
		rows, columns = max(rows, i+1), max(columns, j+1)
		g := GroupMean(cell.moments(t), 0)
		if in.Variance == "bernoulli" {
			g = GroupProportion(cell.moments(t), 0)
		}
		at[[2]int{i, j}] = g
	}
	cells := make([][]Group, rows)
	for i := range cells {
		for j := range columns {
			cells[i] = append(cells[i], at[[2]int{i, j}])
		}
	}
	return cells
}

func (in factorialInput) level() float64 {
	if in.Alpha == 0 {
		return 0.95
	}
	return 1 - in.Alpha
}

func (in factorialInput) square(t *testing.T) [2][2]Group {
	t.Helper()
	cells := in.table(t)
	require.Len(t, cells, 2)
	require.Len(t, cells[0], 2)
	return [2][2]Group{{cells[0][0], cells[0][1]}, {cells[1][0], cells[1][1]}}
}

func jointOutputs(t *testing.T, j Joint, level float64) outputs {
	t.Helper()
	c := j.Compare(Options{Level: level, Reference: Normal})
	require.Empty(t, c.Difference.Reason)
	out := results(c.Difference, c.Test)
	out["z"] = c.Test.Statistic
	return out
}

func runMainEffect(t *testing.T, data json.RawMessage) outputs {
	in := decode[factorialInput](t, data)
	weights := map[string]LevelWeights{
		"": EqualWeights, "equal": EqualWeights, "population": PopulationWeights,
		"proportional": PopulationWeights, "cells": PopulationWeights,
	}
	w, ok := weights[in.Weights]
	require.True(t, ok, "unknown weights %q", in.Weights)
	require.Len(t, in.Levels, 2)
	require.Contains(t, []string{"A", "B"}, in.Factor)
	return jointOutputs(t, MainEffect(in.table(t), in.Factor == "B", in.Levels[0], in.Levels[1], w), in.level())
}

func runInteraction(t *testing.T, data json.RawMessage) outputs {
	in := decode[factorialInput](t, data)
	return jointOutputs(t, Interaction(in.square(t)), in.level())
}

func runInteractionRatio(t *testing.T, data json.RawMessage) outputs {
	in := decode[factorialInput](t, data)
	e, test := InteractionRatio(in.square(t), Options{Level: in.level()})
	require.Empty(t, e.Reason+test.Reason)
	out := results(e, test)
	out["log_estimate"], out["ratio_of_lifts"], out["z"] = math.Log(e.Value), e.Value, test.Statistic
	return out
}

func runInteractionWald(t *testing.T, data json.RawMessage) outputs {
	test := InteractionWald(decode[factorialInput](t, data).table(t))
	require.Empty(t, test.Reason)
	return outputs{"chi2": test.Statistic, "df": test.DF, "p_value": test.PValue}
}

func runInteractionANOVA(t *testing.T, data json.RawMessage) outputs {
	got := InteractionANOVA(decode[factorialInput](t, data).table(t))
	require.Empty(t, got.Test.Reason)
	return outputs{"F": got.Test.Statistic, "df1": got.DF1, "df2": got.Test.DF, "p_value": got.Test.PValue}
}

func runFalsePositiveRisk(t *testing.T, data json.RawMessage) outputs {
	in := decode[struct {
		Alpha, Power float64
		SuccessRate  float64 `json:"success_rate"`
	}](t, data)
	risk, err := FalsePositiveRisk(in.Alpha, in.Power, in.SuccessRate)
	require.NoError(t, err)
	return outputs{"fpr": risk}
}
