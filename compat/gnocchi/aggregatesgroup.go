package gnocchi

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/google/uuid"

	"granary/compat/gnocchi/attribute"
	"granary/compat/gnocchi/operations"
	"granary/compat/gnocchi/pyjson"
	"granary/measures/query"
	"granary/metricdef"
	"granary/metricdef/resource"
	"granary/policy"
	"granary/tenant"
	"granary/tenant/identity"
)

// group is resources that have the same values of some attributes; or revisions of resources, each with the values that it has.
type group struct {
	values    []groupValue
	resources []resource.Resource
}

// groupValue is a value of an attribute, or null.
type groupValue struct {
	resource.Value
	ok bool
}

// chosen are the resources that a computation is about, as a search finds them. What it keeps is bounded: by the limit of series, of which each
// metric is one, and each group that has none too.
type chosen struct {
	c      *call
	by     []string
	series func(r *resource.Resource) int // of the computation that a resource has
	empty  bool                           // groups without series are in the answer

	count  int64
	groups map[string]chosenGroup // by their values, if empty
	err    error                  // it is too much
	cancel func()
}

// chosenGroup is the resource that stands for a group that has no series.
type chosenGroup struct {
	id     uuid.UUID
	tenant tenant.Num
}

// keep says whether a resource is one of them.
func (o *chosen) keep(r *resource.Resource) bool {
	if o.err != nil {
		return false
	}
	n := o.series(r)
	if n == 0 && o.empty {
		g := group{values: valuesOf(r, o.by)}
		key := string(g.append(nil, o.by))
		first, seen := o.groups[key]
		if seen {
			return first == chosenGroup{r.ID, r.Tenant}
		}
		o.groups[key] = chosenGroup{r.ID, r.Tenant}
		n = 1
	}
	o.count += int64(n)
	if err := o.c.d.o.Queries.Admit(o.c.most(), query.Cost{Series: o.count}); err != nil {
		o.err = o.c.refused(err)
		o.cancel()
	}
	return n > 0
}

