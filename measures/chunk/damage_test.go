package chunk

import (
	"encoding/binary"
	"errors"
	"math"
	"testing"
)

// TestDamage cuts, lengthens and changes payloads: an error or some values, never a panic; and always an error for a
// payload that is too short or too long, Constant apart, which stores no length.
func TestDamage(t *testing.T) {
	var columns [][]float64
	for _, p := range patterns[1:] {
		columns = append(columns, p.series(1, 120)[0])
	}
	r := noise(4)
	columns = append(columns,
		fill(120, func(i int) float64 { return math.Ldexp(float64(1+r.Intn(15)), -r.Intn(60)) }),
		fill(120, func(i int) float64 { return float64(i % 100 * 7) }),
		fill(120, func(i int) float64 { return float64(i%2) / float64(i) }),
		fill(120, func(i int) float64 { return math.Sqrt(float64(i / 40)) }),
	)
	for _, v := range columns {
		payload := AppendFloats(nil, v)
		dst := make([]float64, len(v))
		for cut := range payload {
			if err := DecodeFloats(dst, payload[:cut]); !errors.Is(err, ErrDamaged) {
				t.Errorf("%s cut from %d bytes to %d: error %v", FloatsCodec(payload), len(payload), cut, err)
			}
		}
		if err := DecodeFloats(dst, append(payload[:len(payload):len(payload)], 0)); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s with a byte more: error %v", FloatsCodec(payload), err)
		}
		if err := DecodeFloats(nil, payload); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s of no values: error %v", FloatsCodec(payload), err)
		}
		for i := range payload {
			for bit := range 8 {
				b := append([]byte(nil), payload...)
				b[i] ^= 1 << bit
				if err := DecodeFloats(dst, b); err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrUnknown) {
					t.Errorf("%s with bit %d of byte %d changed: error %v", FloatsCodec(payload), bit, i, err)
				}
			}
		}
		for range 1000 {
			b := append([]byte(nil), payload...)
			binary.LittleEndian.PutUint32(b[r.Intn(len(b)-3):], r.Uint32())
			_ = DecodeFloats(dst[:r.Intn(len(dst))], b)
		}
	}
}

func TestDamagedFields(t *testing.T) {
	long := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	tests := []struct {
		name string
		n    int
		src  []byte
		want error
	}{
		{"no bytes", 1, nil, ErrDamaged},
		{"no bytes for no values", 0, nil, ErrDamaged},
		{"codec 0", 1, []byte{0, 0, 0, 0}, ErrUnknown},
		{"codec of a later version", 1, []byte{31}, ErrUnknown},
		{"codec of texts", 1, []byte{byte(Strings)}, ErrUnknown},
		{"constant of 9 bytes", 2, make9(byte(Constant)), ErrDamaged},
		{"constant with a flag", 2, []byte{byte(Constant) | 0x20}, ErrDamaged},
		{"no control byte", 2, []byte{byte(Integer)}, ErrDamaged},
		{"width 58", 2, []byte{byte(Integer), 58, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, ErrDamaged},
		{"slots missing", 9, []byte{byte(Integer), 56, 0, 0, 0, 0}, ErrDamaged},
		{"varint too long", 2, append([]byte{byte(Integer), 0}, long...), ErrDamaged},
		{"varint without end", 2, append([]byte{byte(Integer), 0}, long[:5]...), ErrDamaged},
		{"outlier behind the end", 3, []byte{byte(Integer) | flagOutliers, 0, 2, 0, 1, 2, 2}, ErrDamaged},
		{"too many outliers", 3, []byte{byte(Integer) | flagOutliers, 0, 2, 0, 9, 0, 2}, ErrDamaged},
		{"raw value behind the end", 2, []byte{byte(Integer) | flagRaws, 0, 2, 0, 1, 2, 1, 2, 3, 4, 5, 6, 7, 8}, ErrDamaged},
		{"raw value cut", 2, []byte{byte(Integer) | flagRaws, 0, 2, 0, 1, 1, 1, 2, 3, 4, 5, 6, 7}, ErrDamaged},
		{"bits with raw values", 2, append([]byte{byte(Bits) | flagRaws, 0}, make([]byte, 20)...), ErrDamaged},
		{"exponent 0", 2, []byte{byte(Decimal), 0, 0, 2, 0}, ErrDamaged},
		{"exponent 23", 2, []byte{byte(Decimal), 0, 23, 2, 0}, ErrDamaged},
		{"exponent 11, split", 2, []byte{byte(Decimal), 0, 11 | splitNear<<exponentBits, 2, 0}, ErrDamaged},
		{"form 3", 2, []byte{byte(Decimal), 0, 2 | 3<<exponentBits, 2, 0}, ErrDamaged},
		{"exponent missing", 2, []byte{byte(Decimal), 0}, ErrDamaged},
		{"xor of 7 bytes", 2, []byte{byte(XOR), 0, 0, 0, 0, 0, 0, 0}, ErrDamaged},
		{"xor window of 65 bits", 2, []byte{byte(XOR), 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, ErrDamaged},
		{"xor with a flag", 2, []byte{byte(XOR) | 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0}, ErrDamaged},
		{"runs in runs", 2, []byte{byte(Runs), byte(Runs), 1}, ErrDamaged},
		{"runs with a flag", 2, []byte{byte(Runs) | 0x40, byte(Constant), 1}, ErrDamaged},
		{"runs without values", 2, []byte{byte(Runs), 1}, ErrDamaged},
		{"runs without bitmap", 20, []byte{byte(Runs), 1}, ErrDamaged},
		{"runs behind the end", 2, []byte{byte(Runs), byte(Constant), 2}, ErrDamaged},
		{"lengths behind the end", 4, []byte{byte(Runs) | flagLengths, 2, 1, 1, byte(Constant)}, ErrDamaged},
		{"too many lengths", 4, []byte{byte(Runs) | flagLengths, 4, 0, 0, 0, 0, byte(Constant)}, ErrDamaged},
		{"lengths without values", 4, []byte{byte(Runs) | flagLengths, 1, 1}, ErrDamaged},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := DecodeFloats(make([]float64, tt.n), tt.src); !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
		})
	}
}

func make9(first byte) []byte { return append([]byte{first}, 1, 2, 3, 4, 5, 6, 7, 8, 9) }
