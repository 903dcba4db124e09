package simtest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"go/format"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata/internal/seed"
	"github.com/strataxp/strata/sim/simtest"
)

// mutant is a deliberate bug. Worlds that do not see it would not see one of its
// kind that somebody makes by mistake.
type mutant struct {
	name   string
	edits  []edit
	checks []string // one of them must fail, see the documentation of the package
	seed   uint64   // of a world that is known to catch it, to begin with
}

// edit changes a source file, named from the root of the module. The old text must
// be there exactly once. MUTANT in the new text is whether the mutant is chosen.
type edit struct{ file, old, new string }

// The environment of a program that holds all mutants: which of them is chosen
// ("" for none), and the seeds of the worlds that it is to play.
const (
	mutantEnv = "STRATA_MUTANT"
	worldsEnv = "STRATA_MUTANT_WORLDS"
)

// mutantWorlds is how many worlds a mutant may survive.
const mutantWorlds = 30

// Every mutant is caught by the check that is meant for it, and without one the
// same program finds nothing. Building the library once more and playing takes more than
// a minute, so it is for those who change the simulation or the mutants, and for
// scripts/soak: STRATA_MUTANTS=1 plays until each is caught. With STRATA_LONG=1 all worlds
// are played, and the log says how many catch each.
func TestMutantsAreCaught(t *testing.T) {
	if os.Getenv("STRATA_MUTANTS") == "" && !seed.Long() {
		t.Skip("STRATA_MUTANTS=1 builds and plays the mutants")
	}
	program := buildMutants(t)
	seeds := knownSeeds()
	if seed.Long() {
		seeds = worldsFrom(0)
	}
	for half := range slices.Chunk(seeds, (len(seeds)+1)/2) { // a half for each of two cores
		t.Run(fmt.Sprintf("none, from world %d on", half[0]), func(t *testing.T) {
			t.Parallel()
			played := playMutant(t, program, "", half)
			require.Len(t, played, len(half))
			for _, w := range played {
				require.Empty(t, w.Failures, "world %d fails without any mutant", w.Seed)
			}
		})
	}
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			m.mustBeCaught(t, playMutant(t, program, m.name, worldsFrom(m.seed)))
		})
	}
}

// The mutants are what they claim to be: the code that they change is there.
func TestMutantsFollowTheCode(t *testing.T) {
	seed.OneGoroutine(t)
	for name, text := range mutatedSources(t) {
		_, err := format.Source([]byte(text))
		require.NoError(t, err, "%s with its mutants", name)
	}
}

// mustBeCaught fails the test unless a world failed in one of the mutant's checks.
func (m *mutant) mustBeCaught(t *testing.T, played []mutantWorld) {
	t.Helper()
	var caught []mutantWorld
	others := make(map[string]bool)
	for _, w := range played {
		if w.by(m.checks) != "" {
			caught = append(caught, w)
		}
		for _, f := range w.Failures {
			others[checkOf(f)] = true
		}
	}
	if len(caught) == 0 {
		t.Fatalf("%d worlds have not caught the mutant by any of %q (those that failed: %q): a bug of its kind would go unnoticed; have scripts or checks look for it", len(played), m.checks, slices.Sorted(maps.Keys(others)))
	}
	if first := caught[0]; first.Seed != m.seed {
		t.Logf("caught in world %d only, and not in %d: write its seed into the table, to be quicker", first.Seed, m.seed)
	}
	t.Logf("caught by %q in %d of %d worlds, first in world %d: %s", caught[0].by(m.checks), len(caught), len(played), caught[0].Seed, caught[0].Failures[0])
}

// worldsFrom lists the seeds of worlds: first one, then the others in order.
func worldsFrom(first uint64) []uint64 {
	seeds := []uint64{first}
	for n := uint64(0); len(seeds) < mutantWorlds; n++ {
		if n != first {
			seeds = append(seeds, n)
		}
	}
	return seeds
}

// knownSeeds lists the worlds that catch mutants, each once.
func knownSeeds() (seeds []uint64) {
	for _, m := range mutants {
		seeds = append(seeds, m.seed)
	}
	slices.Sort(seeds)
	return slices.Compact(seeds)
}

// mutantWorld is what came of playing one world with a mutant.
type mutantWorld struct {
	Seed     uint64
	Took     time.Duration
	Failures []string
}

// by returns the first of some checks that failed; "" if none did.
func (w *mutantWorld) by(checks []string) string {
	for _, f := range w.Failures {
		if check := checkOf(f); slices.Contains(checks, check) {
			return check
		}
	}
	return ""
}

// checkOf is the check that a failure names.
func checkOf(failure string) string {
	check, _, _ := strings.Cut(strings.TrimPrefix(failure, "["), "]")
	return check
}

