package aggregate

// Variance is that of a population, the square of stdpop as Of defines it, but before the root is taken; false for no values.
func Variance(values []float64) (float64, bool) {
	if len(values) == 0 {
		return 0, false
	}
	return squares(values, sum(values)) / float64(len(values)), true
}
