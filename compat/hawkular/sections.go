package hawkular

import (
	"cmp"
	"slices"

	"granary/measures/query"
	"granary/metricdef"
)

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
	ids     []string // by which metrics are asked for
	metrics []named  // in the order of their refs
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
	all := make([]*section, len(keys))
	first := map[metricdef.Type]*section{}
	var found []*section // the first of each type
	for i, key := range keys {
		s := &section{key: key}
		switch key {
		case keyGauge, keyGaugeRate:
			s.typ, s.rate = metricdef.Gauge, key == keyGaugeRate
		case keyCounter, keyCounterRate:
			s.typ, s.rate = metricdef.Counter, key == keyCounterRate
		default:
			s.typ = metricdef.Availability
		}
		all[i] = s
		if first[s.typ] == nil {
			if b.Metrics != nil {
				s.ids = (*b.Metrics)[s.typ.String()]
			}
			first[s.typ], found = s, append(found, s)
		}
	}
	if err := c.fill(found, a.Tags); err != nil {
		return nil, err
	}
	for _, s := range all {
		same := first[s.typ]
		s.metrics, s.unknown = same.metrics, same.unknown // rates are those of the same metrics
		// Mohawk has its one type in any case.
		if len(s.metrics)+len(s.unknown) > 0 || a.IDs != nil && s.key == keyGauge && !c.strict() {
			q.sections = append(q.sections, s)
		}
	}
	return q, nil
}

// fill finds the metrics of the ids of sections, each of a type of its own, and those that a tag query finds, for which one search is made.
func (c *call) fill(sections []*section, tags string) error {
	if err := c.enter(); err != nil || len(sections) == 0 {
		return err
	}
	types, seen := make([]metricdef.Type, len(sections)), make([]map[string]bool, len(sections))
	for i, s := range sections {
		types[i], seen[i] = s.typ, make(map[string]bool, len(s.ids))
		for _, id := range s.ids {
			if seen[i][id] {
				continue
			}
			seen[i][id] = true
			if ref, ok := c.resolve(s.typ, id); ok {
				s.metrics = append(s.metrics, named{ref, id})
			} else {
				s.unknown = append(s.unknown, id)
			}
		}
	}
	if tags != "" {
		refs, err := c.byTags(tags, types...)
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
			i := slices.Index(types, d.Type)
			if id := idOf(&d); !seen[i][id] {
				sections[i].metrics = append(sections[i].metrics, named{ref, id})
			}
		}
	}
	for _, s := range sections {
		s.sort()
	}
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
