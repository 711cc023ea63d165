package tenant

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const now = int64(1_700_000_000_123_456_789)

type puts map[string][]byte

func (p puts) Put(bucket string, key, value []byte) { p[bucket+"/"+string(key)] = value }

func TestLifeOfATenant(t *testing.T) {
	sink := puts{}
	r := NewRegistry(Options{Sink: sink})
	n := r.Reserve(&Draft{ID: "alex", Implicit: true, Settings: Settings{Limits: Limits{Series: 5}}}, now)
	if n != 1 {
		t.Fatalf("the first number is %d", n)
	}
	if got, ok := r.Resolve("alex"); !ok || got != n {
		t.Error("a writer does not see the reservation")
	}
	if _, ok := r.Lookup("alex"); ok || r.Len() != 0 || len(r.All()) != 0 {
		t.Error("a reader sees the reservation")
	}
	if again := r.Reserve(&Draft{ID: "alex"}, now+1); again != n {
		t.Errorf("reserved again as %d", again)
	}
	rec := r.AppendRecord(nil, n)
	size, num, err := r.Apply(append(rec[:len(rec):len(rec)], "next"...))
	if err != nil || size != len(rec) || num != n {
		t.Fatalf("Apply = %d, %d, %v", size, num, err)
	}
	want := Tenant{Num: 1, ID: "alex", Created: time.Unix(0, now).UTC(), Implicit: true, Settings: Settings{Limits: Limits{Series: 5}}}
	got, ok := r.Lookup("alex")
	if d := cmp.Diff(want, got); !ok || d != "" {
		t.Errorf("Lookup: %v %s", ok, d)
	}
	if got, ok := r.ByNum(1); !ok || got != want {
		t.Errorf("ByNum: %+v, %v", got, ok)
	}
	if !bytes.Equal(sink["tenants/\x00\x00\x00\x01"], rec) {
		t.Errorf("the sink holds %x", sink)
	}
	// Applying what is held, and withdrawing what is visible, changes nothing.
	if _, _, err := r.Apply(rec); err != nil || r.Len() != 1 {
		t.Errorf("applied twice: %v, %d tenants", err, r.Len())
	}
	r.Withdraw(n)
	if _, ok := r.Lookup("alex"); !ok {
		t.Error("a visible tenant was withdrawn")
	}
	other := NewRegistry(Options{})
	if err := other.Restore(rec); err != nil || !cmp.Equal(other.All(), r.All()) {
		t.Errorf("Restore: %v, %+v", err, other.All())
	}
	if err := other.Restore(append(rec, 1)); err == nil {
		t.Error("Restore takes a longer value")
	}
}

func TestWithdraw(t *testing.T) {
	r := NewRegistry(Options{})
	a := r.Reserve(&Draft{ID: "a"}, now)
	b := r.Reserve(&Draft{ID: "b"}, now)
	rec := r.AppendRecord(nil, b)
	r.Withdraw(a)
	if _, ok := r.Resolve("a"); ok || r.ID(a) != "" || len(r.AppendRecord(nil, a)) != 0 {
		t.Error("a withdrawn tenant is still there")
	}
	r.Withdraw(a)
	r.Withdraw(0)
	r.Withdraw(99)
	if _, _, err := r.Apply(rec); err != nil {
		t.Fatal(err)
	}
	if again := r.Reserve(&Draft{ID: "a"}, now); again <= b {
		t.Errorf("the number %d is given twice", again)
	}
	// Replay sees the gap that the withdrawal left.
	replay := NewRegistry(Options{})
	if _, n, err := replay.Apply(rec); err != nil || n != b || replay.ID(b) != "b" {
		t.Errorf("replay: %d, %v", n, err)
	}
	if _, ok := replay.ByNum(a); ok {
		t.Error("replay has made the withdrawn tenant")
	}
}

