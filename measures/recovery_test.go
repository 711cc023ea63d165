package measures

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"granary/measures/chunk"
	"granary/measures/journal"
	"granary/measures/segment"
	"granary/metricdef"
	"granary/policy"
)

// history is a store with a past: sealed chunks in several files, late samples, open heads and a journal behind the last
// snapshot.
type history struct {
	dir   string
	o     Options
	s     *Store
	refs  []metricdef.Ref
	model []map[int64]float64
	slot  int64
}

func newHistory(tb testing.TB) *history {
	tb.Helper()
	h := &history{dir: tb.TempDir()}
	h.o = testOptions(h.dir, &clock{testEpoch})
	h.s = openTest(tb, h.o)
	num := setup(tb, h.s, policy.Forever)
	h.refs = write(tb, h.s, num, "m10", []int{0, 1, 2}, testEpoch, 0)
	h.model = make([]map[int64]float64, len(h.refs))
	for i := range h.model {
		h.model[i] = map[int64]float64{testEpoch: float64(i)}
	}
	return h
}

// put writes n slots to every series, with a late sample every so often.
func (h *history) put(tb testing.TB, n int, late bool) {
	tb.Helper()
	var b Batch
	add := func(i int, slot int64, v float64) {
		b.Add(h.refs[i], testEpoch+slot*10*second, v)
		h.model[i][testEpoch+slot*10*second] = v
	}
	for range n {
		h.slot++
		for i := range h.refs {
			add(i, h.slot, float64(h.slot)+float64(i)/100)
			if late && h.slot%3 == 0 && h.slot > 200 {
				add(i, h.slot-200, -float64(h.slot))
			}
		}
	}
	if err := h.s.Commit(context.Background(), &b); err != nil {
		tb.Fatal(err)
	}
}

// one writes one slot of every series.
func (h *history) one(tb testing.TB, slot int64) {
	tb.Helper()
	var b Batch
	for i, ref := range h.refs {
		b.Add(ref, testEpoch+slot*10*second, 7)
		h.model[i][testEpoch+slot*10*second] = 7
	}
	if err := h.s.Commit(context.Background(), &b); err != nil {
		tb.Fatal(err)
	}
}

func (h *history) snapshot(tb testing.TB) {
	tb.Helper()
	if err := h.s.Snapshot(); err != nil {
		tb.Fatal(err)
	}
}

func (h *history) reopen(tb testing.TB) {
	tb.Helper()
	h.s.crash()
	h.s = openTest(tb, h.o)
}

