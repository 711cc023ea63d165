package export

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"granary/metricdef"
	"granary/metricdef/resource"
	"granary/tenant"
)

// Resources have no form in line protocol. They are printed as JSON, one object a line: first the resource types, then each resource,
// one line a revision, oldest first. The line of the present revision, which has no revision_end, has the resource's metrics too.
//
//	{"resource_type": {"name": "instance", "attributes": [{"name": "host", "type": "string", "required": true, "max_length": 255}]}}
//	{"tenant": "shop", "resource": {"id": "…", "original_resource_id": "…", "type": "instance", "creator": "u:p", "user_id": "u", "project_id": "p",
//	 "started_at": "2026-01-31T00:00:00Z", "revision": 1, "revision_start": "…", "attributes": {"host": "a01"}},
//	 "metrics": [{"id": "…", "name": "cpu", "unit": "ns", "policy": "low", "creator": "u:p"}]}

// ResourceLine is one line: a type, or a revision of a resource.
type ResourceLine struct {
	Type     *TypeForm     `json:"resource_type,omitempty"`
	Tenant   tenant.ID     `json:"tenant,omitempty"`
	Resource *ResourceForm `json:"resource,omitempty"`
	Metrics  []MetricForm  `json:"metrics,omitempty"`
}

// TypeForm is a resource type.
type TypeForm struct {
	Name       string          `json:"name"`
	Attributes []AttributeForm `json:"attributes"`
}

// AttributeForm is an attribute of a type. Its type is "string", "uuid", "number", "bool" or "datetime".
type AttributeForm struct {
	Name      string   `json:"name"`
	Type      string   `json:"type"`
	Required  bool     `json:"required,omitempty"`
	MinLength int      `json:"min_length,omitempty"`
	MaxLength int      `json:"max_length,omitempty"`
	Min       *float64 `json:"min,omitempty"`
	Max       *float64 `json:"max,omitempty"`
}

// ResourceForm is one revision of a resource. Times are RFC 3339.
type ResourceForm struct {
	ID            uuid.UUID      `json:"id"`
	Original      string         `json:"original_resource_id"`
	Type          string         `json:"type"`
	Creator       string         `json:"creator,omitempty"`
	User          *string        `json:"user_id,omitempty"`
	Project       *string        `json:"project_id,omitempty"`
	Started       time.Time      `json:"started_at"`
	Ended         *time.Time     `json:"ended_at,omitempty"`
	Revision      int            `json:"revision"`
	RevisionStart time.Time      `json:"revision_start"`
	RevisionEnd   *time.Time     `json:"revision_end,omitempty"`
	Attributes    map[string]any `json:"attributes,omitempty"`
}

// MetricForm is a metric of a resource, by the name under which the resource has it.
type MetricForm struct {
	ID      uuid.UUID `json:"id"`
	Name    string    `json:"name"`
	Unit    string    `json:"unit,omitempty"`
	Policy  string    `json:"policy,omitempty"`
	Creator string    `json:"creator,omitempty"`
}

// ResourceSource is the store whose resources are printed.
type ResourceSource interface {
	// Types are the resource types, by name.
	Types() []resource.Type
	// EachResource calls fn for each resource of a tenant, 0 for all, with its revisions, oldest first, and its metrics, until fn answers an
	// error, which is returned.
	EachResource(ctx context.Context, t tenant.Num, fn func(owner tenant.ID, revisions []resource.Resource, metrics []metricdef.Definition) error) error
}

