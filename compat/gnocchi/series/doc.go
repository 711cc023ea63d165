// Package series reads the measures of metrics as Gnocchi means them: the buckets that a metric's archive policy keeps, by granularity and
// method, and these grouped anew to longer ones.
//
// A metric whose policy has tiers has their granularities and methods and no others. One without tiers, which other dialects make, has
// one granularity, that of its slots or a minute, and every method: its buckets are made of its samples when they are read.
package series
