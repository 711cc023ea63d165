package resource

import (
	"context"
	"math"
	"slices"

	"github.com/google/uuid"

	"granary/tenant"
)

// Search says which resources are looked for, and in which order.
type Search struct {
	Tenants []tenant.Num // whose; nil: all
	Type    string       // "": the generic one, which finds resources of every type
	Where   Query        // nil: all
	History bool         // former revisions too
	// Keep, if not nil, is asked about what the query finds, as far as it may be part of the answer. It is called without a lock, and
	// costs far more than a part of the query that says the same.
	Keep  func(*Resource) bool
	Sort  []SortKey // see Order
	After *Marker   // the answer begins behind it; nil: at the front
	Limit int       // 0: all
}

// Marker is a place in the order of a search: that of a resource, or of a revision of one.
type Marker struct {
	ID       uuid.UUID
	Tenant   tenant.Num // 0: of those that are searched the one that has had the id for longest
	Revision int        // in a search over the history, as Resource.Number says it: -1 is the current one
}

// Found is what a search finds.
type Found struct {
	Resources []Resource
	More      bool // there are more behind the limit
}

// scanStep is about how many rows are looked at in one go before writers are let in.
const scanStep = 4096

// Search finds resources. Writers are let in again and again: what is there during all of the search is considered as it was at one
// moment of it.
func (r *Registry) Search(ctx context.Context, q Search) (Found, error) {
	s := search{r: r, q: &q}
	if err := s.prepare(); err != nil {
		return Found{}, err
	}
	if err := s.scan(ctx); err != nil {
		return Found{}, err
	}
	return s.found(ctx)
}

// search is one search at work.
type search struct {
	r       *Registry
	q       *Search
	order   []SortKey
	blocks  []*block
	bound   *typeState // what where and by were made for
	where   test
	by      *ordering
	after   []keyValue // nil: from the front
	top     top
	waiting []*candidate // that Keep has not been asked about
}

// candidate is a row that may be part of the answer, as it was when it was found.
type candidate struct {
	b     *block
	i     int
	stamp uint32
	id    uuid.UUID
	keys  []keyValue
	res   Resource // if Keep is to be asked
}

// prepare checks the search and gathers the blocks that it reads.
func (s *search) prepare() error {
	q := s.q
	if q.Type == "" {
		q.Type = Generic
	}
	s.r.mu.RLock()
	defer s.r.mu.RUnlock()
	t := s.r.typeState(q.Type)
	if t == nil {
		return &UnknownTypeError{q.Type}
	}
	if err := t.CheckQuery(q.Where, q.History); err != nil {
		return err
	}
	s.order = Order(q.Sort, q.History)
	if s.top.most = math.MaxInt; q.Limit > 0 {
		s.top.most = q.Limit + 1
	}
	if err := t.CheckSort(s.order, q.History); err != nil {
		return err
	}
	s.bind(t)
	if q.After != nil {
		b, i := s.marked()
		if b == nil {
			return &MarkerError{*q.After}
		}
		s.after = s.by.appendOf(nil, b, i)
	}
	if q.Tenants == nil {
		for _, tab := range s.r.tables {
			s.add(tab)
		}
		return nil
	}
	for i, n := range q.Tenants {
		if slices.Contains(q.Tenants[:i], n) {
			continue
		}
		for _, tab := range s.r.tenants[n] {
			s.add(tab)
		}
	}
	return nil
}

func (s *search) add(tab *table) {
	if s.q.Type != Generic && s.q.Type != tab.typ.Name || s.r.o.Gone(tab.tenant) {
		return
	}
	s.blocks = append(s.blocks, tab.now.blocks...)
	if s.q.History {
		s.blocks = append(s.blocks, tab.former.blocks...)
	}
}

// bind makes tests for rows of a type. A search in the generic type names no attribute of any other, so that one binding holds for all.
// REQUIRES: r.mu.
func (s *search) bind(t *typeState) {
	s.bound = t
	s.where = nil
	if s.q.Where != nil {
		s.where = compile(s.q.Where, t, false)
	}
	s.by = newOrdering(s.order, t)
	s.top.by, s.top.keys = s.by, len(s.by.keys)
}

