package queue

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"granary/tenant"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fair makes a Fair of bytes in which each tenant has the share.
func fair(units, kept, least, quantum int64, share Share) *Fair {
	return NewFair(FairOptions{Units: units, Kept: kept, Least: least, Quantum: quantum, Setting: "s.bytes", SettingShare: "s.queue", SettingLength: "s.length",
		Share: func(tenant.ID) (Share, bool) { return share, true }})
}

func TestRoom(t *testing.T) {
	f := fair(10, 0, 0, 1, Share{Wait: time.Second})
	q := f.Queue("a")
	var a, b Ticket
	if err := errors.Join(q.Enter(t.Context(), &a, 4), q.Enter(t.Context(), &b, 5), b.Grow(t.Context(), 1)); err != nil {
		t.Fatal(err)
	}
	if got := q.Stats(); got.Held != 10 || got.Queued != 2 || got.InProgress != 0 || got.Waited != 0 {
		t.Errorf("%+v", got)
	}
	a.Leave()
	b.Leave()
	b.Leave() // twice is once
	if got := q.Stats(); got.Held != 0 || got.Queued != 0 {
		t.Errorf("%+v", got)
	}
	if err := q.Enter(t.Context(), &a, 11); err == nil || errors.Is(err, ErrFull) || err.Error() != "queue: 11 units never fit into 10" {
		t.Errorf("more than fits: %v", err)
	}
	if err := q.Enter(t.Context(), &a, 3); err != nil {
		t.Error(err)
	}
	if err := a.Grow(t.Context(), 8); err == nil || err.Error() != "queue: 11 units never fit into 10" {
		t.Errorf("more than fits: %v", err)
	}
	a.Leave()
	if got := f.Total(); got != (Stats{Refused: 2}) {
		t.Errorf("%+v", got)
	}
}

// TestPass lets a request through once, however often it asks, and through a gate that there is not.
func TestPass(t *testing.T) {
	f := fair(1, 0, 0, 1, Share{})
	var a, b Ticket
	ctx, err := f.Pass(t.Context(), "a", &a)
	if err != nil || From(ctx) != &a {
		t.Fatal(ctx, err)
	}
	if again, err := f.Pass(ctx, "a", &a); err != nil || again != ctx || a.Held() != 1 {
		t.Errorf("%v, %v, %d units", again, err, a.Held())
	}
	if ctx, err := f.Pass(t.Context(), "b", &b); !errors.Is(err, ErrFull) || From(ctx) != nil {
		t.Errorf("%v, %v", ctx, err)
	}
	a.Leave()
	b.Leave()
	var none *Fair
	if ctx, err := none.Pass(t.Context(), "a", &a); err != nil || From(ctx) != nil {
		t.Errorf("%v, %v", ctx, err)
	}
	a.Leave()
}

func TestNoBound(t *testing.T) {
	f := NewFair(FairOptions{})
	var a, b Ticket
	q := f.Queue("a")
	if err := errors.Join(q.Enter(t.Context(), &a, unbounded-1), a.Grow(t.Context(), 1)); err != nil {
		t.Error(err)
	}
	if err := q.Enter(t.Context(), &b, 1); !errors.Is(err, ErrFull) {
		t.Errorf("beyond the end of int64: %v", err)
	}
	if err := a.Grow(t.Context(), 1); err == nil {
		t.Error("beyond the end of int64")
	}
	a.Leave()
}

func TestWaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fair(1, 0, 0, 1, Share{Wait: 2 * time.Second})
		q := f.Queue("a")
		var in, waits Ticket
		if err := q.Enter(t.Context(), &in, 1); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		err := q.Enter(t.Context(), &waits, 1)
		if !errors.Is(err, ErrFull) || time.Since(start) != 2*time.Second || err.Error() != "request bodies in work would exceed 1 bytes (setting s.bytes), try again" {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		gone := errors.New("gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(gone) })
		start = time.Now()
		if err := q.Enter(ctx, &waits, 1); !errors.Is(err, gone) || time.Since(start) != time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		if got := q.Stats(); got.Held != 1 || got.Waited != 2 || got.Refused != 1 || got.Queued != 1 || waits != (Ticket{}) || got.Delay != 3*time.Second {
			t.Errorf("%+v, %+v", got, waits)
		}
		time.AfterFunc(time.Minute, in.Leave)
		start = time.Now()
		if err := q.Await(t.Context(), &waits, 1); err != nil || time.Since(start) != time.Minute {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		waits.Leave()
	})
}

