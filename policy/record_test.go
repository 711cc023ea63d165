package policy

import (
	"bytes"
	"encoding/hex"
	"os"
	"strings"
	"testing"
	"time"
)

func sample(t testing.TB) *Set {
	return mustSet(t, Content{
		Policies: []Policy{
			{Name: "a", Raw: Retention{Length: time.Hour, Clock: NewestClock}, Grid: 10 * time.Second, Duplicates: RefuseDifferent, Across: Sum},
			{Name: "b", Raw: Retention{Length: Forever, Clock: WriteClock}},
		},
		Rules: []Rule{
			{Name: "cpu", Pattern: "cpu", Dialects: []string{ClusterCockpit, "native"}, Policy: "a"},
			{Name: "all", Pattern: "*", Glob: true, Policy: "b"},
		},
		Open: true,
	}).WithRevision(7)
}

func TestRecordRoundTrip(t *testing.T) {
	s := sample(t)
	rec := AppendRecord([]byte("before"), s)[len("before"):]
	got, err := ParseRecord(rec)
	if err != nil {
		t.Fatal(err)
	}
	if got.Revision() != 7 || !Equal(got, s) {
		t.Errorf("got revision %d, %+v", got.Revision(), got)
	}
	if p, ok := got.Resolve("native", "cpu"); !ok || p.Name != "a" {
		t.Errorf("the parsed set resolves cpu to %+v, %v", p, ok)
	}
	for n := range rec {
		if _, err := ParseRecord(rec[:n]); err == nil {
			t.Errorf("the first %d of %d bytes are accepted", n, len(rec))
		}
	}
	if _, err := ParseRecord(append(rec, 0)); err == nil {
		t.Error("a byte behind the record is accepted")
	}
	if _, err := ParseRecord([]byte{3}); err == nil || !strings.Contains(err.Error(), "version 3") {
		t.Errorf("a newer version: %v", err)
	}
}

// TestStoredRecords reads records as journals hold them from before the policy "cc-default" was: they mean what they
// meant, and a new set follows them.
func TestStoredRecords(t *testing.T) {
	raw := Retention{Length: 48 * time.Hour}
	old := Policy{Name: DefaultName, Raw: raw, Grid: time.Minute, Across: Mean}
	for _, c := range []struct {
		record   string
		revision uint64
		metrics  []ClusterCockpitMetric
		open     bool
	}{
		{"010300030a63632d3130732d73756d8080f0a9a4ca4e0080c8afa02500010b63632d3630732d6e6f6e658080f0a9a4ca4e0080b09dc2df010000" +
			"0764656661756c748080f0a9a4ca4e0080b09dc2df0100020200086370755f6c6f616401010e636c7573746572636f636b70697400066e65745f" +
			"627700010e636c7573746572636f636b706974", 3, []ClusterCockpitMetric{{"cpu_load", time.Minute, NoMethod}, {"net_bw", 10 * time.Second, Sum}}, false},
		{"010101010764656661756c748080f0a9a4ca4e0080b09dc2df01000200", 1, nil, true},
	} {
		rec, err := hex.DecodeString(c.record)
		if err != nil {
			t.Fatal(err)
		}
		r := NewRegistry(Options{})
		if err := r.Apply(rec); err != nil {
			t.Fatal(err)
		}
		s := r.Current()
		if s.Revision() != c.revision || s.Open() != c.open || !s.Default().Equal(old) || !bytes.Equal(AppendRecord(nil, s), rec) {
			t.Errorf("revision %d, open %v, default %+v", s.Revision(), s.Open(), s.Default())
		}
		if p, ok := s.Resolve(ClusterCockpit, "other"); !p.Equal(old) || ok != c.open {
			t.Errorf("a metric without a rule: %+v, %v", p, ok)
		}
		next, err := FromClusterCockpit(c.metrics, raw, c.open)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range c.metrics {
			was, _ := s.Resolve(ClusterCockpit, m.Name)
			if is, ok := next.Resolve(ClusterCockpit, m.Name); !is.Equal(was) || !ok {
				t.Errorf("%s was %+v and is %+v", m.Name, was, is)
			}
		}
		if n := due(t, r, next); n == nil {
			t.Error("the new set does not follow")
		} else if err := r.Apply(n); err != nil || due(t, r, next) != nil || r.Current().Revision() != c.revision+1 {
			t.Errorf("the new set: %v, revision %d", err, r.Current().Revision())
		}
	}
}

// tiered is a set with tiers, so that its record is of version 2.
func tiered(t testing.TB) *Set {
	return mustSet(t, Content{
		Policies: []Policy{
			{Name: "medium", Raw: Retention{Length: WindowOnly, Clock: NewestClock}, Duplicates: SmallestThenLater, BackWindow: 3,
				Tiers: []Tier{{time.Hour, 0}, {500 * time.Millisecond, 10080}}, Methods: []Method{Percentile(99.9).Rate(), Mean, Percentile(95)}},
			{Name: "raw", Raw: Retention{Length: time.Hour}},
		},
		Rules: []Rule{{Name: "cpu", Pattern: "cpu", Policy: "medium"}},
	}).WithRevision(9)
}

