package gost

import (
	"encoding/binary"
	"hash"
)

// Sizes of the digests and of a block, in bytes.
const (
	Size256   = 32
	Size512   = 64
	BlockSize = 64
)

// block is 512 bits as words with the lowest first: the byte order of the message.
type block [8]uint64

// folded is S, P and L of RFC 6986 §6 in one table: what byte b at place k of a word's eight sources adds.
var folded = fold()

func fold() (t [8][256]uint64) {
	for k := range 8 {
		for b := range 256 {
			for bit := range 8 {
				if sbox[b]>>bit&1 == 1 {
					t[k][b] ^= matrix[63-(8*k+bit)]
				}
			}
		}
	}
	return t
}

// lps is substitution, transposition and the linear transformation of x ^ y.
func lps(x, y *block) (out block) {
	var in block
	for i := range in {
		in[i] = x[i] ^ y[i]
	}
	for w := range out {
		for k := range 8 {
			out[w] ^= folded[k][byte(in[k]>>(8*w))]
		}
	}
	return out
}

// compress is g of RFC 6986 §8.
func compress(h, n, m *block) {
	k, s := lps(h, n), *m
	for i := range rounds {
		s = lps(&k, &s)
		k = lps(&k, &rounds[i])
	}
	for i := range h {
		h[i] ^= s[i] ^ k[i] ^ m[i]
	}
}

// add is addition modulo 2^512.
func (b *block) add(o *block) {
	var carry uint64
	for i := range b {
		sum := b[i] + o[i]
		c := sum < b[i]
		sum += carry
		if c || sum < carry {
			carry = 1
		} else {
			carry = 0
		}
		b[i] = sum
	}
}

func blockOf(raw []byte) (b block) {
	for i := range b {
		b[i] = binary.LittleEndian.Uint64(raw[8*i:])
	}
	return b
}

// streebog is a running digest.
type streebog struct {
	size    int
	h, n, s block
	rest    [BlockSize]byte
	have    int
}

// New256 returns Streebog with a digest of 256 bits (RFC 6986).
func New256() hash.Hash { return fresh(Size256) }

// New512 returns Streebog with a digest of 512 bits (RFC 6986).
func New512() hash.Hash { return fresh(Size512) }

func fresh(size int) *streebog {
	d := &streebog{size: size}
	d.Reset()
	return d
}

// Reset begins anew.
func (d *streebog) Reset() {
	*d = streebog{size: d.size}
	if d.size == Size256 {
		for i := range d.h {
			d.h[i] = 0x0101010101010101
		}
	}
}

// Size is the length of the digest in bytes.
func (d *streebog) Size() int { return d.size }

// BlockSize is 64 bytes.
func (d *streebog) BlockSize() int { return BlockSize }

// Write takes bytes in; it never errs.
func (d *streebog) Write(p []byte) (int, error) {
	total := len(p)
	for len(p) > 0 {
		n := copy(d.rest[d.have:], p)
		p, d.have = p[n:], d.have+n
		if d.have == BlockSize {
			d.step(d.rest[:], BlockSize)
			d.have = 0
		}
	}
	return total, nil
}

// step takes one padded block in, of which length bytes are the message's.
func (d *streebog) step(raw []byte, length int) {
	m, bits := blockOf(raw), block{uint64(length) * 8}
	compress(&d.h, &d.n, &m)
	d.n.add(&bits)
	d.s.add(&m)
}

// Sum appends the digest of what was written so far.
func (d *streebog) Sum(b []byte) []byte {
	end := *d // writing may go on
	last := make([]byte, BlockSize)
	copy(last, end.rest[:end.have])
	last[end.have] = 1
	end.step(last, end.have)
	var zero block
	compress(&end.h, &zero, &end.n)
	compress(&end.h, &zero, &end.s)
	out := make([]byte, BlockSize)
	for i, w := range end.h {
		binary.LittleEndian.PutUint64(out[8*i:], w)
	}
	return append(b, out[BlockSize-d.size:]...)
}
