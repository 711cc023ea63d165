package chunk

import (
	"fmt"
	"math"
	"math/rand"
	"testing"
)

// roundTrip encodes v and decodes it, and fails the test if a bit differs. It returns the payload.
func roundTrip(t testing.TB, v []float64) []byte {
	t.Helper()
	payload := AppendFloats(nil, v)
	checkFloats(t, v, payload)
	return payload
}

// checkFloats fails the test if the payload does not decode to v.
func checkFloats(t testing.TB, v []float64, payload []byte) {
	t.Helper()
	// What is decoded must not depend on what was in dst, nor lie behind it.
	buf := make([]float64, len(v)+1)
	for i := range buf {
		buf[i] = -7.25
	}
	got := buf[:len(v):len(v)]
	if err := DecodeFloats(got, payload); err != nil {
		t.Fatalf("%d values in %d bytes (%s): %v", len(v), len(payload), FloatsCodec(payload), err)
	}
	for i := range v {
		if math.Float64bits(got[i]) != math.Float64bits(v[i]) {
			t.Fatalf("%s %x: value %d of %d is %v (%#x), want %v (%#x)", FloatsCodec(payload), payload, i, len(v),
				got[i], math.Float64bits(got[i]), v[i], math.Float64bits(v[i]))
		}
	}
	if buf[len(v)] != -7.25 {
		t.Fatalf("%s: wrote behind dst", FloatsCodec(payload))
	}
}

func fill(n int, f func(i int) float64) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = f(i)
	}
	return v
}

func noise(seed int64) *rand.Rand { return rand.New(rand.NewSource(seed)) }

func anyFloat(r *rand.Rand) float64 { return math.Float64frombits(r.Uint64()) }

var odd = []float64{
	0, math.Copysign(0, -1), 1, -1, 0.1, -0.1, math.Inf(1), math.Inf(-1), math.NaN(),
	math.Float64frombits(0x7ff8000000000000), math.Float64frombits(0x7ff0000000000002), // NaN as Prometheus marks a stale series
	math.Float64frombits(0xfff8000000000001), math.Float64frombits(0x7fffffffffffffff), math.Float64frombits(0x7ff0000000000001),
	math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, -math.SmallestNonzeroFloat64, 0x1p-1022, 0x1.fffffffffffffp-1023,
	1 << 52, 1<<52 + 1, 1 << 53, -1 << 53, 1<<53 + 2, 1 << 62, 1<<63 - 1024, 1 << 63, -1 << 63, -1<<63 - 2048, 1 << 64,
	1e15, 1e16, 1e17, 1e22, 1e23, 1e300, 123456789012345.6, 0.30000000000000004, 4.35, 1e-7, 1e-22, 1e-23,
}

