package queue

import (
	"context"
	"runtime"
)

// DefaultQuantum is the work of a turn while others wait: about 500 lines, or 50 microseconds.
const DefaultQuantum = 50_000

// ownQuanta is how many quanta a turn lasts while only work of the same tenant waits: to change more often would only make all of
// it late, but one long piece must not stop the short ones.
const ownQuanta = 16

// Turns share out processors. A piece of work that has a turn works until it ends it or, after a quantum, somebody else waits. The
// unit of work is about a nanosecond: a byte of line protocol, a quarter of a sample that is read.
type Turns struct{ pool pool }

// NewTurns lets workers, 0 or less for one a processor, work at the same time, in quanta of so much work, 0 for DefaultQuantum.
func NewTurns(workers int, quantum int64) *Turns {
	if workers <= 0 {
		workers = runtime.NumCPU()
	}
	if quantum <= 0 {
		quantum = DefaultQuantum
	}
	return &Turns{pool{max: int64(workers), quantum: quantum}}
}

// Workers is how many turns there are at the same time.
func (t *Turns) Workers() int { return int(t.pool.max) }

// Waiting is the number of pieces of work that wait for a turn, and the turns that are taken.
func (t *Turns) Waiting() (waiting, taken int) {
	p := &t.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range []*flows{&p.fresh, &p.old} {
		for fl := l.first; fl != nil; fl = fl.next {
			waiting += fl.entering.n
		}
	}
	return waiting, int(p.held)
}

// Turn is the way of one goroutine to the processor, for one piece of work. Make one with Ticket.Turn. The zero Turn is always
// granted. It must not be copied once it has begun.
type Turn struct {
	ticket *Ticket
	wait   *turnWaiter // kept from one wait to the next
	has    bool
	spent  int64
	paid   int64 // of spent, what was charged in advance
}

// turnWaiter is apart from the turn, so that a turn that never waits lies on the stack.
type turnWaiter struct {
	waiter
	slot hold
}

// Begin waits until it is the work's turn. The first turn of a piece of work comes within the time that its tenant may wait, or
// the error is a *FullError; later ones wait for as long as it takes, since what was done would be lost. If ctx ends, the error
// is its cause. A turn that has begun already goes on.
func (t *Turn) Begin(ctx context.Context) error {
	if t.ticket == nil || t.has {
		return nil
	}
	turns := t.ticket.queue.fair.o.Turns
	if turns == nil {
		t.ticket.start()
		return nil
	}
	p, q := &turns.pool, t.ticket.queue
	p.mu.Lock()
	if p.active.Load() == 0 && p.held < p.max {
		p.held++
		q.turn.held++
		t.has, t.spent, t.paid = true, 0, 0
		p.mu.Unlock()
		t.ticket.start()
		return nil
	}
	p.mu.Unlock()
	share := q.share()
	p.mu.Lock()
	q.turn.weight = share.Weight
	wait := forEver
	if first := t.ticket.waiting(); first && !t.ticket.patient {
		if wait = share.Wait; share.Length > 0 && int64(q.turn.entering.n) >= share.Length {
			q.turn.refused++
			p.mu.Unlock()
			return q.full(tooMany, share, 1)
		}
	}
	t.enqueue(p)
	p.admit()
	if !t.wait.in {
		switch why := p.await(ctx, &t.wait.waiter, wait); why {
		case granted:
		case cancelled:
			return context.Cause(ctx)
		default:
			return q.full(lateTurn, share, 1)
		}
	} else {
		p.mu.Unlock()
	}
	t.granted(p)
	t.ticket.start()
	return nil
}

// enqueue lets the turn wait in its flow. REQUIRES: p.mu.
func (t *Turn) enqueue(p *pool) {
	if t.wait == nil {
		t.wait = new(turnWaiter)
	}
	w := t.wait
	w.slot = hold{}
	w.waiter = waiter{call: call{flow: &t.ticket.queue.turn, hold: &w.slot, units: 1, cost: p.quantum}, ready: w.ready}
	p.push(&w.waiter)
}

// drop gives the slot of a turn back, without letting others in. REQUIRES: p.mu.
func (t *Turn) drop(p *pool) {
	p.held--
	t.ticket.queue.turn.held--
	t.has = false
}

func (t *Turn) granted(p *pool) { t.has, t.spent, t.paid = true, 0, p.quantum }

// Spent says how much has been worked since the last call. It returns when the work may go on: at once as long as nobody else
// waits or the quantum is not used up.
func (t *Turn) Spent(work int64) {
	if t == nil || !t.has {
		return
	}
	p := &t.ticket.queue.fair.o.Turns.pool
	if t.spent += work; t.spent < p.quantum {
		return
	}
	active := p.active.Load()
	if active == 0 {
		t.spent, t.paid = 0, 0 // what takes nothing from anybody is free
		return
	}
	fl := &t.ticket.queue.turn
	if active == 1 && fl.waits.Load() > 0 && t.spent < ownQuanta*p.quantum {
		return
	}
	p.mu.Lock()
	p.charge(fl, t.spent-t.paid)
	t.drop(p)
	t.enqueue(p)
	p.admit()
	if t.wait.in {
		p.mu.Unlock()
	} else if p.await(context.Background(), &t.wait.waiter, forEver) != granted {
		panic("queue: a wait for ever has ended")
	}
	t.granted(p)
}

// End gives the turn up, before anything that may take long without work: a commit, or an answer that nobody reads. A turn can
// begin again.
func (t *Turn) End() {
	if !t.has {
		return
	}
	p := &t.ticket.queue.fair.o.Turns.pool
	p.mu.Lock()
	if p.active.Load() > 0 {
		p.charge(&t.ticket.queue.turn, t.spent-t.paid)
	}
	t.drop(p)
	p.admit()
	p.mu.Unlock()
}
