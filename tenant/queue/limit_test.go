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
	for _, n := range []int64{4, 6, 0} {
		if err := l.Enter(t.Context(), n); err != nil {
			t.Fatalf("%d: %v", n, err)
		}
	}
	if got, want := l.Stats(), (Stats{Held: 10}); got != want {
		t.Errorf("%+v", got)
	}
	l.Leave(10)
	if err := l.Enter(t.Context(), 11); err == nil || errors.Is(err, ErrFull) || err.Error() != "queue: 11 units never fit into 10" {
		t.Errorf("more than fits: %v", err)
	}
	if got, want := l.Stats(), (Stats{Refused: 1}); got != want {
		t.Errorf("%+v", got)
	}
	if NewLimit(0, 0).Max() != math.MaxInt64 || l.Max() != 10 {
		t.Error("Max")
	}
	none := NewLimit(0, 0)
	if err := errors.Join(none.Enter(t.Context(), math.MaxInt64-1), none.Grow(t.Context(), 1)); err != nil {
		t.Error(err)
	}
	if err := none.Enter(t.Context(), 1); !errors.Is(err, ErrFull) {
		t.Errorf("beyond the end of int64: %v", err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("more may leave than entered")
			}
		}()
		l.Leave(1)
	}()
}

func TestNoWait(t *testing.T) {
	l := NewLimit(1, 0)
	if err := l.Enter(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if err := l.Enter(t.Context(), 1); !errors.Is(err, ErrFull) {
		t.Error(err)
	}
}

func TestWaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimit(1, 2*time.Second)
		if err := l.Enter(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := l.Enter(t.Context(), 1); !errors.Is(err, ErrFull) || time.Since(start) != 2*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		gone := errors.New("gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(gone) })
		start = time.Now()
		if err := l.Enter(ctx, 1); !errors.Is(err, gone) || time.Since(start) != time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		if got, want := l.Stats(), (Stats{Held: 1, Waited: 2, Refused: 1}); got != want {
			t.Errorf("%+v", got)
		}
		time.AfterFunc(time.Second, func() { l.Leave(1) })
		start = time.Now()
		if err := l.Enter(t.Context(), 1); err != nil || time.Since(start) != time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

// TestOrder: who waits goes in by turn, also if something smaller behind would fit; what grows goes first.
func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimit(10, time.Hour)
		if err := l.Enter(t.Context(), 8); err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var order []string
		wait := func(name string, n int64, take func(context.Context, int64) error) {
			go func() {
				if err := take(t.Context(), n); err != nil {
					t.Error(name, err)
				}
				mu.Lock()
				order = append(order, name)
				mu.Unlock()
			}()
			synctest.Wait()
		}
		in := func(want ...string) {
			t.Helper()
			synctest.Wait()
			if !slices.Equal(order, want) {
				t.Errorf("in came %q, want %q", order, want)
			}
			order = nil
		}
		wait("large", 5, l.Enter)
		wait("small", 1, l.Enter)
		wait("grows", 4, l.Grow)
		wait("grows too", 1, l.Grow)
		in()
		l.Leave(2) // 6 inside
		in("grows")
		l.Leave(1)
		in("grows too")
		l.Leave(5) // 5 inside
		in("large")
		wait("grows last", 2, l.Grow)
		l.Leave(1) // 9 inside: room for the small one, whose turn it is not
		in()
		l.Leave(1)
		in("grows last")
		l.Leave(1)
		in("small")
	})
}

// TestGivenUp: room that was kept for a call that gives up goes to the next ones.
func TestGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimit(10, time.Hour)
		if err := l.Enter(t.Context(), 5); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var in atomic.Int64
		go func() {
			if err := l.Enter(ctx, 9); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}()
		synctest.Wait()
		for range 5 {
			go func() {
				if err := l.Enter(t.Context(), 1); err != nil {
					t.Error(err)
				}
				in.Add(1)
			}()
		}
		synctest.Wait()
		if in.Load() != 0 {
			t.Errorf("%d went in before their turn", in.Load())
		}
		cancel()
		synctest.Wait()
		if in.Load() != 5 || l.Stats().Held != 10 || l.Stats().Waiting != 0 {
			t.Errorf("%d went in, %+v", in.Load(), l.Stats())
		}
	})
}

// TestManyGoroutines: the bound holds at every moment, and in the end everything is given back.
func TestManyGoroutines(t *testing.T) {
	const max = 100
	l := NewLimit(max, time.Millisecond)
	var inside, passed atomic.Int64
	var wg sync.WaitGroup
	for g := range 32 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 1))
			for range 500 {
				ctx, cancel := context.WithCancel(t.Context())
				if r.IntN(4) == 0 {
					go cancel()
				}
				n := 1 + r.Int64N(max/2)
				if l.Enter(ctx, n) == nil {
					if v := inside.Add(n); v > max {
						t.Errorf("%d units inside", v)
					}
					if more := 1 + r.Int64N(max/2); l.Grow(ctx, more) == nil {
						if v := inside.Add(more); v > max {
							t.Errorf("%d units inside", v)
						}
						n += more
					}
					inside.Add(-n)
					l.Leave(n)
					passed.Add(1)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	if st := l.Stats(); st.Held != 0 || st.Waiting != 0 || passed.Load() == 0 {
		t.Errorf("%+v, %d passed", st, passed.Load())
	}
}

func BenchmarkEnterLeave(b *testing.B) {
	l := NewLimit(1<<30, time.Second)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if err := l.Enter(ctx, 1000); err != nil {
			b.Fatal(err)
		}
		l.Leave(1000)
	}
}

// TestNoAllocation: a gate with room costs no memory.
func TestNoAllocation(t *testing.T) {
	l := NewLimit(10, time.Second)
	if n := testing.AllocsPerRun(100, func() {
		if l.Enter(t.Context(), 5) != nil || l.Grow(t.Context(), 5) != nil {
			t.Error("no room")
		}
		l.Leave(10)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
