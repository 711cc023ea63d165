// Package hawkular serves the REST interface of Hawkular Metrics below /hawkular/metrics, for clients of Mohawk and of Hawkular
// Metrics itself, and Mohawk's alerts below /hawkular/alerts.
//
// It has two modes. The default one follows Mohawk's published documentation and is a superset of both peers; the strict one
// is Hawkular Metrics 0.32. What a mode decides is asked through Dialect.strict and call.strict, and nowhere copied: both modes
// run through the same handlers and read the same store as every other dialect.
//
// A file holds one area: its table of routes, its handlers, its answers. DESIGN.md says what was decided where the peers
// differ, or where neither is followed.
package hawkular
