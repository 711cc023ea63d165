package metricdef

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"granary/metricdef/match"
	"granary/tenant"
)

// model is the registry as one would write it first.
type model struct {
	defs map[Ref]Draft // visible
	held map[Ref]Draft // reserved
	next Ref
	// what resources have for tags, as the registry was told
	resources map[resourceKey][]Tag
}

type resourceKey struct {
	tenant tenant.Num
	id     uuid.UUID
}

func (m *model) derived(t tenant.Num, id uuid.UUID) []Tag { return m.resources[resourceKey{t, id}] }

// taken says whether another definition than that of ref belongs to the resource of d under its label.
func (m *model) taken(d Draft, ref Ref) bool {
	for other, o := range m.all() {
		if other != ref && d.Resource != (uuid.UUID{}) && o.Tenant == d.Tenant && o.Resource == d.Resource && o.Label == d.Label {
			return true
		}
	}
	return false
}

// tagsOf are all tags under which searches find a definition: its own, and derived ones that these do not hide.
func (m *model) tagsOf(d Draft) []Tag {
	tags := append(slices.Clone(d.Tags), d.Plain...)
	add := func(name, value string) {
		if value != "" && !hasTag(tags, name) {
			tags = append(tags, Tag{name, value})
		}
	}
	add(LabelTag, d.Label)
	if d.Resource != (uuid.UUID{}) {
		add(ResourceTag, d.Resource.String())
		for _, t := range m.derived(d.Tenant, d.Resource) {
			add(t.Name, t.Value)
		}
	}
	return tags
}

func (m *model) all() map[Ref]Draft {
	out := maps.Clone(m.defs)
	maps.Copy(out, m.held)
	return out
}

func keyOf(d Draft) string { return string(AppendKey(nil, d.Name, d.Tags)) }

func (m *model) resolve(d Draft) Ref {
	for ref, o := range m.all() {
		if o.Tenant == d.Tenant && o.Type == d.Type && keyOf(o) == keyOf(d) {
			return ref
		}
	}
	return 0
}

func (m *model) valueOf(d Draft, name string) string {
	if name == NameTag {
		return d.Name
	}
	for _, t := range m.tagsOf(d) {
		if t.Name == name {
			return t.Value
		}
	}
	return ""
}

func (m *model) search(t tenant.Num, e match.Expr) []Ref {
	var refs []Ref
	for ref, d := range m.defs {
		if d.Tenant == t && (e == nil || e.Eval(func(name string) string { return m.valueOf(d, name) })) {
			refs = append(refs, ref)
		}
	}
	slices.Sort(refs)
	return refs
}

