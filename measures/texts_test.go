package measures

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"granary/measures/segment"
	"granary/metricdef"
	"granary/policy"
	"granary/tenant"
)

func textDraft(num tenant.Num, metric string, host int) Draft {
	d := draftOf(num, metric, host)
	d.Def.Type = metricdef.String
	return d
}

func allTexts(tb testing.TB, s *Store, ref metricdef.Ref) ([]int64, []string) {
	tb.Helper()
	var r TextReader
	if err := s.ReadText(context.Background(), &r, ref, minTime, maxTime); err != nil {
		tb.Fatal(err)
	}
	return r.Times, r.Texts
}

func allTags(tb testing.TB, s *Store, ref metricdef.Ref) map[int64]string {
	tb.Helper()
	var r TextReader
	if err := s.ReadTags(context.Background(), &r, ref, minTime, maxTime); err != nil {
		tb.Fatal(err)
	}
	m := make(map[int64]string)
	for i, t := range r.Times {
		m[t] = r.Texts[i]
	}
	return m
}

// TestTextLimits writes texts around the limit, and largest ones until they are sealed and read back from a file.
func TestTextLimits(t *testing.T) {
	dir := t.TempDir()
	o := testOptions(dir, &clock{testEpoch})
	o.MaxText = LimitMaxText
	s := openTest(t, o)
	defer func() { s.Close() }()
	num := setup(t, s, policy.Forever)
	had := s.Definitions.Len()
	var b Batch
	b.AddTextDraft(textDraft(num, "long", 1), testEpoch, strings.Repeat("x", LimitMaxText+1))
	b.AddDraft(draftOf(num, "m10", 1), testEpoch, 1)
	b.AddTags(strings.Repeat("y", LimitMaxText+1))
	commit(t, s, &b)
	if b.Refused[TextTooLong] != 2 || s.Definitions.Len() != had {
		t.Errorf("refused %v, %d definitions", b.Refused, s.Definitions.Len()-had)
	}
	b.Reset()
	b.AddDraft(draftOf(num, "m10", 1), testEpoch, 1)
	commit(t, s, &b)
	ref := b.Refs[0]
	b.Reset()
	b.Add(ref, testEpoch+10*second, 1)
	b.AddTags(strings.Repeat("y", LimitMaxText+1))
	b.AddText(ref, testEpoch+20*second, "a text in a series of floats")
	b.Add(ref, testEpoch+30*second, 3)
	commit(t, s, &b)
	if b.Refused[TextTooLong] != 1 || b.Refused[WrongKind] != 1 {
		t.Errorf("refused %v", b.Refused)
	}
	if times, _ := all(t, s, ref); len(times) != 2 {
		t.Errorf("%d samples", len(times))
	}

	want := map[int64]string{}
	for i := range int64(60) {
		b.Reset()
		text := strings.Repeat(fmt.Sprint(i, " "), LimitMaxText)[:LimitMaxText-int(i%3)]
		b.AddTextDraft(textDraft(num, "long", 1), testEpoch+i, text)
		commit(t, s, &b)
		want[testEpoch+i] = text
	}
	ref = b.Refs[0]
	for _, what := range []string{"in memory", "from a file", "after a start"} {
		times, texts := allTexts(t, s, ref)
		if len(times) != len(want) {
			t.Fatalf("%s: %d texts", what, len(times))
		}
		for i, at := range times {
			if texts[i] != want[at] {
				t.Fatalf("%s: text at %d is %.30q", what, at, texts[i])
			}
		}
		switch what {
		case "in memory":
			if err := s.Snapshot(); err != nil {
				t.Fatal(err)
			}
			s.maintenance.Lock()
			s.evictChunks(math.MaxInt64)
			s.maintenance.Unlock()
			s.room.Store(0)
		case "from a file":
			s.crash()
			s = openTest(t, o)
		}
	}
	if got := s.Stats().Kinds[metricdef.KindText]; got != 0 {
		t.Errorf("%d texts applied since a start that held them all", got)
	}
}

