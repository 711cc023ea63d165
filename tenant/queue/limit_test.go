package queue

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var _ Gate = (*Limit)(nil)

func TestRoom(t *testing.T) {
	l := NewLimit(10, time.Second)
	var a, b Ticket
	if err := errors.Join(l.Enter(t.Context(), &a, 4), l.Enter(t.Context(), &b, 5), l.Grow(t.Context(), &b, 1)); err != nil {
		t.Fatal(err)
	}
	if got, want := l.Stats(), (Stats{Held: 10}); got != want {
		t.Errorf("%+v", got)
	}
	l.Leave(&a)
	if got, want := l.Stats(), (Stats{Held: 6}); got != want {
		t.Errorf("%+v", got)
	}
	l.Leave(&b)
	l.Leave(&b) // twice is once
	if err := l.Enter(t.Context(), &a, 11); err == nil || errors.Is(err, ErrFull) || err.Error() != "queue: 11 units never fit into 10" {
		t.Errorf("more than fits: %v", err)
	}
	if err := l.Enter(t.Context(), &a, 3); err != nil {
		t.Error(err)
	}
	if err := l.Grow(t.Context(), &a, 8); err == nil || err.Error() != "queue: 11 units never fit into 10" {
		t.Errorf("more than fits: %v", err)
	}
	if got, want := l.Stats(), (Stats{Held: 3, Refused: 2}); got != want {
		t.Errorf("%+v", got)
	}
}

func TestNoBound(t *testing.T) {
	l := NewLimit(0, 0)
	if l.Max() != math.MaxInt64 {
		t.Error(l.Max())
	}
	var a, b Ticket
	if err := errors.Join(l.Enter(t.Context(), &a, math.MaxInt64-1), l.Grow(t.Context(), &a, 1)); err != nil {
		t.Error(err)
	}
	if err := l.Enter(t.Context(), &b, 1); !errors.Is(err, ErrFull) {
		t.Errorf("beyond the end of int64: %v", err)
	}
	if err := l.Grow(t.Context(), &a, 1); err == nil {
		t.Error("beyond the end of int64")
	}
}

func TestNoWait(t *testing.T) {
	l := NewLimit(1, 0)
	var a, b Ticket
	if err := l.Enter(t.Context(), &a, 1); err != nil {
		t.Fatal(err)
	}
	if err := l.Enter(t.Context(), &b, 1); !errors.Is(err, ErrFull) {
		t.Error(err)
	}
}

func TestWaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimit(1, 2*time.Second)
		var in, waits Ticket
		if err := l.Enter(t.Context(), &in, 1); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := l.Enter(t.Context(), &waits, 1); !errors.Is(err, ErrFull) || time.Since(start) != 2*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		gone := errors.New("gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(gone) })
		start = time.Now()
		if err := l.Enter(ctx, &waits, 1); !errors.Is(err, gone) || time.Since(start) != time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		if got, want := l.Stats(), (Stats{Held: 1, Waited: 2, Refused: 1}); got != want || waits != (Ticket{}) {
			t.Errorf("%+v, %+v", got, waits)
		}
		time.AfterFunc(time.Second, func() { l.Leave(&in) })
		start = time.Now()
		if err := l.Enter(t.Context(), &waits, 1); err != nil || time.Since(start) != time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

// line lets calls wait one behind the other and sees which have gone in.
type line struct {
	t     *testing.T
	mu    sync.Mutex
	order []string
}

func (l *line) wait(name string, ticket *Ticket, n int64, take func(context.Context, *Ticket, int64) error) {
	go func() {
		if err := take(l.t.Context(), ticket, n); err != nil {
			l.t.Error(name, err)
		}
		l.mu.Lock()
		l.order = append(l.order, name)
		l.mu.Unlock()
	}()
	synctest.Wait()
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
		l, calls := NewLimit(10, time.Hour), &line{t: t}
		var a, b, large, small Ticket
		if err := errors.Join(l.Enter(t.Context(), &a, 2), l.Enter(t.Context(), &b, 7)); err != nil {
			t.Fatal(err)
		}
		calls.wait("large", &large, 6, l.Enter)
		calls.wait("small", &small, 1, l.Enter)
		calls.in()
		l.Leave(&a) // 7 are inside: the small one would fit
		calls.in()
		l.Leave(&b)
		calls.in("large", "small")
		if st := l.Stats(); st.Held != 7 || st.Waiting != 0 || st.Waited != 2 {
			t.Errorf("%+v", st)
		}
	})
}

