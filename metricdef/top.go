package metricdef

import "slices"

// top keeps those of many items that come first, at most k of them, 0 standing for all. It is a heap whose root is the
// last of those kept, so that most items of a big set are turned away with one comparison.
type top[T any] struct {
	k       int
	compare func(a, b T) int
	items   []T
}

// full says whether an item has to come before the last one to be kept.
func (t *top[T]) full() bool { return t.k > 0 && len(t.items) == t.k }

// last is the one that goes next. REQUIRES: full.
func (t *top[T]) last() T { return t.items[0] }

func (t *top[T]) offer(v T) {
	switch {
	case t.k <= 0:
		t.items = append(t.items, v)
	case len(t.items) < t.k:
		t.items = append(t.items, v)
		for i := len(t.items) - 1; i > 0; {
			up := (i - 1) / 2
			if t.compare(t.items[up], t.items[i]) >= 0 {
				break
			}
			t.items[up], t.items[i] = t.items[i], t.items[up]
			i = up
		}
	case t.compare(v, t.items[0]) < 0:
		t.items[0] = v
		t.sink()
	}
}

func (t *top[T]) sink() {
	for i := 0; ; {
		big := 2*i + 1
		if big >= len(t.items) {
			return
		}
		if right := big + 1; right < len(t.items) && t.compare(t.items[right], t.items[big]) > 0 {
			big = right
		}
		if t.compare(t.items[big], t.items[i]) <= 0 {
			return
		}
		t.items[i], t.items[big] = t.items[big], t.items[i]
		i = big
	}
}

// sorted returns what was kept, in order, and ends the use of the heap.
func (t *top[T]) sorted() []T {
	slices.SortFunc(t.items, t.compare)
	return t.items
}
