//go:build e2e

package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestCrashLedger kills a server under everything that the native API can be asked to write: samples of all kinds and their tags, in
// and out of order, to metrics with and without tiers; deletions of ranges, metrics and tenants; policies and rules. After
// each start everything is what a plain model says, down to the bits of each bucket, and nothing that was deleted is back.
func TestCrashLedger(t *testing.T) {
	rng := random(t)
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	config := configFile(t, filepath.Join(dir, "config.json"), object{"granary": object{
		"journal": object{"sync": "never"}, "snapshot": object{"interval": "1s", "journal-bytes": "1MiB"}, "disk-free-mark": 0,
		"compat": object{"gnocchi": object{"default-policies": false}}, // so that the service has no policies but those of the model
	}})
	f := &faults{t: t}
	p := serve(t, config, data)
	// Two tenants have the policies for themselves; the third, which comes and goes, sees those of the service.
	var keepers []*keeper
	for _, scope := range []string{"one", "two", ""} {
		k := &keeper{scope: scope, rng: rand.New(rand.NewPCG(rng.Uint64(), 3))}
		k.begin(t, p)
		keepers = append(keepers, k)
	}
	var writers []*writer
	for i, k := range []*keeper{keepers[0], keepers[0], keepers[1], keepers[2]} {
		w := newWriter(k.scope, fmt.Sprintf("w%d_", i), &k.nativePolicies, rng)
		if k.scope == "" {
			w.tenant, w.ends = "passing", true
		}
		writers = append(writers, w)
	}
	n, snapshots := rounds(t, 8), 0
	for round := range n {
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		for _, w := range writers {
			wg.Go(func() { w.run(ctx, p, f, 4*time.Millisecond) })
		}
		for _, k := range keepers {
			wg.Go(func() { k.run(ctx, p, f, 150*time.Millisecond) })
		}
		after := 100*time.Millisecond + time.Duration(rng.IntN(1800))*time.Millisecond
		time.Sleep(after) // the moment of the kill is what is tested
		p.alive()
		if round%7 == 6 {
			p.stop()
		} else {
			p.kill()
		}
		cancel()
		wg.Wait()
		plain.CloseIdleConnections()
		snapshots += strings.Count(p.log.String(), "msg=snapshot")
		if f.any() {
			t.Fatalf("round %d, killed after %v:\n%s", round, after, p.log)
		}
		for range round % 3 { // some starts do not come to their end either
			p = launch(t, "", "serve", "--listen", "127.0.0.1:0", "--data", data, "--config", config)
			time.Sleep(time.Duration(rng.IntN(80)) * time.Millisecond)
			p.kill()
		}
		p = serve(t, config, data)
		compareAll(p, f, writers, keepers, fmt.Sprintf("round %d, killed after %v", round, after))
		if f.any() {
			t.Fatalf("round %d, killed after %v:\n%s", round, after, p.log)
		}
	}
	p.stop()
	if code, out, errs := command(t, "verify", data); code != 0 {
		t.Errorf("verify: exit code %d\n%s%s", code, out, errs)
	}
	p = serve(t, config, data)
	compareAll(p, f, writers, keepers, "after a stop")
	p.stop()
	ops, happened, refused, buckets := make(map[string]int), 0, 0, 0
	for _, w := range writers {
		for what, n := range w.ops {
			ops[what] += n
		}
		happened, refused, buckets = happened+w.happened, refused+w.refused, buckets+w.buckets
	}
	for _, k := range keepers {
		ops["policies"] += k.done
	}
	t.Logf("%d rounds, %d snapshots; %d samples and %d buckets compared; %v; %d requests were done and not answered; %d samples came too late",
		n, snapshots, f.checked.Load(), buckets, ops, happened, refused)
	if snapshots == 0 || refused == 0 || f.checked.Load() == 0 {
		t.Error("something was not put to the test")
	}
}

func compareAll(p *process, f *faults, writers []*writer, keepers []*keeper, what string) {
	for _, k := range keepers {
		k.check(p, f, what)
	}
	for _, w := range writers {
		if !w.check(p, f, what) && !f.any() {
			f.addf("%s: the server does not answer", what)
		}
	}
}

// keeper changes the policies and rules of a scope: a tenant, or "" for the service. It sends one request at a time.
type keeper struct {
	nativePolicies
	scope string
	rng   *rand.Rand

	pending map[string]string // what there is if the request that was not answered has been done; nil: there is none
	done    int
}

// path is a path with the scope.
func (k *keeper) path(rest string) string {
	if k.scope == "" {
		return "/v2/" + rest + "?scope=service"
	}
	return "/v2/" + rest
}

