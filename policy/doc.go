// Package policy says how long and how coarse samples are kept: policies, and the rules that choose one for a metric.
//
// A Set is one immutable snapshot of all policies and rules. It is built from a configuration, written to the journal as
// one record, and put into force by Registry.Apply when that record is applied, live and in replay alike. So two
// processes that read the same log hold the same set at the same position.
//
// The package decides nothing about samples that are stored already: what a changed policy means for them is the
// business of measures. It reads no file and no clock, and it never blocks a reader of the current set.
package policy
