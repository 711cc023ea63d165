package chunk

import (
	"bytes"
	"errors"
	"slices"
	"testing"
)

func roundTripBitmap(t testing.TB, words []uint64, n int) []byte {
	t.Helper()
	payload := AppendBitmap(nil, words, n)
	behind := []byte("behind")
	got := make([]uint64, (n+63)/64+1)
	for i := range got {
		got[i] = ^uint64(0)
	}
	rest, err := DecodeBitmap(got, n, append(payload[:len(payload):len(payload)], behind...))
	if err != nil {
		t.Fatalf("%d bits %x in %x: %v", n, words, payload, err)
	}
	if !bytes.Equal(rest, behind) {
		t.Fatalf("%d bits %x in %x: %q left, want %q", n, words, payload, rest, behind)
	}
	want := append(slices.Clone(words[:(n+63)/64]), ^uint64(0))
	if n%64 != 0 {
		want[n/64] &= lowBits(uint(n % 64))
	}
	if !slices.Equal(got, want) {
		t.Fatalf("%d bits in %x: got %x, want %x", n, payload, got, want)
	}
	return payload
}

func TestBitmap(t *testing.T) {
	all := ^uint64(0)
	tests := []struct {
		name  string
		words []uint64
		n     int
		size  int
	}{
		{"no bits", nil, 0, 1},
		{"one, set", []uint64{all}, 1, 1},
		{"one, not set", []uint64{all - 1}, 1, 1},
		{"all", []uint64{all, all}, 120, 1},
		{"all of two words", []uint64{all, all}, 128, 1},
		{"none, but behind", []uint64{0, all << 56}, 120, 1},
		{"front", []uint64{all >> 14, 0}, 120, 3},
		{"back", []uint64{0, all}, 120, 3},
		{"hole", []uint64{all &^ 4, all}, 120, 4},
		{"hole across words", []uint64{all >> 5, all << 7}, 128, 4},
		{"hole at the end", []uint64{all, all >> 1}, 128, 3},
		{"hole at the front", []uint64{all - 1, all}, 128, 3},
		{"long runs", []uint64{0, 0, 0, 1, 0, 0, 0, 0}, 512, 6},
		{"every other", []uint64{0x5555555555555555, 0xaaaaaaaaaaaaaaaa}, 120, 16},
		{"five bits", []uint64{0x15}, 5, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := roundTripBitmap(t, tt.words, tt.n); len(got) != tt.size {
				t.Errorf("%d bytes (%x), want %d", len(got), got, tt.size)
			}
		})
	}
}

func TestBitmapLengths(t *testing.T) {
	r := noise(9)
	words := make([]uint64, 1024)
	for n := range 700 {
		for _, density := range []int{1, 2, 10, 100} {
			clear(words)
			for i := range n {
				if r.Intn(density) == 0 {
					words[i/64] |= 1 << (i % 64)
				}
			}
			roundTripBitmap(t, words, n)
			for i := range words {
				words[i] = ^words[i]
			}
			roundTripBitmap(t, words, n)
		}
	}
	roundTripBitmap(t, words, 65535)
}

func TestDamagedBitmap(t *testing.T) {
	tests := []struct {
		name string
		n    int
		src  []byte
	}{
		{"no bytes", 8, nil},
		{"form 5", 8, []byte{5}},
		{"raw, cut", 20, []byte{bitmapRaw, 1, 2}},
		{"raw, bits behind the end", 20, []byte{bitmapRaw, 1, 2, 0x10}},
		{"gaps, cut", 20, []byte{bitmapGaps, 1, 2}},
		{"gaps, too long", 20, []byte{bitmapGaps, 1, 20}},
		{"gaps, first run of none", 20, []byte{bitmapGaps, 0, 20}},
		{"gaps, run of none", 20, []byte{bitmapGaps, 1, 0, 19}},
		{"gaps, varint too long", 20, []byte{bitmapGaps, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := DecodeBitmap(make([]uint64, 1), tt.n, tt.src); !errors.Is(err, ErrDamaged) {
				t.Errorf("error %v", err)
			}
		})
	}
	if _, err := DecodeBitmap(make([]uint64, 1), 65, []byte{bitmapAll}); err == nil || errors.Is(err, ErrDamaged) {
		t.Errorf("bitmap longer than dst: error %v", err)
	}
	if _, err := DecodeBitmap(nil, -1, []byte{bitmapAll}); err == nil {
		t.Error("bitmap of -1 bits: no error")
	}
}
