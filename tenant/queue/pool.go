package queue

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// forEver is a wait without an end.
const forEver time.Duration = -1

// debts is how many quanta a flow may be behind. What it had beyond that is forgiven: else one piece of work that was far larger
// than it looked would keep its tenant waiting for minutes.
const debts = 64

// pool is a number of units that flows share. There are two accounts: what is common, which one flow alone may fill, and
// what is kept for flows that hold little, so that they find room at once beside one that has filled the rest.
type pool struct {
	max     int64 // common units
	kept    int64 // units beyond max
	least   int64 // how much a flow may hold at most with what it takes of those
	quantum int64 // cost that a flow of weight 1 may bring in a round

	// active is the number of flows in which calls wait. It changes under mu and is read by anybody.
	active atomic.Int32

	mu       sync.Mutex
	held     int64 // of max, or beyond by what over has
	keptHeld int64
	over     *hold // the one that may pass the bound by growing; nil if none does
	paused   int64 // units of work that has stepped aside
	growing  list  // calls of work that is inside, of all flows
	fresh    flows // those that have just begun to wait
	old      flows // those that have had a quantum since
}

// flow is what one tenant has and wants of a pool. Its fields belong to the lock of the pool.
type flow struct {
	bound  int64 // units that it may hold
	weight int64
	held   int64 // of both accounts

	deficit  int64 // cost that it may still bring in this round; below zero it has to wait for later ones
	entering list  // its calls that wait
	waits    atomic.Int32
	in       *flows // the list of the pool that it is in; nil if none
	next     *flow
	prev     *flow

	wanted  int64 // units that its calls wait for
	waited  uint64
	refused uint64
	delay   time.Duration // of all that waited
}

// hold is what one piece of work has of a pool.
type hold struct{ common, kept int64 }

func (h *hold) all() int64 { return h.common + h.kept }

// call is one wish for units.
type call struct {
	flow  *flow
	hold  *hold
	units int64
	cost  int64
}

// outcome says why a call was refused.
type outcome uint8

const (
	granted   outcome = iota
	never             // more units than ever fit
	tooMany           // as many calls as there may be wait already
	timedOut          // no room in time, for the bound of all
	timedHere         // no room in time, for the bound of the flow
	cancelled         // the context ended
	lateTurn          // the turn did not come in time
)

// enter takes units for work that is not inside, waiting at most so long behind at most length others of its flow (0: any number).
// bound and weight are those of the flow from now on.
func (p *pool) enter(ctx context.Context, c call, bound, weight, length int64, wait time.Duration) outcome {
	p.mu.Lock()
	fl := c.flow
	fl.bound, fl.weight = bound, weight
	if c.units > min(fl.bound, p.max) {
		fl.refused++
		p.mu.Unlock()
		return never
	}
	if p.growing.first == nil && p.active.Load() == 0 && p.take(c) {
		p.mu.Unlock()
		return granted
	}
	if length > 0 && int64(fl.entering.n) >= length {
		fl.refused++
		p.mu.Unlock()
		return tooMany
	}
	w := &waiter{call: c}
	p.push(w)
	p.admit()
	if w.in {
		p.mu.Unlock()
		return granted
	}
	return p.await(ctx, w, wait)
}

// grow takes units for work that is inside already. It goes ahead of work that is not, since what is inside holds room until
// it is done. So that pieces of work which all wait to grow do not wait for each other, one of them at a time need not
// wait, and passes the bounds by at most max.
func (p *pool) grow(ctx context.Context, c call, wait time.Duration) outcome {
	p.mu.Lock()
	if c.units > min(c.flow.bound, p.max)-c.hold.all() {
		c.flow.refused++
		p.mu.Unlock()
		return never
	}
	if p.growing.first == nil && p.take(c) || p.pass(c) {
		p.mu.Unlock()
		return granted
	}
	w := &waiter{call: c, grows: true}
	p.growing.push(w)
	c.flow.wanted += c.units
	p.admit()
	if w.in {
		p.mu.Unlock()
		return granted
	}
	return p.await(ctx, w, wait)
}

// leave gives back units of a hold, all of them if n is below zero.
func (p *pool) leave(fl *flow, h *hold, n int64) {
	p.mu.Lock()
	p.giveBack(fl, h, n)
	p.admit()
	p.mu.Unlock()
}

