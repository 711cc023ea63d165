package chunk

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
)

func roundTripInts(t testing.TB, v []int64) []byte {
	t.Helper()
	payload := AppendInts(nil, v)
	got := make([]int64, len(v))
	for i := range got {
		got[i] = -77
	}
	if err := DecodeInts(got, payload); err != nil {
		t.Fatalf("%d values in %d bytes: %v", len(v), len(payload), err)
	}
	if !slices.Equal(got, v) {
		t.Fatalf("payload %x\ngot  %v\nwant %v", payload, got, v)
	}
	return payload
}

func ints(n int, f func(i int64) int64) []int64 {
	v := make([]int64, n)
	for i := range v {
		v[i] = f(int64(i))
	}
	return v
}

const (
	noon   = int64(1_783_684_800) * 1e9 // a start of series, ns
	ms     = int64(1e6)
	second = int64(1e9)
)

func TestInts(t *testing.T) {
	r := noise(6)
	sum := noon
	tests := []struct {
		name string
		max  int // bytes
		v    []int64
	}{
		{"none", 1, nil},
		{"one", 4, []int64{-3}},
		{"least", 13, []int64{math.MinInt64}},
		{"limits", 30, []int64{math.MinInt64, math.MaxInt64, math.MinInt64}},
		{"limits and between", 0, ints(120, func(i int64) int64 { return []int64{math.MinInt64, math.MaxInt64, 0, 1, -1}[r.Intn(5)] })},
		{"zeros", 4, make([]int64, 120)},
		{"zero and powers of ten", 0, ints(120, func(i int64) int64 { return int64(integerPowers[i%19]) * (i % 2) })},
		{"steps wrap", 22, ints(120, func(i int64) int64 { return i * 6148914691236517204 })},
		{"factor 2^63", 0, ints(120, func(i int64) int64 { return 5 + (i%3)<<63 })},
		{"squares", 9, ints(120, func(i int64) int64 { return i * i })},
		{"any", 8*120 + 8, ints(120, func(i int64) int64 { return int64(r.Uint64()) })},
		{"small", 64, ints(120, func(i int64) int64 { return int64(r.Intn(15)) })},

		{"regular, seconds", 9, ints(120, func(i int64) int64 { return noon + i*15*second })},
		{"regular, odd start", 16, ints(120, func(i int64) int64 { return noon + 1234567 + i*15*second })},
		{"regular, milliseconds", 13, ints(120, func(i int64) int64 { return noon + 7*ms + i*100*ms })},
		{"regular, nanoseconds", 20, ints(120, func(i int64) int64 { return noon + 7 + i*33333333 })},
		{"backwards", 10, ints(120, func(i int64) int64 { return noon - i*60*second })},
		{"one gap", 16, ints(120, func(i int64) int64 { return noon + i*15*second + i/70*3600*second })},
		{"gaps", 40, ints(120, func(i int64) int64 { return noon + (i+i/20*7)*15*second })},
		{"whole seconds, uneven", 60, ints(120, func(i int64) int64 { sum += (14 + int64(r.Intn(3))) * second; return sum })},
		{"50 ms of jitter", 120, ints(120, func(i int64) int64 { return noon + i*15*second + (int64(r.Intn(101))-50)*ms })},
		{"events", 300, ints(120, func(i int64) int64 { sum += int64(r.ExpFloat64()*1000) * ms; return sum })},
		{"unordered", 300, ints(120, func(i int64) int64 { return noon + int64(r.Intn(86400))*second })},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			payload := roundTripInts(t, tt.v)
			if tt.max > 0 && len(payload) > tt.max {
				t.Errorf("%d bytes, want at most %d", len(payload), tt.max)
			}
			for k := range tt.v {
				roundTripInts(t, tt.v[:k])
			}
			if got := make([]int64, len(tt.v)); DecodeTimes(got, AppendTimes(nil, tt.v)) != nil || !slices.Equal(got, tt.v) {
				t.Error("times differ from integers")
			}
			dst := make([]int64, len(tt.v))
			for cut := range payload {
				if err := DecodeInts(dst, payload[:cut]); !errors.Is(err, ErrDamaged) {
					t.Errorf("cut from %d bytes to %d: error %v", len(payload), cut, err)
				}
			}
			if err := DecodeInts(dst, append(payload, 0)); !errors.Is(err, ErrDamaged) {
				t.Errorf("with a byte more: error %v", err)
			}
		})
	}
}

