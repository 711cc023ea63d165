package coopr

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"granary/api/edge"
	"granary/tenant"
	"granary/tenant/audit"
)

var asAdmin = []string{"Coopr-UserID", "admin", "Coopr-TenantID", "a"}

// TestPaths: what is a path and what is not is said before anybody is asked who they are.
func TestPaths(t *testing.T) {
	d := New((&world{Now: 1000, Tenants: []tenant.ID{"a"}}).options())
	for _, c := range []struct {
		method, target string
		status         int
		body           string
	}{
		{"GET", "/status", 200, "OK\n"}, {"GET", "//status/", 200, "OK\n"},
		{"GET", "/status/x", 404, "Problem accessing: /status/x. Reason: Not Found"},
		{"GET", "/v2//metrics///queues/", 401, "Coopr-UserID not found in request headers."},
		{"GET", "/v3/x/../metrics/./queues", 401, "Coopr-UserID not found in request headers."},
		{"GET", "/v3/metrics/nodes", 404, "Problem accessing: /v3/metrics/nodes. Reason: Not Found"},
		{"GET", "/v3/metrics/nodes/usage/x?a=b", 404, "Problem accessing: /v3/metrics/nodes/usage/x?a=b. Reason: Not Found"},
		{"GET", "/v1/loom/metrics", 404, "Problem accessing: /v1/loom/metrics. Reason: Not Found"},
		{"GET", "/v1/loom", 404, "Problem accessing: /v1/loom. Reason: Not Found"},
		{"GET", "/v1/loomx/metrics/queues", 404, "Problem accessing: /v1/loomx/metrics/queues. Reason: Not Found"},
		{"GET", "/v3/metrics%2Fqueues", 404, "Problem accessing: /v3/metrics%2Fqueues. Reason: Not Found"},
		{"POST", "/v3/nothing", 404, "Problem accessing: /v3/nothing. Reason: Not Found"},
		{"POST", "/v2/metrics/queues?a=%3Cb", 405, "/v2/metrics/queues?a=%3Cb"},
		{"HEAD", "/v2/metrics/nodes/usage", 405, ""}, {"OPTIONS", "/v1/loom/metrics/queues", 405, "/v1/loom/metrics/queues"}, {"PUT", "/status", 405, "/status"}, {"BREW", "/status", 405, "/status"},
	} {
		w := send(t, d, c.method, c.target)
		if w.Code != c.status || w.Body.String() != c.body {
			t.Errorf("%s %s: %d %q", c.method, c.target, w.Code, w.Body)
		}
		h := w.Header()
		if kind := h.Get("Content-Type"); (c.status == 405) != (kind == "") || c.status != 405 && kind != "text/plain; charset=utf-8" {
			t.Errorf("%s %s: Content-Type %q", c.method, c.target, kind)
		}
		if closes := h.Get("Connection") == "close"; closes != (c.status == 405 || c.status == 200) {
			t.Errorf("%s %s: header %v", c.method, c.target, h)
		}
	}
	for _, r := range d.Routes() {
		if !slices.Equal(r.Methods, []string{"GET"}) || r.Open != (r.Path == "/status") || d.route(r.Path) == nil {
			t.Errorf("%+v", r)
		}
	}
}

