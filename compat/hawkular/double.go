package hawkular

import (
	"math"

	"granary/api/edge"
)

// appendDouble appends a number that is no integer of its own. Hawkular writes a decimal also of whole ones, by which clients in
// languages with types see what they have; the default mode writes them as Mohawk does.
func appendDouble(dst []byte, v float64, strict bool) []byte {
	dst = edge.AppendFloat(dst, v)
	if strict && v == math.Trunc(v) && math.Abs(v) < 1e21 { // larger ones have an exponent
		dst = append(dst, ".0"...)
	}
	return dst
}