// line lets calls wait one behind the other and sees which have gone in.
type line struct {
	t     *testing.T
	mu    sync.Mutex
	order []string
}

func (l *line) wait(name string, call func(ctx context.Context) error) {
	go func() {
		if err := call(l.t.Context()); err != nil {
			l.t.Error(name, err)
		}
		l.mu.Lock()
		l.order = append(l.order, name)
		l.mu.Unlock()
	}()
	synctest.Wait()
}

func (l *line) enter(name string, q *Queue, t *Ticket, n int64) {
	l.wait(name, func(ctx context.Context) error { return q.Enter(ctx, t, n) })
}

func (l *line) in(want ...string) {
	l.t.Helper()
	synctest.Wait()
	slices.Sort(l.order) // who goes in at the same moment may speak in any order
	if !slices.Equal(l.order, want) {
		l.t.Errorf("in came %q, want %q", l.order, want)
	}
	l.order = nil
}

// TestOrder: who waits goes in by turn, also if something smaller behind would fit.
func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, calls := fair(10, 0, 0, 1, Share{Wait: time.Hour}).Queue("a"), &line{t: t}
		var a, b, large, small Ticket
		if err := errors.Join(q.Enter(t.Context(), &a, 2), q.Enter(t.Context(), &b, 7)); err != nil {
			t.Fatal(err)
		}
		calls.enter("large", q, &large, 6)
		calls.enter("small", q, &small, 1)
		calls.in()
		a.Leave() // 7 are inside: the small one would fit
		calls.in()
		b.Leave()
		calls.in("large", "small")
		if st := q.Stats(); st.Held != 7 || st.Waiting != 0 || st.Waited != 2 {
			t.Errorf("%+v", st)
		}
	})
}

// TestGrow: what is inside goes first, and does not wait for others that want to grow.
func TestGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, calls := fair(10, 0, 0, 1, Share{Wait: time.Hour}).Queue("a"), &line{t: t}
		var a, b, c, late Ticket
		grow := func(name string, ticket *Ticket, n int64) {
			calls.wait(name, func(ctx context.Context) error { return ticket.Grow(ctx, n) })
		}
		for _, ticket := range []*Ticket{&a, &b, &c} {
			if err := q.Enter(t.Context(), ticket, 3); err != nil {
				t.Fatal(err)
			}
		}
		calls.enter("late", q, &late, 2)
		grow("a", &a, 4) // 13 inside: a may pass the bound
		calls.in("a")
		grow("b", &b, 4)
		grow("c", &c, 1)
		calls.in()
		grow("a again", &a, 3) // 16
		calls.in("a again")
		a.Leave() // 6 inside, room for b and not for c behind it, which may pass now
		calls.in("b", "c")
		b.Leave()
		calls.in("late")
		c.Leave()
		late.Leave()
		if st := q.Stats(); st.Held != 0 || st.Waiting != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// TestGivenUp: room that was kept for a call that gives up goes to the next ones.
func TestGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, calls := fair(10, 0, 0, 1, Share{Wait: time.Hour}).Queue("a"), &line{t: t}
		var a, large Ticket
		if err := q.Enter(t.Context(), &a, 5); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			if err := q.Enter(ctx, &large, 9); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}()
		synctest.Wait()
		var rest [6]Ticket
		for i := range rest {
			calls.enter("rest", q, &rest[i], 1)
		}
		calls.in()
		cancel()
		calls.in("rest", "rest", "rest", "rest", "rest")
		a.Leave()
		calls.in("rest")
	})
}

// TestRoomIsKept: a tenant alone may fill the whole, and others that want little find room at once nevertheless.
func TestRoomIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fair(100, 20, 8, 10, Share{Wait: time.Hour})
		a, b, c := f.Queue("a"), f.Queue("b"), f.Queue("c")
		calls := &line{t: t}
		var flood, more, one, two, three, four, five Ticket
		if err := a.Enter(t.Context(), &flood, 100); err != nil {
			t.Fatal(err)
		}
		calls.enter("more", a, &more, 1) // nothing is kept for who has the rest
		calls.in()
		calls.enter("one", b, &one, 5)
		calls.enter("two", b, &two, 3)
		calls.in("one", "two")
		calls.enter("three", b, &three, 1) // beyond what b may have of it
		calls.enter("four", c, &four, 8)
		calls.in("four")
		two.Leave()
		calls.in("three")
		calls.enter("five", f.Queue("d"), &five, 8) // 14 of 20 are used
		calls.in()
		one.Leave()
		calls.in("five")
		flood.Leave()
		calls.in("more")
		for _, x := range []*Ticket{&more, &three, &four, &five} {
			x.Leave()
		}
		if st := f.Total(); st.Held != 0 || st.Waiting != 0 || f.room.keptHeld != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// TestBoundOfATenant: one that has its share waits, and nobody behind it does.
