package metricdef

import (
	"math/bits"
	"slices"
	"sync"
)

// refSet is a set of refs of one tenant, or what it leaves of all refs of that tenant. Lists are sorted and are never
// changed, since they may be posting lists.
type refSet struct {
	refs       []Ref
	complement bool
}

func everything() refSet { return refSet{complement: true} }

// list is the set as a sorted list.
func (s refSet) list(all []Ref) []Ref {
	switch {
	case !s.complement:
		return s.refs
	case len(s.refs) == 0:
		return all[:len(all):len(all)]
	}
	return without(all, s.refs)
}

func (s refSet) and(t refSet) refSet {
	switch {
	case s.complement && t.complement:
		return refSet{union(s.refs, t.refs), true}
	case s.complement:
		return refSet{without(t.refs, s.refs), false}
	case t.complement:
		return refSet{without(s.refs, t.refs), false}
	}
	return refSet{intersect(s.refs, t.refs), false}
}

func (s refSet) not() refSet { return refSet{s.refs, !s.complement} }

func (s refSet) or(t refSet) refSet { return s.not().and(t.not()).not() }

// seek returns the first place at or behind i whose ref is not below ref. It gallops, so that a few refs are found in a
// long list without reading it.
func seek(list []Ref, i int, ref Ref) int {
	if i >= len(list) || list[i] >= ref {
		return i
	}
	step := 1
	for i+step < len(list) && list[i+step] < ref {
		i += step
		step *= 2
	}
	lo, hi := i+1, min(i+step, len(list))
	for lo < hi {
		if mid := int(uint(lo+hi) >> 1); list[mid] < ref {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// intersect returns what two sorted lists have in common.
func intersect(a, b []Ref) []Ref {
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(a) == 0 {
		return nil
	}
	out := make([]Ref, 0, len(a))
	i := 0
	for _, ref := range a {
		if i = seek(b, i, ref); i == len(b) {
			break
		}
		if b[i] == ref {
			out = append(out, ref)
		}
	}
	return out
}

// without returns a new list of what is in the sorted list a and not in the sorted list b. Runs between refs of b are
// copied whole.
func without(a, b []Ref) []Ref {
	if len(b) == 0 {
		return a[:len(a):len(a)]
	}
	out := make([]Ref, 0, len(a))
	i := 0
	for _, ref := range b {
		if i == len(a) {
			break
		}
		to := seek(a, i, ref)
		out = append(out, a[i:to]...)
		if i = to; i < len(a) && a[i] == ref {
			i++
		}
	}
	return append(out, a[i:]...)
}

// union merges two sorted lists.
func union(a, b []Ref) []Ref {
	if len(a) == 0 {
		return b
	}
	if len(b) == 0 {
		return a
	}
	out := make([]Ref, 0, len(a)+len(b))
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		x, y := a[i], b[j]
		out = append(out, min(x, y))
		if x <= y {
			i++
		}
		if y <= x {
			j++
		}
	}
	return append(append(out, a[i:]...), b[j:]...)
}

// bitmaps are reused, as those of a big tenant have 125 KB for a million refs.
var bitmaps = sync.Pool{New: func() any { return new([]uint64) }}

// unionAll merges many sorted lists, and refs in no order, which together hold total refs or more. Long ones meet in a bitmap, which takes
// one step a ref and one for 64 refs of the range; a few refs in a wide range are sorted.
func unionAll(lists [][]Ref, loose []Ref) []Ref {
	total := len(loose)
	lo, hi := ^Ref(0), Ref(0)
	for _, list := range lists {
		total += len(list)
		lo, hi = min(lo, list[0]), max(hi, list[len(list)-1])
	}
	for _, ref := range loose {
		lo, hi = min(lo, ref), max(hi, ref)
	}
	switch {
	case total == 0:
		return nil
	case len(lists) == 1 && len(loose) == 0:
		return lists[0]
	case len(lists) == 2 && len(loose) == 0:
		return union(lists[0], lists[1])
	}
	out := make([]Ref, 0, total)
	size := int(hi-lo)/64 + 1
	if size > total*bits.Len(uint(total)) {
		for _, list := range lists {
			out = append(out, list...)
		}
		out = append(out, loose...)
		slices.Sort(out)
		return slices.Compact(out)
	}
	pooled := bitmaps.Get().(*[]uint64)
	words := slices.Grow((*pooled)[:0], size)[:size]
	clear(words)
	for _, list := range lists {
		for _, ref := range list {
			words[(ref-lo)>>6] |= 1 << ((ref - lo) & 63)
		}
	}
	for _, ref := range loose {
		words[(ref-lo)>>6] |= 1 << ((ref - lo) & 63)
	}
	for i, w := range words {
		base := lo + Ref(i)<<6
		if w == ^uint64(0) {
			for k := range Ref(64) {
				out = append(out, base+k)
			}
			continue
		}
		for ; w != 0; w &= w - 1 {
			out = append(out, base+Ref(bits.TrailingZeros64(w)))
		}
	}
	*pooled = words
	bitmaps.Put(pooled)
	return out
}