var (
	genValue  = rapid.SampledFrom([]string{"a", "b", "ab", "ba", "aab", "x01", "y01", "node", `q"\`, "0", "1", "2"})
	genText   = rapid.OneOf(genValue, rapid.StringN(1, 5, 20))
	genTags   = rapid.Custom(func(t *rapid.T) []Tag { return drawTags(t, "cluster", "hostname", "type", "type-id", "stype", "x") })
	genPlain  = rapid.Custom(func(t *rapid.T) []Tag { return drawTags(t, "p", "q=", "unit", LabelTag, "y") })
	genKeep   = rapid.SampledFrom([]time.Duration{0, 0, time.Hour, 24 * time.Hour})
	genPolicy = rapid.SampledFrom([]string{"", "", "low", "W"})
	genTenant = rapid.SampledFrom([]tenant.Num{1, 1, 1, 2, 7})
)

func drawTags(t *rapid.T, names ...string) []Tag {
	var tags []Tag
	for _, n := range names {
		if rapid.IntRange(0, 3).Draw(t, "has") > 0 {
			tags = append(tags, Tag{n, genText.Draw(t, n)})
		}
	}
	slices.SortFunc(tags, func(a, b Tag) int { return cmp.Compare(a.Name, b.Name) })
	return tags
}

var (
	genID       = rapid.SampledFrom([]uuid.UUID{{1}, {2}, {3, 4}, {15: 5}})
	genResource = rapid.SampledFrom([]uuid.UUID{{}, {}, {9}, {8}})
	genLabel    = rapid.SampledFrom([]string{"a", "b", "cpu"})
	genDerived  = rapid.Custom(func(t *rapid.T) []Tag { return drawTags(t, "cluster", "p", "project_id", "y") })
)

// linkDraft makes some drafts ones by id, and some that belong to a resource.
func linkDraft(t *rapid.T, d Draft) Draft {
	if rapid.Bool().Draw(t, "plain") {
		return d
	}
	if d.ByID = rapid.Bool().Draw(t, "by id"); d.ByID {
		d.Name, d.Tags = genID.Draw(t, "id").String(), nil
	}
	d.Label, d.Resource = genLabel.Draw(t, "label"), genResource.Draw(t, "resource")
	if d.Resource == (uuid.UUID{}) && rapid.Bool().Draw(t, "no label") {
		d.Label = ""
	}
	d.Creator = rapid.SampledFrom([]string{"", "u:p"}).Draw(t, "creator")
	return d
}

var genDraft = rapid.Custom(func(t *rapid.T) Draft {
	return linkDraft(t, Draft{
		Identity: Identity{Tenant: genTenant.Draw(t, "tenant"), Type: Type(rapid.IntRange(1, 4).Draw(t, "type")), Name: genText.Draw(t, "name"), Tags: genTags.Draw(t, "tags")},
		Plain:    genPlain.Draw(t, "plain"), Unit: rapid.SampledFrom([]string{"", "W", "B/s"}).Draw(t, "unit"), Dialect: "native", Explicit: rapid.Bool().Draw(t, "explicit"),
		Policy: genPolicy.Draw(t, "policy"), Retention: genKeep.Draw(t, "retention"),
	})
})

func drawExpr(t *rapid.T, depth int) match.Expr {
	name := rapid.SampledFrom([]string{"cluster", "hostname", "type", "x", "p", "y", "absent", LabelTag, ResourceTag, NameTag}).Draw(t, "tag")
	kind := rapid.IntRange(0, 11).Draw(t, "kind")
	if depth > 3 {
		kind %= 8
	}
	parts := func() []match.Expr {
		var out []match.Expr
		for range rapid.IntRange(0, 4).Draw(t, "parts") {
			out = append(out, drawExpr(t, depth+1))
		}
		return out
	}
	pattern := func() string {
		return rapid.SampledFrom([]string{".*", ".+", "", "a|b", "a?", ".*01", "a.*", ".*a.*", "[ab]+", "(a|b)b", "x|", "[0-9]"}).Draw(t, "pattern")
	}
	switch kind {
	case 0:
		return match.Equal(name, rapid.OneOf(genValue, rapid.Just("")).Draw(t, "value"))
	case 1:
		return match.NotEqual(name, rapid.OneOf(genValue, rapid.Just("")).Draw(t, "value"))
	case 2, 3:
		m, err := match.Regexp(name, pattern())
		if err != nil {
			t.Fatal(err)
		}
		return m
	case 4:
		m, err := match.NotRegexp(name, pattern())
		if err != nil {
			t.Fatal(err)
		}
		return m
	case 5:
		return match.In(name, rapid.SliceOfN(genValue, 0, 4).Draw(t, "values")...)
	case 6:
		return match.Exists(name)
	case 7:
		return nil
	case 8, 9:
		return match.And(parts())
	case 10:
		return match.Or(parts())
	}
	return match.Not{Expr: drawExpr(t, depth+1)}
}

// TestModel runs random lives of definitions against the model: every reader must answer as the model does, the parts
// must agree with each other, and what was put into the sink must build the same registry again.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sink := &fakeSink{bucket: map[string]string{}}
		m := &model{defs: map[Ref]Draft{}, held: map[Ref]Draft{}, next: 1, resources: map[resourceKey][]Tag{}}
		r := NewRegistry(Options{Sink: sink, Derived: m.derived})
		var removed [][]byte
		apply := func(t *rapid.T, ref Ref) {
			rec := r.AppendRecord(nil, ref)
			n, got, err := r.Apply(append(rec, 0xff))
			if err != nil || n != len(rec) || got != ref {
				t.Fatalf("apply of %d: %d, %d, %v", ref, n, got, err)
			}
			m.defs[ref] = m.held[ref]
			delete(m.held, ref)
		}
		// change makes the record of a change of a definition, empty if it is none. Only if linked may it change what it belongs to.
		change := func(t *rapid.T, linked bool) ([]byte, Ref, Draft) {
			if len(m.defs)+len(m.held) == 0 {
				return nil, 0, Draft{}
			}
			ref := rapid.SampledFrom(slices.Sorted(maps.Keys(m.all()))).Draw(t, "ref")
			d := m.all()[ref]
			u := Update{Remove: rapid.SliceOfN(rapid.SampledFrom([]string{"p", "q=", "unit", "no such"}), 0, 3).Draw(t, "gone"), Set: genPlain.Draw(t, "plain"),
				Explicit: rapid.Bool().Draw(t, "explicit"), Replace: rapid.IntRange(0, 3).Draw(t, "replace") == 0}
			if rapid.Bool().Draw(t, "retention changed") {
				u.Retention = new(genKeep.Draw(t, "retention"))
			}
			for _, text := range []**string{&u.Unit, &u.Policy} {
				if rapid.Bool().Draw(t, "changed") {
					*text = new(genPolicy.Draw(t, "text"))
				}
			}
			if linked && rapid.Bool().Draw(t, "label changed") {
				u.Label = new(genLabel.Draw(t, "label"))
			}
			if linked && rapid.Bool().Draw(t, "resource changed") {
				u.Resource = new(genResource.Draw(t, "resource"))
			}
			want := applied(d, u)
			if m.taken(want, ref) {
				return nil, 0, Draft{}
			}
			rec, err := r.AppendUpdated(nil, ref, &u)
			var readOnly *DerivedTagError
			if name := m.touched(d, u); name != "" {
				if !errors.As(err, &readOnly) || m.valueOf(d, readOnly.Tag) == "" || hasTag(d.Plain, readOnly.Tag) {
					t.Fatalf("update of %+v by %+v: %v", d, u, err)
				}
				return nil, 0, Draft{}
			}
			if want.Validate() != nil {
				var invalid *InvalidError
				if !errors.As(err, &invalid) {
					t.Fatalf("update of %+v by %+v: %v", d, u, err)
				}
				return nil, 0, Draft{}
			}
			if err != nil || (len(rec) == 0) != sameDraft(d, want) {
				t.Fatalf("update of %+v by %+v: %x, %v", d, u, rec, err)
			}
			if len(d.Tags) > 0 {
				name := d.Tags[0].Name
				for _, u := range []Update{{Set: []Tag{{name, "v"}}}, {Remove: []string{name}}} {
					var identity *IdentityTagError
					if _, err := r.AppendUpdated(nil, ref, &u); !errors.As(err, &identity) {
						t.Fatalf("identity tag: %v", err)
					}
				}
			}
			if m.held[ref].Name != "" {
				apply(t, ref)
			}
			return rec, ref, want
		}
		t.Repeat(map[string]func(*rapid.T){
			"reserve": func(t *rapid.T) {
				d := genDraft.Draw(t, "draft")
				if err := d.Validate(); err != nil {
					t.Fatal(err)
				}
				want := m.resolve(d)
				got, ok := r.Resolve(d.Tenant, d.Type, []byte(keyOf(d)))
				if got != want || ok != (want != 0) {
					t.Fatalf("%q resolves to %d, want %d", keyOf(d), got, want)
				}
				_, taken := r.ResolveLink(d.Tenant, d.Resource, d.Label)
				if taken != m.taken(d, 0) {
					t.Fatalf("label %q of %v taken: %v", d.Label, d.Resource, taken)
				}
				if ok || taken {
					return
				}
				ref := r.Reserve(&d, int64(m.next))
				if ref != m.next {
					t.Fatalf("reserved as %d, want %d", ref, m.next)
				}
				m.held[ref] = d
				m.next++
				if rapid.IntRange(0, 2).Draw(t, "at once") > 0 {
					apply(t, ref)
				}
			},
			"apply": func(t *rapid.T) {
				if len(m.held) > 0 {
					apply(t, rapid.SampledFrom(slices.Sorted(maps.Keys(m.held))).Draw(t, "ref"))
				}
			},
			"again": func(t *rapid.T) {
				if len(m.defs) > 0 {
					ref := rapid.SampledFrom(slices.Sorted(maps.Keys(m.defs))).Draw(t, "ref")
					rec := r.AppendRecord(nil, ref)
					if n, got, err := r.Apply(rec); err != nil || n != len(rec) || got != ref {
						t.Fatalf("apply of %d: %d, %d, %v", ref, n, got, err)
					}
				}
			},
			"withdraw": func(t *rapid.T) {
				if len(m.held) > 0 {
					ref := rapid.SampledFrom(slices.Sorted(maps.Keys(m.held))).Draw(t, "ref")
					r.Withdraw(ref)
					delete(m.held, ref)
				}
			},
			"remove": func(t *rapid.T) {
				if len(m.defs) == 0 {
					return
				}
				refs := rapid.SliceOfN(rapid.SampledFrom(slices.Sorted(maps.Keys(m.defs))), 0, 8).Draw(t, "refs")
				for _, ref := range refs {
					removed = append(removed, r.AppendRecord(nil, ref))
				}
				r.Remove(append(refs, 1<<30))
				for _, ref := range refs {
					delete(m.defs, ref)
				}
			},
			"update": func(t *rapid.T) {
				if rec, ref, want := change(t, true); len(rec) > 0 {
					if n, got, err := r.Update(rec); err != nil || n != len(rec) || got != ref {
						t.Fatalf("update of %d: %d, %d, %v", ref, n, got, err)
					}
					m.defs[ref] = want
				}
			},
			"update many": func(t *rapid.T) {
				var all []byte
				var refs []Ref
				var wants []Draft
				for i := range rapid.IntRange(0, 6).Draw(t, "changes") {
					if rec, ref, want := change(t, i == 0); len(rec) > 0 {
						all, refs, wants = append(all, rec...), append(refs, ref), append(wants, want)
					}
				}
				if got, err := r.UpdateAll(all); err != nil || !slices.Equal(got, refs) {
					t.Fatalf("updates of %v: %v, %v", refs, got, err)
				}
				for i, ref := range refs {
					m.defs[ref] = wants[i]
				}
			},
			"relink": func(t *rapid.T) {
				tn, ids := genTenant.Draw(t, "tenant"), rapid.SliceOfN(genResource, 0, 3).Draw(t, "resources")
				for _, id := range ids {
					m.resources[resourceKey{tn, id}] = genDerived.Draw(t, "derived")
				}
				r.Relink(tn, ids...)
			},
			"relink all": func(t *rapid.T) {
				for range rapid.IntRange(0, 4).Draw(t, "changes") {
					m.resources[resourceKey{genTenant.Draw(t, "tenant"), genResource.Draw(t, "resource")}] = genDerived.Draw(t, "derived")
				}
				r.RelinkAll()
			},
			"replay what was removed": func(t *rapid.T) {
				if len(removed) == 0 {
					return
				}
				_, ref, err := r.Apply(rapid.SampledFrom(removed).Draw(t, "record"))
				if err != nil {
					t.Fatal(err)
				}
				r.Remove([]Ref{ref})
			},
			"select": func(t *rapid.T) {
				e := drawExpr(t, 0)
				for _, tn := range []tenant.Num{1, 2, 9} {
					got, err := r.Select(t.Context(), tn, e)
					if want := m.search(tn, e); err != nil || !slices.Equal(got, want) {
						t.Fatalf("tenant %d: %v finds %v, want %v (%v)", tn, e, got, want, err)
					}
				}
			},
			"": func(t *rapid.T) {
				if err := r.check(); err != nil {
					t.Fatal(err)
				}
				compare(t, r, m)
			},
		})
		again := NewRegistry(Options{})
		for _, k := range slices.Sorted(maps.Keys(sink.bucket)) {
			if err := again.Restore([]byte(k), []byte(sink.bucket[k])); err != nil {
				t.Fatal(err)
			}
		}
		if err := again.check(); err != nil {
			t.Fatal(err)
		}
		compare(t, again, &model{defs: m.defs})
		again.o.Derived = m.derived
		again.RelinkAll()
		if err := again.check(); err != nil {
			t.Fatal(err)
		}
		for ref := range m.held {
			r.Withdraw(ref)
		}
		compare(t, again, &model{defs: m.defs, resources: m.resources})
		for ref := range m.defs {
			if a, b := r.AppendRecord(nil, ref), again.AppendRecord(nil, ref); !slices.Equal(a, b) {
				t.Fatalf("record of %d: %x, after a restart %x", ref, a, b)
			}
		}
	})
}

// applied is the draft as it is after an update.
func applied(d Draft, u Update) Draft {
	plain := map[string]string{}
	for _, t := range d.Plain {
		if !u.Replace {
			plain[t.Name] = t.Value
		}
	}
	for _, name := range u.Remove {
		delete(plain, name)
	}
	for _, t := range u.Set {
		plain[t.Name] = t.Value
	}
	d.Plain = nil
	for _, name := range slices.Sorted(maps.Keys(plain)) {
		d.Plain = append(d.Plain, Tag{name, plain[name]})
	}
	if u.Unit != nil {
		d.Unit = *u.Unit
	}
	if u.Policy != nil {
		d.Policy = *u.Policy
	}
	if u.Retention != nil {
		d.Retention = *u.Retention
	}
	if u.Label != nil {
		d.Label = *u.Label
	}
	if u.Resource != nil {
		d.Resource = *u.Resource
	}
	d.Explicit = d.Explicit || u.Explicit
	return d
}

// touched is the name of a derived tag that an update would change, "" if there is none.
func (m *model) touched(d Draft, u Update) string {
	for _, t := range m.tagsOf(d) {
		if !hasTag(d.Tags, t.Name) && !hasTag(d.Plain, t.Name) && (hasTag(u.Set, t.Name) || slices.Contains(u.Remove, t.Name)) {
			return t.Name
		}
	}
	return ""
}

func compare(t *rapid.T, r *Registry, m *model) {
	if r.Len() != len(m.defs) {
		t.Fatalf("%d definitions, want %d", r.Len(), len(m.defs))
	}
	if got, want := slices.Collect(r.All()), slices.Sorted(maps.Keys(m.defs)); !slices.Equal(got, want) {
		t.Fatalf("all are %v, want %v", got, want)
	}
	counts, held, linked := map[tenant.Num]int{}, map[tenant.Num]int{}, map[resourceKey]int{}
	for ref, d := range m.all() {
		held[d.Tenant]++
		if got, ok := r.Resolve(d.Tenant, d.Type, []byte(keyOf(d))); got != ref || !ok || r.Owner(ref) != d.Tenant || r.Explicit(ref) != d.Explicit {
			t.Fatalf("%q resolves to %d, want %d", keyOf(d), got, ref)
		}
		if _, visible := m.defs[ref]; !visible {
			if _, ok := r.Get(ref); ok || r.Name(ref) != "" || r.Tenant(ref) != 0 {
				t.Fatalf("readers see the reserved ref %d", ref)
			}
			continue
		}
		counts[d.Tenant]++
		got, ok := r.Get(ref)
		if !ok || !sameDraft(got.Draft, d) || got.Ref != ref || r.Name(ref) != d.Name || r.Tenant(ref) != d.Tenant {
			t.Fatalf("ref %d is %+v, want %+v", ref, got, d)
		}
		if d.ByID {
			if got.ID.String() != d.Name {
				t.Fatalf("ref %d has the id %v, not its name", ref, got.ID)
			}
		} else if got.ID != NewID(tenant.ID(fmt.Sprint(d.Tenant)), d.Type, keyOf(d)) {
			t.Fatalf("ref %d has the id %v", ref, got.ID)
		}
		// The same id may have been given to several, of which the newest answers.
		if byID, ok := r.ByID(got.ID); !ok || byID != ref && !(d.ByID && byID > ref && m.defs[byID].Name == d.Name) {
			t.Fatalf("id of %d leads to %d", ref, byID)
		}
		if d.Resource != (uuid.UUID{}) {
			if as, ok := r.LinkedAs(d.Tenant, d.Resource, d.Label); !ok || as != ref || !slices.Contains(r.Linked(d.Tenant, d.Resource), ref) {
				t.Fatalf("%d is not the one that belongs to %v as %q: %d", ref, d.Resource, d.Label, as)
			}
			if !slices.Contains(r.AppendLinks(nil, d.Tenant, d.Resource), Link{d.Label, ref, got.ID}) {
				t.Fatalf("%d is not among the links of %v", ref, d.Resource)
			}
			linked[resourceKey{d.Tenant, d.Resource}]++
		}
		for _, name := range []string{NameTag, "cluster", "p", "y", LabelTag, ResourceTag, "absent"} {
			if got := r.Tag(ref, name); got != m.valueOf(d, name) {
				t.Fatalf("%d has %q for %s, want %q", ref, got, name, m.valueOf(d, name))
			}
		}
		for _, tag := range r.Derived(ref) {
			if hasTag(d.Tags, tag.Name) || hasTag(d.Plain, tag.Name) || m.valueOf(d, tag.Name) != tag.Value {
				t.Fatalf("%d has the derived tag %v", ref, tag)
			}
		}
	}
	for k, n := range linked {
		if got := r.Linked(k.tenant, k.id); len(got) != n || !slices.IsSorted(got) {
			t.Fatalf("%v belong to %v, want %d", got, k, n)
		}
	}
	for _, tn := range []tenant.Num{1, 2, 7, 9} {
		if r.Count(tn) != counts[tn] || r.Claimed(tn) != held[tn] {
			t.Fatalf("tenant %d: %d and %d, want %d and %d", tn, r.Count(tn), r.Claimed(tn), counts[tn], held[tn])
		}
		compareValues(t, r, m, tn)
		compareTree(t, r, m, tn)
	}
}

func compareValues(t *rapid.T, r *Registry, m *model, tn tenant.Num) {
	want := map[string]map[string]int{}
	for _, d := range m.defs {
		if d.Tenant != tn {
			continue
		}
		for _, tag := range append(m.tagsOf(d), Tag{NameTag, d.Name}) {
			if want[tag.Name] == nil {
				want[tag.Name] = map[string]int{}
			}
			want[tag.Name][tag.Value]++
		}
	}
	for name, values := range want {
		found, err := r.Values(t.Context(), tn, name, nil, TagPage{})
		got := found.Values
		if err != nil || len(got) != len(values) {
			t.Fatalf("tenant %d: values of %s are %v, want %v (%v)", tn, name, got, values, err)
		}
		for i, v := range got {
			if v.Definitions != values[v.Value] || i > 0 && got[i-1].Value >= v.Value {
				t.Fatalf("tenant %d: values of %s are %v, want %v", tn, name, got, values)
			}
		}
	}
	delete(want, NameTag)
	tags, err := r.Tags(t.Context(), tn, nil, TagPage{})
	names := tags.Tags
	if err != nil || len(names) != len(want) {
		t.Fatalf("tenant %d: names %v, want %v", tn, names, want)
	}
	for _, n := range names {
		sum := 0
		for _, c := range want[n.Name] {
			sum += c
		}
		if n.Definitions != sum || n.Values != len(want[n.Name]) {
			t.Fatalf("tenant %d: names %v, want %v", tn, names, want)
		}
	}
}

func compareTree(t *rapid.T, r *Registry, m *model, tn tenant.Num) {
	type place struct{ path, metric string }
	want := map[place]Ref{}
	for ref, d := range m.defs {
		path, ok := ClusterTree(nil, d.Type, append(slices.Clone(d.Tags), d.Plain...))
		if d.Tenant != tn || !ok {
			continue
		}
		p := place{fmt.Sprintf("%q", path), d.Name}
		if old, ok := want[p]; !ok || ref < old {
			want[p] = ref
		}
	}
	got := map[place]Ref{}
	var walk func(n *Node, path []string)
	walk = func(n *Node, path []string) {
		for _, metric := range []string{"a", "b", "node"} {
			if got, want := n.AppendNearest(nil, metric), nearest(n, metric); !slices.Equal(got, want) {
				t.Fatalf("%q: nearest %s are %v, want %v", path, metric, got, want)
			}
		}
		last := ""
		for metric, ref := range n.AllSeries() {
			if single, ok := n.Series(metric); !ok || single != ref || metric <= last {
				t.Fatalf("%q: %s is %d, alone %d", path, metric, ref, single)
			}
			got[place{fmt.Sprintf("%q", path), metric}] = ref
			last = metric
		}
		last = ""
		for name, k := range n.Children() {
			if n.Child(name) != k || k.Name() != name || name <= last {
				t.Fatalf("%q: child %q", path, name)
			}
			last = name
			walk(k, append(slices.Clip(path), name))
		}
	}
	root := r.Root(tn)
	if (root == nil) != (len(want) == 0) {
		t.Fatalf("tenant %d: root %v, want %v", tn, root, want)
	}
	walk(root, nil)
	if !maps.Equal(got, want) {
		t.Fatalf("tenant %d: tree %v, want %v", tn, got, want)
	}
}

func sameDraft(a, b Draft) bool {
	return a.Policy == b.Policy && a.Values() == b.Values() && a.Tenant == b.Tenant && a.Type == b.Type && a.Name == b.Name && slices.Equal(a.Tags, b.Tags) && slices.Equal(a.Plain, b.Plain) &&
		a.ByID == b.ByID && a.Label == b.Label && a.Creator == b.Creator && a.Resource == b.Resource &&
		a.Unit == b.Unit && a.Dialect == b.Dialect && a.Explicit == b.Explicit && a.Retention == b.Retention
}

type fakeSink struct{ bucket map[string]string }

func (s *fakeSink) Put(bucket string, key, value []byte) {
	if bucket != Bucket {
		panic("bucket " + bucket)
	}
	if value == nil {
		delete(s.bucket, string(key))
		return
	}
	s.bucket[string(key)] = string(value)
}

func nearest(n *Node, metric string) []Ref {
	if ref, ok := n.Series(metric); ok {
		return []Ref{ref}
	}
	var refs []Ref
	for _, k := range n.Children() {
		refs = append(refs, nearest(k, metric)...)
	}
	return refs
}
