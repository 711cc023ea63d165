// Package goldentest replays HTTP exchanges that were recorded with a real server against another one, and compares the
// answers by meaning. It is for tests only, in this package's parent and end to end.
package goldentest
