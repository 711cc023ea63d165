//go:build !race

package slab

import (
	"fmt"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

var mapped atomic.Int64

// mapMemory maps size bytes of zeroed memory.
func mapMemory(size int) ([]byte, error) {
	b, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("slab: map %d bytes: %w", size, err)
	}
	mapped.Add(int64(size))
	return b, nil
}

func unmapMemory(b []byte) {
	mapped.Add(-int64(len(b)))
	// The only failure is a slice that mapMemory did not return: a bug, not a state to recover from.
	if err := unix.Munmap(b); err != nil {
		panic(fmt.Sprintf("slab: unmap %d bytes: %v", len(b), err))
	}
}
