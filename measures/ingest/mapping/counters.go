package mapping

import (
	"sync/atomic"

	"granary/measures"
)

// Drop says why a sample that was handed over gave nothing.
type Drop uint8

const (
	Late      Drop = iota // older than what is remembered: the one before of its series, or the open slots of what comes out
	NotFinite             // NaN or infinite, or what came out was
	NoRoom                // as many series are remembered as may be
	Ended                 // the tenant ended, or series were removed again and again while their samples were on their way
	Reloaded              // its rules have been replaced
	Repeated              // a rate at a time that has been seen before

	NumDrops
)

var dropNames = [NumDrops]string{"late", "not-finite", "max-sources", "ended", "reloaded", "repeated"}

// String is the reason's stable name, as /metrics has it.
func (d Drop) String() string { return dropNames[d] }

// Counters count what tables do. Use one for all tables of a process. The zero value is ready. They only grow, but for Sources.
type Counters struct {
	Derived atomic.Uint64 // samples that were stored
	Sources atomic.Int64  // series that are remembered now
	Begun   atomic.Uint64 // rates that began with a value, and had none before it
	Gaps    atomic.Uint64 // rates that began anew after a gap
	Resets  atomic.Uint64 // counters that began at zero again
	Idle    atomic.Uint64 // series that were let go since nothing came of them
	Pushed  atomic.Uint64 // series that were let go to make room for those of another tenant
	Dropped [NumDrops]atomic.Uint64
}

// Counts are what became of the samples of a body.
type Counts struct {
	Stored  int                      // samples that came out and were stored
	Ignored [measures.NumReasons]int // samples that came out and that the store did not take, by reason
	Dropped [NumDrops]int            // samples that gave nothing
	Begun   int
	Gaps    int
	Resets  int
}

// add adds what another commit has counted.
func (c *Counts) add(o *Counts) {
	c.Stored += o.Stored
	c.Begun += o.Begun
	c.Gaps += o.Gaps
	c.Resets += o.Resets
	for i, n := range o.Ignored {
		c.Ignored[i] += n
	}
	for i, n := range o.Dropped {
		c.Dropped[i] += n
	}
}

func (c *Counters) count(o *Counts) {
	c.Derived.Add(uint64(o.Stored))
	c.Begun.Add(uint64(o.Begun))
	c.Gaps.Add(uint64(o.Gaps))
	c.Resets.Add(uint64(o.Resets))
	for i, n := range o.Dropped {
		if n > 0 {
			c.Dropped[i].Add(uint64(n))
		}
	}
}
