package queue

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"granary/tenant"
)

// crowd is goroutines that work for tenants on one set of turns, a piece a time, and wait between pieces for the clock of the
// test: a unit of work is a nanosecond of it.
type crowd struct {
	t     *testing.T
	fair  *Fair
	turns *Turns
	mu    sync.Mutex
	done  map[tenant.ID]int64
	until time.Time
}

func newCrowd(t *testing.T, workers int, share func(id tenant.ID) Share) *crowd {
	turns := NewTurns(workers, 1000)
	f := NewFair(FairOptions{Kind: Queries, Turns: turns, Share: func(id tenant.ID) (Share, bool) { return share(id), true }})
	return &crowd{t: t, fair: f, turns: turns, done: map[tenant.ID]int64{}}
}

// work works until the end in pieces of so much, with a turn held for so many pieces.
func (c *crowd) work(id tenant.ID, piece int64, pieces int) {
	var ticket Ticket
	if err := c.fair.Queue(id).Enter(c.t.Context(), &ticket, 1); err != nil {
		c.t.Error(err)
		return
	}
	defer ticket.Leave()
	turn := ticket.Turn()
	for time.Now().Before(c.until) {
		if err := turn.Begin(c.t.Context()); err != nil {
			c.t.Error(err)
			return
		}
		for range pieces {
			time.Sleep(time.Duration(piece)) // the clock of the bubble
			if !time.Now().Before(c.until) {
				break
			}
			c.mu.Lock()
			c.done[id] += piece
			c.mu.Unlock()
			turn.Spent(piece)
		}
		turn.End()
	}
}

// TestTurnsAreFair: what tenants get of the processors follows their weights alone, whatever the number of their goroutines and
// the size of their pieces.
func TestTurnsAreFair(t *testing.T) {
	for workers := 1; workers <= 3; workers++ {
		t.Run(fmt.Sprint(workers), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCrowd(t, workers, func(id tenant.ID) Share { return Share{Weight: map[tenant.ID]int64{"heavy": 3}[id]} })
				c.until = time.Now().Add(3 * time.Millisecond)
				var all sync.WaitGroup
				for range 32 {
					all.Go(func() { c.work("flood", 700, 100) })
				}
				for range workers {
					all.Go(func() { c.work("plain", 100, 1000) })
				}
				for range 2 * workers { // one of a tenant that always has two begins when the other ends
					all.Go(func() { c.work("short", 300, 2) })
				}
				for range 3 * workers {
					all.Go(func() { c.work("heavy", 250, 20) })
				}
				all.Wait()
				// Six shares in all.
				share := float64(workers) * 3e6 / 6
				for id, want := range map[tenant.ID]float64{"flood": share, "plain": share, "short": share, "heavy": 3 * share} {
					if got := float64(c.done[id]); got < 0.85*want || got > 1.2*want {
						t.Errorf("%s worked %.0f, its share is %.0f (%v)", id, got, want, c.done)
					}
				}
				if waiting, taken := c.turns.Waiting(); waiting != 0 || taken != 0 {
					t.Errorf("%d wait, %d are taken", waiting, taken)
				}
			})
		})
	}
}

// TestLittleWorkHardlyWaits: who wants a turn now and then waits for no more than what is being done at this moment, however many
// others want theirs.
func TestLittleWorkHardlyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, 2, func(tenant.ID) Share { return Share{} })
		c.until = time.Now().Add(5 * time.Millisecond)
		var all sync.WaitGroup
		for range 32 {
			all.Go(func() { c.work("flood", 500, 1000) })
		}
		all.Go(func() {
			var ticket Ticket
			if err := c.fair.Queue("quiet").Enter(t.Context(), &ticket, 1); err != nil {
				t.Error(err)
				return
			}
			defer ticket.Leave()
			for time.Now().Before(c.until) {
				turn := ticket.Turn()
				began := time.Now()
				if err := turn.Begin(t.Context()); err != nil {
					t.Error(err)
				}
				if waited := time.Since(began); waited > 1500 {
					t.Errorf("waited %v", waited)
				}
				time.Sleep(300)
				turn.Spent(300)
				turn.End()
				time.Sleep(20_000)
			}
		})
		all.Wait()
	})
}

