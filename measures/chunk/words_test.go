package chunk

import (
	"math"
	"testing"
)

func words(v []int64) []float64 {
	w := make([]float64, len(v))
	for i, x := range v {
		w[i] = IntWord(x)
	}
	return w
}

func roundTripWords(t testing.TB, v []int64) []byte {
	t.Helper()
	payload := AppendIntWords(nil, words(v))
	got := make([]float64, len(v))
	if err := DecodeFloats(got, payload); err != nil {
		t.Fatalf("%d values in %d bytes: %v", len(v), len(payload), err)
	}
	for i, x := range v {
		if WordInt(got[i]) != x {
			t.Fatalf("payload %x: value %d is %d, want %d", payload, i, WordInt(got[i]), x)
		}
	}
	return payload
}

// signalling are integers whose bits are those of NaN that arithmetic would change.
var signalling = []int64{0x7ff0000000000001, 0x7ff7ffffffffffff, -0x000fffffffffffff, 0x7ff8000000000000, math.MinInt64, math.MaxInt64, 1<<53 + 1}

func TestIntWords(t *testing.T) {
	tests := []struct {
		name string
		max  int // bytes; 0: any
		v    []int64
	}{
		{"none", 1, nil},
		{"one", 13, []int64{math.MinInt64}},
		{"signalling NaN", 0, signalling},
		{"constant", 8, ints(120, func(int64) int64 { return 1_000_000_007 })},
		{"idle counter", 60, ints(120, func(i int64) int64 { return 1 << 60 * (i / 40 & 1) * (1 + i/40) })},
		{"counter", 130, ints(120, func(i int64) int64 { return 1<<53 + 3 + i*1000 + i*i%97 })},
		{"spread", 0, ints(120, func(i int64) int64 { return signalling[i%7] + i })},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if p := roundTripWords(t, tt.v); tt.max > 0 && len(p) > tt.max {
				t.Errorf("%d bytes (%s), want at most %d", len(p), FloatsCodec(p), tt.max)
			}
		})
	}
}

// TestIntWordsOfRuns sees that the list of runs is taken where it is smaller, and only there.
func TestIntWordsOfRuns(t *testing.T) {
	r := noise(3)
	for _, length := range []int64{1, 2, 3, 10, 50} {
		var at int64
		v := ints(120, func(i int64) int64 {
			if i%length == 0 {
				at += int64(r.Intn(1 << 40))
			}
			return at
		})
		p, plain := roundTripWords(t, v), AppendInts(nil, v)
		if len(p) > len(plain) {
			t.Errorf("runs of %d: %d bytes, %d without runs", length, len(p), len(plain))
		}
		if length > 2 && FloatsCodec(p) != Runs {
			t.Errorf("runs of %d: codec %s", length, FloatsCodec(p))
		}
	}
}

func FuzzIntWords(f *testing.F) {
	addInts(f)
	f.Fuzz(func(t *testing.T, b []byte) { roundTripWords(t, takeInts(b)) })
}

func BenchmarkIntWords(b *testing.B) {
	r := noise(9)
	at := int64(1 << 54)
	v := words(ints(120, func(int64) int64 { at += int64(r.Intn(1 << 20)); return at }))
	p := AppendIntWords(nil, v)
	b.Run("write", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			p = AppendIntWords(p[:0], v)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/120, "ns/sample")
	})
	b.Run("read", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := DecodeFloats(v, p); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/120, "ns/sample")
		b.ReportMetric(float64(len(p))/120, "bytes/sample")
	})
}

// TestStates sees what states cost as floats: there is no codec of their own, since it would save nothing.
func TestStates(t *testing.T) {
	r := noise(4)
	for _, tt := range []struct {
		name  string
		bytes int
		state func(i int64) int64
	}{
		{"up", 3, func(int64) int64 { return 1 }},
		{"one outage", 10, func(i int64) int64 { return i / 30 & 1 }},
		{"flapping", 22, func(i int64) int64 { return i & 1 }},
		{"any", 36, func(int64) int64 { return int64(r.Intn(4)) }},
	} {
		v := make([]float64, 120)
		for i, s := range ints(120, tt.state) {
			v[i] = float64(s)
		}
		if p := roundTrip(t, v); len(p) > tt.bytes {
			t.Errorf("%s: %d bytes (%s), want at most %d", tt.name, len(p), FloatsCodec(p), tt.bytes)
		}
	}
}
