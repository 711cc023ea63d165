package chunk

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"math"
	"math/bits"
	"os"
	"slices"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "rewrite testdata/payloads.txt with what the encoders make now")

const goldenFile = "testdata/payloads.txt"

// lcg is a generator whose numbers depend on nothing but this line.
type lcg uint64

func (g *lcg) next() uint64 {
	*g = *g*6364136223846793005 + 1442695040888963407
	hi, lo := bits.Mul64(uint64(*g), 0x9e3779b97f4a7c15)
	return hi ^ lo
}

// goldenFloats are columns that between them take every codec, form and field. They are made by integer arithmetic and single
// float operations, which give the same bits everywhere.
func goldenFloats() map[string][]float64 {
	g := lcg(1)
	walk := uint64(0)
	sum := int64(0)
	return map[string][]float64{
		"constant-0":    fill(20, func(int) float64 { return 0 }),
		"constant-pi":   fill(20, func(int) float64 { return math.Pi }),
		"integer-flat":  fill(20, func(int) float64 { return float64(g.next() % 100) }),
		"integer-delta": fill(40, func(int) float64 { sum += int64(g.next() % 1000); return float64(sum) }),
		"integer-factor": fill(20, func(int) float64 {
			sum += int64(g.next()%64) * 4096
			return float64(sum)
		}),
		"integer-outliers": fill(40, func(i int) float64 {
			if i%13 == 5 {
				return float64(g.next() >> 30)
			}
			return float64(g.next() % 16)
		}),
		"integer-reset": fill(64, func(i int) float64 {
			if sum += int64(g.next() % 1000); i%30 == 29 {
				sum = 0
			}
			return float64(sum)
		}),
		"integer-raws": fill(40, func(i int) float64 {
			if i%20 == 11 {
				return math.Float64frombits(0x7ff8000000000001)
			}
			return float64(g.next() % 100)
		}),
		"integer-wide":    fill(9, func(i int) float64 { return float64(int64(1)<<62) / float64(int64(1)<<(7*i)) }),
		"decimal-near":    fill(40, func(int) float64 { return float64(g.next()%10001) / 100 }),
		"decimal-far":     fill(20, func(int) float64 { return float64(1e10+g.next()%1e6) / 1000 }),
		"decimal-divided": fill(20, func(int) float64 { return float64(g.next()%1e6) / 1e13 }),
		"decimal-raws": fill(40, func(i int) float64 {
			if i%20 == 11 {
				return math.Copysign(0, -1)
			}
			return float64(g.next()%1000) / 10
		}),
		"bits-delta": fill(40, func(int) float64 {
			walk += g.next() >> 20
			return math.Float64frombits(0x4049000000000000 + walk)
		}),
		"bits-flat":   fill(20, func(int) float64 { return math.Float64frombits(0x4049000000000000 + g.next()>>14) }),
		"bits-factor": fill(20, func(int) float64 { return math.Float64frombits(0x4049000000000000 + g.next()>>40<<29) }),
		"bits-any":    fill(20, func(int) float64 { return math.Float64frombits(g.next()) }),
		"xor":         fill(40, func(int) float64 { return math.Float64frombits(g.next() >> 54 << 54) }),
		"xor-windows": fill(40, func(i int) float64 {
			return math.Float64frombits(g.next()>>54<<54 | g.next()>>60<<(i%5*8))
		}),
		"runs-bitmap":  fill(64, func(i int) float64 { return math.Float64frombits(0x4049000000000000 + uint64(i/3)*0x123456789ab) }),
		"runs-lengths": fill(300, func(i int) float64 { return math.Float64frombits(0x4049000000000000 + uint64(i/140)*0x123456789ab) }),
		"odd":          odd,
	}
}

func goldenInts() map[string][]int64 {
	g := lcg(2)
	sum := noon
	return map[string][]int64{
		"int64-regular":   ints(120, func(i int64) int64 { return noon + i*15*second }),
		"int64-jitter":    ints(60, func(i int64) int64 { return noon + i*15*second + int64(g.next()%101)*ms }),
		"int64-gap":       ints(60, func(i int64) int64 { return noon + 7*ms + i*15*second + i/40*1000*second }),
		"int64-steps":     ints(60, func(i int64) int64 { sum += (10 + int64(g.next()%5)*20) * second; return sum }),
		"int64-bends":     ints(60, func(i int64) int64 { return i*i*i*1000 + int64(g.next()%100) }),
		"int64-any":       ints(9, func(int64) int64 { return int64(g.next()) }),
		"int64-limits":    {math.MinInt64, math.MaxInt64, 0, -1, 1},
		"int64-unordered": ints(40, func(int64) int64 { return noon + int64(g.next()%86400)*second }),
	}
}

