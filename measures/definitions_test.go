package measures

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"granary/measures/journal"
	"granary/metricdef"
	"granary/policy"
	"granary/tenant"
)

func defDraft(num tenant.Num, name string) metricdef.Draft {
	return metricdef.Draft{
		Identity: metricdef.Identity{Tenant: num, Type: metricdef.Gauge, Name: name, Tags: []metricdef.Tag{{Name: "host", Value: "h"}}},
		Plain:    []metricdef.Tag{{Name: "rack", Value: "7"}}, Unit: "W", Dialect: "native", Explicit: true,
	}
}

// codeOf is the code of an error, "" if it has none.
func codeOf(err error) string {
	var coded interface{ Code() string }
	if errors.As(err, &coded) {
		return coded.Code()
	}
	return ""
}

func TestCreateDefinitions(t *testing.T) {
	o := testOptions(t.TempDir(), &clock{testEpoch})
	o.Limits.Series = 4
	s := openTest(t, o)
	num := setup(t, s, policy.Forever)
	byData := write(t, s, num, "m10", []int{1}, testEpoch, 1)[0]

	withPolicy := defDraft(num, "b")
	withPolicy.Policy, withPolicy.Kind = policy.DefaultName, metricdef.KindInt
	bad, noTenant, noPolicy := defDraft(num, ""), defDraft(77, "x"), defDraft(num, "x")
	noPolicy.Policy = "no such"
	otherUnit := defDraft(num, "a")
	otherUnit.Unit, otherUnit.Plain = "J", nil
	known := draftOf(num, "m10", 1).Def
	known.Unit, known.Explicit = "never mind", true
	drafts := []metricdef.Draft{defDraft(num, "a"), bad, withPolicy, otherUnit, noTenant, noPolicy, known, defDraft(num, "c"), defDraft(num, "too many")}
	results := s.CreateDefinitions(t.Context(), drafts)
	want := []string{"new", "definition-invalid", "new", "existed", "tenant-not-found", "policy-unknown", "existed", "new", "tenant-limit"}
	for i, r := range results {
		got := codeOf(r.Err)
		if r.Err == nil {
			if got = "new"; r.Existed {
				got = "existed"
			}
			if r.Ref == 0 {
				t.Errorf("draft %d has no ref", i)
			}
		}
		if got != want[i] {
			t.Errorf("draft %d: %s (%v), want %s", i, got, r.Err, want[i])
		}
	}
	if results[3].Ref != results[0].Ref || results[6].Ref != byData {
		t.Errorf("%+v", results)
	}
	check := func(what string) {
		t.Helper()
		if s.Definitions.Len() != 4 {
			t.Errorf("%s: %d definitions", what, s.Definitions.Len())
		}
		for i, explicit := range map[int]bool{0: true, 2: true, 6: true, 7: true} {
			if d, ok := s.Definitions.Get(results[i].Ref); !ok || d.Explicit != explicit || d.Name != drafts[i].Name {
				t.Errorf("%s: %+v", what, d)
			}
		}
		if d, _ := s.Definitions.Get(results[0].Ref); d.Unit != "W" || len(d.Plain) != 1 {
			t.Errorf("%s: %+v", what, d)
		}
		if d, _ := s.Definitions.Get(results[2].Ref); d.Policy != policy.DefaultName || d.Kind != metricdef.KindInt {
			t.Errorf("%s: %+v", what, d)
		}
	}
	check("at once")
	s.crash()
	s = openTest(t, o)
	check("after a crash")
	if again := s.CreateDefinitions(t.Context(), drafts[:1]); !again[0].Existed || again[0].Ref != results[0].Ref {
		t.Errorf("%+v", again)
	}
	if err := s.Snapshot(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, o)
	check("after a stop")
	// What a call made stays without samples; its first sample begins it.
	if ref := write(t, s, num, "m10", []int{1}, testEpoch+10*second, 2)[0]; ref != byData {
		t.Errorf("ref %d, before %d", ref, byData)
	}
	var b Batch
	b.Add(results[0].Ref, testEpoch+3, 5)
	if err := s.Commit(t.Context(), &b); err != nil || len(b.Stale) > 0 {
		t.Fatal(err, b.Stale)
	}
	if times, _ := all(t, s, results[0].Ref); !slices.Equal(times, []int64{testEpoch + 3}) {
		t.Errorf("%v", times)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestCreateStep: what is made under one hold of the lock is bounded by its tags too, but for a single definition.
func TestCreateStep(t *testing.T) {
	few, many := metricdef.Draft{Plain: make([]metricdef.Tag, 1)}, metricdef.Draft{Plain: make([]metricdef.Tag, 200)}
	for _, c := range []struct {
		draft   metricdef.Draft
		n, want int
	}{
		{few, 1, 1}, {few, definitionStep, definitionStep}, {few, definitionStep + 1, definitionStep}, {many, 250, 250}, {many, 251, 250}, {many, 20_000, 250},
		{metricdef.Draft{Plain: make([]metricdef.Tag, definitionTags+1)}, 2, 1}, {metricdef.Draft{}, 0, 0},
	} {
		if got := stepOf(slices.Repeat([]metricdef.Draft{c.draft}, c.n)); got != c.want {
			t.Errorf("%d of %d with %d tags each", got, c.n, len(c.draft.Plain))
		}
	}
}

// TestCreateMany makes more definitions than a record and a hold of the lock can take.
func TestCreateMany(t *testing.T) {
	n := 2*definitionStep + 17
	if testing.Short() || raceEnabled {
		n = definitionStep + 3
	}
	o := testOptions(t.TempDir(), &clock{testEpoch})
	s := openTest(t, o)
	num := setup(t, s, policy.Forever)
	drafts := make([]metricdef.Draft, n)
	for i := range drafts {
		drafts[i] = defDraft(num, fmt.Sprintf("metric-%06d", i/2))
	}
	for i, r := range s.CreateDefinitions(t.Context(), drafts) {
		if r.Err != nil || r.Existed != (i%2 == 1) {
			t.Fatalf("draft %d: %+v", i, r)
		}
	}
	s.crash()
	s = openTest(t, o)
	if s.Definitions.Len() != (n+1)/2 {
		t.Errorf("%d definitions", s.Definitions.Len())
	}
	var refs []metricdef.Ref
	for ref := range s.Definitions.All() {
		refs = append(refs, ref)
	}
	if got, err := s.DeleteDefinitions(t.Context(), refs); got != len(refs) || err != nil || s.Definitions.Len() != 0 {
		t.Errorf("%d of %d ended, %v", got, len(refs), err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestUpdateDefinition(t *testing.T) {
	c := &clock{testEpoch}
	o := testOptions(t.TempDir(), c)
	s := openTest(t, o)
	num := setup(t, s, policy.Forever)
	set, err := policy.NewSet(policy.Content{Open: true, Policies: []policy.Policy{
		{Name: "minute", Raw: policy.Retention{Length: policy.Forever}, Grid: time.Minute},
		{Name: "hour", Raw: policy.Retention{Length: time.Hour}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetPolicies(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	ref := s.CreateDefinitions(t.Context(), []metricdef.Draft{defDraft(num, "a")})[0].Ref
	put := func(at int64) {
		t.Helper()
		var b Batch
		b.Add(ref, at, 1)
		if err := s.Commit(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
	}
	put(testEpoch + 7*second)
	text := func(s string) *string { return &s }
	for _, tt := range []struct {
		u    metricdef.Update
		code string
	}{
		{metricdef.Update{Set: []metricdef.Tag{{Name: "host", Value: "i"}}}, "identity-tag"},
		{metricdef.Update{Remove: []string{"host"}, Unit: text("x")}, "identity-tag"},
		{metricdef.Update{Set: []metricdef.Tag{{Name: "", Value: "i"}}}, "definition-invalid"},
		{metricdef.Update{Policy: text("no such")}, "policy-unknown"},
		{metricdef.Update{}, ""},
	} {
		last := s.log.Last().Seq
		if err := s.UpdateDefinition(t.Context(), ref, tt.u); codeOf(err) != tt.code || (err == nil) != (tt.code == "") {
			t.Errorf("%+v: %v", tt.u, err)
		}
		if s.log.Last().Seq != last {
			t.Errorf("%+v left a record", tt.u)
		}
	}
	if err := s.UpdateDefinition(t.Context(), 99, metricdef.Update{Unit: text("x")}); codeOf(err) != "definition-not-found" {
		t.Error(err)
	}
	if err := s.UpdateDefinition(t.Context(), ref, metricdef.Update{Unit: text("J"), Policy: text("minute"), Remove: []string{"rack"},
		Set: []metricdef.Tag{{Name: "room", Value: "9"}}}); err != nil {
		t.Fatal(err)
	}
	put(testEpoch + 130*second)
	check := func(what string) {
		t.Helper()
		d, ok := s.Definitions.Get(ref)
		if !ok || d.Unit != "J" || d.Policy != "minute" || !slices.Equal(d.Plain, []metricdef.Tag{{Name: "room", Value: "9"}}) {
			t.Errorf("%s: %+v", what, d)
		}
		if times, _ := all(t, s, ref); !slices.Equal(times, []int64{testEpoch + 7*second, testEpoch + 130*second}) {
			t.Errorf("%s: times %v", what, times)
		}
		if b, ok := s.Bounds(ref, testEpoch+130*second, maxTime); !ok || b.Step != 60*second {
			t.Errorf("%s: %+v", what, b)
		}
	}
	check("at once")
	s.crash()
	s = openTest(t, o)
	check("after a crash")
	if err := s.Snapshot(); err != nil {
		t.Fatal(err)
	}
	s.crash()
	s = openTest(t, o)
	check("after a snapshot")

	if err := s.UpdateDefinition(t.Context(), ref, metricdef.Update{Policy: text("hour")}); err != nil {
		t.Fatal(err)
	}
	c.ns += int64(2 * time.Hour)
	if times, _ := all(t, s, ref); len(times) != 0 {
		t.Errorf("the retention of the new policy is not kept: %v", times)
	}
	if err := s.UpdateDefinition(t.Context(), ref, metricdef.Update{Policy: text("")}); err != nil {
		t.Fatal(err)
	}
	if times, _ := all(t, s, ref); len(times) != 2 {
		t.Errorf("back to the rules: %v", times)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestDeleteDefinitions ends series that have sealed chunks in memory and in files, late samples and heads.
func TestDeleteDefinitions(t *testing.T) {
	h := newHistory(t)
	h.put(t, 300, true)
	h.snapshot(t)
	h.put(t, 200, true)
	gone := h.refs[1]
	if n, err := h.s.DeleteDefinitions(t.Context(), []metricdef.Ref{gone, 0, 4711, gone}); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := h.s.DeleteDefinitions(t.Context(), []metricdef.Ref{gone}); n != 0 || err != nil {
		t.Error(n, err)
	}
	var b Batch
	b.Add(gone, testEpoch, 1)
	if err := h.s.Commit(t.Context(), &b); err != nil || !slices.Equal(b.Stale, []int{0}) {
		t.Error(err, b.Stale)
	}
	if err := h.s.UpdateDefinition(t.Context(), gone, metricdef.Update{Explicit: true}); codeOf(err) != "definition-not-found" {
		t.Error(err)
	}
	again := write(t, h.s, 1, "m10", []int{1}, testEpoch+50*second, 7)[0]
	if again <= gone {
		t.Errorf("ref %d is used again as %d", gone, again)
	}
	h.refs[1], h.model[1] = again, map[int64]float64{testEpoch + 50*second: 8}
	check := func(what string) {
		t.Helper()
		h.check(t, what, nil)
		if times, _ := all(t, h.s, gone); len(times) > 0 {
			t.Errorf("%s: %d samples of a series that was ended", what, len(times))
		}
		if st := h.s.Stats(); st.Series != 3 {
			t.Errorf("%s: %d definitions", what, st.Series)
		}
	}
	check("at once")
	h.reopen(t)
	check("after a crash")
	h.snapshot(t)
	h.reopen(t)
	check("after a snapshot")
	if err := h.s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestDeleteUnwritten takes back definitions while others write to them: what was acknowledged stays, with its series, and what was taken back has no
// samples.
func TestDeleteUnwritten(t *testing.T) {
	s := openTest(t, testOptions(t.TempDir(), &clock{testEpoch}))
	num := setup(t, s, policy.Forever)
	stayed := 0
	for k := range 300 {
		draft := draftOf(num, "m10", k).Def
		ref := s.CreateDefinitions(t.Context(), []metricdef.Draft{draft})[0].Ref
		written := make(chan bool)
		go func() {
			var b Batch
			b.Add(ref, testEpoch, 1)
			err := s.Commit(t.Context(), &b)
			written <- err == nil && len(b.Stale) == 0
		}()
		if k%2 == 0 {
			runtime.Gosched()
		}
		n, err := s.DeleteUnwritten(t.Context(), []metricdef.Ref{ref})
		times, _ := all(t, s, ref)
		if kept := <-written; err != nil || kept != (n == 0) {
			t.Fatalf("written: %v, taken back: %d, %v", kept, n, err)
		} else if kept {
			stayed++
			if times, _ = all(t, s, ref); len(times) != 1 {
				t.Fatalf("%d samples, want one", len(times))
			}
		} else if len(times) > 0 {
			t.Fatalf("%d samples of what was taken back", len(times))
		}
	}
	t.Log(stayed, "were written to in time")
	if n, err := s.DeleteUnwritten(t.Context(), nil); n != 0 || err != nil {
		t.Error(n, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestFailedDefinitions lets the journal refuse calls that make, change and end definitions.
func TestFailedDefinitions(t *testing.T) {
	for _, f := range failures {
		t.Run(f.name, func(t *testing.T) {
			fs, o, _ := failing(t, f.sync)
			s := openTest(t, o)
			num := setup(t, s, time.Hour)
			ref := write(t, s, num, "m10", []int{0}, testEpoch, 1)[0]
			unit := "x"
			fs.mode.Store(f.mode)
			r := s.CreateDefinitions(t.Context(), []metricdef.Draft{defDraft(num, "a"), draftOf(num, "m10", 0).Def, {}})
			wantUnavailable(t, r[0].Err)
			wantUnavailable(t, r[1].Err)
			if codeOf(r[2].Err) != "definition-invalid" || r[0].Ref != 0 {
				t.Errorf("%+v", r)
			}
			wantUnavailable(t, s.UpdateDefinition(t.Context(), ref, metricdef.Update{Unit: &unit}))
			n, err := s.DeleteDefinitions(t.Context(), []metricdef.Ref{ref})
			if wantUnavailable(t, err); n != 0 {
				t.Error(n)
			}
			fs.mode.Store(failNot)
			for range 2 {
				if d, ok := s.Definitions.Get(ref); !ok || d.Unit != "" || d.Explicit || s.Definitions.Len() != 1 {
					t.Errorf("%+v, %d definitions", d, s.Definitions.Len())
				}
				if times, _ := all(t, s, ref); len(times) != 1 {
					t.Errorf("samples %v", times)
				}
				s.crash()
				s = openTest(t, o)
			}
			if r := s.CreateDefinitions(t.Context(), []metricdef.Draft{defDraft(num, "a")}); r[0].Err != nil || r[0].Existed {
				t.Errorf("%+v", r)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestDefinitionRaces makes, changes, writes and ends the same few series at the same time. Afterwards, and after a crash,
// what readers see and what writers are told agree.
func TestDefinitionRaces(t *testing.T) {
	o := testOptions(t.TempDir(), &clock{testEpoch})
	o.Sync = journal.Never
	s := openTest(t, o)
	num := setup(t, s, policy.Forever)
	rounds := 300
	if testing.Short() || raceEnabled {
		rounds = 100
	}
	var wg sync.WaitGroup
	var stop atomic.Bool
	for w := range 3 {
		wg.Go(func() {
			for i := range rounds {
				var b Batch
				b.AddDraft(draftOf(num, "m10", i%4), testEpoch+int64(i)*10*second, float64(w))
				for try := 0; ; try++ {
					if err := s.Commit(t.Context(), &b); err != nil {
						t.Error(err)
					}
					if len(b.Stale) == 0 || try == 20 {
						break
					}
					b.Reset()
					b.AddDraft(draftOf(num, "m10", i%4), testEpoch+int64(i)*10*second, float64(w))
				}
			}
		})
	}
	var others sync.WaitGroup
	others.Go(func() {
		for i := 0; !stop.Load(); i++ {
			def := draftOf(num, "m10", i%4).Def
			def.Explicit = true
			r := s.CreateDefinitions(t.Context(), []metricdef.Draft{def})
			if d, ok := s.Definitions.Get(r[0].Ref); r[0].Err != nil || ok && !d.Explicit {
				t.Errorf("%+v %+v", r, d)
			}
		}
	})
	others.Go(func() {
		for i := 0; !stop.Load(); i++ {
			for ref := range s.Definitions.All() {
				unit := fmt.Sprint(i)
				if err := s.UpdateDefinition(t.Context(), ref, metricdef.Update{Unit: &unit}); err != nil && codeOf(err) != "definition-not-found" {
					t.Error(err)
				}
			}
		}
	})
	others.Go(func() {
		for i := 0; !stop.Load(); i++ {
			for ref := range s.Definitions.All() {
				if _, err := s.DeleteDefinitions(t.Context(), []metricdef.Ref{ref}); err != nil {
					t.Error(err)
				}
				if _, ok := s.Definitions.Get(ref); ok {
					t.Errorf("ref %d is there after its end", ref)
				}
				break
			}
			if i%20 == 0 {
				s.Expire(t.Context())
			}
			if i%50 == 0 {
				if err := s.Snapshot(); err != nil {
					t.Error(err)
				}
			}
		}
	})
	wg.Wait()
	stop.Store(true)
	others.Wait()
	type seen struct {
		def     metricdef.Draft
		samples int
	}
	look := func() map[metricdef.Ref]string {
		m := map[metricdef.Ref]string{}
		for ref := range s.Definitions.All() {
			d, _ := s.Definitions.Get(ref)
			times, values := all(t, s, ref)
			m[ref] = fmt.Sprint(seen{d.Draft, len(times)}, values)
		}
		return m
	}
	before := look()
	s.crash()
	s = openTest(t, o)
	if after := look(); fmt.Sprint(before) != fmt.Sprint(after) {
		t.Errorf("before the crash %v, after it %v", before, after)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
