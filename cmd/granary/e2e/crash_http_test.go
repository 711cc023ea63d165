//go:build e2e

package e2e_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// crashConfig is the configuration of a crash test: a snapshot every second.
func crashConfig(sync string) object {
	return object{
		"metrics": crashMetrics,
		"granary": object{
			"journal": object{"sync": sync}, "snapshot": object{"interval": "1s", "journal-bytes": "1MiB"}, "disk-free-mark": 0,
		},
	}
}

// killAfter is when the server is killed, counted from when it was ready. The store looks once a second whether a
// snapshot is due, so that every fifth kill comes in the middle of one, or nearly.
func killAfter(round int, rng *rand.Rand) time.Duration {
	if round%5 == 4 {
		return time.Second + time.Duration(rng.IntN(120))*time.Millisecond
	}
	return 20*time.Millisecond + time.Duration(rng.IntN(500))*time.Millisecond
}

// TestCrashHTTP kills a server under load again and again. What was answered 200 must be there after each start, with its
// value; what was once not there after a start must not come back.
func TestCrashHTTP(t *testing.T) {
	rng := random(t)
	dir := t.TempDir()
	data, config := filepath.Join(dir, "data"), filepath.Join(dir, "config.json")
	l, f := &ledger{}, &faults{t: t}
	senders := newSenders(l, rng, 2, 6, true)
	stops, snapshots := 0, 0

	configFile(t, config, crashConfig("interval"))
	p := serve(t, config, data)
	n := rounds(t, 50)
	for round := range n {
		ready := time.Now()
		if round == 0 {
			p.ready()
		}
		clean := round%7 == 6
		end := loadHTTP(p, l, f, senders, rng, round)
		time.Sleep(killAfter(round, rng) - time.Since(ready)) // the moment of the kill is what is tested
		p.alive()
		if clean {
			if took := p.stop(); took > stopLimit {
				t.Errorf("round %d: the stop took %v", round, took)
			}
			stops++
		} else {
			p.kill()
		}
		end()
		snapshots += strings.Count(p.log.String(), "msg=snapshot")

		configFile(t, config, crashConfig([]string{"interval", "always", "never"}[round%3]))
		for range round % 3 { // some starts do not come to their end either
			p = launch(t, "", "serve", "--listen", "127.0.0.1:0", "--data", data, "--config", config)
			time.Sleep(time.Duration(rng.IntN(60)) * time.Millisecond)
			p.kill()
		}
		p = serve(t, config, data)
		hosts := l.all()
		for _, h := range hosts {
			if newest := l.length(h); h.round == 0 || h.round >= round-1 {
				l.check(p, f, []*host{h}, max(newest-1500, 0), newest+1, true)
			}
		}
		for range 5 {
			h := hosts[rng.IntN(len(hosts))]
			low := rng.IntN(l.length(h) + 1)
			l.check(p, f, []*host{h}, low, low+1000, true)
		}
		if f.any() {
			t.Fatalf("round %d:\n%s", round, p.log)
		}
	}
	recent := f.checked.Load()
	l.checkAll(p, f)
	t.Logf("%d rounds, %d of them with a clean stop; %d snapshots; %d series; %d samples checked at the end, %d before",
		n, stops, snapshots, l.count, f.checked.Load()-recent, recent)
	if snapshots == 0 {
		t.Error("there was no snapshot under load")
	}
	p.stop()
	if code, out, errs := command(t, "verify", data); code != 0 {
		t.Errorf("verify: exit code %d\n%s%s", code, out, errs)
	}
}

// checkAll checks every slot of every host.
func (l *ledger) checkAll(p *process, f *faults) {
	for _, h := range l.all() {
		for low := 0; low <= l.length(h); low += 10_000 {
			l.check(p, f, []*host{h}, low, low+10_000, true)
		}
	}
}

// loadHTTP starts the senders and a reader; the function that it returns waits until they have ended, once the server has.
func loadHTTP(p *process, l *ledger, f *faults, senders []*sender, rng *rand.Rand, round int) (wait func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, s := range senders {
		wg.Go(func() {
			s.run(ctx, round, 5*time.Millisecond, func(body []byte, list []written) bool {
				status, header, answer := p.do(http.MethodPost, "/api/write/", nil, bytes.NewReader(body))
				switch {
				case status == http.StatusOK && header.Get("X-Granary-Ignored") == "":
					l.acknowledged(list)
				case status != 0 && status != http.StatusServiceUnavailable:
					f.addf("round %d: write: %d %.300s, ignored %q", round, status, answer, header.Get("X-Granary-Ignored"))
					return false
				}
				return status == http.StatusOK
			})
		})
	}
	reading := rand.New(rand.NewPCG(rng.Uint64(), 2))
	wg.Go(func() { l.watch(ctx, p, f, reading) })
	return func() {
		cancel()
		wg.Wait()
	}
}

// watch reads while others write: what it was shown is sure from then on.
func (l *ledger) watch(ctx context.Context, p *process, f *faults, rng *rand.Rand) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		hosts := l.all()
		h := hosts[rng.IntN(len(hosts))]
		if rng.IntN(2) == 0 {
			h = hosts[rng.IntN(min(len(hosts), 12))]
		}
		newest := l.length(h)
		if !l.check(p, f, []*host{h}, max(newest-200, 0), newest+1, false) {
			return
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}
