package slab

import "encoding/binary"

// Size is how many bytes one slab maps. A page of it costs memory only once something lies there.
const Size = 1 << 20

// Loc says where a piece lies: the slab in the upper bits, the offset in units of 4 bytes in the lower. 0 is nowhere.
type Loc uint32

const offsetBits = 18 // Size / 4

// MaxPiece is the largest piece that a slab takes.
const MaxPiece = 1<<16 - 1

// maxSlabs is how many slabs a Loc can tell apart.
const maxSlabs = 1<<(32-offsetBits) - 1

type slab struct {
	mem    []byte
	used   uint32
	live   uint32 // bytes of pieces that were not freed
	window int64
	sparse bool // its pieces are to move elsewhere
}

// Slabs keeps pieces of bytes, grouped by a window: pieces of one window share slabs, so that they can go together.
type Slabs struct {
	slabs   []slab        // by number - 1; mem nil: free number
	current map[int64]int // window -> slab being filled
	vacant  []int
	bytes   int64 // live bytes
}

// NewSlabs makes an empty set; it maps nothing before the first Put.
func NewSlabs() *Slabs { return &Slabs{current: make(map[int64]int)} }

// Put copies a piece of at most MaxPiece bytes into a slab of the window. It returns 0 without an error when no more slab
// can be numbered; the caller then frees or evicts first.
func (s *Slabs) Put(window int64, piece []byte) (Loc, error) {
	need := (uint32(len(piece)) + 2 + 3) &^ 3
	n, ok := s.current[window]
	if !ok || s.slabs[n].used+need > Size {
		var err error
		if n, err = s.open(window); err != nil || n < 0 {
			return 0, err
		}
	}
	sl := &s.slabs[n]
	off := sl.used
	binary.LittleEndian.PutUint16(sl.mem[off:], uint16(len(piece)))
	copy(sl.mem[off+2:], piece)
	sl.used += need
	sl.live += need
	s.bytes += int64(need)
	return Loc(uint32(n+1)<<offsetBits | off/4), nil
}

func (s *Slabs) open(window int64) (int, error) {
	if n, ok := s.current[window]; ok && s.slabs[n].live == 0 {
		s.slabs[n].used = 0
		return n, nil
	}
	mem, err := mapMemory(Size)
	if err != nil {
		return 0, err
	}
	n := len(s.slabs)
	if v := len(s.vacant); v > 0 {
		n = s.vacant[v-1]
		s.vacant = s.vacant[:v-1]
	} else {
		if n >= maxSlabs-1 {
			unmapMemory(mem)
			return -1, nil
		}
		s.slabs = append(s.slabs, slab{})
	}
	s.slabs[n] = slab{mem: mem, window: window}
	s.current[window] = n
	return n, nil
}

// Get is the piece at l, valid until Free of it.
func (s *Slabs) Get(l Loc) []byte {
	sl := &s.slabs[l>>offsetBits-1]
	off := uint32(l) & (1<<offsetBits - 1) * 4
	n := uint32(binary.LittleEndian.Uint16(sl.mem[off:]))
	return sl.mem[off+2 : off+2+n : off+2+n]
}

// Size is how many bytes the piece at l takes.
func (s *Slabs) Size(l Loc) int64 { return int64((uint32(len(s.Get(l))) + 2 + 3) &^ 3) }

// Peek reads a byte of each of the first cache lines of the piece at l, or of what lies behind it, and returns their sum.
func (s *Slabs) Peek(l Loc) (sum byte) {
	const line, lines = 64, 4
	mem := s.slabs[l>>offsetBits-1].mem
	off := int(uint32(l)&(1<<offsetBits-1)) * 4
	if off+line*lines > len(mem) {
		return mem[off]
	}
	mem = mem[off : off+line*lines]
	for i := 0; i < len(mem); i += line {
		sum += mem[i]
	}
	return sum
}

// Free gives a piece up. The memory of a slab goes back to the system with its last piece.
func (s *Slabs) Free(l Loc) {
	n := int(l>>offsetBits - 1)
	need := (uint32(len(s.Get(l))) + 2 + 3) &^ 3
	sl := &s.slabs[n]
	sl.live -= need
	s.bytes -= int64(need)
	if sl.live == 0 && s.current[sl.window] != n {
		s.drop(n)
	}
}

func (s *Slabs) drop(n int) {
	unmapMemory(s.slabs[n].mem)
	s.slabs[n] = slab{}
	s.vacant = append(s.vacant, n)
}

// Trim unmaps slabs that hold nothing although they are still being filled: those of a window that has passed.
func (s *Slabs) Trim() {
	for w, n := range s.current {
		if s.slabs[n].live == 0 {
			s.drop(n)
			delete(s.current, w)
		}
	}
}

// thin is the part of a slab that is much, if it is free.
const thin = 16

// Thin marks the slabs that have much free room between their pieces, so that Move empties them, and says whether there are
// any. What is put from now on goes elsewhere.
func (s *Slabs) Thin() bool {
	found := false
	for i := range s.slabs {
		sl := &s.slabs[i]
		if sl.mem == nil {
			continue
		}
		if sl.sparse = sl.live > 0 && thin*(sl.used-sl.live) >= sl.used; sl.sparse {
			found = true
			if n, ok := s.current[sl.window]; ok && n == i {
				delete(s.current, sl.window)
			}
		}
	}
	return found
}

// Move puts a piece elsewhere if its slab was marked, and returns where it lies now.
func (s *Slabs) Move(l Loc) Loc {
	sl := &s.slabs[l>>offsetBits-1]
	if !sl.sparse {
		return l
	}
	to, err := s.Put(sl.window, s.Get(l))
	if err != nil || to == 0 {
		return l
	}
	s.Free(l)
	return to
}

// Window is the window that the piece at l was put under.
func (s *Slabs) Window(l Loc) int64 { return s.slabs[l>>offsetBits-1].window }

// Bytes is how many bytes live pieces take.
func (s *Slabs) Bytes() int64 { return s.bytes }

// Mapped is how many bytes of slabs are mapped and may have been touched.
func (s *Slabs) Mapped() int64 {
	var n int64
	for i := range s.slabs {
		n += int64(s.slabs[i].used)
	}
	return n
}

// Close unmaps everything.
func (s *Slabs) Close() {
	for i := range s.slabs {
		if s.slabs[i].mem != nil {
			unmapMemory(s.slabs[i].mem)
		}
	}
	s.slabs, s.vacant, s.bytes = nil, nil, 0
	clear(s.current)
}

// Mapped is how many bytes this process has mapped through this package.
func Mapped() int64 { return mapped.Load() }

// EachWindow calls fn for each slab with its window and the bytes that it takes.
func (s *Slabs) EachWindow(fn func(window, bytes int64)) {
	for i := range s.slabs {
		if s.slabs[i].mem != nil {
			fn(s.slabs[i].window, int64(s.slabs[i].used))
		}
	}
}
