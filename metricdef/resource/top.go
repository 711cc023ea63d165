package resource

// top keeps the candidates that come first, up to a number: a heap, the first of which is the last in the order.
type top struct {
	by   *ordering
	most int // how many are kept
	keys int // of each
	list []*candidate
	// Candidates that are not in the list, and memory for more.
	free  []*candidate
	block []candidate
	room  []keyValue
}

// topStep is for how many candidates memory is taken at once.
const topStep = 128

// spare is a candidate to fill.
func (t *top) spare() *candidate {
	if n := len(t.free); n > 0 {
		c := t.free[n-1]
		t.free = t.free[:n-1]
		return c
	}
	if len(t.block) == 0 {
		n := min(topStep, 8+len(t.list))
		t.block, t.room = make([]candidate, n), make([]keyValue, n*t.keys)
	}
	c := &t.block[0]
	t.block = t.block[1:]
	c.keys, t.room = t.room[:0:t.keys], t.room[t.keys:]
	return c
}

// last is what a candidate must come before, nil while all are kept.
func (t *top) last() *candidate {
	if len(t.list) < t.most {
		return nil
	}
	return t.list[0]
}

// put keeps a candidate if it comes before the last one, or there is room.
func (t *top) put(c *candidate) {
	last := t.last()
	switch {
	case last == nil:
		if t.list = append(t.list, c); len(t.list) == t.most {
			for i := len(t.list)/2 - 1; i >= 0; i-- {
				t.down(i)
			}
		}
	case t.by.compare(c.keys, last.keys) < 0:
		t.list[0] = c
		t.free = append(t.free, last)
		t.down(0)
	default:
		t.free = append(t.free, c)
	}
}

// down lets the candidate at i sink to its place.
func (t *top) down(i int) {
	for {
		k := 2*i + 1
		if k >= len(t.list) {
			return
		}
		if k+1 < len(t.list) && t.by.compare(t.list[k+1].keys, t.list[k].keys) > 0 {
			k++
		}
		if t.by.compare(t.list[i].keys, t.list[k].keys) >= 0 {
			return
		}
		t.list[i], t.list[k] = t.list[k], t.list[i]
		i = k
	}
}
