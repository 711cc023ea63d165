package hawkular

import (
	"strconv"

	"granary/measures/query"
)

// bucketPrinter prints buckets as JSON. It serves several goroutines.
type bucketPrinter struct {
	buckets *buckets
	columns *columns
	// heads are the beginnings of all buckets, which are the same for every metric, where they are remembered and all are of one length: that
	// of bucket k begins at k*wide.
	heads []byte
	wide  int
}

// rememberedHeads is how many heads are made once for all metrics, at most.
const rememberedHeads = 1 << 14

// remember makes the heads, unless they are too many.
func (p *bucketPrinter) remember() {
	if p.buckets.count > rememberedHeads {
		return
	}
	var last edgeText
	first := p.head(nil, 0, &last)
	heads := append(make([]byte, 0, len(first)*int(p.buckets.count)), first...)
	for k := int64(1); k < p.buckets.count; k++ {
		if heads = p.head(heads, k, &last); len(heads) != int(k+1)*len(first) {
			return
		}
	}
	p.heads, p.wide = heads, len(first)
}

func (p *bucketPrinter) forget() { p.heads = nil }

// edgeText is an edge as digits: the end of a bucket, which the next one begins with.
type edgeText struct {
	digits [20]byte
	n      int
	k      int64 // which edge
}

const (
	textStart  = `{"start":`
	textEnd    = `,"end":`
	textEmpty  = `,"empty":`
	textNone   = `true`
	textFilled = `false`
)

// head appends the beginning of bucket k, up to what it says of being empty.
func (p *bucketPrinter) head(dst []byte, k int64, last *edgeText) []byte {
	if p.heads != nil {
		return append(dst, p.heads[int(k)*p.wide:int(k+1)*p.wide]...)
	}
	dst = append(dst, textStart...)
	if last.n > 0 && last.k == k {
		dst = append(dst, last.digits[:last.n]...)
	} else {
		dst = strconv.AppendInt(dst, p.buckets.edge(k), 10)
	}
	end := strconv.AppendInt(last.digits[:0], p.buckets.edge(k+1), 10)
	last.n, last.k = len(end), k+1
	dst = append(dst, textEnd...)
	dst = append(dst, end...)
	return append(dst, textEmpty...)
}

// filled appends bucket k with the statistics that f has at point i.
func (p *bucketPrinter) filled(dst []byte, k int64, last *edgeText, f *query.Frame, i int) []byte {
	dst = append(p.head(dst, k, last), textFilled...)
	return append(p.columns.append(dst, f, i), '}')
}

// none appends bucket k without any.
func (p *bucketPrinter) none(dst []byte, k int64, last *edgeText) []byte {
	dst = append(p.head(dst, k, last), textNone...)
	if p.columns.zeros != "" {
		dst = append(dst, p.columns.zeros...)
	}
	return append(dst, '}')
}

// besideCells is how many numbers the text of one metric may have that is made beside reading: several wait for their turn.
const besideCells = 1 << 16

// beside lets the engine print the buckets of each metric beside reading, unless these are very many.
func (p *bucketPrinter) beside(of *plan) {
	if p.buckets.count > besideCells/int64(3+len(p.columns.members)+len(p.columns.percentiles)) {
		return
	}
	of.request.Beside = func(f *query.Frame) { f.Bytes = p.list(f.Bytes, of, f, &output{}) }
}

// list appends the buckets of a plan; f has those with a value, nil is none.
func (p *bucketPrinter) list(dst []byte, of *plan, f *query.Frame, o *output) []byte {
	switch {
	case of.form == allBuckets:
		return p.all(dst, &of.request, f, of.skip, o)
	case f == nil:
		return append(dst, "[]"...)
	}
	return p.some(dst, &of.request, f, o)
}

// all appends the list of all buckets, oldest first. f has those with a value; nil is none. If skip is set, what is empty before the
// first of them is left out.
func (p *bucketPrinter) all(dst []byte, r *query.Request, f *query.Frame, skip bool, o *output) []byte {
	dst = append(dst, '[')
	var last edgeText
	n, k := 0, int64(0)
	if f != nil {
		n = f.Len()
	}
	if skip {
		k = p.buckets.count
		if n > 0 {
			k = p.buckets.place(r, f.Time(0))
		}
	}
	first := k
	for i := 0; i <= n; i++ {
		to := p.buckets.count
		if i < n {
			to = p.buckets.place(r, f.Time(i))
		}
		for ; k < to && o.err == nil; k++ {
			dst = p.none(o.between(dst, k > first), k, &last)
		}
		if i < n {
			dst = p.filled(o.between(dst, k > first), k, &last, f, i)
			k++
		}
	}
	return append(dst, ']')
}

// some appends the list of the buckets that have a value, in the order that f has.
func (p *bucketPrinter) some(dst []byte, r *query.Request, f *query.Frame, o *output) []byte {
	dst = append(dst, '[')
	var last edgeText
	for i := range f.Len() {
		dst = p.filled(o.between(dst, i > 0), p.buckets.place(r, f.Time(i)), &last, f, i)
	}
	return append(dst, ']')
}
