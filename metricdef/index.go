package metricdef

import (
	"slices"
	"unsafe"
)

// index is the inverted index of one tenant, made with its first definition and dropped with its last.
//
// A posting list is the sorted refs of the visible definitions that have a pair of tag name and value. A list is
// immutable up to its length: it is appended to behind that, and every other change makes a new one. So a reader who has
// taken the slice under the lock may read it after the lock is gone. A list of one ref stands in the pair itself.
type index struct {
	pairs   []pair // by id; 0 is no pair
	free    []uint32
	byText  table // (name, value) -> pair
	names   names
	lists   [][]Ref
	unused  []uint32 // lists that can be given again
	all     []Ref    // every visible definition
	claimed int      // definitions, reserved ones too
	dropped uint32   // counts the pairs whose ids became free; readers start again when it changes
	root    *Node    // the tree, nil before its first series
	links   *links   // nil while no definition belongs to a resource

	// What bytes and held say without a walk over all of it.
	listed int // bytes of the lists of values and refs
	words  int // numbers in the runs of the definitions
	texts  int // bytes of the texts of pairs
	nodes  int // of the tree
}

// pair is a tag with one of its values.
type pair struct {
	name, value uint32 // symbols
	uses        uint32 // definitions that have it, reserved ones too
	n           uint32 // visible ones among them
	at          uint32 // n == 1: the ref; n > 1: number of the list
	place       uint32 // in the list of the values of its name
}

func newIndex() *index {
	return &index{pairs: make([]pair, 1, 8)}
}

func hashPair(name, value uint32) uint32 {
	h := (uint64(name)<<32 | uint64(value)) * 0x9e3779b97f4a7c15
	h ^= h >> 32
	return uint32(h * 0xd6e8feb86659fd93 >> 32)
}

// find returns the id of a pair, 0 if no definition of the tenant has it.
func (x *index) find(name, value uint32) uint32 {
	h := hashPair(name, value)
	for p := x.byText.first(h); p >= 0; p = x.byText.after(h, p) {
		id := x.byText.slots[p].id
		if pr := &x.pairs[id]; pr.name == name && pr.value == value {
			return id
		}
	}
	return 0
}

// use returns the id of a pair and counts one use more. A new pair takes over the uses of both symbols, those of a known
// one are given back.
func (x *index) use(s *symbols, name, value uint32) uint32 {
	if id := x.find(name, value); id != 0 {
		x.pairs[id].uses++
		s.release(name)
		s.release(value)
		return id
	}
	var id uint32
	if n := len(x.free); n > 0 {
		id, x.free = x.free[n-1], x.free[:n-1]
	} else {
		id = uint32(len(x.pairs))
		x.pairs = append(growSlice(x.pairs), pair{})
	}
	x.pairs[id] = pair{name: name, value: value, uses: 1}
	x.texts += len(s.text(value))
	x.byText.insert(hashPair(name, value), id)
	values := x.names.of(name)
	if values == nil {
		values = x.names.add(name)
		x.listed += namedBytes
	}
	before := cap(values.pairs)
	x.pairs[id].place = uint32(len(values.pairs))
	values.pairs = append(growSlice(values.pairs), id)
	x.listed += 4 * (cap(values.pairs) - before)
	return id
}

// release counts one use less of each pair, and forgets those that nobody uses any more.
func (x *index) release(s *symbols, ids []uint32) {
	for _, id := range ids {
		p := &x.pairs[id]
		if p.uses--; p.uses > 0 {
			continue
		}
		x.dropValue(p)
		x.byText.remove(hashPair(p.name, p.value), id)
		x.texts -= len(s.text(p.value))
		s.release(p.name)
		s.release(p.value)
		*p = pair{}
		x.free = append(x.free, id)
		x.dropped++
	}
}

// dropValue takes a pair out of the values of its name. The last of these takes its place, so that it costs the same however many there
// are; whoever walks over them begins again, since a pair was dropped.
func (x *index) dropValue(p *pair) {
	values := x.names.of(p.name)
	last := len(values.pairs) - 1
	if last == 0 {
		x.listed -= namedBytes + 4*cap(values.pairs)
		x.names.forget(p.name)
		return
	}
	moved := values.pairs[last]
	values.pairs[p.place], x.pairs[moved].place = moved, p.place
	values.pairs = values.pairs[:last]
	if before := cap(values.pairs); before > 4*last {
		values.pairs = slices.Clip(slices.Clone(values.pairs))
		x.listed -= 4 * (before - cap(values.pairs))
	}
}

