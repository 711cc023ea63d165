package hawkular

import (
	"context"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"granary/api/edge"
	"granary/compat/hawkular/tagql"
	"granary/measures/aggregate"
	"granary/measures/query"
	"granary/metricdef"
	"granary/tenant/queue"
)

// taggedStats answers statistics of the points of a metric by the tags of these points: one bucket for each combination of the values
// that the named tags have, from the points whose tags the query holds for.
func (c *call) taggedStats() error {
	a, err := c.ask()
	if err != nil {
		return err
	}
	q, err := c.tagQuery(c.vars["tags"])
	if err != nil {
		return err
	}
	from, to, err := c.span(a)
	if err != nil {
		return err
	}
	columns, err := newColumns(a.Percentiles, c.strict(), c.typ == metricdef.Gauge, false)
	if err != nil {
		return err
	}
	ref, ok := c.resolve(c.typ, c.vars["id"])
	p := &plan{form: thePoints, request: query.Request{Refs: []metricdef.Ref{ref}, From: nanos(from), To: nanos(to), PointTags: true}}
	if !ok || p.request.From >= p.request.To {
		return c.emptyMap()
	}
	if err := c.enter(); err != nil {
		return err
	}
	if _, err := c.prepare(p, 0); err != nil {
		return err
	}
	defer c.account(p)
	for i, name := range q.Names {
		q.Names[i] = tagql.Shown(name) // points have their tags as the clients name them
	}
	g := tagGroups{query: q.Expr.Eval, names: slices.Sorted(slices.Values(q.Names)), known: map[string]*tagGroup{}, byKey: map[string]*tagGroup{}}
	turn := c.ticket.Turn()
	defer turn.End()
	if err := p.query.Run(c.ctx, func(f *query.Frame) error { return g.add(c.ctx, &turn, f) }); err != nil {
		return err
	}
	if len(g.byKey) == 0 {
		return c.emptyMap()
	}
	o := c.output()
	err = o.print(func(dst []byte) []byte { return g.print(dst, columns, o) })
	return c.endStream(o.stream, err)
}

// tagGroups deals points out by their tags.
type tagGroups struct {
	query func(value func(name string) string) bool
	names []string             // sorted
	known map[string]*tagGroup // by the texts of tags; nil: the query does not hold for them
	byKey map[string]*tagGroup
}

// tagGroup are the points of one combination of values.
type tagGroup struct {
	key    string
	tags   []metricdef.Tag
	values []float64
}

// add adds the points of a frame, which are in the order of time.
func (g *tagGroups) add(ctx context.Context, turn *queue.Turn, f *query.Frame) error {
	if err := turn.Begin(ctx); err != nil {
		return err
	}
	defer turn.End()
	for i := range f.Len() {
		text := ""
		if f.Tags != nil {
			text = f.Tags[i]
		}
		group, seen := g.known[text]
		turn.Spent(workOfPoint)
		if !seen {
			turn.Spent(workOfMetric)
			group = g.group(text)
			g.known[text] = group
		}
		switch {
		case group == nil:
		case f.Kind == metricdef.KindInt:
			group.values = append(group.values, float64(f.Ints[i]))
		default:
			group.values = append(group.values, f.Values[i])
		}
	}
	return nil
}

// group is the group of points with these tags, nil if the query does not hold for them.
func (g *tagGroups) group(text string) *tagGroup {
	var tags map[string]string
	if text != "" && json.Unmarshal([]byte(text), &tags, jsontext.AllowDuplicateNames(true)) != nil {
		return nil // what was written through another dialect may have tags that are no texts
	}
	if !g.query(func(name string) string { return tags[tagql.Shown(name)] }) {
		return nil
	}
	var key strings.Builder
	var own []metricdef.Tag
	for _, name := range g.names {
		value, ok := tags[name]
		if !ok {
			continue
		}
		if key.Len() > 0 {
			key.WriteByte(',')
		}
		key.WriteString(name + ":" + value)
		own = append(own, metricdef.Tag{Name: name, Value: value})
	}
	group := g.byKey[key.String()]
	if group == nil {
		group = &tagGroup{key: key.String(), tags: own}
		g.byKey[group.key] = group
	}
	return group
}

// print appends an object with a member for each group, in the order of their names.
func (g *tagGroups) print(dst []byte, c *columns, o *output) []byte {
	keys := make([]string, 0, len(g.byKey))
	for key := range g.byKey {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	w := columnWorker{columns: c}
	dst = append(dst, '{')
	for i, key := range keys {
		group := g.byKey[key]
		dst = append(edge.AppendString(o.between(dst, i > 0), key), `:{"tags":{`...)
		for j, t := range group.tags {
			if j > 0 {
				dst = append(dst, ',')
			}
			dst = append(edge.AppendString(dst, t.Name), ':')
			dst = edge.AppendString(dst, t.Value)
		}
		dst = c.append(append(dst, '}'), w.frame(group.values), 0)
		dst = append(dst, '}')
	}
	return append(dst, '}')
}

// columnWorker makes the statistics of values that did not come through buckets.
type columnWorker struct {
	columns *columns
	scratch aggregate.Scratch
}

// frame has the statistics of the values as its only point.
func (w *columnWorker) frame(values []float64) *query.Frame {
	c := w.columns
	n := len(c.overs) + len(c.extra)
	out, ok := make([]float64, n), make([]bool, n)
	aggregate.Several(c.overs, values, out, ok, &w.scratch)
	for i, fn := range c.extra {
		k := len(c.overs) + i
		out[k], ok[k] = fn(values)
	}
	f := &query.Frame{Columns: make([][]float64, n), ColumnPresent: make([]query.Bitmap, n)}
	for i := range out {
		f.Columns[i] = out[i : i+1]
		if !ok[i] {
			f.ColumnPresent[i] = query.Bitmap{0}
		}
	}
	return f
}
