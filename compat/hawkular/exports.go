package hawkular

import (
	"cmp"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"granary/api/edge"
	"granary/compat/hawkular/tagql"
	"granary/measures"
	"granary/metricdef"
	"granary/metricdef/match"
	"granary/tenant/identity"
	"granary/tenant/queue"
)

// typeText is the media type of Prometheus' texts.
const typeText = "text/plain; version=0.0.4; charset=utf-8"

func (d *Dialect) exportRoutes() []route {
	if d.o.Strict {
		return nil
	}
	return []route{
		{method: http.MethodGet, path: "/exports", right: identity.Read, serve: d.export, produces: []string{typeText}},
	}
}

// exported is a metric with the name that Prometheus knows it by.
type exported struct {
	name string
	ref  metricdef.Ref
}

// export answers the newest value up to now of each metric of numbers in the text format of Prometheus, sorted, unless that is older than
// the default start of ranges.
func (d *Dialect) export(c *call) error {
	var e match.Expr
	if tags := c.query.Get("tags"); tags != "" {
		q, err := c.tagQuery(tags)
		if err != nil {
			return err
		}
		e = q.Expr
	}
	if err := c.enter(); err != nil {
		return err
	}
	refs, err := c.find(e, c.among(metricdef.Gauge, metricdef.Counter))
	if err != nil {
		return err
	}
	oldest := c.now.Add(-d.o.DefaultStart).UnixNano()
	s := c.stream(typeText)
	x := exporter{c: c, s: s, turn: s.Ticket.Turn(), oldest: oldest}
	defer x.turn.End()
	defer func() { edge.Query(c.w, c.tenant, x.read) }()
	list := make([]exported, 0, len(refs))
	for _, ref := range refs {
		if err := x.turn.Begin(c.ctx); err != nil {
			return c.endStream(s, err)
		}
		x.turn.Spent(workOfMetric)
		if t, _, ok := d.o.Store.Newest(ref); !ok || t < oldest {
			continue
		}
		if def, ok := d.o.Definitions.Get(ref); ok {
			list = append(list, exported{promName(exportName(&def), true), ref})
		}
	}
	slices.SortFunc(list, func(a, b exported) int { return strings.Compare(a.name, b.name) })
	for len(list) > 0 && err == nil {
		n := 1
		for n < len(list) && list[n].name == list[0].name {
			n++
		}
		err = x.family(list[:n])
		list = list[n:]
	}
	return c.endStream(s, err)
}

// exporter writes the metrics of one name after the other.
type exporter struct {
	c      *call
	s      *edge.Stream
	turn   queue.Turn
	oldest int64
	read   int64 // values, for the account of the tenant
	r      measures.Reader
}

// exportLine is the line of a metric.
type exportLine struct {
	ref  metricdef.Ref
	head string // its name and labels
	rest string
}

func compareLines(a, b exportLine) int {
	return cmp.Or(strings.Compare(a.head, b.head), strings.Compare(a.rest, b.rest))
}

