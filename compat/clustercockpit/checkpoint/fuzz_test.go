package checkpoint

import (
	"bytes"
	"errors"
	"math"
	"testing"
)

// check holds for every run that a reader hands over, whatever the file.
func check(t *testing.T, size int, levels []string, values []float64) {
	if len(levels) > 255 {
		t.Fatalf("%d levels", len(levels))
	}
	if len(values) > size {
		t.Fatalf("%d values out of %d bytes", len(values), size)
	}
}

func FuzzReadBin(f *testing.F) {
	file := encodeBin(1, 2, level{
		metrics:  []metric{{"m", 60, 100, []float32{1, nan}}},
		children: []child{{"socket0", level{metrics: []metric{{"n", 1, 2, []float32{3}}}}}},
	})
	f.Add(file)
	f.Add(file[:30])
	f.Fuzz(func(t *testing.T, b []byte) {
		runs := 0
		err := readBin(b, func(levels []string, _ string, _, _ int64, values []float64) error {
			runs++
			check(t, len(b), levels, values)
			return nil
		})
		if err != nil && !errors.As(err, new(errTrailing)) && runs > 0 {
			t.Fatalf("%d runs out of a snapshot that is damaged: %v", runs, err)
		}
	})
}

func FuzzReadJSON(f *testing.F) {
	f.Add([]byte(`{"from":1,"to":2,"metrics":{"m":{"frequency":60,"start":1,"data":[1,null]}},"children":{"c":{"metrics":{}}}}`))
	f.Add([]byte(`{"children":{"a":{"children":null}}} x`))
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = readJSON(b, func(levels []string, _ string, _, _ int64, values []float64) error {
			check(t, len(b), levels, values)
			return nil
		})
	})
}

func FuzzReadWAL(f *testing.F) {
	file := encodeWAL(walSample{1, "m", []string{"socket0"}, 1}, walSample{2, "m", nil, 2}, walSample{3, "n", nil, nan})
	f.Add(file)
	f.Add(file[:len(file)-3])
	f.Add(append(bytes.Clone(file[:50]), file[4:]...))
	f.Fuzz(func(t *testing.T, b []byte) {
		var used, skipped int64
		err := readWAL(bytes.NewReader(b), func(levels []string, metric string, times []int64, values []float64) error {
			check(t, len(b), levels, values)
			if len(times) != len(values) || len(values) == 0 {
				t.Fatalf("%d times, %d values", len(times), len(values))
			}
			for i := range times {
				used += int64(len(frame(encodePayload(walSample{times[i], metric, levels, float32(values[i])}))))
			}
			return nil
		}, func(offset, n int64, err error) {
			if err == nil || offset < 0 || n <= 0 || offset+n > int64(len(b)) {
				t.Fatalf("damage at %d, %d bytes of %d: %v", offset, n, len(b), err)
			}
			skipped += n
		})
		if err != nil {
			t.Fatal(err)
		}
		// Every byte behind the header is either in a sample or in damage that is named; only the tail of the list of
		// damages is cut.
		if total := used + skipped; total > int64(len(b)) || skipped == 0 && len(b) > 4 && total != int64(len(b))-4 {
			t.Fatalf("%d bytes used, %d skipped, of %d", used, skipped, len(b))
		}
	})
}

// FuzzWALRoundTrip: what is written as float32 comes back with equal bits.
func FuzzWALRoundTrip(f *testing.F) {
	f.Add(int64(1), "m", "socket0", uint32(0x3f800000))
	f.Fuzz(func(t *testing.T, at int64, metric, lvl string, bits uint32) {
		if len(metric) > math.MaxUint16 || len(lvl) > 255 || at < minTime || at > maxTime {
			return
		}
		v := math.Float32frombits(bits)
		got := 0
		err := readWAL(bytes.NewReader(encodeWAL(walSample{at, metric, []string{lvl}, v})), func(levels []string, m string, times []int64, values []float64) error {
			got++
			if m != metric || len(levels) != 1 || levels[0] != lvl || times[0] != at || math.Float64bits(values[0]) != math.Float64bits(float64(v)) {
				t.Fatalf("%q %q %d %x", m, levels, times, values)
			}
			return nil
		}, func(_, _ int64, err error) { t.Fatal(err) })
		if err != nil || got != 1 {
			t.Fatalf("%d runs, %v", got, err)
		}
	})
}