func TestBoundOfATenant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFair(FairOptions{Units: 100, Quantum: 10, SettingShare: "s.queue", SettingLength: "s.length", Share: func(id tenant.ID) (Share, bool) {
			return map[tenant.ID]Share{"a": {Units: 10, Length: 1, Wait: time.Minute}, "b": {Wait: time.Minute}}[id], id != "x"
		}})
		a, b, calls := f.Queue("a"), f.Queue("b"), &line{t: t}
		var one, two, three, other Ticket
		if err := a.Enter(t.Context(), &one, 8); err != nil {
			t.Fatal(err)
		}
		calls.enter("two", a, &two, 8)
		calls.in()
		err := a.Enter(t.Context(), &three, 1)
		if !errors.Is(err, ErrFull) || err.Error() != "1 writes wait already, which is the limit of the tenant (setting s.length); try again" {
			t.Error(err)
		}
		calls.enter("other", b, &other, 50)
		calls.in("other")
		one.Leave()
		calls.in("two")
		if err := a.Enter(t.Context(), &three, 11); err == nil || errors.Is(err, ErrFull) {
			t.Error(err)
		}
		if err := a.Enter(t.Context(), &three, 3); !errors.Is(err, ErrFull) || err.Error() != "request bodies of the tenant in work would exceed 10 bytes (setting s.queue), try again" {
			t.Error(err)
		}
		two.Leave()
		other.Leave()
		if a.Max() != 10 || b.Max() != 100 || f.Queue("x") != f.Queue("") {
			t.Error(a.Max(), b.Max())
		}
		if st := f.Total(); st.Held != 0 || st.Waiting != 0 || st.Refused != 3 {
			t.Errorf("%+v", st)
		}
	})
}

// TestAside: a place that is given up for a while is somebody else's meanwhile, and is there again at once.
func TestAside(t *testing.T) {
	f := NewFair(FairOptions{Kind: Queries, Units: 1})
	q := f.Queue("a")
	var a, b, c Ticket
	if err := q.Enter(t.Context(), &a, 1); err != nil {
		t.Fatal(err)
	}
	a.StepAside()
	if err := q.Enter(t.Context(), &b, 1); err != nil {
		t.Fatal(err)
	}
	b.StepAside() // as many as there are have stepped aside already
	if err := q.Enter(t.Context(), &c, 1); !errors.Is(err, ErrFull) {
		t.Error(err)
	}
	b.StepBack()
	a.StepBack()
	if st := q.Stats(); st.Held != 2 || st.InProgress != 2 {
		t.Errorf("%+v", st)
	}
	a.StepAside()
	a.Leave()
	b.Leave()
	if st := q.Stats(); st.Held != 0 || st.InProgress != 0 || f.room.paused != 0 {
		t.Errorf("%+v", st)
	}
}

// TestTidy: a queue is forgotten when nobody has asked for it from one call to the next, unless work is in it or it has figures.
func TestTidy(t *testing.T) {
	f := fair(10, 0, 0, 1, Share{})
	idle, busy, full := f.Queue("idle"), f.Queue("busy"), f.Queue("full")
	var held, none Ticket
	if err := busy.Enter(t.Context(), &held, 4); err != nil {
		t.Fatal(err)
	}
	if err := full.Enter(t.Context(), &none, 11); err == nil {
		t.Fatal("more than there is")
	}
	f.Tidy()
	if f.Queue("idle") != idle {
		t.Error("a queue that was just asked for is forgotten")
	}
	f.Tidy()
	f.Tidy()
	if n := len(f.queues); n != 2 || f.Queue("busy") != busy || f.Queue("full") != full {
		t.Errorf("%d queues are left", n)
	}
	held.Leave()
	f.Tidy()
	f.Tidy()
	if n := len(f.queues); n != 1 || f.Queue("idle") == idle {
		t.Errorf("%d queues are left", n)
	}
	if got := f.Total(); got != (Stats{Refused: 1}) {
		t.Errorf("%+v", got)
	}
}