// TestAloneIsFree: where nobody else waits, nothing is counted, and no turn ends.
func TestAloneIsFree(t *testing.T) {
	c := newCrowd(t, 1, func(tenant.ID) Share { return Share{} })
	var a, b Ticket
	q := c.fair.Queue("a")
	if err := errors.Join(q.Enter(t.Context(), &a, 1), c.fair.Queue("b").Enter(t.Context(), &b, 1)); err != nil {
		t.Fatal(err)
	}
	one, other := a.Turn(), b.Turn()
	if n := testing.AllocsPerRun(100, func() {
		if err := one.Begin(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range 100 {
			one.Spent(900)
		}
		one.End()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if err := one.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	one.Spent(1 << 40)
	got := make(chan error)
	go func() { got <- other.Begin(context.Background()) }()
	for waiting := 0; waiting == 0; waiting, _ = c.turns.Waiting() {
	}
	one.Spent(1) // a quantum is not used up
	select {
	case <-got:
		t.Error("a turn was taken")
	default:
	}
	one.End()
	if err := <-got; err != nil {
		t.Fatal(err)
	}
	other.End()
	a.Leave()
	b.Leave()
}

// TestFirstTurnInTime: the first turn of a write comes within the time that it may wait, or not at all; later ones come late.
func TestFirstTurnInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFair(FairOptions{Units: 100, Turns: NewTurns(1, 1000), SettingWait: "s.wait", SettingLength: "s.length",
			Share: func(tenant.ID) (Share, bool) { return Share{Wait: time.Second, Length: 1}, true }})
		var a, b, c, d Ticket
		q := f.Queue("a")
		for _, ticket := range []*Ticket{&a, &b, &c} {
			if err := q.Enter(t.Context(), ticket, 1); err != nil {
				t.Fatal(err)
			}
		}
		if err := q.Await(t.Context(), &d, 1); err != nil {
			t.Fatal(err)
		}
		one, two, three, four := a.Turn(), b.Turn(), c.Turn(), d.Turn()
		if err := one.Begin(t.Context()); err != nil {
			t.Fatal(err)
		}
		go func() {
			synctest.Wait()
			if err := three.Begin(t.Context()); !errors.Is(err, ErrFull) || err.Error() != "1 writes wait already, which is the limit of the tenant (setting s.length); try again" {
				t.Error(err)
			}
		}()
		if st := q.Stats(); st.Queued != 3 || st.InProgress != 1 {
			t.Errorf("%+v", st)
		}
		err := two.Begin(t.Context())
		if !errors.Is(err, ErrFull) || err.Error() != "the request waited 1s for its turn behind others (setting s.wait); try again" {
			t.Error(err)
		}
		time.AfterFunc(time.Minute, one.End)
		if err := four.Begin(t.Context()); err != nil {
			t.Error(err)
		}
		four.End()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := one.Begin(t.Context()); err != nil {
			t.Error(err)
		}
		if err := four.Begin(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		one.End()
		for _, ticket := range []*Ticket{&a, &b, &c, &d} {
			ticket.Leave()
		}
		if st := q.Stats(); st.Queued != 0 || st.InProgress != 0 || st.Refused != 2 {
			t.Errorf("%+v", st)
		}
	})
}

// TestTurnsOfMany: in real time, with all that can be done to turns, no more are taken than there are, and all are given back.
func TestTurnsOfMany(t *testing.T) {
	const workers = 3
	turns := NewTurns(workers, 50)
	writes := NewFair(FairOptions{Units: 40, Turns: turns, Rows: 20, Share: func(id tenant.ID) (Share, bool) {
		return Share{Wait: 5 * time.Millisecond, Weight: int64(len(id))}, true
	}})
	reads := NewFair(FairOptions{Kind: Queries, Units: 4, Kept: 4, Least: 1, Turns: turns, Share: func(tenant.ID) (Share, bool) { return Share{Wait: 5 * time.Millisecond}, true }})
	var working, storing, done atomic.Int64
	var all sync.WaitGroup
	for g := range 48 {
		all.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 3))
			id := tenant.ID("aaaa"[:1+g%4])
			for range 150 {
				f := []*Fair{writes, reads}[r.IntN(2)]
				ctx, cancel := context.WithCancel(t.Context())
				if r.IntN(4) == 0 {
					go cancel()
				}
				var ticket Ticket
				if f.Queue(id).Enter(ctx, &ticket, 1) == nil {
					turn := ticket.Turn()
					for range r.IntN(4) {
						if turn.Begin(ctx) != nil {
							break
						}
						for range r.IntN(20) {
							if n := working.Add(1); n > workers {
								t.Errorf("%d work", n)
							}
							working.Add(-1)
							turn.Spent(1 + r.Int64N(30))
						}
						turn.End()
						switch n := 1 + r.IntN(30); {
						case f == reads && n%3 == 0:
							ticket.StepAside()
							ticket.StepBack()
						case f == writes && ticket.Store(ctx, n) == nil:
							if n := storing.Add(int64(min(n, 20))); n > 40 {
								t.Errorf("%d samples on their way", n)
							}
							storing.Add(int64(-min(n, 20)))
							ticket.Stored()
						}
					}
					ticket.Leave()
					done.Add(1)
				}
				cancel()
			}
		})
	}
	all.Wait()
	if waiting, taken := turns.Waiting(); waiting != 0 || taken != 0 || turns.pool.active.Load() != 0 {
		t.Errorf("%d wait, %d are taken, %d tenants", waiting, taken, turns.pool.active.Load())
	}
	for _, f := range []*Fair{writes, reads} {
		if st := f.Total(); st.Held != 0 || st.Waiting != 0 || st.Queued != 0 || st.Working != 0 || f.room.held != 0 || f.room.keptHeld != 0 || f.room.paused != 0 ||
			f.rows.held != 0 || f.rows.keptHeld != 0 || f.room.over != nil {
			t.Errorf("%+v, %d and %d", st, f.room.held, f.rows.held)
		}
	}
	if done.Load() == 0 {
		t.Error("nothing was done")
	}
}

func BenchmarkEnterTurnLeave(b *testing.B) {
	f := NewFair(FairOptions{Units: 1 << 30, Rows: DefaultRows, Turns: NewTurns(2, 0)})
	ctx := b.Context()
	var ticket Ticket
	b.ReportAllocs()
	for b.Loop() {
		if err := f.Queue("a").Enter(ctx, &ticket, 1000); err != nil {
			b.Fatal(err)
		}
		turn := ticket.Turn()
		if err := turn.Begin(ctx); err != nil {
			b.Fatal(err)
		}
		turn.Spent(9000)
		turn.End()
		if err := ticket.Store(ctx, 100); err != nil {
			b.Fatal(err)
		}
		ticket.Stored()
		ticket.Leave()
	}
}

func BenchmarkSpentAlone(b *testing.B) {
	f := NewFair(FairOptions{Turns: NewTurns(2, 0)})
	var ticket Ticket
	if err := f.Queue("a").Enter(b.Context(), &ticket, 1); err != nil {
		b.Fatal(err)
	}
	turn := ticket.Turn()
	if err := turn.Begin(b.Context()); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		turn.Spent(DefaultQuantum)
	}
	turn.End()
}
