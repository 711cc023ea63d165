// Package chunk packs the columns of a chunk into bytes and back: float64 values, int64 values and timestamps, texts, and the
// bitmap that says which slots of a grid have a value. A chunk has some hundred samples; a column may have from 0 to 65535 and
// more.
//
// It promises that decoding gives the same bits, those of NaN, infinities, -0 and subnormals included; that encoding picks
// a small and quickly read form by itself and allocates nothing but room in dst; that decoding allocates nothing, takes
// time in proportion to the count and the bytes, and answers damaged bytes with an error, never a panic. It never stores
// the count, a checksum, or anything about the series: the caller keeps those, and must check the checksum first, as
// damage can turn a payload into another valid one.
//
// # Payloads
//
// The first byte of a payload of values is the codec, in its low five bits, and three flags. Fields follow each other without
// gaps; a payload ends where its last field does, and a byte more or less is damage.
//
//	 1  Constant  the value's eight bytes, most significant first, without trailing zero bytes
//	 2  Integer   a block; number i is the value
//	 3  Decimal   a block, with an exponent byte; number i makes the value by a power of ten
//	 4  Bits      a block; number i is the ordered form of the value's bits
//	 5  XOR       first value (8 bytes), then a bit stream
//	 6  Runs      where the values change, and a payload of the successive values in one of the codecs above
//	 7  Int64     a block; number i is the value (timestamps: in nanoseconds)
//	16  not made: states are floats
//	17  Strings    texts, see below
//	18  PointTags  the same, of tags of points
//
// A column of no values is one byte: Constant, Int64, or the codec of the texts. An Int64 payload where floats are due
// gives them the bits of its integers.
//
// # Blocks
//
// A block stores n numbers, of which the first is kept as it is and the others as slots of w bits. A uvarint has seven
// bits a byte, the lowest first; a varint is a uvarint whose lowest bit is the sign (zigzag). Eight-byte fields are little
// endian. Arithmetic is modulo 2^64.
//
//	byte 0       codec; 0x20: factor; 0x40: outliers; 0x80: raw values (Integer, Decimal) or scale (Int64)
//	byte 1       order in the two high bits, w in the six low ones: 0 to 56, or 57 for 64
//	slots        (n-1)*w bits, least significant first, up to a whole byte
//	exponent     byte; Decimal only: e in the low five bits, form above
//	scale        byte; Int64 with its flag: every number is stored divided by 10 to this power
//	first        Bits: 8 bytes; others: varint
//	factor       uvarint, with its flag; else 1
//	slope        varint, orders 2 and 3 only
//	base         varint, without its low max(0, w-5) bits, which are 0
//	outliers     with their flag: count (uvarint), then for each the slots passed over since the last (uvarint) and what
//	             is above the slot's w bits (varint)
//	raw values   with their flag: count (uvarint), then for each the values passed over since the last (uvarint) and the
//	             value's bits (8 bytes)
//
// Number i is first + factor*r[i], with r[0] = 0 and d[i] = base + slot i-1 + outlier*2^w:
//
//	order 0   r[i] = d[i]
//	order 1   r[i] = r[i-1] + d[i]
//	order 2   r[i] = r[i-1] + s[i], where s[0] = slope and s[i] = s[i-1] + d[i]
//	order 3   r[i] = slope*i + d[i]
//
// Floats are encoded with the orders 0 and 1 only.
//
// A Decimal is float64(number) / 10^e in form 0. In forms 1 and 2 it is float64(number)*hi + float64(number)*lo, each
// operation rounded on its own, where hi is the first 26 (form 1) or 13 (form 2) bits of 10^-e and lo the rest, rounded;
// e is 1 to 22, and at most 10 in forms 1 and 2.
//
// The ordered form of a float's bits is the bits as an int64, with the lower 63 inverted if it is negative.
//
// # XOR
//
// Each value after the first is a record in a stream of bits, least significant first, where x is its bits XOR those
// of the value before:
//
//	0                          x is 0
//	1 0 bits                   the bits of x inside the last window
//	1 1 lead:5 size:6 bits     a new window: lead leading zeros, then size+1 bits
//
// # Runs
//
// Without flags, the payload of the successive values follows the first byte, and then a bitmap of n-1 bits, least significant
// first: bit i-1 is set if value i differs from the one before. With flag 0x20, the first byte is followed by the count of
// runs less 1 and the lengths of all but the last run, each less 1 (uvarints), and then comes the payload of the
// values.
//
// # Texts
//
// Without flags: the length of each text (uvarint), then the bytes of all. With flag 0x20, each text that occurs stands
// once, in the order of first use:
//
//	d-1      uvarint, for d different texts
//	lengths  d uvarints
//	codes    n*w bits, least significant first, up to a whole byte; w is what d-1 takes; no bytes if d is 1
//	bytes    of the d texts
//
// # Bitmaps
//
// A bitmap is self-contained: it ends by itself, for a given count of bits n.
//
//	0   no bit is set
//	1   every bit is set
//	2   the bits follow, least significant first
//	3   the lengths of the runs of equal bits follow (uvarints, not 0), up to n bits in all, a run of zeros first
//	4   the same, a run of ones first
package chunk
