package aggregate

import "math"

// PSquare estimates one quantile of values that it sees one after the other and does not keep. The estimate depends on their order.
// It is the algorithm of Jain and Chlamtac, "The P² algorithm for dynamic calculation of quantiles and histograms without storing
// observations", Communications of the ACM 28 (10), 1985, with the rules of Apache Commons Math, by which Hawkular's figures are made:
//
//	up to five values   sorted[floor(q*(n-1))], NaN sorted last
//	then                five markers, whose heights stand for the minimum, the quantiles q/2, q and (1+q)/2, and the maximum; each value
//	                    moves those above it by a place, and one that has fallen a place behind where it should be follows by one, to the
//	                    height of the parabola through it and its neighbours, or of the line if the parabola leaves these
//	q = 0, q = 1        the minimum, the maximum
//
// It serves one goroutine.
type PSquare struct {
	q       float64
	n       int
	heights [5]float64 // of the markers; the first values, sorted, as long as there are no more than five
	places  [5]float64 // of the markers among the values, from 1 on
	wanted  [5]float64 // where they should be
}

// NewPSquare estimates the quantile of a percentage from 0 to 100; what lies outside counts as the end of that.
func NewPSquare(percent float64) PSquare {
	if !(percent > 0) {
		return PSquare{}
	}
	return PSquare{q: min(percent, 100) / 100}
}

// Add takes the next value.
func (p *PSquare) Add(v float64) {
	p.n++
	if p.n <= len(p.heights) {
		p.insert(v)
		return
	}
	h := &p.heights
	cell := 3 // v lies between the markers cell and cell+1
	switch {
	case v < h[0]:
		h[0], cell = v, 0
	case v < h[1]:
		cell = 0
	case v < h[2]:
		cell = 1
	case v < h[3]:
		cell = 2
	case v <= h[4]:
	default:
		h[4] = v
	}
	for i := cell + 1; i < len(p.places); i++ {
		p.places[i]++
	}
	p.wanted[1] += p.q / 2
	p.wanted[2] += p.q
	p.wanted[3] += (1 + p.q) / 2
	for i := 1; i <= 3; i++ {
		off := p.wanted[i] - p.places[i]
		switch {
		case off >= 1 && p.places[i+1]-p.places[i] > 1:
			h[i] = p.moved(i, 1)
			p.places[i]++
		case off <= -1 && p.places[i]-p.places[i-1] > 1:
			h[i] = p.moved(i, -1)
			p.places[i]--
		}
	}
}

// insert puts one of the first values into its place, and with the fifth the markers stand.
func (p *PSquare) insert(v float64) {
	first := p.heights[:p.n]
	i := p.n - 1
	for ; i > 0 && sortsBefore(v, first[i-1]); i-- {
		first[i] = first[i-1]
	}
	first[i] = v
	if p.n == len(p.heights) {
		p.places = [5]float64{1, 2, 3, 4, 5}
		p.wanted = [5]float64{1, 1 + 2*p.q, 1 + 4*p.q, 3 + 2*p.q, 5}
	}
}

// sortsBefore says whether a stands before b: by size, -0 before 0, and NaN last.
func sortsBefore(a, b float64) bool {
	switch {
	case a != a || b != b:
		return a == a
	case a == b:
		return math.Signbit(a) && !math.Signbit(b)
	}
	return a < b
}

// moved is the height of marker i at the next place up or down, which is free.
func (p *PSquare) moved(i int, step float64) float64 {
	x0, x1, x2 := p.places[i-1], p.places[i], p.places[i+1]
	y0, y1, y2 := p.heights[i-1], p.heights[i], p.heights[i+1]
	x := x1 + step
	v := parabola(x0, x1, x2, y0, y1, y2, x)
	if !(v <= y0 || v >= y2) {
		return v
	}
	if step > 0 {
		return y1 + float64((y2-y1)/(x2-x1))
	}
	return y0 + float64((x-x0)*((y1-y0)/(x1-x0)))
}

// parabola is the height at x of the parabola through three points, by Neville's scheme: from the nearest point on, what a line adds and
// then what the parabola adds. Another order of the same operations may differ in the last bit. The conversions keep products from being
// fused with sums, which some processors do.
func parabola(x0, x1, x2, y0, y1, y2, x float64) float64 {
	slope01 := (y1 - y0) / (x0 - x1)
	slope12 := (y2 - y1) / (x1 - x2)
	bend := (float64((x1-x)*slope12) - float64((x1-x)*slope01)) / (x0 - x2)
	if math.Abs(x-x0) <= math.Abs(x-x1) {
		return y0 + float64((x0-x)*slope01) + float64((x0-x)*bend)
	}
	return y1 + float64((x1-x)*slope12) + float64((x2-x)*bend)
}

// Value is the estimate, false if there was no value.
func (p *PSquare) Value() (float64, bool) {
	n := min(p.n, len(p.heights))
	switch {
	case n == 0:
		return 0, false
	case p.q == 1:
		return p.heights[n-1], true
	case p.q == 0:
		return p.heights[0], true
	case p.n <= len(p.heights):
		return p.heights[int(p.q*float64(n-1))], true
	}
	return p.heights[2], true
}
