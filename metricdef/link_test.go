package metricdef

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"granary/metricdef/match"
	"granary/tenant"
)

func TestLinkValidation(t *testing.T) {
	const id = "01020304-0506-4708-890a-0b0c0d0e0f10"
	gauge := func(name string, tags ...Tag) Draft {
		return Draft{Identity: Identity{Tenant: 1, Type: Gauge, Name: name, Tags: tags}}
	}
	with := func(d Draft, change func(*Draft)) Draft { change(&d); return d }
	for name, c := range map[string]struct {
		draft Draft
		field string // "": valid
	}{
		"by id":               {with(gauge(id), func(d *Draft) { d.ByID = true }), ""},
		"a name":              {with(gauge("cpu"), func(d *Draft) { d.ByID = true }), "name"},
		"upper case":          {with(gauge(strings.ToUpper("0a"+id[2:])), func(d *Draft) { d.ByID = true }), "name"},
		"without hyphens":     {with(gauge(strings.ReplaceAll(id, "-", "")), func(d *Draft) { d.ByID = true }), "name"},
		"braces":              {with(gauge("{"+id[:35]+"}"), func(d *Draft) { d.ByID = true }), "name"},
		"zero":                {with(gauge(uuid.UUID{}.String()), func(d *Draft) { d.ByID = true }), "name"},
		"identity tags":       {with(gauge(id, Tag{"a", "b"}), func(d *Draft) { d.ByID = true }), "identity tags"},
		"any name, labelled":  {with(gauge("cpu", Tag{"a", "b"}), func(d *Draft) { d.Label, d.Resource = "l", uuid.UUID{1} }), ""},
		"no label":            {with(gauge("cpu"), func(d *Draft) { d.Resource = uuid.UUID{1} }), "label"},
		"long label":          {with(gauge("cpu"), func(d *Draft) { d.Label = strings.Repeat("x", MaxText+1) }), "label"},
		"long creator":        {with(gauge("cpu"), func(d *Draft) { d.Creator = strings.Repeat("x", MaxText+1) }), "creator"},
		"as long as possible": {with(gauge("cpu"), func(d *Draft) { d.Label, d.Creator = strings.Repeat("x", MaxText), strings.Repeat("y", MaxText) }), ""},
	} {
		err := c.draft.Validate()
		var invalid *InvalidError
		if c.field == "" && err != nil || c.field != "" && (!errors.As(err, &invalid) || invalid.Field != c.field) {
			t.Errorf("%s: %v, want field %q", name, err, c.field)
		}
		r := NewRegistry(Options{})
		if ref := r.Reserve(&c.draft, 1); (ref != 0) != (c.field == "") {
			t.Errorf("%s: reserved as %d", name, ref)
		} else if ref != 0 {
			rec := r.AppendRecord(nil, ref)
			if _, _, err := r.Apply(rec); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if err := r.check(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// resources are what Derived says in tests.
type resources map[uuid.UUID][]Tag

func (m resources) derived(_ tenant.Num, id uuid.UUID) []Tag { return m[id] }

// gnocchi is number i of metrics that belong to a resource as those of Gnocchi do.
func gnocchi(i int, resource uuid.UUID, label string) Draft {
	id := uuid.UUID{6: 0x40, 8: 0x80, 15: 1}
	binary.BigEndian.PutUint32(id[:], uint32(i)*0x9e3779b1) // spread as random ones are
	return Draft{Identity: Identity{Tenant: 1, Type: Gauge, Name: id.String()}, ByID: true, Label: label, Creator: "u:p", Resource: resource, Dialect: "gnocchi", Policy: "low", Explicit: true}
}

func (m resources) registry(t testing.TB, drafts ...Draft) *Registry {
	r := NewRegistry(Options{Derived: m.derived})
	for i := range drafts {
		put(t, r, drafts[i], 1)
	}
	return r
}

func find(t testing.TB, r *Registry, name, value string) []Ref {
	t.Helper()
	refs, err := r.Select(t.Context(), 1, match.Equal(name, value))
	if err != nil {
		t.Fatal(err)
	}
	return refs
}

// TestDerivedTags finds metrics by what their resource says, lets their own tags hide it, and follows changes of both.
func TestDerivedTags(t *testing.T) {
	res := uuid.UUID{7}
	m := resources{res: {{"flavor", "big"}, {"empty", ""}, {NameTag, "x"}, {LabelTag, "x"}, {"flavor", "second"}, {ResourceTag, "x"}}}
	own := gnocchi(2, res, "mem")
	own.Plain = []Tag{{"flavor", "mine"}}
	r := m.registry(t, gnocchi(1, res, "cpu"), own, gnocchi(3, uuid.UUID{}, "cpu"))
	expect := func(name, value string, want ...Ref) {
		t.Helper()
		if got := find(t, r, name, value); !slices.Equal(got, want) {
			t.Errorf("%s=%s finds %v, want %v", name, value, got, want)
		}
		if err := r.check(); err != nil {
			t.Fatal(err)
		}
	}
	expect("flavor", "big", 1)
	expect("flavor", "mine", 2)
	expect("flavor", "second")
	expect(LabelTag, "cpu", 1, 3)
	expect(ResourceTag, res.String(), 1, 2)
	expect(NameTag, "x")
	if got, want := r.Derived(1), []Tag{{"flavor", "big"}, {LabelTag, "cpu"}, {ResourceTag, res.String()}}; !slices.Equal(got, want) {
		t.Errorf("derived %v, want %v", got, want)
	}
	if d, _ := r.Get(1); len(d.Plain) != 0 || len(d.Tags) != 0 {
		t.Errorf("derived tags among its own: %+v", d)
	}
	tags, err := r.Tags(t.Context(), 1, match.Equal("flavor", "big"), TagPage{})
	if want := []TagCount{{"flavor", 1, 1}, {LabelTag, 1, 1}, {ResourceTag, 1, 1}}; err != nil || !slices.Equal(tags.Tags, want) {
		t.Errorf("tags %v, want %v (%v)", tags.Tags, want, err)
	}
	values, err := r.ValuesOf(t.Context(), 1, []string{"flavor", ResourceTag}, nil, Filter{})
	if want := [][]ValueCount{{{"big", 1}, {"mine", 1}}, {{res.String(), 2}}}; err != nil || fmt.Sprint(values) != fmt.Sprint(want) {
		t.Errorf("values %v, want %v (%v)", values, want, err)
	}

	m[res] = []Tag{{"flavor", "small"}, {"host", "h1"}}
	r.Relink(1, res)
	expect("flavor", "big")
	expect("flavor", "small", 1)
	expect("host", "h1", 1, 2)

	update := func(ref Ref, u Update) error {
		rec, err := r.AppendUpdated(nil, ref, &u)
		if err == nil && len(rec) > 0 {
			_, _, err = r.Update(rec)
		}
		return err
	}
	for _, u := range []Update{{Set: []Tag{{"host", "h2"}}}, {Remove: []string{"host"}}, {Set: []Tag{{LabelTag, "x"}}}, {Remove: []string{ResourceTag}}, {Set: []Tag{{"flavor", "x"}}, Replace: true}} {
		var derived *DerivedTagError
		if err := update(1, u); !errors.As(err, &derived) || derived.Kind() != "conflict" {
			t.Errorf("%+v: %v", u, err)
		}
	}
	if err := update(2, Update{Set: []Tag{{"flavor", "still mine"}}}); err != nil {
		t.Error(err)
	}
	expect("flavor", "small", 1)
	expect("flavor", "still mine", 2)
	if err := update(2, Update{Remove: []string{"flavor"}}); err != nil {
		t.Error(err)
	}
	expect("flavor", "small", 1, 2)
	if err := update(1, Update{Resource: new(uuid.UUID), Label: new("idle")}); err != nil {
		t.Error(err)
	}
	expect("flavor", "small", 2)
	expect(LabelTag, "idle", 1)
	if ref, ok := r.LinkedAs(1, res, "cpu"); ok {
		t.Errorf("the resource has %d still", ref)
	}
	r.Remove([]Ref{2})
	expect("flavor", "small")
	if r.Linked(1, res) != nil || r.tenants[1].links != nil {
		t.Error("a link without a definition")
	}
	r.Relink(1, res)
	r.Remove([]Ref{1, 3})
	if err := r.check(); err != nil {
		t.Error(err)
	}
}

// TestReservedLinks: writers see the label of a definition before readers do.
func TestReservedLinks(t *testing.T) {
	res := uuid.UUID{7}
	r := resources{}.registry(t)
	d := gnocchi(1, res, "cpu")
	ref := r.Reserve(&d, 1)
	if got, ok := r.ResolveLink(1, res, "cpu"); !ok || got != ref {
		t.Errorf("resolves to %d, %v", got, ok)
	}
	for _, other := range []struct {
		t        tenant.Num
		resource uuid.UUID
		label    string
	}{{2, res, "cpu"}, {1, uuid.UUID{8}, "cpu"}, {1, res, "mem"}, {1, uuid.UUID{}, ""}} {
		if got, ok := r.ResolveLink(other.t, other.resource, other.label); ok {
			t.Errorf("%+v resolves to %d", other, got)
		}
	}
	if _, ok := r.LinkedAs(1, res, "cpu"); ok || len(r.Linked(1, res)) > 0 || len(r.AppendLinks(nil, 1, res)) > 0 {
		t.Error("readers see it")
	}
	r.Relink(1, res)
	r.Withdraw(ref)
	if _, ok := r.ResolveLink(1, res, "cpu"); ok || r.check() != nil {
		t.Error("it is there after it was withdrawn", r.check())
	}
}

// TestByID: the id is the name, and leads to the newest of those that have it.
func TestByID(t *testing.T) {
	d := gnocchi(1, uuid.UUID{}, "")
	plain := d
	plain.ByID, plain.Type = false, Counter
	r := resources{}.registry(t, d, plain)
	one, _ := r.Get(1)
	two, _ := r.Get(2)
	if one.ID.String() != one.Name || two.ID == one.ID || two.ID != NewID("1", Counter, two.Name) {
		t.Errorf("ids %v and %v of %s", one.ID, two.ID, one.Name)
	}
	if ref, ok := r.ByID(one.ID); !ok || ref != 1 {
		t.Errorf("the id leads to %d", ref)
	}
	if one.Called() != "" || two.Called() != two.Name {
		t.Errorf("called %q and %q", one.Called(), two.Called())
	}
	plain.Type = Gauge
	var damaged *RecordError
	if _, _, err := r.Update(resources{}.registry(t, plain).AppendRecord(nil, 1)); !errors.As(err, &damaged) {
		t.Errorf("an update took the id away: %v", err)
	}
	r.Remove([]Ref{1})
	if _, ok := r.ByID(one.ID); ok {
		t.Error("a definition that ended has its id still")
	}
}

// TestChoicesByLabel: policies are chosen by what people call a metric.
func TestChoicesByLabel(t *testing.T) {
	r := resources{}.registry(t, gnocchi(1, uuid.UUID{}, "cpu"), gnocchi(2, uuid.UUID{}, "cpu"), gnocchi(3, uuid.UUID{}, ""))
	got, err := r.Choices(t.Context(), 1)
	if want := []Choice{{"gnocchi", "cpu", "low", 2}, {"gnocchi", "", "low", 1}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v (%v)", got, want, err)
	}
}

// TestLinksCostOthersNothing: a definition takes the words of a link only if it has one.
func TestLinksCostOthersNothing(t *testing.T) {
	r := resources{}.registry(t, Draft{Identity: Identity{Tenant: 1, Type: Gauge, Name: "m"}}, gnocchi(1, uuid.UUID{}, ""), gnocchi(2, uuid.UUID{1}, "l"))
	for i, want := range []int{2, 2 + moreWords + linkWords, 2 + moreWords + linkWords} {
		if got := r.defs.get(Ref(i + 1)).room(); got != want {
			t.Errorf("%d words, want %d", got, want)
		}
	}
	before := r.BytesOf(1)
	r.Remove([]Ref{3})
	if after := r.BytesOf(1); after >= before-36-4*linkWords {
		t.Errorf("%d bytes with it, %d without", before, after)
	}
}

// TestConcurrentRelinks: while the tags of resources change, and metrics come and go, each metric that stays has one value of the tag at
// any moment.
func TestConcurrentRelinks(t *testing.T) {
	const machines, each = 20, 10
	var state atomic.Int64
	r := NewRegistry(Options{Derived: func(_ tenant.Num, id uuid.UUID) []Tag {
		return []Tag{{"state", fmt.Sprintf("s%d", (state.Load()+int64(id[3]))%3)}, {"name", fmt.Sprintf("%v-%d", id, state.Load())}}
	}})
	fill(r, machines*each, func(i int) Draft { return gnocchi(i+1, machine(i/each), fmt.Sprint("m", i%each)) })
	done := make(chan struct{})
	var readers, writers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				some, err := r.Select(t.Context(), 1, match.In("state", "s0", "s1", "s2"))
				if err != nil || len(some) < machines*each || some[machines*each-1] != machines*each {
					t.Errorf("%d with a state (%v)", len(some), err)
					return
				}
				none, err := r.Select(t.Context(), 1, match.And{match.NotEqual("state", "s0"), match.NotEqual("state", "s1"), match.NotEqual("state", "s2")})
				if err != nil || len(none) != 0 {
					t.Errorf("%v without a state (%v)", none, err)
					return
				}
				named, err := r.Select(t.Context(), 1, match.And{match.Exists("name"), match.Equal(LabelTag, "m3")})
				if err != nil || len(named) != machines {
					t.Errorf("%d of the label with a name (%v)", len(named), err)
					return
				}
				if refs := r.Linked(1, machine(3)); len(refs) < each {
					t.Errorf("%d belong to one machine", len(refs))
					return
				}
			}
		})
	}
	writers.Go(func() {
		for i := range 300 {
			state.Add(1)
			r.Relink(1, machine(i%machines), machine((i+7)%machines))
		}
	})
	writers.Go(func() {
		for i := range 150 {
			d := gnocchi(10_000+i, machine(i%machines), "extra")
			ref := r.Reserve(&d, 1)
			if _, _, err := r.Apply(r.AppendRecord(nil, ref)); err != nil {
				t.Error(err)
			}
			r.Remove([]Ref{ref})
		}
	})
	writers.Wait()
	close(done)
	readers.Wait()
	if err := r.check(); err != nil {
		t.Error(err)
	}
}
