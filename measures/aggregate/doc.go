// Package aggregate holds the exact definitions of the catalogue's aggregation methods: what each makes of the values of
// one bucket. Tiers, queries over time and queries across series all call it, so that there is one answer.
//
// It is pure computation over the caller's slices. It knows no clock, no series and no bucket borders.
package aggregate