// TestTierRecord holds the bytes of version 2, and that no set without tiers gets it.
func TestTierRecord(t *testing.T) {
	s := tiered(t)
	rec := AppendRecord(nil, s)
	want, err := os.ReadFile("testdata/set-v2.hex")
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(rec); got != strings.TrimSpace(string(want)) {
		t.Errorf("the record is %s", got)
	}
	back, err := ParseRecord(rec)
	if err != nil || !Equal(back, s) || back.Revision() != 9 {
		t.Fatalf("%v: %+v", err, back)
	}
	p, _ := back.ByName("medium")
	if p.Tiers[0].Granularity != 500*time.Millisecond || p.Methods[0] != Mean || p.Raw.Length != WindowOnly || p.BackWindow != 3 {
		t.Errorf("%+v", p)
	}
	for n := range rec {
		if _, err := ParseRecord(rec[:n]); err == nil {
			t.Errorf("the first %d of %d bytes are accepted", n, len(rec))
		}
	}
	if rec := AppendRecord(nil, sample(t)); rec[0] != recordPlain {
		t.Errorf("a set without tiers has version %d", rec[0])
	}
}

func TestEqual(t *testing.T) {
	s := sample(t)
	if !Equal(s, s.WithRevision(9)) || Equal(s, nil) || !Equal(nil, nil) {
		t.Error("equal sets differ")
	}
	for _, c := range []Content{
		{Policies: s.Policies(), Rules: s.Rules()},
		{Policies: s.Policies(), Rules: s.Rules()[:1], Open: true},
		{Policies: append(s.Policies(), Policy{Name: "c", Raw: Retention{Length: 1}}), Rules: s.Rules(), Open: true},
	} {
		if Equal(s, mustSet(t, c)) {
			t.Errorf("sets are equal: %+v", c)
		}
	}
}

type puts map[string][]byte

func (p puts) Put(bucket string, key, value []byte) { p[bucket+"/"+string(key)] = value }

// due is the record of a set, nil if it changes nothing.
func due(t testing.TB, r *Registry, s *Set) []byte {
	t.Helper()
	rec, err := r.Next(s)
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

func TestRegistry(t *testing.T) {
	sink := puts{}
	r := NewRegistry(Options{Sink: sink})
	if c := r.Current(); c.Revision() != 0 || !c.Open() {
		t.Fatalf("a new registry holds %+v", c)
	}
	empty := mustSet(t, Content{Open: true})
	first := due(t, r, empty)
	if first == nil {
		t.Fatal("the first set is not due")
	}
	if err := r.Apply(first); err != nil || r.Current().Revision() != 1 {
		t.Fatalf("%v, revision %d", err, r.Current().Revision())
	}
	if n := due(t, r, empty); n != nil {
		t.Error("an unchanged set is due again")
	}
	rec := due(t, r, sample(t))
	if due(t, r, sample(t)) != nil {
		t.Error("a set that is sequenced already is due again")
	}
	if r.Current().Revision() != 1 {
		t.Error("a set that is only sequenced is in force")
	}
	if err := r.Apply(rec); err != nil || !Equal(r.Current(), sample(t)) || r.Current().Revision() != 2 {
		t.Fatalf("after the second: %v, %+v", err, r.Current())
	}
	if !bytes.Equal(sink["policies/current"], rec) {
		t.Error("the sink did not get the record")
	}
	// What the journal did not take is due again, under the same number.
	third := due(t, r, empty)
	r.Withdraw()
	if again := due(t, r, empty); third == nil || !bytes.Equal(third, again) {
		t.Error("a withdrawn set is not due again")
	}
	r.Withdraw()
	// Records that are held already change nothing.
	if err := r.Apply(first); err != nil || r.Current().Revision() != 2 {
		t.Errorf("an older record was applied: %v, revision %d", err, r.Current().Revision())
	}
	if err := r.Apply([]byte{1, 2}); err == nil {
		t.Error("a damaged record was applied")
	}
	other := NewRegistry(Options{})
	if err := other.Restore([]byte("current"), rec); err != nil || other.Current().Revision() != 2 {
		t.Errorf("Restore: %v, revision %d", err, other.Current().Revision())
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add(AppendRecord(nil, sample(f)))
	f.Add(AppendRecord(nil, mustSet(f, Content{})))
	f.Add(AppendRecord(nil, tiered(f)))
	f.Add([]byte{1, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, rec []byte) {
		s, err := ParseRecord(rec)
		if err != nil {
			return
		}
		again := AppendRecord(nil, s)
		back, err := ParseRecord(again)
		if err != nil || !Equal(s, back) || s.Revision() != back.Revision() {
			t.Fatalf("%v: %x became %x", err, rec, again)
		}
		if !bytes.Equal(AppendRecord(nil, back), again) {
			t.Fatalf("the record of %x is not stable", rec)
		}
	})
}