// family writes the metrics of one name, sorted by their tags. Prometheus has one type for a name: where both are met, none.
func (x *exporter) family(list []exported) error {
	var lines []exportLine
	var types metricdef.Type
	for _, m := range list {
		if err := x.turn.Begin(x.c.ctx); err != nil {
			return err
		}
		x.turn.Spent(workOfMetric)
		d, ok := x.c.d.o.Definitions.Get(m.ref)
		if !ok {
			continue
		}
		at, v, ok, err := x.c.d.o.Store.Before(x.c.ctx, &x.r, m.ref, x.c.behindNow())
		switch {
		case err != nil:
			return err
		case !ok || at < x.oldest:
			continue
		case types == 0:
			types = d.Type
		case types != d.Type:
			types = metricdef.String
		}
		x.read++
		lines = append(lines, exportLine{m.ref, exportHead(m.name, &d, false), string(append(appendPromValue([]byte{' '}, d.Values(), v), '\n'))})
	}
	if len(lines) == 0 {
		return nil
	}
	slices.SortFunc(lines, compareLines)
	if x.apart(list[0].name, lines) {
		slices.SortFunc(lines, compareLines)
	}
	kind := "untyped"
	if types == metricdef.Gauge || types == metricdef.Counter {
		kind = types.String()
	}
	x.s.B = append(append(append(append(x.s.B, "# TYPE "...), list[0].name...), ' '), kind...)
	x.s.B = append(x.s.B, '\n')
	for _, line := range lines {
		if x.s.B = append(append(x.s.B, line.head...), line.rest...); len(x.s.B) >= edge.StreamFrom {
			x.turn.End() // nobody has a turn while a client takes its answer
			if err := x.s.Flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// apart gives those of the sorted lines whose names and labels are alike the label that tells them apart: Prometheus takes one value of each and
// throws the others away. It says whether there were any.
func (x *exporter) apart(name string, lines []exportLine) (some bool) {
	for i := 0; i < len(lines); {
		end := i + 1
		for end < len(lines) && lines[end].head == lines[i].head {
			end++
		}
		for k := i; end-i > 1 && k < end; k++ {
			if d, ok := x.c.d.o.Definitions.Get(lines[k].ref); ok {
				lines[k].head, some = exportHead(name, &d, true), true
			}
		}
		i = end
	}
	return some
}

func appendPromValue(b []byte, k metricdef.Kind, v float64) []byte {
	switch {
	case k == metricdef.KindInt:
		return strconv.AppendInt(b, measures.WordInt(v), 10)
	case math.IsInf(v, 1):
		return append(b, "+Inf"...)
	}
	return strconv.AppendFloat(b, v, 'g', -1, 64) // NaN and -Inf as they are spelt there
}

// exportName is the name under which a metric is exported: its tag __name__ if it has one, else its name.
func exportName(d *metricdef.Definition) string {
	for _, t := range d.Plain {
		if t.Name == tagql.StoredName {
			return t.Value
		}
	}
	return d.Name
}

// The labels that are not tags. idLabel has the name of a metric that Prometheus cannot have as one, so that two that look alike then stay apart.
// metricLabel has the path of a metric, gauges/ID, which no other has.
const (
	idLabel     = "id"
	metricLabel = "metric"
)

// exportHead is what the line of a metric begins with: its name there and its tags, as labels. A label that is taken has an underscore behind it.
// alone asks for the label that tells it from all other metrics.
func exportHead(name string, d *metricdef.Definition, alone bool) string {
	labels := make([]metricdef.Tag, 0, len(d.Tags)+len(d.Plain)+2)
	add := func(name, value string) {
		for slices.ContainsFunc(labels, func(t metricdef.Tag) bool { return t.Name == name }) {
			name += "_"
		}
		labels = append(labels, metricdef.Tag{Name: name, Value: value})
	}
	for _, t := range slices.Concat(d.Tags, d.Plain) {
		if t.Name != tagql.StoredName {
			add(promName(t.Name, false), t.Value)
		}
	}
	if shown := exportName(d); promName(shown, true) != shown {
		add(idLabel, shown)
	}
	if alone {
		add(metricLabel, pathOf(d.Type)+"/"+idOf(d))
	}
	slices.SortFunc(labels, func(a, b metricdef.Tag) int { return strings.Compare(a.Name, b.Name) })
	b := []byte(name)
	for i, t := range labels {
		b = append(append(append(b, "{,"[min(i, 1)]), t.Name...), '=', '"')
		b = append(append(b, promValue.Replace(strings.ToValidUTF8(t.Value, "\uFFFD"))...), '"')
	}
	if len(labels) > 0 {
		b = append(b, '}')
	}
	return string(b)
}

var promValue = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// promName is a name with an underscore for what the names of metrics, or of labels, cannot have there.
func promName(name string, metric bool) string {
	ok := func(i int, c byte) bool {
		return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == ':' && metric || c >= '0' && c <= '9' && i > 0
	}
	good := 0
	for good < len(name) && ok(good, name[good]) {
		good++
	}
	if good == len(name) {
		return name
	}
	b := make([]byte, 0, len(name)+1)
	for i := range len(name) {
		c := name[i]
		switch {
		case ok(i, c):
			b = append(b, c)
		case c >= '0' && c <= '9':
			b = append(b, '_', c)
		default:
			b = append(b, '_')
		}
	}
	return string(b)
}
