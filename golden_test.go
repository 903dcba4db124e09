package strata

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata/internal/oracle/spec"
)

// Golden vectors freeze assignment. Once a version is released, testdata/golden.json
// only ever grows: a vector that changes means that every user of every
// application changes treatment. So -update adds vectors for new inputs and
// refuses to touch those that are there; -force overrides that, and is for the
// time before the first release only.
//
//	go test -run TestGolden -update .
var (
	updateGolden = flag.Bool("update", false, "write generated files: add golden vectors, rewrite docs/plan.schema.json")
	forceGolden  = flag.Bool("force", false, "with -update: let golden vectors change, which moves everybody")
)

const goldenFile = "testdata/golden.json"

// goldenInput is the question of a golden vector. Where a salt is empty, the
// key is what counts; where the key is empty too, the vector is of the raw
// functions and no plan can be made of it.
type goldenInput struct {
	ID             string    `json:"id"`
	Diversion      Diversion `json:"diversion"`
	Layer          string    `json:"layer"`
	LayerSalt      string    `json:"layer_salt"`
	Experiment     string    `json:"experiment"`
	ExperimentSalt string    `json:"experiment_salt"`
	Phase          int       `json:"phase"`
	Weights        []int     `json:"weights"`
}

// goldenVector is a question with its answer. Hashes are hexadecimal: not
// every reader of JSON keeps 64 bits of a number.
type goldenVector struct {
	goldenInput
	H              string `json:"h"`
	LayerSeed      string `json:"layer_seed"`
	ExperimentSeed string `json:"experiment_seed"`
	Bucket         int    `json:"bucket"`
	Treatment      int    `json:"treatment"`
}

type goldenRamp struct {
	Salt   string `json:"salt"`
	Bucket int    `json:"bucket"`
	Point  int    `json:"point"`
}

type golden struct {
	About   []string       `json:"about"`
	Vectors []goldenVector `json:"vectors"`
	Ramp    []goldenRamp   `json:"ramp"`
}

// goldenIDs are ids of all kinds and lengths.
func goldenIDs() []string {
	ids := []string{
		"1", "2", "42", "1000000007", "9223372036854775807", "-1", "3.14",
		"550e8400-e29b-41d4-a716-446655440000", "018f2f6e-7c3a-7d4e-9b1a-2f6e7c3a7d4e", "{550E8400-E29B-41D4-A716-446655440000}",
		"ada@example.com", "grace.hopper+tag@navy.example.org", "ADA@EXAMPLE.COM", "ken@xn--bcher-kva.example",
		"user-00001", "user-00002", "User-00001", "auth0|5f7c8ec7c33c6c004bbafe82", "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
		"ä", "a\u0308", "Zoë", "张伟", "Иван", "🙂", "👩‍👩‍👧‍👦", "مرحبا", "\ufeffbom", "\u00a0", "\uffff",
		" ", " padded ", "a b", "tab\there", "line\nbreak", "\x00", "nul\x00inside", "\x7f", "\x1b[31m", `quote"back\slash`, "<script>",
		"null", "undefined", "0", "00", "",
	}
	for _, n := range []int{2, 3, 4, 5, 7, 8, 9, 11, 12, 13, 15, 16, 17, 23, 24, 25, 27, 28, 29, 31, 32, 33, 35, 36, 39, 40, 41, 47, 48, 49, 63, 64, 65, 95, 96, 97, 127, 128, 129, 199, 255, 256, 257, 299, 300} {
		id := strings.Repeat("The quick brown fox jumps over the lazy dog 0123456789. ", 6)
		ids = append(ids, id[:n])
	}
	return slices.DeleteFunc(ids, func(id string) bool { return id == "" }) // an empty id is never hashed
}

// goldenInputs lists the questions. Add to the end of the lists, so that old
// questions stay.
func goldenInputs() []goldenInput {
	weights := [][]int{{1, 1}, {1, 2, 3}, {9, 1}, {0, 1}, {1, 0, 1}, {3, 1, 7, 2, 11, 5, 13}, {1 << 20, 1}, {50, 50}, {333, 333, 334}}
	salts := []string{"", "2025-06", "ui", "größe/Größe", "盐", strings.Repeat("s", 200), "a\tb", "0"}
	var inputs []goldenInput
	for i, id := range goldenIDs() {
		for j := range 3 {
			n := 3*i + j
			inputs = append(inputs, goldenInput{
				ID: id, Diversion: diversions[n%numDiversions],
				Layer: fmt.Sprintf("layer-%d", n%7), LayerSalt: salts[n%len(salts)],
				Experiment: fmt.Sprintf("exp-%d", n%11), ExperimentSalt: salts[(n/3+j)%len(salts)],
				Phase: (n / 2) % 4, Weights: weights[n%len(weights)],
			})
		}
	}
	for i, id := range []string{"1", "ada@example.com", "Zoë"} { // raw: nothing but an empty salt
		inputs = append(inputs, goldenInput{ID: id, Diversion: ByUser, Phase: i, Weights: []int{1, 1}})
	}
	return inputs
}

