package queue

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"
)

// ErrFull says that there was no room in time. The work may be tried again later.
var ErrFull = errors.New("queue: no room in time")

// Gate lets work in up to a bound. It must be safe for concurrent use.
//
// A Limit is one queue for all. Queues that are fair between tenants give each tenant a Gate of its own, so that those who
// pass gates need not know of it.
type Gate interface {
	// Enter takes n units, waiting for room in the order of the calls. It returns ErrFull if there was none in time, and the
	// cause of ctx if that ended first; nothing is taken then. More than Max units are an error at once.
	Enter(ctx context.Context, n int64) error
	// Grow takes n more units for work that is inside already. It goes ahead of work that has not entered: what is inside
	// holds room until it is done.
	Grow(ctx context.Context, n int64) error
	// Leave gives n units back.
	Leave(n int64)
	// Max is the number of units that fit when nothing else is inside.
	Max() int64
}

// Stats are the figures of a Limit.
type Stats struct {
	Held    int64  // units inside
	Waiting int    // calls that wait
	Waited  uint64 // calls that had to wait, whatever came of it
	Refused uint64 // calls that found no room in time
}

// Limit is a Gate with one queue.
type Limit struct {
	max  int64
	wait time.Duration

	mu       sync.Mutex
	held     int64
	growing  list // before entering
	entering list
	waited   uint64
	refused  uint64
}

// NewLimit makes a gate for max units, 0 or less for any number, in front of which a call waits at most for the time
// given.
func NewLimit(max int64, wait time.Duration) *Limit {
	if max <= 0 {
		max = math.MaxInt64
	}
	return &Limit{max: max, wait: wait}
}

// Max implements Gate.
func (l *Limit) Max() int64 { return l.max }

// Enter implements Gate.
func (l *Limit) Enter(ctx context.Context, n int64) error {
	l.mu.Lock()
	if l.growing.first == nil && l.entering.first == nil && n <= l.max-l.held {
		l.held += n
		l.mu.Unlock()
		return nil
	}
	return l.await(ctx, n, &l.entering)
}

// Grow implements Gate.
func (l *Limit) Grow(ctx context.Context, n int64) error {
	l.mu.Lock()
	if l.growing.first == nil && n <= l.max-l.held {
		l.held += n
		l.mu.Unlock()
		return nil
	}
	return l.await(ctx, n, &l.growing)
}

// Leave implements Gate.
func (l *Limit) Leave(n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held -= n; l.held < 0 {
		panic(fmt.Sprintf("queue: %d units left that never entered", -l.held))
	}
	l.admit()
}

// Stats returns the figures of this moment.
func (l *Limit) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Stats{Held: l.held, Waiting: l.growing.n + l.entering.n, Waited: l.waited, Refused: l.refused}
}

// await waits in a queue. It is called with l.mu held, and gives it up.
func (l *Limit) await(ctx context.Context, n int64, q *list) error {
	if n > l.max || l.wait <= 0 {
		l.refused++
		l.mu.Unlock()
		if n > l.max {
			return fmt.Errorf("queue: %d units never fit into %d", n, l.max)
		}
		return ErrFull
	}
	w := &waiter{units: n, ready: make(chan struct{})}
	q.push(w)
	l.waited++
	l.mu.Unlock()

	timer := time.NewTimer(l.wait)
	defer timer.Stop()
	err := ErrFull
	select {
	case <-w.ready:
		return nil
	case <-timer.C:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if w.in { // room was given at the last moment
		return nil
	}
	q.remove(w)
	if errors.Is(err, ErrFull) {
		l.refused++
	}
	l.admit() // what stands behind may fit where this did not
	return err
}

// admit lets in as many as fit, in order. REQUIRES: l.mu.
func (l *Limit) admit() {
	for {
		q := &l.growing
		if q.first == nil {
			q = &l.entering
		}
		w := q.first
		if w == nil || w.units > l.max-l.held {
			return
		}
		q.remove(w)
		l.held += w.units
		w.in = true
		close(w.ready)
	}
}

// waiter is a call that waits. Its fields belong to the lock of the gate.
type waiter struct {
	units      int64
	in         bool
	ready      chan struct{} // closed when in becomes true
	prev, next *waiter
}

// list holds waiters in the order in which they came.
type list struct {
	first, last *waiter
	n           int
}

func (l *list) push(w *waiter) {
	w.prev, w.next = l.last, nil
	if l.last != nil {
		l.last.next = w
	} else {
		l.first = w
	}
	l.last = w
	l.n++
}

func (l *list) remove(w *waiter) {
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		l.first = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	} else {
		l.last = w.prev
	}
	w.prev, w.next = nil, nil
	l.n--
}
