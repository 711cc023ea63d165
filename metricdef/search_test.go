package metricdef

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"granary/metricdef/match"
)

// put makes a definition visible.
func put(t interface{ Fatal(...any) }, r *Registry, d Draft, created int64) Ref {
	ref := r.Reserve(&d, created)
	if ref == 0 {
		t.Fatal(d.Validate())
	}
	if _, _, err := r.Apply(r.AppendRecord(nil, ref)); err != nil {
		t.Fatal(err)
	}
	return ref
}

// compareIn is the order as one would write it first.
func compareIn(o Order, a, b Definition) int {
	front := func(d Definition) []byte {
		key := AppendKey(nil, d.Name, d.Tags)
		return key[:min(len(key), maxPlace)]
	}
	c := 0
	switch o {
	case ByName:
		c = bytes.Compare(front(a), front(b))
	case ByCreated:
		c = a.Created.Compare(b.Created)
	case ByID:
		c = bytes.Compare(a.ID[:], b.ID[:])
	}
	return cmp.Or(c, cmp.Compare(a.Ref, b.Ref))
}

// TestPages walks over pages while definitions come and go, and holds them against sorting everything.
func TestPages(t *testing.T) {
	names := []string{"a", "ab", "a{", "a\\", "a\nb", "b", "c", strings.Repeat("x", maxPlace-3), strings.Repeat("x", maxPlace), strings.Repeat("x", maxPlace+1)}
	tags := [][]Tag{nil, {{"h", "1"}}, {{"h", "1\""}}, {{"h", "1"}, {"i", "2"}}, {{"h=", "1"}}, {{"h", strings.Repeat("y", maxPlace+5)}}, {{"h", strings.Repeat("y", maxPlace+6)}}}
	rapid.Check(t, func(t *rapid.T) {
		r := NewRegistry(Options{})
		all := map[Ref]Definition{}
		add := func() {
			d := Draft{Identity: Identity{Tenant: 1, Type: rapid.SampledFrom([]Type{Gauge, Counter, String}).Draw(t, "type"),
				Name: rapid.SampledFrom(names).Draw(t, "name"), Tags: rapid.SampledFrom(tags).Draw(t, "tags")}}
			if _, known := r.Resolve(1, d.Type, AppendKey(nil, d.Name, d.Tags)); known {
				return
			}
			ref := put(t, r, d, rapid.Int64Range(-3, 3).Draw(t, "created"))
			other := d
			other.Tenant = 2
			put(t, r, other, 0)
			all[ref], _ = r.Get(ref)
		}
		for range rapid.IntRange(0, 40).Draw(t, "definitions") {
			add()
		}
		p := Page{Sort: Order(rapid.IntRange(0, 3).Draw(t, "order")), Desc: rapid.Bool().Draw(t, "desc"),
			Limit: rapid.IntRange(0, 7).Draw(t, "limit"), Total: rapid.Bool().Draw(t, "total")}
		if rapid.Bool().Draw(t, "some types") {
			p.Types = []Type{Counter, String}
		}
		if rapid.Bool().Draw(t, "keep") {
			p.Keep = func(ref Ref) bool { return ref%3 != 0 }
		}
		var e match.Expr
		if rapid.Bool().Draw(t, "selector") {
			e = match.NotEqual("h", "1")
		}
		wanted := func(d Definition) bool {
			return (e == nil || e.Eval(func(name string) string { return new(model).valueOf(d.Draft, name) })) &&
				(p.Keep == nil || p.Keep(d.Ref)) && (len(p.Types) == 0 || slices.Contains(p.Types, d.Type))
		}
		compare := func(a, b Definition) int {
			if p.Desc {
				a, b = b, a
			}
			return compareIn(p.Sort, a, b)
		}
		var last *Definition
		for pages := 0; ; pages++ {
			var want []Definition
			total := 0
			for _, d := range all {
				if wanted(d) {
					total++
					if last == nil || compare(*last, d) < 0 {
						want = append(want, d)
					}
				}
			}
			slices.SortFunc(want, compare)
			more := p.Limit > 0 && len(want) > p.Limit
			if more {
				want = want[:p.Limit]
			}
			found, err := r.Search(t.Context(), 1, e, p)
			if err != nil || len(found.Refs) != len(want) || (found.Next != "") != more || p.Total && found.Total != total || !p.Total && found.Total != -1 {
				t.Fatalf("%d found, next %q, total %d (%v); want %d, more %v, total %d", len(found.Refs), found.Next, found.Total, err, len(want), more, total)
			}
			for i, ref := range found.Refs {
				if ref != want[i].Ref {
					t.Fatalf("page %d of %+v: place %d is %d, want %d", pages, p, i, ref, want[i].Ref)
				}
			}
			if !more {
				return
			}
			last, p.After = &want[len(want)-1], found.Next
			for range rapid.IntRange(0, 2).Draw(t, "comes") {
				add()
			}
			for _, ref := range slices.Sorted(maps.Keys(all)) {
				if rapid.IntRange(0, 9).Draw(t, "goes") == 0 || ref == last.Ref && pages%2 == 0 {
					r.Remove([]Ref{ref})
					delete(all, ref)
				}
			}
		}
	})
}

