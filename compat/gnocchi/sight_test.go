package gnocchi

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/uuid"

	"granary/measures"
	"granary/metricdef/resource"
	"granary/tenant"
	"granary/tenant/identity"
)

// TestSight checks that searches find what the rules allow, and nothing else.
func TestSight(t *testing.T) {
	b := newBed(t)
	texts := []string{"A", "B", "_ops"}
	creators := []string{"u:A", "u:B", "v:A", "u", "v", "u:", ":A"}
	for _, owner := range texts {
		for _, creator := range creators {
			for _, project := range []*string{nil, &texts[0], &texts[1]} {
				id := uuid.New()
				d := &resource.Draft{Original: id.String(), Type: resource.Generic, Creator: creator, Project: project, Started: testNow.UnixNano()}
				if _, _, err := b.store.ChangeResource(t.Context(), &measures.ResourceChange{Tenant: b.tenant(tenant.ID(owner)), ID: id, Create: d}); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	rules := DefaultRules()
	if err := rules.Set("list resource", []string{"admin", "everybody"}); err != nil {
		t.Fatal(err)
	}
	all, err := b.store.Resources.Search(t.Context(), resource.Search{})
	if err != nil || len(all.Resources) != len(texts)*len(creators)*3 {
		t.Fatal(len(all.Resources), err)
	}
	for _, who := range []caller{
		{user: "u", creator: "u", home: "_ops"}, {user: "w", creator: "w", home: "_ops"}, {home: "_ops"}, {user: "u", project: "A", creator: "u:A", home: "A"},
		{user: "x", project: "B", creator: "x:B", home: "B"}, {project: "A", creator: ":A", home: "A"}, {user: "u", project: "A", creator: "u:A", home: "A", service: true},
		{user: "x", project: "ops", creator: "x:ops", home: "_ops", admin: true}, {user: "u", creator: "u:", home: "_ops"},
	} {
		who.id, who.known, who.rules = identity.Open(), who.creator != "", rules
		c := &call{d: b.Dialect, caller: &who}
		if num, ok := b.store.Tenants.Lookup(who.home); ok {
			c.num = num.Num
		}
		for a := getResource; a <= deleteResources; a++ {
			found, err := b.store.Resources.Search(t.Context(), resource.Search{Tenants: c.scope(), Where: c.sight(a)})
			if err != nil {
				t.Fatal(err)
			}
			got, want := []string{}, []string{}
			for i := range found.Resources {
				got = append(got, found.Resources[i].ID.String())
			}
			for i := range all.Resources {
				if o := c.objectOfResource(&all.Resources[i]); c.may(a, &o) {
					want = append(want, all.Resources[i].ID.String())
				}
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("%q of %q, admin %v, service %v, action %d: %d resources, want %d", who.creator, who.home, who.admin, who.service, a, len(got), len(want))
			}
		}
	}
}

// BenchmarkResourceSearch is the search for 10 of 100,000 resources by an attribute, and for a page of 1,000 of them, through the handler.
func BenchmarkResourceSearch(b *testing.B) {
	bed := newBed(b)
	bed.must(201, "POST", "/resource_type", `{"name": "vm", "attributes": {"host": {"type": "string"}, "flavor": {"type": "string", "required": false}, "size": {"type": "number"}}}`)
	num := bed.tenant("A")
	project := "A"
	const n = 100_000
	for i := range n {
		id := uuid.NewSHA1(uuid.Nil, fmt.Append(nil, i))
		d := &resource.Draft{
			Original: id.String(), Type: "vm", Creator: "u:A", Project: &project, Started: testNow.UnixNano(),
			Attributes: map[string]resource.Value{"host": resource.TextValue(fmt.Sprint("host", i%(n/10))), "size": resource.NumberValue(float64(i % 100))},
		}
		if _, _, err := bed.store.ChangeResource(b.Context(), &measures.ResourceChange{Tenant: num, ID: id, Create: d}); err != nil {
			b.Fatal(err)
		}
	}
	for _, c := range []struct{ name, body string }{
		{"by=host", `{"=": {"host": "host77"}}`},
		{"by=like", `{"like": {"host": "host77%"}}`},
		{"by=size,found=1000", `{"=": {"size": 5}}`},
		{"by=nothing,found=1000", `{}`},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			before := spent()
			for b.Loop() {
				if w := bed.as("u/A", "POST", "/search/resource/vm", c.body); w.Code != 200 {
					b.Fatal(w.Code, w.Body)
				}
			}
			b.ReportMetric((spent()-before).Seconds()*1e3/float64(b.N), "cpu-ms/op")
		})
	}
}