func goldenBitmaps() map[string][]uint64 {
	all := ^uint64(0)
	return map[string][]uint64{
		"bitmap-none": {0, 0},
		"bitmap-all":  {all, all},
		"bitmap-raw":  {0x123456789abcdef, 0x5555},
		"bitmap-gaps": {all << 10, all},
		"bitmap-ones": {all &^ (1 << 40), all},
	}
}

const goldenBits = 120

func goldenWords() map[string][]float64 {
	g := lcg(3)
	at := int64(1<<53 + 1)
	return map[string][]float64{
		"words-counter": words(ints(20, func(int64) int64 { at += int64(g.next() % 1000); return at })),
		"words-runs":    words(ints(40, func(i int64) int64 { return 1<<60 + i/10*i/10*7919 })),
		"words-nan":     words(signalling),
	}
}

func goldenTexts() map[string][]string {
	return map[string][]string{
		"texts-plain":      {"a", "", "line\nbreak", "\x00\xff", "ärger"},
		"texts-one":        {"always the same", "always the same", "always the same"},
		"texts-dictionary": {"up", "down", "up", "up", "degraded", "down", "up", "", "up", "down", "up"},
	}
}

// TestPayloads holds the formats fast. What the file has must decode for ever: if that fails, the format has changed and
// stored data is lost. If only what the encoders make differs from the file, their choice has changed; run the test
// with -rewrite then, and look at the difference.
func TestPayloads(t *testing.T) {
	payloads := map[string][]byte{}
	for name, v := range goldenFloats() {
		payloads[name] = AppendFloats(nil, v)
	}
	for name, v := range goldenInts() {
		payloads[name] = AppendInts(nil, v)
	}
	for name, v := range goldenWords() {
		payloads[name] = AppendIntWords(nil, v)
	}
	for name, v := range goldenTexts() {
		payloads[name] = AppendTexts(nil, Strings, v)
	}
	payloads["point-tags"] = AppendTexts(nil, PointTags, goldenTexts()["texts-dictionary"])
	for name, v := range goldenBitmaps() {
		payloads[name] = AppendBitmap(nil, v, goldenBits)
	}
	if *rewrite {
		var names []string
		for name := range payloads {
			names = append(names, name)
		}
		slices.Sort(names)
		var b bytes.Buffer
		for _, name := range names {
			fmt.Fprintf(&b, "%s %x\n", name, payloads[name])
		}
		if err := os.WriteFile(goldenFile, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}

	file, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	floats, integers, bitmaps := goldenFloats(), goldenInts(), goldenBitmaps()
	seen := map[Codec]bool{}
	lines := strings.Split(strings.TrimSpace(string(file)), "\n")
	if len(lines) != len(payloads) {
		t.Errorf("%d payloads in the file, want %d", len(lines), len(payloads))
	}
	for _, line := range lines {
		name, text, _ := strings.Cut(line, " ")
		payload, err := hex.DecodeString(text)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		t.Run(name, func(t *testing.T) {
			if floats[name] != nil {
				checkFloats(t, floats[name], payload)
				seen[FloatsCodec(payload)] = true
			} else if want := integers[name]; want != nil {
				got := make([]int64, len(want))
				if err := DecodeInts(got, payload); err != nil || !slices.Equal(got, want) {
					t.Errorf("error %v\ngot  %v\nwant %v", err, got, want)
				}
				seen[FloatsCodec(payload)] = true
			} else if want := goldenWords()[name]; want != nil {
				checkFloats(t, want, payload)
			} else if want := goldenTexts()[name]; want != nil || name == "point-tags" {
				c := Strings
				if want == nil {
					c, want = PointTags, goldenTexts()["texts-dictionary"]
				}
				got := make([]string, len(want))
				if err := DecodeTexts(got, c, payload); err != nil || !slices.Equal(got, want) {
					t.Errorf("error %v\ngot  %q\nwant %q", err, got, want)
				}
			} else if want := bitmaps[name]; want != nil {
				want = slices.Clone(want)
				want[1] &= lowBits(goldenBits - 64)
				got := make([]uint64, 2)
				if rest, err := DecodeBitmap(got, goldenBits, payload); err != nil || len(rest) > 0 || !slices.Equal(got, want) {
					t.Errorf("error %v, %d bytes left, got %x, want %x", err, len(rest), got, want)
				}
			} else {
				t.Error("no such column")
			}
			if !bytes.Equal(payload, payloads[name]) {
				t.Errorf("encoded as %x, in the file as %x", payloads[name], payload)
			}
		})
	}
	for c := Constant; c <= Int64; c++ {
		if !seen[c] {
			t.Errorf("no payload of codec %s", c)
		}
	}
}
