package faults_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/strataxp/strata/internal/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Main(m)) }
