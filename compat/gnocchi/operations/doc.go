// Package operations is the language in which Gnocchi's clients say how series become other series, and its arithmetic.
//
//	(* (aggregate mean (metric cpu.util mean)) 4)
//	["*", ["aggregate", "mean", ["metric", "cpu.util", "mean"]], 4]
//
// Both forms are read to one tree. It is evaluated for one granularity at a time, over a matrix: its rows are all times that at least
// one of the series has, its columns the series. What a series lacks is NaN, or what a Fill says; without a Fill, rules bound how much
// may be lacking. Columns are slices of their own, and whatever is computed is computed column by column, without memory for a point
// but that of the result.
//
// Trees are bounded in depth and size, and what an evaluation goes through is bounded too. The package knows neither HTTP nor where
// series come from.
package operations
