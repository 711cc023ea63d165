// Package loadgen simulates an HPC cluster that sends its metrics: nodes with sockets, hardware threads and accelerators,
// whose values look like those of real machines.
//
// A Generator is a pure function: the value of a series at a step depends on the seed, the series and the step alone. So
// lines can be made in any order and by any number of goroutines, and what was sent can be computed again afterwards: a
// Ledger remembers only which batches were acknowledged, and gives back their samples.
//
// Run sends the lines through a Sender (HTTP or NATS) at a pace, and reports rate, latency and what was refused. The package
// stores nothing but the ledger and retries nothing unless told to.
package loadgen
