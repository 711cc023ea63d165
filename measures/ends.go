package measures

import (
	"math"

	"granary/metricdef"
)

// Ended is the value that says that a series ends here, as bits: it is one of the NaNs, which Prometheus writes where a target or a
// series of it has gone away. It is stored and read like any other value, and nothing is computed with it.
const Ended = 0x7ff0000000000002

// LeaveEndsOut takes the samples away that are Ended. Other NaN are values.
func (r *Reader) LeaveEndsOut() {
	if r.Kind > metricdef.KindFloat {
		return
	}
	for i, v := range r.Values {
		if math.Float64bits(v) == Ended {
			r.leaveEndsOut(i)
			return
		}
	}
}

func (r *Reader) leaveEndsOut(n int) {
	for i := n; i < len(r.Values); i++ {
		if v := r.Values[i]; math.Float64bits(v) != Ended {
			r.Times[n], r.Values[n] = r.Times[i], v
			n++
		}
	}
	r.Times, r.Values = r.Times[:n], r.Values[:n]
}