// TestGrow: what is inside goes first, and does not wait for others that want to grow.
func TestGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, calls := NewLimit(10, time.Hour), &line{t: t}
		var a, b, c, late Ticket
		for _, ticket := range []*Ticket{&a, &b, &c} {
			if err := l.Enter(t.Context(), ticket, 3); err != nil {
				t.Fatal(err)
			}
		}
		calls.wait("late", &late, 2, l.Enter)
		calls.wait("a", &a, 4, l.Grow) // 13 inside: a may pass the bound
		calls.in("a")
		calls.wait("b", &b, 4, l.Grow)
		calls.wait("c", &c, 1, l.Grow)
		calls.in()
		calls.wait("a again", &a, 3, l.Grow) // 16
		calls.in("a again")
		l.Leave(&a) // 6 inside, room for b and not for c behind it, which may pass now
		calls.in("b", "c")
		l.Leave(&b)
		calls.in("late")
		l.Leave(&c)
		l.Leave(&late)
		if st := l.Stats(); st.Held != 0 || st.Waiting != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// TestGivenUp: room that was kept for a call that gives up goes to the next ones.
func TestGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, calls := NewLimit(10, time.Hour), &line{t: t}
		var a, large Ticket
		if err := l.Enter(t.Context(), &a, 5); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			if err := l.Enter(ctx, &large, 9); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}()
		synctest.Wait()
		var rest [6]Ticket
		for i := range rest {
			calls.wait("rest", &rest[i], 1, l.Enter)
		}
		calls.in()
		cancel()
		calls.in("rest", "rest", "rest", "rest", "rest")
		l.Leave(&a)
		calls.in("rest")
	})
}

// TestManyGoroutines: the bound holds at every moment, but for one that grows, and in the end everything is given back.
func TestManyGoroutines(t *testing.T) {
	const max = 100
	l := NewLimit(max, time.Millisecond)
	var passed atomic.Int64
	var wg sync.WaitGroup
	for g := range 32 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 1))
			for range 500 {
				ctx, cancel := context.WithCancel(t.Context())
				if r.IntN(4) == 0 {
					go cancel()
				}
				var ticket Ticket
				n, more := 1+r.Int64N(max/2), int64(0)
				if l.Enter(ctx, &ticket, n) == nil {
					if r.IntN(2) == 0 {
						if more = 1 + r.Int64N(max/2); l.Grow(ctx, &ticket, more) != nil {
							more = 0
						}
					}
					if ticket.units != n+more {
						t.Errorf("%d units held after %d and %d", ticket.units, n, more)
					}
					if held := l.Stats().Held; held > 2*max {
						t.Errorf("%d units inside", held)
					}
					l.Leave(&ticket)
					passed.Add(1)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	if st := l.Stats(); st.Held != 0 || st.Waiting != 0 || l.over != nil || passed.Load() == 0 {
		t.Errorf("%+v, %d passed", st, passed.Load())
	}
}

// TestBound: without growth no more than the bound is inside.
func TestBound(t *testing.T) {
	const max = 100
	l := NewLimit(max, time.Minute)
	var inside atomic.Int64
	var wg sync.WaitGroup
	for g := range 32 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 2))
			for range 500 {
				var ticket Ticket
				n := 1 + r.Int64N(max)
				if err := l.Enter(t.Context(), &ticket, n); err != nil {
					t.Error(err)
					return
				}
				if v := inside.Add(n); v > max {
					t.Errorf("%d units inside", v)
				}
				inside.Add(-n)
				l.Leave(&ticket)
			}
		})
	}
	wg.Wait()
}

// TestNoAllocation: a gate with room costs no memory.
func TestNoAllocation(t *testing.T) {
	l := NewLimit(10, time.Second)
	var ticket Ticket
	if n := testing.AllocsPerRun(100, func() {
		if l.Enter(t.Context(), &ticket, 5) != nil || l.Grow(t.Context(), &ticket, 5) != nil {
			t.Error("no room")
		}
		l.Leave(&ticket)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkEnterLeave(b *testing.B) {
	l := NewLimit(1<<30, time.Second)
	ctx := b.Context()
	var ticket Ticket
	b.ReportAllocs()
	for b.Loop() {
		if err := l.Enter(ctx, &ticket, 1000); err != nil {
			b.Fatal(err)
		}
		l.Leave(&ticket)
	}
}
