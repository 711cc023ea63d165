package metricdef

import (
	"hash/maphash"
	"slices"
	"unsafe"
)

const (
	symbolBlock = 64 << 10
	// compactAt is how many bytes of texts that nobody uses are tolerated, beside half of the texts in use.
	compactAt = 1 << 20
)

// symbols interns the texts of all definitions: tag names and values, names of metrics, units, dialects. A text is
// addressed by its id, 0 being the empty one, and lives as long as somebody uses it. The bytes lie in blocks that are only
// appended to, so a string that was handed out stays valid for ever, also without the registry's lock. When too
// many of them are unused the rest moves to new blocks, and the old ones are left to the collector.
type symbols struct {
	seed   maphash.Seed
	blocks [][]byte
	all    []symbol // by id
	free   []uint32 // ids that can be given again
	index  table    // hash of the text -> id
	live   int      // bytes in use
	dead   int      // bytes in the blocks that no id names any more
}

// symbol says where a text lies and how often it is used. A free one has no uses.
type symbol struct {
	block uint32
	off   uint16
	len   uint16
	uses  uint32
}

func makeSymbols() symbols {
	return symbols{seed: maphash.MakeSeed(), all: make([]symbol, 1)}
}

// view is the bytes as a string, without copying them.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func (s *symbols) hash(text string) uint32 { return uint32(maphash.String(s.seed, text)) }

func (s *symbols) text(id uint32) string {
	y := &s.all[id]
	if y.len == 0 {
		return ""
	}
	return unsafe.String(&s.blocks[y.block][y.off], int(y.len))
}

// find returns the id of a text, 0 if nobody uses it.
func (s *symbols) find(text string) uint32 {
	h := s.hash(text)
	for p := s.index.first(h); p >= 0; p = s.index.after(h, p) {
		if id := s.index.slots[p].id; s.text(id) == text {
			return id
		}
	}
	return 0
}

// use returns the id of a text, which must not be longer than MaxText, and counts one use more.
func (s *symbols) use(text string) uint32 {
	if text == "" {
		return 0
	}
	h := s.hash(text)
	for p := s.index.first(h); p >= 0; p = s.index.after(h, p) {
		if id := s.index.slots[p].id; s.text(id) == text {
			s.all[id].uses++
			return id
		}
	}
	var id uint32
	if n := len(s.free); n > 0 {
		id, s.free = s.free[n-1], s.free[:n-1]
	} else {
		id = uint32(len(s.all))
		s.all = append(growSlice(s.all), symbol{})
	}
	s.all[id] = s.store(text)
	s.all[id].uses = 1
	s.index.insert(h, id)
	s.live += len(text)
	return id
}

// again counts one use more of a text that is in use.
func (s *symbols) again(id uint32) uint32 {
	s.all[id].uses++
	return id
}

func (s *symbols) store(text string) symbol {
	last := len(s.blocks) - 1
	if last < 0 || cap(s.blocks[last])-len(s.blocks[last]) < len(text) {
		size := symbolBlock
		if last < 0 {
			size /= 16
		}
		s.blocks = append(s.blocks, make([]byte, 0, max(size, len(text))))
		last++
	}
	b := s.blocks[last]
	s.blocks[last] = append(b, text...)
	return symbol{block: uint32(last), off: uint16(len(b)), len: uint16(len(text))}
}

// release counts one use less.
func (s *symbols) release(id uint32) {
	if id == 0 {
		return
	}
	y := &s.all[id]
	if y.uses--; y.uses > 0 {
		return
	}
	text := s.text(id)
	s.index.remove(s.hash(text), id)
	s.live -= len(text)
	s.dead += len(text)
	*y = symbol{}
	s.free = append(s.free, id)
	if s.dead > compactAt && s.dead > s.live/2 {
		s.compact()
	}
}

func (s *symbols) compact() {
	old := symbols{blocks: s.blocks, all: slices.Clone(s.all)}
	s.blocks, s.dead = nil, 0
	for id := range old.all {
		if uses := old.all[id].uses; uses > 0 {
			s.all[id] = s.store(old.text(uint32(id)))
			s.all[id].uses = uses
		}
	}
}

func (s *symbols) bytes() int {
	n := int(unsafe.Sizeof(symbol{}))*cap(s.all) + 4*cap(s.free) + s.index.bytes()
	for _, b := range s.blocks {
		n += cap(b)
	}
	return n
}

// growSlice makes room for one element more, by a quarter where append would double.
func growSlice[T any](s []T) []T {
	if len(s) < cap(s) {
		return s
	}
	grown := make([]T, len(s), (len(s)+len(s)/4+4)&^3)
	copy(grown, s)
	return grown
}
