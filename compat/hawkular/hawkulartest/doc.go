// Package hawkulartest plays requests with what they have to be answered against a server of the dialect, and compares the
// answers by meaning. It is for tests only: in this package's parent, where the server is a handler, and end to end.
package hawkulartest