// check compares the store with the model; lost tells which samples may be missing.
func (h *history) check(tb testing.TB, what string, lost func(slot int64) bool) {
	tb.Helper()
	for i, ref := range h.refs {
		times, values := all(tb, h.s, ref)
		if !slices.IsSorted(times) {
			tb.Errorf("%s: series %d is out of order", what, i)
		}
		have := map[int64]float64{}
		for k, at := range times {
			have[at] = values[k]
		}
		missing, wrong := 0, 0
		for at, v := range h.model[i] {
			got, ok := have[at]
			slot := (at - testEpoch) / second / 10
			switch {
			case ok && got == v:
			case lost != nil && lost(slot):
			case !ok:
				missing++
			default:
				wrong++
			}
		}
		if missing > 0 || wrong > 0 || len(have) > len(h.model[i]) || len(times) != len(have) {
			tb.Errorf("%s: series %d: %d samples are missing, %d are wrong; %d times, %d in the model", what, i, missing, wrong, len(times), len(h.model[i]))
		}
		b, ok := h.s.Bounds(ref, minTime, maxTime)
		if len(times) == 0 {
			continue
		}
		if !ok || b.First != times[0] || b.Last != times[len(times)-1] || b.Step != 10*second {
			tb.Errorf("%s: series %d: bounds %+v, samples from %d to %d", what, i, b, times[0], times[len(times)-1])
			continue
		}
		var r Reader
		for from := testEpoch; from <= b.Last; from += 370 * second {
			to := from + 500*second
			if err := h.s.Read(context.Background(), &r, ref, from, to); err != nil {
				tb.Error(err)
			}
			lo, _ := slices.BinarySearch(times, from)
			hi, _ := slices.BinarySearch(times, to)
			if !slices.Equal(r.Times, times[lo:hi]) || !slices.Equal(r.Values, values[lo:hi]) {
				tb.Errorf("%s: series %d: %d samples in slots %d to %d, %d in all of it", what, i, len(r.Times), (from-testEpoch)/second/10, (to-testEpoch)/second/10, hi-lo)
			}
			part := make([]float64, 50)
			if err := h.s.ReadGrid(ref, from, b.Step, part); err != nil {
				tb.Error(err)
			}
			for k, v := range part {
				if got, ok := have[from+int64(k)*b.Step]; ok != (v == v) || ok && got != v {
					tb.Errorf("%s: series %d: slot %d of a part is %g, sample is %g %v", what, i, k, v, got, ok)
					break
				}
			}
		}
		dst := make([]float64, (b.Last-b.First)/b.Step+1)
		if err := h.s.ReadGrid(ref, b.First, b.Step, dst); err != nil {
			tb.Error(err)
		}
		for k, v := range dst {
			if got, ok := have[b.First+int64(k)*b.Step]; ok != (v == v) || ok && got != v {
				tb.Errorf("%s: series %d: slot %d is %g, sample is %g %v", what, i, k, v, got, ok)
				break
			}
		}
	}
}

func (h *history) segments(tb testing.TB, prefix string) []string {
	tb.Helper()
	list, err := filepath.Glob(filepath.Join(h.dir, "segments", prefix+"*"))
	if err != nil {
		tb.Fatal(err)
	}
	return list
}

func flip(tb testing.TB, path string, at float64) {
	tb.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	b[int(float64(len(b)-1)*at)] ^= 0x55
	if err := os.WriteFile(path, b, 0o600); err != nil {
		tb.Fatal(err)
	}
}

func (h *history) quarantined(tb testing.TB) []string {
	tb.Helper()
	list, err := os.ReadDir(filepath.Join(h.dir, "quarantine"))
	if err != nil {
		tb.Fatal(err)
	}
	var names []string
	for _, f := range list {
		if !strings.HasSuffix(f.Name(), ".reason") {
			names = append(names, f.Name())
		}
	}
	return names
}

