package measures

import (
	"os"
	"path/filepath"
	"testing"

	"granary/metricdef"
	"granary/policy"
)

// TestLostCatalog damages the catalog: the journal's dictionary names the series that are in use again, their old
// chunks too, and no ref is given twice.
func TestLostCatalog(t *testing.T) {
	dir := t.TempDir()
	c := &clock{testEpoch}
	s := openTest(t, testOptions(dir, c))
	num := setup(t, s, policy.Forever)
	var refs []metricdef.Ref
	for i := range 300 {
		refs = write(t, s, num, "m10", []int{0, 1}, testEpoch+int64(i)*10*second, float64(i))
		if i == 200 {
			if err := s.Snapshot(); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.crash()
	path := filepath.Join(dir, "definitions.db")
	if err := os.WriteFile(path, make([]byte, 8192), 0o600); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, testOptions(dir, c))
	again := write(t, s, num, "m10", []int{0, 1, 2}, testEpoch+300*10*second, 300)
	if again[0] != refs[0] || again[1] != refs[1] || again[2] <= refs[1] {
		t.Errorf("refs %v, before %v", again, refs)
	}
	for _, ref := range refs {
		if times, _ := all(t, s, ref); len(times) != 301 {
			t.Errorf("series %d: %d samples", ref, len(times))
		}
	}
	if list, err := os.ReadDir(filepath.Join(dir, "quarantine")); err != nil || len(list) == 0 {
		t.Errorf("quarantine: %v, %v", list, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, testOptions(dir, c))
	if times, _ := all(t, s, again[2]); len(times) != 1 {
		t.Errorf("%d samples of the new series", len(times))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
