package measures

import (
	"slices"
	"testing"

	"granary/metricdef"
	"granary/policy"
)

// TestUpdateDefinitions: all definitions of a call change, or none does, and what has changed is still so after a crash.
func TestUpdateDefinitions(t *testing.T) {
	o := testOptions(t.TempDir(), &clock{testEpoch})
	s := openTest(t, o)
	num := setup(t, s, policy.Forever)
	var drafts []metricdef.Draft
	for _, name := range []string{"a", "b", "c"} {
		drafts = append(drafts, defDraft(num, name))
	}
	var refs []metricdef.Ref
	for _, r := range s.CreateDefinitions(t.Context(), drafts) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		refs = append(refs, r.Ref)
	}
	set := func(tags ...metricdef.Tag) metricdef.Update { return metricdef.Update{Set: tags} }
	x := metricdef.Tag{Name: "x", Value: "1"}
	unknown := "no such"
	for _, c := range []struct {
		bad  DefinitionUpdate
		code string
	}{
		{DefinitionUpdate{refs[2], set(metricdef.Tag{Name: "host", Value: "other"})}, "identity-tag"},
		{DefinitionUpdate{refs[2], set(metricdef.Tag{Name: "", Value: "1"})}, "definition-invalid"},
		{DefinitionUpdate{refs[2], metricdef.Update{Policy: &unknown}}, "policy-unknown"},
		{DefinitionUpdate{99, set(x)}, "definition-not-found"},
	} {
		last := s.log.Last().Seq
		at, err := s.UpdateDefinitions(t.Context(), []DefinitionUpdate{{refs[0], set(x)}, {refs[1], set(x)}, c.bad})
		if at != 2 || codeOf(err) != c.code || s.log.Last().Seq != last {
			t.Errorf("%+v: %d, %v", c.bad, at, err)
		}
	}
	if at, err := s.UpdateDefinitions(t.Context(), nil); at != -1 || err != nil {
		t.Error(at, err)
	}
	check := func(what string, want ...metricdef.Tag) {
		t.Helper()
		for i, ref := range refs {
			d, ok := s.Definitions.Get(ref)
			if got := slices.Clone(d.Plain); !ok || slices.Contains(got, x) != slices.Contains(want, x) {
				t.Errorf("%s: definition %d has %v", what, i, got)
			}
		}
	}
	check("refused")
	if at, err := s.UpdateDefinitions(t.Context(), []DefinitionUpdate{{refs[2], set(x)}, {refs[0], set(x)}, {refs[1], set(x)}}); at != -1 || err != nil {
		t.Fatal(at, err)
	}
	check("changed", x)
	s.crash()
	s = openTest(t, o)
	check("after a crash", x)

	if _, err := s.DeleteDefinitions(t.Context(), refs[1:2]); err != nil {
		t.Fatal(err)
	}
	if at, err := s.UpdateDefinitions(t.Context(), []DefinitionUpdate{{refs[0], set(x)}, {refs[1], set(x)}}); at != 1 || codeOf(err) != "definition-not-found" {
		t.Error(at, err)
	}
}
