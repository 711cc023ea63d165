package mapping

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"granary/metricdef"
	"granary/policy"
	"granary/tenant"
)

// Table is a list of rules, with what it remembers of the series that they take. It is safe for concurrent use. A nil table takes nothing.
type Table struct {
	o      Options
	id     uint64             // in the process
	places map[string][]place // by the name of the series
	// measurements are the rules that may take fields of a measurement, by its name.
	measurements map[string][]*rule
	intakes      sync.Pool
	held         atomic.Int64  // sources in homes
	made         atomic.Uint64 // homes and outputs, for their ids

	mu    sync.RWMutex
	homes map[tenant.Num]*home // under mu
}

// home is what a table remembers of the series of a tenant.
type home struct {
	num tenant.Num
	id  uint64

	mu      sync.RWMutex
	sources map[string]*Source // under mu, by dialect and key text
	outputs map[string]*output // under mu, by rule and key text
	ended   bool               // under mu: it is in no table any more

	refused atomic.Int64 // unix seconds at which there was no room last

	// stripes guard the state of outputs, and of the sources that they are made of. Whoever has several locks them in ascending order.
	stripes [stripes]sync.Mutex
}

// stripes is how many bodies of one tenant can be stored at the same time at most.
const stripes = 16

// Takes says whether a rule may take series of that name.
func (t *Table) Takes(name string) bool { return t != nil && len(t.places[name]) > 0 }

// TakesField is Takes for a field of lines; with the field "" it is about any of the measurement. Dialects other than
// ClusterCockpit may leave the tenant 0.
func (t *Table) TakesField(measurement, field string) bool {
	if t == nil {
		return false
	}
	if field == "" {
		return len(t.measurements[measurement]) > 0
	}
	var buf [128]byte
	exact, dotted := fieldNames(buf[:0], measurement, field)
	return len(t.places[string(exact)]) > 0 || len(t.places[string(dotted)]) > 0
}

// Names calls fn with the name of what comes out of each rule that may take fields of a measurement, until it returns false.
func (t *Table) Names(measurement string, fn func(name string) bool) {
	if t == nil {
		return
	}
	for _, r := range t.measurements[measurement] {
		if !fn(r.Name) {
			return
		}
	}
}

// fieldNames are the two names of a field of a line. They lie behind each other in dst.
func fieldNames(dst []byte, measurement, field string) (exact, dotted []byte) {
	dst = append(dst, measurement...)
	if field != "value" {
		dst = append(append(dst, '_'), field...)
	}
	at := len(dst)
	dst = append(append(append(dst, measurement...), '.'), field...)
	return dst[:at:at], dst[at:]
}

// Source is what the samples of a series are handed over with, nil if no rule takes it: equal arguments give the same source for as
// long as it is in use. The tags are all that the series has. Whoever remembers a source must forget it when another table takes the place
// of this one; there is no need to for any other reason. Nothing of the arguments is kept.
func (t *Table) Source(dialect string, num tenant.Num, name string, tags []metricdef.Tag) *Source {
	if t == nil {
		return nil
	}
	places := t.places[name]
	if len(places) == 0 {
		return nil
	}
	return t.source(dialect, num, name, []byte(name), tags, places, nil)
}

// SourceOfField is Source for the series of a field of lines.
func (t *Table) SourceOfField(dialect string, num tenant.Num, measurement, field string, tags []metricdef.Tag) *Source {
	if t == nil {
		return nil
	}
	var buf [128]byte
	exact, dotted := fieldNames(buf[:0], measurement, field)
	first, second := t.places[string(exact)], t.places[string(dotted)]
	if len(first)+len(second) == 0 {
		return nil
	}
	// The dotted name is the key: measurement a_b with field c is another series than a with b_c.
	return t.source(dialect, num, string(dotted), exact, tags, first, second)
}