func TestCursors(t *testing.T) {
	r := NewRegistry(Options{})
	fill(r, 100, site)
	found, err := r.Search(t.Context(), 1, nil, Page{Sort: ByName, Limit: 10})
	if err != nil || len(found.Refs) != 10 || found.Next == "" {
		t.Fatal(found, err)
	}
	tags, err := r.Tags(t.Context(), 1, nil, TagPage{Limit: 1})
	if err != nil || tags.Next == "" {
		t.Fatal(tags, err)
	}
	for _, c := range []string{"x", "AA", "AQ", tags.Next, found.Next + "=", " " + found.Next, "AQIAgICAgICAgICAgIAB", "AQIA_____x8", strings.Repeat("A", 2000), found.Next[:4]} {
		var bad *CursorError
		if _, err := r.Search(t.Context(), 1, nil, Page{Sort: ByName, Limit: 10, After: c}); !errors.As(err, &bad) || bad.Kind() != "invalid" || bad.Code() != "cursor-invalid" {
			t.Errorf("%.40q: %v", c, err)
		}
	}
	for _, p := range []Page{{Sort: ByName, Desc: true, After: found.Next}, {Sort: ByID, After: found.Next}} {
		if _, err := r.Search(t.Context(), 1, nil, p); err == nil || !strings.Contains(err.Error(), "another order") {
			t.Errorf("%+v: %v", p, err)
		}
	}
	if _, err := r.Values(t.Context(), 1, "hostname", nil, TagPage{After: tags.Next}); err == nil {
		t.Error("a cursor of tags is good for values")
	}
	if again, err := r.Search(t.Context(), 2, nil, Page{Sort: ByName, Limit: 10, After: found.Next}); err == nil || len(again.Refs) > 0 {
		t.Errorf("another tenant finds %v", again)
	}
	if o, ok := ParseOrder("created"); o != ByCreated || !ok || o.String() != "created" {
		t.Error(o, ok)
	}
	if _, ok := ParseOrder("size"); ok {
		t.Error("there is no such order")
	}
}

// FuzzCursor: no text panics or is taken for a place that cannot be, and what is read is printed as the same text.
func FuzzCursor(f *testing.F) {
	seal := newSeal([SecretLen]byte{7})
	f.Add(seal.cursor(2, place{"cpu{host=\"1\"}", -5, 7}, 3), byte(3))
	f.Add("AQ", byte(0))
	f.Add("AQIA_____x8", byte(2))
	f.Fuzz(func(t *testing.T, text string, order byte) {
		p, err := seal.parse(2, text, order)
		if err != nil {
			return
		}
		if _, err := seal.parse(3, text, order); err == nil {
			t.Fatalf("%q is one of another tenant too", text)
		}
		if again, err := seal.parse(2, seal.cursor(2, p, order), order); err != nil || again != p || p.ref > maxRef || len(p.text) > cursorLimit {
			t.Fatalf("%q: %+v, then %+v (%v)", text, p, again, err)
		}
	})
}

// TestCursorsTellNothing: a cursor is the tenant's own, dies with the secret, and two refs that follow each other are not
// to be told from any others.
func TestCursorsTellNothing(t *testing.T) {
	one, other := newSeal([SecretLen]byte{1}), newSeal([SecretLen]byte{2})
	p := place{"", 5, 7}
	text := one.cursor(2, p, 0)
	if got, err := one.parse(2, text, 0); err != nil || got != p {
		t.Error(got, err)
	}
	if got, err := one.parse(3, text, 0); err == nil {
		t.Error("another tenant follows it to", got)
	}
	if got, err := other.parse(2, text, 0); err == nil {
		t.Error("another service follows it to", got)
	}
	p.ref++
	next, same := one.cursor(2, p, 0), 0
	for i := range text {
		if text[i] == next[i] {
			same++
		}
	}
	if same > len(text)/2 {
		t.Errorf("%s and %s are alike", text, next)
	}
}