// begin makes the tenant and its policies.
func (k *keeper) begin(t *testing.T, p *process) {
	t.Helper()
	k.now, k.least = make(map[string]string), make(map[string][3]int64)
	must := func(path string, body object) {
		t.Helper()
		if status, answer := askNative(p.client, p, http.MethodPost, path, k.scope, body); status != http.StatusCreated {
			t.Fatalf("%s %v: %d %s", path, body, status, answer)
		}
	}
	if k.scope != "" {
		must("/v2/tenants", object{"id": k.scope})
	}
	for name := range nativeTiers {
		points := k.points()
		k.ask(name, points)
		k.now["policy "+name] = pointsText(points)
		body := object{"name": name, "raw": object{"retention": "forever"}, "tiers": tiersOf(name, points), "methods": nativeMethods, "back_window": 1}
		if name == "window" {
			body["raw"] = object{"retention": "window"}
		}
		must(k.path("policies"), body)
	}
}

// points are how many points the tiers shall have, 0 for all.
func (k *keeper) points() (p [3]int64) {
	p = [3]int64{150 + k.rng.Int64N(200), 60 + k.rng.Int64N(100), k.rng.Int64N(2) * (30 + k.rng.Int64N(50))}
	return p
}

func tiersOf(name string, points [3]int64) (list []object) {
	for i, g := range nativeTiers[name] {
		tier := object{"granularity": g}
		if points[i] > 0 {
			tier["points"] = points[i]
		}
		list = append(list, tier)
	}
	return list
}

// run changes one thing after the other.
func (k *keeper) run(ctx context.Context, p *process, f *faults, pause time.Duration) {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for ctx.Err() == nil && !f.any() {
		method, path, body, next := k.choose()
		k.pending = next
		k.asking(true)
		status, answer := askNative(p.client, p, method, path, k.scope, body)
		k.asking(false)
		if status == 0 || status == http.StatusServiceUnavailable {
			return
		}
		if status >= 300 {
			f.addf("%s %s of %q: %d %s", method, path, k.scope, status, answer)
			return
		}
		k.now, k.pending = next, nil
		k.done++
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// choose makes up a change, and says what there is when it has been made.
func (k *keeper) choose() (method, path string, body any, next map[string]string) {
	next = maps.Clone(k.now)
	toggle := func(sort, name string, draft object, text string) {
		key := sort + " " + name
		if _, ok := next[key]; ok {
			delete(next, key)
			method, path = http.MethodDelete, k.path(map[string]string{"policy": "policies/", "rule": "rules/"}[sort]+name)
			return
		}
		next[key] = text
		method, path, body = http.MethodPost, k.path(map[string]string{"policy": "policies", "rule": "rules"}[sort]), draft
	}
	switch name := fmt.Sprintf("extra%d", k.rng.IntN(4)); k.rng.IntN(3) {
	case 0:
		name = []string{"kept", "window"}[k.rng.IntN(2)]
		points := k.points()
		k.ask(name, points)
		next["policy "+name] = pointsText(points)
		method, path, body = http.MethodPatch, k.path("policies/"+name), object{"tiers": tiersOf(name, points)}
	case 1:
		points := k.points()
		toggle("policy", name, object{"name": name, "tiers": tiersOf("kept", points), "methods": []string{"max"}}, pointsText(points))
	default:
		pattern := fmt.Sprintf("nobody%d_*", k.rng.IntN(1000))
		toggle("rule", name, object{"name": name, "pattern": pattern, "policy": "kept"}, pattern+" kept")
	}
	return method, path, body, next
}

// check compares what there is with the ledger.
func (k *keeper) check(p *process, f *faults, what string) {
	var answer struct {
		Policies []struct {
			Name, Scope string
			Tiers       []struct{ Points int64 }
		}
		Rules []struct{ Name, Scope, Pattern, Policy string }
	}
	for _, path := range []string{"policies", "rules"} {
		status, b := askNative(p.client, p, http.MethodGet, k.path(path), k.scope, nil)
		if status != http.StatusOK || json.Unmarshal(b, &answer) != nil {
			f.addf("%s, %s of %q: %d %s", what, path, k.scope, status, b)
			return
		}
	}
	scope := map[bool]string{true: "service", false: "tenant"}[k.scope == ""]
	got := make(map[string]string)
	for _, pol := range answer.Policies {
		if pol.Scope == scope {
			var points [3]int64
			for i, t := range pol.Tiers {
				points[i] = t.Points
			}
			got["policy "+pol.Name] = pointsText(points)
		}
	}
	for _, r := range answer.Rules {
		if r.Scope == scope {
			got["rule "+r.Name] = r.Pattern + " " + r.Policy
		}
	}
	if k.pending != nil && maps.Equal(got, k.pending) {
		k.now = k.pending
	}
	k.pending = nil
	if !maps.Equal(got, k.now) {
		f.addf("%s: policies and rules of %q are %v, want %v", what, k.scope, sortedPairs(got), sortedPairs(k.now))
	}
}

func sortedPairs(m map[string]string) (list []string) {
	for k, v := range m {
		list = append(list, k+": "+v)
	}
	slices.Sort(list)
	return list
}