// TestParameters: the order of the checks, and what is a value and what is not.
func TestParameters(t *testing.T) {
	const stamps = "400 Incorrect value for start %s or end %s timestamp"
	for _, c := range []struct {
		query, want string // "" for success
	}{
		{"", ""}, {"unknown=1&Start=x&clusterTemplate=y", ""}, {"start=+5&end=-3", ""}, {"start=1&start=x", ""}, {"start=%35", ""}, {"start=-9223372036854775808", ""},
		{"start=", fmt.Sprintf(stamps, "", "null")}, {"start", fmt.Sprintf(stamps, "", "null")}, {"end=x", fmt.Sprintf(stamps, "null", "x")}, {"start=1&end=2.5", fmt.Sprintf(stamps, "1", "2.5")},
		{"start=9223372036854775808", fmt.Sprintf(stamps, "9223372036854775808", "null")}, {"start=1e3&end=1_0", fmt.Sprintf(stamps, "1e3", "1_0")}, {"start=x&start=1", fmt.Sprintf(stamps, "x", "null")},
		{"groupby=", "400 Incorrect value for field groupby: "}, {"groupby=HOUR", "400 Incorrect value for field groupby: HOUR"}, {"groupby=minute&timeunit=x", "400 Incorrect value for field groupby: minute"},
		{"groupby=x&start=y", fmt.Sprintf(stamps, "y", "null")}, {"timeunit=", "400 Incorrect value for field timeunit: "}, {"timeunit=weeks", "400 Incorrect value for field timeunit: weeks"},
		{"groupby=%ff", "400 Incorrect value for field groupby: \uFFFD"},
		{"tenant=a&start=x", "405 Getting information about tenant a not allowed for tenant a"}, {"tenant=", "405 Getting information about tenant  not allowed for tenant a"},
	} {
		w := get(t, New((&world{Now: 1000, Tenants: []tenant.ID{"a"}}).options()), "/v2/metrics/nodes/usage?"+strings.ReplaceAll(c.query, "+", "%2B"), asAdmin...)
		if got := fmt.Sprint(w.Code, " ", w.Body); c.want != "" && got != c.want || c.want == "" && w.Code != 200 {
			t.Errorf("%s: %s, want %s", c.query, got, c.want)
		}
	}
	// The program of Coopr let everybody name their own tenant.
	for query, status := range map[string]int{"tenant=a": 200, "tenant=b": 405, "tenant=A": 405} {
		w := get(t, New((&world{Now: 1000, Access: AccessSource, Tenants: []tenant.ID{"a"}}).options()), "/v2/metrics/nodes/usage?"+query, "Coopr-UserID", "u", "Coopr-TenantID", "a")
		if w.Code != status {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
}

// TestNotReady: headers are looked at first, for that needs nothing; all else waits for the replay.
func TestNotReady(t *testing.T) {
	o := (&world{}).options()
	o.Ready = func() (bool, string) { return false, "replaying" }
	d := New(o)
	w := get(t, d, "/v2/metrics/queues", asAdmin...)
	if w.Code != 503 || w.Header().Get("Retry-After") != "1" || w.Body.String() != "Not ready: replaying" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := get(t, d, "/v2/metrics/queues"); w.Code != 401 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := get(t, d, "/status"); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestCountsAreKept: counts are kept for each tenant from when they were asked for, and not for who has the name later.
func TestCountsAreKept(t *testing.T) {
	w := &world{Now: 1000, Tenants: []tenant.ID{"a", "b"}, Queues: map[tenant.ID][2]int{"a": {1, 0}, "b": {1, 0}}}
	o := w.options()
	o.Cached = 10 * time.Second
	d := New(o)
	see := func(of string) string {
		return get(t, d, "/v2/metrics/queues", "Coopr-UserID", "admin", "Coopr-TenantID", of).Body.String()
	}
	expect := func(of, queued string) {
		t.Helper()
		if got := see(of); !strings.HasPrefix(got, `{"`+of+`":{"queued":`+queued+",") {
			t.Errorf("at %d: %s, want %s", w.Now, got, queued)
		}
	}
	expect("a", "1")
	w.Queues = map[tenant.ID][2]int{"a": {2, 0}, "b": {2, 0}}
	w.Now = 1005
	expect("a", "1")
	expect("b", "2")
	w.Now = 1010
	expect("a", "2")
	w.Queues = map[tenant.ID][2]int{"a": {3, 0}, "b": {3, 0}}
	expect("b", "2")
	w.Tenants = []tenant.ID{"x", "a"} // another tenant of that name
	expect("a", "3")
	w.Now = 900
	w.Queues = nil
	expect("a", "0")
	w.Now = 5000
	expect("x", "0")
	if n := len(d.counts.known); n != 1 {
		t.Errorf("%d counts are kept", n)
	}
	d.o.Cached, d.counts.keep = 0, 0
	w.Queues = map[tenant.ID][2]int{"x": {7, 0}}
	expect("x", "7")
}

// TestWide: whoever sees more than one tenant, or names another, is noted; others are not.
func TestWide(t *testing.T) {
	file := filepath.Join(t.TempDir(), "audit.log")
	log, err := audit.Open(audit.Options{File: file})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	seen := 0
	for _, c := range []struct{ user, of, path, want string }{
		{"admin", "superadmin", "/v2/metrics/queues", `"action":"coopr.queues","target":"/v2/metrics/queues","tenants":"*","outcome":"ok"`},
		{"admin", "a", "/v2/metrics/queues", ""},
		{"admin", "superadmin", "/v2/metrics/nodes/usage", `"action":"coopr.usage","target":"/v2/metrics/nodes/usage","tenants":"*","outcome":"ok"`},
		{"admin", "superadmin", "/v2/metrics/nodes/usage?tenant=a", `"action":"coopr.usage","target":"/v2/metrics/nodes/usage","tenants":"a","outcome":"ok"`},
		{"admin", "a", "/v2/metrics/nodes/usage", ""}, {"u", "superadmin", "/v2/metrics/nodes/usage", ""},
	} {
		o := (&world{Tenants: []tenant.ID{"a"}}).options()
		o.Audit = &edge.Audit{Log: log}
		get(t, New(o), c.path, "Coopr-UserID", c.user, "Coopr-TenantID", c.of)
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if noted := string(text[seen:]); !strings.Contains(noted, c.want) || (noted == "") != (c.want == "") {
			t.Errorf("%+v: %q", c, noted)
		}
		seen = len(text)
	}
}

// lost are nodes that cannot be read.
type lost struct{}

func (lost) Nodes(Filter) ([]Node, error) { return nil, errors.New("the file is gone") }

func TestStoreFails(t *testing.T) {
	o := (&world{Tenants: []tenant.ID{"a"}}).options()
	o.Nodes, o.Logger = lost{}, slog.New(slog.DiscardHandler)
	if w := get(t, New(o), "/v2/metrics/nodes/usage", asAdmin...); w.Code != 500 || w.Body.String() != "Unable to read data from the database" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestPanicIsAnswered(t *testing.T) {
	d := New((&world{}).options())
	w := serve(http.HandlerFunc(d.AnswerPanic), mustRequest(t))
	if w.Code != 500 || w.Body.String() != "Internal error" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func mustRequest(t *testing.T) *http.Request {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/v2/metrics/queues", nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
