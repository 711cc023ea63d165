package ingest

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"granary/measures"
)

// Counters count what became of everything that was sent, by dialect. Use one for all writers of a process. The zero
// value is ready.
type Counters struct {
	dialects sync.Map // name -> *DialectCounters
}

// DialectCounters are the counters of one dialect. They only grow.
type DialectCounters struct {
	Bodies    atomic.Uint64
	Bytes     atomic.Uint64 // of the bodies
	Lines     atomic.Uint64 // lines that hold something
	Stored    atomic.Uint64 // samples
	Malformed atomic.Uint64 // lines
	Ignored   [measures.NumReasons]atomic.Uint64
	Stale     atomic.Uint64 // samples whose series had ended and that were decoded once more
	Failed    atomic.Uint64 // bodies that ended with an error of the store or the mapping
	Remarks   atomic.Uint64 // what bodies said of series beside their samples, and is not kept: types, help texts, when counters began

	// How lines were read; they add up to Lines.
	Predicted atomic.Uint64 // the series was the one that followed last time
	LookedUp  atomic.Uint64 // the series was found in the cache by its hash
	Parsed    atomic.Uint64 // by the library
}

// Dialect are the counters of a dialect.
func (c *Counters) Dialect(name string) *DialectCounters {
	if d, ok := c.dialects.Load(name); ok {
		return d.(*DialectCounters)
	}
	d, _ := c.dialects.LoadOrStore(name, &DialectCounters{})
	return d.(*DialectCounters)
}

// Each calls fn for all dialects, sorted by name.
func (c *Counters) Each(fn func(dialect string, d *DialectCounters)) {
	all := map[string]*DialectCounters{}
	c.dialects.Range(func(name, d any) bool {
		all[name.(string)] = d.(*DialectCounters)
		return true
	})
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fn(name, all[name])
	}
}
