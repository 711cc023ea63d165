package hawkular

import (
	"strconv"

	"granary/api/edge"
	"granary/measures/query"
)

// bucketPrinter prints buckets as JSON. Most of what it prints is the same in every bucket, and the edges of the buckets are the same
// for every metric, so both are made once.
type bucketPrinter struct {
	buckets *buckets
	columns *columns
	// edges are the edges of all buckets as digits, of equal length each, if that is how they are: digits of edge k begin at k*wide.
	edges []byte
	wide  int
}

// rememberedEdges is how many edges are kept as text. Beyond it they are made as they are printed, once for each metric.
const rememberedEdges = 1 << 16

// newBucketPrinter makes a printer; several says that it prints more than one metric.
func newBucketPrinter(b *buckets, c *columns, several bool) *bucketPrinter {
	p := &bucketPrinter{buckets: b, columns: c}
	last := strconv.AppendInt(nil, b.edge(b.count), 10)
	if !several || b.count >= rememberedEdges || b.start <= 0 || len(strconv.AppendInt(nil, b.start, 10)) != len(last) {
		return p
	}
	p.wide = len(last)
	p.edges = make([]byte, 0, (int(b.count)+1)*p.wide)
	for k := range b.count + 1 {
		p.edges = strconv.AppendInt(p.edges, b.edge(k), 10)
	}
	return p
}

const (
	textStart  = `{"start":`
	textEnd    = `,"end":`
	textEmpty  = `,"empty":true`
	textFilled = `,"empty":false`
)

// edgesOf appends the beginning of a bucket, up to its end.
func (p *bucketPrinter) edgesOf(dst []byte, k int64) []byte {
	dst = append(dst, textStart...)
	if p.edges != nil {
		at := int(k) * p.wide
		dst = append(dst, p.edges[at:at+p.wide]...)
		dst = append(dst, textEnd...)
		return append(dst, p.edges[at+p.wide:at+2*p.wide]...)
	}
	dst = strconv.AppendInt(dst, p.buckets.edge(k), 10)
	dst = append(dst, textEnd...)
	return strconv.AppendInt(dst, p.buckets.edge(k+1), 10)
}

// filled appends bucket k with the statistics that f has at point i.
func (p *bucketPrinter) filled(dst []byte, k int64, f *query.Frame, i int) []byte {
	dst = append(p.edgesOf(dst, k), textFilled...)
	return append(p.columns.append(dst, f, i), '}')
}

// none appends bucket k without any.
func (p *bucketPrinter) none(dst []byte, k int64) []byte {
	dst = append(p.edgesOf(dst, k), textEmpty...)
	return append(append(dst, p.columns.zeros...), '}')
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
			dst = p.none(o.between(dst, k > first), k)
		}
		if i < n {
			dst = p.filled(o.between(dst, k > first), k, f, i)
			k++
		}
	}
	return append(dst, ']')
}

// some appends the list of the buckets that have a value, in the order that f has.
func (p *bucketPrinter) some(dst []byte, r *query.Request, f *query.Frame, o *output) []byte {
	dst = append(dst, '[')
	for i := range f.Len() {
		dst = p.filled(o.between(dst, i > 0), p.buckets.place(r, f.Time(i)), f, i)
	}
	return append(dst, ']')
}

// output is where an answer goes while it is printed.
type output struct {
	stream *edge.Stream
	err    error // of the connection: what is printed after it reaches nobody
}

// between appends what stands before an element of a list, and sends what has been printed if that is much.
func (o *output) between(dst []byte, behind bool) []byte {
	if len(dst) >= edge.StreamFrom {
		o.stream.B = dst
		o.err = o.stream.Flush()
		dst = o.stream.B
	}
	if behind {
		dst = append(dst, ',')
	}
	return dst
}
