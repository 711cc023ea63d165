//go:build e2e

package e2e_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// used is what one tenant sent, and what of it was acknowledged.
type used struct {
	acked, sent, ackedBytes, sentBytes uint64
	first, last                        map[string]int64 // seconds, of each host, of what was acknowledged
}

// TestCrashUsage kills the service under load again and again. Behind each start the ledger has all samples and bytes that were
// acknowledged, and no more than were sent; and nodes run from their first sample to their last. Then it writes the bill.
func TestCrashUsage(t *testing.T) {
	rng := random(t)
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	config := configFile(t, filepath.Join(dir, "config.json"), object{"granary": object{
		"journal": object{"sync": "never"}, "snapshot": object{"interval": "1s", "journal-bytes": "1MiB"}, "disk-free-mark": 0, "usage": object{"grace": "1h"},
	}})
	start := time.Now().Add(-30 * time.Minute).Unix()
	tenants := []string{"alpha", "beta"}
	counts := map[string]*used{}
	for _, id := range tenants {
		counts[id] = &used{first: map[string]int64{}, last: map[string]int64{}}
	}
	next := start
	p := serve(t, config, data)
	for range rounds(t, 6) {
		var wg sync.WaitGroup
		done := make(chan struct{})
		var mu sync.Mutex
		for i, id := range tenants {
			own := rand.New(rand.NewPCG(rng.Uint64(), uint64(i)))
			wg.Go(func() {
				for {
					select {
					case <-done:
						return
					default:
					}
					mu.Lock()
					next++
					at := next
					mu.Unlock()
					host, n := fmt.Sprint("h", own.IntN(20)), 1+own.IntN(50)
					var items []string
					for k := range n {
						items = append(items, fmt.Sprintf(`{"name":"m%d","tags":{"hostname":%q},"samples":[[%d,%d]]}`, k, host, at, k))
					}
					size := uint64(len(strings.Join(items, "")))
					u := counts[id]
					u.sent, u.sentBytes = u.sent+uint64(n), u.sentBytes+size
					status, _, _ := p.do(http.MethodPost, "/v2/measures", http.Header{"Tenant": {id}, "Content-Type": {"application/json"}}, strings.NewReader("["+strings.Join(items, ",")+"]"))
					if status != http.StatusOK {
						continue
					}
					u.acked, u.ackedBytes = u.acked+uint64(n), u.ackedBytes+size
					if u.first[host] == 0 {
						u.first[host] = at
					}
					u.first[host], u.last[host] = min(u.first[host], at), max(u.last[host], at)
				}
			})
		}
		time.Sleep(200*time.Millisecond + time.Duration(rng.IntN(1500))*time.Millisecond) // the moment of the kill is what is tested
		p.alive()
		p.kill()
		close(done)
		wg.Wait()
		plain.CloseIdleConnections()
		p = serve(t, config, data)
		for _, id := range tenants {
			checkUsage(t, p, id, counts[id], start)
		}
	}
	bill(t, p, counts)
	p.stop()
}

func checkUsage(t *testing.T, p *process, id string, u *used, start int64) {
	t.Helper()
	ask := func(path string, into any) {
		t.Helper()
		status, _, body := p.do(http.MethodGet, path, http.Header{"Tenant": {id}}, nil)
		if err := json.Unmarshal(body, into); status != http.StatusOK || err != nil {
			t.Fatalf("%s: %d %s", path, status, body)
		}
	}
	var hours struct {
		Usage []struct{ Samples, Bytes uint64 }
	}
	ask("/v2/usage?start=now-6h", &hours)
	var samples, bytes uint64
	for _, h := range hours.Usage {
		samples, bytes = samples+h.Samples, bytes+h.Bytes
	}
	if samples < u.acked || samples > u.sent || bytes < u.ackedBytes || bytes > u.sentBytes {
		t.Errorf("%s: %d samples of %d bytes, acknowledged %d of %d, sent %d of %d", id, samples, bytes, u.acked, u.ackedBytes, u.sent, u.sentBytes)
	}
	var nodes struct {
		Nodes []struct {
			Name  string
			Lives []struct {
				Start, End int64
				Running    bool
			}
		}
	}
	ask(fmt.Sprintf("/v2/usage/nodes?times=s&start=%d", start-10), &nodes)
	there := 0
	for _, n := range nodes.Nodes {
		if u.first[n.Name] == 0 {
			continue // only what was not acknowledged
		}
		there++
		// The grace is longer than the test: each has one life, and it runs.
		if len(n.Lives) != 1 || n.Lives[0].Start > u.first[n.Name] || n.Lives[0].Start < start || !n.Lives[0].Running {
			t.Errorf("%s: node %s lives %+v, its first sample was at %d", id, n.Name, n.Lives, u.first[n.Name])
		}
	}
	if there != len(u.first) {
		t.Errorf("%s: %d nodes, want %d", id, there, len(u.first))
	}
}

// bill writes the bill of a month from what the API tells an operator: samples, series by the hour, and hours of nodes.
func bill(t *testing.T, p *process, counts map[string]*used) {
	t.Helper()
	lines := func(path string) (rows [][]string) {
		status, body := p.get(path)
		if status != http.StatusOK {
			t.Fatalf("%s: %d %s", path, status, body)
		}
		for line := range strings.SplitSeq(strings.TrimSpace(body), "\r\n") {
			rows = append(rows, strings.Split(line, ","))
		}
		return rows[1:]
	}
	now := time.Now().UTC()
	month := now.AddDate(0, 0, -27).Format(time.RFC3339)
	billed := map[string]float64{}
	for _, row := range lines("/v2/usage?tenants=*&by=month&format=csv&start=" + month) {
		var samples, seriesHours float64
		fmt.Sscan(row[4], &samples)
		fmt.Sscan(row[8], &seriesHours)
		billed[row[0]] += samples*1e-6 + seriesHours*1e-3
		if u := counts[row[0]]; u != nil && (samples == 0 || seriesHours < 1) {
			t.Errorf("%v", row)
		}
	}
	for _, row := range lines("/v2/usage/nodes?tenants=*&format=csv&start=" + month) {
		var hours float64
		fmt.Sscan(row[9], &hours)
		billed[row[0]] += hours * 0.01
	}
	for id := range counts {
		if billed[id] <= 0 {
			t.Errorf("%s pays %f", id, billed[id])
		}
	}
	if status, body := p.get("/v2/cardinality"); status != http.StatusOK {
		t.Errorf("%d %s", status, body)
	}
}