func TestApplyRefuses(t *testing.T) {
	rec := func(tn Tenant) []byte { return appendRecord(nil, &record{Tenant: tn}) }
	at := time.Unix(0, now)
	r := NewRegistry(Options{})
	if _, _, err := r.Apply(rec(Tenant{Num: 1, ID: "a", Created: at})); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"other number":  rec(Tenant{Num: 2, ID: "a", Created: at}),
		"other id":      rec(Tenant{Num: 1, ID: "b", Created: at}),
		"number zero":   rec(Tenant{Num: 0, ID: "c", Created: at}),
		"far number":    rec(Tenant{Num: math.MaxUint32, ID: "c", Created: at}),
		"bad id":        rec(Tenant{Num: 2, ID: "c/d", Created: at}),
		"newer version": append([]byte{3}, rec(Tenant{Num: 2, ID: "c", Created: at})[1:]...),
		"empty":         nil,
	} {
		if _, _, err := r.Apply(b); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	good := rec(Tenant{Num: 2, ID: "c", Created: at})
	for n := range good {
		if _, _, err := r.Apply(good[:n]); err == nil {
			t.Errorf("the first %d of %d bytes are accepted", n, len(good))
		}
	}
	if r.Len() != 1 || r.ID(2) != "" {
		t.Errorf("a refused record left traces: %+v", r.All())
	}
}

func TestLimits(t *testing.T) {
	r := NewRegistry(Options{Limits: Limits{Series: 100}, MaxTenants: 2, ExplicitOnly: true})
	var limit *LimitError
	if err := r.Admit(&Draft{ID: "a", Implicit: true}, 0); !errors.As(err, &limit) || limit.Setting != "granary.tenants.create" {
		t.Errorf("an implicit tenant: %v", err)
	} else if err.Error() != `tenant "a" does not exist, and a write does not make it (setting granary.tenants.create)` {
		t.Error(err)
	}
	r.Expect("x", "y")
	if err := errors.Join(r.Admit(&Draft{ID: "x", Implicit: true}, 0), r.Admit(&Draft{ID: "y", Implicit: true}, 0)); err != nil {
		t.Errorf("an expected tenant: %v", err)
	}
	if r.Expect("x"); r.Admit(&Draft{ID: "y", Implicit: true}, 0) == nil {
		t.Error("a tenant that is not expected any more")
	}
	if err := r.Admit(&Draft{ID: "a"}, 0); err != nil {
		t.Error(err)
	}
	a := r.Reserve(&Draft{ID: "a"}, now)
	b := r.Reserve(&Draft{ID: "b", Settings: Settings{Limits: Limits{Series: 7}}}, now)
	if err := r.Admit(&Draft{ID: "c"}, 0); !errors.As(err, &limit) || !strings.Contains(err.Error(), "limit of 2 tenants") {
		t.Errorf("a third tenant: %v", err)
	}
	if x, y := r.Limits(a).Series, r.Limits(b).Series; x != 100 || y != 7 {
		t.Errorf("limits are %d and %d", x, y)
	}
}

func TestConcurrentUse(t *testing.T) {
	r := NewRegistry(Options{})
	var wg sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					r.Lookup("t7")
					r.Resolve("t7")
					r.All()
				}
			}
		})
	}
	for i := range 200 {
		n := r.Reserve(&Draft{ID: ID("t" + strconv.Itoa(i))}, now)
		if i%3 == 0 {
			r.Withdraw(n)
		} else if _, _, err := r.Apply(r.AppendRecord(nil, n)); err != nil {
			t.Error(err)
		}
	}
	close(done)
	wg.Wait()
}

func FuzzApply(f *testing.F) {
	f.Add(appendRecord(nil, &record{Tenant: Tenant{Num: 1, ID: "a", Created: time.Unix(0, now), Implicit: true, Settings: Settings{Limits: Limits{Series: 9}}}}))
	f.Add(appendRecord(nil, &record{Tenant: Tenant{Num: 70000, ID: "租户", Created: time.Unix(0, 0)}}))
	f.Add([]byte{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, rec []byte) {
		r := NewRegistry(Options{})
		size, n, err := r.Apply(rec)
		if err != nil {
			return
		}
		if size <= 0 || size > len(rec) {
			t.Fatalf("a length of %d in %d bytes", size, len(rec))
		}
		back := r.AppendRecord(nil, n)
		other := NewRegistry(Options{})
		if err := other.Restore(back); err != nil || !cmp.Equal(other.All(), r.All()) {
			t.Fatalf("%v: %x became %x", err, rec, back)
		}
	})
}