// giveBack is leave without letting others in. REQUIRES: p.mu.
func (p *pool) giveBack(fl *flow, h *hold, n int64) {
	if n < 0 {
		n = h.all()
	}
	kept := min(n, h.kept)
	h.kept -= kept
	p.keptHeld -= kept
	common := n - kept
	h.common -= common
	p.held -= common
	fl.held -= n
	if p.over == h && h.all() == 0 {
		p.over = nil
	}
	p.resume(fl)
}

// resume lets a flow go round again that its own bound had stopped, after something has changed. REQUIRES: p.mu.
func (p *pool) resume(fl *flow) {
	if fl.entering.first != nil && fl.in == nil {
		p.old.push(fl)
	}
}

// stepAside gives back all units of a hold for a while, so that others may use them. It is false, and does nothing, where as many
// units as there are have stepped aside already, since what steps aside keeps its memory, and for the one that passes the bound.
func (p *pool) stepAside(fl *flow, h *hold) (units int64, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if units = h.all(); units == 0 || units > p.max-p.paused || p.over == h {
		return 0, false
	}
	p.paused += units
	p.giveBack(fl, h, -1)
	p.admit()
	return units, true
}

// stepBack takes back what stepAside gave, at once: for a while there may be more inside than fits.
func (p *pool) stepBack(fl *flow, h *hold, units int64) {
	p.mu.Lock()
	p.paused -= units
	p.held += units
	h.common += units
	fl.held += units
	p.mu.Unlock()
}

// take gives units to a call if there is room. REQUIRES: p.mu.
func (p *pool) take(c call) bool {
	switch fl := c.flow; {
	case c.units > fl.bound-fl.held:
		return false
	case c.units <= p.max-p.held:
		p.held += c.units
		c.hold.common += c.units
	case p.fitsKept(c):
		p.keptHeld += c.units
		c.hold.kept += c.units
	default:
		return false
	}
	c.flow.held += c.units
	return true
}

// fitsKept says whether a call may take of what is kept for those who hold little. REQUIRES: p.mu.
func (p *pool) fitsKept(c call) bool {
	return c.units <= p.least-c.flow.held && c.units <= p.kept-p.keptHeld
}

// pass lets one that grows pass the bounds. REQUIRES: p.mu.
func (p *pool) pass(c call) bool {
	if p.over == nil {
		p.over = c.hold
	}
	if p.over != c.hold {
		return false
	}
	p.held += c.units
	c.hold.common += c.units
	c.flow.held += c.units
	return true
}

// push lets a call wait in its flow. REQUIRES: p.mu.
func (p *pool) push(w *waiter) {
	fl := w.flow
	if fl.entering.first == nil {
		p.active.Add(1)
	}
	fl.entering.push(w)
	fl.waits.Add(1)
	fl.wanted += w.units
	if fl.in == nil {
		fl.deficit = p.quantum * fl.weight
		p.fresh.push(fl)
	}
}

// pull takes a call out of where it waits. REQUIRES: p.mu.
func (p *pool) pull(w *waiter) {
	fl := w.flow
	fl.wanted -= w.units
	if w.grows {
		p.growing.remove(w)
		return
	}
	fl.entering.remove(w)
	fl.waits.Add(-1)
	if fl.entering.first == nil {
		p.active.Add(-1)
	}
}

// admit lets in as many as fit. REQUIRES: p.mu.
func (p *pool) admit() {
	if !p.admitGrowing() {
		p.admitKept()
		return
	}
	for {
		fl, from := p.fresh.first, &p.fresh
		if fl == nil {
			fl, from = p.old.first, &p.old
		}
		if fl == nil {
			return
		}
		w := fl.entering.first
		switch {
		case w == nil && from == &p.fresh:
			// It waits its round among the old, so that coming and going wins nothing.
			from.move(fl, &p.old)
		case w == nil && fl.deficit < 0:
			p.credit(fl)
			from.move(fl, &p.old)
		case w == nil:
			from.remove(fl)
		case w.units > fl.bound-fl.held:
			from.remove(fl) // it comes again when it gives something back
		case fl.deficit <= 0:
			p.credit(fl)
			from.move(fl, &p.old)
		case w.units > p.max-p.held:
			if !p.admitKept() {
				return
			}
		default:
			fl.deficit -= w.cost
			p.give(w)
		}
	}
}

// credit is what a flow gets in each round. REQUIRES: p.mu.
func (p *pool) credit(fl *flow) { fl.deficit += p.quantum * fl.weight }

