package gnocchi

import (
	"errors"
	"net/http"
	"slices"

	"github.com/google/uuid"

	"granary/compat/gnocchi/filter"
	"granary/compat/gnocchi/operations"
	"granary/compat/gnocchi/pyjson"
	"granary/compat/gnocchi/schema"
	"granary/metricdef/resource"
	"granary/tenant/identity"
)

func (d *Dialect) aggregatesRoutes() []route {
	return []route{
		{method: http.MethodPost, path: "/aggregates", right: identity.Read, serve: (*call).aggregates},
		{method: http.MethodGet, path: "/aggregation/metric", right: identity.Read, serve: (*call).aggregation},
		{method: http.MethodPost, path: "/aggregation/metric", right: identity.Read, serve: (*call).aggregation},
		{method: http.MethodPost, path: "/aggregation/resource/{type}/metric/{name}", right: identity.Read, serve: (*call).aggregationOfResources},
		{method: http.MethodPost, path: "/search/metric", right: identity.Read, serve: (*call).searchValues},
	}
}

// aggregates answers what operations make of metrics, which are named by their ids, or by their names and a search of resources.
func (c *call) aggregates() error {
	details, err := c.flag("details")
	if err != nil {
		return err
	}
	history, err := c.flag("use_history")
	if err != nil {
		return err
	}
	w, err := c.terms()
	if err != nil {
		return err
	}
	if w.rules.Fill.How == operations.Overlap && !c.query.Has("needed_overlap") {
		w.rules.Fill.How = operations.DropNA
	}
	b, err := c.aggregatesBody()
	if err != nil {
		return err
	}
	by := groupby(c.query["groupby"])
	if b.typ == nil {
		if history {
			return badRequest("use_history: metrics that are named by their ids have no history, only those of resources have")
		}
		return c.aggregatesOfMetrics(&w, b.operations, details)
	}
	if history && len(by) == 0 {
		return badRequest("use_history: it needs groupby")
	}
	where, err := c.bind(b.search, b.typ, history)
	if err != nil {
		return err
	}
	groups, err := c.groupsOf(resource.Search{Type: b.typ.Name, Where: where, History: history}, by, false,
		func(r *resource.Resource) int { return len(c.metricsOf(nil, r, b.operations.Refs)) })
	var sort *resource.SortError
	if errors.As(err, &sort) {
		return badSortKey(sort.Attribute)
	}
	if err != nil {
		return err
	}
	if history && !(w.rules.Started && w.rules.Stopped) {
		for i := range groups {
			if groups[i].severalResources() {
				return badRequest("use_history: it needs start and stop where several resources are in one group")
			}
		}
	}
	return c.aggregatesOfGroups(&w, b, by, groups, details, history)
}

// aggregatesBody is what a request for aggregates asks for.
type aggregatesBody struct {
	operations *operations.Operations
	typ        *resource.Type // of the resources that are searched; nil: metrics are named by their ids
	search     filter.Query
}

// aggregatesBody reads the body.
func (c *call) aggregatesBody() (*aggregatesBody, error) {
	var own error // an error in words of its own, without a path
	keep := func(v any, err error) (any, error) {
		if err != nil && own == nil {
			own = err
		}
		return v, err
	}
	o, err := c.object(
		schema.Field{Name: "operations", Required: true, Check: func(v any) (any, error) {
			ops, err := operations.Parse(v)
			if isSchema(err) {
				return nil, err
			}
			return keep(ops, operationsError(err))
		}},
		schema.Field{Name: "resource_type", Check: func(v any) (any, error) {
			name, err := schema.Str(v)
			if err != nil {
				return nil, err
			}
			t, ok := c.d.o.Resources.Type(name.(string))
			if !ok {
				return keep(nil, caused("Resource type does not exist", "detail", shorten(name.(string))))
			}
			return &t, nil
		}},
		schema.Field{Name: "search", Check: func(v any) (any, error) {
			if text, ok := v.(string); ok {
				q, err := filter.Parse(text)
				return keep(q, err)
			}
			q, err := filter.FromJSON(v)
			if isSchema(err) {
				return nil, err
			}
			return keep(q, err)
		}},
	)
	switch {
	case own != nil:
		return nil, own
	case err != nil:
		return nil, err
	}
	b := &aggregatesBody{}
	ops, _ := o.Get("operations")
	b.operations = ops.(*operations.Operations)
	typ, typed := o.Get("resource_type")
	search, searched := o.Get("search")
	switch {
	case typed != searched:
		missing := "search"
		if searched {
			missing = "resource_type"
		}
		return nil, invalid(&schema.Error{Text: "required key not provided", Path: []any{missing}})
	case typed:
		b.typ, b.search = typ.(*resource.Type), search.(filter.Query)
	}
	return b, nil
}

// aggregatesOfMetrics answers operations on metrics that are named by their ids.
func (c *call) aggregatesOfMetrics(w *terms, ops *operations.Operations, details bool) error {
	metrics := make(map[uuid.UUID]*metric, len(ops.Refs))
	p := part{operations: ops}
	var missing []string
	var shown []*metric
	for i, r := range ops.Refs {
		id, ok := parseUUID(r.Name)
		if !ok {
			return caused("Invalid metric references", "reason", "badly formed hexadecimal UUID string", "detail", refsDetail(ops.Refs))
		}
		m := metrics[id]
		if _, seen := metrics[id]; !seen {
			if found, ok := c.metricByID(id); ok {
				m = found
			}
			metrics[id] = m
			if m == nil {
				missing = append(missing, id.String())
			} else {
				shown = append(shown, m)
			}
		}
		if m != nil {
			p.sources = append(p.sources, source{metric: m, name: m.ID.String(), method: r.Method, of: i})
		}
	}
	if missing != nil {
		return &refusal{http.StatusNotFound, "object-unknown", because("Unknown metrics", "reason", "Provided metrics don't exists", "detail", missing)}
	}
	for _, m := range shown {
		if err := c.demand(getMetric, &m.object); err != nil {
			return err
		}
	}
	results, err := c.compute(w, []*part{&p})
	if err != nil {
		return inAggregates(err)
	}
	o := c.output()
	o.B = append(o.B, '{')
	err = o.measures(w, &p, results[0])
	if err == nil && details {
		o.B = append(pyjson.AppendName(o.B, "references"), '[')
		p := c.metrics()
		for _, m := range shown {
			o.B = p.one(pyjson.AppendItem(o.B), m)
		}
		o.B = append(o.B, ']')
	}
	o.B = append(o.B, '}')
	return o.end(err)
}

// refsDetail is references as errors list them.
func refsDetail(refs []operations.Ref) []any {
	list := make([]any, len(refs))
	for i, r := range refs {
		list[i] = []string{r.Name, r.Method}
	}
	return list
}

// groupby is by what results are grouped: the attributes in the order of their names, each once.
func groupby(names []string) []string {
	names = slices.Sorted(slices.Values(names))
	return slices.Compact(names)
}
