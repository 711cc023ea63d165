package queue

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"granary/tenant"
)

// Kind is what a Fair is about. The words of errors follow it.
type Kind uint8

// The kinds of a Fair.
const (
	Writes  Kind = iota // units are bytes of bodies
	Queries             // units are queries
)

// Share is what a tenant may have of a Fair.
type Share struct {
	Units  int64         // that it holds at the same time; 0: all there are
	Length int64         // its calls that wait for room, and as many for their turn; 0: any number
	Wait   time.Duration // how long each waits; 0: not at all
	Weight int64         // beside others; 0: 1
}

// FairOptions configure a Fair.
type FairOptions struct {
	Kind  Kind
	Units int64 // that one tenant, or all together, hold; 0 or less: any number
	// Kept is how many units there are beyond those for tenants that hold at most Least with them: room that they find at once
	// beside one that has filled all the rest.
	Kept, Least int64
	// Quantum is how many units a tenant of weight 1 brings in in its turn when several wait; 0: 1.
	Quantum int64
	// Share tells what a tenant may have, and whether there is such a tenant. Those that are not there share one queue, so that
	// names that somebody invents have no room of their own. nil: all are there, and the whole is theirs.
	Share func(id tenant.ID) (Share, bool)
	// Turns are the processors that the work is done on; nil: it takes no turns.
	Turns *Turns
	// Rows is how many samples of this Fair may be on their way into the journal at the same time, so that who has little to
	// write does not wait for a long row of others; 0: any number.
	Rows int64
	// Setting is the name of the setting behind Units, SettingWait that behind the wait, in errors; SettingShare and SettingLength
	// are those of a tenant.
	Setting, SettingWait, SettingShare, SettingLength string
}

// Fair is room that tenants share, with a queue for each. It is safe for concurrent use.
//
// No more than Units is held by all together, but for three things: what is kept for those who hold little (Kept), one piece of
// work at a time that grows (Ticket.Grow), which is at most Units more, and work that comes back after it had stepped aside
// (Ticket.StepBack), which is at most Units as well. A tenant holds no more than its share, but for work that grows.
type Fair struct {
	o    FairOptions
	room pool
	rows pool

	mu     sync.RWMutex
	queues map[tenant.ID]*Queue
	gone   Stats // the counters of queues that are forgotten
}

// NewFair makes a Fair.
func NewFair(o FairOptions) *Fair {
	if o.Units <= 0 {
		o.Units = unbounded
	}
	if o.Share == nil {
		o.Share = func(tenant.ID) (Share, bool) { return Share{}, true }
	}
	f := &Fair{o: o, queues: make(map[tenant.ID]*Queue)}
	f.room = pool{max: o.Units, kept: o.Kept, least: o.Least, quantum: max(o.Quantum, 1)}
	f.rows = pool{max: cmp.Or(max(o.Rows, 0), unbounded), quantum: DefaultRows}
	f.rows.kept, f.rows.least = f.rows.max, max(f.rows.max/2, 1)
	return f
}

// DefaultRows is a number of samples whose way through the journal takes about as long as a small request.
const DefaultRows = 4096

// Max is the number of units that fit when nothing else is inside.
func (f *Fair) Max() int64 { return f.o.Units }

// Queue is what one tenant has of a Fair. It is safe for concurrent use.
type Queue struct {
	id   tenant.ID // "" for all that are not there
	fair *Fair

	room flow
	rows flow
	turn flow

	used    atomic.Bool  // since Tidy looked last
	inside  atomic.Int64 // tickets
	started atomic.Int64 // of these
}

