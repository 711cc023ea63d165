// Package prometheus takes what Prometheus, and whoever sends as it does, writes to a remote storage: remote write 1.0 and 2.0.
//
// It promises: every good sample of a request is stored, whatever the others are, and the answer says which were not and why; the status makes
// the sender stop (4xx) for what no repetition mends and come again (503) for what passes; a request that is sent again changes nothing.
// It reads nothing back, and keeps nothing but the cache of what labels mean.
package prometheus
