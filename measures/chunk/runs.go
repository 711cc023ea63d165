package chunk

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// runs is a column as runs of equal values.
type runs struct {
	values  []float64 // one for each run
	changed []byte    // bit i-1 is set if value i differs from value i-1
}

// find cuts v, which is not empty, into runs.
func (r *runs) find(v []float64) {
	n := len(v)
	values := grow(r.values, n)
	r.changed = grow(r.changed, (n-1+7)/8)
	prev := math.Float64bits(v[0])
	values[0] = v[0]
	m := 1
	rest := v[1:]
	for k := range r.changed {
		part := rest[8*k:]
		part = part[:min(8, len(part))]
		var word uint64
		for i, f := range part {
			b := math.Float64bits(f)
			x := b ^ prev
			prev = b
			differs := (x | -x) >> 63
			word |= differs << (i & 63)
			values[m] = f // overwritten by the next value if it is the same as the last
			m += int(differs)
		}
		r.changed[k] = byte(word)
	}
	r.values = values[:m]
}

// size is the size of the cheaper of bitmap and list, or about that.
func (r *runs) size() int {
	if m := len(r.values); m < len(r.changed) {
		return m
	}
	return len(r.changed)
}

// append appends the codec byte and the runs; the payload of the values follows.
func (r *runs) append(dst []byte) []byte {
	if m := len(r.values); m >= len(r.changed) {
		dst = append(dst, byte(Runs))
		return append(dst, r.changed...)
	}
	dst = append(dst, byte(Runs)|flagLengths)
	dst = binary.AppendUvarint(dst, uint64(len(r.values)-1))
	begin := 0
	for k, b := range r.changed {
		for ; b != 0; b &= b - 1 {
			next := 8*k + bits.TrailingZeros8(b) + 1
			dst = binary.AppendUvarint(dst, uint64(next-begin-1))
			begin = next
		}
	}
	return dst
}

// decodeRuns reads a Runs payload; dst is not empty. The values are decoded into the end of dst and move to their places
// from the front on: value i is never behind its place, as each run takes one place at least.
func decodeRuns(dst []float64, src []byte) error {
	flags := src[0] &^ codecMask
	src = src[1:]
	switch flags {
	case 0:
		return decodeBitmapRuns(dst, src)
	case flagLengths:
		return decodeLengthRuns(dst, src)
	}
	return damaged(Runs, "flags", int(flags))
}

func decodeBitmapRuns(dst []float64, src []byte) error {
	n := len(dst)
	size := (n - 1 + 7) / 8
	if len(src) <= size {
		return damaged(Runs, "length", len(src))
	}
	changed, src := src[:size], src[size:]
	m := 1
	for _, b := range changed {
		m += bits.OnesCount8(b)
	}
	if m > n {
		return damaged(Runs, "runs", m)
	}
	values := dst[n-m:]
	if err := decodeRunValues(values, src); err != nil {
		return err
	}
	v := values[0]
	dst[0] = v
	rest := dst[1:]
	at := 0
	for k, b := range changed {
		part := rest[8*k:]
		part = part[:min(8, len(part))]
		for i := range part {
			at += int(b & 1)
			b >>= 1
			part[i] = values[at]
		}
	}
	return nil
}

func decodeLengthRuns(dst []float64, src []byte) error {
	n := len(dst)
	h := header{src: src}
	m := h.count(n-1) + 1
	// The values' payload is behind the lengths, which are read twice for that.
	lengths := h
	for range m - 1 {
		h.count(n)
	}
	if h.bad || len(h.src) == 0 {
		return damaged(Runs, "length", len(src))
	}
	values := dst[n-m:]
	if err := decodeRunValues(values, h.src); err != nil {
		return err
	}
	at := 0
	for i := range m - 1 {
		to := at + lengths.count(n) + 1
		if to > n-(m-1-i) {
			return damaged(Runs, "run up to", to)
		}
		v := values[i]
		for k := range dst[at:to] {
			dst[at+k] = v
		}
		at = to
	}
	v := values[m-1]
	for k := range dst[at:] {
		dst[at+k] = v
	}
	return nil
}

func decodeRunValues(values []float64, src []byte) error {
	if Codec(src[0]&codecMask) == Runs {
		return damaged(Runs, "nested codec", int(Runs))
	}
	return decodePlain(values, src)
}
