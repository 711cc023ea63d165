// Package policy says how long and how coarse samples are kept: archive policies, the rules that choose one for a
// metric, and the catalogue of aggregation methods.
package policy
