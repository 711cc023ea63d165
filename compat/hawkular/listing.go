package hawkular

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"granary/api/edge"
	"granary/compat/hawkular/tagql"
	"granary/measures"
	"granary/metricdef"
	"granary/metricdef/match"
	"granary/tenant"
	"granary/tenant/queue"
)

// lister prints metrics, one after the other, for one goroutine.
type lister struct {
	c     *call
	times bool      // with the times of the first and the last point
	of    tenant.ID // of the list of all tenants; "": that of the request

	numbers measures.Reader
	texts   measures.TextReader
}

// append appends a metric.
func (p *lister) append(b []byte, d *metricdef.Definition) ([]byte, error) {
	b = edge.AppendString(append(b, `{"id":`...), idOf(d))
	strict := p.c.strict()
	if !strict || len(d.Tags)+len(d.Plain) > 0 {
		b = appendTags(append(b, `,"tags":`...), d)
	}
	if p.of != "" && strict {
		b = append(b, `,"dataRetention":null`...)
	} else if kept := p.c.d.o.Store.RetentionOf(d.Ref); kept > 0 {
		b = strconv.AppendInt(append(b, `,"dataRetention":`...), days(kept), 10)
	}
	b = append(append(append(b, `,"type":"`...), d.Type.String()...), `","tenantId":`...)
	if p.of != "" {
		b = edge.AppendString(b, string(p.of))
	} else {
		b = edge.AppendString(b, string(p.c.tenant))
	}
	if p.times {
		if ends, ok := p.c.d.o.Store.Bounds(d.Ref, math.MinInt64, math.MaxInt64); ok {
			b = strconv.AppendInt(append(b, `,"minTimestamp":`...), millis(ends.First), 10)
			b = strconv.AppendInt(append(b, `,"maxTimestamp":`...), millis(ends.Last), 10)
		}
	}
	if !strict {
		var err error
		if b, err = p.appendNewest(append(b, `,"data":[`...), d); err != nil {
			return b, err
		}
		b = append(b, ']')
	}
	return append(b, '}'), nil
}

// appendNewest appends the newest point of a metric up to now, if it has one: a point that lies ahead would hide all that follow it.
func (p *lister) appendNewest(b []byte, d *metricdef.Definition) ([]byte, error) {
	store := p.c.d.o.Store
	if d.Values() == metricdef.KindText {
		at, text, ok, err := p.newestText(d.Ref)
		if err != nil || !ok {
			return b, err
		}
		b = strconv.AppendInt(append(b, `{"timestamp":`...), millis(at), 10)
		return append(edge.AppendString(append(b, `,"value":`...), text), '}'), nil
	}
	at, v, ok, err := store.Before(p.c.ctx, &p.numbers, d.Ref, p.c.behindNow())
	if err != nil || !ok {
		return b, err
	}
	b = strconv.AppendInt(append(b, `{"timestamp":`...), millis(at), 10)
	return append(appendValue(append(b, `,"value":`...), d.Values(), v), '}'), nil
}

// newestText is the newest text of a metric up to now. Only if there is one ahead of it more than that text is read.
func (p *lister) newestText(ref metricdef.Ref) (at int64, text string, ok bool, err error) {
	store, end := p.c.d.o.Store, p.c.behindNow()
	at, _, ok = store.Newest(ref)
	if !ok {
		return 0, "", false, nil
	}
	from, to := at, at+1
	if at >= end {
		from, to = store.Border(ref, math.MinInt64, end, 1, true), end
	}
	for {
		if err := store.ReadText(p.c.ctx, &p.texts, ref, from, to); err != nil {
			return 0, "", false, err
		}
		if n := len(p.texts.Texts); n > 0 {
			return p.texts.Times[n-1], p.texts.Texts[n-1], true, nil
		}
		if from == math.MinInt64 || at < end {
			return 0, "", false, nil
		}
		from, to = store.Border(ref, math.MinInt64, from, 1, true), from
	}
}

// appendValue appends a value that is no text.
func appendValue(b []byte, k metricdef.Kind, v float64) []byte {
	switch {
	case k == metricdef.KindInt:
		return strconv.AppendInt(b, measures.WordInt(v), 10)
	case k == metricdef.KindState:
		return append(append(append(b, '"'), stateName(v)...), '"')
	}
	return edge.AppendFloat(b, v)
}

