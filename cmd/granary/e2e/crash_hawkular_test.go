//go:build e2e

package e2e_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// TestCrashHawkular kills a server under everything that Hawkular's clients write: points of all types by all forms of bodies, tags,
// metrics with a retention of their own, tenants with theirs, and deletions of each. The mode changes with every start. After each, all
// that was acknowledged is there, and nothing else: points with their tags, tags of metrics, retentions.
func TestCrashHawkular(t *testing.T) {
	rng := random(t)
	dir := t.TempDir()
	data, config := filepath.Join(dir, "data"), filepath.Join(dir, "config.json")
	hash := sha256.Sum256([]byte(hawkularAdmin))
	start := func(round int) *process {
		return serve(t, configFile(t, config, object{"granary": object{
			"journal": object{"sync": []string{"interval", "never"}[round%2]}, "snapshot": object{"interval": "1s", "journal-bytes": "1MiB"}, "disk-free-mark": 0,
			"compat": object{"hawkular": object{"strict": round%2 == 1, "admin-token": object{"sha256": hex.EncodeToString(hash[:])}}},
		}}), data)
	}
	f := &faults{t: t}
	var writers []*hawkularWriter
	for _, tenant := range []string{"one", "two", "passing"} {
		writers = append(writers, &hawkularWriter{tenant: tenant, rng: rand.New(rand.NewPCG(rng.Uint64(), 7)), now: epoch*1000 - 7_200_000})
	}
	p := start(0)
	n := rounds(t, 5)
	for round := range n {
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		for _, w := range writers {
			w.strict = round%2 == 1
			wg.Go(func() { w.run(ctx, p, f) })
		}
		time.Sleep(100*time.Millisecond + time.Duration(rng.IntN(1200))*time.Millisecond) // the moment of the kill is what is tested
		p.alive()
		p.kill()
		cancel()
		wg.Wait()
		plain.CloseIdleConnections()
		p = start(round + 1)
		for _, w := range writers {
			w.strict = round%2 == 0
			w.check(p, f, fmt.Sprintf("round %d", round))
		}
		if f.any() {
			t.Fatalf("round %d:\n%s", round, p.log)
		}
	}
	p.stop()
	if code, out, errs := command(t, "verify", data); code != 0 {
		t.Errorf("verify: exit code %d\n%s%s", code, out, errs)
	}
	done, whole, lost := 0, 0, 0
	for _, w := range writers {
		done, whole, lost = done+w.done, whole+w.whole, lost+w.lost
	}
	t.Logf("%d rounds; %d changes were acknowledged, %d points compared; of those without an answer %d were done and %d were not", n, done, f.checked.Load(), whole, lost)
	if done == 0 || f.checked.Load() == 0 {
		t.Error("something was not put to the test")
	}
}