// TestSearchEnds: a search over much ends with its context, also between two looks at Keep.
func TestSearchEnds(t *testing.T) {
	r := NewRegistry(Options{})
	fill(r, siteSize, site)
	ctx, cancel := context.WithCancel(t.Context())
	asked := 0
	_, err := r.Search(ctx, 1, nil, Page{Sort: ByName, Limit: 10, Keep: func(Ref) bool {
		if asked++; asked == 10 {
			cancel()
		}
		return false
	}})
	if !errors.Is(err, context.Canceled) || asked > searchStep {
		t.Errorf("asked %d times: %v", asked, err)
	}
	for name, list := range map[string]func() error{
		"tags":        func() error { _, err := r.Tags(ctx, 1, match.Exists("type"), TagPage{}); return err },
		"values":      func() error { _, err := r.Values(ctx, 1, "type", nil, TagPage{}); return err },
		"cardinality": func() error { _, err := r.Cardinality(ctx, 1, nil, 10); return err },
	} {
		if err := list(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s after the end of the context: %v", name, err)
		}
	}
}

func TestTagPages(t *testing.T) {
	r := NewRegistry(Options{})
	long := strings.Repeat("v", maxPlace)
	values := []string{"a", "b", "ba", "c", long, long + "1", long + "2"}
	for i, v := range values {
		for k := range i + 1 {
			put(t, r, Draft{Identity: Identity{Tenant: 1, Type: Gauge, Name: fmt.Sprintf("m%d", k), Tags: []Tag{{"t", v}}}, Plain: []Tag{{fmt.Sprintf("p%d", k), "x"}}}, 1)
		}
		put(t, r, Draft{Identity: Identity{Tenant: 2, Type: Gauge, Name: "other", Tags: []Tag{{"t", v}, {"u", "secret"}}}}, 1)
	}
	for limit := range 9 {
		got := map[string]int{}
		order := []string{}
		p := TagPage{Limit: limit, Total: limit%2 == 0}
		for {
			found, err := r.Values(t.Context(), 1, "t", nil, p)
			if err != nil || limit > 0 && len(found.Values) > limit || p.Total && found.Total != len(values) || !p.Total && found.Total != -1 {
				t.Fatal(found, err)
			}
			for _, v := range found.Values {
				got[v.Value] = v.Definitions
				order = append(order, textPlace(v.Value))
			}
			if p.After = found.Next; p.After == "" {
				break
			}
		}
		if len(got) != len(values) || len(order) != len(values) || !slices.IsSorted(order) {
			t.Errorf("limit %d: %d values in the order %.20q", limit, len(got), order)
		}
		for i, v := range values {
			if got[v] != i+1 {
				t.Errorf("limit %d: %.10q has %d definitions, want %d", limit, v, got[v], i+1)
			}
		}
	}
	b := match.Equal("t", "b")
	for _, c := range []struct {
		name string
		e    match.Expr
		p    TagPage
		want []ValueCount
	}{
		{"t", nil, TagPage{Match: []*match.Matcher{match.Prefix("", "b")}}, []ValueCount{{"b", 2}, {"ba", 3}}},
		{"t", nil, TagPage{Match: []*match.Matcher{match.Prefix("", "b"), must(match.Regexp("", "..?"))}}, []ValueCount{{"b", 2}, {"ba", 3}}},
		{"t", nil, TagPage{Match: []*match.Matcher{match.Prefix("", "b"), must(match.Regexp("", "."))}}, []ValueCount{{"b", 2}}},
		{"t", match.Equal(NameTag, "m2"), TagPage{Limit: 2}, []ValueCount{{"ba", 1}, {"c", 1}}},
		{"t", match.Exists("p6"), TagPage{}, []ValueCount{{long + "2", 1}}},
		{NameTag, b, TagPage{}, []ValueCount{{"m0", 1}, {"m1", 1}}},
		{"u", nil, TagPage{}, nil},
		{"u", b, TagPage{}, nil},
		{"no such tag", nil, TagPage{}, nil},
	} {
		found, err := r.Values(t.Context(), 1, c.name, c.e, c.p)
		if err != nil || !slices.Equal(found.Values, c.want) {
			t.Errorf("%s among %v: %v, want %v (%v)", c.name, c.e, found.Values, c.want, err)
		}
	}
	tags, err := r.Tags(t.Context(), 1, b, TagPage{})
	if want := []TagCount{{"p0", 1, 1}, {"p1", 1, 1}, {"t", 2, 1}}; err != nil || !slices.Equal(tags.Tags, want) {
		t.Errorf("tags among %v: %v, want %v (%v)", b, tags.Tags, want, err)
	}
	tags, err = r.Tags(t.Context(), 1, nil, TagPage{Limit: 2, Total: true, Match: []*match.Matcher{match.Prefix("", "p")}})
	if want := []TagCount{{"p0", 7, 1}, {"p1", 6, 1}}; err != nil || !slices.Equal(tags.Tags, want) || tags.Total != 7 {
		t.Errorf("tags: %v, want %v (%v)", tags, want, err)
	}
}

