package chunk

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func roundTripTexts(t testing.TB, c Codec, v []string) []byte {
	t.Helper()
	payload := AppendTexts(nil, c, v)
	got := make([]string, len(v))
	if err := DecodeTexts(got, c, payload); err != nil {
		t.Fatalf("%d texts in %d bytes: %v", len(v), len(payload), err)
	}
	if !slices.Equal(got, v) {
		t.Fatalf("payload %x\ngot  %q\nwant %q", payload, got, v)
	}
	return payload
}

func texts(n int, f func(i int) string) []string {
	v := make([]string, n)
	for i := range v {
		v[i] = f(i)
	}
	return v
}

func TestTexts(t *testing.T) {
	tests := []struct {
		name       string
		v          []string
		max        int // bytes; 0: any
		dictionary bool
	}{
		{"none", nil, 1, false},
		{"one", []string{"on"}, 4, false},
		{"empty ones", make([]string, 120), 120, true},
		{"constant", texts(120, func(int) string { return "RUNNING" }), 12, true},
		{"two", texts(120, func(i int) string { return []string{"RUNNING", "FAILED"}[i/7&1] }), 40, true},
		{"all differ", texts(120, func(i int) string { return fmt.Sprint("request ", i) }), 0, false},
		{"many", texts(1000, func(i int) string { return fmt.Sprint(i % 300) }), 0, true},
		{"long", []string{strings.Repeat("x", 8192), strings.Repeat("y", 8192), strings.Repeat("x", 8192)}, 16500, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, c := range []Codec{Strings, PointTags} {
				p := roundTripTexts(t, c, tt.v)
				if got, dictionary := TextsCodec(p); got != c || dictionary != tt.dictionary {
					t.Errorf("codec %s, dictionary %v", got, dictionary)
				}
				if tt.max > 0 && len(p) > tt.max {
					t.Errorf("%d bytes, want at most %d", len(p), tt.max)
				}
			}
		})
	}
}

// TestDamagedTexts cuts and turns bytes: each gives an error or a column, never a panic.
func TestDamagedTexts(t *testing.T) {
	for name, v := range goldenTexts() {
		p := AppendTexts(nil, Strings, v)
		got := make([]string, len(v))
		for n := range p {
			if err := DecodeTexts(got, Strings, p[:n]); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrUnknown) {
				t.Errorf("%s cut to %d bytes: %v", name, n, err)
			}
		}
		if err := DecodeTexts(got, PointTags, p); !errors.Is(err, ErrUnknown) {
			t.Errorf("%s as tags: %v", name, err)
		}
		for i := range p {
			for x := 1; x < 256; x++ {
				b := slices.Clone(p)
				b[i] ^= byte(x)
				if err := DecodeTexts(got, Strings, b); err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrUnknown) {
					t.Errorf("%s with byte %d turned: %v", name, i, err)
				}
			}
		}
	}
}

// takeTexts cuts fuzzed bytes into texts: a zero ends one, so that they repeat.
func takeTexts(b []byte) []string {
	v := strings.Split(string(b), "\x00")
	return v[:min(len(v), 65535)]
}

func FuzzTexts(f *testing.F) {
	f.Add([]byte("up\x00down\x00up\x00up\x00\x00down"))
	f.Add([]byte("\x00\x00\x00\x00"))
	f.Add([]byte("a\x00b\x00c\x00d\x00e\x00f\x00g\x00h\x00i\x00a\x00b"))
	f.Fuzz(func(t *testing.T, b []byte) {
		v := takeTexts(b)
		p := roundTripTexts(t, PointTags, v)
		if len(p) > len(b)+3*len(v)+8 {
			t.Errorf("%d bytes for %d texts of %d bytes", len(p), len(v), len(b))
		}
	})
}

func FuzzTextsDamaged(f *testing.F) {
	for _, v := range goldenTexts() {
		f.Add(AppendTexts(nil, Strings, v), uint16(len(v)))
	}
	f.Fuzz(func(t *testing.T, b []byte, n uint16) {
		v := make([]string, n)
		if err := DecodeTexts(v, Strings, b); err == nil {
			roundTripTexts(t, Strings, v)
		} else if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrUnknown) {
			t.Error(err)
		}
	})
}

func BenchmarkTexts(b *testing.B) {
	for name, v := range map[string][]string{
		"states": texts(120, func(i int) string { return []string{"RUNNING", "FAILED", "PENDING"}[i*i%7%3] }),
		"differ": texts(120, func(i int) string { return fmt.Sprint("request ", i*7919) }),
	} {
		p := AppendTexts(nil, Strings, v)
		b.Run(name+"/write", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p = AppendTexts(p[:0], Strings, v)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/120, "ns/sample")
		})
		b.Run(name+"/read", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := DecodeTexts(v, Strings, p); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/120, "ns/sample")
			b.ReportMetric(float64(len(p))/120, "bytes/sample")
		})
	}
}
