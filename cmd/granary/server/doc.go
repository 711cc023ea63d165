// Package server builds the service from a configuration and runs it: it opens the store, wires dialects to it, listens,
// and stops in order. What the command serve runs is what the end-to-end tests run.
package server
