// Package query is the one read path: it reads the series that a dialect has selected, brings them onto one grid and
// combines them. It knows no dialect and no HTTP; labels, padding and printing are the dialect's.
package query
