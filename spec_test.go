package strata

import (
	"encoding/binary"
	"math"
	"math/big"
	"math/bits"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// The specification of assignment, implemented a second time: from the text of
// the comment in bucket.go and from the xxHash specification
// (github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md), and from nothing
// else. It shares no code with what it checks.

const (
	specPrime1 = 0x9E3779B185EBCA87
	specPrime2 = 0xC2B2AE3D27D4EB4F
	specPrime3 = 0x165667B19E3779F9
	specPrime4 = 0x85EBCA77C2B2AE63
	specPrime5 = 0x27D4EB2F165667C5
)

func specRound(acc, lane uint64) uint64 {
	return bits.RotateLeft64(acc+lane*specPrime2, 31) * specPrime1
}

// specXXH64 is XXH64 with seed 0.
func specXXH64(text string) uint64 {
	in := []byte(text)
	length := uint64(len(in))
	var acc uint64
	if len(in) < 32 {
		acc = specPrime5
	} else {
		var lanes [4]uint64
		p1 := uint64(specPrime1) // a variable: its sums and negation wrap
		lanes[0], lanes[1], lanes[2], lanes[3] = p1+specPrime2, specPrime2, 0, -p1
		for ; len(in) >= 32; in = in[32:] {
			for i := range lanes {
				lanes[i] = specRound(lanes[i], binary.LittleEndian.Uint64(in[8*i:]))
			}
		}
		for i, by := range []int{1, 7, 12, 18} {
			acc += bits.RotateLeft64(lanes[i], by)
		}
		for _, lane := range lanes {
			acc = (acc^specRound(0, lane))*specPrime1 + specPrime4
		}
	}
	acc += length
	for ; len(in) >= 8; in = in[8:] {
		acc = bits.RotateLeft64(acc^specRound(0, binary.LittleEndian.Uint64(in)), 27)*specPrime1 + specPrime4
	}
	if len(in) >= 4 {
		acc = bits.RotateLeft64(acc^uint64(binary.LittleEndian.Uint32(in))*specPrime1, 23)*specPrime2 + specPrime3
		in = in[4:]
	}
	for _, b := range in {
		acc = bits.RotateLeft64(acc^uint64(b)*specPrime5, 11) * specPrime1
	}
	acc = (acc ^ acc>>33) * specPrime2
	acc = (acc ^ acc>>29) * specPrime3
	return acc ^ acc>>32
}

func specMix(h, s uint64) uint64 {
	v := h ^ s
	v ^= v >> 30
	v *= 0xBF58476D1CE4E5B9
	v ^= v >> 27
	v *= 0x94D049BB133111EB
	v ^= v >> 31
	return v
}

func specScale(x uint64, n int64) int64 {
	product := new(big.Int).Mul(new(big.Int).SetUint64(x), big.NewInt(n))
	return product.Rsh(product, 64).Int64()
}

func specLayerSeed(salt string) uint64 { return specXXH64("strata/layer\x00" + salt) }

func specExperimentSeed(salt string, phase int) uint64 {
	return specXXH64("strata/experiment\x00" + salt + "\x00" + strconv.Itoa(phase))
}

func specBucket(id, layerSalt string) int {
	return int(specScale(specMix(specXXH64(id), specLayerSeed(layerSalt)), 10000))
}

func specTreatment(id, salt string, phase int, weights []int) int {
	total := int64(0)
	for _, w := range weights {
		total += int64(w)
	}
	at, sum := specScale(specMix(specXXH64(id), specExperimentSeed(salt, phase)), total), int64(0)
	for i, w := range weights {
		if sum += int64(w); at < sum {
			return i
		}
	}
	return -1
}

func specRampPoint(bucket int, salt string) int {
	seed := specXXH64("strata/ramp\x00" + salt)
	return int(specScale(specMix(specXXH64(strconv.Itoa(bucket)), seed), 1000000))
}

func specRampOpens(bucket int, salt string, share float64) bool {
	return float64(specRampPoint(bucket, salt)) < math.Round(share*1000000)
}

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
		require.Equal(t, want, specXXH64(text), "%q", text)
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
		require.Equal(t, specXXH64(string(text[:n])), hashID(string(text[:n])), "%d bytes", n)
	}
}

// A treatment depends on the high bits of the mix only, so the vectors of
// testdata/golden.json would not notice a change of the low ones.
func TestSpecMixAgreesInAllBits(t *testing.T) {
	for i := range uint64(1000) {
		h, s := specXXH64(strconv.FormatUint(i, 10)), specXXH64("seed"+strconv.FormatUint(i, 10))
		require.Equal(t, specMix(h, s), mix(h, s))
		require.Equal(t, specMix(i, 0), mix(i, 0))
		require.EqualValues(t, specScale(specMix(h, s), 10000), scale(mix(h, s), 10000))
	}
}
