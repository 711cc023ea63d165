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

// returns counts the runs that have the value of the run before the last one.
func (r *runs) returns() (n int) {
	for i, v := range r.values[min(2, len(r.values)):] {
		if math.Float64bits(v) == math.Float64bits(r.values[i]) {
			n++
		}
	}
	return n
}

// append appends the payload with the values in c's layout.
func (r *runs) append(dst []byte, c *column) []byte { return r.appendWith(dst, c.append) }

// appendWith appends the payload; values appends that of the runs' values.
func (r *runs) appendWith(dst []byte, values func([]byte) []byte) []byte {
	if m := len(r.values); m >= len(r.changed) {
		dst = values(append(dst, byte(Runs)))
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
	return values(dst)
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
	end := len(src) - size
	changed := src[end:]
	m := 1
	for _, b := range changed {
		m += bits.OnesCount8(b)
	}
	if tail := uint(n-1) & 7; tail > 0 && changed[size-1]>>tail != 0 {
		return damaged(Runs, "bits behind bit", n-1)
	}
	values := dst[n-m:]
	if err := decodeRunValues(values, src, end); err != nil {
		return err
	}
	dst[0] = values[0]
	expand(dst[1:], values, changed)
	return nil
}

// expand writes for each element of dst the value that the bits of changed, one for each, have come to, from the first
// value on. values has one more element than changed has bits that are set.
func expand(dst, values []float64, changed []byte) {
	at := uint(0)
	for len(dst) >= 8 {
		d := (*[8]float64)(dst)
		dst = dst[8:]
		b := uint(changed[0])
		changed = changed[1:]
		at += b & 1
		d[0] = values[at]
		at += b >> 1 & 1
		d[1] = values[at]
		at += b >> 2 & 1
		d[2] = values[at]
		at += b >> 3 & 1
		d[3] = values[at]
		at += b >> 4 & 1
		d[4] = values[at]
		at += b >> 5 & 1
		d[5] = values[at]
		at += b >> 6 & 1
		d[6] = values[at]
		at += b >> 7
		d[7] = values[at]
	}
	for i := range dst {
		at += uint(changed[0]>>i) & 1
		dst[i] = values[at]
	}
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
	if h.bad || h.at == len(src) {
		return damaged(Runs, "length", len(src))
	}
	values := dst[n-m:]
	if err := decodeRunValues(values, src[h.at:], len(src)-h.at); err != nil {
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

// decodeRunValues decodes the payload src[:end].
func decodeRunValues(values []float64, src []byte, end int) error {
	if Codec(src[0]&codecMask) == Runs {
		return damaged(Runs, "nested codec", int(Runs))
	}
	return decodePlain(values, src, end)
}
