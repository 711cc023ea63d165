//go:build e2e

package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// TestFlood holds one tenant's latencies alone against those beside another that floods the service from 32 connections: a
// process of its own, and a nice one, since what is measured is the service and not who gets the processor for sending. The
// figures are in the log (-v); what is demanded of them is little, because a machine that tests run on is never quiet.
// GRANARY_E2E_FLOOD is how long each part is measured.
func TestFlood(t *testing.T) {
	length := 2 * time.Second
	if text := os.Getenv("GRANARY_E2E_FLOOD"); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	config := configFile(t, filepath.Join(dir, "config.json"), object{"granary": object{"compat": object{"clustercockpit": object{
		"cluster-tenants": object{"flood": "flood", "quiet": "quiet"},
	}}}})
	p := serve(t, config, filepath.Join(dir, "data"))
	q := newQuiet(p)
	q.fill(t)
	q.measure(t, length/4) // whatever happens for the first time
	alone := q.measure(t, length)
	t.Logf("alone:                      %v", alone)
	for _, flood := range []struct {
		name string
		args []string
	}{
		{"bodies of 5,000 lines", []string{"--batch", "5000"}},
		{"bodies of 94 lines", []string{"--batch", "94"}},
	} {
		ctx, stop := context.WithCancel(t.Context())
		args := append([]string{"-n", "19", granary, "load", "--target", p.url + "/api/write/?cluster=flood", "--cluster", "flood", "--hosts", "200",
			"--backfill", "29d", "--rate", "max", "--duration", "1h", "--connections", "32"}, flood.args...)
		cmd := exec.CommandContext(ctx, "nice", args...)
		cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		before := p.metric("granary_samples_total")
		q.measure(t, length/4)
		began := time.Now()
		beside := q.measure(t, length)
		rate := (p.metric("granary_samples_total") - before) / time.Since(began).Seconds()
		stop()
		_ = cmd.Wait()
		t.Logf("beside %-20s %v; %.1f and %.1f times; %.0f samples/s flooded", flood.name+":", beside, beside.writes.p99/alone.writes.p99, beside.queries.p99/alone.queries.p99, rate)
		if beside.writes.p50 > 10*alone.writes.p50+20 || beside.queries.p50 > 10*alone.queries.p50+20 {
			t.Errorf("beside %s: %v, alone: %v", flood.name, beside, alone)
		}
	}
}

// quiet is a tenant that writes a little and asks a little.
type quiet struct {
	p      *process
	client *http.Client
	at     int64
}

func newQuiet(p *process) *quiet {
	return &quiet{p: p, client: &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 4}}, at: time.Now().Add(-24*time.Hour).Unix() / 60 * 60}
}

// lines is the next body: a hundred series.
func (q *quiet) lines() []byte {
	var b bytes.Buffer
	for host := range 10 {
		for metric := range 10 {
			fmt.Fprintf(&b, "m%d,cluster=quiet,hostname=h%d,type=node value=%d.5 %d\n", metric, host, q.at%1000, q.at)
		}
	}
	q.at += 60
	return b.Bytes()
}

func (q *quiet) fill(t *testing.T) {
	for range 720 {
		q.send(t, http.MethodPost, "/api/write/?cluster=quiet", q.lines())
	}
}

func (q *quiet) send(t *testing.T, method, path string, body []byte) time.Duration {
	req, err := http.NewRequestWithContext(t.Context(), method, q.p.url+path, bytes.NewReader(body))
	if err != nil {
		t.Error(err)
		return 0
	}
	began := time.Now()
	res, err := q.client.Do(req)
	if err != nil {
		t.Error(err)
		return 0
	}
	text, err := io.ReadAll(res.Body)
	took := time.Since(began)
	res.Body.Close()
	if err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("%s: %d %.200s %v", path, res.StatusCode, text, err)
	}
	return took
}

type latencies struct{ p50, p99 float64 } // milliseconds

type quietLatencies struct{ writes, queries latencies }

func (l quietLatencies) String() string {
	return fmt.Sprintf("writes p50 %.2f p99 %.2f ms, queries p50 %.2f p99 %.2f ms", l.writes.p50, l.writes.p99, l.queries.p50, l.queries.p99)
}

// measure writes and asks every 5 ms.
func (q *quiet) measure(t *testing.T, length time.Duration) (l quietLatencies) {
	t.Helper()
	loop := func(pause time.Duration, request func() time.Duration) latencies {
		var all []float64
		tick := time.NewTicker(pause)
		defer tick.Stop()
		for end := time.Now().Add(length); time.Now().Before(end); <-tick.C {
			all = append(all, float64(request().Microseconds())/1000)
		}
		slices.Sort(all)
		return latencies{all[len(all)/2], all[len(all)*99/100]}
	}
	query := []byte(`{"cluster":"quiet","from":` + strconv.FormatInt(q.at-3*3600, 10) + `,"to":` + strconv.FormatInt(q.at, 10) +
		`,"with-padding":false,"for-all-nodes":["m1","m2"],"queries":[]}`)
	var both sync.WaitGroup
	both.Go(func() {
		l.writes = loop(5*time.Millisecond, func() time.Duration { return q.send(t, http.MethodPost, "/api/write/?cluster=quiet", q.lines()) })
	})
	both.Go(func() {
		l.queries = loop(7*time.Millisecond, func() time.Duration { return q.send(t, http.MethodPost, "/api/query/", query) })
	})
	both.Wait()
	return l
}
