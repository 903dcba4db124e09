package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/strataxp/strata/internal/page"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestGrowthIsTheExponent(t *testing.T) {
	for _, exponent := range []float64{0, 0.5, 1, 2} {
		var points []point
		for _, size := range []int{1, 10, 100, 5000} {
			points = append(points, point{size, 7 * math.Pow(float64(size), exponent)})
		}
		require.InDelta(t, exponent, growth(points), 1e-12)
	}
	require.True(t, math.IsNaN(growth([]point{{10, 1}})))
	require.True(t, math.IsNaN(growth([]point{{10, 1}, {10, 2}})))
}

func TestUnits(t *testing.T) {
	require.Equal(t, "43.2 ns", nanoseconds.text(43.2))
	require.Equal(t, "1 µs", nanoseconds.text(999.7))
	require.Equal(t, "2.5 s", nanoseconds.text(2.5e9))
	require.Equal(t, "7.59 MiB", bytes.text(7.59*(1<<20)))
	require.Equal(t, "98.8 k/s", perSecond.text(98_800))
	require.Equal(t, "1,234,567", page.Thousands(1234567))
	require.Equal(t, "999", page.Thousands(999))
}

// A plot is well-formed XML with a point for each value, whatever the values.
func TestPlotsAreXML(t *testing.T) {
	for _, points := range [][]point{
		{{1, 5}},
		{{1, 5}, {10, 5}, {100, 5}},
		{{3, 1e9}, {70_000, 1e-3}},
	} {
		c := &curve{title: `less < "more" & so on`, size: "things", exponent: 1}
		decoder := xml.NewDecoder(strings.NewReader(plot(c, points)))
		circles := 0
		for {
			token, err := decoder.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			if start, ok := token.(xml.StartElement); ok && start.Name.Local == "circle" {
				circles++
			}
		}
		require.Equal(t, len(points), circles)
	}
	require.Empty(t, plot(&curve{}, nil))
}

// Every curve can be measured at its smallest size.
func TestCurves(t *testing.T) {
	for _, c := range inMemory() {
		t.Run(c.name, func(t *testing.T) {
			points, err := c.run(c.sizes[0])
			require.NoError(t, err)
			require.Len(t, points, 1)
			require.Positive(t, points[0].value)
			require.NotEmpty(t, c.expected)
		})
	}
}

func TestRunWritesTablesAndPlots(t *testing.T) {
	dir := t.TempDir()
	var out strings.Builder
	require.NoError(t, run([]string{"-curves", "^one-layers$", "-upto", "10", "-plots", dir}, &out, io.Discard))
	require.Contains(t, out.String(), "| layers | time |")
	require.Contains(t, out.String(), "Found: grows as the power")
	text, err := os.ReadFile(filepath.Join(dir, "one-layers.svg"))
	require.NoError(t, err)
	require.Contains(t, string(text), "<svg")
	require.Error(t, run([]string{"-curves", "("}, io.Discard, io.Discard))
	require.Error(t, run([]string{"-nothing"}, io.Discard, io.Discard))
}

// What cannot be measured is said with the size.
func TestErrorsNameTheSize(t *testing.T) {
	c := curve{name: "c", size: "things", sizes: []int{1, 2}, measure: func(size int) (float64, error) {
		if size == 2 {
			return 0, fmt.Errorf("too many")
		}
		return 1, nil
	}}
	points, err := c.run(0)
	require.EqualError(t, err, "c at 2 things: too many")
	require.Len(t, points, 1)
}
