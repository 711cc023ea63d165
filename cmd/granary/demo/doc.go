// Package demo feeds a server that has just started, so that there is something to look at: a small simulated cluster
// with an hour of past, and this very host's own CPU, memory, disks and network as the kernel counts them.
//
// It writes through HTTP like any other sender, keeps nothing, and touches nothing of the host but files to read.
package demo
