package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata/memstore"
)

func TestTheLargePlanIsValid(t *testing.T) {
	plan, err := largePlan(t.Context(), memstore.New())
	require.NoError(t, err)
	require.Len(t, plan.Experiments, moreExperiments)
}

func TestPublishingNeedsAServer(t *testing.T) {
	require.Error(t, publish(t.Context(), "postgres://nobody@127.0.0.1:1/none?connect_timeout=1", &bytes.Buffer{}, &bytes.Buffer{}))
}