// charge adds to the cost of what a flow has brought in, or takes from it. REQUIRES: p.mu.
func (p *pool) charge(fl *flow, cost int64) {
	fl.deficit = max(fl.deficit-cost, -debts*p.quantum)
}

// give lets a call in that waits and for which there is room. REQUIRES: p.mu.
func (p *pool) give(w *waiter) {
	if !p.take(w.call) {
		panic("queue: no room where there was some")
	}
	p.wake(w)
}

// wake lets a call return. REQUIRES: p.mu.
func (p *pool) wake(w *waiter) {
	p.pull(w)
	w.in = true
	if w.listens {
		w.ready <- struct{}{}
	}
}

// admitGrowing lets in those that grow, and says whether none of them waits for the room of all. REQUIRES: p.mu.
func (p *pool) admitGrowing() bool {
	for w := p.growing.first; w != nil; {
		next := w.next
		switch fl := w.flow; {
		case w.units <= fl.bound-fl.held && w.units > p.max-p.held && !p.fitsKept(w.call) && !p.mayPass(w.hold):
			return false
		case p.take(w.call) || p.pass(w.call):
			p.wake(w)
		}
		w = next
	}
	return true
}

func (p *pool) mayPass(h *hold) bool { return p.over == nil || p.over == h }

// admitKept lets in those for whom room is kept, while the others wait for more, and says whether there were any. REQUIRES: p.mu.
func (p *pool) admitKept() (any bool) {
	for _, l := range []*flows{&p.fresh, &p.old} {
		for fl := l.first; fl != nil && p.keptHeld < p.kept; fl = fl.next {
			for w := fl.entering.first; w != nil && w.units <= fl.bound-fl.held && p.fitsKept(w.call); w = fl.entering.first {
				fl.deficit -= w.cost
				p.keptHeld += w.units
				w.hold.kept += w.units
				fl.held += w.units
				p.wake(w)
				any = true
			}
		}
	}
	return any
}

// await waits until a call is let in. It is called with p.mu held, and gives it up.
func (p *pool) await(ctx context.Context, w *waiter, wait time.Duration) outcome {
	fl := w.flow
	if wait == 0 {
		defer p.mu.Unlock()
		return p.giveUp(w, timedOut)
	}
	if w.ready == nil {
		w.ready = make(chan struct{}, 1)
	}
	w.listens = true
	fl.waited++
	p.mu.Unlock()

	var timeout <-chan time.Time
	began := time.Now()
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		timeout = timer.C
	}
	why := cancelled
	select {
	case <-w.ready:
		why = granted
	case <-timeout:
		why = timedOut
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	fl.delay += time.Since(began)
	if w.in {
		if why != granted { // it was let in at the last moment
			<-w.ready
		}
		return granted
	}
	return p.giveUp(w, why)
}

// giveUp takes back a call that waits. REQUIRES: p.mu.
func (p *pool) giveUp(w *waiter, why outcome) outcome {
	fl := w.flow
	if why == timedOut {
		fl.refused++
		if w.units > fl.bound-fl.held && w.units <= p.max-p.held {
			why = timedHere
		}
	}
	p.pull(w)
	p.resume(fl)
	p.admit() // what stands behind may fit where this did not
	return why
}

// waiter is a call that waits. Its fields belong to the lock of the pool.
type waiter struct {
	call
	grows      bool
	in         bool
	listens    bool
	ready      chan struct{} // gets one element when in becomes true, if somebody listens
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

// flows is a list of flows, each of which is in one list at most.
type flows struct{ first, last *flow }

func (l *flows) push(fl *flow) {
	fl.in, fl.prev, fl.next = l, l.last, nil
	if l.last != nil {
		l.last.next = fl
	} else {
		l.first = fl
	}
	l.last = fl
}

func (l *flows) remove(fl *flow) {
	if fl.prev != nil {
		fl.prev.next = fl.next
	} else {
		l.first = fl.next
	}
	if fl.next != nil {
		fl.next.prev = fl.prev
	} else {
		l.last = fl.prev
	}
	fl.in, fl.prev, fl.next = nil, nil, nil
}

func (l *flows) move(fl *flow, to *flows) {
	l.remove(fl)
	to.push(fl)
}

// unbounded is a bound that nothing reaches.
const unbounded = math.MaxInt64
