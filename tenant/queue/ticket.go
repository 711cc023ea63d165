package queue

import "context"

// Ticket is what a piece of work holds of a Fair, from Enter to Leave. The zero Ticket holds nothing, and a nil one as well: its
// turns are always granted. It belongs to one goroutine at a time, but for its turns, and must not be copied while it is inside.
type Ticket struct {
	queue   *Queue
	room    hold
	rows    hold
	state   state
	patient bool  // it waits for its turn for as long as it takes
	aside   int64 // units given up for a while
}

type state uint8

const (
	outside state = iota
	entered       // it has room
	started       // it has had a turn
)

// Queue is where the ticket is inside; nil if nowhere.
func (t *Ticket) Queue() *Queue {
	if t == nil {
		return nil
	}
	return t.queue
}

// Held is the number of units that the ticket has.
func (t *Ticket) Held() int64 { return t.room.all() }

// start notes that the work has had a turn.
func (t *Ticket) start() {
	if t.state == entered {
		t.state = started
		t.queue.started.Add(1)
	}
}

// waiting says whether the work waits for its first turn.
func (t *Ticket) waiting() bool { return t.state == entered }

// Grow takes n more units for work that is inside, with the errors of Enter. It goes ahead of work that has not entered.
func (t *Ticket) Grow(ctx context.Context, n int64) error {
	q := t.queue
	share := q.share()
	wait := share.Wait
	if t.patient {
		wait = forEver
	}
	switch why := q.fair.room.grow(ctx, call{flow: &q.room, hold: &t.room, units: n, cost: n}, wait); why {
	case granted:
		return nil
	case cancelled:
		return context.Cause(ctx)
	default:
		return q.full(why, share, t.room.all()+n)
	}
}

// Leave gives back all that the ticket holds.
func (t *Ticket) Leave() {
	q := t.queue
	if q == nil {
		return
	}
	t.Stored()
	if t.aside > 0 {
		t.StepBack()
	}
	q.fair.room.leave(&q.room, &t.room, -1)
	q.inside.Add(-1)
	if t.state == started {
		q.started.Add(-1)
	}
	*t = Ticket{}
}

// StepAside gives back the ticket's units for a while in which it does no work, such as one in which a client does not take its
// answer, so that others may enter. StepBack takes them again, at once.
func (t *Ticket) StepAside() {
	if q := t.Queue(); q != nil && t.aside == 0 {
		t.aside, _ = q.fair.room.stepAside(&q.room, &t.room)
	}
}

// StepBack ends what StepAside began.
func (t *Ticket) StepBack() {
	if t == nil || t.aside == 0 {
		return
	}
	t.queue.fair.room.stepBack(&t.queue.room, &t.room, t.aside)
	t.aside = 0
}

// Store waits until so many samples may go on their way into the journal; Stored says that they are there, or never will be. No
// turn should be held meanwhile. The error is the cause of ctx.
func (t *Ticket) Store(ctx context.Context, samples int) error {
	q := t.Queue()
	if q == nil {
		return nil
	}
	p := &q.fair.rows
	n := min(int64(samples), p.max)
	if p.enter(ctx, call{flow: &q.rows, hold: &t.rows, units: n, cost: n}, unbounded, q.share().Weight, 0, forEver) != granted {
		return context.Cause(ctx)
	}
	return nil
}

// Stored ends what Store began.
func (t *Ticket) Stored() {
	if q := t.Queue(); q != nil && t.rows.all() > 0 {
		q.fair.rows.leave(&q.rows, &t.rows, -1)
	}
}

// Turn is the way to the processors for one goroutine that works for the ticket.
func (t *Ticket) Turn() Turn {
	if t.Queue() == nil {
		return Turn{}
	}
	return Turn{ticket: t}
}

type ticketKey struct{}

// With returns a context that carries the ticket of the work that is done in it.
func With(ctx context.Context, t *Ticket) context.Context {
	return context.WithValue(ctx, ticketKey{}, t)
}

// From returns the ticket of the context, nil if there is none.
func From(ctx context.Context) *Ticket {
	t, _ := ctx.Value(ticketKey{}).(*Ticket)
	return t
}
