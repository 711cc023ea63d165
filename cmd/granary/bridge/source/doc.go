// Package source asks time series databases and reads their answers: Prometheus by instant queries, InfluxDB by InfluxQL and by Flux.
//
// An answer is a row of samples with their labels, whatever it looked like. What has no number (null, a text) is left out and counted by
// reason; NaN and infinities are numbers here. An answer of a form that has no one value per series is an error that names the form.
// A reader takes the whole answer or none of it: an error in its middle is an error.
//
// The package keeps nothing between two queries, and repeats none.
package source
