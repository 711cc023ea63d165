package measures

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"granary/metricdef"
	"granary/policy"
)

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
				held += textColumnBytes + int64(bytes) + int64(len(c.times))*textEntryBytes + int64(len(c.chunks))*textChunkBytes
			}
		}
		if held != sh.counts.held.texts {
			t.Errorf("shard %d: %d bytes of texts counted, %d held", i, sh.counts.held.texts, held)
		}
	}
}
