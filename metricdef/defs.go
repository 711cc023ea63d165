package metricdef

import "unsafe"

// state is how far a definition has come.
type state uint8

const (
	absent   state = iota
	reserved       // writers see it
	visible        // readers see it too
)

// packed is a definition: 24 bytes, and 4 for each tag, unit and dialect in words; 8 more if it has a policy or a
// retention of its own or fields that this program does not know, 12 more if it has something of a linking. Its key text is put together from the tags when it is needed.
type packed struct {
	created  int64
	tenant   uint32
	name     uint32 // pair of NameTag
	tags     uint32 // place in words: symbols of unit and dialect, the pairs of identity tags and plain tags, then what hasMore and hasLink say
	identity uint8
	plain    uint8
	typ      Type
	flags    uint8 // state, madeByACall, kind, hasMore, hasLink
}

const (
	stateMask   = 3
	madeByACall = 4
	kindShift   = 3 // bits 3 to 5
	kindMask    = 7 << kindShift
	hasMore     = 1 << 6 // behind the pairs stand the symbols of the policy and of the retention's field with those that are not known
	moreWords   = 2
	hasLink     = 1 << 7 // behind them stand the pair of the label, the symbol of the creator, and the number of the link with byIDBit
	linkWords   = 3
	byIDBit     = 1 // the number of the link stands above it
)

func (d *packed) state() state     { return state(d.flags & stateMask) }
func (d *packed) setState(s state) { d.flags = d.flags&^stateMask | uint8(s) }
func (d *packed) kind() Kind       { return Kind(d.flags & kindMask >> kindShift) }
func (d *packed) setKind(k Kind)   { d.flags = d.flags&^kindMask | uint8(k)<<kindShift }
func (d *packed) explicit() bool   { return d.flags&madeByACall != 0 }

// run is the number of words that every definition has: unit, dialect, tags.
func (d *packed) run() int { return 2 + int(d.identity) + int(d.plain) }

// room is the number of all its words.
func (d *packed) room() int {
	n := d.run()
	if d.flags&hasMore != 0 {
		n += moreWords
	}
	if d.flags&hasLink != 0 {
		n += linkWords
	}
	return n
}

const (
	defShift = 10
	defBlock = 1 << defShift // definitions in a block: 24 KiB
	dirShift = 11
	dirSize  = 1 << dirShift // blocks in a directory
	dirCount = 1 << (32 - defShift - dirShift)
)

// defs is the array of all definitions by their ref, in blocks that exist only where definitions are: refs are never
// used again, and a block whose last definition ends is given back. Two steps lead to a block, so that a single high ref,
// as damage might bring it, costs no more than a low one.
type defs struct {
	dirs  [dirCount]*defDir
	count int // blocks
}

type defDir struct {
	blocks [dirSize]*[defBlock]packed
	live   [dirSize]uint16
}

// get returns the definition of a ref, nil if there is none.
func (s *defs) get(ref Ref) *packed {
	dir := s.dirs[ref>>(defShift+dirShift)]
	if dir == nil {
		return nil
	}
	block := dir.blocks[ref>>defShift&(dirSize-1)]
	if block == nil {
		return nil
	}
	if d := &block[ref&(defBlock-1)]; d.state() != absent {
		return d
	}
	return nil
}

// add returns the place of a ref that is absent. The caller sets its state.
func (s *defs) add(ref Ref) *packed {
	dir := s.dirs[ref>>(defShift+dirShift)]
	if dir == nil {
		dir = new(defDir)
		s.dirs[ref>>(defShift+dirShift)] = dir
	}
	i := ref >> defShift & (dirSize - 1)
	if dir.blocks[i] == nil {
		dir.blocks[i] = new([defBlock]packed)
		s.count++
	}
	dir.live[i]++
	return &dir.blocks[i][ref&(defBlock-1)]
}

// drop makes a ref absent.
func (s *defs) drop(ref Ref) {
	dir := s.dirs[ref>>(defShift+dirShift)]
	i := ref >> defShift & (dirSize - 1)
	dir.blocks[i][ref&(defBlock-1)] = packed{}
	if dir.live[i]--; dir.live[i] == 0 {
		dir.blocks[i] = nil
		s.count--
	}
}

// appendVisible appends the visible refs of the first block that exists at or behind the one of from, and returns where
// the next block begins, if there may be one.
func (s *defs) appendVisible(refs []Ref, from Ref) (_ []Ref, next Ref, more bool) {
	for i := uint64(from) >> defShift; i < dirCount*dirSize; i++ {
		dir := s.dirs[i>>dirShift]
		if dir == nil {
			i |= dirSize - 1
			continue
		}
		block := dir.blocks[i&(dirSize-1)]
		if block == nil {
			continue
		}
		for k := range block {
			if block[k].state() == visible {
				refs = append(refs, Ref(i<<defShift)|Ref(k))
			}
		}
		return refs, Ref((i + 1) << defShift), i+1 < dirCount*dirSize
	}
	return refs, 0, false
}

func (s *defs) bytes() int {
	n := int(unsafe.Sizeof(*s)) + s.count*defBlock*int(unsafe.Sizeof(packed{}))
	for _, dir := range s.dirs {
		if dir != nil {
			n += int(unsafe.Sizeof(*dir))
		}
	}
	return n
}