// groupsOf finds resources of a type that have series of a computation, in groups by attributes. Without attributes they are one group, if
// there are any. With empty, groups that have no series are told too, by one of their resources.
func (c *call) groupsOf(q resource.Search, by []string, empty bool, series func(r *resource.Resource) int) ([]group, error) {
	q.Tenants, q.Where = c.scope(), both(q.Where, c.sight(searchResource))
	for _, name := range by {
		q.Sort = append(q.Sort, resource.SortKey{Attribute: name})
	}
	if c.wide() {
		c.d.o.Audit.Wide(c.r, c.id, "resource.aggregate", identity.Everywhere)
	}
	if err := c.enter(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	o := chosen{c: c, by: by, series: series, empty: empty, groups: make(map[string]chosenGroup), cancel: cancel}
	q.Keep = o.keep
	found, err := c.d.o.Resources.Search(ctx, q)
	if err := cmp.Or(o.err, err); err != nil {
		return nil, err
	}
	var groups []group
	from := 0
	for i := range found.Resources {
		r := &found.Resources[i]
		if i > 0 && sameGroup(groups[len(groups)-1].values, by, r) {
			continue
		}
		if i > 0 {
			groups[len(groups)-1].resources = found.Resources[from:i:i]
			from = i
		}
		groups = append(groups, group{values: valuesOf(r, by)})
	}
	if len(groups) > 0 {
		groups[len(groups)-1].resources = found.Resources[from:]
	}
	return groups, nil
}

// valuesOf are the values of a resource by which it belongs to a group.
func valuesOf(r *resource.Resource, by []string) []groupValue {
	values := make([]groupValue, len(by))
	for k, name := range by {
		values[k] = valueOf(r, name)
	}
	return values
}

func sameGroup(values []groupValue, by []string, r *resource.Resource) bool {
	for k, name := range by {
		if values[k] != valueOf(r, name) {
			return false
		}
	}
	return true
}

// valueOf is the value of an attribute of a resource: one that all have, or one of its type.
func valueOf(r *resource.Resource, name string) groupValue {
	text := func(s *string) groupValue {
		if s == nil {
			return groupValue{}
		}
		return groupValue{resource.TextValue(*s), true}
	}
	date := func(ns int64, ok bool) groupValue { return groupValue{resource.TimeValue(ns), ok} }
	switch name {
	case "id":
		return groupValue{resource.UUIDValue(r.ID), true}
	case "type":
		return text(&r.Type)
	case "original_resource_id":
		return text(&r.Original)
	case "creator":
		return text(&r.Creator)
	case "user_id":
		return text(r.User)
	case "project_id":
		return text(r.Project)
	case "started_at":
		return date(r.Started, true)
	case "ended_at":
		return date(r.Ended, r.Ended != 0)
	case "revision_start":
		return date(r.RevisionStart, true)
	case "revision_end":
		return date(r.RevisionEnd, r.RevisionEnd != 0)
	case "revision":
		return groupValue{resource.NumberValue(float64(r.Number())), true}
	}
	v, ok := r.Attributes[name]
	return groupValue{v, ok}
}

// severalResources says whether there are revisions of more than one resource in a group.
func (g *group) severalResources() bool {
	first := &g.resources[0]
	return slices.ContainsFunc(g.resources, func(r resource.Resource) bool { return r.ID != first.ID || r.Tenant != first.Tenant })
}

// append appends the attributes by which a group is one.
func (g *group) append(dst []byte, by []string) []byte {
	dst = append(dst, '{')
	for i, name := range by {
		dst = attribute.AppendValue(pyjson.AppendName(dst, name), g.values[i].Value, g.values[i].ok)
	}
	return append(dst, '}')
}

// metricsOf appends the metrics of a resource that the references of operations name, as far as the caller may read them.
func (c *call) metricsOf(dst []source, r *resource.Resource, refs []operations.Ref) []source {
	links := c.d.o.Definitions.AppendLinks(nil, r.Tenant, r.ID)
	found := make(map[metricdef.Ref]*metric, len(links))
	for i, ref := range refs {
		for _, l := range links {
			if !policy.Fnmatch(ref.Name, l.Label) {
				continue
			}
			m, seen := found[l.Ref]
			if !seen {
				if of, ok := c.metricOf(l.Ref); ok && c.may(getMetric, &of.object) {
					m = of
				}
				found[l.Ref] = m
			}
			if m != nil {
				dst = append(dst, source{metric: m, name: l.Label, method: ref.Method, of: i, resource: r})
			}
		}
	}
	return dst
}

// partsOf are the computations of a group: one, or one for each revision. There is none for what has no metrics.
func (c *call) partsOf(g *group, ops *operations.Operations, history bool) (parts []*part) {
	p := &part{operations: ops}
	for i := range g.resources {
		r := &g.resources[i]
		if history {
			p = &part{operations: ops, revision: r}
		}
		had := len(p.sources)
		p.sources = c.metricsOf(p.sources, r, ops.Refs)
		if len(p.sources) > 0 && had == 0 {
			parts = append(parts, p)
		}
	}
	return parts
}

// aggregatesOfGroups answers operations on metrics that are named by their names, in groups of resources: one answer for each group
// that has such metrics; without groups one answer.
func (c *call) aggregatesOfGroups(w *terms, b *aggregatesBody, by []string, groups []group, details, history bool) error {
	parts := make([][]*part, len(groups))
	var all []*part
	for i := range groups {
		parts[i] = c.partsOf(&groups[i], b.operations, history)
		all = append(all, parts[i]...)
	}
	if len(all) == 0 {
		return noObject("Metric %s does not exist", pyjson.AppendRepr(nil, names(b.operations.Refs)))
	}
	results, err := c.compute(w, all)
	if err != nil {
		return inAggregates(err)
	}
	if history && !results[0][0].Aggregated {
		return badRequest("use_history: it needs operations that make one series of all, such as aggregate")
	}
	o := c.output()
	if len(by) > 0 {
		o.B = append(o.B, '[')
	}
	for i := range groups {
		if len(parts[i]) == 0 {
			continue
		}
		of := results[:len(parts[i])]
		results = results[len(parts[i]):]
		if len(by) > 0 {
			o.B = groups[i].append(append(pyjson.AppendItem(o.B), `{"group": `...), by)
			o.B = append(o.B, `, "measures": `...)
		}
		o.B = append(o.B, '{')
		r := of[0]
		if history {
			r = weighed(w, parts[i], of)
		}
		if err := o.measures(w, parts[i][0], r); err != nil {
			return o.end(err)
		}
		if details {
			o.B = c.appendReferences(o.B, b.typ, parts[i])
		}
		o.B = append(o.B, '}')
		if len(by) > 0 {
			o.B = append(o.B, '}')
		}
	}
	if len(by) > 0 {
		o.B = append(o.B, ']')
	}
	return o.end(nil)
}

// names are the names in references, each once.
func names(refs []operations.Ref) []string {
	var list []string
	for _, r := range refs {
		if !slices.Contains(list, r.Name) {
			list = append(list, r.Name)
		}
	}
	return list
}

// inAggregates puts an error into the words of the route of aggregates.
func inAggregates(err error) error {
	var e *notKeptError
	if errors.As(err, &e) {
		return &refusal{http.StatusNotFound, "object-unknown", because("Metrics with unknown aggregation", "detail", []any{[]string{e.metric, e.method}})}
	}
	return err
}

// appendReferences appends the member references: the resources that the parts of a group were computed of.
func (c *call) appendReferences(dst []byte, t *resource.Type, parts []*part) []byte {
	dst = append(pyjson.AppendName(dst, "references"), '[')
	p := c.printer(t, nil)
	type key struct {
		id       uuid.UUID
		tenant   uint32
		revision int
	}
	seen := make(map[key]bool)
	for _, part := range parts {
		for i := range part.sources {
			r := part.sources[i].resource
			if k := (key{r.ID, uint32(r.Tenant), r.Revision}); !seen[k] {
				seen[k] = true
				dst = p.append(pyjson.AppendItem(dst), r)
			}
		}
	}
	return append(dst, ']')
}
