package query

import (
	"math/bits"

	"granary/metricdef"
)

// Frame is one series of an answer, or one group of them, in column form. It belongs to the engine and is used again for
// the next one: who wants to keep something copies it.
type Frame struct {
	Ref    metricdef.Ref // 0: a group
	Group  []metricdef.Tag
	Series int            // that are in it; also those that have no value
	Kind   metricdef.Kind // of the values
	// Times of the points in the order asked for, nanoseconds. If Step is not 0 they are Start, Start+Step and so on instead.
	Times       []int64
	Start, Step int64

	// Values has floats and states, these as their numbers; Ints and Texts have the values of these kinds.
	Values []float64
	Ints   []int64
	Texts  []string
	// Present says which points have a value; nil: all. NaN is a value.
	Present Bitmap
	// Columns stand in the place of Values if the request has Overs or Extra: one for each, in their order. ColumnPresent says which
	// points have a value there; nil: all.
	Columns       [][]float64
	ColumnPresent []Bitmap
	Tags          []string // of the points, JSON objects, "" for none; if they were asked for

	block   []float64 // of the columns
	Origins []Origin  // where the points come from, oldest first

	// Bytes are Beside's own: what it makes of the frame may be appended to them. Their memory is used again.
	Bytes []byte
}

// Origin says that the points from a time on come from raw samples, or from the aggregates of a tier.
type Origin struct {
	From int64 // nanoseconds; of a bucket, its beginning
	Tier int64 // granularity, nanoseconds; 0: raw samples
}

// Len is the number of points.
func (f *Frame) Len() int {
	if len(f.Columns) > 0 {
		return len(f.Columns[0])
	}
	if f.Kind == metricdef.KindInt {
		return len(f.Ints)
	}
	return len(f.Values) // of texts there are their numbers
}

// Time is the time of point i.
func (f *Frame) Time(i int) int64 {
	if f.Step != 0 {
		return f.Start + int64(i)*f.Step
	}
	return f.Times[i]
}

// Has says whether point i has a value.
func (f *Frame) Has(i int) bool { return f.Present == nil || f.Present.Has(i) }

// HasIn says whether point i has a value in a column.
func (f *Frame) HasIn(column, i int) bool {
	return f.ColumnPresent[column] == nil || f.ColumnPresent[column].Has(i)
}

// Bitmap is a row of flags.
type Bitmap []uint64

// Has says whether flag i is set.
func (b Bitmap) Has(i int) bool { return b[i>>6]&(1<<(i&63)) != 0 }

// part has the flags from lo to hi.
func (b Bitmap) part(lo, hi int) Bitmap {
	if b == nil {
		return nil
	}
	kept := make(Bitmap, (hi-lo+63)/64)
	for i := lo; i < hi; i++ {
		if b.Has(i) {
			kept.set(i - lo)
		}
	}
	return kept
}

// turned has the first n flags in reverse order.
func (b Bitmap) turned(n int) Bitmap {
	if b == nil {
		return nil
	}
	turned := make(Bitmap, len(b))
	for i := range n {
		if b.Has(i) {
			turned.set(n - 1 - i)
		}
	}
	return turned
}

func (b Bitmap) set(i int) { b[i>>6] |= 1 << (i & 63) }

func (b Bitmap) unset(i int) { b[i>>6] &^= 1 << (i & 63) }

// full has n flags, all set.
func full(n int) Bitmap {
	b := make(Bitmap, (n+63)/64)
	for i := range b {
		b[i] = ^uint64(0)
	}
	if r := n & 63; r > 0 {
		b[len(b)-1] = 1<<r - 1
	}
	return b
}

// Count is how many flags are set.
func (b Bitmap) Count() int {
	n := 0
	for _, w := range b {
		n += bits.OnesCount64(w)
	}
	return n
}

// reset makes the frame empty and keeps its memory.
func (f *Frame) reset() {
	*f = Frame{Times: f.Times[:0], Values: f.Values[:0], Ints: f.Ints[:0], Texts: f.Texts[:0], Columns: f.Columns[:0], ColumnPresent: f.ColumnPresent[:0], block: f.block,
		Tags: f.Tags[:0], Origins: f.Origins[:0], Bytes: f.Bytes[:0]}
}
