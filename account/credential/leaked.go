package credential

import (
	"bufio"
	"crypto/sha1" //nolint:gosec // the public lists are of SHA-1; nothing is protected by it here
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
)

// LeakedFilter is a Bloom filter over the SHA-1 hashes of leaked passwords. It says yes to every listed one and, once
// in a thousand times, to another. A nil filter says no to all.
type LeakedFilter struct {
	bits   []uint64
	hashes uint32
}

const (
	filterMagic   = "VHODLEAK1"
	falsePositive = 0.001
)

// Has reports whether a password is in the filter.
func (f *LeakedFilter) Has(password string) bool {
	if f == nil || len(f.bits) == 0 {
		return false
	}
	sum := sha1.Sum([]byte(password)) //nolint:gosec // see above
	for i := range f.hashes {
		at := f.position(sum[:], i)
		if f.bits[at/64]&(1<<(at%64)) == 0 {
			return false
		}
	}
	return true
}

// position is the i-th bit of a hash by double hashing (Kirsch and Mitzenmacher).
func (f *LeakedFilter) position(sum []byte, i uint32) uint64 {
	a, b := binary.BigEndian.Uint64(sum), binary.BigEndian.Uint64(sum[8:])|1
	return (a + uint64(i)*b) % uint64(len(f.bits)*64)
}

// BuildLeakedFilter reads lines `SHA1` or `SHA1:COUNT` (hexadecimal, the public format) and returns a filter for
// expected of them, and how many there were.
func BuildLeakedFilter(lines io.Reader, expected int) (*LeakedFilter, int, error) {
	if expected < 1 {
		return nil, 0, errors.New("the expected number of hashes is needed")
	}
	size := uint64(math.Ceil(-float64(expected) * math.Log(falsePositive) / (math.Ln2 * math.Ln2)))
	f := &LeakedFilter{bits: make([]uint64, size/64+1), hashes: uint32(math.Round(float64(size) / float64(expected) * math.Ln2))}
	scan := bufio.NewScanner(lines)
	n := 0
	for scan.Scan() {
		line, _, _ := strings.Cut(strings.TrimSpace(scan.Text()), ":")
		if line == "" {
			continue
		}
		sum, err := hex.DecodeString(line)
		if err != nil || len(sum) != sha1.Size {
			return nil, n, fmt.Errorf("line %d is no SHA-1 hash", n+1)
		}
		for i := range f.hashes {
			at := f.position(sum, i)
			f.bits[at/64] |= 1 << (at % 64)
		}
		n++
	}
	return f, n, scan.Err()
}

// WriteTo writes the filter as a file that ReadLeakedFilter reads.
func (f *LeakedFilter) WriteTo(w io.Writer) (int64, error) {
	buf := bufio.NewWriter(w)
	_, err := buf.WriteString(filterMagic)
	err = errors.Join(err, binary.Write(buf, binary.BigEndian, f.hashes), binary.Write(buf, binary.BigEndian, uint64(len(f.bits))),
		binary.Write(buf, binary.BigEndian, f.bits), buf.Flush())
	return int64(len(filterMagic) + 12 + 8*len(f.bits)), err
}

// maxFilterWords bounds what a file may claim: 16 GiB.
const maxFilterWords = 1 << 31

// ReadLeakedFilter reads what WriteTo wrote.
func ReadLeakedFilter(r io.Reader) (*LeakedFilter, error) {
	buf := bufio.NewReader(r)
	magic := make([]byte, len(filterMagic))
	if _, err := io.ReadFull(buf, magic); err != nil || string(magic) != filterMagic {
		return nil, errors.New("not a filter of leaked passwords: make one with vhod passwords build")
	}
	var words uint64
	f := &LeakedFilter{}
	if err := errors.Join(binary.Read(buf, binary.BigEndian, &f.hashes), binary.Read(buf, binary.BigEndian, &words)); err != nil {
		return nil, fmt.Errorf("reading the filter: %w", err)
	}
	if words == 0 || words > maxFilterWords || f.hashes == 0 || f.hashes > 64 {
		return nil, errors.New("the filter of leaked passwords is damaged")
	}
	for have := uint64(0); have < words; have = uint64(len(f.bits)) { // piece by piece: a damaged length takes no memory
		piece := make([]uint64, min(words-have, 1<<16))
		if err := binary.Read(buf, binary.BigEndian, piece); err != nil {
			return nil, fmt.Errorf("reading the filter: %w", err)
		}
		f.bits = append(f.bits, piece...)
	}
	return f, nil
}
