package chunk

import (
	"encoding/binary"
	"math"
	"slices"
	"sync"
	"unsafe"
)

// column is a layout of float64 values in one codec, a candidate in AppendFloats' choice.
type column struct {
	codec  Codec
	exp    byte // Decimal's exponent byte
	values []float64
	raws   []int // indices of the values kept as they are
	block  block
	cost   int     // bytes of the payload, and the toll of reading it, in bytes
	x, y   []int64 // memory of the block
}

// scratch is the memory of one AppendFloats.
type scratch struct {
	columns [3]column
	runs    runs
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// keepScratch bounds the memory that a pooled scratch keeps, in samples. Chunks are of 512 samples at most.
const keepScratch = 4096

// AppendFloats appends the payload of v to dst. It chooses the codec by what the payload takes and by what reading it takes
// (DESIGN.md has the rule). Decoding gives the same bits. The number of values is not in the payload. It writes nothing
// behind the result, even if dst has the capacity.
func AppendFloats(dst []byte, v []float64) []byte {
	if len(v) == 0 {
		return append(dst, byte(Constant))
	}
	s := scratches.Get().(*scratch)
	s.runs.find(v)
	if len(s.runs.values) == 1 {
		dst = appendConstant(dst, v[0])
	} else {
		dst = s.appendBest(dst, v)
	}
	if len(v) <= keepScratch {
		s.release()
		scratches.Put(s)
	}
	return dst
}

// release drops the references to the caller's memory.
func (s *scratch) release() {
	for i := range s.columns {
		s.columns[i].values = nil
	}
}

// appendConstant leaves out the trailing zero bytes of the value, of which short numbers have many.
func appendConstant(dst []byte, v float64) []byte {
	dst = append(dst, byte(Constant))
	for b := math.Float64bits(v); b != 0; b <<= 8 {
		dst = append(dst, byte(b>>56))
	}
	return dst
}

func decodeConstant(dst []float64, src []byte) error {
	if len(src) > 8 {
		return damaged(Constant, "length", len(src))
	}
	var b uint64
	for i, x := range src {
		b |= uint64(x) << (56 - 8*i)
	}
	v := math.Float64frombits(b)
	for i := range dst {
		dst[i] = v
	}
	return nil
}

// appendBest appends v, which has two different values at least, in the cheapest codec.
func (s *scratch) appendBest(dst []byte, v []float64) []byte {
	r := &s.runs
	m := len(r.values)
	over := 1 + r.size()
	if m > len(v)/2 {
		// Few repetitions: laid out as it is, unless the slots of the repetitions cost more than the list of runs.
		plain := s.plan(v, nil)
		if saved := plain.perValue() * (len(v) - m) / 8; saved > over {
			if u := s.plan(r.values, plain); u.cost+over < plain.cost {
				return r.append(dst, u)
			}
		}
		return plain.append(dst)
	}
	// Many repetitions. Without the list of runs every repetition takes a slot, which gains if a slot costs less than its
	// share of the list, or if most values are one value and the others can be outliers.
	u := s.plan(r.values, nil)
	if w := u.perValue(); w*(len(v)-m) <= 8*over || 4*r.returns() >= m && m/2*(2+w/8) < u.cost+over {
		if plain := s.plan(v, u); plain.cost <= u.cost+over {
			return plain.append(dst)
		}
	}
	return r.append(dst, u)
}

// spare gives a column that is neither a nor b.
func (s *scratch) spare(a, b *column, n int) *column {
	for i := range s.columns {
		if c := &s.columns[i]; c != a && c != b {
			if cap(c.x) < n {
				k := max(n, 128)
				c.x, c.y = make([]int64, k), make([]int64, k)
			}
			c.x, c.y = c.x[:n], c.y[:n]
			return c
		}
	}
	panic("chunk: no spare column")
}

// xorToll is what XOR has to save to be chosen: its payload must be smaller than 85 % of a packed one, since it takes three
// to five times as long to read.
const xorToll = 85

// plan lays v out in the cheapest codec that is neither Constant nor Runs, in a column other than keep.
func (s *scratch) plan(v []float64, keep *column) *column {
	best := s.spare(keep, nil, len(v))
	best.values, best.raws = v, best.raws[:0]
	whole := convert(best.x, v, 0, divided)
	if whole == len(v) {
		best.codec = Integer
		best.lay()
		if best.block.win.w < 48 {
			return best
		}
	} else if best.decimals(v, whole) {
		best.lay()
		if best.cost < 5*len(v) {
			return best
		}
	} else {
		best.codec = 0
	}

	c := s.spare(keep, best, len(v))
	c.values, c.raws = v, c.raws[:0]
	c.codec = Bits
	for i, f := range v {
		c.x[i] = ordered(f)
	}
	c.lay()
	if best.codec == 0 || c.cost < best.cost {
		best, c = c, best
	}
	if best.cost > 2*len(v) {
		if size := xorSize(v, best.cost*xorToll/100); size*100 < best.cost*xorToll {
			best.codec = XOR
			best.cost = size * 100 / xorToll
		}
	}
	return best
}

// ordered maps a float to an integer so that floats in order give integers in order.
func ordered(f float64) int64 { return unordered(int64(math.Float64bits(f))) }

// unordered maps the integer back to the float's bits. It is its own inverse.
func unordered(x int64) int64 { return x ^ int64(uint64(x>>63)>>1) }

// lay plans the block of c's integers.
func (c *column) lay() {
	c.block.plan(c.x, c.y, nil, false)
	c.cost = c.block.size(c.codec)
	if c.codec == Decimal {
		c.cost++
	}
	if len(c.raws) > 0 {
		c.cost += 1 + len(c.raws)*(9+flatToll)
	}
}

// perValue is the number of bits that a value takes.
func (c *column) perValue() int {
	if c.codec == XOR {
		return c.cost * 8 / len(c.values)
	}
	return int(c.block.win.w)
}

func (c *column) append(dst []byte) []byte {
	dst = slices.Grow(dst, c.cost)
	if c.codec == XOR {
		return appendXOR(append(dst, byte(XOR)), c.values)
	}
	first := byte(c.codec) | c.block.flags()
	if len(c.raws) > 0 {
		first |= flagRaws
	}
	dst = append(dst, first, c.block.control())
	dst = c.block.appendSlots(dst)
	if c.codec == Decimal {
		dst = append(dst, c.exp)
	}
	dst = c.block.appendHeader(dst, c.codec)
	if len(c.raws) > 0 {
		dst = binary.AppendUvarint(dst, uint64(len(c.raws)))
		next := 0
		for _, i := range c.raws {
			dst = binary.AppendUvarint(dst, uint64(i-next))
			dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(c.values[i]))
			next = i + 1
		}
	}
	return dst
}

