package measures

import (
	"slices"
	"sync/atomic"

	"granary/measures/slab"
	"granary/metricdef"
	"granary/tenant"
)

// headSlots is how many slots or samples an open head holds before it is sealed into a chunk: a round number of minutes
// and hours at the usual intervals, and about as many as the codecs need to be at their best.
const headSlots = 120

// headRooms are the sizes that a head grows through, so that a series that has just begun costs little: most of what idle tenants
// have are series of a few samples.
var headRooms = [...]uint8{12, 30, 60, headSlots}

// blockSeries is how many series lie side by side. Neighbouring refs were made by the same body, so that a body that
// repeats its order walks memory forward; and a block belongs to one shard, so that it takes few locks.
const blockSeries = 256

// series is one series. Its fields belong to two stages of the write path, which never meet in a field: what the
// sequencer needs to fix the time of a sample, and what the applier and the readers need.
type series struct {
	// policy is what the definition resolved to last; both stages refresh it when anything about policies has changed.
	policy atomic.Pointer[policyState]

	// Under the sequencer's lock.
	grid       grid
	last       int64      // slot time given out last: the guess for the next
	lowMark    int64      // samples before this time were freed; 0: none
	top        int64      // newest time sequenced; 0: none
	dictionary uint32     // journal segment that names this series already, plus one
	owner      tenant.Num // whose account it is in, under the shard's lock; 0: its definition is not known
	state      lifecycle
	anchored   bool           // grid is decided
	takes      metricdef.Kind // of its values; 0: not asked for yet

	// Under the shard's lock.
	class     uint8 // index of the head's size in headRooms
	flags     seriesFlags
	room      uint8    // that size
	filled    uint8    // slots (grid) or samples of the head that are in use
	present   presence // which slots of the head hold a value
	values    slab.Handle
	times     slab.Handle // only without a grid
	era       grid        // the grid that applied samples lie on
	headStart int64       // time of slot 0 of the head
	next      int64       // time of the slot behind the last filled one
	sealedEnd int64       // newest time in a sealed chunk, or later: no head begins at or before it
	newest    int64       // newest time ever applied
	wrote     int64       // newest write time
	low       int64       // samples before this time were freed, as applied; 0: none
	chunks    []entry     // sealed, ascending, never overlapping
}

// lifecycle is the state of a ref as the sequencer sees it.
type lifecycle uint8

const (
	unused   lifecycle = iota
	reserved           // its definition is in the group that is not committed yet
	live
	dead // its definition was removed; the ref is never used again
)

// seriesFlags are flags; the kind of values stands in the bits from kindShift on.
type seriesFlags uint16

const kindShift = 13

const (
	hasData seriesFlags = 1 << iota // newest is valid
	hasSealed
	hasLate   // the shard keeps late samples or late chunks
	hasEras   // the shard keeps earlier grids
	spared    // retention leaves it alone while a job runs on its host
	hasTexts  // the shard keeps a column of texts
	hasTags   // the shard keeps a column of tags of its samples
	hasTiers  // the shard keeps finished buckets, or is about to
	hasWrites // the shard keeps write times
)

// grid is a slot grid: slot k covers [anchor+k*step-half, anchor+(k+1)*step-half) and its time is anchor+k*step. A step
// of 0 is no grid: samples keep their own times.
type grid struct {
	anchor, step, half int64
}

const second = int64(1e9)

// newGrid is the grid of a step whose slot 0 is at anchor. Half a step is counted in whole seconds where the step is,
// as cc-metric-store does.
func newGrid(anchor, step int64) grid {
	half := step / 2
	if step%second == 0 {
		half = step / second / 2 * second
	}
	return grid{anchor: anchor, step: step, half: half}
}

// slot is the number of the slot that holds t, by floor division, so that times below the anchor have slots too.
func (g grid) slot(t int64) int64 { return floorDiv(t-g.anchor+g.half, g.step) }

// time is the time of slot k.
func (g grid) time(k int64) int64 { return g.anchor + k*g.step }

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// entry is one sealed chunk of a series: where its bytes are and which times they cover.
type entry struct {
	start int64
	seg   segLoc   // 0: no segment holds it yet
	mem   slab.Loc // 0: evicted, only a segment holds it
	shape shape
}

// shape packs the number of slots that a chunk spans and how its bytes are made up.
type shape uint32

const (
	shapeSpan shape = 1<<16 - 1 // slots covered (grid), or samples (own times)
	shapeOwn  shape = 1 << 16   // the chunk brings its own times
	shapeHole shape = 1 << 17   // a presence bitmap stands before the values
	shapeEra        = 18        // bits 18..31: which era's grid, as in shard.eras; 0 is none, the series' present grid
)

func (s shape) span() int     { return int(s & shapeSpan) }
func (s shape) eraIndex() int { return int(s >> shapeEra) }

// segLoc is a place in a segment file: file number (24 bits), offset in units of 8 bytes (28), length in bytes (12). At a
// snapshot a minute that writes three files, the numbers last for ten years.
type segLoc uint64

const (
	maxChunk  = 1<<12 - 1 // bytes of the largest chunk that a segLoc can name
	maxFile   = 1<<24 - 1 // the highest file number
	wholeFile = 1 << 30   // bytes above which a file is not added to and not merged again
)

func newSegLoc(file uint32, off uint64, n uint32) segLoc {
	return segLoc(uint64(file)<<40 | off>>3<<12 | uint64(n))
}
func (l segLoc) file() uint32 { return uint32(l >> 40) }
func (l segLoc) off() uint64  { return uint64(l) >> 12 & (1<<28 - 1) << 3 }
func (l segLoc) len() uint32  { return uint32(l) & maxChunk }

type block [blockSeries]series

// table finds a series by its ref: a list of blocks that only grows. Readers load it without a lock; the sequencer adds.
// Blocks are made when a ref of theirs is used, so that a ref that is far off costs little.
type table struct {
	blocks atomic.Pointer[[]*block]
}

func (t *table) at(ref metricdef.Ref) *series {
	blocks := *t.blocks.Load()
	i := int(ref / blockSeries)
	if i >= len(blocks) || blocks[i] == nil {
		return nil
	}
	return &blocks[i][ref%blockSeries]
}

// grow makes room for ref. REQUIRES: the sequencer's lock, or the single goroutine of recovery.
func (t *table) grow(ref metricdef.Ref) *series {
	i := int(ref / blockSeries)
	blocks := *t.blocks.Load()
	switch {
	case i >= len(blocks):
		blocks = append(blocks, make([]*block, i+1-len(blocks))...) // behind what readers see
	case blocks[i] == nil:
		blocks = slices.Clone(blocks)
	default:
		return &blocks[i][ref%blockSeries]
	}
	blocks[i] = new(block)
	t.blocks.Store(&blocks)
	return &blocks[i][ref%blockSeries]
}

// bytes is the memory of the blocks.
func (t *table) bytes() (n int64) {
	for _, b := range *t.blocks.Load() {
		if b != nil {
			n += blockBytes
		}
	}
	return n
}
