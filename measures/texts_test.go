package measures

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"granary/measures/chunk"
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

// kindsModel is what series of all kinds should show.
type kindsModel struct {
	ints   []map[int64]int64
	texts  []map[int64]string
	floats []map[int64]float64
	tags   []map[int64]string // of the floats
}

type kindsRefs struct{ ints, texts, floats []metricdef.Ref }

func (m *kindsModel) check(t *testing.T, s *Store, refs *kindsRefs, when string) {
	t.Helper()
	for h, ref := range refs.ints {
		times, values := all(t, s, ref)
		if len(times) != len(m.ints[h]) {
			t.Fatalf("%s: ints of %d: %d samples, want %d", when, h, len(times), len(m.ints[h]))
		}
		for i, at := range times {
			if want, ok := m.ints[h][at]; !ok || WordInt(values[i]) != want {
				t.Fatalf("%s: int of %d at %d: %#x, want %#x (%v)", when, h, at, WordInt(values[i]), want, ok)
			}
		}
	}
	for h, ref := range refs.texts {
		times, texts := allTexts(t, s, ref)
		if len(times) != len(m.texts[h]) {
			t.Fatalf("%s: texts of %d: %d samples, want %d", when, h, len(times), len(m.texts[h]))
		}
		for i, at := range times {
			if want, ok := m.texts[h][at]; !ok || texts[i] != want {
				t.Fatalf("%s: text of %d at %d: %.40q, want %.40q (%v)", when, h, at, texts[i], want, ok)
			}
			if i > 0 && times[i-1] >= at {
				t.Fatalf("%s: texts of %d out of order", when, h)
			}
		}
		if n := len(times); n > 0 {
			var r TextReader
			from, to := times[n/3], times[2*n/3]
			if err := s.ReadText(context.Background(), &r, ref, from, to); err != nil {
				t.Fatal(err)
			}
			lo, hi := n/3, 2*n/3
			if !slices.Equal(r.Times, times[lo:hi]) || !slices.Equal(r.Texts, texts[lo:hi]) {
				t.Fatalf("%s: a third of the texts of %d is %d, want %d", when, h, len(r.Times), hi-lo)
			}
			if newest, step, ok := s.Newest(ref); !ok || newest != times[n-1] || step != 0 {
				t.Fatalf("%s: newest text of %d at %d, step %d, want %d", when, h, newest, step, times[n-1])
			}
		}
	}
	for h, ref := range refs.floats {
		times, values := all(t, s, ref)
		if len(times) != len(m.floats[h]) {
			t.Fatalf("%s: floats of %d: %d samples, want %d", when, h, len(times), len(m.floats[h]))
		}
		for i, at := range times {
			if want, ok := m.floats[h][at]; !ok || values[i] != want {
				t.Fatalf("%s: float of %d at %d: %g, want %g (%v)", when, h, at, values[i], want, ok)
			}
		}
		got := allTags(t, s, ref)
		for at, want := range m.tags[h] {
			if got[at] != want {
				t.Fatalf("%s: tags of %d at %d: %.40q, want %.40q", when, h, at, got[at], want)
			}
		}
		for at, text := range got {
			if m.tags[h][at] == "" {
				t.Fatalf("%s: tags of %d at %d: %.40q, want none", when, h, at, text)
			}
		}
	}
}

// TestKindsAgainstModel drives series of all kinds and a plain model with the same random writes, through snapshots, merges,
// crashes, stops, evictions and freeing.
func TestKindsAgainstModel(t *testing.T) {
	t.Parallel()
	seeds, steps := uint64(4), 1500
	if testing.Short() || raceEnabled {
		seeds, steps = 2, 500
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { kindsAgainstModel(t, seed, steps) })
	}
}