// DecodeFloats reads a payload that AppendFloats or AppendIntWords made of len(dst) values. Its error wraps ErrDamaged or ErrUnknown; dst
// then holds anything. It allocates nothing else and takes time in proportion to len(dst) and len(src), whatever the
// bytes.
func DecodeFloats(dst []float64, src []byte) error {
	if len(src) == 0 {
		return damaged(0, "length", 0)
	}
	if c := FloatsCodec(src); len(dst) == 0 {
		if c != Constant || len(src) != 1 {
			return damaged(c, "length for no values", len(src))
		}
		return nil
	}
	if Codec(src[0]&codecMask) == Runs {
		return decodeRuns(dst, src)
	}
	return decodePlain(dst, src, len(src))
}

// decodePlain decodes every codec but Runs. The payload is src[:end], of one byte at least; dst is not empty. The bytes
// behind end may be read, not used.
func decodePlain(dst []float64, src []byte, end int) error {
	c, flags := Codec(src[0]&codecMask), src[0]&^codecMask
	switch c {
	case Integer, Decimal, Bits:
		return decodePacked(dst, c, flags, src[1:], end-1)
	case Constant:
		if flags == 0 {
			return decodeConstant(dst, src[1:end])
		}
	case XOR:
		if flags == 0 {
			return decodeXOR(dst, src[1:end])
		}
	case Int64:
		return DecodeInts(integers(dst), src[:end]) // the bits are those of integers, see AppendIntWords
	default:
		return unknown(src[0])
	}
	return damaged(c, "flags", int(flags))
}

func decodePacked(dst []float64, c Codec, flags byte, src []byte, end int) error {
	if end < 1 {
		return damaged(c, "length", end)
	}
	var u unpacker
	control := src[0]
	h, err := u.slotsAt(src[1:], end-1, len(dst)-1, c, control)
	if err != nil {
		return err
	}
	divisor := 0
	switch c {
	case Integer:
		u.to = toWhole
	case Bits:
		if flags&flagRaws != 0 {
			return damaged(c, "flags", int(flags))
		}
		u.to = toFloat
	case Decimal:
		exp := h.byte()
		e, form := int(exp&(1<<exponentBits-1)), exp>>exponentBits
		switch {
		case e == 0 || e > maxExponent || form > splitFar || form != divided && e > maxSplit:
			return damaged(Decimal, "exponent", int(exp))
		case form == divided:
			divisor = e
		default:
			u.to, u.hi, u.lo = toScaled, splitPowers[form-splitNear][e][0], splitPowers[form-splitNear][e][1]
		}
	}
	x := integers(dst)
	if err := decodeBlock(x, c, flags, control, &h, &u, 1); err != nil {
		return err
	}
	if divisor > 0 {
		p := powers[divisor]
		for i, d := range x {
			dst[i] = quotient(d, p)
		}
	}
	if flags&flagRaws != 0 {
		at := -1
		for range h.count(len(dst)) {
			at += 1 + h.count(len(dst))
			if at >= len(dst) {
				return damaged(c, "raw value at", at)
			}
			dst[at] = math.Float64frombits(h.uint64())
		}
	}
	return h.end(c)
}

// integers is dst's memory as integers: both have the same size and alignment, and every bit pattern is one of each.
func integers(dst []float64) []int64 {
	return unsafe.Slice((*int64)(unsafe.Pointer(unsafe.SliceData(dst))), len(dst))
}

// grow gives a slice of length n, in x's memory if that is enough.
func grow[T any](x []T, n int) []T { return slices.Grow(x[:0], n)[:n] }
