package aggregate

// Quantile is the quantile of the values at q from 0 to 1, as Of defines percentiles: for those that have no method of their own.
func Quantile(values []float64, q float64, s *Scratch) (float64, bool) {
	if len(values) == 0 {
		return 0, false
	}
	return s.quantile(values, q), true
}
