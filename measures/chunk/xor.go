package chunk

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// The XOR codec: the first value's eight bytes, then a bit stream, least significant bit first, of one record for each
// further value, where x is the value's bits XOR those of the value before:
//
//	0                          x is 0
//	1 0 bits                   the bits of x inside the window of the last record that set one
//	1 1 lead:5 size:6 bits     a new window: lead leading zeros, then size+1 bits
//
// The window before the first is of no bits, so that the first record that is not 0 sets one.
const (
	leadBits = 5
	sizeBits = 6
	maxLead  = 1<<leadBits - 1
)

// xorWindow is where the bits of an XOR lie.
type xorWindow struct{ lead, trail int }

// fits reports whether x lies inside the window and would not save much by one of its own.
func (w xorWindow) fits(lead, trail int) bool {
	return lead >= w.lead && trail >= w.trail &&
		// A new window costs its eleven bits once, and may serve the next values too.
		(lead-w.lead)+(trail-w.trail) < 2*(leadBits+sizeBits)
}

var noWindow = xorWindow{64, 64}

// xorSize is the size of v's XOR payload, or something greater than limit if it is greater.
func xorSize(v []float64, limit int) int {
	total := (1 + 8) * 8
	limit *= 8
	w := noWindow
	prev := math.Float64bits(v[0])
	for _, f := range v[1:] {
		b := math.Float64bits(f)
		x := b ^ prev
		prev = b
		if x == 0 {
			total++
			continue
		}
		lead, trail := min(bits.LeadingZeros64(x), maxLead), bits.TrailingZeros64(x)
		if w.fits(lead, trail) {
			total += 2
		} else {
			w = xorWindow{lead, trail}
			total += 2 + leadBits + sizeBits
		}
		if total += 64 - w.lead - w.trail; total > limit {
			break
		}
	}
	return (total + 7) / 8
}

// bitWriter appends bits, least significant first.
type bitWriter struct {
	dst  []byte
	acc  uint64
	fill uint // bits in acc, below 64
}

// put appends the low n bits of v, whose other bits are 0. n is at most 64.
func (w *bitWriter) put(v uint64, n uint) {
	w.acc |= v << w.fill
	if w.fill += n; w.fill >= 64 {
		w.dst = binary.LittleEndian.AppendUint64(w.dst, w.acc)
		w.fill -= 64
		w.acc = v >> (n - w.fill)
	}
}

func (w *bitWriter) finish() []byte {
	for ; w.fill > 0; w.fill -= min(w.fill, 8) {
		w.dst = append(w.dst, byte(w.acc))
		w.acc >>= 8
	}
	return w.dst
}

// appendXOR appends what follows the codec byte.
func appendXOR(dst []byte, v []float64) []byte {
	prev := math.Float64bits(v[0])
	out := bitWriter{dst: binary.LittleEndian.AppendUint64(dst, prev)}
	w := noWindow
	for _, f := range v[1:] {
		b := math.Float64bits(f)
		x := b ^ prev
		prev = b
		if x == 0 {
			out.put(0, 1)
			continue
		}
		lead, trail := min(bits.LeadingZeros64(x), maxLead), bits.TrailingZeros64(x)
		if w.fits(lead, trail) {
			out.put(1, 2)
		} else {
			w = xorWindow{lead, trail}
			out.put(3|uint64(lead)<<2|uint64(63-lead-trail)<<(2+leadBits), 2+leadBits+sizeBits)
		}
		out.put(x>>w.trail, uint(64-w.lead-w.trail))
	}
	return out.finish()
}

// decodeXOR reads what follows the codec byte; dst is not empty.
func decodeXOR(dst []float64, src []byte) error {
	if len(src) < 8 {
		return damaged(XOR, "length", len(src))
	}
	prev := binary.LittleEndian.Uint64(src)
	dst[0] = math.Float64frombits(prev)
	src = src[8:]
	var (
		pos   uint // the next bit
		end   = uint(len(src)) * 8
		size  uint // of the window, in bits
		trail uint
	)
	for i := 1; i < len(dst); i++ {
		// At least 57 bits of the stream, or all that are left with zeros behind.
		word := load(src, pos>>3) >> (pos & 7)
		switch {
		case word&1 == 0:
			pos++
			dst[i] = math.Float64frombits(prev)
			continue
		case word&2 == 0:
			pos += 2
			word >>= 2
			if size > 55 {
				word = loadLong(src, pos)
			}
		default:
			lead := uint(word>>2) & maxLead
			size = uint(word>>(2+leadBits))&(1<<sizeBits-1) + 1
			if lead+size > 64 {
				return damaged(XOR, "bits", int(lead+size))
			}
			trail = 64 - lead - size
			pos += 2 + leadBits + sizeBits
			word >>= 2 + leadBits + sizeBits
			if size > 57-(2+leadBits+sizeBits) {
				word = loadLong(src, pos)
			}
		}
		pos += size
		if pos > end {
			break
		}
		prev ^= word & lowBits(size) << (trail & 63)
		dst[i] = math.Float64frombits(prev)
	}
	if (pos+7)/8 != uint(len(src)) {
		return damaged(XOR, "length", len(src))
	}
	return nil
}

// load reads the eight bytes from at on, with zeros for those behind the end.
func load(src []byte, at uint) uint64 {
	if at+8 <= uint(len(src)) {
		return binary.LittleEndian.Uint64(src[at:])
	}
	return loadEnd(src, at)
}

func loadEnd(src []byte, at uint) (x uint64) {
	n := uint(len(src))
	if n >= 8 && at < n {
		return binary.LittleEndian.Uint64(src[n-8:]) >> (8 * (at + 8 - n) & 63)
	}
	for k := uint(0); at+k < n; k++ {
		x |= uint64(src[at+k]) << (8 * k)
	}
	return x
}

// loadLong reads 64 bits from bit pos on.
func loadLong(src []byte, pos uint) uint64 {
	x := load(src, pos>>3) >> (pos & 7)
	// Shifted by 64, the ninth byte leaves nothing.
	if at := pos>>3 + 8; at < uint(len(src)) {
		x |= uint64(src[at]) << (64 - pos&7)
	}
	return x
}