func TestIntLengths(t *testing.T) {
	r := noise(7)
	sum := noon
	v := ints(65535, func(int64) int64 { sum += int64(r.Intn(1000)) * ms; return sum })
	for n := range 600 {
		roundTripInts(t, v[n:2*n])
	}
	roundTripInts(t, v)
}

// TestIntOrders forces each order on columns of each kind.
func TestIntOrders(t *testing.T) {
	r := noise(8)
	for name, v := range map[string][]int64{
		"any":   ints(100, func(int64) int64 { return int64(r.Uint64()) }),
		"bends": ints(100, func(i int64) int64 { return i*i*1000 + int64(r.Intn(100)) }),
		"gaps":  ints(100, func(i int64) int64 { return i*10 + int64(r.Intn(3)) + i/30*1e9 }),
	} {
		for order := uint8(flat); order <= line; order++ {
			t.Run(fmt.Sprintf("%s/%d", name, order), func(t *testing.T) {
				// The slots by the definition of the orders.
				b := block{first: v[0], factor: 1, order: order, slope: 12345}
				if order < delta2 {
					b.slope = 0
				}
				at := func(i int) int64 {
					if i < 0 {
						return -b.slope
					}
					return v[i] - v[0]
				}
				for i := 1; i < len(v); i++ {
					b.slots = append(b.slots, at(i)-[]int64{
						0, at(i - 1), at(i-1) + at(i-1) - at(i-2), b.slope * int64(i),
					}[order])
				}
				lo, hi := slices.Min(b.slots), slices.Max(b.slots)
				b.win = search(b.slots, lo, hi, flatToll)
				payload := b.appendSlots([]byte{byte(Int64) | b.flags(), b.control()})
				payload = b.appendHeader(payload, Int64)
				got := make([]int64, len(v))
				if err := DecodeInts(got, payload); err != nil || !slices.Equal(got, v) {
					t.Errorf("error %v\ngot  %v\nwant %v", err, got, v)
				}
			})
		}
	}
}

func TestDamagedInts(t *testing.T) {
	tests := []struct {
		name string
		n    int
		src  []byte
		want error
	}{
		{"no bytes", 1, nil, ErrDamaged},
		{"codec of floats", 1, []byte{byte(XOR), 0, 0}, ErrUnknown},
		{"bytes for no values", 0, []byte{byte(Int64), 0}, ErrDamaged},
		{"no control byte", 1, []byte{byte(Int64)}, ErrDamaged},
		{"width 63", 2, []byte{byte(Int64), 63, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, ErrDamaged},
		{"scale 19", 2, []byte{byte(Int64) | flagScale, 0, 19, 2, 2}, ErrDamaged},
		{"scale missing", 2, []byte{byte(Int64) | flagScale, 0}, ErrDamaged},
		{"slope missing", 2, []byte{byte(Int64), line << 6, 2, 2}, ErrDamaged},
		{"outlier behind the end", 3, []byte{byte(Int64) | flagOutliers, delta2 << 6, 2, 2, 2, 1, 2, 1}, ErrDamaged},
		{"outlier behind the end, flat", 3, []byte{byte(Int64) | flagOutliers, 0, 2, 2, 2, 1, 1, 1, 1}, ErrDamaged},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := DecodeInts(make([]int64, tt.n), tt.src); !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
		})
	}
}
