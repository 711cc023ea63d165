// Command granary is the one program of Granary, a metrics store for clusters that speaks the dialects of other stores: the
// server and the tools around it.
//
// The package wires and owns nothing: each command reads its flags, builds the value that does the work, and turns its
// error into an exit code. 0 is success, 1 a failure, 2 a wrong command line.
package main
