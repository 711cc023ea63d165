package aggregate

import "testing"

func TestVariance(t *testing.T) {
	if v, ok := Variance([]float64{1, 3, 8}); !ok || v != 26.0/3 {
		t.Error(v, ok)
	}
	if v, ok := Variance([]float64{5}); !ok || v != 0 {
		t.Error(v, ok)
	}
	if v, ok := Variance([]float64{1, nan}); !ok || v == v {
		t.Error(v, ok)
	}
	if _, ok := Variance(nil); ok {
		t.Error("no values have a variance")
	}
}
