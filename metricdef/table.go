package metricdef

// slot is one place of a table; id 0 is free.
type slot struct{ hash, id uint32 }

// table is a hash table from 32 bits of a hash to ids, which the caller compares. It has open addressing with linear
// probing, and holds no pointer, so that the collector does not walk it. The place of a slot is proportional to its hash:
// slots lie in the order of their hashes, any length will do, and growing by half copies from front to back.
// The same hash, and also equal keys, may occur several times.
type table struct {
	slots []slot
	n     int
}

func (t *table) home(hash uint32) int { return int(uint64(hash) * uint64(len(t.slots)) >> 32) }

func (t *table) next(p int) int {
	if p++; p < len(t.slots) {
		return p
	}
	return 0
}

// find returns the place of the first slot at or behind p that has the hash, -1 if there is none. A search begins at
// start(hash) and goes on at next of what was found.
func (t *table) find(hash uint32, p int) int {
	if len(t.slots) == 0 {
		return -1
	}
	for ; t.slots[p].id != 0; p = t.next(p) {
		if t.slots[p].hash == hash {
			return p
		}
	}
	return -1
}

func (t *table) first(hash uint32) int { return t.find(hash, t.home(hash)) }

func (t *table) after(hash uint32, p int) int { return t.find(hash, t.next(p)) }

func (t *table) insert(hash, id uint32) {
	if t.n+t.n/4 >= len(t.slots) { // at most four fifths full
		t.grow(max(8, len(t.slots)+len(t.slots)/2))
	}
	t.put(slot{hash, id})
	t.n++
}

func (t *table) put(s slot) {
	p := t.home(s.hash)
	for t.slots[p].id != 0 {
		p = t.next(p)
	}
	t.slots[p] = s
}

func (t *table) grow(size int) {
	old := t.slots
	t.slots = make([]slot, size)
	for _, s := range old {
		if s.id != 0 {
			t.put(s)
		}
	}
}

// remove takes out the slot with that hash and id, and moves up what was pushed behind it.
func (t *table) remove(hash, id uint32) bool {
	hole := t.first(hash)
	for hole >= 0 && t.slots[hole].id != id {
		hole = t.after(hash, hole)
	}
	if hole < 0 {
		return false
	}
	for p := t.next(hole); t.slots[p].id != 0; p = t.next(p) {
		home := t.home(t.slots[p].hash)
		// The slot at p may fill the hole unless its home lies, going round, behind the hole and not behind p.
		if hole <= p && (home <= hole || home > p) || hole > p && home <= hole && home > p {
			t.slots[hole] = t.slots[p]
			hole = p
		}
	}
	t.slots[hole] = slot{}
	t.n--
	return true
}

func (t *table) bytes() int { return 8 * cap(t.slots) }
