package spec

import (
	"encoding/binary"
	"math/bits"
)

// The primes of XXH64.
const (
	prime1 = 0x9E3779B185EBCA87
	prime2 = 0xC2B2AE3D27D4EB4F
	prime3 = 0x165667B19E3779F9
	prime4 = 0x85EBCA77C2B2AE63
	prime5 = 0x27D4EB2F165667C5
)

func round(acc, lane uint64) uint64 {
	return bits.RotateLeft64(acc+lane*prime2, 31) * prime1
}

// XXH64 returns the XXH64 of a text, with seed 0.
func XXH64(text string) uint64 {
	in := []byte(text)
	acc, in := blocks(in)
	acc += uint64(len(text))
	for ; len(in) >= 8; in = in[8:] {
		acc = bits.RotateLeft64(acc^round(0, binary.LittleEndian.Uint64(in)), 27)*prime1 + prime4
	}
	if len(in) >= 4 {
		acc = bits.RotateLeft64(acc^uint64(binary.LittleEndian.Uint32(in))*prime1, 23)*prime2 + prime3
		in = in[4:]
	}
	for _, b := range in {
		acc = bits.RotateLeft64(acc^uint64(b)*prime5, 11) * prime1
	}
	acc = (acc ^ acc>>33) * prime2
	acc = (acc ^ acc>>29) * prime3
	return acc ^ acc>>32
}

// blocks takes the blocks of 32 bytes, and returns the rest.
func blocks(in []byte) (acc uint64, rest []byte) {
	if len(in) < 32 {
		return prime5, in
	}
	var lanes [4]uint64
	p1 := uint64(prime1) // a variable: its sums and negation wrap
	lanes[0], lanes[1], lanes[2], lanes[3] = p1+prime2, prime2, 0, -p1
	for ; len(in) >= 32; in = in[32:] {
		for i := range lanes {
			lanes[i] = round(lanes[i], binary.LittleEndian.Uint64(in[8*i:]))
		}
	}
	for i, by := range []int{1, 7, 12, 18} {
		acc += bits.RotateLeft64(lanes[i], by)
	}
	for _, lane := range lanes {
		acc = (acc^round(0, lane))*prime1 + prime4
	}
	return acc, in
}