// playMutant has the program play worlds with a mutant, at most up to the first one
// that fails in one of its checks.
func playMutant(t *testing.T, program, name string, seeds []uint64) (played []mutantWorld) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "-test.run=^TestMutantWorlds$", "-test.v")
	cmd.Env = append(os.Environ(), mutantEnv+"="+name, worldsEnv+"="+join(seeds), "GOMAXPROCS=1")
	out, err := cmd.CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if text, ok := strings.CutPrefix(line, worldPrefix); ok {
			var w mutantWorld
			require.NoError(t, json.Unmarshal([]byte(text), &w), "%s", line)
			played = append(played, w)
		}
	}
	require.NoError(t, err, "the program with mutant %q: %s", name, out)
	return played
}

func join(seeds []uint64) string {
	texts := make([]string, len(seeds))
	for i, n := range seeds {
		texts[i] = strconv.FormatUint(n, 10)
	}
	return strings.Join(texts, ",")
}

// worldPrefix begins the lines in which TestMutantWorlds says what came of a world.
const worldPrefix = "world: "

// TestMutantWorlds is what the program with the mutants runs.
func TestMutantWorlds(t *testing.T) {
	list := os.Getenv(worldsEnv)
	if list == "" {
		t.Skip("TestMutantsAreCaught runs it, in a program of its own")
	}
	var checks []string
	for _, m := range mutants {
		if m.name == os.Getenv(mutantEnv) {
			checks = m.checks
		}
	}
	for text := range strings.SplitSeq(list, ",") {
		n, err := strconv.ParseUint(text, 10, 64)
		require.NoError(t, err)
		start := time.Now()
		out := simtest.Play(t, simtest.NewScript(n), inMemory)
		w := mutantWorld{n, time.Since(start), out.Failures}
		line, err := json.Marshal(w)
		require.NoError(t, err)
		fmt.Printf("%s%s\n", worldPrefix, line)
		if w.by(checks) != "" && !seed.Long() {
			return
		}
	}
}

// buildMutants builds the tests of this package with all mutants in the library,
// and returns the program.
func buildMutants(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	overlay := struct{ Replace map[string]string }{make(map[string]string)}
	for name, text := range mutatedSources(t) {
		path, err := filepath.Abs(filepath.Join("..", "..", filepath.FromSlash(name)))
		require.NoError(t, err)
		overlay.Replace[path] = filepath.Join(dir, fmt.Sprint(len(overlay.Replace), ".go"))
		require.NoError(t, os.WriteFile(overlay.Replace[path], []byte(text), 0o600))
	}
	list, err := json.Marshal(overlay)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "overlay.json"), list, 0o600))
	program := filepath.Join(dir, "mutants.test")
	cmd := exec.CommandContext(t.Context(), "go", "test", "-c", "-race=false", "-overlay", filepath.Join(dir, "overlay.json"), "-o", program, ".")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	require.NoError(t, cmd.Run(), "the library with mutants does not build (the numbers of lines are those behind the edits): %s", &said)
	return program
}

// mutatedSources returns the files that the mutants change, and in each of their
// packages the file with the switch.
func mutatedSources(t *testing.T) map[string]string {
	t.Helper()
	originals, changed := make(map[string]string), make(map[string]string)
	for _, m := range mutants {
		for _, e := range m.edits {
			if _, known := originals[e.file]; !known {
				text, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(e.file)))
				require.NoError(t, err, "mutant %q", m.name)
				originals[e.file], changed[e.file] = string(text), string(text)
				changed[filepath.ToSlash(filepath.Join(filepath.Dir(e.file), "mutant_overlay.go"))] = switchOf(string(text))
			}
			require.Equal(t, 1, strings.Count(originals[e.file], e.old), "mutant %q changes %q in %s, which is not there once any more: let the mutant follow the code", m.name, e.old, e.file)
			require.Equal(t, 1, strings.Count(changed[e.file], e.old), "mutant %q changes %q in %s, as another mutant does: keep the old text in the new one", m.name, e.old, e.file)
			text := strings.ReplaceAll(e.new, "MUTANT", fmt.Sprintf("(chosenMutant == %q)", m.name))
			changed[e.file] = strings.Replace(changed[e.file], e.old, text, 1)
		}
	}
	return changed
}

// switchOf is a file with the switch, for the package of a source text.
func switchOf(source string) string {
	at := strings.Index(source, "\npackage ") // behind the comment
	clause, _, _ := strings.Cut(source[at+1:], "\n")
	return clause + "\n\nimport \"os\"\n\nvar chosenMutant = os.Getenv(\"" + mutantEnv + "\")\n"
}
