package chunk

import (
	"encoding/binary"
	"errors"
	"math"
	"testing"
)

// takeFloats reads a column of floats from fuzzed bytes. The first byte says how, since bytes that are taken for floats as
// they are seldom look like metrics.
func takeFloats(b []byte) []float64 {
	if len(b) == 0 {
		return nil
	}
	kind, b := b[0], b[1:]
	var v []float64
	last := 0.0
	for len(b) > 0 && len(v) < 65535 {
		switch kind % 6 {
		case 0: // bits
			var word [8]byte
			b = b[copy(word[:], b):]
			last = math.Float64frombits(binary.LittleEndian.Uint64(word[:]))
		case 1: // decimals
			var word [4]byte
			b = b[copy(word[:], b):]
			last = float64(int32(binary.LittleEndian.Uint32(word[:]))) / powers[kind/6%23]
		case 2: // a sum
			last += float64(int8(b[0])) * math.Ldexp(1, int(kind/6))
			b = b[1:]
		case 3: // a walk over bits
			last = math.Float64frombits(math.Float64bits(last) + uint64(int64(int8(b[0])))<<kind)
			b = b[1:]
		case 4: // runs
			if b[0] >= 4*(kind/6) {
				last = float64(b[0]) * 0.1
			}
			b = b[1:]
		case 5: // odd values among others
			if last = float64(b[0]); b[0] > 200 {
				last = odd[int(b[0])%len(odd)]
			}
			b = b[1:]
		}
		v = append(v, last)
	}
	return v
}

func FuzzFloats(f *testing.F) {
	for kind := range 30 {
		f.Add([]byte{byte(kind), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 200, 201, 255, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1})
	}
	for _, p := range patterns {
		b := []byte{0}
		for _, v := range p.series(1, 64)[0] {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v := takeFloats(b)
		payload := roundTrip(t, v)
		if len(payload) > 8*len(v)+len(v)/8+32 {
			t.Errorf("%s: %d bytes for %d values", FloatsCodec(payload), len(payload), len(v))
		}
		if len(v) > 1 && len(v) < 1000 {
			for _, c := range candidates(v) {
				checkFloats(t, v, c.append(nil))
			}
		}
	})
}

func takeInts(b []byte) []int64 {
	if len(b) == 0 {
		return nil
	}
	kind, b := b[0], b[1:]
	var v []int64
	last, step := int64(0), int64(0)
	for len(b) > 0 && len(v) < 65535 {
		switch kind % 4 {
		case 0:
			var word [8]byte
			b = b[copy(word[:], b):]
			last = int64(binary.LittleEndian.Uint64(word[:]))
		case 1:
			last += int64(int8(b[0])) * int64(integerPowers[kind/4%19])
			b = b[1:]
		case 2:
			step += int64(int8(b[0])) << (kind / 4)
			last += step
			b = b[1:]
		case 3:
			last = int64(len(v))*int64(kind)*1e9 + int64(int8(b[0]))*1e6
			b = b[1:]
		}
		v = append(v, last)
	}
	return v
}

func addInts(f *testing.F) {
	for kind := range 16 {
		f.Add([]byte{byte(kind), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 200, 201, 255, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1})
	}
}

func FuzzInts(f *testing.F) {
	addInts(f)
	f.Fuzz(func(t *testing.T, b []byte) { roundTripInts(t, takeInts(b)) })
}

func FuzzTimes(f *testing.F) {
	addInts(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		v := takeInts(b)
		for i := range v {
			v[i] += noon
		}
		got := make([]int64, len(v))
		if err := DecodeTimes(got, AppendTimes(nil, v)); err != nil {
			t.Fatal(err)
		}
		for i := range v {
			if got[i] != v[i] {
				t.Fatalf("time %d is %d, want %d", i, got[i], v[i])
			}
		}
	})
}

func FuzzBitmap(f *testing.F) {
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, uint16(70))
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 1}, uint16(70))
	f.Add([]byte{0x55, 0xaa}, uint16(13))
	f.Fuzz(func(t *testing.T, b []byte, n uint16) {
		words := make([]uint64, (int(n)+63)/64)
		for i := range words {
			words[i] = load(b, uint(8*i))
		}
		roundTripBitmap(t, words, int(n))
		// And as damaged bytes.
		if _, err := DecodeBitmap(words, int(n), b); err != nil && !errors.Is(err, ErrDamaged) {
			t.Error(err)
		}
	})
}

func FuzzDecodeDamaged(f *testing.F) {
	for _, p := range patterns {
		f.Add(AppendFloats(nil, p.series(1, 64)[0]), uint16(64))
	}
	f.Add(AppendInts(nil, []int64{1, 2, 4, 8, 16, 32, 64, 128, 1e9, 1e10}), uint16(10))
	f.Add([]byte{byte(XOR), 1, 2, 3, 4, 5, 6, 7, 8, 0xff, 0xff, 0xff}, uint16(20))
	f.Fuzz(func(t *testing.T, b []byte, n uint16) {
		v := make([]float64, n)
		if err := DecodeFloats(v, b); err != nil {
			if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrUnknown) {
				t.Error(err)
			}
		} else {
			roundTrip(t, v) // whatever decodes is a column
		}
		x := make([]int64, n)
		if err := DecodeInts(x, b); err != nil {
			if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrUnknown) {
				t.Error(err)
			}
		} else {
			roundTripInts(t, x)
		}
	})
}
