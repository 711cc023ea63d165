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

// Ticket is what a piece of work holds of a Gate. The zero Ticket holds nothing. It belongs to one piece of work and one
// gate until Leave, and must not be copied meanwhile.
type Ticket struct{ units int64 }

// Gate lets work in up to a bound. It must be safe for concurrent use; a ticket is for one goroutine at a time.
//
// A Limit is one queue for all. Queues that are fair between tenants give each tenant a Gate of its own, so that those who
// pass gates need not know of it.
type Gate interface {
	// Enter takes n units, waiting for room in the order of the calls. It returns ErrFull if there was none in time, and the
	// cause of ctx if that ended first; nothing is taken then. More than Max units are an error at once.
	Enter(ctx context.Context, t *Ticket, n int64) error
	// Grow takes n more units for work that is inside already, with the errors of Enter. It goes ahead of work that has not
	// entered, since what is inside holds room until it is done. So that pieces of work which all wait to grow do not wait
	// for each other, one of them at a time need not wait, and passes the bound by at most Max.
	Grow(ctx context.Context, t *Ticket, n int64) error
	// Leave gives back all that the ticket holds.
	Leave(t *Ticket)
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
	over     *Ticket // the one that may pass the bound; nil if none does
	growing  list    // before entering
	entering list
	waited   uint64
	refused  uint64
}

// NewLimit makes a gate for max units, 0 or less for any number, in front of which a call waits at most for the time
// given; 0 is not at all.
func NewLimit(max int64, wait time.Duration) *Limit {
	if max <= 0 {
		max = math.MaxInt64
	}
	return &Limit{max: max, wait: wait}
}

// Max implements Gate.
func (l *Limit) Max() int64 { return l.max }

// Wait is how long a call waits at most.
func (l *Limit) Wait() time.Duration { return l.wait }

// Enter implements Gate.
func (l *Limit) Enter(ctx context.Context, t *Ticket, n int64) error {
	l.mu.Lock()
	if l.growing.first == nil && l.entering.first == nil && l.fits(n) {
		l.take(t, n)
		l.mu.Unlock()
		return nil
	}
	return l.await(ctx, t, n, &l.entering)
}

// Grow implements Gate.
func (l *Limit) Grow(ctx context.Context, t *Ticket, n int64) error {
	l.mu.Lock()
	if n <= l.max-t.units && (l.growing.first == nil && l.fits(n) || l.mayPass(t)) {
		l.take(t, n)
		l.mu.Unlock()
		return nil
	}
	return l.await(ctx, t, n, &l.growing)
}

// Leave implements Gate.
func (l *Limit) Leave(t *Ticket) {
	l.mu.Lock()
	l.held -= t.units
	t.units = 0
	if l.over == t {
		l.over = nil
	}
	l.admit()
	l.mu.Unlock()
}

// fits says whether there is room. REQUIRES: l.mu.
func (l *Limit) fits(n int64) bool { return n <= l.max-l.held }

// mayPass says whether the ticket may pass the bound, and makes it the one that does. REQUIRES: l.mu.
func (l *Limit) mayPass(t *Ticket) bool {
	if l.over == nil {
		l.over = t
	}
	return l.over == t
}

// take gives units to the ticket. REQUIRES: l.mu.
func (l *Limit) take(t *Ticket, n int64) {
	l.held += n
	t.units += n
}

// Stats returns the figures of this moment.
func (l *Limit) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Stats{Held: l.held, Waiting: l.growing.n + l.entering.n, Waited: l.waited, Refused: l.refused}
}

// await waits in a queue. It is called with l.mu held, and gives it up.
func (l *Limit) await(ctx context.Context, t *Ticket, n int64, q *list) error {
	if n > l.max-t.units || l.wait <= 0 {
		l.refused++
		l.mu.Unlock()
		if n > l.max-t.units {
			return fmt.Errorf("queue: %d units never fit into %d", t.units+n, l.max)
		}
		return ErrFull
	}
	w := &waiter{ticket: t, units: n, ready: make(chan struct{})}
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
		if w == nil || !l.fits(w.units) && (q == &l.entering || !l.mayPass(w.ticket)) {
			return
		}
		q.remove(w)
		l.take(w.ticket, w.units)
		w.in = true
		close(w.ready)
	}
}

// waiter is a call that waits. Its fields belong to the lock of the gate.
type waiter struct {
	ticket     *Ticket
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
