//go:build race

package slab

import "sync/atomic"

var mapped atomic.Int64

// mapMemory is the form for the race detector: ordinary memory that the detector can see.
func mapMemory(size int) ([]byte, error) {
	mapped.Add(int64(size))
	return make([]byte, size), nil
}

// unmapMemory poisons the memory, so that a stale reader does not read plausible bytes.
func unmapMemory(b []byte) {
	mapped.Add(-int64(len(b)))
	for i := range b {
		b[i] = 0xA5
	}
}
