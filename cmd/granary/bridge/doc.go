// Package bridge pulls: it asks Prometheus or InfluxDB for a few metrics at an interval, makes lines of the answers, and sends them to Granary.
//
// A round asks all queries of the file, some at a time, and all of its samples have one time. A query that fails costs no other. What
// gives no line is counted by metric and reason, and named in the log when its number changes. Lines go into the spool first and
// are sent in order; only what Granary has taken or refused for good leaves it.
//
// The package promises that with Granary out of reach, and with the process killed at any point after a round, no line is lost within the
// bounds of the spool. What is sent twice is the same twice. It keeps no samples between two rounds, and reads no clock but the one it is
// given.
package bridge