// answer computes a vector by the second implementation, that of internal/oracle/spec.
func (in goldenInput) answer() goldenVector {
	layerSalt, experimentSalt := in.LayerSalt, in.ExperimentSalt
	if layerSalt == "" {
		layerSalt = in.Layer
	}
	if experimentSalt == "" {
		experimentSalt = in.Experiment
	}
	return goldenVector{
		goldenInput:    in,
		H:              hex64(spec.XXH64(in.ID)),
		LayerSeed:      hex64(spec.LayerSeed(layerSalt)),
		ExperimentSeed: hex64(spec.ExperimentSeed(experimentSalt, in.Phase)),
		Bucket:         spec.Bucket(in.ID, layerSalt),
		Treatment:      spec.Treatment(in.ID, experimentSalt, in.Phase, in.Weights),
	}
}

func goldenRamps() []goldenRamp {
	var ramps []goldenRamp
	for i, salt := range []string{"", "exp-0", "größe", "2025-06"} {
		for j := range 12 {
			b := (i*2503 + j*j*73) % NumBuckets
			ramps = append(ramps, goldenRamp{salt, b, spec.RampPoint(b, salt)})
		}
	}
	return ramps
}

func hex64(x uint64) string { return fmt.Sprintf("%016x", x) }

func readGolden(t *testing.T) golden {
	t.Helper()
	data, err := os.ReadFile(goldenFile)
	if errors.Is(err, fs.ErrNotExist) && *updateGolden {
		return golden{}
	}
	require.NoError(t, err)
	var g golden
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	require.NoError(t, dec.Decode(&g))
	return g
}

// goldenChanges lists the vectors of a file that the specification, as it is
// implemented now, answers otherwise.
func goldenChanges(g golden) (changed []any) {
	for _, v := range g.Vectors {
		if fmt.Sprint(v.answer()) != fmt.Sprint(v) {
			changed = append(changed, v)
		}
	}
	for _, r := range g.Ramp {
		if r.Point != spec.RampPoint(r.Bucket, r.Salt) {
			changed = append(changed, r)
		}
	}
	return changed
}

func updated(t *testing.T, g golden) golden {
	t.Helper()
	if changed := goldenChanges(g); len(changed) > 0 && !*forceGolden {
		t.Fatalf("%d vectors would change, the first is %+v: assignment is frozen. Before the first release, -force overrides this", len(changed), changed[0])
	}
	known := make(map[string]bool)
	for i, v := range g.Vectors {
		g.Vectors[i] = v.answer()
		known[fmt.Sprint(v.goldenInput)] = true
	}
	for _, in := range goldenInputs() {
		if !known[fmt.Sprint(in)] {
			g.Vectors = append(g.Vectors, in.answer())
		}
	}
	for _, r := range goldenRamps() {
		if !slices.Contains(g.Ramp, r) {
			g.Ramp = append(g.Ramp, r)
		}
	}
	g.About = []string{
		"Golden vectors of assignment: what the specification in bucket.go gives for these ids, salts, phases and weights.",
		"Frozen once released: vectors are added, never changed. Written by: go test -run TestGolden -update .",
		"Hashes and seeds are hexadecimal. An empty salt stands for the key of the layer or experiment; where the key is empty too, for the empty text.",
	}
	require.NoError(t, os.MkdirAll("testdata", 0o755))
	require.NoError(t, os.WriteFile(goldenFile, g.format(t), 0o644))
	return g
}

// format writes one vector a line, so that a change is a readable diff.
func (g golden) format(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	line := func(v any, i, n int) {
		text, err := json.Marshal(v)
		require.NoError(t, err)
		out.WriteString("\n  " + string(text))
		if i < n-1 {
			out.WriteByte(',')
		}
	}
	out.WriteString("{\n \"about\": [")
	for i, text := range g.About {
		line(text, i, len(g.About))
	}
	out.WriteString("\n ],\n \"vectors\": [")
	for i, v := range g.Vectors {
		line(v, i, len(g.Vectors))
	}
	out.WriteString("\n ],\n \"ramp\": [")
	for i, r := range g.Ramp {
		line(r, i, len(g.Ramp))
	}
	out.WriteString("\n ]\n}\n")
	return out.Bytes()
}

