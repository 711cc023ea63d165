package measures

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/uuid"

	"granary/metricdef"
	"granary/metricdef/match"
	"granary/metricdef/resource"
	"granary/policy"
	"granary/tenant"
)

// giveResources makes the resources 1 and 2 of a tenant.
func giveResources(tb testing.TB, s *Store, num tenant.Num) {
	tb.Helper()
	for _, id := range []uuid.UUID{{1}, {2}} {
		mustChange(tb, s, &ResourceChange{Tenant: num, ID: id, Create: &resource.Draft{Original: id.String(), Type: resource.Generic}})
	}
}

// byID is number i of metrics as Gnocchi makes them.
func byID(num tenant.Num, i byte, resource uuid.UUID, label string) metricdef.Draft {
	return metricdef.Draft{
		Identity: metricdef.Identity{Tenant: num, Type: metricdef.Gauge, Name: uuid.UUID{i, 6: 0x40, 8: 0x80}.String()},
		ByID:     true, Label: label, Creator: "u:p", Resource: resource, Unit: "W", Policy: policy.DefaultName, Dialect: "gnocchi", Explicit: true,
	}
}

// TestCreateByID makes definitions by id, some of which cannot be, and finds them again after a crash, a stop, and without the catalog.
func TestCreateByID(t *testing.T) {
	o := testOptions(t.TempDir(), &clock{testEpoch})
	s := openTest(t, o)
	num := setup(t, s, policy.Forever)
	giveResources(t, s, num)
	other, err := s.EnsureTenant(t.Context(), "other")
	if err != nil {
		t.Fatal(err)
	}
	counter := byID(num, 7, uuid.UUID{}, "")
	counter.Type = metricdef.Counter
	failing := byID(num, 8, uuid.UUID{}, "")
	failing.Policy = "no such"
	drafts := []metricdef.Draft{
		byID(num, 1, uuid.UUID{1}, "cpu"), byID(num, 2, uuid.UUID{1}, "mem"), byID(num, 3, uuid.UUID{1}, "cpu"),
		byID(num, 4, uuid.UUID{2}, "cpu"), byID(num, 5, uuid.UUID{}, "cpu"), byID(num, 6, uuid.UUID{3}, "cpu"),
		byID(num, 7, uuid.UUID{}, ""), byID(other, 1, uuid.UUID{}, ""), counter, byID(num, 1, uuid.UUID{1}, "cpu"),
		failing, byID(num, 8, uuid.UUID{}, ""),
	}
	want := []string{"", "", "label-taken", "", "", "definition-invalid", "", "id-taken", "id-taken", "existed", "policy-unknown", ""}
	results := s.CreateDefinitions(t.Context(), drafts)
	for i, r := range results {
		got := codeOf(r.Err)
		if r.Existed {
			got = "existed"
		}
		if got != want[i] {
			t.Errorf("draft %d: %q (%v), want %q", i, got, r.Err, want[i])
		}
	}
	var taken *metricdef.LinkError
	if !errors.As(results[2].Err, &taken) || taken.Ref != results[0].Ref {
		t.Errorf("%+v", taken)
	}
	again := s.CreateDefinitions(t.Context(), []metricdef.Draft{byID(num, 9, uuid.UUID{1}, "mem"), byID(other, 2, uuid.UUID{}, "")})
	if codeOf(again[0].Err) != "label-taken" || codeOf(again[1].Err) != "id-taken" {
		t.Errorf("%+v", again)
	}
	check := func(what string) {
		t.Helper()
		if s.Definitions.Len() != 6 {
			t.Errorf("%s: %d definitions", what, s.Definitions.Len())
		}
		for i, d := range drafts {
			if want[i] != "" {
				continue
			}
			got, ok := s.Definitions.Get(results[i].Ref)
			if !ok || !got.ByID || got.ID.String() != d.Name || got.Label != d.Label || got.Creator != d.Creator || got.Resource != d.Resource || got.Policy != d.Policy {
				t.Errorf("%s: %+v, want %+v", what, got, d)
			}
		}
		if got := s.Definitions.Linked(num, uuid.UUID{1}); !slices.Equal(got, []metricdef.Ref{results[0].Ref, results[1].Ref}) {
			t.Errorf("%s: %v belong to the resource", what, got)
		}
		refs, err := s.Definitions.Select(t.Context(), num, match.Equal(metricdef.LabelTag, "cpu"))
		if err != nil || !slices.Equal(refs, []metricdef.Ref{results[0].Ref, results[3].Ref, results[4].Ref}) {
			t.Errorf("%s: found %v, %v", what, refs, err)
		}
	}
	check("at once")
	s.crash()
	s = openTest(t, o)
	check("after a crash")
	var b Batch
	b.Add(results[1].Ref, testEpoch, 5)
	if err := s.Commit(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, o)
	check("after a stop")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestUpdateLinks gives, takes and swaps labels and resources, one list at a time.
func TestUpdateLinks(t *testing.T) {
	o := testOptions(t.TempDir(), &clock{testEpoch})
	s := openTest(t, o)
	num := setup(t, s, policy.Forever)
	giveResources(t, s, num)
	one, two := uuid.UUID{1}, uuid.UUID{2}
	var refs []metricdef.Ref
	for _, r := range s.CreateDefinitions(t.Context(), []metricdef.Draft{byID(num, 1, one, "a"), byID(num, 2, one, "b"), byID(num, 3, two, "a"), byID(num, 4, uuid.UUID{}, "")}) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		refs = append(refs, r.Ref)
	}
	type change struct {
		of       int
		label    string // "=": stays
		resource *uuid.UUID
	}
	for _, c := range []struct {
		what    string
		changes []change
		code    string
		at      int
	}{
		{"taken label", []change{{0, "b", nil}}, "label-taken", 0},
		{"taken in the other resource", []change{{3, "x", &two}, {0, "=", &two}}, "label-taken", 1},
		{"two of one list", []change{{3, "c", &one}, {2, "c", &one}}, "label-taken", 1},
		{"no such resource", []change{{0, "=", &uuid.UUID{9}}}, "definition-invalid", 0},
		{"no label", []change{{0, "x", nil}, {3, "=", &one}}, "definition-invalid", 1},
		{"swap", []change{{0, "b", nil}, {1, "a", nil}}, "", -1},
		{"same again", []change{{0, "b", &one}}, "", -1},
		{"in the place of one that leaves", []change{{2, "=", &uuid.UUID{}}, {1, "=", &two}}, "", -1},
		{"attach", []change{{3, "a", &one}}, "", -1},
	} {
		var list []DefinitionUpdate
		for _, ch := range c.changes {
			u := DefinitionUpdate{Ref: refs[ch.of]}
			if u.Resource = ch.resource; ch.label != "=" {
				u.Label = &ch.label
			}
			list = append(list, u)
		}
		at, err := s.UpdateDefinitions(t.Context(), list)
		if at != c.at || codeOf(err) != c.code {
			t.Errorf("%s: at %d: %v, want %q at %d", c.what, at, err, c.code, c.at)
		}
	}
	check := func(what string) {
		t.Helper()
		for i, want := range []belonging{{num, one, "b"}, {num, two, "a"}, {num, uuid.UUID{}, "a"}, {num, one, "a"}} {
			d, _ := s.Definitions.Get(refs[i])
			if got := (belonging{d.Tenant, d.Resource, d.Label}); got != want {
				t.Errorf("%s: definition %d belongs so: %v, want %v", what, i, got, want)
			}
			if ref, ok := s.Definitions.LinkedAs(num, want.resource, want.label); want.resource != (uuid.UUID{}) && (!ok || ref != refs[i]) {
				t.Errorf("%s: %v leads to %d", what, want, ref)
			}
		}
	}
	check("at once")
	s.crash()
	s = openTest(t, o)
	check("after a crash")
	if n, err := s.DeleteDefinitions(t.Context(), refs[:1]); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if r := s.CreateDefinitions(t.Context(), []metricdef.Draft{byID(num, 5, one, "b")})[0]; r.Err != nil {
		t.Errorf("the label of one that ended: %v", r.Err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
