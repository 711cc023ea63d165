package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"granary/tenant/queue"
)

// TestWritePressure sends far more than the queue holds at the same time: every write is stored whole or refused, and what was
// answered with 200 can be read.
func TestWritePressure(t *testing.T) {
	const writers, rounds, lines = 48, 4, 1000
	s := running(t, configured(t, "granary: {queue: {bytes: 2MiB, wait: 500ms}, journal: {sync: always}}"))
	base := time.Now().Add(-2 * time.Hour).Truncate(time.Minute).Unix()
	var stored, refused atomic.Int64
	var accepted [writers][rounds]bool
	client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 2 * writers, MaxIdleConnsPerHost: writers}}
	defer client.CloseIdleConnections()
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for round := range rounds {
				var body bytes.Buffer
				for i := range lines {
					fmt.Fprintf(&body, "m,cluster=c,hostname=h%d,type=hwthread,type-id=%d value=%d %d\n", w, i%100, i, base+60*int64(round*(lines/100)+i/100))
				}
				var send io.Reader = &body
				if w%3 == 0 {
					send = io.MultiReader(&body) // of unknown length
				}
				answer, err := client.Post("http://"+s.Addr()+"/api/write", "text/plain", send)
				if err != nil {
					// The server may close the connection of a body that it does not read.
					refused.Add(1)
					continue
				}
				text, _ := io.ReadAll(answer.Body)
				answer.Body.Close()
				switch answer.StatusCode {
				case http.StatusOK:
					stored.Add(lines)
					accepted[w][round] = true
				case http.StatusTooManyRequests:
					refused.Add(1)
					// There was no room, or, on a slow machine, no turn in time.
					room, turn := strings.Contains(string(text), "2097152 bytes (setting granary.queue.bytes)"), strings.Contains(string(text), "(setting granary.queue.wait)")
					if answer.Header.Get("Retry-After") == "" || !room && !turn {
						t.Errorf("%v %s", answer.Header, text)
					}
				default:
					t.Errorf("%d %s", answer.StatusCode, text)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d lines stored, %d bodies refused, %+v", stored.Load(), refused.Load(), s.writes.Total())
	if held := s.writes.Total().Held; held != 0 || s.bodies.Held() != 0 {
		t.Errorf("%d bytes are held", held)
	}
	for w := range writers {
		got := read(t, s, fmt.Sprintf(`{"cluster":"c","from":%d,"to":%d,"with-padding":false,"queries":[{"metric":"m","host":"h%d","type":"hwthread","type-ids":["0","99"]}]}`,
			base, base+60*rounds*lines/100, w))
		for round, ok := range accepted[w] {
			if !ok {
				continue
			}
			for slot := range lines / 100 {
				for k, thread := range []int{0, 99} {
					if k >= len(got) {
						t.Fatalf("h%d: %d series", w, len(got))
					}
					at := (base + 60*int64(round*(lines/100)+slot) - got[k].From + 30) / 60
					if at < 0 || at >= int64(len(got[k].Data)) || got[k].Data[at] == nil || *got[k].Data[at] != float64(slot*100+thread) {
						t.Fatalf("h%d thread %d, round %d slot %d is lost", w, thread, round, slot)
					}
				}
			}
		}
	}
	if stored.Load() == 0 {
		t.Error("nothing was stored")
	}
}

type entry struct {
	From int64
	Data []*float64
}

func read(t *testing.T, s *Server, query string) []entry {
	t.Helper()
	w := ask(s, here, http.MethodPost, "/api/query", query)
	var answer struct{ Results [][]entry }
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != 200 || len(answer.Results) != 1 {
		t.Fatalf("%d %.300s %v", w.Code, w.Body, err)
	}
	return answer.Results[0]
}

// TestFullQueues: whose turn does not come in time is told so, with the limit and its setting.
func TestFullQueues(t *testing.T) {
	s := running(t, configured(t, "granary: {limits: {concurrent-queries: 3}, queue: {bytes: 1MiB, wait: 1ms}}"))
	var reads, writes queue.Ticket
	if err := s.queries.Queue("_ops").Enter(t.Context(), &reads, 3); err != nil {
		t.Fatal(err)
	}
	if err := s.writes.Queue("_ops").Enter(t.Context(), &writes, 1<<20); err != nil {
		t.Fatal(err)
	}
	const query = `{"cluster":"c","from":1,"to":2,"queries":[]}`
	for path, want := range map[string]string{
		"/api/query":                      "3 queries are worked on, which is the limit (setting granary.limits.concurrent-queries); try again",
		"/api/debug":                      "3 queries are worked on, which is the limit (setting granary.limits.concurrent-queries); try again",
		"/api/healthcheck?cluster=c&node": "3 queries are worked on, which is the limit (setting granary.limits.concurrent-queries); try again",
		"/api/write":                      "request bodies in work would exceed 1048576 bytes (setting granary.queue.bytes), try again",
	} {
		method, body := http.MethodGet, query
		if path == "/api/write" {
			method = http.MethodPost
		}
		if strings.HasPrefix(path, "/api/healthcheck") {
			body = ""
		}
		w := ask(s, here, method, path, body)
		code := "queries-in-work"
		if path == "/api/write" {
			code = "bodies-in-work"
		}
		if w.Code != 429 || w.Header().Get("Retry-After") == "" || w.Body.String() != `{"status":"Too Many Requests","error":"`+want+`","granary":{"code":"`+code+"\"}}\n" {
			t.Errorf("%s: %d %v %s", path, w.Code, w.Header(), w.Body)
		}
	}
	metrics := ask(s, here, http.MethodGet, "/metrics", "").Body.String()
	for _, line := range []string{"granary_queries_in_work 3", "granary_queries_refused_total 3", "granary_bodies_refused_total 1",
		`granary_tenant_queue_held{queue="writes",tenant="_ops"} 1.048576e+06`, `granary_tenant_queue_refused_total{queue="queries",tenant="_ops"} 3`} {
		if !strings.Contains(metrics, "\n"+line+"\n") {
			t.Errorf("/metrics lacks %s", line)
		}
	}
	reads.Leave()
	writes.Leave()
	if w := ask(s, here, http.MethodGet, "/api/query", query); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := ask(s, here, http.MethodPost, "/api/write", strings.Repeat("#\n", 1<<19)+"#"); w.Code != 413 ||
		!strings.Contains(w.Body.String(), "request body exceeds the limit of 1048576 bytes (setting granary.queue.bytes)") {
		t.Errorf("a body larger than the queue: %d %s", w.Code, w.Body)
	}
	for _, gate := range []*queue.Fair{s.queries, s.writes} {
		if st := gate.Total(); st.Held != 0 || st.Waiting != 0 {
			t.Errorf("%+v", st)
		}
	}
}

// TestGoneWhileWaiting: a client that goes away gives up its place.
func TestGoneWhileWaiting(t *testing.T) {
	s := running(t, configured(t, "granary: {limits: {concurrent-queries: 1}, queue: {wait: 1h}}"))
	var ticket queue.Ticket
	if err := s.queries.Queue("_ops").Enter(t.Context(), &ticket, 1); err != nil {
		t.Fatal(err)
	}
	defer ticket.Leave()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.Addr()+"/api/debug", nil)
	if err != nil {
		t.Fatal(err)
	}
	s.http.Handler.ServeHTTP(discard{http.Header{}}, r)
	if st := s.queries.Total(); st.Waiting != 0 || st.Held != 1 || st.Refused != 0 {
		t.Errorf("%+v", st)
	}
}

