// Package query is the one read path: it reads the series that a dialect has selected, divides their samples into buckets or
// brings them onto one grid, and combines them. Grid does so in the manner of ClusterCockpit. Prepare and Run answer requests
// of any shape: methods of the catalogue over time and across series, and frames that come one after the other.
//
// It knows no dialect and no HTTP; selecting, labels, padding and printing are the dialect's.
package query
