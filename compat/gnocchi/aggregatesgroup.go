package gnocchi

import (
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

// groupsOf finds resources of a type, in groups by attributes. Without attributes they are one group, if there are any.
func (c *call) groupsOf(t *resource.Type, where resource.Query, by []string, history bool) ([]group, error) {
	q := resource.Search{Tenants: c.scope(), Type: t.Name, Where: both(where, c.sight(searchResource)), History: history}
	for _, name := range by {
		q.Sort = append(q.Sort, resource.SortKey{Attribute: name})
	}
	if c.wide() {
		c.d.o.Audit.Wide(c.r, c.id, "resource.aggregate", identity.Everywhere)
	}
	if err := c.enter(); err != nil {
		return nil, err
	}
	found, err := c.d.o.Resources.Search(c.ctx, q)
	if err != nil {
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
		g := group{values: make([]groupValue, len(by))}
		for k, name := range by {
			g.values[k] = valueOf(r, name)
		}
		groups = append(groups, g)
	}
	if len(groups) > 0 {
		groups[len(groups)-1].resources = found.Resources[from:]
	}
	return groups, nil
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
func (c *call) partsOf(g *group, ops *operations.Operations, history bool, series int) ([]*part, error) {
	var parts []*part
	p := &part{operations: ops}
	for i := range g.resources {
		r := &g.resources[i]
		if history {
			p = &part{operations: ops, revision: r}
		}
		had := len(p.sources)
		p.sources = c.metricsOf(p.sources, r, ops.Refs)
		series += len(p.sources) - had
		if err := c.d.o.Queries.Admit(c.most(), query.Cost{Series: int64(series)}); err != nil {
			return nil, c.refused(err)
		}
		if len(p.sources) > 0 && had == 0 {
			parts = append(parts, p)
		}
	}
	return parts, nil
}

// aggregatesOfGroups answers operations on metrics that are named by their names, in groups of resources: one answer for each group
// that has such metrics; without groups one answer.
func (c *call) aggregatesOfGroups(w *terms, b *aggregatesBody, by []string, groups []group, details, history bool) error {
	parts := make([][]*part, len(groups))
	var all []*part
	total := 0
	for i := range groups {
		var err error
		if parts[i], err = c.partsOf(&groups[i], b.operations, history, total); err != nil {
			return err
		}
		for _, p := range parts[i] {
			total += len(p.sources)
		}
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
