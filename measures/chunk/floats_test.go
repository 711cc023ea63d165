package chunk

import (
	"math"
	"testing"
)

// roundTrip encodes v and decodes it, and fails the test if a bit differs. It returns the payload.
func roundTrip(t testing.TB, v []float64) []byte {
	t.Helper()
	payload := AppendFloats(nil, v)
	got := make([]float64, len(v))
	if err := DecodeFloats(got, payload); err != nil {
		t.Fatalf("%d values in %d bytes (%s): %v", len(v), len(payload), FloatsCodec(payload), err)
	}
	for i := range v {
		if math.Float64bits(got[i]) != math.Float64bits(v[i]) {
			t.Fatalf("%s: value %d of %d is %v (%#x), want %v (%#x)", FloatsCodec(payload), i, len(v),
				got[i], math.Float64bits(got[i]), v[i], math.Float64bits(v[i]))
		}
	}
	return payload
}

func TestSizes(t *testing.T) {
	for _, n := range []int{64, 120} {
		for _, p := range patterns {
			total := 0
			codecs := map[Codec]int{}
			for _, v := range append(p.series(200, n), p.ongoing(200, n)...) {
				payload := roundTrip(t, v)
				total += len(payload)
				codecs[FloatsCodec(payload)]++
			}
			size := float64(total) / float64(400*n)
			target := p.target
			if n == 64 {
				target = p.target64
			}
			t.Logf("%3d %-12s %.3f B/sample %v", n, p.name, size, codecs)
			if size > target {
				t.Errorf("%d samples of %s take %.3f bytes each, want at most %v", n, p.name, size, target)
			}
		}
	}
}