// post makes a definition one that has the pair.
func (x *index) post(id uint32, ref Ref) {
	p := &x.pairs[id]
	switch p.n {
	case 0:
		p.at = uint32(ref)
	case 1:
		first := Ref(p.at)
		list := []Ref{min(first, ref), max(first, ref)}
		x.listed += 4 * cap(list)
		if n := len(x.unused); n > 0 {
			p.at, x.unused = x.unused[n-1], x.unused[:n-1]
			x.lists[p.at] = list
		} else {
			p.at = uint32(len(x.lists))
			x.lists = append(growSlice(x.lists), list)
		}
	default:
		list := addRef(x.lists[p.at], ref)
		x.listed += 4 * (cap(list) - cap(x.lists[p.at]))
		x.lists[p.at] = list
	}
	p.n++
}

// postAll makes several definitions ones that have the pair. Refs are sorted, and none has it yet.
func (x *index) postAll(id uint32, refs []Ref) {
	p := &x.pairs[id]
	if len(refs) < 2 {
		for _, ref := range refs {
			x.post(id, ref)
		}
		return
	}
	var list []Ref
	if p.n < 2 {
		list = slices.Clip(slices.Clone(refs))
		if p.n == 1 {
			list = addRef(list, Ref(p.at))
		}
		if n := len(x.unused); n > 0 {
			p.at, x.unused = x.unused[n-1], x.unused[:n-1]
		} else {
			p.at = uint32(len(x.lists))
			x.lists = append(growSlice(x.lists), nil)
		}
	} else {
		list = x.lists[p.at]
		x.listed -= 4 * cap(list)
		if list[len(list)-1] < refs[0] {
			for _, ref := range refs {
				list = addRef(list, ref)
			}
		} else {
			list = union(list, refs)
		}
	}
	x.lists[p.at] = list
	x.listed += 4 * cap(list)
	p.n = uint32(len(list))
}

// addRef adds a ref to a sorted list that does not have it. Refs ascend, so it is appended but for rare exceptions.
func addRef(list []Ref, ref Ref) []Ref {
	if n := len(list); n == 0 || list[n-1] < ref {
		return append(growSlice(list), ref)
	}
	at, _ := slices.BinarySearch(list, ref)
	grown := make([]Ref, 0, len(list)+len(list)/4+1)
	return append(append(append(grown, list[:at]...), ref), list[at:]...)
}

// unpost takes refs, which are sorted, away from a pair.
func (x *index) unpost(id uint32, refs []Ref) {
	p := &x.pairs[id]
	switch p.n {
	case 0:
		return
	case 1:
		if _, gone := slices.BinarySearch(refs, Ref(p.at)); gone {
			p.n, p.at = 0, 0
		}
	default:
		kept := without(x.lists[p.at], refs)
		x.listed -= 4 * cap(x.lists[p.at])
		if p.n = uint32(len(kept)); p.n > 1 {
			x.lists[p.at] = kept
			x.listed += 4 * cap(kept)
			break
		}
		x.lists[p.at] = nil
		x.unused = append(x.unused, p.at)
		p.at = 0
		if p.n == 1 {
			p.at = uint32(kept[0])
		}
	}
}

func (x *index) bytes() int {
	return int(unsafe.Sizeof(*x)) + int(unsafe.Sizeof(pair{}))*cap(x.pairs) + 4*(cap(x.free)+cap(x.unused)+cap(x.all)) + x.byText.bytes() + 24*cap(x.lists) + x.listed + x.links.bytes()
}

const (
	// tableShare is about what a definition takes in a table of all tenants.
	tableShare = 2 * int(unsafe.Sizeof(slot{}))
	// nodeBytes is about what a node of the tree takes: itself, its name, and its place among its siblings.
	nodeBytes = int(unsafe.Sizeof(Node{})) + 48
)

// held is about what the tenant takes in the registry: its index and its tree, and its part of what all tenants share. A text that
// several of them use counts for each.
func (x *index) held() int {
	return x.bytes() + x.claimed*(int(unsafe.Sizeof(packed{}))+2*tableShare) + 4*x.words + x.texts + x.nodes*nodeBytes
}
