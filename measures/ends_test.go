package measures

import (
	"math"
	"slices"
	"testing"

	"granary/metricdef"
)

// TestLeaveEndsOut: only the one NaN goes, and only where values are floats.
func TestLeaveEndsOut(t *testing.T) {
	end, nan := math.Float64frombits(Ended), math.NaN()
	r := Reader{Times: []int64{1, 2, 3, 4, 5}, Values: []float64{7, end, nan, end, 8}, Kind: metricdef.KindFloat}
	r.LeaveEndsOut()
	if !slices.Equal(r.Times, []int64{1, 3, 5}) || r.Values[0] != 7 || !math.IsNaN(r.Values[1]) || r.Values[2] != 8 {
		t.Error(r.Times, r.Values)
	}
	r = Reader{Times: []int64{1}, Values: []float64{IntWord(Ended)}, Kind: metricdef.KindInt}
	if r.LeaveEndsOut(); len(r.Times) != 1 {
		t.Error("a whole number is taken for an end")
	}
}
