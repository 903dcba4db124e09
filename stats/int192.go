package stats

import (
	"math/big"
	"math/bits"
)

// int192 is a signed integer of 192 bits in two's complement, lowest limb
// first. A product of two int64 is at most 2^126 in size, so a sum of up to
// 2^63 of them stays below 2^189: [Sums] cannot overflow it.
type int192 [3]uint64

func int192From(v int64) int192 {
	sign := uint64(v >> 63)
	return int192{uint64(v), sign, sign}
}

func (a int192) add(b int192) int192 {
	var c uint64
	a[0], c = bits.Add64(a[0], b[0], 0)
	a[1], c = bits.Add64(a[1], b[1], c)
	a[2], _ = bits.Add64(a[2], b[2], c)
	return a
}

func (a int192) sub(b int192) int192 {
	var c uint64
	a[0], c = bits.Sub64(a[0], b[0], 0)
	a[1], c = bits.Sub64(a[1], b[1], c)
	a[2], _ = bits.Sub64(a[2], b[2], c)
	return a
}

// product is x·y without loss.
func product(x, y int64) int192 {
	hi, lo := bits.Mul64(magnitude(x), magnitude(y))
	p := int192{lo, hi, 0}
	if (x < 0) != (y < 0) {
		return int192{}.sub(p)
	}
	return p
}

// magnitude is |v|, also for the smallest int64.
func magnitude(v int64) uint64 {
	if v < 0 {
		return -uint64(v)
	}
	return uint64(v)
}

func (a int192) big() *big.Int {
	negative := int64(a[2]) < 0
	if negative {
		a = int192{}.sub(a)
	}
	v := new(big.Int)
	for i := 2; i >= 0; i-- {
		v.Lsh(v, 64)
		v.Or(v, new(big.Int).SetUint64(a[i]))
	}
	if negative {
		v.Neg(v)
	}
	return v
}

// int192FromBig is exact for |v| < 2^191; callers check that.
func int192FromBig(v *big.Int) int192 {
	var bytes [24]byte
	new(big.Int).Abs(v).FillBytes(bytes[:])
	var a int192
	for i, b := range bytes {
		limb := (len(bytes) - 1 - i) / 8
		a[limb] = a[limb]<<8 | uint64(b)
	}
	if v.Sign() < 0 {
		return int192{}.sub(a)
	}
	return a
}
