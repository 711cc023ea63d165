// Package policy says how long and how coarse samples are kept: policies, and the rules that choose one for a metric.
//
// A Set is one immutable snapshot of the policies and rules of the configuration. Beside it stand those that operators make for
// the service, and those of each tenant, which it sees alone: Registry.For gives a tenant its View of all. Each of these scopes is
// written to the journal as one record and put into force when that record is applied, live and in replay alike. So two
// processes that read the same log hold the same at the same position.
//
// The package decides nothing about samples that are stored already: what a changed policy means for them is the
// business of measures. It reads no file and no clock, and it never blocks a reader of the current set.
package policy
