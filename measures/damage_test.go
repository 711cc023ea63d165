package measures

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"granary/measures/segment"
	"granary/metricdef"
	"granary/policy"
)

// damageChunks changes a byte in each of some chunks of a segment file: those that which picks.
func damageChunks(tb testing.TB, path string, which func(e segment.Entry) bool) int {
	tb.Helper()
	f, err := segment.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	n := 0
	err = f.Entries(func(e segment.Entry) error {
		if which(e) {
			b[e.Off+8] ^= 0x55 // behind the length and the checksum of the payload
			n++
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	if err := f.Close(); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		tb.Fatal(err)
	}
	return n
}

// TestDamagedChunk damages chunks inside a segment file, which the start does not read. They are left out when they are
// read, whatever reads them first, all else stays readable, and the file ends in quarantine without holding up snapshots.
func TestDamagedChunk(t *testing.T) {
	for _, c := range []struct {
		name  string
		which func(refs []metricdef.Ref, e segment.Entry) bool
		first string // what comes upon the damage
	}{
		{"one chunk, read", func(refs []metricdef.Ref, e segment.Entry) bool {
			return metricdef.Ref(e.Ref) == refs[1] && e.Start == testEpoch
		}, "read"},
		{"one chunk, grid", func(refs []metricdef.Ref, e segment.Entry) bool {
			return metricdef.Ref(e.Ref) == refs[1] && e.Start == testEpoch
		}, "grid"},
		{"all chunks of a series", func(refs []metricdef.Ref, e segment.Entry) bool { return metricdef.Ref(e.Ref) == refs[0] }, "read"},
		{"all chunks", func([]metricdef.Ref, segment.Entry) bool { return true }, "grid"},
		{"all chunks, merged", func([]metricdef.Ref, segment.Entry) bool { return true }, "merge"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			clock := &clock{testEpoch}
			s := openTest(t, testOptions(dir, clock))
			num := setup(t, s, policy.Forever)
			const slots = 2*headSlots + 20
			var refs []metricdef.Ref
			for i := range slots {
				refs = write(t, s, num, "m10", []int{0, 1, 2}, testEpoch+int64(i)*10*second, float64(i))
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			files, err := filepath.Glob(filepath.Join(dir, "segments", "*.seg"))
			if err != nil || len(files) != 1 {
				t.Fatal(files, err)
			}
			lost := make(map[metricdef.Ref]int)
			damaged := damageChunks(t, files[0], func(e segment.Entry) bool {
				is := c.which(refs, e)
				if is {
					lost[metricdef.Ref(e.Ref)] += int(e.Span)
				}
				return is
			})
			if damaged == 0 {
				t.Fatal("nothing was damaged")
			}
			s = openTest(t, testOptions(dir, clock))
			check := func(when string) {
				t.Helper()
				for _, ref := range refs {
					times, _ := all(t, s, ref)
					if len(times) != slots-lost[ref] {
						t.Errorf("%s: series %d has %d samples, want %d", when, ref, len(times), slots-lost[ref])
					}
				}
			}
			switch c.first {
			case "grid":
				dst := make([]float64, slots)
				for k, ref := range refs {
					if err := s.ReadGrid(ref, testEpoch, 10*second, dst); err != nil {
						t.Error(err)
					}
					holes := 0
					for i, v := range dst {
						if v != v {
							holes++
						} else if v != float64(i+k) { // as write makes them
							t.Fatalf("series %d, slot %d: %v", ref, i, v)
						}
					}
					if holes != lost[ref] {
						t.Errorf("series %d has %d holes, want %d", ref, holes, lost[ref])
					}
				}
			case "merge":
				s.maintenance.Lock()
				err := s.merge(s.manifest.Files)
				s.maintenance.Unlock()
				if err != nil {
					t.Fatal(err)
				}
			}
			check("at once")
			for range 2 {
				write(t, s, num, "m10", []int{0, 1, 2}, testEpoch+(slots-1)*10*second, slots-1)
				if err := s.Snapshot(); err != nil {
					t.Fatal(err)
				}
				check("after a snapshot")
			}
			aside, err := os.ReadDir(filepath.Join(dir, "quarantine"))
			if err != nil || len(aside) != 2 || aside[0].Name() != filepath.Base(files[0]) || !strings.HasSuffix(aside[1].Name(), ".reason") {
				t.Errorf("in quarantine: %v, %v", aside, err)
			}
			for range 2 {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				s = openTest(t, testOptions(dir, clock))
				check("after a start")
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}
