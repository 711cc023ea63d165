package tenant

import (
	"math"
	"sync"
	"time"
)

// Rate bounds how much comes over time. It is a bucket that fills with time, up to its burst, and is emptied by what is charged.
// It may be charged with more than it holds, and is in debt then until time has paid for it; whoever would charge it waits
// for that. So work of any size is let in whole, and what is let in beyond rate and burst is one piece of work at most.
//
// What the rate and the burst are is told with each call, so that a change of them is in force at once. The zero Rate is
// full. It is safe for concurrent use.
type Rate struct {
	mu    sync.Mutex
	level float64 // what is in it at the time; below zero is debt
	at    int64   // nanoseconds; 0: it is full
}

// Wait is how long it takes until nothing is owed, 0 if that is now. A rate of 0 or less is none.
func (r *Rate) Wait(now, rate, burst int64) time.Duration {
	if rate <= 0 {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fill(now, rate, burst)
	return r.owed(rate)
}

// Charge takes n out of it.
func (r *Rate) Charge(now, rate, burst, n int64) {
	if rate <= 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fill(now, rate, burst)
	r.level -= float64(n)
}

// Take takes n out of it if nothing is owed, else it takes nothing and tells how long that will be so.
func (r *Rate) Take(now, rate, burst, n int64) time.Duration {
	if rate <= 0 {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fill(now, rate, burst)
	if r.level < float64(n) && r.level < float64(burst) {
		return owed(float64(min(n, burst))-r.level, rate)
	}
	r.level -= float64(n)
	return 0
}

// Level is what is in it, below zero if something is owed.
func (r *Rate) Level(now, rate, burst int64) int64 {
	if rate <= 0 {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fill(now, rate, burst)
	return int64(math.Floor(r.level))
}

// backward is how far a time may lie before the one seen last and count as the same: clocks are read before locks are had. A
// clock that was set back by more counts from where it is now.
const backward = second

// fill brings the level to now. REQUIRES: r.mu.
func (r *Rate) fill(now, rate, burst int64) {
	switch {
	case r.at == 0:
		r.level = float64(burst)
	case now > r.at:
		r.level += float64(now-r.at) * float64(rate) / 1e9
	case r.at-now < backward:
		now = r.at
	}
	r.at, r.level = now, min(r.level, float64(burst))
}

// nothing is a debt that is an error of rounding.
const nothing = -1e-6

func (r *Rate) owed(rate int64) time.Duration {
	if r.level >= nothing {
		return 0
	}
	return owed(-r.level, rate)
}

// owed is how long it takes to fill by so much, rounded up: a wait that is one nanosecond too short would be waited twice.
func owed(level float64, rate int64) time.Duration {
	ns := math.Ceil(level / float64(rate) * 1e9)
	return time.Duration(min(max(ns, 1), float64(forever)))
}