type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

// TestPointsOfARequest: the limit on points is one of the whole request.
func TestPointsOfARequest(t *testing.T) {
	s := running(t, configured(t, "granary: {limits: {query-points: 25}}"))
	base := time.Now().Add(-time.Hour).Truncate(time.Minute).Unix()
	var body strings.Builder
	for host := range 3 {
		for i := range 10 {
			fmt.Fprintf(&body, "m,cluster=c,hostname=h%d value=%d %d\n", host, i, base+60*int64(i))
		}
	}
	if w := ask(s, here, http.MethodPost, "/api/write", body.String()); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	ask1 := func(to int64, hosts ...string) (int, string) {
		var queries []string
		for _, h := range hosts {
			queries = append(queries, `{"metric":"m","host":"`+h+`"}`)
		}
		w := ask(s, here, http.MethodGet, "/api/query", fmt.Sprintf(`{"cluster":"c","from":%d,"to":%d,"queries":[%s]}`, base, to, strings.Join(queries, ",")))
		return w.Code, w.Body.String()
	}
	if code, text := ask1(base+600, "h0", "h1"); code != 200 {
		t.Errorf("20 points: %d %s", code, text)
	}
	if code, text := ask1(base+600, "h0", "h1", "h2"); code != 413 || text != `{"status":"Request Entity Too Large","error":"answer exceeds the limit of 25 points (setting granary.limits.query-points)","granary":{"code":"answer-too-large"}}`+"\n" {
		t.Errorf("30 points: %d %s", code, text)
	}
	var long strings.Builder
	for i := range 30 {
		fmt.Fprintf(&long, "m,cluster=c,hostname=long value=%d %d\n", i, base+60*int64(i))
	}
	ask(s, here, http.MethodPost, "/api/write", long.String())
	if code, text := ask1(base+3600, "long", "h0"); code != 200 || !strings.Contains(text, "query: the answer would hold 30 points, the limit is 25 (setting granary.limits.query-points)") ||
		strings.Count(text, `"data"`) != 1 {
		t.Errorf("one series of too many points: %d %s", code, text)
	}
}
