package hawkular

import (
	"math"
	"strconv"
	"testing"
)

// TestAppendDouble: in the strict mode a whole number has a decimal, and reads as what it is.
func TestAppendDouble(t *testing.T) {
	for _, c := range []struct {
		v              float64
		strict, mohawk string
	}{
		{0, "0.0", "0"}, {math.Copysign(0, -1), "-0.0", "-0"}, {1, "1.0", "1"}, {-42, "-42.0", "-42"}, {1.5, "1.5", "1.5"}, {1 << 53, "9007199254740992.0", "9007199254740992"}, {1e20, "100000000000000000000.0", "100000000000000000000"},
		{1e21, "1e+21", "1e+21"}, {math.MaxFloat64, "1.7976931348623157e+308", "1.7976931348623157e+308"}, {5e-324, "5e-324", "5e-324"},
	} {
		for want, strict := range map[string]bool{c.strict: true, c.mohawk: c.mohawk == c.strict} {
			got := string(appendDouble(nil, c.v, strict))
			if v, err := strconv.ParseFloat(got, 64); got != want || err != nil || v != c.v {
				t.Errorf("%v, strict %v: %s, %v; want %s", c.v, strict, got, err, want)
			}
		}
	}
}