// TestDamagedState loses the state file: open heads go with it as far as the journal no longer has them, all else stays, and
// what comes later is stored and found, early and late.
func TestDamagedState(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		journal string // what it still has
		size    int64
		tail    int
		lost    func(slot int64) bool
	}{
		{"everything", 0, 20, nil},
		// Late samples of before, which no chunk held yet, were in the state only.
		{"what came since the snapshot before", 0, 20, func(slot int64) bool { return slot <= 103 }},
		{"what came since the snapshot", 1, 20, func(slot int64) bool { return slot <= 360 || slot >= 480 && slot < 552 }},
		{"nothing", 1, 0, func(slot int64) bool { return slot <= 360 || slot >= 480 && slot < 552 }},
	} {
		for _, at := range []float64{0.1, 1} {
			t.Run(fmt.Sprintf("%s, %g", c.journal, at), func(t *testing.T) {
				h := newHistory(t)
				if c.size > 0 {
					h.o.JournalSegment = c.size
					h.reopen(t)
				}
				h.put(t, 300, true)
				if c.journal != "everything" {
					h.snapshot(t)
				}
				h.put(t, 1, false) // the journal segment ends here
				for range 5 {
					h.put(t, 50, true)
				}
				h.snapshot(t)
				if c.tail > 0 {
					h.put(t, c.tail, true)
				} else if _, err := h.s.EnsureTenant(context.Background(), "other"); err != nil {
					t.Fatal(err)
				} else {
					h.snapshot(t)
				}
				h.s.crash()
				flip(t, h.segments(t, "state-")[0], at)
				h.s = openTest(t, h.o)
				if got := h.quarantined(t); len(got) != 1 || !strings.HasPrefix(got[0], "state-") {
					t.Errorf("quarantine: %q", got)
				}
				h.check(t, "after the loss", c.lost)
				h.reopen(t)
				h.check(t, "after another crash", c.lost)
				h.one(t, 5) // older than all that is sealed
				h.put(t, 300, true)
				h.check(t, "after more", c.lost)
				h.snapshot(t)
				h.put(t, 10, true)
				h.check(t, "after a snapshot", c.lost)
				h.reopen(t)
				h.check(t, "after a restart", c.lost)
				h.put(t, 200, true)
				h.snapshot(t)
				h.snapshot(t)
				h.reopen(t)
				h.check(t, "after one more", c.lost)
				if err := h.s.Close(); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}

// TestLostHeads loses the state file of series that had nothing but open heads, behind a trimmed journal. Their definitions
// are there, and their next samples are stored.
func TestLostHeads(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	h.o.JournalSegment = 1
	h.reopen(t)
	h.put(t, 3, false)
	h.snapshot(t)
	if _, err := h.s.EnsureTenant(context.Background(), "other"); err != nil {
		t.Fatal(err)
	}
	h.snapshot(t)
	h.s.crash()
	flip(t, h.segments(t, "state-")[0], 0.1)
	h.s = openTest(t, h.o)
	from := testEpoch + 100*10*second
	refs := write(t, h.s, 1, "m10", []int{0, 1, 2, 3}, from, 1)
	if !slices.Equal(refs[:3], h.refs) {
		t.Errorf("refs %v, before %v", refs, h.refs)
	}
	for range 2 {
		for _, ref := range refs {
			if times, _ := all(t, h.s, ref); len(times) == 0 || times[len(times)-1] != from {
				t.Errorf("series %d: %v", ref, times)
			}
		}
		h.reopen(t)
	}
	if err := h.s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestDamagedSegment loses one segment file of several; the start goes on with the rest.
func TestDamagedSegment(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	for range 3 {
		h.put(t, 120, false)
		h.snapshot(t)
	}
	h.s.crash()
	files := h.segments(t, "0")
	if len(files) != 3 {
		t.Fatalf("files %q", files)
	}
	flip(t, files[1], 1)
	h.s = openTest(t, h.o)
	if got := h.quarantined(t); len(got) != 1 || got[0] != filepath.Base(files[1]) {
		t.Errorf("quarantine: %q", got)
	}
	lost := func(slot int64) bool { return slot >= 120 && slot < 240 }
	h.check(t, "after the loss", lost)
	h.put(t, 130, false)
	h.snapshot(t)
	h.reopen(t)
	h.check(t, "after more", lost)
	if err := h.s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestSenselessSegment gives a file whose checksums are right and whose entries are not: nothing of it stays.
func TestSenselessSegment(t *testing.T) {
	h := newHistory(t)
	h.put(t, 130, false)
	h.snapshot(t)
	h.s.crash()
	dir := filepath.Join(h.dir, "segments")
	m, err := segment.LoadManifest(dir)
	if err != nil {
		t.Fatal(err)
	}
	w, err := segment.Create(dir, m.NextFile, segment.Options{})
	if err != nil {
		t.Fatal(err)
	}
	value := chunk.AppendFloats(nil, []float64{99})
	for i, e := range []segment.Entry{
		{Ref: uint32(h.refs[0]), Start: testEpoch + 125*10*second, Step: 10 * second, Span: 1},
		{Ref: uint32(h.refs[1]), Start: testEpoch, Step: 0, Span: 1, Flags: entryOwn | entryLate},
		{Ref: uint32(h.refs[2]), Start: testEpoch + 125*10*second, Step: 0, Span: 5},
	} {
		if _, err := w.Add(e, value); err != nil {
			t.Fatal(i, err)
		}
	}
	info, err := w.Finish()
	if err != nil {
		t.Fatal(err)
	}
	m.Files = append(m.Files, segment.FileInfo{ID: info.ID, Name: info.Name, Size: info.Size, Entries: info.Entries})
	m.NextFile++
	if err := m.Save(dir); err != nil {
		t.Fatal(err)
	}
	h.s = openTest(t, h.o)
	if got := h.quarantined(t); len(got) != 1 || got[0] != info.Name {
		t.Errorf("quarantine: %q", got)
	}
	for range 2 {
		h.check(t, "without the file", nil)
		h.snapshot(t)
		h.reopen(t)
	}
	if err := h.s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestDamagedManifest loses the list of files: they are all put aside, and the journal gives back what it has.
func TestDamagedManifest(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	h.put(t, 130, false)
	h.snapshot(t)
	h.put(t, 130, false)
	h.s.crash()
	flip(t, filepath.Join(h.dir, "segments", "MANIFEST"), 0.9)
	h.s = openTest(t, h.o)
	if got := h.quarantined(t); len(got) != 3 {
		t.Errorf("quarantine: %q", got)
	}
	h.check(t, "after the loss", func(int64) bool { return false }) // the one journal segment has it all
	for range 2 {
		h.put(t, 130, true)
		h.snapshot(t)
		h.reopen(t)
		h.check(t, "after more", nil)
	}
	// The names of files are given again; a second loss puts the new ones beside the old ones.
	h.s.crash()
	flip(t, filepath.Join(h.dir, "segments", "MANIFEST"), 0.9)
	h.s = openTest(t, h.o)
	if got := h.quarantined(t); len(got) < 6 {
		t.Errorf("quarantine: %q", got)
	}
	if err := h.s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestNewerManifest refuses a format that it does not know by name and touches nothing.
func TestNewerManifest(t *testing.T) {
	h := newHistory(t)
	h.put(t, 130, false)
	if err := h.s.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(h.dir, "segments", "MANIFEST")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	newer := strings.Replace(string(b), "granary-manifest 1 ", "granary-manifest 2 ", 1)
	if err := os.WriteFile(path, []byte(newer), 0o600); err != nil {
		t.Fatal(err)
	}
	before := h.segments(t, "")
	s, err := Open(h.o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Recover(context.Background()); err == nil || !strings.Contains(err.Error(), "MANIFEST") {
		t.Errorf("error %v", err)
	}
	if ok, how := s.Ready(); ok {
		t.Errorf("ready: %s", how)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if after := h.segments(t, ""); !slices.Equal(before, after) {
		t.Errorf("files %q, before %q", after, before)
	}
	if got := h.quarantined(t); len(got) != 0 {
		t.Errorf("quarantine: %q", got)
	}
}

// TestSweep removes files that the manifest does not name.
func TestSweep(t *testing.T) {
	h := newHistory(t)
	h.put(t, 130, false)
	h.snapshot(t)
	h.s.crash()
	dir := filepath.Join(h.dir, "segments")
	stray := []string{segment.SegmentName(77), segment.StateName(78), segment.SegmentName(79) + ".tmp"}
	for _, name := range stray {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h.s = openTest(t, h.o)
	h.check(t, "after the start", nil)
	for _, name := range stray {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s is still there", name)
		}
	}
	if err := h.s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestUnknownRecord refuses a record of a kind that only a newer version writes.
func TestUnknownRecord(t *testing.T) {
	h := newHistory(t)
	seq := h.s.log.Last().Seq + 1
	var g journal.Group
	g.Begin(200, 0)
	if err := g.End(seq); err != nil {
		t.Fatal(err)
	}
	if err := h.s.log.Append(&g); err != nil {
		t.Fatal(err)
	}
	h.s.crash()
	s, err := Open(h.o)
	if err != nil {
		t.Fatal(err)
	}
	err = s.Recover(context.Background())
	if err == nil || !strings.Contains(err.Error(), "kind 200") || !strings.Contains(err.Error(), fmt.Sprint(seq)) {
		t.Errorf("error %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestDamagedRecord leaves out a record that passes its checksum and makes no sense, and goes on behind it.
func TestDamagedRecord(t *testing.T) {
	h := newHistory(t)
	h.put(t, 3, false)
	var g journal.Group
	seq := h.s.log.Last().Seq
	for _, kind := range []journal.Kind{recSamples, recDefinitions, recDictionary, recGrids, recTenants, recPolicies, recFree, recRemove} {
		seq++
		g.Begin(kind, 0)
		g.Buf = append(g.Buf, 0xff, 1, 2, 3)
		if err := g.End(seq); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.s.log.Append(&g); err != nil {
		t.Fatal(err)
	}
	h.s.seq.next = seq + 1
	h.put(t, 3, false)
	h.reopen(t)
	h.check(t, "after a start", nil)
	if err := h.s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestLostGrid loses the record that says on which grid the series lie: their policy says it too, and where their samples show another
// one, they keep their times.
func TestLostGrid(t *testing.T) {
	h := newHistory(t)
	h.put(t, 3, false)
	h.s.crash()
	path := filepath.Join(h.dir, "journal", "00000001.wal")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lost := 0
	for at := 0; at+36 < len(b); at++ {
		// measures/journal/DESIGN.md: the kind at 27, the payload at 36
		if string(b[at:at+4]) == "GNRC" && journal.Kind(b[at+27]) == recGrids {
			b[at+36] ^= 0x55
			lost++
		}
	}
	if lost != 1 {
		t.Fatalf("%d records of grids", lost)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	h.s = openTest(t, h.o)
	h.check(t, "without the grid", nil)
	for i, ref := range h.refs {
		if b, ok := h.s.Bounds(ref, minTime, maxTime); !ok || b.Step != 10*second {
			t.Errorf("series %d: %+v, %t", i, b, ok)
		}
	}
	h.put(t, 3, false)
	h.reopen(t)
	h.check(t, "after another start", nil)
	if err := h.s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestNumbersStayAbove loses the journal: the next record gets a number above every position that is stored.
func TestNumbersStayAbove(t *testing.T) {
	h := newHistory(t)
	h.put(t, 130, false)
	h.snapshot(t)
	last := h.s.log.Last().Seq
	h.s.crash()
	if err := os.RemoveAll(filepath.Join(h.dir, "journal")); err != nil {
		t.Fatal(err)
	}
	h.s = openTest(t, h.o)
	h.check(t, "without the journal", nil)
	if got := h.s.log.Last().Seq; got < last {
		t.Errorf("numbers go on behind %d, %d is stored", got, last)
	}
	h.put(t, 5, true)
	h.reopen(t)
	h.check(t, "after more", nil)
	if err := h.s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestTrim keeps every journal segment that the catalog or a shard still needs, and lets the others go.
func TestTrim(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	h.o.JournalSegment = 1
	h.reopen(t)
	count := func() int {
		list, err := os.ReadDir(filepath.Join(h.dir, "journal"))
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	for range 20 {
		h.put(t, 1, false)
	}
	if n := count(); n < 20 {
		t.Errorf("%d segments", n)
	}
	h.snapshot(t)
	h.put(t, 1, false)
	if n := count(); n > 3 {
		t.Errorf("%d segments after a snapshot", n)
	}
	for range 5 {
		h.put(t, 1, false)
	}
	// The lowest position counts: a shard that holds less keeps the journal back.
	n := count()
	h.s.maintenance.Lock()
	h.s.manifest.Positions[3] -= 2
	if err := h.s.trim(); err != nil {
		t.Error(err)
	}
	h.s.maintenance.Unlock()
	if got := count(); got != n {
		t.Errorf("%d segments, %d before", got, n)
	}
	h.reopen(t)
	h.check(t, "after a restart", nil)
	if err := h.s.Close(); err != nil {
		t.Fatal(err)
	}
}
