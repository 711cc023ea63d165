package hawkular

import (
	"maps"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"granary/api/edge"
	"granary/measures/query"
	"granary/metricdef"
)

// statsBody is the body of a question about the statistics of gauges or of counters.
type statsBody struct {
	ask
	Metrics *idList `json:"metrics"`
}

// statsQuery answers a question about gauges or counters. It has two forms. Hawkular's names metrics or has a tag query, and the answer is
// one list of buckets of all their points. Mohawk's names ids, a tag query, or both, and the answer has a list for each metric. A tag query
// alone may be either: it is Hawkular's in the strict mode, and where something stands beside it that Mohawk does not know.
func (c *call) statsQuery() error {
	var b statsBody
	if err := c.decode(&b); err != nil {
		return err
	}
	a := &b.ask
	if !c.strict() {
		if err := unbounded(a); err != nil {
			return err
		}
		if a.IDs != nil || b.Metrics == nil && a.Tags != "" && a.Buckets == nil && a.Percentiles == nil && !bool(a.Stacked) {
			return c.eachOf(a)
		}
	}
	var ids []string
	if b.Metrics != nil {
		ids = *b.Metrics
	}
	refs, err := c.chosen(a, ids)
	if err != nil {
		return err
	}
	return c.pooled(a, refs, false)
}

// eachOf answers Mohawk's form: a list of the metrics, with the buckets of each.
func (c *call) eachOf(a *ask) error {
	s := &section{key: c.typ.String(), typ: c.typ, ids: a.IDs}
	if err := c.fill([]*section{s}, a.Tags); err != nil {
		return err
	}
	q := generic{ask: a, sections: []*section{s}}
	return c.answerGeneric([]*generic{&q}, func(o *output) error {
		if len(s.metrics)+len(s.unknown) == 0 {
			o.stream.B = append(o.stream.B, "[]"...)
			return nil
		}
		return c.print(o, s, true)
	})
}

// genericBody is the body of a question about metrics of several types.
type genericBody struct {
	ask
	Metrics *map[string]idList `json:"metrics"`
	Types   idList             `json:"types"`
}

// The names of types in generic questions and answers, in the order in which these have them.
const (
	keyGauge, keyGaugeRate     = "gauge", "gauge_rate"
	keyCounter, keyCounterRate = "counter", "counter_rate"
	keyAvailability            = "availability"
)

var genericKeys = []string{keyGauge, keyGaugeRate, keyCounter, keyCounterRate, keyAvailability}

// genericQuery answers a question about metrics of several types.
func (c *call) genericQuery() error {
	var b genericBody
	if err := c.decode(&b); err != nil {
		return err
	}
	q, err := c.generic(&b)
	if err != nil {
		return err
	}
	if len(q.sections) == 0 {
		return c.emptyMap()
	}
	return c.answerGeneric([]*generic{q}, func(o *output) error { return c.printGeneric(o, q) })
}

// mostBatch is how many questions a batch may have.
const mostBatch = 100

// batch are questions by their names.
type batch map[string]genericBody

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (b *batch) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() != '{' {
		return json.UnmarshalDecode(d, (*map[string]genericBody)(b)) // null, or the error says what is wrong with it
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	*b = batch{}
	for n := 0; d.PeekKind() != '}'; n++ {
		if n == mostBatch {
			return badRequest("more than %d questions", mostBatch)
		}
		token, err := d.ReadToken()
		if err != nil {
			return err
		}
		name := token.String()
		var body genericBody
		if err := json.UnmarshalDecode(d, &body); err != nil {
			return err
		}
		(*b)[name] = body
	}
	_, err := d.ReadToken()
	return err
}

// batchQuery answers several generic questions at once.
func (c *call) batchQuery() error {
	var b batch
	if err := c.decode(&b); err != nil {
		return err
	}
	if len(b) == 0 {
		return c.emptyMap()
	}
	names := slices.Sorted(maps.Keys(b))
	all := make([]*generic, len(names))
	for i, name := range names {
		body := b[name]
		var err error
		if all[i], err = c.generic(&body); err != nil {
			return &inBatchError{name, err}
		}
		all[i].name = name
	}
	return c.answerGeneric(all, func(o *output) error {
		for i, q := range all {
			o.stream.B = append(o.stream.B, "{,"[min(i, 1)])
			o.stream.B = append(edge.AppendString(o.stream.B, q.name), ':')
			if err := c.printGeneric(o, q); err != nil {
				return err
			}
		}
		o.stream.B = append(o.stream.B, '}')
		return nil
	})
}

