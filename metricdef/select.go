package metricdef

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"granary/metricdef/match"
	"granary/tenant"
)

// SearchError says why an expression cannot be searched for.
type SearchError struct{ Err error }

func (e *SearchError) Error() string { return "search: " + e.Err.Error() }

func (e *SearchError) Unwrap() error { return e.Err }

// Kind is the kind of the error for the edges.
func (e *SearchError) Kind() string { return "invalid" }

// Code is the stable code of the error.
func (e *SearchError) Code() string { return "search-invalid" }

// Select returns the sorted refs of the tenant's visible definitions for which the expression holds; a nil expression
// holds for all. The name of the metric is searched as the tag NameTag. Every definition that was visible when Select
// began, and was not removed meanwhile, is considered. The slice must not be changed: it may be one that the index uses.
// The error is a *SearchError or the context's.
func (r *Registry) Select(ctx context.Context, t tenant.Num, e match.Expr) ([]Ref, error) {
	s := search{ctx: ctx, r: r, tenant: t}
	top, err := s.plan(e, 0)
	if err != nil {
		return nil, err
	}
	for tries := 0; ; tries++ {
		s.hold = tries == maxTries
		switch err := s.collect(); {
		case err == errStale:
			continue
		case err != nil || s.index == nil:
			return nil, err
		}
		set, err := s.eval(top)
		if err != nil {
			return nil, err
		}
		return set.list(s.all), nil
	}
}

// maxTries is how often a search begins again because values of tags went away, before it keeps the lock to the end.
const maxTries = 3

// search is one call of Select. It first runs the matchers over the distinct values of their tags, under the read lock but
// giving it up now and then, then takes the posting lists in one go, and works on these without the lock.
type search struct {
	ctx    context.Context
	r      *Registry
	tenant tenant.Num
	leaves []*leaf
	bounds match.Bounds
	hold   bool // do not give up the lock any more

	index *index
	all   []Ref
}

// node is And, Or, Not or a leaf.
type node struct {
	op   op
	kids []*node
	leaf *leaf
}

type op uint8

const (
	opLeaf op = iota
	opAnd
	opOr
	opNot
)

// leaf is a matcher with what it found.
type leaf struct {
	m      *match.Matcher
	invert bool // pairs are those that are not accepted, as the matcher accepts the absent tag
	done   int  // values looked at
	pairs  []uint32
	refs   int // in postings

	lists [][]Ref // postings of two or more refs
	loose []Ref   // postings of one ref

	// exact are the look-ups that hold together with this matcher. If they leave far fewer definitions than the tag has
	// values, ask is true: nothing is collected, and those definitions are asked one by one.
	exact []*leaf
	ask   bool
}

func (s *search) plan(e match.Expr, depth int) (*node, error) {
	if err := match.CheckDepth(depth); err != nil {
		return nil, &SearchError{err}
	}
	n := &node{}
	var kids []match.Expr
	switch e := e.(type) {
	case nil:
		n.op = opAnd
	case *match.Matcher:
		n.leaf = &leaf{m: e, invert: e.Accepts("")}
		s.leaves = append(s.leaves, n.leaf)
		if err := s.bounds.Add(e); err != nil {
			return nil, &SearchError{err}
		}
		return n, nil
	case match.And:
		n.op, kids = opAnd, e
	case match.Or:
		n.op, kids = opOr, e
	case match.Not:
		n.op, kids = opNot, []match.Expr{e.Expr}
	default:
		return nil, &SearchError{fmt.Errorf("unknown condition %T", e)}
	}
	for _, k := range kids {
		kid, err := s.plan(k, depth+1)
		if err != nil {
			return nil, err
		}
		n.kids = append(n.kids, kid)
	}
	if n.op == opAnd {
		s.and(n)
	}
	return n, nil
}

// and tells the matchers of a conjunction which look-ups they share it with.
func (s *search) and(n *node) {
	var exact []*leaf
	for _, k := range n.kids {
		if k.leaf != nil && k.leaf.isExact() {
			exact = append(exact, k.leaf)
		}
	}
	for _, k := range n.kids {
		if k.leaf != nil && !k.leaf.isExact() && k.leaf.m.Form() != match.Any {
			k.leaf.exact = exact
		}
	}
}

// isExact says whether the leaf is a few look-ups.
func (l *leaf) isExact() bool {
	values, ok := l.m.Values()
	return ok && !l.invert && !l.m.Negative() && len(values) <= 64
}