// The bytes of the formats. They must stay readable for ever.
const (
	recordV1 = "011001aab4aed8c7bfce972f0105616c6578"
	recordV2 = "023a01aab4aed8c7bfce972f0304616c65780102ac020204416c65780309746865206669727374040f80c0e285e36800008080c58bc6d10109027879"
)

// recordLimits is a record of version 2 with limits, one of which this program does not know.
const recordLimits = "022901aab4aed8c7bfce972f0004616c65780102ac02051302010480808001098080f89492a5271101630a"

func TestRecordOfLimits(t *testing.T) {
	want := record{Tenant: Tenant{Num: 1, ID: "alex", Created: time.Unix(0, now).UTC(), Settings: Settings{Limits: Limits{
		Series: 300, SamplesPerSecond: NoLimit, Body: 1 << 20, Past: 24 * time.Hour, Weight: NoLimit,
	}}}, state: visible, limits: "\x63\x0a"}
	rec := appendRecord(nil, &want)
	if got := hex.EncodeToString(rec); got != recordLimits {
		t.Errorf("record %s", got)
	}
	rec, _ = hex.DecodeString(recordLimits)
	size, got, err := parseRecord(rec)
	if err != nil || size != len(rec) || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	for n := range rec {
		if _, _, err := parseRecord(rec[:n]); err == nil {
			t.Errorf("the first %d of %d bytes are accepted", n, len(rec))
		}
	}
	r := NewRegistry(Options{})
	if _, _, err := r.Apply(rec); err != nil {
		t.Fatal(err)
	}
	// What is not known survives a change of settings, and goes with the tenant.
	set := want.Settings
	set.Limits.Series = NoLimit
	if _, _, err := r.Update(r.AppendSettings(nil, 1, set)); err != nil {
		t.Fatal(err)
	}
	_, got, err = parseRecord(r.AppendRecord(nil, 1))
	if err != nil || got.Limits != set.Limits || got.limits != want.limits {
		t.Errorf("%+v, %v", got, err)
	}
	_, got, _ = parseRecord(r.AppendEnd(nil, 1, true))
	if got.Limits != (Limits{}) || got.limits != "" {
		t.Errorf("%+v", got)
	}
	for _, list := range []string{"\x02\x02\x02\x02", "\x01\x05", "\x02", "\x00\x02"} { // twice, below no limit, cut, of no number
		b := appendRecord(nil, &record{Tenant: want.Tenant, state: visible, limits: list})
		if _, _, err := parseRecord(b); err == nil {
			t.Errorf("%q is accepted", list)
		}
	}
}

func TestRecordFormats(t *testing.T) {
	v1 := Tenant{Num: 1, ID: "alex", Created: time.Unix(0, now).UTC(), Implicit: true, Settings: Settings{Limits: Limits{Series: 5}}}
	v2 := v1
	v2.Settings = Settings{Name: "Alex", Description: "the first", Limits: Limits{Series: 300},
		Retention: Retention{Gauge: time.Hour, Text: 2 * time.Hour}}
	if got := hex.EncodeToString(appendRecord(nil, &record{Tenant: v2, state: ending, more: "\x09\x02xy"})); got != recordV2 {
		t.Errorf("record %s", got)
	}
	for text, want := range map[string]Tenant{recordV1: v1, recordV2: v2} {
		rec, _ := hex.DecodeString(text)
		size, got, err := parseRecord(rec)
		if err != nil || size != len(rec) || got.Tenant != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
		for n := range rec {
			if _, _, err := parseRecord(rec[:n]); err == nil {
				t.Errorf("the first %d of %d bytes are accepted", n, len(rec))
			}
		}
		r := NewRegistry(Options{})
		if _, _, err := r.Apply(rec); err != nil {
			t.Fatal(err)
		}
		if again := r.AppendRecord(nil, 1); text == recordV2 && !bytes.Equal(again, rec) {
			t.Errorf("%x became %x", rec, again)
		}
	}
}

