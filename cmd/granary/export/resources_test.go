package export

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"granary/metricdef"
	"granary/metricdef/resource"
	"granary/tenant"
)

// fakeResources is a source and a sink in memory, of one tenant.
type fakeResources struct {
	types     []resource.Type
	resources []fakeResource
}

type fakeResource struct {
	owner     tenant.ID
	revisions []resource.Resource
	metrics   []metricdef.Definition
}

func (s *fakeResources) Types() []resource.Type {
	return append([]resource.Type{{Name: resource.Generic}}, s.types...)
}

func (s *fakeResources) EachResource(_ context.Context, _ tenant.Num, fn func(tenant.ID, []resource.Resource, []metricdef.Definition) error) error {
	for _, r := range s.resources {
		if err := fn(r.owner, r.revisions, r.metrics); err != nil {
			return err
		}
	}
	return nil
}

func (s *fakeResources) PutType(_ context.Context, t resource.Type) (bool, error) {
	s.types = append(s.types, t)
	return len(s.types) > 1, nil
}

func (s *fakeResources) PutResource(_ context.Context, owner tenant.ID, d resource.Draft, metrics []metricdef.Draft) (bool, error) {
	if d.Original == "refused" {
		return false, errors.New("refused")
	}
	r := fakeResource{owner: owner, revisions: []resource.Resource{{Draft: d}}}
	for _, m := range metrics {
		r.metrics = append(r.metrics, metricdef.Definition{Draft: m, ID: uuid.MustParse(m.Name)})
	}
	s.resources = append(s.resources, r)
	return false, nil
}

func sampleResources() *fakeResources {
	typ := resource.Type{Name: "vm", Attributes: []resource.Attribute{
		{Name: "at", Kind: resource.Datetime}, {Name: "host", Kind: resource.String, Required: true, MaxLength: 9}, {Name: "image", Kind: resource.UUID},
		{Name: "size", Kind: resource.Number, Min: new(0.5)}, {Name: "up", Kind: resource.Bool},
	}}
	now := resource.Resource{Draft: resource.Draft{
		ID: uuid.UUID{1}, Original: "a <b>", Type: "vm", Creator: "u:p", Project: new("p"), Started: at + 5, Ended: at + 9e9,
		Attributes: map[string]resource.Value{
			"at": resource.TimeValue(at + 1), "host": resource.TextValue("ä"), "image": resource.UUIDValue(uuid.UUID{2}), "size": resource.NumberValue(1.25), "up": resource.BoolValue(false),
		},
	}, Revision: 2, RevisionStart: at + 3000}
	was := now
	was.Revision, was.RevisionStart, was.RevisionEnd = 1, at, at+3000
	m := metricdef.Definition{ID: uuid.UUID{3}, Draft: metricdef.Draft{
		Identity: metricdef.Identity{Type: metricdef.Gauge, Name: uuid.UUID{3}.String()}, ByID: true, Label: "cpu", Unit: "ns", Policy: "low", Creator: "u:p", Dialect: "gnocchi", Explicit: true,
	}}
	return &fakeResources{[]resource.Type{typ}, []fakeResource{{"shop", []resource.Resource{was, now}, []metricdef.Definition{m}}}}
}

