package strata

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata/internal/oracle/spec"
)

// The specification of assignment has a second implementation, in
// internal/oracle/spec. Here both are compared with what is published, and with
// each other where testdata/golden.json would not notice.

// Published values of XXH64 with seed 0: those of the xxHash project and of
// its ports to Python and Go.
func TestSpecXXH64AgainstPublishedVectors(t *testing.T) {
	for text, want := range map[string]uint64{
		"":       0xEF46DB3751D8E999,
		"a":      0xD24EC4F1A98C6E5B,
		"as":     0x1C330FB2D66BE179,
		"asd":    0x631C37CE72A97393,
		"asdf":   0x415872F599CEA71E,
		"abc":    0x44BC2CF5AD770999,
		"xxhash": 0x32DD38952C4BC720,
		"Nobody inspects the spammish repetition":                         0xFBCEA83C8A378BF1,
		"Call me Ishmael. Some years ago--never mind how long precisely-": 0x02A2E85470D6FD96,
	} {
		require.Equal(t, want, spec.XXH64(text), "%q", text)
		require.Equal(t, want, hashID(text), "%q", text)
	}
}

// Every length up to several blocks: the tail of XXH64 has a case for each
// length modulo 32.
func TestSpecXXH64AgreesForEveryLength(t *testing.T) {
	text := make([]byte, 300)
	for i := range text {
		text[i] = byte(i*131 + 7)
	}
	for n := range text {
		require.Equal(t, spec.XXH64(string(text[:n])), hashID(string(text[:n])), "%d bytes", n)
	}
}

// A treatment depends on the high bits of the mix only, so the vectors of
// testdata/golden.json would not notice a change of the low ones.
func TestSpecMixAgreesInAllBits(t *testing.T) {
	for i := range uint64(1000) {
		h, s := spec.XXH64(strconv.FormatUint(i, 10)), spec.XXH64("seed"+strconv.FormatUint(i, 10))
		require.Equal(t, spec.Mix(h, s), mix(h, s))
		require.Equal(t, spec.Mix(i, 0), mix(i, 0))
		require.EqualValues(t, spec.Scale(spec.Mix(h, s), 10000), scale(mix(h, s), 10000))
	}
}