// worthAsking says whether to ask the definitions that the look-ups leave, rather than to look at all values.
//
// REQUIRES: the registry's lock; the exact leaves have been looked up.
func (l *leaf) worthAsking(r *Registry, x *index) bool {
	values := x.names.of(r.symbols.find(l.m.Name()))
	if len(l.exact) == 0 || values == nil {
		return false
	}
	const dearer = 4 // asking a definition is dearer than looking at a value
	for _, e := range l.exact {
		refs := 0
		for _, id := range e.pairs {
			refs += int(x.pairs[id].n)
		}
		if refs*dearer < len(values.pairs) {
			return true
		}
	}
	return false
}

var errStale = errors.New("values of tags went away")

// Values that a matcher looks at before it lets writers in.
const (
	slowStep = 512
	fastStep = 8192

	fastPrice = 8 // of a matcher that looks at many
)

// collect runs the matchers and takes their postings. It returns errStale if pairs went away while the lock was given up.
func (s *search) collect() error {
	s.r.mu.RLock()
	defer s.r.mu.RUnlock()
	x := s.r.tenants[s.tenant]
	if s.index = x; x == nil {
		return s.ctx.Err()
	}
	dropped := x.dropped
	for _, l := range s.leaves {
		if l.pairs, l.done = l.pairs[:0], 0; l.isExact() {
			s.look(x, l, 0)
		}
	}
	looks := 0
	for _, l := range s.leaves {
		if l.ask = l.worthAsking(s.r, x); !l.ask {
			looks += l.looks(s.r, x)
		}
	}
	if looks > maxLooks {
		return &SearchError{fmt.Errorf("the conditions would look at %d values of tags, counted by what each costs; at most %d are possible", looks, maxLooks)}
	}
	for _, l := range s.leaves {
		if l.ask {
			continue
		}
		for more := true; more; {
			if err := s.ctx.Err(); err != nil {
				return err
			}
			step := fastStep
			if l.m.Price() > fastPrice {
				step = slowStep
			}
			if more = s.look(x, l, step); more && !s.hold {
				s.r.mu.RUnlock()
				s.r.mu.RLock()
				if s.r.tenants[s.tenant] != x || x.dropped != dropped {
					return errStale
				}
			}
		}
	}
	for _, l := range s.leaves {
		if !l.ask {
			s.look(x, l, len(x.pairs)) // what has come meanwhile
			l.take(x)
		}
	}
	s.all = x.all
	return nil
}

// maxLooks is how many values the matchers of one search may look at together, a value counted as often as the matcher's price.
// That is about a second of a core.
const maxLooks = 1 << 26

// looks is what it costs to run the matcher over all values of its tag.
//
// REQUIRES: the registry's lock.
func (l *leaf) looks(r *Registry, x *index) int {
	values := x.names.of(r.symbols.find(l.m.Name()))
	if _, ok := l.m.Values(); ok && !l.invert || values == nil {
		return 0
	}
	return len(values.pairs) * l.m.Price()
}

// look runs the matcher over at most step values more, and says whether some are left.
//
// REQUIRES: s.r.mu.
func (s *search) look(x *index, l *leaf, step int) bool {
	sym := &s.r.symbols
	if l.m.Form() == match.Any {
		return false // inverted: no pair is not accepted
	}
	name := sym.find(l.m.Name())
	if values, ok := l.m.Values(); ok && !l.invert {
		l.pairs = l.pairs[:0]
		for _, v := range values {
			if value := sym.find(v); value != 0 && name != 0 {
				if id := x.find(name, value); id != 0 {
					l.pairs = append(l.pairs, id)
				}
			}
		}
		return false
	}
	values := x.names.of(name)
	if values == nil {
		return false
	}
	end := min(l.done+step, len(values.pairs))
	if l.m.Form() == match.Filled {
		l.pairs = append(l.pairs, values.pairs[l.done:end]...)
	} else {
		l.compare(sym, x, values.pairs[l.done:end])
	}
	l.done = end
	return end < len(values.pairs)
}

// compareAtOnce is how many values are read before they are compared, so that the processor can wait for several of them at once.
const compareAtOnce = 64

// compare runs the matcher over the values of pairs, and keeps those that it is about.
func (l *leaf) compare(sym *symbols, x *index, pairs []uint32) {
	var texts [compareAtOnce]string
	var yes [compareAtOnce]bool
	for len(pairs) > 0 {
		n := min(compareAtOnce, len(pairs))
		for i, id := range pairs[:n] {
			texts[i] = sym.text(x.pairs[id].value)
		}
		l.m.AcceptsEach(texts[:n], yes[:n])
		for i, id := range pairs[:n] {
			if yes[i] != l.invert {
				l.pairs = append(l.pairs, id)
			}
		}
		pairs = pairs[n:]
	}
}