// TestFloats has one table of columns for every codec and for the corners of each.
func TestFloats(t *testing.T) {
	r := noise(1)
	tests := []struct {
		name  string
		codec Codec // 0: any
		v     []float64
	}{
		{"none", Constant, nil},
		{"one", Constant, []float64{math.Pi}},
		{"one zero", Constant, []float64{0}},
		{"one NaN", Constant, []float64{math.Float64frombits(0x7ff8000000000123)}},
		{"constant", Constant, fill(500, func(int) float64 { return 100 })},
		{"constant -0", Constant, fill(5, func(int) float64 { return math.Copysign(0, -1) })},
		{"two", 0, []float64{1, 2}},
		{"two far", 0, []float64{-math.MaxFloat64, math.MaxFloat64}},
		{"odd", 0, odd},

		{"ramp", Integer, fill(120, func(i int) float64 { return float64(i) })},
		{"ramp of many", Integer, fill(120, func(i int) float64 { return 1e6 + 4096*float64(i) })},
		{"ramp down", Integer, fill(120, func(i int) float64 { return -15e9 * float64(i) })},
		{"small", Integer, fill(120, func(int) float64 { return float64(r.Intn(7)) })},
		{"negative", Integer, fill(120, func(int) float64 { return -float64(r.Intn(1 << 30)) })},
		{"thirds", Integer, fill(120, func(int) float64 { return 5 + 3*float64(r.Intn(9)) })},
		{"reset", Integer, fill(120, func(i int) float64 { return float64(i%77)*1000 + float64(r.Intn(1000)) })},
		{"beyond 2^53", Integer, fill(120, func(i int) float64 { return float64(uint64(1)<<62 + uint64(r.Intn(1<<20))<<13) })},
		{"int64 limits", 0, fill(120, func(i int) float64 { return []float64{-1 << 63, 1<<63 - 1024, 0, 1}[r.Intn(4)] })},
		{"integers and NaN", Integer, fill(120, func(i int) float64 {
			if i%40 == 7 {
				return math.NaN()
			}
			return float64(r.Intn(1000))
		})},
		{"NaN first and last", Integer, fill(120, func(i int) float64 {
			if i < 3 || i > 116 {
				return math.Float64frombits(0x7ff8000000000000 + uint64(i))
			}
			return float64(r.Intn(1000))
		})},
		{"integers and -0", Integer, fill(120, func(i int) float64 {
			if i%50 == 0 {
				return math.Copysign(0, -1)
			}
			return float64(r.Intn(1000))
		})},
		{"equal but for -0", 0, fill(120, func(i int) float64 {
			if i == 60 {
				return math.Copysign(0, -1)
			}
			return 0
		})},

		{"halves", Decimal, fill(120, func(i int) float64 { return float64(r.Intn(100)) / 2 })},
		{"percent", Decimal, fill(120, func(i int) float64 { return float64(r.Intn(10001)) / 100 })},
		{"negative decimals", Decimal, fill(120, func(i int) float64 { return float64(r.Intn(2001)-1000) / 1000 })},
		{"decimals, long last", Decimal, fill(120, func(i int) float64 {
			if i > 100 {
				return float64(r.Intn(1e6)) / 1e4
			}
			return float64(r.Intn(1e4)) / 1e2
		})},
		{"decimals and odd ones", Decimal, fill(120, func(i int) float64 {
			if i%20 == 3 {
				return odd[i%len(odd)]
			}
			return float64(r.Intn(10001)) / 100
		})},
		{"decimals past 2^27", Decimal, fill(120, func(i int) float64 { return float64(1e9+r.Intn(1e6)) / 100 })},
		{"decimals, one past 2^27", Decimal, fill(120, func(i int) float64 {
			if i == 99 {
				return 12345678901.25
			}
			return float64(r.Intn(1e4)) / 100
		})},
		{"decimals past 2^40", Decimal, fill(120, func(i int) float64 { return float64(1e13+r.Intn(1e6)) / 100 })},
		{"nanoseconds as seconds", Decimal, fill(120, func(i int) float64 { return float64(1.7e9*1e3+r.Intn(1e6)) / 1e3 })},
		{"twelve digits", Decimal, fill(120, func(i int) float64 { return float64(r.Intn(1e5)) / 1e12 })},
		{"fifteen digits", 0, fill(120, func(i int) float64 { return float64(r.Int63n(1e15)) / 1e15 })},

		{"noise", Bits, fill(120, func(i int) float64 { return 50 + r.Float64() })},
		{"noise about 0", 0, fill(120, func(i int) float64 { return r.NormFloat64() })},
		{"float32", Bits, fill(120, func(i int) float64 { return float64(float32(10 + r.Float64())) })},
		{"any", Bits, fill(120, func(i int) float64 { return anyFloat(r) })},
		{"any, 7", Bits, fill(7, func(i int) float64 { return anyFloat(r) })},
		{"NaN payloads", 0, fill(120, func(i int) float64 { return math.Float64frombits(0x7ff8<<48 | uint64(r.Intn(1<<20))) })},
		{"subnormals", 0, fill(120, func(i int) float64 { return math.Float64frombits(uint64(r.Intn(1 << 30))) })},

		{"powers of two", XOR, fill(120, func(i int) float64 { return math.Ldexp(float64(1-r.Intn(2)*2), r.Intn(2000)-1000) })},
		{"short mantissas", XOR, fill(120, func(i int) float64 { return math.Ldexp(float64(1-r.Intn(2)*2)*float64(1+r.Intn(15)), -r.Intn(60)) })},

		{"pairs", Runs, fill(120, func(i int) float64 { return math.Sin(float64(i / 2)) })},
		{"long runs", Runs, fill(400, func(i int) float64 { return math.Sqrt(float64(i / 40)) })},
		{"one step", Runs, fill(400, func(i int) float64 { return math.Sqrt(float64(i / 399)) })},
		{"runs of any", Runs, fill(400, func(i int) float64 { return anyFloat(noise(int64(i / 3))) })},
		{"runs of powers", Runs, fill(400, func(i int) float64 { return math.Ldexp(1, (i/3*7919)%2000-1000) })},
		{"spikes", 0, fill(120, func(i int) float64 { return float64(i % 37 / 36 * 700) })},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			payload := roundTrip(t, tt.v)
			if c := FloatsCodec(payload); tt.codec != 0 && c != tt.codec {
				t.Errorf("codec %s (%d bytes), want %s", c, len(payload), tt.codec)
			}
			if len(payload) > 8*len(tt.v)+14 {
				t.Errorf("%d bytes for %d values", len(payload), len(tt.v))
			}
			for k := range tt.v {
				roundTrip(t, tt.v[:k])
			}
		})
	}
}

