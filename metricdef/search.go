package metricdef

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/google/uuid"

	"granary/metricdef/match"
	"granary/tenant"
)

// Order is what the definitions that a search found are sorted by. Among equals it is the ref.
type Order uint8

const (
	// ByRef is the order in which definitions were made. It is the cheapest: a page costs no more than what is on it.
	ByRef Order = iota
	// ByName is the order of the first 1,024 bytes of the key texts.
	ByName
	// ByCreated is the order of the dates of creation.
	ByCreated
	// ByID is the order of the UUIDs.
	ByID
)

var orderNames = [...]string{"ref", "name", "created", "id"}

// String is the order's stable name.
func (o Order) String() string { return orderNames[o] }

// ParseOrder is the order of that name.
func ParseOrder(name string) (Order, bool) {
	i := slices.Index(orderNames[:], name)
	return Order(max(i, 0)), i >= 0
}

// Page says which part of what a search found is wanted.
type Page struct {
	Sort  Order
	Desc  bool
	After string // Found.Next of the page before, "" for the first
	// Behind, in the order ByID, is an id behind which the page begins, whether there is such a definition or not; zero: at the first one.
	Behind uuid.UUID
	Limit  int    // 0: all
	Types  []Type // empty: all
	// Keep, if not nil, leaves out definitions that it does not hold for. It is called without a lock.
	Keep  func(Ref) bool
	Total bool // count everything that was found
}

// Found is one page of what a search found.
type Found struct {
	Refs  []Ref
	Next  string // the cursor of the next page, "" if this one is the last
	Total int    // on all pages together, -1 if it was not asked for
}

// searchStep is how many definitions a search looks at before it lets writers in.
const searchStep = 2048

// Search returns one page of the tenant's visible definitions for which the expression holds. Definitions that come or go
// between two pages do not make the next one leave out or repeat others. It takes time in proportion to what was found, but
// in the order ByRef, and memory in proportion to the page. The error is a *SearchError, a *CursorError or the context's.
func (r *Registry) Search(ctx context.Context, t tenant.Num, e match.Expr, p Page) (Found, error) {
	s := pager{r: r, p: p}
	s.top.compare = s.compare
	if p.Limit > 0 {
		s.top.k = p.Limit + 1 // one more tells whether there is a next page
	}
	if p.After != "" {
		after, err := r.seal.parse(t, p.After, s.order())
		if err != nil {
			return Found{}, err
		}
		s.after = &after
	}
	refs, err := r.Select(ctx, t, e)
	if err != nil {
		return Found{}, err
	}
	found := Found{Total: -1}
	if p.Total && p.Keep == nil && len(p.Types) == 0 {
		found.Total, s.p.Total = len(refs), false
	}
	if err := s.scan(ctx, refs); err != nil {
		return Found{}, err
	}
	if s.p.Total {
		found.Total = s.total
	}
	places := s.top.sorted()
	if p.Limit > 0 && len(places) > p.Limit {
		places = places[:p.Limit]
		found.Next = r.seal.cursor(t, places[p.Limit-1], s.order())
	}
	found.Refs = make([]Ref, len(places))
	for i := range places {
		found.Refs[i] = places[i].ref
	}
	return found, nil
}

// pager picks the places of a page out of everything that was found.
type pager struct {
	r     *Registry
	p     Page
	after *place
	top   top[place]
	total int
}

// order is the mark that cursors of this order carry.
func (s *pager) order() byte {
	o := byte(s.p.Sort) << 1
	if s.p.Desc {
		o |= 1
	}
	return o
}

// compare says which place comes first on the pages.
func (s *pager) compare(a, b place) int {
	c := cmp.Or(strings.Compare(a.text, b.text), cmp.Compare(a.num, b.num), cmp.Compare(a.ref, b.ref))
	if s.p.Desc {
		return -c
	}
	return c
}

// scan goes over what was found, step by step. In the order of refs it begins behind the cursor and ends with the page.
func (s *pager) scan(ctx context.Context, refs []Ref) error {
	inOrder := s.p.Sort == ByRef && !s.p.Total
	if inOrder && s.after != nil {
		at, found := slices.BinarySearch(refs, s.after.ref)
		switch {
		case s.p.Desc:
			refs = refs[:at]
		case found:
			refs = refs[at+1:]
		default:
			refs = refs[at:]
		}
	}
	var few []Ref
	for len(refs) > 0 && !(inOrder && s.top.full()) {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(searchStep, len(refs))
		if inOrder && s.p.Limit > 0 {
			n = min(n, s.p.Limit+1)
		}
		var step []Ref
		if s.p.Desc {
			step, refs = refs[len(refs)-n:], refs[:len(refs)-n]
		} else {
			step, refs = refs[:n], refs[n:]
		}
		few = s.filter(few[:0], step)
		if s.p.Keep != nil {
			few = slices.DeleteFunc(few, func(ref Ref) bool { return !s.p.Keep(ref) })
		}
		s.total += len(few)
		s.offer(few)
	}
	return nil
}

// filter appends the definitions that are asked for and, unless all are to be counted, may come onto the page.
func (s *pager) filter(dst, refs []Ref) []Ref {
	s.r.mu.RLock()
	defer s.r.mu.RUnlock()
	for _, ref := range refs {
		d := s.r.seen(ref)
		if d == nil || len(s.p.Types) > 0 && !slices.Contains(s.p.Types, d.typ) {
			continue
		}
		if s.p.Total || s.p.Keep == nil || s.fits(d, ref) {
			dst = append(dst, ref)
		}
	}
	return dst
}

func (s *pager) offer(refs []Ref) {
	s.r.mu.RLock()
	defer s.r.mu.RUnlock()
	for _, ref := range refs {
		if d := s.r.seen(ref); d != nil && s.fits(d, ref) {
			s.top.offer(s.r.placeOf(s.p.Sort, d, ref))
		}
	}
}

// fits says whether the definition stands behind the cursor and before the last one that was kept.
//
// REQUIRES: r.mu.
func (s *pager) fits(d *packed, ref Ref) bool {
	var id uuid.UUID
	if s.p.Sort == ByID {
		id = s.r.id(d)
	}
	before := func(p place) bool {
		var c int
		switch s.p.Sort {
		case ByName:
			c = s.r.compareKey(d, p.text)
		case ByCreated:
			c = cmp.Compare(d.created, p.num)
		case ByID:
			c = bytes.Compare(id[:], []byte(p.text))
		}
		if c == 0 {
			c = cmp.Compare(ref, p.ref)
		}
		return c < 0 != s.p.Desc || c == 0
	}
	if s.p.Sort == ByID && s.p.Behind != (uuid.UUID{}) {
		if c := bytes.Compare(id[:], s.p.Behind[:]); c == 0 || c < 0 != s.p.Desc {
			return false
		}
	}
	return (s.after == nil || !before(*s.after)) && (!s.top.full() || before(s.top.last()))
}

// placeOf is where a definition stands in an order.
//
// REQUIRES: r.mu.
func (r *Registry) placeOf(o Order, d *packed, ref Ref) place {
	p := place{ref: ref}
	switch o {
	case ByName:
		var few [256]byte
		key := r.appendKey(few[:0], d)
		p.text = string(key[:min(len(key), maxPlace)])
	case ByCreated:
		p.num = d.created
	case ByID:
		id := r.id(d)
		p.text = string(id[:])
	}
	return p
}