// take takes the postings of the pairs that were found.
//
// REQUIRES: the registry's lock.
func (l *leaf) take(x *index) {
	l.lists, l.loose, l.refs = l.lists[:0], l.loose[:0], 0
	loose := 0
	for _, id := range l.pairs {
		p := &x.pairs[id]
		l.refs += int(p.n)
		if p.n == 1 {
			loose++
		}
	}
	if l.refs == len(x.all) {
		return // all of them, so that nobody asks for the lists
	}
	l.lists, l.loose = slices.Grow(l.lists, len(l.pairs)-loose), slices.Grow(l.loose, loose)
	for _, id := range l.pairs {
		p := &x.pairs[id]
		switch p.n {
		case 0:
		case 1:
			l.loose = append(l.loose, Ref(p.at))
		default:
			l.lists = append(l.lists, x.lists[p.at][:p.n:p.n])
		}
	}
}

// set is what the leaf found. A definition has one value of a tag at most, so that the lists of a leaf have nothing in
// common; and if they hold as many refs as there are they are all of them.
func (l *leaf) set(all []Ref) refSet {
	if l.refs == len(all) {
		return refSet{complement: !l.inverted()}
	}
	return refSet{unionAll(l.lists, l.loose), l.inverted()}
}

// inverted says whether the leaf holds where its postings are not.
func (l *leaf) inverted() bool { return l.invert != l.m.Negative() }

// within returns at least those refs of the leaf's postings that are among the candidates. If these are few, each list
// is cut down before they are put together.
func (l *leaf) within(candidates []Ref) []Ref {
	const dearer = 8 // a search in a list is dearer than reading one ref of it
	steps := 0
	for _, list := range l.lists {
		steps += min(len(list), len(candidates))
	}
	if len(l.lists) < 2 || steps*dearer > l.refs {
		return unionAll(l.lists, l.loose)
	}
	out := slices.Clone(l.loose)
	for _, list := range l.lists {
		out = append(out, intersect(list, candidates)...)
	}
	slices.Sort(out)
	return out
}

func (s *search) eval(n *node) (refSet, error) {
	if err := s.ctx.Err(); err != nil {
		return refSet{}, err
	}
	switch n.op {
	case opLeaf:
		return n.leaf.set(s.all), nil
	case opNot:
		set, err := s.eval(n.kids[0])
		return set.not(), err
	case opOr:
		out := everything().not()
		var lists [][]Ref
		for _, k := range n.kids {
			set, err := s.eval(k)
			switch {
			case err != nil:
				return refSet{}, err
			case set.complement:
				out = out.or(set)
			case len(set.refs) > 0:
				lists = append(lists, set.refs)
			}
		}
		return out.or(refSet{refs: unionAll(lists, nil)}), nil
	}
	return s.conjunction(n)
}

// conjunction begins with what is shortest, cuts it down with the others in the order of their lengths, takes away what
// must not be, and asks the definitions that are left the questions that were put off.
func (s *search) conjunction(n *node) (refSet, error) {
	type part struct {
		leaf *leaf // or:
		set  refSet
		refs int
		less bool // to be taken away
	}
	var parts []part
	var asked []*leaf
	for _, k := range n.kids {
		switch {
		case k.leaf == nil:
			set, err := s.eval(k)
			if err != nil {
				return refSet{}, err
			}
			parts = append(parts, part{set: set, refs: len(set.refs), less: set.complement})
		case k.leaf.ask:
			asked = append(asked, k.leaf)
		case k.leaf.refs == len(s.all):
			if k.leaf.inverted() {
				return everything().not(), nil
			}
		default:
			parts = append(parts, part{leaf: k.leaf, refs: k.leaf.refs, less: k.leaf.inverted()})
		}
	}
	slices.SortStableFunc(parts, func(a, b part) int {
		switch {
		case a.less == b.less:
			return a.refs - b.refs
		case b.less:
			return -1
		}
		return 1
	})
	out := everything()
	for _, p := range parts {
		if !out.complement && len(out.refs) == 0 {
			return out, nil
		}
		if p.leaf != nil && !out.complement {
			p.set = refSet{p.leaf.within(out.refs), p.less}
		} else if p.leaf != nil {
			p.set = p.leaf.set(s.all)
		}
		out = out.and(p.set)
	}
	if len(asked) == 0 {
		return out, nil
	}
	refs := out.list(s.all)
	for _, l := range asked {
		var err error
		if refs, err = s.askEach(l.m, refs); err != nil {
			return refSet{}, err
		}
	}
	return refSet{refs: refs}, nil
}
