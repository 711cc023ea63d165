package alerts

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// two is a bed with two alerts, of the metrics a and b, that are ok.
func two(t *testing.T, h Hook) *bed {
	t.Helper()
	return newBed(t, h, Rule{ID: "a", Metrics: []string{"a"}, Higher: new(10.0), Missing: MissingNever}, Rule{ID: "b", Metrics: []string{"b"}, Higher: new(10.0), Missing: MissingNever})
}

// TestToldLater tells a receiver that was away for longer than all attempts how it stands, and no more often than each minute until it is back.
func TestToldLater(t *testing.T) {
	r := newReceiver(t, 503, 503, 503, 503, 200)
	b := two(t, Hook{Server: r.URL, Retries: -1})
	b.put("a", 50)
	b.put("b", 50)
	b.look()
	b.settle(2)
	if s := b.Stats(); s.Lost[LostRetries] != 2 || s.Untold != 2 {
		t.Errorf("%+v", s)
	}
	b.put("b", 1) // nobody knows that it fired, and need not
	b.look()
	b.settle(1)
	b.pass(longestPause - 1)
	b.look()
	if s := b.Stats(); s.Failed != 3 || s.Waiting != 0 || s.Untold != 2 {
		t.Errorf("too early: %+v", s)
	}
	b.pass(1)
	b.look()
	b.settle(1) // one attempt fails, and the other is not made
	if s := b.Stats(); s.Failed != 4 || s.Waiting != 0 || s.Untold != 2 || s.Lost[LostRetries] != 3 {
		t.Errorf("%+v", s)
	}
	b.put("a", 51)
	b.put("b", 2)
	b.pass(longestPause)
	b.look()
	b.settle(2)
	if got, want := r.got(), []string{"b ok", "a firing"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	b.pass(longestPause)
	b.look()
	b.stop()
	if s := b.Stats(); s.Sent != 2 || s.Untold != 0 || s.Lost[LostStopped] != 0 || s.Changes[Firing] != 2 || s.Changes[OK] != 1 {
		t.Errorf("%+v", s)
	}
	if n := strings.Count(b.log.String(), "given up\" alert"); n != 5 { // 3 changes were lost, and 2 alerts told of
		t.Errorf("said %d times: %s", n, b.log)
	}
}

// TestChangeInPlaceOfDebt tells of an alert once if it changes before it could be told of.
func TestChangeInPlaceOfDebt(t *testing.T) {
	r := newReceiver(t, 503, 200)
	b := two(t, Hook{Server: r.URL, Retries: -1})
	b.put("a", 50)
	b.look()
	b.settle(1)
	b.put("a", 1)
	b.look()
	b.settle(1)
	b.look()
	b.stop()
	if got := r.got(); !slices.Equal(got, []string{"a ok"}) {
		t.Errorf("%q", got)
	}
	if s := b.Stats(); s.Untold != 0 {
		t.Errorf("%+v", s)
	}
}

// TestDebtOfQueue tells of an alert whose end had to leave the queue while its beginning was being sent.
func TestDebtOfQueue(t *testing.T) {
	r := newReceiver(t, 503, 200)
	b := two(t, Hook{Server: r.URL, Queue: 2})
	b.put("a", 50)
	b.look()
	<-b.pauses // "a firing" did not arrive
	b.put("a", 1)
	b.look()
	for i := range 2 {
		b.put("b", float64(50-49*i))
		b.look()
	}
	if s := b.Stats(); s.Lost[LostQueue] != 1 || s.Untold != 1 {
		t.Errorf("%+v", s)
	}
	b.pass(longestPause)
	b.look() // what is owed pushes out nothing
	if s := b.Stats(); s.Waiting != 2 || s.Lost[LostQueue] != 1 || s.Untold != 1 {
		t.Errorf("%+v", s)
	}
	close(b.goOn)
	b.settle(3)
	b.look()
	b.settle(1)
	b.stop()
	if got, want := r.got(), []string{"a firing", "b firing", "b ok", "a ok"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestRefusedReminder is the end of it.
func TestRefusedReminder(t *testing.T) {
	r := newReceiver(t, 503, 400)
	b := two(t, Hook{Server: r.URL, Retries: -1})
	b.put("a", 50)
	b.look()
	b.settle(1)
	b.pass(longestPause)
	b.look()
	b.settle(1)
	b.stop()
	if s := b.Stats(); s.Untold != 0 || s.Lost[LostRetries] != 1 || s.Lost[LostRefused] != 0 {
		t.Errorf("%+v", s)
	}
	if text := b.log.String(); !strings.Contains(text, "reason=refused") {
		t.Error(text)
	}
}

// TestOneThatIsNotTaken does not keep others from arriving: a receiver fails for one alert alone.
func TestOneThatIsNotTaken(t *testing.T) {
	r := newReceiver(t, 503, 503, 503, 200, 503, 200)
	b := two(t, Hook{Server: r.URL, Retries: -1})
	b.put("a", 50)
	b.put("b", 50)
	b.look()
	b.settle(2)
	for i, want := range []string{"[]", "[b firing]", "[b firing a firing]"} {
		b.pass(longestPause)
		for _, id := range []string{"a", "b"} {
			b.put(id, 50)
		}
		b.look()
		b.settle([]int{1, 2, 1}[i])
		if got := fmt.Sprint(r.got()); got != want {
			t.Errorf("%d: %s, want %s", i, got, want)
		}
	}
	b.stop()
}

// TestReceiverHoldsWhatIs lets alerts change at random while the receiver fails at random, for one alert or for all: once it takes everything, the last that it was told of
// each alert is how it stands.
func TestReceiverHoldsWhatIs(t *testing.T) {
	const alerts = 6
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var mu sync.Mutex
		var failing func(id string) bool
		held := make(map[string]string)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var a struct{ ID, Status string }
			err := json.NewDecoder(r.Body).Decode(&a)
			mu.Lock()
			defer mu.Unlock()
			if err != nil || failing != nil && failing(a.ID) {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			held[a.ID] = a.Status
		}))
		meet := func(f func(id string) bool) {
			mu.Lock()
			defer mu.Unlock()
			failing = f
		}
		var rules []Rule
		for i := range alerts {
			id := fmt.Sprint("m", i)
			rules = append(rules, Rule{ID: id, Metrics: []string{id}, Higher: new(10.0), Missing: MissingNever})
		}
		b := startBed(t, AtStartAll, Hook{Server: server.URL, Retries: 1, Queue: 1}, rules...)
		close(b.goOn)
		for range 150 {
			switch bad := fmt.Sprint("m", rng.IntN(alerts)); rng.IntN(8) {
			case 0:
				meet(func(string) bool { return true })
			case 1:
				meet(func(id string) bool { return id == bad })
			case 2:
				meet(nil)
			case 3:
				b.pass(time.Duration(rng.Int64N(int64(2 * longestPause))))
			default:
				b.put(bad, float64(rng.IntN(20)))
			}
			b.look()
		}
		meet(nil)
		idle := func() bool {
			b.hook.mu.Lock()
			defer b.hook.mu.Unlock()
			return !b.hook.busy && len(b.hook.waiting) == 0
		}
		for round := 0; ; round++ {
			for !idle() {
				time.Sleep(100 * time.Microsecond)
			}
			if b.Stats().Untold == 0 {
				break
			}
			if round > 2 {
				t.Fatalf("seed %d: %+v", seed, b.Stats())
			}
			b.pass(longestPause)
			b.look()
		}
		b.stop()
		server.Close()
		for _, a := range b.Alerts("t") {
			if got, want := held[a.ID], a.Status().String(); got != want {
				t.Errorf("seed %d: the receiver holds %s for %s, and it is %s", seed, got, a.ID, want)
			}
		}
	}
}