func TestGolden(t *testing.T) {
	g := readGolden(t)
	if *updateGolden {
		g = updated(t, g)
	}
	require.GreaterOrEqual(t, len(g.Vectors), 200)
	lengths := make(map[int]bool)
	for _, v := range g.Vectors {
		require.Equal(t, v.answer(), v, "the second implementation of the specification answers otherwise")
		checkRaw(t, v)
		if v.Layer != "" {
			checkCompiled(t, v)
		}
		lengths[len(v.ID)] = true
	}
	require.Greater(t, len(lengths), 40, "ids of many lengths")
	require.True(t, lengths[1] && lengths[300])
	for _, r := range g.Ramp {
		require.Equal(t, r.Point, spec.RampPoint(r.Bucket, r.Salt), "%+v", r)
		require.Equal(t, uint64(r.Point), rampPoint(r.Bucket, rampSeed(r.Salt)), "%+v", r)
	}
}

// checkRaw compares a vector with the functions of bucket.go.
func checkRaw(t *testing.T, v goldenVector) {
	t.Helper()
	layer, exp := layerSeed(orKey(v.LayerSalt, v.Layer)), experimentSeed(orKey(v.ExperimentSalt, v.Experiment), v.Phase)
	h := hashID(v.ID)
	require.Equal(t, v.H, hex64(h), "h of %+v", v.goldenInput)
	require.Equal(t, v.LayerSeed, hex64(layer), "layer seed of %+v", v.goldenInput)
	require.Equal(t, v.ExperimentSeed, hex64(exp), "experiment seed of %+v", v.goldenInput)
	require.Equal(t, v.Bucket, bucketOf(h, layer), "bucket of %+v", v.goldenInput)
	var ends []uint32
	sum := uint32(0)
	for _, w := range v.Weights {
		sum += uint32(w)
		ends = append(ends, sum)
	}
	require.Equal(t, v.Treatment, pick(ends, mix(h, exp)), "treatment of %+v", v.goldenInput)
}

// plan makes the plan of a vector: one experiment on all buckets, in the open
// or with an audience, which takes the general path instead of the fast one.
func (in goldenInput) plan(audience string) *Plan {
	e := Experiment{
		Key: in.Experiment, Salt: in.ExperimentSalt, Layer: in.Layer, Phase: in.Phase,
		Status: StatusRunning, Buckets: AllBuckets(), Audience: audience,
	}
	for i, w := range in.Weights {
		e.Treatments = append(e.Treatments, Treatment{Key: fmt.Sprintf("t%d", i), Weight: w})
	}
	return &Plan{
		Layers:      []Layer{{Key: in.Layer, Salt: in.LayerSalt, Diversion: in.Diversion}},
		Experiments: []Experiment{e},
	}
}

// unit puts the id where the diversion looks for it, and others elsewhere.
func (in goldenInput) unit() Unit {
	u := Unit{User: "another-user", Device: "another-device", Session: "another-session", Tenant: "another-tenant", Request: "another-request"}
	switch in.Diversion {
	case ByTenant:
		u.Tenant = in.ID
	case ByUser:
		u.User = in.ID
	case ByDevice:
		u.Device = in.ID
	case BySession:
		u.Session = in.ID
	case ByRequest:
		u.Request = in.ID
	}
	return u
}

// checkCompiled compares a vector with what a snapshot answers.
func checkCompiled(t *testing.T, v goldenVector) {
	t.Helper()
	for _, audience := range []string{"", "true"} {
		snap, err := Compile(v.plan(audience), time.Unix(1, 0))
		require.NoError(t, err, "%+v", v.goldenInput)
		a := snap.Assign(v.unit())
		want := fmt.Sprintf("t%d", v.Treatment)
		require.Equal(t, want, a.Peek(v.Experiment), "%+v", v.goldenInput)
		n := 0
		for d := range a.All() {
			n++
			require.Equal(t, v.Bucket, d.Bucket(), "%+v", v.goldenInput)
			require.Equal(t, want, d.Treatment(), "%+v", v.goldenInput)
			require.Equal(t, ReasonAssigned, d.Reason())
		}
		require.Equal(t, 1, n)
	}
}

// The buckets that a ramp opens, through the compiled path.
func TestGoldenRampSteps(t *testing.T) {
	at := time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC)
	// 0.07 * 1000000 is a little more than 70000 in floating point, and
	// 0.0000004 rounds to no bucket at all.
	for _, share := range []float64{0.0000004, 0.0001, 0.01, 0.07, 0.1, 1. / 3, 0.5, 0.999999, 1} {
		in := goldenInput{Layer: "l", Experiment: "e", ExperimentSalt: "größe", Weights: []int{1, 1}}
		p := in.plan("")
		p.Experiments[0].Schedule.Ramp = []RampStep{{At: at, Share: share}}
		snap, err := Compile(p, at)
		require.NoError(t, err)
		open := 0
		for b := range NumBuckets {
			want := slotReserved
			if share >= 1 || spec.RampOpens(b, "größe", share) {
				want = slotOpen
				open++
			}
			require.Equal(t, want, snap.root.layers[0].slot(b).kind, "share %v, bucket %d", share, b)
		}
		require.InDelta(t, share*NumBuckets, open, 250, "share %v", share) // five standard deviations of a fair draw
	}
}