// TestTextsEnd sees texts and tags expire, be freed, and end with their definitions.
func TestTextsEnd(t *testing.T) {
	c := &clock{testEpoch}
	dir := t.TempDir()
	s := openTest(t, testOptions(dir, c))
	defer func() { s.Close() }()
	num := setup(t, s, 24*time.Hour)
	hour := int64(3600) * second
	var text, float metricdef.Ref
	for i := range int64(300) {
		var b Batch
		b.AddTextDraft(textDraft(num, "log", 1), testEpoch+i*hour/10, fmt.Sprint("text ", i))
		b.AddDraft(draftOf(num, "m60", 1), testEpoch+i*hour/10, 1)
		b.AddTags(fmt.Sprintf(`{"i":"%d"}`, i))
		commit(t, s, &b)
		text, float = b.Refs[0], b.Refs[1]
	}
	if err := s.Snapshot(); err != nil {
		t.Fatal(err)
	}
	c.ns = testEpoch + 24*hour + 10*hour
	times, _ := allTexts(t, s, text)
	if len(times) != 200 || times[0] != testEpoch+10*hour || len(allTags(t, s, float)) != 200 {
		t.Fatalf("%d texts from %d on, %d tags", len(times), (times[0]-testEpoch)/hour, len(allTags(t, s, float)))
	}
	if b, ok := s.Bounds(text, minTime, maxTime); !ok || b.First != testEpoch+10*hour || b.Last != testEpoch+299*hour/10 {
		t.Errorf("bounds %+v", b)
	}
	c.ns = testEpoch + 48*hour
	s.Expire(context.Background())
	if times, _ := allTexts(t, s, text); len(times) != 60 {
		t.Errorf("%d texts", len(times))
	}
	for w := range textColumns {
		for _, col := range s.shardOf(text).texts[w] {
			if len(col.chunks) != 0 || len(col.times) != 60 {
				t.Errorf("column %d: %d chunks and %d texts are left", w, len(col.chunks), len(col.times))
			}
		}
	}
	c.ns = testEpoch + 80*hour
	s.Expire(context.Background())
	if n := s.Definitions.Len(); n != 0 {
		t.Errorf("%d definitions are left", n)
	}
	for i, sh := range s.shards {
		if len(sh.texts[0])+len(sh.texts[1]) > 0 || sh.counts.held.texts != 0 {
			t.Errorf("shard %d keeps %d and %d columns, %d bytes", i, len(sh.texts[0]), len(sh.texts[1]), sh.counts.held.texts)
		}
	}
	if err := s.Snapshot(); err != nil {
		t.Fatal(err)
	}
	if n := s.Stats().SegmentFiles; n != 0 {
		t.Errorf("%d segment files are left", n)
	}
}

// TestTagsOfABatch: of several rows of one point the last one counts, with its tags or without.
func TestTagsOfABatch(t *testing.T) {
	dir := t.TempDir()
	c := &clock{testEpoch}
	s := openTest(t, testOptions(dir, c))
	defer func() { s.Close() }()
	num := setup(t, s, policy.Forever)
	ref := write(t, s, num, "m10", []int{0}, testEpoch, 0)[0]
	text := func() metricdef.Ref {
		var b Batch
		b.AddTextDraft(textDraft(num, "log", 0), testEpoch, "a")
		b.AddTags("text tags")
		commit(t, s, &b)
		return b.Refs[0]
	}()
	at := func(i int64) int64 { return testEpoch + i*10*second }
	var b Batch
	b.Add(ref, at(1), 1)
	b.AddTags("lost")
	b.Add(ref, at(1), 2)
	b.Add(ref, at(2), 1)
	b.Add(ref, at(2)+second, 2) // the same slot
	b.AddTags("kept")
	b.Add(ref, at(3), 1)
	b.AddTags("first")
	b.Add(ref, at(3), 2)
	b.AddTags("second")
	b.Add(ref, at(4), 1)
	b.AddTags("written again")
	commit(t, s, &b)
	b.Reset()
	b.Add(ref, at(4)-second, 5)
	b.AddText(text, testEpoch, "b")
	commit(t, s, &b)
	want := map[int64]string{at(2): "kept", at(3): "second"}
	for _, when := range []string{"at once", "after a crash", "after a snapshot"} {
		if got := allTags(t, s, ref); len(got) != 2 || got[at(2)] != want[at(2)] || got[at(3)] != want[at(3)] {
			t.Errorf("%s: %v", when, got)
		}
		if got := allTags(t, s, text); len(got) != 0 {
			t.Errorf("%s: the text has tags %v", when, got)
		}
		if _, texts := allTexts(t, s, text); !slices.Equal(texts, []string{"b"}) {
			t.Errorf("%s: %q", when, texts)
		}
		if when == "at once" {
			s.crash()
		} else if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = openTest(t, testOptions(dir, c))
	}
}