// inBatchError says which question of a batch is at fault.
type inBatchError struct {
	name string
	err  error
}

func (e *inBatchError) Error() string { return shorten(e.name) + ": " + e.err.Error() }
func (e *inBatchError) Unwrap() error { return e.err }

// answerGeneric prepares all questions, holds them together against the limits, and lets print answer.
func (c *call) answerGeneric(all []*generic, print func(*output) error) error {
	if err := c.enter(); err != nil {
		return err
	}
	var plans []*plan
	var cost query.Cost
	for _, q := range all {
		for _, s := range q.sections {
			own, err := c.prepareSection(q, s)
			if err == nil {
				plans, cost = append(plans, s.plan), cost.Add(own)
				err = c.refused(c.d.o.Queries.Admit(c.most(), cost))
			}
			if err != nil && q.name != "" {
				err = &inBatchError{q.name, err}
			}
			if err != nil {
				return err
			}
		}
	}
	defer c.account(plans...)
	o := c.output()
	err := print(o)
	return c.endStream(o.stream, err)
}

// prepareSection makes the plan of a section, and finds out what it costs.
func (c *call) prepareSection(q *generic, s *section) (query.Cost, error) {
	a := *q.ask
	a.Stacked = false
	var err error
	switch {
	case !a.bucketed():
		s.plan, err = c.planPoints(&a, s.typ, s.rate, s.refs(), true)
	case s.typ == metricdef.Availability:
		s.plan, err = c.planStates(&a, s.refs())
	default:
		if s.plan, err = c.plan(&a, s.typ, s.rate, s.refs()); err == nil {
			s.printer()
		}
	}
	if err != nil {
		return query.Cost{}, err
	}
	return c.prepare(s.plan, s.lists())
}

// printGeneric prints the answer to one question: the types, and for each its metrics.
func (c *call) printGeneric(o *output, q *generic) error {
	o.stream.B = append(o.stream.B, '{')
	for i, s := range q.sections {
		if i > 0 {
			o.stream.B = append(o.stream.B, ',')
		}
		o.stream.B = append(edge.AppendString(o.stream.B, s.key), ':')
		if err := c.print(o, s, false); err != nil {
			return err
		}
	}
	o.stream.B = append(o.stream.B, '}')
	return o.err
}

// print prints the metrics of a section: as a list of objects, or as members of one. Metrics without a point are left out where all
// buckets are not asked for.
func (c *call) print(o *output, s *section, list bool) error {
	p, some := s.plan, false
	if p.printer != nil && s.lists() > 1 {
		p.printer.remember()
		defer p.printer.forget() // there may be many sections
	}
	one := func(id string, f *query.Frame) error {
		if p.form != allBuckets && (f == nil || f.Len() == 0) {
			return nil
		}
		return o.print(func(dst []byte) []byte {
			dst = o.between(dst, some)
			some = true
			if list {
				dst = append(dst, `{"id":`...)
				dst = append(edge.AppendString(dst, id), `,"data":`...)
			} else {
				dst = append(edge.AppendString(dst, id), ':')
			}
			switch {
			case f != nil && len(f.Bytes) > 0:
				dst = append(dst, f.Bytes...)
			case p.form == thePoints:
				dst = appendPoints(dst, f, o)
			case s.typ == metricdef.Availability:
				dst = appendStates(dst, &p.buckets, f, p.skip, o)
			default:
				dst = p.printer.list(dst, p, f, o)
			}
			if list {
				dst = append(dst, '}')
			}
			return dst
		})
	}
	o.stream.B = append(o.stream.B, "{["[btoi(list)])
	left := s.metrics
	if p.query != nil {
		err := p.query.Run(c.ctx, func(f *query.Frame) error {
			for len(left) > 0 && left[0].ref <= f.Ref {
				at := f
				if left[0].ref < f.Ref {
					at = nil
				}
				if err := one(left[0].id, at); err != nil {
					return err
				}
				left = left[1:]
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	for ; len(left) > 0; left = left[1:] {
		if err := one(left[0].id, nil); err != nil {
			return err
		}
	}
	for _, id := range s.unknown {
		if err := one(id, nil); err != nil {
			return err
		}
	}
	o.stream.B = append(o.stream.B, "}]"[btoi(list)])
	return o.err
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
