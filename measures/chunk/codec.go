package chunk

import (
	"errors"
	"fmt"
)

// Version is the version of the byte formats described in the package comment. It rises when the meaning of bytes that
// were valid before changes, not when a codec is added: a reader that meets a codec that it does not know says so by
// ErrUnknown.
const Version = 1

// Codec names the format of a payload. It is stored in the low five bits of the payload's first byte; the three bits
// above it belong to the codec.
type Codec uint8

// The codecs. The numbers are stored and never change their meaning. 0 is none, so that zeroed bytes are not a payload.
const (
	Constant Codec = 1 // one value, repeated
	Integer  Codec = 2 // floats that are whole numbers, as packed integers
	Decimal  Codec = 3 // floats that are short decimals, as packed integers times a power of ten (ALP)
	Bits     Codec = 4 // the order-preserving integer form of the floats' bits, packed
	XOR      Codec = 5 // Gorilla: each float's bits XOR those of the float before
	Runs     Codec = 6 // where a float differs from the one before, and the successive values in another codec
	Int64    Codec = 7 // int64 values and timestamps, packed

	States    Codec = 16 // not made by this version: states are floats
	Strings   Codec = 17 // text values
	PointTags Codec = 18 // tags of single points, one text for a sample
)

const (
	codecMask = 0x1f
	// Flags in the first byte of a packed codec (Integer, Decimal, Bits, Int64).
	flagFactor   = 0x20 // the differences have a common factor
	flagOutliers = 0x40 // some slots are too narrow for their number
	flagRaws     = 0x80 // Integer, Decimal: some values are kept as they are
	flagScale    = 0x80 // Int64: all values are multiples of a power of ten
	// Flag in the first byte of Runs.
	flagLengths = 0x20 // lengths of runs instead of a bitmap
	// Flag in the first byte of Strings and PointTags.
	flagDictionary = 0x20 // each text once, and a code for each value
)

// String is the codec's stable name.
func (c Codec) String() string {
	switch c {
	case Constant:
		return "constant"
	case Integer:
		return "integer"
	case Decimal:
		return "decimal"
	case Bits:
		return "bits"
	case XOR:
		return "xor"
	case Runs:
		return "runs"
	case Int64:
		return "int64"
	case States:
		return "states"
	case Strings:
		return "strings"
	case PointTags:
		return "point-tags"
	}
	return fmt.Sprintf("codec-%d", uint8(c))
}

// FloatsCodec names the codec of a payload that AppendFloats made. It is 0 for an empty payload.
func FloatsCodec(src []byte) Codec {
	if len(src) == 0 {
		return 0
	}
	return Codec(src[0] & codecMask)
}

// ErrDamaged is what a decoder's error wraps if the bytes cannot have come from the encoder with that count. Not every
// damage can be seen: the caller keeps a checksum.
var ErrDamaged = errors.New("chunk: damaged payload")

// ErrUnknown is what a decoder's error wraps if the payload's codec is not one that the decoder reads: it was written by a
// newer version or is a payload of another kind.
var ErrUnknown = errors.New("chunk: unknown codec")

// damaged makes the error of a payload in which the named field has a value that cannot be.
func damaged(c Codec, field string, value int) error {
	return fmt.Errorf("%w: %s: %s %d", ErrDamaged, c, field, value)
}

func unknown(b byte) error {
	return fmt.Errorf("%w: first byte %#02x (%s)", ErrUnknown, b, Codec(b&codecMask))
}
