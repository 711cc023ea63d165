//go:build e2e

package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// alertBuffer takes what the program tells of alerts, as Mohawk's own does, and may be told not to.
type alertBuffer struct {
	*httptest.Server
	mu     sync.Mutex
	mode   string            // "": takes all; "fails": 503; "hangs": never answers
	held   map[string]string // the last status of each alert that was taken
	told   []string          // all, in order
	failed int               // requests that were not taken
	over   chan struct{}     // the test has ended
}

func newAlertBuffer(t *testing.T) *alertBuffer {
	b := &alertBuffer{held: map[string]string{}, over: make(chan struct{})}
	b.Server = httptest.NewServer(b)
	t.Cleanup(func() {
		close(b.over)
		b.Close()
	})
	return b
}

func (b *alertBuffer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var alert struct {
		ID, Status string
		State      bool
	}
	err := json.NewDecoder(r.Body).Decode(&alert)
	b.mu.Lock()
	mode := b.mode
	if mode != "" {
		b.failed++
	} else {
		if err != nil || r.Method != http.MethodPost || r.URL.Path != "/append" || alert.State != (alert.Status == "firing") {
			alert.Status = fmt.Sprint("no alert: ", err, r.Method, r.URL.Path, alert)
		}
		b.held[alert.ID] = alert.Status
		b.told = append(b.told, alert.ID+" "+alert.Status)
	}
	b.mu.Unlock()
	switch mode {
	case "fails":
		w.WriteHeader(http.StatusServiceUnavailable)
	case "hangs":
		select {
		case <-b.over:
		case <-r.Context().Done():
		}
	}
}

// set says how requests are met from now on.
func (b *alertBuffer) set(mode string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mode, b.failed = mode, 0
}

// misses waits until a request was not taken.
func (b *alertBuffer) misses(t *testing.T) {
	t.Helper()
	poll(t, "an attempt that is not taken", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.failed > 0
	})
}

// holds waits until the last that was told of the alerts is what is wanted.
func (b *alertBuffer) holds(t *testing.T, p *process, want string) {
	t.Helper()
	end := time.Now().Add(patience)
	for {
		b.mu.Lock()
		got := strings.TrimSuffix(strings.TrimPrefix(fmt.Sprint(b.held), "map["), "]")
		told := strings.Join(b.told, ", ")
		b.mu.Unlock()
		if got == want {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the receiver holds %q, want %q; told: %s\n%s", got, want, told, p.log)
		}
		time.Sleep(3 * time.Millisecond)
	}
}

// TestAlertsOfTheProgram has the alerts of Mohawk's page about them watched by the program, while the receiver comes and goes and the program is stopped and
// killed: what the receiver was told last of each alert is how it stands.
func TestAlertsOfTheProgram(t *testing.T) {
	b := newAlertBuffer(t)
	dir := t.TempDir()
	config := configFile(t, filepath.Join(dir, "config.json"), object{"granary": object{"compat": object{"hawkular": object{"alerts": object{
		"server": b.URL + "/append", "interval": 0.1, "window": "1h",
		"rules": []object{
			{"id": "1", "metrics": []string{"free_memory", "cpu_usage"}, "alert-if-lower-than": 1000, "alert-if-higher-than": 8000},
			{"id": "2", "metrics": []string{"free_memory"}, "alert-if-lower-than": 500},
			{"id": "3", "metrics": []string{"cpu_usage"}, "alert-if-higher-than": 95},
			{"id": "4", "tags": "hostname:.*.com", "alert-if-higher-than": 95},
		},
	}}}}})
	start := func() *process { return serve(t, config, filepath.Join(dir, "data")) }
	p := start()
	ask := func(method, path, body string) {
		t.Helper()
		if status, _, answer := p.do(method, "/hawkular/metrics/"+path, nil, strings.NewReader(body)); status != http.StatusOK {
			t.Fatalf("%s: %d %s", path, status, answer)
		}
	}
	put := func(id string, v float64) {
		t.Helper()
		ask(http.MethodPost, "gauges/raw", fmt.Sprintf(`[{"id":%q,"data":[{"timestamp":%d,"value":%g}]}]`, id, time.Now().UnixMilli(), v))
	}
	put("cpu_usage", 2000)
	put("free_memory", 4000)
	b.holds(t, p, "1:ok 2:ok 3:firing")
	put("disk", 95)
	ask(http.MethodPut, "gauges/tags", `[{"id":"disk","tags":{"hostname":"a.example.com"}}]`)
	b.holds(t, p, "1:ok 2:ok 3:firing 4:firing")
	put("free_memory", 40)
	b.holds(t, p, "1:firing 2:firing 3:firing 4:firing")
	if _, text := p.get("/hawkular/alerts/raw?id=2"); !strings.Contains(text, `"State":true,"TrigerMetric":"free_memory","TrigerValue":40,`) {
		t.Error(text)
	}

	b.set("fails")
	put("free_memory", 700)
	b.misses(t)
	b.set("")
	b.holds(t, p, "1:firing 2:ok 3:firing 4:firing")

	b.set("fails")
	put("disk", 1)
	b.misses(t)
	p.kill() // "4 ok" waits, and is in no journal
	b.set("")
	p = start()
	b.holds(t, p, "1:firing 2:ok 3:firing 4:ok")

	b.set("hangs")
	put("cpu_usage", 90)
	b.misses(t)
	if took := p.stop(); took > 5*time.Second {
		t.Errorf("a receiver that hangs keeps the program for %v", took)
	}
	b.set("")
	p = start()
	b.holds(t, p, "1:firing 2:ok 3:ok 4:ok")
	if n := p.metric("granary_alerts_untold") + p.metric("granary_alerts_lost_total"); n != 0 {
		t.Errorf("%v changes are not told", n)
	}
}
