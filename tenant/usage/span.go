package usage

import "slices"

// span is a time from its first sample to the last one plus the grace.
type span struct{ from, to int64 }

// join puts a span into a list that is ascending and whose spans lie apart, and keeps it so: spans that overlap or touch become
// one. It returns the list and where the span is in it. The order in which spans come makes no difference.
func join(list []span, s span) ([]span, int) {
	// The first that does not end before s, and the first that begins behind it: those between become one with it.
	lo, _ := slices.BinarySearchFunc(list, s.from, func(x span, from int64) int {
		if x.to < from {
			return -1
		}
		return 1
	})
	hi := lo
	for hi < len(list) && list[hi].from <= s.to {
		s.from, s.to = min(s.from, list[hi].from), max(s.to, list[hi].to)
		hi++
	}
	if hi == lo {
		return slices.Insert(list, lo, s), lo
	}
	list[lo] = s
	return slices.Delete(list, lo+1, hi), lo
}

// joinAll joins two lists.
func joinAll(list, more []span) []span {
	for _, s := range more {
		list, _ = join(list, s)
	}
	return list
}
