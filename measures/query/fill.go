package query

import "slices"

// fill lays the points of a frame out as the request wants them. The numbers of points count from lead whole buckets before
// the range, which are there for Previous.
func (q *Query) fill(f *Frame, p points) {
	skip, _ := slices.BinarySearch(p.at, q.lead)
	before := points{p.at[:skip], p.values[:skip]}
	p = points{p.at[skip:], p.values[skip:]}
	if q.request.Fill.How == LeaveOut {
		f.Times = slices.Grow(f.Times, len(p.at))[:len(p.at)]
		for i, k := range p.at {
			f.Times[i] = q.base + (k-q.lead)*q.step
		}
		f.Values = append(f.Values, p.values...)
		q.order(f)
		return
	}
	n := int(q.buckets)
	f.Start, f.Step = q.base, q.step
	f.Values = resize(f.Values, n)
	clear(f.Values)
	f.Present = make(Bitmap, (n+63)/64)
	for i, k := range p.at {
		f.Values[k-q.lead] = p.values[i]
		f.Present.set(int(k - q.lead))
	}
	switch q.request.Fill.How {
	case Previous:
		q.previous(f, before)
	case Linear:
		linear(f, p, q.lead)
	case Number:
		for i := range f.Values {
			if !f.Present.Has(i) {
				f.Values[i] = q.request.Fill.Number
			}
		}
		f.Present = nil
	}
	if f.Present != nil && f.Present.Count() == n {
		f.Present = nil
	}
	q.order(f)
}

// lookback is how many buckets before one the value for Previous may be.
func (r *Request) lookback(step int64) int64 {
	if r.Fill.Lookback == 0 {
		return defaultLookback
	}
	return r.Fill.Lookback / step
}

func (q *Query) previous(f *Frame, before points) {
	far := q.request.lookback(q.step)
	at, v, has := int64(0), 0.0, false
	if n := len(before.at); n > 0 {
		at, v, has = before.at[n-1]-q.lead, before.values[n-1], true
	}
	for i := range f.Values {
		switch {
		case f.Present.Has(i):
			at, v, has = int64(i), f.Values[i], true
		case has && int64(i)-at <= far:
			f.Values[i] = v
			f.Present.set(i)
		}
	}
}

func linear(f *Frame, p points, lead int64) {
	for i := 1; i < len(p.at); i++ {
		from, to := p.at[i-1]-lead, p.at[i]-lead
		a, b := p.values[i-1], p.values[i]
		for k := from + 1; k < to; k++ {
			share := float64(k-from) / float64(to-from)
			f.Values[k] = a*(1-share) + b*share
			f.Present.set(int(k))
		}
	}
}

// order brings a frame into the order asked for, and cuts it to the limit.
func (q *Query) order(f *Frame) {
	n := f.Len()
	keep := n
	if l := q.request.Limit; l > 0 && l < int64(n) {
		keep = int(l)
	}
	if !q.request.Desc {
		f.cut(0, keep)
		return
	}
	f.cut(n-keep, n)
	if f.Step != 0 {
		// Times that fall are written out.
		f.Times = f.Times[:0]
		for i := range keep {
			f.Times = append(f.Times, f.Start+int64(i)*f.Step)
		}
		f.Start, f.Step = 0, 0
	}
	slices.Reverse(f.Times)
	slices.Reverse(f.Values)
	slices.Reverse(f.Ints)
	slices.Reverse(f.Texts)
	slices.Reverse(f.Tags)
	f.Present = f.Present.turned(keep)
	for c := range f.Columns {
		slices.Reverse(f.Columns[c])
		f.ColumnPresent[c] = f.ColumnPresent[c].turned(keep)
	}
}

// cut keeps the points from lo to hi.
func (f *Frame) cut(lo, hi int) {
	n := f.Len()
	if lo == 0 && hi == n {
		return
	}
	f.Present = f.Present.part(lo, hi)
	for c := range f.Columns {
		f.Columns[c] = part(f.Columns[c], lo, hi)
		f.ColumnPresent[c] = f.ColumnPresent[c].part(lo, hi)
	}
	if f.Step != 0 {
		f.Start += int64(lo) * f.Step
	} else {
		f.Times = part(f.Times, lo, hi)
	}
	f.Values = part(f.Values, lo, hi)
	f.Ints = part(f.Ints, lo, hi)
	f.Texts = part(f.Texts, lo, hi)
	f.Tags = part(f.Tags, lo, hi)
}

// part moves a part of a column to its beginning, so that the memory before it can be used again.
func part[T any](column []T, lo, hi int) []T {
	if len(column) == 0 {
		return column
	}
	return column[:copy(column, column[lo:hi])]
}