// TestEndOfATenant takes a tenant through its end, and replays everything over what the catalogue knows by then.
func TestEndOfATenant(t *testing.T) {
	sink := puts{}
	r := NewRegistry(Options{Sink: sink, MaxTenants: 1})
	var journal [][]byte
	keep := func(rec []byte) []byte { journal = append(journal, rec); return rec }
	n := r.Reserve(&Draft{ID: "a", Implicit: true}, now)
	if _, _, err := r.Apply(keep(r.AppendRecord(nil, n))); err != nil {
		t.Fatal(err)
	}
	set := Settings{Name: "A", Retention: Retention{Gauge: time.Hour}}
	if _, _, err := r.Update(keep(r.AppendSettings(nil, n, set))); err != nil {
		t.Fatal(err)
	}
	if got, _ := r.Lookup("a"); got.Settings != set || got.Implicit || !r.Retains() {
		t.Errorf("%+v", got)
	}
	if rec := r.AppendSettings(nil, n, set); len(rec) != 0 {
		t.Error("an update that changes nothing has a record")
	}
	for range 2 {
		if !r.Leave(n) || r.Leave(n) || !r.Gone(n) {
			t.Error("it cannot leave, or can leave twice")
		}
		if _, ok := r.Resolve("a"); ok {
			t.Error("writers see what leaves")
		}
		if _, ok := r.Lookup("a"); !ok {
			t.Error("readers do not see it although nothing is applied")
		}
		r.Return(n)
		if got, ok := r.Resolve("a"); got != n || !ok {
			t.Error("it did not return")
		}
	}
	r.Leave(n)
	if _, _, err := r.Update(keep(r.AppendEnd(nil, n, false))); err != nil {
		t.Fatal(err)
	}
	if _, ok := r.Lookup("a"); ok || r.Len() != 0 || r.State(n) != Deleting || len(r.Deleting()) != 1 || r.ID(n) != "a" || r.Retains() {
		t.Errorf("state %v", r.State(n))
	}
	if err := r.Admit(&Draft{ID: "a"}, 0); err != nil {
		t.Error(err)
	}
	next := r.Reserve(&Draft{ID: "a"}, now)
	if _, _, err := r.Apply(keep(r.AppendRecord(nil, next))); err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.Update(keep(r.AppendEnd(nil, n, true))); err != nil {
		t.Fatal(err)
	}
	check := func(r *Registry) {
		t.Helper()
		got, ok := r.Lookup("a")
		if !ok || got.Num != next || r.State(n) != Deleted || r.State(next) != Present || r.State(99) != Unknown || r.Len() != 1 || len(r.Deleting()) != 0 {
			t.Errorf("%+v, %v", got, r.State(n))
		}
	}
	check(r)
	again := NewRegistry(Options{})
	for _, v := range sink {
		if err := again.Restore(v); err != nil {
			t.Fatal(err)
		}
	}
	check(again)
	if _, _, err := again.Apply(journal[0]); err != nil {
		t.Fatal(err)
	}
	for _, rec := range journal[1:] {
		if _, _, err := again.Update(rec); err != nil {
			t.Fatal(err)
		}
	}
	check(again)
}

func TestSettings(t *testing.T) {
	for field, s := range map[string]Settings{
		"limits.line":   {Limits: Limits{Line: 1}},
		"limits.past":   {Limits: Limits{Past: time.Millisecond}},
		"name":          {Name: strings.Repeat("x", MaxName+1)},
		"description":   {Description: "\xff"},
		"retention":     {Retention: Retention{Text: -1}},
		"limits.series": {Limits: Limits{Series: -2}},
	} {
		var e *SettingsError
		if err := s.Validate(); !errors.As(err, &e) || e.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}
