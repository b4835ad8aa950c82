package sqlscan

import (
	"encoding/binary"
	"math/bits"
)

// Odd constants with as many bits set as not: the fractions of square roots of primes.
const (
	hash0 = 0x6a09e667f3bcc909
	hash1 = 0xbb67ae8584caa73b
	hash2 = 0x3c6ef372fe94f82b
	hash3 = 0xa54ff53a5f1d36f1
)

// hash is the digest of a canonical text. Digests are logged and compared between machines and versions: what it
// returns never changes. It is no protection from who wants two statements to collide.
func hash(text []byte) uint64 {
	h := hash0 ^ uint64(len(text))*hash3
	for len(text) > 16 {
		h = mix(binary.LittleEndian.Uint64(text)^hash1^h, binary.LittleEndian.Uint64(text[8:])^hash2)
		text = text[16:]
	}
	var a, b uint64
	switch n := len(text); {
	case n >= 8:
		a, b = binary.LittleEndian.Uint64(text), binary.LittleEndian.Uint64(text[n-8:])
	case n >= 4:
		a, b = uint64(binary.LittleEndian.Uint32(text)), uint64(binary.LittleEndian.Uint32(text[n-4:]))
	case n > 0:
		a = uint64(text[0])<<16 | uint64(text[n/2])<<8 | uint64(text[n-1])
	}
	return mix(mix(a^hash1^h, b^hash2), h^hash3)
}

// mix is both halves of a product.
func mix(a, b uint64) uint64 {
	high, low := bits.Mul64(a, b)
	return high ^ low
}
