package coopr

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"granary/tenant"
)

// event is something that happened to a node.
type event struct {
	kind, cluster, node string
	at                  int64
	owner, state        string
}

// UnmarshalJSON reads the list that testdata/README.md describes.
func (e *event) UnmarshalJSON(b []byte) error {
	e.owner, e.state = "user1@tenant1", "COMPLETE"
	return json.Unmarshal(b, &[]any{&e.kind, &e.cluster, &e.node, &e.at, &e.owner, &e.state})
}

// world is what a dialect under test stands on.
type world struct {
	Name    string
	Now     int64 // seconds
	Unit    int64
	Access  Access
	Tenants []tenant.ID
	Queues  map[tenant.ID][2]int
	Events  []event

	Requests []struct {
		As     string
		Path   string
		Status int
		Body   string
	}
}

func (w *world) Lookup(id tenant.ID) (tenant.Tenant, bool) {
	i := slices.Index(w.Tenants, id)
	return tenant.Tenant{Num: tenant.Num(i + 1), ID: id}, i >= 0
}

func (w *world) All() (all []tenant.Tenant) {
	for _, id := range w.Tenants {
		t, _ := w.Lookup(id)
		all = append(all, t)
	}
	return all
}

func (w *world) Counts(id tenant.ID) (queued, inProgress int) {
	return w.Queues[id][0], w.Queues[id][1]
}

// Nodes makes nodes of the events.
func (w *world) Nodes(f Filter) (nodes []Node, err error) {
	unit := max(w.Unit, 1) * int64(time.Second)
	for _, c := range w.Events {
		user, owner, _ := strings.Cut(c.owner, "@")
		fits := func(want *string, has string) bool { return want == nil || *want == has }
		t, _ := w.Lookup(tenant.ID(owner))
		if c.kind != "C" || c.state != "COMPLETE" || !f.All && t.Num != f.Tenant || !fits(f.Name, owner) || !fits(f.User, user) || !fits(f.Cluster, c.cluster) || !fits(f.Template, "template") {
			continue
		}
		life := Life{c.at * unit, w.Now * int64(time.Second)}
		for _, d := range w.Events {
			if d.kind == "D" && d.state == "COMPLETE" && d.cluster == c.cluster && d.node == c.node && d.at >= c.at {
				life.To = min(life.To, d.at*unit)
			}
		}
		nodes = append(nodes, Node{c.cluster, user, "template", []Life{life}})
	}
	return nodes, nil
}

func (w *world) options() Options {
	return Options{Tenants: w, Queues: w, Nodes: w, Usage: w.Access, Now: func() time.Time { return time.Unix(w.Now, 0) }}
}

// get asks a dialect. The header is a list of names and values.
func get(t testing.TB, d http.Handler, target string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	return send(t, d, http.MethodGet, target, header...)
}

func send(t testing.TB, d http.Handler, method, target string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return serve(d, r)
}

func serve(d http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	return w
}

func TestVectors(t *testing.T) {
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var worlds []*world
	if err := json.Unmarshal(text, &worlds); err != nil {
		t.Fatal(err)
	}
	for _, w := range worlds {
		d := New(w.options())
		for _, r := range w.Requests {
			user, of, _ := strings.Cut(r.As, "@")
			for _, version := range versions {
				path := strings.Replace(r.Path, "/v2", version, 1)
				got := get(t, d, path, "Coopr-UserID", user, "Coopr-ApiKey", "any", "Coopr-TenantID", of)
				body, want := got.Body.String(), r.Body
				if start, cut := strings.CutSuffix(want, "…"); cut {
					body, want = body[:min(len(body), len(start))], start
				} else if strings.HasPrefix(body, `{"tenant`) || strings.HasPrefix(body, `{"superadmin`) {
					body, want = sorted(t, body), sorted(t, want)
				}
				if got.Code != r.Status || body != want {
					t.Errorf("%s: %s as %s: %d %s\nwant %d %s", w.Name, path, r.As, got.Code, got.Body, r.Status, r.Body)
				}
				kind := "text/plain; charset=utf-8"
				if r.Status == 200 {
					kind = "application/json"
				}
				if h := got.Header().Get("Content-Type"); h != kind {
					t.Errorf("%s: %s: Content-Type %q", w.Name, path, h)
				}
			}
		}
	}
}

// sorted is an object whose members have an order.
func sorted(t testing.TB, text string) string {
	t.Helper()
	var v map[string]map[string]int
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Errorf("%s: %v", text, err)
		return text
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
