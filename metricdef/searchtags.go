package metricdef

import (
	"context"
	"slices"
	"strings"

	"granary/metricdef/match"
	"granary/tenant"
)

// TagCount is a tag name with the number of definitions that have the tag, and of values that it has among them.
type TagCount struct {
	Name        string
	Definitions int
	Values      int
}

// ValueCount is a value of a tag with the number of definitions that have it.
type ValueCount struct {
	Value       string
	Definitions int
}

// TagPage says which tag names or values are wanted. They are sorted as texts; of those that are longer than 1,024 bytes
// only the front counts.
type TagPage struct {
	Match []*match.Matcher // all of them must hold for the name or value; their own names do not count
	After string           // Next of the page before, "" for the first
	Limit int              // 0: all
	Total bool             // count everything that was found
	Among Filter           // the definitions that count
}

// TagsFound is one page of tag names.
type TagsFound struct {
	Tags  []TagCount
	Next  string // the cursor of the next page, "" if this one is the last
	Total int    // names on all pages together, -1 if it was not asked for
}

// ValuesFound is one page of values.
type ValuesFound struct {
	Values []ValueCount
	Next   string
	Total  int
}

// Marks of cursors, which differ from those of Search.
const (
	orderTags   = 'n'
	orderValues = 'v'
)

// Tags returns one page of the names of the tags that the tenant's visible definitions have, as far as the expression
// holds for these; only they are counted. The name of the metric is not among them. The error is a *SearchError, a
// *CursorError or the context's.
func (r *Registry) Tags(ctx context.Context, t tenant.Num, e match.Expr, p TagPage) (TagsFound, error) {
	l, err := r.newListing(t, p, orderTags)
	if err != nil {
		return TagsFound{}, err
	}
	var counts map[uint32]*TagCount
	err = r.eachPair(ctx, t, e, p.Among, "", func(int) { counts = make(map[uint32]*TagCount) }, func(p *pair, n int) {
		c := counts[p.name]
		if c == nil {
			c = &TagCount{Name: r.symbols.text(p.name)}
			counts[p.name] = c
		}
		c.Definitions += n
		c.Values++
	})
	if err != nil {
		return TagsFound{}, err
	}
	delete(counts, r.nameTag)
	for _, c := range counts {
		l.offer(*c)
	}
	found := TagsFound{}
	found.Tags, found.Next, found.Total = l.page()
	return found, nil
}

// Values returns one page of the values that a tag has among the tenant's visible definitions for which the expression
// holds; see Tags. NameTag lists the names of metrics.
func (r *Registry) Values(ctx context.Context, t tenant.Num, name string, e match.Expr, p TagPage) (ValuesFound, error) {
	l, err := r.newListing(t, p, orderValues)
	if err != nil {
		return ValuesFound{}, err
	}
	err = r.eachPair(ctx, t, e, p.Among, name, func(int) { l.reset() }, func(p *pair, n int) {
		l.offer(TagCount{Name: r.symbols.text(p.value), Definitions: n})
	})
	if err != nil {
		return ValuesFound{}, err
	}
	list, next, total := l.page()
	found := ValuesFound{make([]ValueCount, len(list)), next, total}
	for i, c := range list {
		found.Values[i] = ValueCount{c.Name, c.Definitions}
	}
	return found, nil
}

// ValuesOf returns the values that each of several tags has among the tenant's visible definitions for which the expression holds and
// which are wanted, in the order of the names and sorted as texts. The search is made once, whatever the number of names is.
func (r *Registry) ValuesOf(ctx context.Context, t tenant.Num, names []string, e match.Expr, f Filter) ([][]ValueCount, error) {
	found := make([][]ValueCount, len(names))
	if len(names) == 0 {
		return found, ctx.Err()
	}
	one := ""
	if len(names) == 1 {
		one = names[0]
	}
	var at map[uint32]int
	err := r.eachPair(ctx, t, e, f, one, func(int) {
		at = make(map[uint32]int, len(names))
		for i, name := range names {
			if found[i] = nil; name != "" {
				at[r.symbols.find(name)] = i
			}
		}
		delete(at, 0)
	}, func(p *pair, n int) {
		if i, ok := at[p.name]; ok {
			found[i] = append(found[i], ValueCount{r.symbols.text(p.value), n})
		}
	})
	if err != nil {
		return nil, err
	}
	for _, list := range found {
		slices.SortFunc(list, func(a, b ValueCount) int { return strings.Compare(a.Value, b.Value) })
	}
	return found, nil
}

// listing picks one page out of many texts.
type listing struct {
	seal   seal
	tenant tenant.Num
	p      TagPage
	order  byte
	after  string
	top    top[TagCount]
	total  int
}

func (r *Registry) newListing(t tenant.Num, p TagPage, order byte) (*listing, error) {
	l := &listing{seal: r.seal, tenant: t, p: p, order: order}
	l.top.compare = func(a, b TagCount) int { return strings.Compare(textPlace(a.Name), textPlace(b.Name)) }
	if p.Limit > 0 {
		l.top.k = p.Limit + 1
	}
	if p.After != "" {
		after, err := r.seal.parse(t, p.After, order)
		if err != nil {
			return nil, err
		}
		l.after = after.text
	}
	return l, nil
}

func (l *listing) reset() { l.top.items, l.total = l.top.items[:0], 0 }

func (l *listing) offer(c TagCount) {
	behind := l.p.After == "" || textPlace(c.Name) > l.after
	if !l.p.Total && (!behind || l.top.full() && l.top.compare(c, l.top.last()) > 0) {
		return
	}
	for _, m := range l.p.Match {
		if !m.Match(c.Name) {
			return
		}
	}
	l.total++
	if behind {
		l.top.offer(c)
	}
}

func (l *listing) page() (list []TagCount, next string, total int) {
	list, total = l.top.sorted(), -1
	if l.p.Limit > 0 && len(list) > l.p.Limit {
		list = list[:l.p.Limit]
		next = l.seal.cursor(l.tenant, place{text: textPlace(list[l.p.Limit-1].Name)}, l.order)
	}
	if l.p.Total {
		total = l.total
	}
	return list, next, total
}