func kindsAgainstModel(t *testing.T, seed uint64, steps int) {
	rnd := rand.New(rand.NewPCG(seed, 7))
	dir := t.TempDir()
	c := &clock{testEpoch}
	s := openTest(t, testOptions(dir, c))
	defer func() { s.Close() }()
	num := setup(t, s, policy.Forever)
	const hosts = 8
	m, refs := &kindsModel{}, &kindsRefs{}
	for h := range hosts {
		d := draftOf(num, "m10", h)
		d.Def.Kind = metricdef.KindInt
		if h%2 == 1 {
			d.Def.Dialect = "native" // no grid
		}
		var b Batch
		b.AddIntDraft(d, testEpoch, 1)
		text := textDraft(num, "log", h)
		if h%2 == 1 {
			text.Def.Name = "m10" // a policy with a grid, which texts do not follow
		}
		b.AddTextDraft(text, testEpoch+1, "begin")
		b.AddDraft(draftOf(num, "m60", h), testEpoch, 0.5)
		b.AddTags(`{"n":"0"}`)
		commit(t, s, &b)
		if b.Refused != [NumReasons]int{} {
			t.Fatal(b.Refused)
		}
		refs.ints, refs.texts, refs.floats = append(refs.ints, b.Refs[0]), append(refs.texts, b.Refs[1]), append(refs.floats, b.Refs[2])
		m.ints = append(m.ints, map[int64]int64{testEpoch: 1})
		m.texts = append(m.texts, map[int64]string{testEpoch + 1: "begin"})
		m.floats = append(m.floats, map[int64]float64{testEpoch: 0.5})
		m.tags = append(m.tags, map[int64]string{testEpoch: `{"n":"0"}`})
	}
	now := int64(0)
	for step := range steps {
		switch p := rnd.IntN(1000); {
		case p < 25:
			if err := s.Snapshot(); err != nil {
				t.Fatal(err)
			}
		case p < 31:
			s.crash()
			s = openTest(t, testOptions(dir, c))
		case p < 35:
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = openTest(t, testOptions(dir, c))
		case p < 41:
			s.maintenance.Lock()
			s.evictChunks(math.MaxInt64)
			s.maintenance.Unlock()
		case p < 45:
			s.room.Store(int64(rnd.IntN(1 << 20)))
			m.check(t, s, refs, fmt.Sprint("step ", step))
		case p < 53:
			h, from, n := rnd.IntN(hosts), now-rnd.Int64N(400), rnd.Int64N(150)
			for _, c := range []struct {
				ref   metricdef.Ref
				width int64
			}{{refs.ints[h], 10 * second}, {refs.texts[h], second}, {refs.floats[h], 60 * second}} {
				r := timeRange{testEpoch + from*c.width, testEpoch + (from+n)*c.width}
				if err := s.DeleteRange(t.Context(), []metricdef.Ref{c.ref}, r.from, r.to); err != nil {
					t.Fatal(err)
				}
				switch c.ref {
				case refs.ints[h]:
					maps.DeleteFunc(m.ints[h], func(at int64, _ int64) bool { return r.has(at) })
				case refs.texts[h]:
					maps.DeleteFunc(m.texts[h], func(at int64, _ string) bool { return r.has(at) })
				default:
					maps.DeleteFunc(m.floats[h], func(at int64, _ float64) bool { return r.has(at) })
					maps.DeleteFunc(m.tags[h], func(at int64, _ string) bool { return r.has(at) })
				}
			}
		default:
			var b Batch
			now += rnd.Int64N(3)
			for range rnd.IntN(40) {
				h := rnd.IntN(hosts)
				at := now
				switch rnd.IntN(10) {
				case 0:
					at -= rnd.Int64N(400)
				case 1:
					at -= rnd.Int64N(3)
				}
				switch rnd.IntN(3) {
				case 0:
					v := oddInts[rnd.IntN(len(oddInts))] + rnd.Int64N(3)
					at = testEpoch + at*10*second
					b.AddInt(refs.ints[h], at, v)
					m.ints[h][at] = v
				case 1:
					text := fmt.Sprint("state ", rnd.IntN(4))
					switch rnd.IntN(12) {
					case 0:
						text = ""
					case 1:
						text = strings.Repeat(string(rune('a'+rnd.IntN(26))), rnd.IntN(DefaultMaxText+1))
					case 2:
						text = fmt.Sprint(rnd.Uint64())
					}
					at = testEpoch + at*second + 1
					b.AddText(refs.texts[h], at, text)
					m.texts[h][at] = text
				case 2:
					v := float64(rnd.IntN(1000)) / 8
					at = testEpoch + at*60*second
					b.Add(refs.floats[h], at, v)
					m.floats[h][at] = v
					delete(m.tags[h], at)
					if rnd.IntN(3) > 0 {
						m.tags[h][at] = fmt.Sprintf(`{"n":"%d"}`, rnd.IntN(5))
						b.AddTags(m.tags[h][at])
					}
				}
			}
			commit(t, s, &b)
			if b.Refused != [NumReasons]int{} || len(b.Stale) > 0 {
				t.Fatal(b.Refused, b.Stale)
			}
		}
	}
	m.check(t, s, refs, "at the end")
	for i, sh := range s.shards {
		held := int64(0)
		for w := range textColumns {
			for _, c := range sh.texts[w] {
				bytes := 0
				for _, h := range c.texts {
					bytes += len(h.Value())
				}
				if bytes != c.bytes {
					t.Errorf("shard %d: a column counts %d bytes of %d", i, c.bytes, bytes)
				}
				held += int64(bytes) + int64(len(c.times))*textEntryBytes + int64(len(c.chunks))*textChunkBytes
			}
		}
		if held != sh.counts.textBytes {
			t.Errorf("shard %d: %d bytes of texts counted, %d held", i, sh.counts.textBytes, held)
		}
	}
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
		if len(sh.texts[0])+len(sh.texts[1]) > 0 || sh.counts.textBytes != 0 {
			t.Errorf("shard %d keeps %d and %d columns, %d bytes", i, len(sh.texts[0]), len(sh.texts[1]), sh.counts.textBytes)
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

func textRows() []textRow {
	return []textRow{
		{1, valueTexts, testEpoch, "a"}, {2, valueTexts, testEpoch, "b"}, {1, tagTexts, testEpoch, "a"}, {math.MaxUint32, tagTexts, minTime + 1, ""},
		{1, valueTexts, maxTime - 1, "\x00\xff"}, {3, tagTexts, -5, `{"a":"b"}`}, {3, tagTexts, -4, `{"a":"b"}`}, {3, tagTexts, -3, ""},
	}
}

func textRecord(rows []textRow) []byte {
	var w textWriter
	b := w.begin(nil)
	for _, r := range rows {
		b = w.append(b, r)
	}
	return b
}

// TestTextRecords holds the bytes of texts fast, in the journal and in the state, and reads them back whole and damaged.
func TestTextRecords(t *testing.T) {
	rec := textRecord(textRows())
	s := bareStore()
	defer s.free()
	sr, sh := s.table.grow(1), s.shardOf(1)
	sh.mu.Lock()
	for i := range int64(3) {
		sh.putText(valueTexts, 1, sr, testEpoch+i, fmt.Sprint("text ", i%2), testEpoch)
		sh.putText(tagTexts, 1, sr, testEpoch+i, "{}", testEpoch)
	}
	sh.untag(1, sr, testEpoch+1, testEpoch)
	sr2 := s.table.grow(2)
	sh.putText(tagTexts, 2, sr2, 5, "", testEpoch)
	sh.cutHead(sh.texts[tagTexts][2], 1)
	state := s.appendState(nil, 0)
	sh.mu.Unlock()
	chunkBytes := appendTextChunk(nil, valueTexts, []int64{1, 2, 3}, []string{"up", "up", "down"})
	ints := new(Batch)
	for i, v := range oddInts {
		ints.AddInt(metricdef.Ref(i+1), testEpoch, v)
	}
	ints.Add(100, testEpoch, 0.25)
	samples := appendSamples(nil, ints.Refs, ints.Times, ints.Values, ints.kinds)
	golden(t, "kinds.hex", rec, state, chunkBytes, samples)
	restored(t, state)

	got := new(Batch)
	if err := decodeSamples(samples, got); err != nil {
		t.Fatal(err)
	}
	equalBatches(t, got, ints)
	if n := len(appendSamples(nil, []metricdef.Ref{1}, []int64{testEpoch}, []float64{IntWord(1e9)}, []metricdef.Kind{metricdef.KindInt})); n > 18 {
		t.Errorf("%d bytes for a counter of 10^9", n)
	}
	var rows []textRow
	if err := decodeTexts(rec, func(r textRow) { rows = append(rows, r) }); err != nil || !slices.Equal(rows, textRows()) {
		t.Errorf("%v, %v", err, rows)
	}
	for _, b := range [][]byte{rec, samples} {
		for n := range b {
			decodeAll(t, b[:n])
			for _, x := range []byte{1, 2, 0x80, 0xff} {
				d := slices.Clone(b)
				d[n] ^= x
				decodeAll(t, d)
			}
		}
	}
	for n := range state {
		for _, x := range []byte{1, 0x80, 0xff} {
			d := slices.Clone(state)
			d[n] ^= x
			f := bareStore()
			_ = f.restoreState(0, d)
			f.free()
		}
	}
}

func FuzzTextRecord(f *testing.F) {
	f.Add(textRecord(textRows()))
	f.Add([]byte{1, 2, 0, 2, 0, 1, 'x', 2, 1, 2, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		var rows, again []textRow
		if decodeTexts(b, func(r textRow) { rows = append(rows, r) }) != nil {
			return
		}
		if err := decodeTexts(textRecord(rows), func(r textRow) { again = append(again, r) }); err != nil || !slices.Equal(rows, again) {
			t.Fatalf("%v, %d rows, want %d", err, len(again), len(rows))
		}
	})
}

func FuzzTextChunk(f *testing.F) {
	f.Add(appendTextChunk(nil, valueTexts, []int64{1, 2, 3}, []string{"up", "up", "down"}), uint16(3))
	f.Add([]byte{1, 0, byte(chunk.Int64), byte(chunk.Strings)}, uint16(0))
	f.Fuzz(func(t *testing.T, b []byte, n uint16) {
		var r TextReader
		if err := r.decode(b, valueTexts, int(n)); err != nil && len(r.Times)+len(r.Texts) > 0 {
			t.Error("an error and texts")
		}
		r.settle(minTime, maxTime)
		if !ascending(r.Times) {
			t.Error("out of order")
		}
	})
}

// BenchmarkTexts writes and reads series of texts.
func BenchmarkTexts(b *testing.B) {
	s := openTest(b, testOptions(b.TempDir(), &clock{testEpoch}))
	defer s.Close()
	num := setup(b, s, policy.Forever)
	const series = 1000
	var batch Batch
	for h := range series {
		batch.AddTextDraft(textDraft(num, "state", h), testEpoch, "RUNNING")
	}
	commit(b, s, &batch)
	refs := slices.Clone(batch.Refs)
	at := testEpoch
	b.Run("write", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			at += 10 * second
			batch.Reset()
			for i, ref := range refs {
				batch.AddText(ref, at, []string{"RUNNING", "FAILED", "PENDING"}[i%3])
			}
			commit(b, s, &batch)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/series, "ns/sample")
	})
	b.Run("read", func(b *testing.B) {
		b.ReportAllocs()
		var r TextReader
		n := 0
		for b.Loop() {
			if err := s.ReadText(context.Background(), &r, refs[n%series], minTime, maxTime); err != nil {
				b.Fatal(err)
			}
			n++
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(r.Times)), "ns/sample")
	})
}
