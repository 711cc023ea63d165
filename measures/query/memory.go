package query

import (
	"sync"

	"granary/measures/aggregate"
)

// keepCells bounds the memory that is kept for the next query, in numbers.
const keepCells = 1 << 20

// ring are the frames of a query that are made at the same time.
type ring struct{ frames []Frame }

var rings = sync.Pool{New: func() any { return new(ring) }}

// takeRing gives frames; they go back by release when nobody uses them anymore.
func takeRing(frames int) *ring {
	r := rings.Get().(*ring)
	for len(r.frames) < frames {
		r.frames = append(r.frames, Frame{})
	}
	return r
}

func (r *ring) release() {
	cells := 0
	for i := range r.frames {
		f := &r.frames[i]
		f.reset()
		// What is as large as an answer to a large question is not kept, nor are the bytes of texts.
		if cells += cap(f.Times) + cap(f.Values) + cap(f.Ints) + cap(f.block) + cap(f.Bytes)/8 + 2*cap(f.Texts) + 2*cap(f.Tags); cells > keepCells {
			*f = Frame{}
		}
		clear(f.Texts[:cap(f.Texts)])
		clear(f.Tags[:cap(f.Tags)])
		clear(f.Columns[:cap(f.Columns)])
		clear(f.ColumnPresent[:cap(f.ColumnPresent)])
	}
	rings.Put(r)
}

var combiners = sync.Pool{New: func() any { return new(combiner) }}

func (c *combiner) release() {
	c.scratch.Trim(keepCells)
	if cap(c.starts)+cap(c.slots)+cap(c.times)+cap(c.values)+cap(c.cells)+cap(c.table.block) > keepCells {
		*c = combiner{}
	}
	combiners.Put(c)
}

// trim lets go of what a large query has left in a worker.
func (w *worker) trim() {
	cells := 0
	for i := range w.arenas {
		cells += cap(w.arenas[i].at)
	}
	if cells > keepCells {
		w.arenas = nil
	}
	if cap(w.points.at) > keepCells {
		w.points = points{}
	}
	if cap(w.table.block) > keepCells {
		w.table = table{}
	}
	if cap(w.buckets.carry) > keepCells {
		w.buckets.carry = nil
	}
	for _, s := range []*aggregate.Scratch{&w.single.scratch, &w.several.scratch, &w.whole.scratch} {
		s.Trim(keepCells)
	}
	w.several = many{scratch: w.several.scratch, values: w.several.values, ok: w.several.ok}
	w.single.dst, w.whole.dst = nil, nil
}