func TestCardinality(t *testing.T) {
	r := NewRegistry(Options{})
	fill(r, 94*12, site)
	fill(r, 50, func(i int) Draft {
		d := site(i)
		d.Tenant = 2
		d.Name = "other"
		d.Tags = []Tag{{"n", fmt.Sprint(i)}}
		return d
	})
	got, err := r.Cardinality(t.Context(), 1, nil, 3)
	want := Cardinality{Series: 1128, Names: 34, Tags: 4, Pairs: 1 + 12 + 1 + 16,
		TopNames: []ValueCount{{"thread_metric_0", 192}, {"thread_metric_1", 192}, {"thread_metric_2", 192}},
		TopTags:  []TagCount{{"type-id", 768, 16}, {"hostname", 1128, 12}, {"cluster", 1128, 1}},
		TopPairs: []PairCount{{"cluster", "alex", 1128}, {"type", "hwthread", 768}, {"hostname", "a0000", 94}}}
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%+v\nwant %+v (%v)", got, want, err)
	}
	got, err = r.Cardinality(t.Context(), 1, match.Equal("type-id", "3"), 1)
	want = Cardinality{Series: 48, Names: 4, Tags: 4, Pairs: 15, TopNames: []ValueCount{{"thread_metric_0", 12}},
		TopTags: []TagCount{{"hostname", 48, 12}}, TopPairs: []PairCount{{"cluster", "alex", 48}}}
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%+v\nwant %+v (%v)", got, want, err)
	}
	if got, err := r.Cardinality(t.Context(), 3, nil, 10); err != nil || got.Series != 0 || got.TopNames != nil {
		t.Errorf("a tenant without series: %+v (%v)", got, err)
	}
}

// TestSearchBesideWriters: pages and counts of what stays are right while other definitions come and go, and with them
// pairs, so that walks begin again.
func TestSearchBesideWriters(t *testing.T) {
	r := NewRegistry(Options{})
	fill(r, 94*100, site)
	stays := must(match.Regexp("hostname", "a[0-9]+"))
	done := make(chan struct{})
	var writer, readers sync.WaitGroup
	writer.Go(func() {
		for round := 0; ; round++ {
			select {
			case <-done:
				return
			default:
			}
			var refs []Ref
			for i := range 94 {
				d := site(i)
				d.Tags[1].Value = fmt.Sprintf("x%d", round)
				refs = append(refs, put(panics{}, r, d, int64(round)))
			}
			for _, value := range []string{"rack %d", "shared", "other rack %d"} {
				var all []byte
				for i, ref := range refs {
					var err error
					if all, err = r.AppendUpdated(all, ref, &Update{Set: []Tag{{"rack", strings.ReplaceAll(value, "%d", strconv.Itoa(i))}}}); err != nil {
						panic(err)
					}
				}
				if changed, err := r.UpdateAll(all); err != nil || !slices.Equal(changed, refs) {
					panic(fmt.Sprint(len(changed), err))
				}
			}
			r.Remove(refs)
		}
	})
	for o := range ByID + 1 {
		readers.Go(func() {
			for range 4 {
				p, n := Page{Sort: o, Limit: 3000, Total: true}, 0
				for {
					found, err := r.Search(t.Context(), 1, stays, p)
					if err != nil || found.Total != 9400 {
						t.Errorf("%v: %d in total (%v)", o, found.Total, err)
						return
					}
					n += len(found.Refs)
					if p.After = found.Next; p.After == "" {
						break
					}
				}
				if n != 9400 {
					t.Errorf("%v: %d on all pages", o, n)
				}
				values, err := r.Values(t.Context(), 1, "hostname", stays, TagPage{})
				if err != nil || len(values.Values) != 100 || values.Values[99] != (ValueCount{"a0099", 94}) {
					t.Errorf("%d hosts (%v)", len(values.Values), err)
				}
				tags, err := r.Tags(t.Context(), 1, stays, TagPage{})
				if want := (TagCount{"hostname", 9400, 100}); err != nil || len(tags.Tags) != 4 || tags.Tags[1] != want {
					t.Errorf("tags %v (%v)", tags.Tags, err)
				}
			}
		})
	}
	readers.Wait()
	close(done)
	writer.Wait()
}

// panics is for goroutines that cannot end a test.
type panics struct{}

func (panics) Fatal(args ...any) { panic(fmt.Sprint(args...)) }
