package tenant

import (
	"math/big"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// model is a bucket in exact numbers: samples times nanoseconds.
type model struct {
	level *big.Int // of 1e9ths
	at    int64
}

func (m *model) fill(now, rate, burst int64) {
	full := new(big.Int).Mul(big.NewInt(burst), big.NewInt(1e9))
	if m.level == nil {
		m.level = new(big.Int).Set(full)
	} else if now > m.at {
		m.level.Add(m.level, new(big.Int).Mul(big.NewInt(now-m.at), big.NewInt(rate)))
	}
	m.at = max(m.at, now)
	if m.level.Cmp(full) > 0 {
		m.level.Set(full)
	}
}

func (m *model) charge(n int64) {
	m.level.Sub(m.level, new(big.Int).Mul(big.NewInt(n), big.NewInt(1e9)))
}

// TestRateModel holds a bucket against the exact one through random charges, pauses, changes of the rate and clocks that step
// back a little.
func TestRateModel(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		var b Rate
		var m model
		rate, burst := 1+r.Int64N(1e5), 1+r.Int64N(1e6)
		for at := now; at < now+3e12; at += r.Int64N(1e10) {
			if r.IntN(50) == 0 {
				rate, burst = 1+r.Int64N(1e5), 1+r.Int64N(1e6)
			}
			seen := at - r.Int64N(2)*r.Int64N(second/2)
			if n := r.Int64N(2 * burst); r.IntN(2) == 0 {
				b.Charge(seen, rate, burst, n)
				m.fill(seen, rate, burst)
				m.charge(n)
			}
			m.fill(seen, rate, burst)
			exact, _ := new(big.Rat).SetFrac(m.level, big.NewInt(1e9)).Float64()
			got := float64(b.Level(seen, rate, burst))
			if d := got - exact; d > 1e-3 || d < -1.001 {
				t.Fatalf("seed %d: %v is in it, not %v", seed, got, exact)
			}
			wait := b.Wait(seen, rate, burst)
			if (wait > 0) != (exact < 0) && (exact > 1e-3 || exact < -1e-3) {
				t.Fatalf("seed %d: wait %v at a level of %v", seed, wait, exact)
			}
			if owed := time.Duration(-exact / float64(rate) * 1e9); wait > 0 && (wait-owed).Abs() > time.Millisecond {
				t.Fatalf("seed %d: wait %v, not %v", seed, wait, owed)
			}
		}
	}
}

// TestRateWait: the wait that is told is enough, and not more than that.
func TestRateWait(t *testing.T) {
	var b Rate
	b.Charge(now, 100, 500, 1500)
	wait := b.Wait(now, 100, 500)
	if wait != 10*time.Second {
		t.Fatal(wait)
	}
	if w := b.Wait(now+int64(wait)-int64(time.Millisecond), 100, 500); w <= 0 {
		t.Error("it is over too early")
	}
	if w := b.Wait(now+int64(wait), 100, 500); w != 0 {
		t.Errorf("%v are left", w)
	}
	b.Charge(now+int64(wait), 100, 500, 1000)
	if w := b.Wait(now+int64(wait), 200, 500); w != 5*time.Second {
		t.Errorf("a higher rate is not in force: %v", w)
	}
	if w := b.Wait(now-int64(time.Hour), 200, 500); w != 5*time.Second {
		t.Errorf("a clock that was set back: %v", w)
	}
	if w := b.Wait(now-int64(time.Hour)+5*second, 200, 500); w != 0 {
		t.Errorf("a clock that was set back stands still: %v", w)
	}
	if w := b.Wait(now, 0, 0); w != 0 || b.Level(now, 0, 0) != 0 || b.Take(now, 0, 0, 1) != 0 {
		t.Error("no rate is a rate")
	}
}

// TestRateOfMany: whoever takes without debt, from many sides at the same time, takes no more than rate and burst allow.
func TestRateOfMany(t *testing.T) {
	var b Rate
	var clock, taken atomic.Int64
	clock.Store(now)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 5000 {
				if b.Take(clock.Add(1e4), 10_000, 50, 3) == 0 {
					taken.Add(3)
				}
			}
		})
	}
	wg.Wait()
	// 0.4 seconds of 10,000, and the burst.
	if n := taken.Load(); n < 3900 || n > 4050 {
		t.Errorf("%d were taken", n)
	}
	var small Rate
	if small.Take(now, 10, 2, 5) != 0 { // more than the burst comes when it is full
		t.Error("what is larger than the burst never comes")
	}
	if w := small.Take(now, 10, 2, 5); w != 500*time.Millisecond {
		t.Errorf("wait %v", w)
	}
}

func BenchmarkRate(b *testing.B) {
	var r Rate
	for at := now; b.Loop(); at += 1e6 {
		if r.Wait(at, 1e6, 1e6) == 0 {
			r.Charge(at, 1e6, 1e6, 1000)
		}
	}
}
