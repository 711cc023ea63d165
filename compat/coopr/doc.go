// Package coopr speaks the admin metrics of Coopr (Loom before that): how much work waits for each tenant, and how long nodes
// have lived. The queue of a tenant is the one of its writes; a node is what the usage ledger calls one.
//
// It answers as the published documentation says. Where the program of Coopr did otherwise for no reason that a client
// could rely on (it did not look at API keys, counted first buckets as whole ones, ended reports at the last deletion), it
// does not follow; DESIGN.md lists each case.
//
// It stores nothing but counts of queues for some seconds.
package coopr