func TestResourcesRoundTrip(t *testing.T) {
	src := sampleResources()
	var out bytes.Buffer
	if n, err := WriteResources(t.Context(), src, &out, 0); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	want := `{"resource_type":{"name":"vm","attributes":[{"name":"at","type":"datetime"},{"name":"host","type":"string","required":true,"max_length":9},{"name":"image","type":"uuid"},{"name":"size","type":"number","min":0.5},{"name":"up","type":"bool"}]}}
{"tenant":"shop","resource":{"id":"01000000-0000-0000-0000-000000000000","original_resource_id":"a <b>","type":"vm","creator":"u:p","project_id":"p","started_at":"2023-11-14T22:13:20.000000005Z","ended_at":"2023-11-14T22:13:29Z","revision":1,"revision_start":"2023-11-14T22:13:20Z","revision_end":"2023-11-14T22:13:20.000003Z","attributes":{"at":"2023-11-14T22:13:20.000000001Z","host":"ä","image":"02000000-0000-0000-0000-000000000000","size":1.25,"up":false}}}
{"tenant":"shop","resource":{"id":"01000000-0000-0000-0000-000000000000","original_resource_id":"a <b>","type":"vm","creator":"u:p","project_id":"p","started_at":"2023-11-14T22:13:20.000000005Z","ended_at":"2023-11-14T22:13:29Z","revision":2,"revision_start":"2023-11-14T22:13:20.000003Z","attributes":{"at":"2023-11-14T22:13:20.000000001Z","host":"ä","image":"02000000-0000-0000-0000-000000000000","size":1.25,"up":false}},"metrics":[{"id":"03000000-0000-0000-0000-000000000000","name":"cpu","unit":"ns","policy":"low","creator":"u:p"}]}
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
	var dst fakeResources
	st, err := ReadResources(t.Context(), &out, &dst)
	if want := (ResourceStats{Types: 1, Resources: 1, Metrics: 1, Former: 1}); st != want || err != nil {
		t.Errorf("%+v, %v", st, err)
	}
	src.resources[0].revisions = []resource.Resource{{Draft: src.resources[0].revisions[1].Draft}}
	if diff := cmp.Diff(src, &dst, cmp.AllowUnexported(fakeResources{}, fakeResource{})); diff != "" {
		t.Error(diff)
	}
}

func TestReadResourcesRefuses(t *testing.T) {
	const typ = `{"resource_type":{"name":"vm","attributes":[{"name":"at","type":"datetime"},{"name":"n","type":"number"}]}}` + "\n"
	one := func(more string) string {
		return typ + `{"tenant":"a","resource":{"id":"01000000-0000-0000-0000-000000000000","original_resource_id":"x","type":"vm","started_at":"2023-11-14T22:13:20Z","revision":1,"revision_start":"2023-11-14T22:13:20Z"` + more + `}}`
	}
	var st fakeResources
	if _, err := ReadResources(t.Context(), strings.NewReader(one(`,"attributes":{"n":1}`)), &st); err != nil {
		t.Fatal(err)
	}
	for body, want := range map[string]string{
		"{}":                   "object 1: expected",
		"[]":                   "object 1: json",
		typ + "{":              "object 2: unexpected EOF",
		`{"nothing":1}`:        `unknown field "nothing"`,
		typ + `{"tenant":"a"}`: "object 2: expected",
		`{"resource_type":{"name":"vm","attributes":[{"name":"a","type":"blob"}]}}`: `"blob", which is not known`,
		`{"resource_type":{"name":"v/m"}}`:                                          "must not have a slash",
		strings.TrimPrefix(one(""), typ):                                            `type "vm" stands in no line before it`,
		one(`,"attributes":{"x":1}`):                                                `no attribute "x"`,
		one(`,"attributes":{"n":"1"}`):                                              "1 is no number",
		one(`,"attributes":{"at":"yesterday"}`):                                     "yesterday is no datetime",
		one(`,"attributes":{"at":"2300-01-01T00:00:00Z"}`):                          "is no datetime",
		one(`,"ended_at":"1600-01-01T00:00:00Z"`):                                   "before 1678",
		strings.Replace(one(""), `"x"`, `"refused"`, 1):                             "resource 01000000-0000-0000-0000-000000000000: refused",
	} {
		if _, err := ReadResources(t.Context(), strings.NewReader(body), &fakeResources{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", body, err, want)
		}
	}
}

func FuzzReadResources(f *testing.F) {
	var out bytes.Buffer
	if _, err := WriteResources(f.Context(), sampleResources(), &out, 0); err != nil {
		f.Fatal(err)
	}
	f.Add(out.String())
	f.Fuzz(func(t *testing.T, s string) {
		var dst fakeResources
		if _, err := ReadResources(t.Context(), strings.NewReader(s), &dst); err != nil {
			return
		}
		if _, err := WriteResources(t.Context(), &dst, &bytes.Buffer{}, 0); err != nil {
			t.Error(err)
		}
	})
}