// WriteResources prints the types and the resources of a tenant, 0 for all, and says how many resources there were.
func WriteResources(ctx context.Context, src ResourceSource, w io.Writer, t tenant.Num) (count int, err error) {
	buffer := bufio.NewWriterSize(w, 64<<10)
	out := json.NewEncoder(buffer)
	out.SetEscapeHTML(false)
	for _, typ := range src.Types() {
		if typ.Name != resource.Generic {
			if err := out.Encode(ResourceLine{Type: formOfType(&typ)}); err != nil {
				return 0, err
			}
		}
	}
	err = src.EachResource(ctx, t, func(owner tenant.ID, revisions []resource.Resource, metrics []metricdef.Definition) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		count++
		for i := range revisions {
			line := ResourceLine{Tenant: owner, Resource: formOf(&revisions[i])}
			if i == len(revisions)-1 {
				for _, d := range metrics {
					line.Metrics = append(line.Metrics, MetricForm{d.ID, d.Label, d.Unit, d.Policy, d.Creator})
				}
			}
			if err := out.Encode(line); err != nil {
				return err
			}
		}
		return nil
	})
	return count, errors.Join(err, buffer.Flush())
}

func formOfType(t *resource.Type) *TypeForm {
	f := &TypeForm{Name: t.Name, Attributes: []AttributeForm{}}
	for _, a := range t.Attributes {
		f.Attributes = append(f.Attributes, AttributeForm{a.Name, a.Kind.String(), a.Required, a.MinLength, a.MaxLength, a.Min, a.Max})
	}
	return f
}

func formOf(r *resource.Resource) *ResourceForm {
	f := &ResourceForm{
		ID: r.ID, Original: r.Original, Type: r.Type, Creator: r.Creator, User: r.User, Project: r.Project, Started: timeOf(r.Started), Revision: r.Revision,
		RevisionStart: timeOf(r.RevisionStart),
	}
	for _, t := range [...]struct {
		from int64
		to   **time.Time
	}{{r.Ended, &f.Ended}, {r.RevisionEnd, &f.RevisionEnd}} {
		if t.from != 0 {
			*t.to = new(timeOf(t.from))
		}
	}
	for name, v := range r.Attributes {
		if f.Attributes == nil {
			f.Attributes = make(map[string]any, len(r.Attributes))
		}
		switch v.Kind {
		case resource.Number:
			f.Attributes[name] = v.Number
		case resource.Bool:
			f.Attributes[name] = v.Bool
		default:
			f.Attributes[name] = v.String()
		}
	}
	return f
}

func timeOf(nanosec int64) time.Time { return time.Unix(0, nanosec).UTC() }

// nanosec is timeOf the other way round, and whether there is such a number.
func nanosec(t time.Time) (int64, bool) {
	return t.UnixNano(), t.Year() > 1677 && t.Year() < 2263 && timeOf(t.UnixNano()).Equal(t)
}

// ResourceSink is the store that resources are read into.
type ResourceSink interface {
	// PutType makes a type, and says whether there was one of that name. That one must be the same.
	PutType(ctx context.Context, t resource.Type) (existed bool, err error)
	// PutResource makes a resource with its metrics, and says whether the tenant had one of that id, which stays as it is then.
	PutResource(ctx context.Context, owner tenant.ID, d resource.Draft, metrics []metricdef.Draft) (existed bool, err error)
}

// ResourceStats says what became of the lines that were read.
type ResourceStats struct {
	Types, Resources, Metrics int // that were made
	Existing                  int // resources that were there and stay as they are
	Former                    int // former revisions, which are left out: a revision begins when it is made
}

// ReadResources reads what WriteResources printed. Stats are right up to the error, which names the line.
func ReadResources(ctx context.Context, r io.Reader, sink ResourceSink) (st ResourceStats, err error) {
	in := resourceReader{sink: sink, types: map[string]*resource.Type{resource.Generic: {Name: resource.Generic}}}
	dec := json.NewDecoder(bufio.NewReaderSize(r, 64<<10))
	dec.DisallowUnknownFields()
	for n := 1; ; n++ {
		var line ResourceLine
		if err = dec.Decode(&line); errors.Is(err, io.EOF) {
			return in.stats, nil
		}
		if err == nil {
			err = in.line(ctx, &line)
		}
		if err != nil {
			return in.stats, fmt.Errorf("object %d: %w", n, err)
		}
	}
}

type resourceReader struct {
	sink  ResourceSink
	types map[string]*resource.Type
	stats ResourceStats
}