// TestDamagedTextChunk turns a byte of a file: the chunk is left out and everything else stays.
func TestDamagedTextChunk(t *testing.T) {
	dir := t.TempDir()
	c := &clock{testEpoch}
	s := openTest(t, testOptions(dir, c))
	num := setup(t, s, policy.Forever)
	var ref metricdef.Ref
	for i := range int64(4 * headSlots) {
		var b Batch
		b.AddTextDraft(textDraft(num, "log", 0), testEpoch+i, fmt.Sprint("text ", i))
		commit(t, s, &b)
		ref = b.Refs[0]
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "segments", "*.seg"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	f, err := segment.Open(files[0])
	if err != nil {
		t.Fatal(err)
	}
	var second segment.Entry
	if err := f.Entries(func(e segment.Entry) error {
		if e.Start == testEpoch+headSlots {
			second = e
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	f.Close()
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	b[second.Off+20] ^= 1
	if err := os.WriteFile(files[0], b, 0o644); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, testOptions(dir, c))
	defer func() { s.Close() }()
	for _, when := range []string{"at first", "again", "after a snapshot"} {
		if times, _ := allTexts(t, s, ref); len(times) != 3*headSlots {
			t.Errorf("%s: %d texts", when, len(times))
		}
		if when == "again" {
			if err := s.Snapshot(); err != nil {
				t.Fatal(err)
			}
			s.crash()
			s = openTest(t, testOptions(dir, c))
		}
	}
	if list, _ := os.ReadDir(filepath.Join(dir, "quarantine")); len(list) == 0 {
		t.Error("nothing in quarantine")
	}
}

// TestTextsUnderCap: texts and tags beyond the memory cap go to files and stay readable; only where no file can be written
// are the oldest given up, and counted.
func TestTextsUnderCap(t *testing.T) {
	o := testOptions(t.TempDir(), &clock{testEpoch})
	s := openTest(t, o)
	defer func() { s.Close() }()
	num := setup(t, s, policy.Forever)
	rnd := rand.New(rand.NewPCG(5, 5))
	const hosts, rounds = 4, 40
	write := func(from int) (refs []metricdef.Ref) {
		for i := range 30 {
			var b Batch
			for h := range hosts {
				text := fmt.Sprintf("%x %x", rnd.Uint64(), rnd.Uint64())
				b.AddTextDraft(textDraft(num, "log", h), testEpoch+int64(from+i)*second, strings.Repeat(text, 1+rnd.IntN(30)))
				b.AddTags(text)
			}
			commit(t, s, &b)
			refs = b.Refs
		}
		return refs
	}
	refs := write(0)
	s.o.MemoryCap = s.Memory().Total() + 300<<10
	for i := range rounds - 1 {
		write((i + 1) * 30)
		s.EnforceCap()
		if over := s.Memory().Total() - s.o.MemoryCap; over > 0 {
			t.Errorf("round %d: %d bytes over the cap: %+v", i, over, s.Memory())
		}
	}
	if st := s.Stats(); st.Dropped != 0 || st.Snapshots == 0 {
		t.Errorf("%d samples dropped, %d snapshots", st.Dropped, st.Snapshots)
	}
	for _, ref := range refs {
		if times, _ := allTexts(t, s, ref); len(times) != rounds*30 || len(allTags(t, s, ref)) != rounds*30 {
			t.Errorf("series %d: %d texts, %d tags", ref, len(times), len(allTags(t, s, ref)))
		}
	}

	s.maintenance.Lock()
	defer s.maintenance.Unlock()
	for i := range 4 {
		write((rounds + i) * 30)
	}
	dropped := s.dropOldest(math.MaxInt64)
	left := 0
	for _, ref := range refs {
		times, _ := allTexts(t, s, ref)
		left += len(times)
	}
	if dropped == 0 || int(dropped)+left != hosts*(rounds+4)*30 {
		t.Errorf("%d dropped, %d left", dropped, left)
	}
}