// TestCodecsOnAnything forces each codec on columns that the choice would not give it.
func TestCodecsOnAnything(t *testing.T) {
	r := noise(2)
	for _, n := range []int{2, 3, 8, 9, 64, 120, 300} {
		for name, v := range map[string][]float64{
			"any":     fill(n, func(int) float64 { return anyFloat(r) }),
			"odd":     fill(n, func(i int) float64 { return odd[r.Intn(len(odd))] }),
			"walk":    fill(n, func(i int) float64 { return 1000 + float64(r.Intn(100)) }),
			"ramp":    fill(n, func(i int) float64 { return float64(i*i) + float64(r.Intn(3)) }),
			"repeats": fill(n, func(i int) float64 { return anyFloat(noise(int64(i / 3))) }),
			"spikes":  fill(n, func(i int) float64 { return float64(i % 10 / 9 * r.Intn(1<<40)) }),
		} {
			t.Run(fmt.Sprintf("%s/%d", name, n), func(t *testing.T) {
				for _, x := range candidates(v) {
					checkFloats(t, v, x.append(nil))
					var s runs
					s.find(v)
					if len(s.values) > 1 {
						for _, u := range candidates(s.values) {
							checkFloats(t, v, s.append(nil, u))
						}
					}
				}
			})
		}
	}
}

// candidates gives v in every layout that can hold it, with and without the orders that have a slope.
func candidates(v []float64) (out []*column) {
	n := len(v)
	column := func(c Codec) *column {
		return &column{codec: c, values: v, x: make([]int64, n), y: make([]int64, n)}
	}
	out = append(out, column(XOR))
	for _, slopes := range []bool{false, true} {
		b := column(Bits)
		for i, f := range v {
			b.x[i] = ordered(f)
		}
		b.block.plan(b.x, b.y, make([]int64, n), slopes)
		out = append(out, b)

		d := column(Integer)
		if whole := convert(d.x, v, 0, divided); whole == n || d.decimals(v, whole) {
			d.block.plan(d.x, d.y, make([]int64, n), slopes)
			out = append(out, d)
		}
	}
	return out
}

// TestLengths runs every length up to 600, and the greatest, through columns of several kinds.
func TestLengths(t *testing.T) {
	for _, p := range patterns {
		v := p.series(1, 65535)[0]
		for n := 0; n <= 600; n++ {
			roundTrip(t, v[n:2*n])
		}
		roundTrip(t, v[:5000])
		roundTrip(t, v)
	}
}

// TestWidths runs every width of slots through both orders.
func TestWidths(t *testing.T) {
	r := noise(3)
	for w := range 64 {
		for _, n := range []int{9, 65, 120} {
			x := fill(n, func(int) float64 { return math.Float64frombits(r.Uint64() >> (63 - w) & (1<<62 - 1)) })
			roundTrip(t, x)
			sum := uint64(0)
			roundTrip(t, fill(n, func(int) float64 {
				sum += r.Uint64() >> (63 - w) >> 8
				return math.Float64frombits(sum & (1<<62 - 1))
			}))
			whole := fill(n, func(int) float64 { return float64(int64(r.Uint64() >> (63 - w) >> 10)) })
			roundTrip(t, whole)
		}
	}
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

// TestAppends checks that AppendFloats keeps what is in dst and leaves alone what is behind its result.
func TestAppends(t *testing.T) {
	for _, p := range patterns {
		v := p.series(1, 120)[0]
		want := AppendFloats(nil, v)
		buf := make([]byte, 2000)
		for i := range buf {
			buf[i] = 0xa5
		}
		got := AppendFloats(buf[:10], v)
		if string(got[10:]) != string(want) {
			t.Errorf("%s: appended %x, want %x", p.name, got[10:], want)
		}
		for i, b := range buf {
			if (i < 10 || i >= len(got)) && b != 0xa5 {
				t.Errorf("%s: byte %d of dst changed, the result ends at %d", p.name, i, len(got))
			}
		}
	}
}

func TestAllocations(t *testing.T) {
	for _, p := range patterns {
		v := p.series(1, 120)[0]
		buf := make([]byte, 0, 4096)
		dst := make([]float64, 120)
		if n := testing.AllocsPerRun(100, func() { buf = AppendFloats(buf[:0], v) }); n >= 1 && !raceEnabled { // the race detector empties pools
			t.Errorf("%s: AppendFloats allocates %v times", p.name, n)
		}
		if n := testing.AllocsPerRun(100, func() { _ = DecodeFloats(dst, buf) }); n > 0 {
			t.Errorf("%s: DecodeFloats allocates %v times", p.name, n)
		}
	}
}

func TestFloatsCodec(t *testing.T) {
	if c := FloatsCodec(nil); c != 0 {
		t.Errorf("codec of nothing is %s", c)
	}
	if s := Codec(9).String(); s != "codec-9" {
		t.Errorf("unknown codec prints as %q", s)
	}
	for c, want := range map[Codec]string{
		Constant: "constant", Integer: "integer", Decimal: "decimal", Bits: "bits", XOR: "xor", Runs: "runs",
		Int64: "int64", States: "states", Strings: "strings", PointTags: "point-tags",
	} {
		if c.String() != want {
			t.Errorf("codec %d prints as %q, want %q", uint8(c), c.String(), want)
		}
	}
}