// source finds or makes the source of a series that stands at places. own is the name that it is stored under, if it is.
func (t *Table) source(dialect string, num tenant.Num, name string, own []byte, tags []metricdef.Tag, first, second []place) *Source {
	if !slices.IsSortedFunc(tags, byName) {
		tags = slices.Clone(tags)
		slices.SortStableFunc(tags, byName)
	}
	var buf [512]byte
	key := append(append(buf[:0], dialect...), 0)
	key = metricdef.AppendKey(key, name, tags)
	if h := t.homeOf(num); h != nil {
		h.mu.RLock()
		s := h.sources[string(key)]
		h.mu.RUnlock()
		if s != nil {
			return s
		}
	}
	s := &Source{table: t, num: num, dialect: dialect}
	same := false // what comes out is the series itself
	for _, list := range [...][]place{first, second} {
		for _, p := range list {
			if len(p.rule.Dialects) > 0 && !slices.Contains(p.rule.Dialects, dialect) || !p.rule.matches[p.match].fits(tags) || !t.wanted(dialect, num, p.rule.Name) {
				continue
			}
			id, plain, ok := p.rule.result(dialect, tags)
			if !ok {
				continue
			}
			def := metricdef.Draft{
				Identity: metricdef.Identity{Tenant: num, Type: metricdef.Gauge, Name: p.rule.Name, Tags: id}, Plain: plain, Unit: p.rule.Unit, Dialect: Dialect,
			}
			if def.Validate() != nil {
				continue // a name or a tag is longer than one can be
			}
			s.takes = append(s.takes, take{src: s, rule: p.rule, match: p.match, def: cloneDraft(&def), pos: -1})
			s.keep = s.keep || p.rule.Keep
			same = same || isSame(own, tags, &def)
		}
	}
	if len(s.takes) == 0 {
		return nil
	}
	s.keep = s.keep && !same
	s.key = string(key)
	s.used.Store(t.o.Now().Unix())
	return t.register(s)
}

func byName(a, b metricdef.Tag) int { return strings.Compare(a.Name, b.Name) }

// isSame says whether a series, which is stored under its own name, would be the one that comes out, or one that ClusterCockpit cannot tell
// from it: values of both cannot stand side by side.
func isSame(name []byte, tags []metricdef.Tag, out *metricdef.Draft) bool {
	if string(name) != out.Name {
		return false
	}
	return slices.Equal(tags, out.Tags) || valueOf(out.Tags, "cluster") != "" && valueOf(out.Tags, "hostname") != "" && slices.Equal(levels(tags), levels(out.Tags))
}

// levels are the tags that say where ClusterCockpit looks for a series.
func levels(tags []metricdef.Tag) []metricdef.Tag {
	return slices.DeleteFunc(slices.Clone(tags), func(t metricdef.Tag) bool { return !identifies(t.Name) || isNode(t) })
}

// wanted says whether what comes out may be stored: ClusterCockpit's lines may only give metrics that are configured.
func (t *Table) wanted(dialect string, num tenant.Num, name string) bool {
	if dialect != policy.ClusterCockpit || t.o.Policies == nil {
		return true
	}
	_, ok := t.o.Policies.For(num).Resolve(dialect, name, "")
	return ok
}

// cloneDraft copies a draft whose strings may be borrowed.
func cloneDraft(d *metricdef.Draft) metricdef.Draft {
	c := *d
	c.Tags, c.Plain = cloneTags(d.Tags), cloneTags(d.Plain)
	return c
}

func cloneTags(tags []metricdef.Tag) []metricdef.Tag {
	if len(tags) == 0 {
		return nil
	}
	size := 0
	for _, t := range tags {
		size += len(t.Name) + len(t.Value)
	}
	var b strings.Builder
	b.Grow(size)
	for _, t := range tags {
		b.WriteString(t.Name)
		b.WriteString(t.Value)
	}
	text := b.String()
	list := make([]metricdef.Tag, len(tags))
	for i, t := range tags {
		list[i].Name, text = text[:len(t.Name)], text[len(t.Name):]
		list[i].Value, text = text[:len(t.Value)], text[len(t.Value):]
	}
	return list
}

// homeOf is the home of a tenant, nil if it has none.
func (t *Table) homeOf(num tenant.Num) *home {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.homes[num]
}

// ensureHome is the home of a tenant, which may have to be made.
func (t *Table) ensureHome(num tenant.Num) *home {
	if h := t.homeOf(num); h != nil {
		return h
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.homes[num]
	if h == nil {
		h = &home{num: num, id: t.made.Add(1), sources: make(map[string]*Source), outputs: make(map[string]*output)}
		t.homes[num] = h
	}
	return h
}