// Queue is the queue of a tenant.
func (f *Fair) Queue(id tenant.ID) *Queue {
	f.mu.RLock()
	q := f.queues[id]
	if q != nil {
		q.use()
		f.mu.RUnlock()
		return q
	}
	f.mu.RUnlock()
	if _, there := f.o.Share(id); !there {
		id = ""
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if q = f.queues[id]; q == nil {
		q = &Queue{id: id, fair: f}
		// Nothing but the number of turns bounds those of a tenant.
		q.turn.bound, q.turn.weight = unbounded, q.share().Weight
		f.queues[id] = q
	}
	q.use()
	return q
}

func (q *Queue) use() {
	if !q.used.Load() { // else all who write would write to it
		q.used.Store(true)
	}
}

// Tidy forgets the queues that nobody has asked for since it was called last, in which nothing is, and which have no figures to
// keep. It is for now and then: who has asked for a Queue has entered it long before the next time. It
// answers how many were forgotten.
func (f *Fair) Tidy() int {
	f.mu.RLock()
	var quiet []*Queue
	for _, q := range f.queues {
		if !q.used.Swap(false) && q.inside.Load() == 0 {
			quiet = append(quiet, q)
		}
	}
	f.mu.RUnlock()
	quiet = slices.DeleteFunc(quiet, func(q *Queue) bool {
		st := q.Stats()
		return st.Held != 0 || st.Waiting != 0 || st.Waited+st.Refused != 0
	})
	if len(quiet) == 0 {
		return 0
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, q := range quiet {
		if !q.used.Load() && q.inside.Load() == 0 && f.queues[q.id] == q {
			delete(f.queues, q.id)
		}
	}
	if len(f.queues) < len(quiet) { // a map keeps the room that it once had
		left := make(map[tenant.ID]*Queue, len(f.queues))
		maps.Copy(left, f.queues)
		f.queues = left
	}
	return len(quiet)
}

// Forget gives up the queue of a tenant that has ended, with its figures. Work that is still in it is not disturbed.
func (f *Fair) Forget(id tenant.ID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if q := f.queues[id]; q != nil {
		s := q.Stats()
		f.gone.Waited += s.Waited
		f.gone.Refused += s.Refused
		delete(f.queues, id)
	}
}

// share is what the tenant may have at this moment.
func (q *Queue) share() Share {
	s, _ := q.fair.o.Share(q.id)
	if s.Units <= 0 {
		s.Units = unbounded
	}
	s.Weight = max(s.Weight, 1)
	return s
}

// Tenant is whose queue it is; "" for that of all tenants that do not exist.
func (q *Queue) Tenant() tenant.ID { return q.id }

// Max is the number of units that the tenant can hold when nothing else is inside.
func (q *Queue) Max() int64 { return min(q.share().Units, q.fair.o.Units) }

// MaxSetting is the name of the setting behind Max.
func (q *Queue) MaxSetting() string {
	if q.share().Units < q.fair.o.Units {
		return q.fair.o.SettingShare
	}
	return q.fair.o.Setting
}

// Enter takes n units for a piece of work, waiting for room as long as the tenant's share allows. The error is a *FullError if
// there was none in time, and the cause of ctx if that ended first; nothing is taken then. More than Max units are refused
// at once.
func (q *Queue) Enter(ctx context.Context, t *Ticket, n int64) error {
	share := q.share()
	return q.enter(ctx, t, n, share, share.Length, share.Wait)
}

// Pass lets a request of a tenant through, for one unit, and returns the context in which the work on it takes its turns. A request that
// is through already passes again, and a gate that is nil bounds nothing. The errors are those of Enter.
func (f *Fair) Pass(ctx context.Context, id tenant.ID, t *Ticket) (context.Context, error) {
	if f == nil || t.Queue() != nil {
		return ctx, nil
	}
	if err := f.Queue(id).Enter(ctx, t, 1); err != nil {
		return ctx, err
	}
	return With(ctx, t), nil
}

// Await is Enter for who can wait: it is bounded by ctx alone.
func (q *Queue) Await(ctx context.Context, t *Ticket, n int64) error {
	t.patient = true
	return q.enter(ctx, t, n, q.share(), 0, forEver)
}

func (q *Queue) enter(ctx context.Context, t *Ticket, n int64, share Share, length int64, wait time.Duration) error {
	p := &q.fair.room
	t.queue, t.state = q, entered
	q.inside.Add(1)
	why := p.enter(ctx, call{flow: &q.room, hold: &t.room, units: n, cost: n}, share.Units, share.Weight, length, wait)
	if why == granted {
		if q.fair.o.Kind == Queries {
			t.start()
		}
		return nil
	}
	q.inside.Add(-1)
	t.queue, t.state = nil, outside
	if why == cancelled {
		return context.Cause(ctx)
	}
	return q.full(why, share, n)
}

// TenantStats are the figures of one tenant's queue.
type TenantStats struct {
	Tenant tenant.ID // "" for all tenants that do not exist
	// Queued is the work that waits for room, is being received, or waits for its turn; InProgress what has had its turn and is
	// not done.
	Queued, InProgress int
	// Waiting is the calls that wait at this moment, for room or for a turn.
	Waiting int
	// Wanted is the units that calls wait for, Held those that the tenant has.
	Wanted, Held int64
	Waited       uint64        // calls that had to wait, whatever came of it
	Refused      uint64        // calls that were refused
	Delay        time.Duration // of all that waited, together
	Share        Share         // in force
}

// Stats are the figures of a tenant.
func (f *Fair) Stats(id tenant.ID) TenantStats {
	f.mu.RLock()
	q := f.queues[id]
	f.mu.RUnlock()
	if q == nil {
		s, _ := f.o.Share(id)
		return TenantStats{Tenant: id, Share: s}
	}
	return q.Stats()
}

// Stats are the figures of the queue.
func (q *Queue) Stats() TenantStats {
	inside, started := q.inside.Load(), q.started.Load()
	s := TenantStats{Tenant: q.id, Queued: int(max(inside-started, 0)), InProgress: int(started)}
	s.Share, _ = q.fair.o.Share(q.id)
	p := &q.fair.room
	p.mu.Lock()
	s.Held, s.Wanted = q.room.held, q.room.wanted
	q.room.addTo(&s)
	p.mu.Unlock()
	if t := q.fair.o.Turns; t != nil {
		t.pool.mu.Lock()
		q.turn.addTo(&s)
		t.pool.mu.Unlock()
	}
	return s
}

// addTo adds the counters of a flow. REQUIRES: the pool's lock.
func (fl *flow) addTo(s *TenantStats) {
	s.Waiting += fl.entering.n
	s.Waited += fl.waited
	s.Refused += fl.refused
	s.Delay += fl.delay
}

// Each calls fn with the figures of all queues, by tenant, and forgets those whose tenant has ended.
func (f *Fair) Each(fn func(TenantStats)) {
	f.mu.RLock()
	all := make([]*Queue, 0, len(f.queues))
	for _, q := range f.queues {
		all = append(all, q)
	}
	f.mu.RUnlock()
	slices.SortFunc(all, func(a, b *Queue) int { return cmp.Compare(a.id, b.id) })
	for _, q := range all {
		s := q.Stats()
		if _, there := f.o.Share(q.id); !there && q.id != "" && s.Held == 0 && s.Waiting == 0 {
			f.Forget(q.id)
			continue
		}
		fn(s)
	}
}

// Stats are the figures of a Fair.
type Stats struct {
	Held    int64 // units inside
	Waiting int   // calls that wait for room or for a turn
	Queued  int
	Working int
	Waited  uint64
	Refused uint64
}

// Total are the figures of all tenants together, those that have ended too.
func (f *Fair) Total() Stats {
	f.mu.RLock()
	s := f.gone
	f.mu.RUnlock()
	f.Each(func(t TenantStats) {
		s.Held += t.Held
		s.Waiting += t.Waiting
		s.Queued += t.Queued
		s.Working += t.InProgress
		s.Waited += t.Waited
		s.Refused += t.Refused
	})
	return s
}
