package isolation_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestManyAtOnce lets both tenants ask from many connections at the same time, as buffers that go from one request to another would show
// then. Nobody is told of the other's, so nothing of the other's may be in any answer. Meanwhile an operator changes what it can.
func TestManyAtOnce(t *testing.T) {
	d := readDocument(t)
	w := newWorld(t, "1", newClock(), false)
	began, most := time.Now(), span(t)/2
	start := seed(t)
	var mu sync.Mutex
	var faults []string
	answers := map[int]int{}
	var wg sync.WaitGroup
	for n := range 10 {
		p := newParty("tenant-a", "ca", "zqa", start+uint64(n), 1e6)
		p.credentials = credentials("a")
		switch {
		case n == 9:
			p = newParty("_ops", "co", "zqg", start, 5)
			p.credentials, p.all = []credential{operator}, true
		case n%2 == 1:
			p = newParty("tenant-b", "cb", "zqb1", start+uint64(n), 7e8)
			p.credentials = credentials("b")
		}
		wire := &wire{addr: w.wire.addr}
		wg.Go(func() {
			defer wire.close()
			var list aliases
			for time.Since(began) < most {
				g := &gen{d: d, p: p, now: w.clock.now()}
				r := g.valid(choose(p.rng, d.operations...))
				if p.rng.IntN(5) == 0 {
					g.mangle(r)
				}
				if p.all && strings.Contains(r.target, "/tenants/tenant-") && r.method == "DELETE" && p.rng.IntN(20) > 0 {
					continue // or there is never anything
				}
				c := p.credentials[0]
				if p.rng.IntN(4) == 0 {
					c = choose(p.rng, p.credentials...)
				}
				g.sign(r, c)
				a := wire.do(list.resolve(r))
				text := a.text()
				p.gather(r, a)
				mu.Lock()
				answers[a.status]++
				if leaks := p.leaks(text); len(leaks) > 0 || a.err != nil || a.status == 500 && !strings.Contains(text, "ParseInt") {
					faults = append(faults, fmt.Sprintf("%s\n%q %s", r.text(), leaks, cut(text)))
				}
				stop := len(faults) > 0
				mu.Unlock()
				if stop {
					return
				}
			}
		})
	}
	wg.Wait()
	t.Logf("answers by status %v", answers)
	for _, f := range faults {
		t.Error(f)
	}
	for _, f := range faultsOfLog(w.log.take(), w.secrets()) {
		t.Error("the log says: ", f)
	}
}