// marked is the row of the marker, nil if there is none. REQUIRES: r.mu.
func (s *search) marked() (*block, int) {
	m := s.q.After
	n := m.Tenant
	if n == 0 {
		var oldest int64
		for at := s.r.ids[m.ID]; at != 0; {
			b, i := s.r.row(at)
			if s.searched(b.t) && (n == 0 || b.created[i] < oldest || b.created[i] == oldest && b.t.tenant < n) {
				n, oldest = b.t.tenant, b.created[i]
			}
			at = b.twin[i]
		}
	}
	b, i := s.r.find(n, m.ID)
	if b == nil || !s.searched(b.t) {
		return nil, 0
	}
	if !s.q.History || m.Revision == -1 {
		return b, i
	}
	for int(b.revision[i]) != m.Revision {
		if b.prev[i] == 0 {
			return nil, 0
		}
		b, i = s.r.row(b.prev[i])
	}
	return b, i
}

// searched says whether the rows of a table are among those that are searched.
func (s *search) searched(tab *table) bool {
	return (s.q.Tenants == nil || slices.Contains(s.q.Tenants, tab.tenant)) && (s.q.Type == Generic || s.q.Type == tab.typ.Name) && !s.r.o.Gone(tab.tenant)
}

func (s *search) scan(ctx context.Context) error {
	for len(s.blocks) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		s.step()
		s.ask()
	}
	return nil
}

// step looks at the rows of some blocks.
func (s *search) step() {
	s.r.mu.RLock()
	defer s.r.mu.RUnlock()
	for rows := 0; rows < scanStep && len(s.blocks) > 0; {
		b := s.blocks[0]
		s.blocks = s.blocks[1:]
		if s.bound != generic && s.bound != b.t.typ {
			s.bind(b.t.typ)
		}
		rows += len(b.revision) + 16 // a block costs something too
		for i, rev := range b.revision {
			if rev != 0 && (s.where == nil || s.where(b, i)) {
				s.take(b, i)
			}
		}
	}
}

// take looks at a row that the query finds. REQUIRES: r.mu.
func (s *search) take(b *block, i int) {
	last := s.top.last()
	switch {
	case s.after != nil && s.by.row(b, i, s.after) <= 0:
		return
	case last != nil && s.by.row(b, i, last.keys) >= 0:
		return
	}
	c := s.top.spare()
	c.b, c.i, c.stamp, c.id = b, i, b.stamp[i], b.id[i]
	c.keys = s.by.appendOf(c.keys[:0], b, i)
	if s.q.Keep == nil {
		s.top.put(c)
		return
	}
	c.res = b.get(i)
	s.waiting = append(s.waiting, c)
}

// ask asks Keep about what the last step has found.
func (s *search) ask() {
	for _, c := range s.waiting {
		if !s.q.Keep(&c.res) {
			s.top.free = append(s.top.free, c)
			continue
		}
		c.res = Resource{}
		s.top.put(c)
	}
	s.waiting = s.waiting[:0]
}

// found makes the answer of the candidates. Those that have changed meanwhile are asked again, as they are now.
func (s *search) found(ctx context.Context) (f Found, err error) {
	list := s.top.list
	slices.SortFunc(list, func(x, y *candidate) int { return s.by.compare(x.keys, y.keys) })
	if s.q.Limit > 0 && len(list) > s.q.Limit {
		f.More, list = true, list[:s.q.Limit]
	}
	f.Resources = make([]Resource, 0, len(list))
	for part := range slices.Chunk(list, 256) {
		if err := ctx.Err(); err != nil {
			return Found{}, err
		}
		again := s.collect(&f, part)
		if s.q.Keep != nil && len(again) > 0 {
			f.Resources = slices.DeleteFunc(f.Resources, func(r Resource) bool {
				return slices.Contains(again, r.ID) && !s.q.Keep(&r)
			})
		}
	}
	return f, nil
}

// collect appends the resources of candidates, and names those that have changed.
func (s *search) collect(f *Found, part []*candidate) (again []uuid.UUID) {
	s.r.mu.RLock()
	defer s.r.mu.RUnlock()
	for _, c := range part {
		if c.stamp != c.b.stamp[c.i] {
			if c.b.revision[c.i] == 0 || c.b.id[c.i] != c.id || s.r.o.Gone(c.b.t.tenant) {
				continue
			}
			if s.bound != generic && s.bound != c.b.t.typ {
				s.bind(c.b.t.typ)
			}
			if s.where != nil && !s.where(c.b, c.i) {
				continue
			}
			again = append(again, c.id)
		}
		f.Resources = append(f.Resources, c.b.get(c.i))
	}
	return again
}
