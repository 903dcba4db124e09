package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata/sim"
)

// small is a quick run.
func small() arguments {
	return arguments{options: sim.Options{Runs: 2, Visitors: 200, Days: 3, TruthVisitors: 160}}
}

func TestTheDefaultsAreFound(t *testing.T) {
	a := small()
	a.html, a.json = filepath.Join(t.TempDir(), "out.html"), filepath.Join(t.TempDir(), "out.json")
	var out, progress bytes.Buffer
	require.NoError(t, run(t.Context(), a, &out, &progress))
	for _, text := range []string{"one-page-checkout", "large-photos", "looking every day", "independent"} {
		require.Contains(t, out.String(), text)
	}
	require.Contains(t, progress.String(), "1 of ")
	html, err := os.ReadFile(a.html)
	require.NoError(t, err)
	require.Contains(t, string(html), "</html>")
	data, err := os.ReadFile(a.json)
	require.NoError(t, err)
	var f sim.Findings
	require.NoError(t, json.Unmarshal(data, &f))
	require.Equal(t, out.String(), f.String(), "the JSON form has all that is printed")
}

// The model beside the program is the kit's own shop, written down to be changed.
func TestTheModelIsTheShop(t *testing.T) {
	m, err := sim.ParseModel(defaultModel)
	require.NoError(t, err)
	require.Equal(t, sim.Shop(), m)
}

func TestFilesAreRead(t *testing.T) {
	file := func(text string) string {
		name := filepath.Join(t.TempDir(), "file.json")
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
		return name
	}
	a := small()
	a.hopes = file(strings.ReplaceAll(string(defaultHopes), "1.8", "1"))
	require.NoError(t, run(t.Context(), a, io.Discard, io.Discard))
	for text, spoil := range map[string]func(*arguments, string){
		`{"meets": {}, "wishes": 1}`: func(a *arguments, name string) { a.hopes = name },
		`{"layer": []}`:              func(a *arguments, name string) { a.plan = name },
		`{"start": "x"}`:             func(a *arguments, name string) { a.model = name },
	} {
		a := small()
		spoil(&a, file(text))
		require.Error(t, run(t.Context(), a, io.Discard, io.Discard), text)
		spoil(&a, "missing.json")
		require.ErrorIs(t, run(t.Context(), a, io.Discard, io.Discard), os.ErrNotExist)
	}
}