func (in *resourceReader) line(ctx context.Context, l *ResourceLine) error {
	switch {
	case l.Type != nil && l.Resource == nil && l.Tenant == "":
		t, err := l.Type.read()
		if err != nil {
			return err
		}
		in.types[t.Name] = &t
		existed, err := in.sink.PutType(ctx, t)
		if err == nil && !existed {
			in.stats.Types++
		}
		return err
	case l.Resource == nil || l.Type != nil || l.Tenant == "":
		return errors.New(`expected "resource_type", or "tenant" and "resource"`)
	case l.Resource.RevisionEnd != nil:
		in.stats.Former++
		return nil
	}
	d, err := l.Resource.read(in.types)
	if err != nil {
		return err
	}
	var metrics []metricdef.Draft
	for _, m := range l.Metrics {
		metrics = append(metrics, metricdef.Draft{
			Identity: metricdef.Identity{Type: metricdef.Gauge, Name: m.ID.String()}, ByID: true, Label: m.Name, Unit: m.Unit, Policy: m.Policy,
			Creator: m.Creator, Dialect: "gnocchi", Explicit: true,
		})
	}
	existed, err := in.sink.PutResource(ctx, l.Tenant, d, metrics)
	switch {
	case err != nil:
		return fmt.Errorf("resource %s: %w", d.ID, err)
	case existed:
		in.stats.Existing++
	default:
		in.stats.Resources++
		in.stats.Metrics += len(metrics)
	}
	return nil
}

func (f *TypeForm) read() (resource.Type, error) {
	t := resource.Type{Name: f.Name}
	for _, a := range f.Attributes {
		kind, ok := resource.ParseKind(a.Type)
		if !ok {
			return t, fmt.Errorf("resource type %q: attribute %q has the type %q, which is not known", f.Name, a.Name, a.Type)
		}
		t.Attributes = append(t.Attributes, resource.Attribute{
			Name: a.Name, Kind: kind, Required: a.Required, MinLength: a.MinLength, MaxLength: a.MaxLength, Min: a.Min, Max: a.Max,
		})
	}
	slices.SortFunc(t.Attributes, func(a, b resource.Attribute) int { return strings.Compare(a.Name, b.Name) })
	return t, t.Validate()
}

func (f *ResourceForm) read(types map[string]*resource.Type) (d resource.Draft, err error) {
	d = resource.Draft{ID: f.ID, Original: f.Original, Type: f.Type, Creator: f.Creator, User: f.User, Project: f.Project}
	var ok bool
	if d.Started, ok = nanosec(f.Started); ok && f.Ended != nil {
		d.Ended, ok = nanosec(*f.Ended)
	}
	if !ok {
		return d, fmt.Errorf("resource %s: started_at or ended_at is before 1678 or after 2262", f.ID)
	}
	t := types[f.Type]
	if t == nil {
		return d, fmt.Errorf("resource %s: its type %q stands in no line before it", f.ID, f.Type)
	}
	for name, x := range f.Attributes {
		a := t.Attribute(name)
		if a == nil {
			return d, &resource.UnknownAttributeError{Type: t.Name, Attribute: name}
		}
		v, ok := valueOf(a.Kind, x)
		if !ok {
			return d, fmt.Errorf("resource %s: attribute %q: %v is no %s", f.ID, name, x, a.Kind)
		}
		if d.Attributes == nil {
			d.Attributes = make(map[string]resource.Value, len(f.Attributes))
		}
		d.Attributes[name] = v
	}
	return d, nil
}

// valueOf is the value of an attribute as formOf wrote it.
func valueOf(kind resource.Kind, x any) (v resource.Value, ok bool) {
	v.Kind = kind
	switch kind {
	case resource.Number:
		v.Number, ok = x.(float64)
	case resource.Bool:
		v.Bool, ok = x.(bool)
	case resource.Datetime:
		var s string
		if s, ok = x.(string); ok {
			t, err := time.Parse(time.RFC3339Nano, s)
			v.Time, ok = nanosec(t)
			ok = ok && err == nil
		}
	default:
		v.Text, ok = x.(string)
	}
	return v, ok
}
