package hawkular

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"granary/api/edge"
	"granary/metricdef"
	"granary/tenant/audit"
	"granary/tenant/identity"
)

// as is an authenticator that lets everybody be one.
type as struct{ who *identity.Identity }

func (a as) Authenticate(*http.Request) (*identity.Identity, error) { return a.who, nil }

func TestDeletePoints(t *testing.T) {
	file := filepath.Join(t.TempDir(), "audit")
	log, err := audit.Open(audit.Options{File: file, Now: func() time.Time { return testNow }})
	if err != nil {
		t.Fatal(err)
	}
	s := newStored(t, false, func(o *Options) { o.Audit = &edge.Audit{Log: log} })
	points := []sample{{testMilli - 300_000, 1.0, ""}, {testMilli - 200_000, 2.0, ""}, {testMilli - 100_000, 3.0, ""}, {testMilli, 4.0, ""}, {testMilli - 9*3600_000, 5.0, ""}}
	for _, id := range []string{"a/b", "other"} {
		s.write(metricdef.Gauge, id, nil, points...)
	}
	s.writeAs("u", metricdef.Draft{Identity: metricdef.Identity{Type: metricdef.Gauge, Name: "a/b"}, Dialect: Name}, points...)
	remove := func(path, want string) {
		t.Helper()
		w := s.request(http.MethodDelete, times(path), "null")
		if got := strings.TrimSpace(w.Body.String()); w.Code != 200 || got != times(want) {
			t.Errorf("%s: %d %s", path, w.Code, got)
		}
	}
	remove("/gauges/a%2Fb/raw?start=NOW-250000&end=NOW-150000", `{"message":"Deleted t@a/b [NOW-250000-NOW-150000]"}`)
	s.expect("/gauges/a%2Fb/raw", list(pt(0, "4"), pt(100_000, "3"), pt(300_000, "1")))
	remove("/counters/a%2Fb/raw", `{"message":"Deleted t@a/b [NOW-28799995-SOON]"}`)
	remove("/gauges/none/raw?start=1&end=2", `{"message":"Deleted t@none [1-2]"}`)
	s.expect("/gauges/a%2Fb/raw", list(pt(0, "4"), pt(100_000, "3"), pt(300_000, "1")))
	// As a GET of the same URL: the last eight hours.
	remove("/gauges/a%2Fb/raw?start=&limit=1", `{"message":"Deleted t@a/b [NOW-28799995-SOON]"}`)
	s.expect("/gauges/a%2Fb/raw?start=0", list(pt(9*3600_000, "5")))
	remove("/gauges/a%2Fb/raw?fromEarliest=true", `{"message":"Deleted t@a/b"}`)
	s.expect("/gauges/a%2Fb/raw?fromEarliest=true", "200 []")
	for id, header := range map[string]string{"other": "t", "a%2Fb": "u"} {
		if w := s.request(http.MethodGet, "/gauges/"+id+"/raw?start=0", "", "Hawkular-Tenant", header); strings.Count(w.Body.String(), "value") != 5 {
			t.Errorf("%s of %s: %s", id, header, w.Body)
		}
	}
	for _, path := range []string{"/gauges/other/raw?start=2&end=1", "/gauges/other/raw?start=x", "/gauges/other/raw?fromEarliest=true&end=7"} {
		if w := s.request(http.MethodDelete, path, ""); w.Code != 400 {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	written, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Split(strings.TrimSpace(string(written)), "\n"); len(lines) != 5 || !strings.Contains(lines[0], `"action":"measures.delete","target":"/hawkular/metrics/gauges/a/b/raw","tenant":"t","outcome":"ok"`) ||
		!strings.Contains(lines[0], `"metrics":1`) {
		t.Errorf("audit log: %s", written)
	}
}

// TestDeletePointsRights: it takes who may manage the tenant, and the mode that has it.
func TestDeletePointsRights(t *testing.T) {
	for _, c := range []struct {
		strict bool
		roles  identity.Roles
		status int
	}{{false, identity.Writer, 403}, {false, identity.Admin, 200}, {true, identity.Admin, 405}} {
		who := identity.New("x", identity.Key, "k", 0, identity.Grant{Tenant: "t", Roles: c.roles})
		s := newStored(t, c.strict, func(o *Options) { o.Auth = as{who} })
		s.write(metricdef.Gauge, "g", nil, sample{testMilli - 1, 1.0, ""})
		if w := s.request(http.MethodDelete, "/gauges/g/raw", ""); w.Code != c.status {
			t.Errorf("strict %v, %v: %d %s", c.strict, c.roles, w.Code, w.Body)
		}
		left := c.status != 200
		if w := s.request(http.MethodGet, "/gauges/g/raw", ""); strings.Contains(w.Body.String(), "value") != left && w.Code != 403 {
			t.Errorf("strict %v, %v: %s", c.strict, c.roles, w.Body)
		}
	}
}
