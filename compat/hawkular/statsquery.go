package hawkular

import (
	"cmp"
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
	s := &section{key: c.typ.String(), typ: c.typ}
	if err := c.fill(s, a.IDs, a.Tags); err != nil {
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

// generic is a question about metrics of several types, a section each.
type generic struct {
	name     string // in a batch
	ask      *ask
	sections []*section
}

// section is one member of a generic answer: the buckets of each of some metrics of one type, or of their rates.
type section struct {
	key     string
	typ     metricdef.Type
	rate    bool
	metrics []named // in the order of their refs
	unknown []string
	plan    *plan
}

// named is a metric under the id by which it was asked for.
type named struct {
	ref metricdef.Ref
	id  string
}

// typesOf are the types that a question is about and what it wants of them, in the order of the answer.
func (b *genericBody) typesOf() ([]string, error) {
	for _, key := range b.Types {
		if !slices.Contains(genericKeys, key) {
			return nil, badRequest("types: %q is none of gauge, gauge_rate, counter, counter_rate and availability", shorten(key))
		}
	}
	if len(b.Types) == 0 {
		return []string{keyGauge, keyCounter, keyAvailability}, nil
	}
	var keys []string
	for _, key := range genericKeys {
		if slices.Contains(b.Types, key) {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

// generic reads a question and finds its metrics.
func (c *call) generic(b *genericBody) (*generic, error) {
	a := &b.ask
	q := &generic{ask: a}
	if !c.strict() {
		if err := unbounded(a); err != nil {
			return nil, err
		}
		if a.IDs != nil && b.Metrics == nil {
			// Mohawk knows gauges alone, and names them so.
			b.Metrics = &map[string]idList{keyGauge: a.IDs}
		}
	}
	given := 0
	if b.Metrics != nil {
		for key, ids := range *b.Metrics {
			if key != keyGauge && key != keyCounter && key != keyAvailability {
				return nil, badRequest("metrics: %q is none of gauge, counter and availability", shorten(key))
			}
			given += len(ids)
		}
	}
	switch {
	case given == 0 && a.Tags == "" && (c.strict() || a.IDs == nil):
		return nil, badRequest("either metrics or tags must be given")
	case given > 0 && a.Tags != "" && (c.strict() || a.IDs == nil):
		return nil, badRequest("metrics and tags cannot be given together")
	case !a.bucketed() && (c.strict() || given > 0 && a.IDs == nil):
		return nil, badRequest(textNeither)
	}
	keys, err := b.typesOf()
	if err != nil {
		return nil, err
	}
	if !a.bucketed() {
		// Mohawk has no other points than numbers.
		keys = slices.DeleteFunc(keys, func(key string) bool { return key == keyAvailability })
	}
	known := map[metricdef.Type]*section{}
	for _, key := range keys {
		s := &section{key: key}
		switch key {
		case keyGauge, keyGaugeRate:
			s.typ, s.rate = metricdef.Gauge, key == keyGaugeRate
		case keyCounter, keyCounterRate:
			s.typ, s.rate = metricdef.Counter, key == keyCounterRate
		default:
			s.typ = metricdef.Availability
		}
		if same := known[s.typ]; same != nil {
			s.metrics, s.unknown = same.metrics, same.unknown // rates are those of the same metrics
		} else {
			var ids []string
			if b.Metrics != nil {
				ids = (*b.Metrics)[s.typ.String()]
			}
			if err := c.fill(s, ids, a.Tags); err != nil {
				return nil, err
			}
			known[s.typ] = s
		}
		// Mohawk has its one type in any case.
		if len(s.metrics)+len(s.unknown) > 0 || a.IDs != nil && key == keyGauge && !c.strict() {
			q.sections = append(q.sections, s)
		}
	}
	return q, nil
}

// fill finds the metrics of ids, and those that a tag query finds.
func (c *call) fill(s *section, ids []string, tags string) error {
	if err := c.enter(); err != nil {
		return err
	}
	seen := make(map[string]bool, len(ids))
	for _, id := range ids {
		if seen[id] {
			continue
		}
		seen[id] = true
		if ref, ok := c.resolve(s.typ, id); ok {
			s.metrics = append(s.metrics, named{ref, id})
		} else {
			s.unknown = append(s.unknown, id)
		}
	}
	if tags != "" {
		refs, err := c.byTags(tags, s.typ)
		if err != nil {
			return err
		}
		// What is too much for an answer is refused before anything is made of it: a batch could find everything a hundred times.
		c.found += int64(len(refs))
		if err := c.refused(c.d.o.Queries.Admit(c.most(), query.Cost{Series: c.found})); err != nil {
			return err
		}
		for _, ref := range refs {
			d, ok := c.d.o.Definitions.Get(ref)
			if !ok {
				continue
			}
			if id := idOf(&d); !seen[id] {
				s.metrics = append(s.metrics, named{ref, id})
			}
		}
	}
	s.sort()
	return nil
}

// sort brings the metrics into the order in which the engine answers.
func (s *section) sort() {
	slices.SortStableFunc(s.metrics, func(a, b named) int { return cmp.Compare(a.ref, b.ref) })
}

// printer makes the printer of buckets of numbers.
func (s *section) printer() {
	s.plan.printer = &bucketPrinter{buckets: &s.plan.buckets, columns: s.plan.columns}
	if s.lists() > 1 {
		s.plan.printer.beside(s.plan)
	}
}

// lists is how many lists of buckets the answer has for the section.
func (s *section) lists() int64 { return int64(len(s.metrics) + len(s.unknown)) }

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
