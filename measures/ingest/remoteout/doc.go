// Package remoteout writes messages of Prometheus remote write, 1.0 and 2.0, as senders do: for the load generator, and for tests of what
// reads them.
package remoteout