// appendTags appends all tags of a metric in the order of their names. Clients do not tell identity tags from others.
func appendTags(b []byte, d *metricdef.Definition) []byte {
	b = append(b, '{')
	identity, plain := d.Tags, d.Plain
	for i := 0; len(identity)+len(plain) > 0; i++ {
		from := &plain
		if len(plain) == 0 || len(identity) > 0 && identity[0].Name < plain[0].Name {
			from = &identity
		}
		t := (*from)[0]
		*from = (*from)[1:]
		if i > 0 {
			b = append(b, ',')
		}
		b = append(edge.AppendString(b, tagql.Shown(t.Name)), ':')
		b = edge.AppendString(b, t.Value)
	}
	return append(b, '}')
}

// listMetrics answers the metrics of a type, or of all, that the parameters choose.
func (d *Dialect) listMetrics(c *call) error {
	types, err := c.types()
	if err != nil {
		return err
	}
	p := lister{c: c}
	if p.times, err = c.flag("timestamps"); err != nil {
		return err
	}
	tags, ids := c.query.Get("tags"), c.query.Get("id")
	if tags == "" && ids != "" {
		if len(types) == 0 {
			return badRequest("an exact id can only be searched for together with a type")
		}
		if err := c.enter(); err != nil {
			return err
		}
		return p.list(c.exactly(types[0], ids), nil)
	}
	var e match.Expr
	if tags != "" {
		q, err := c.tagQuery(tags)
		if err != nil {
			return err
		}
		e = q.Expr
	}
	var only *match.Matcher
	if ids != "" {
		if only, err = match.Regexp("id", ids); err != nil {
			return err
		}
	}
	if err := c.enter(); err != nil {
		return err
	}
	refs, err := c.find(e, c.among(types...))
	if err != nil {
		return err
	}
	return p.list(refs, only)
}

// types are the types that a request is about: the one of the path, or of its parameter, or all if there is none.
func (c *call) types() ([]metricdef.Type, error) {
	if c.typ != 0 {
		return []metricdef.Type{c.typ}, nil
	}
	name := c.query.Get("type")
	if name == "" {
		return nil, nil
	}
	typ, err := typeNamed(name)
	if err != nil {
		return nil, err
	}
	return []metricdef.Type{typ}, nil
}

// exactly are the metrics of ids with bars between them, each once.
func (c *call) exactly(typ metricdef.Type, ids string) []metricdef.Ref {
	refs := c.refsOf(typ, strings.Split(ids, "|")...)
	slices.Sort(refs)
	return slices.Compact(refs)
}

// list answers metrics, only those whose ids the matcher takes, if there is one. What has ended since it was found is left out. A
// part of the answer goes out as soon as there is enough, so that a list of any length takes little memory, and no lock is held
// while the client takes it.
func (p *lister) list(refs []metricdef.Ref, only *match.Matcher) error {
	c := p.c
	s := c.stream(typeJSON)
	turn := s.Ticket.Turn()
	n, err := p.each(s, &turn, refs, only, 0)
	turn.End()
	if n == 0 && err == nil {
		s.Free()
		return c.empty()
	}
	s.B = append(s.B, ']')
	return c.endStream(s, err)
}

// each appends metrics to a list that has n already, and returns how many it has then.
func (p *lister) each(s *edge.Stream, turn *queue.Turn, refs []metricdef.Ref, only *match.Matcher, n int) (int, error) {
	for _, ref := range refs {
		if err := turn.Begin(p.c.ctx); err != nil {
			return n, err
		}
		turn.Spent(workOfMetric)
		d, ok := p.c.d.o.Definitions.Get(ref)
		if !ok || only != nil && !only.Match(idOf(&d)) {
			continue
		}
		s.B = append(s.B, "[,"[min(n, 1)])
		n++
		var err error
		if s.B, err = p.append(s.B, &d); err != nil {
			return n, err
		}
		if len(s.B) >= edge.StreamFrom {
			turn.End() // nobody has a turn while a client takes its answer
			if err := s.Flush(); err != nil {
				return n, err
			}
		}
		if n%256 == 0 && p.c.ctx.Err() != nil {
			return n, p.c.ctx.Err()
		}
	}
	return n, nil
}
