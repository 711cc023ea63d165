package metricdef

import (
	"cmp"
	"context"
	"strings"

	"granary/metricdef/match"
	"granary/tenant"
)

// PairCount is a tag with one of its values and the number of definitions that have it.
type PairCount struct {
	Name, Value string
	Definitions int
}

// Cardinality says what makes a tenant's index large.
type Cardinality struct {
	Series int // definitions
	Names  int // different names of metrics
	Tags   int // different names of tags
	Pairs  int // different tags with their values

	TopNames []ValueCount // names of metrics by definitions
	TopTags  []TagCount   // names of tags by different values
	TopPairs []PairCount  // tags with their values by definitions
}

// Cardinality counts the tenant's visible definitions for which the expression holds, and names those names and tags, at
// most n of each kind, that there are most of. The error is a *SearchError or the context's.
func (r *Registry) Cardinality(ctx context.Context, t tenant.Num, e match.Expr, n int) (Cardinality, error) {
	var out Cardinality
	names := top[ValueCount]{k: n, compare: func(a, b ValueCount) int {
		return cmp.Or(cmp.Compare(b.Definitions, a.Definitions), strings.Compare(a.Value, b.Value))
	}}
	pairs := top[PairCount]{k: n, compare: func(a, b PairCount) int {
		return cmp.Or(cmp.Compare(b.Definitions, a.Definitions), strings.Compare(a.Name, b.Name), strings.Compare(a.Value, b.Value))
	}}
	var tags map[uint32]*TagCount
	begin := func(found int) {
		out = Cardinality{Series: found}
		names.items, pairs.items, tags = nil, nil, make(map[uint32]*TagCount)
	}
	err := r.eachPair(ctx, t, e, Filter{}, "", begin, func(p *pair, n int) {
		if p.name == r.nameTag {
			out.Names++
			names.offer(ValueCount{r.symbols.text(p.value), n})
			return
		}
		out.Pairs++
		pairs.offer(PairCount{r.symbols.text(p.name), r.symbols.text(p.value), n})
		c := tags[p.name]
		if c == nil {
			c = &TagCount{Name: r.symbols.text(p.name)}
			tags[p.name] = c
		}
		c.Values++
		c.Definitions += n
	})
	if err != nil {
		return Cardinality{}, err
	}
	out.Tags = len(tags)
	most := top[TagCount]{k: n, compare: func(a, b TagCount) int {
		return cmp.Or(cmp.Compare(b.Values, a.Values), cmp.Compare(b.Definitions, a.Definitions), strings.Compare(a.Name, b.Name))
	}}
	for _, c := range tags {
		most.offer(*c)
	}
	out.TopNames, out.TopTags, out.TopPairs = names.sorted(), most.sorted(), pairs.sorted()
	return out, nil
}
