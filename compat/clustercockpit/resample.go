package clustercockpit

import (
	"fmt"
	"math"
)

// resampleFrom is the number of points below which a series is never resampled.
const resampleFrom = 1000

// resolutionError is a resolution that the data cannot be brought to.
type resolutionError struct{ want, have int64 }

func (e *resolutionError) Error() string {
	return fmt.Sprintf("new sampling frequency (%d) must be a multiple of old frequency (%d)", e.want, e.have)
}

// resample picks points of x so that their distance grows from have to want seconds, and returns them, appended to dst,
// with the new distance. Data that is as coarse or too short is returned as it is.
func resample(dst, x []float64, have, want int64) ([]float64, int64, error) {
	if want <= 0 || want <= have {
		return x, have, nil
	}
	if want%have != 0 {
		return nil, 0, &resolutionError{want, have}
	}
	m := int64(len(x)) / (want / have)
	if len(x) < resampleFrom || m == 0 {
		return x, have, nil
	}
	return lttb(dst, x, int(m)), want, nil
}

// lttb is Largest-Triangle-Three-Buckets (Steinarsson, "Downsampling Time Series for Visual Representation", 2013): the
// first point, the last one, and of each of m-2 buckets between them the one that spans the largest triangle with the
// point picked before and the mean of the next bucket. What clients of cc-metric-store have come to see is kept, also
// where the paper says nothing: the next bucket includes its end, and beside a hole, where no area is a number, the last
// point of a bucket is picked. There are at least two points.
func lttb(dst, x []float64, m int) []float64 {
	n := len(x)
	dst = append(dst, x[0])
	width := float64(n-2) / float64(m-2)
	low, picked := 1, 0
	mid := int(math.Floor(width)) + 1
	for i := 0; i < m-2; i++ {
		high := min(int(math.Floor(float64(i+2)*width))+1, n-2)
		cx, cy := centroid(x, mid, high)
		ax, ay := float64(picked), x[picked]
		best, area := low, -1.0
		for j := low; j < mid; j++ {
			a := math.Abs(((ax-float64(j))*(cy-ay) - (ax-cx)*(x[j]-ay)) * 0.5)
			if a > area || a != a {
				best, area = j, a
			}
		}
		dst = append(dst, x[best])
		picked, low, mid = best, mid, high
	}
	return append(dst, x[n-1])
}

// centroid is the mean index and the mean value of x[from] to x[to], both included; NaN for none.
func centroid(x []float64, from, to int) (cx, cy float64) {
	for j := from; j <= to; j++ {
		cx += float64(j)
		cy += x[j]
	}
	k := float64(to - from + 1)
	return cx / k, cy / k
}
