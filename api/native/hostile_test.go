package native

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"granary/measures/query"
	"granary/tenant"
)

// list is a JSON list of n elements.
func list(n int, element func(i int) string) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(element(i))
	}
	return "[" + b.String() + "]"
}

// TestLongNamesAreNotRepeated holds answers short where what is wrong is long: a body of a megabyte must not come back twice.
func TestLongNamesAreNotRepeated(t *testing.T) {
	s := newStored(t, tenant.Limits{})
	long := strings.Repeat("k", 1<<20)
	for path, body := range map[string]string{
		"/v2/metrics":        `{"` + long + `":1}`,
		"/v2/measures":       `{"` + long + `":1}`,
		"/v2/query":          `{"queries":{"` + long + `":{"names":["x"],"method":"k"}}}`,
		"/v2/metrics/search": `{"name":{"` + long + `":1}}`,
	} {
		w := ask(s, "POST", path, body)
		p := problemOf(t, w)
		if w.Code != 400 || w.Body.Len() > 8192 {
			t.Errorf("%s: %d with %d bytes", path, w.Code, w.Body.Len())
		}
		if detail := p["detail"].(string); path == "/v2/metrics" && !strings.Contains(detail, "…: there is no member of this name, only ") {
			t.Errorf("%s: %.700s", path, detail)
		}
	}
	w := ask(s, "POST", "/v2/measures", list(500, func(int) string { return `{"` + long[:10_000] + `":1}` }))
	if w.Code != 400 || w.Body.Len() > 1<<20 {
		t.Errorf("items: %d with %d bytes", w.Code, w.Body.Len())
	}
}

// TestNothingNamedDeletesNothing refuses to delete everything because a list that was to name something came out empty.
func TestNothingNamedDeletesNothing(t *testing.T) {
	s := newStored(t, tenant.Limits{})
	s.write(t, `[{"name":"cpu","samples":[[1769860000,1]]}]`)
	for body, path := range map[string]string{
		`{}`: "", `{"name":[]}`: "/name", `{"type":[]}`: "/type", `{"selector":""}`: "/selector", `{"name":[],"selector":"cpu"}`: "/name",
		`{"name":[],"idle_for":0}`: "/name",
	} {
		w := ask(s, "POST", "/v2/metrics/delete", body)
		if p := problemOf(t, w); w.Code != 400 || path != "" && p["path"] != path {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
	for body, path := range map[string]string{`{"start":0}`: "", `{"name":[],"start":0}`: "/name", `{"type":[],"start":0}`: "/type", `{"selector":"","start":0}`: "/selector"} {
		w := ask(s, "POST", "/v2/measures/delete", body)
		if p := problemOf(t, w); w.Code != 400 || path != "" && p["path"] != path {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
	if w := ask(s, "POST", "/v2/metrics/delete", `{"ids":[]}`); w.Code != 200 || !strings.Contains(w.Body.String(), `"deleted":0`) {
		t.Errorf("no ids: %d %s", w.Code, w.Body)
	}
	if w := ask(s, "POST", "/v2/metrics/delete", `{"selector":{"and":[]}}`); !strings.Contains(w.Body.String(), `"deleted":1`) {
		t.Errorf("all: %d %s", w.Code, w.Body)
	}
}

// TestTooMuchIsRefusedAtTheDoor sends lists and conditions that are too large, and says which member the refusal has to name.
func TestTooMuchIsRefusedAtTheDoor(t *testing.T) {
	a, _ := queryWorld(t, query.Options{MaxPoints: 10_000, MaxSamples: 1000, MaxSeries: 4})
	id := func(i int) string {
		return `"` + uuid.NewSHA1(uuid.Nil, []byte{byte(i), byte(i >> 8), byte(i >> 16)}).String() + `"`
	}
	name := func(i int) string { return fmt.Sprintf(`"n%d"`, i) }
	large := `{"tag":"host","op":"=~","value":"\\pL{300}x"}`
	named := func(n int, q string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"q%03d":%s`, i, q)
		}
		return "{" + b.String()[1:] + "}"
	}
	for _, c := range []struct {
		path, body string
		status     int
		at, text   string
	}{
		{"/v2/query", `{"ids":` + list(100_001, id) + `}`, 400, "/ids", "100000 ids"},
		{"/v2/query", `{"ids":` + list(1500, id) + `,"queries":` + named(100, "{}") + `}`, 400, "/queries/q066/ids", "100000 ids"},
		{"/v2/query", `{"names":` + list(10_001, name) + `}`, 400, "/names", "10000 elements"},
		{"/v2/query", `{"types":` + list(10_001, func(int) string { return `"gauge"` }) + `}`, 400, "/types", "10000 elements"},
		{"/v2/query", `{"group_by":` + list(10_001, name) + `}`, 400, "/group_by", "10000 elements"},
		{"/v2/query", `{"queries":` + named(1, `{"names":`+list(10_001, name)+`}`) + `}`, 400, "/queries/q000/names", "10000 elements"},
		{"/v2/query", `{"queries":` + named(20, `{"selector":`+large+`}`) + `}`, 400, "/queries/q005/selector", "together"},
		{"/v2/query", `{"names":"power","start":"-1h","queries":` + named(100, "{}") + `}`, 413, "", "6 series, the limit is 4"},
		{"/v2/metrics/search", `{"name":` + list(10_001, name) + `}`, 400, "/name", "10000 elements"},
		{"/v2/metrics/delete", `{"name":` + list(10_001, name) + `}`, 400, "/name", "10000 elements"},
		{"/v2/metrics/delete", `{"ids":` + list(10_001, id) + `}`, 400, "/ids", "10000 elements"},
		{"/v2/metrics/search", `{"selector":{"or":` + list(20, func(int) string { return large }) + `}}`, 400, "/selector/or/5", "too large together"},
		{"/v2/metrics/search", `{"selector":{"not":{"tag":"host","op":"=~","value":"\\pL{1000}"}}}`, 400, "/selector/not/value", "instructions"},
	} {
		begun := spent()
		w := ask(a, "POST", c.path, c.body)
		p := problemOf(t, w)
		at, _ := p["path"].(string)
		if w.Code != c.status || c.at != "" && at != c.at || !strings.Contains(p["detail"].(string), c.text) {
			t.Errorf("%s %.60s: %d, path %q: %.300s", c.path, c.body, w.Code, at, w.Body)
		}
		if took := spent() - begun; took > 5*time.Second {
			t.Errorf("%s %.60s: took %v", c.path, c.body, took)
		}
	}
	// A hundred queries with one selector hold it once.
	if w := ask(a, "POST", "/v2/query", `{"selector":`+large+`,"queries":`+named(100, "{}")+`}`); w.Code != 200 {
		t.Errorf("%d: %.300s", w.Code, w.Body)
	}
}

// TestUnreadableBodies stops where nothing but rubbish comes.
func TestUnreadableBodies(t *testing.T) {
	s := newStored(t, tenant.Limits{})
	const good = `{"name":"cpu","samples":[[1769860000,1]]}`
	for _, c := range []struct{ media, body string }{
		{"application/json", "[" + good + strings.Repeat(",1", 3*maxUnread) + "]"},
		{"application/x-ndjson", good + strings.Repeat("\n1", 3*maxUnread)},
		{"application/json", `[` + good + `,{"name":"x","samples":[1` + strings.Repeat(",1", 3*maxUnread) + `]},` + good + `]`},
	} {
		w, a := s.write(t, c.body, "Content-Type", c.media)
		if w.Code != 200 || a.Stored != 1 || a.Rejected != maxUnread+1 || len(a.Errors) != maxItemErrors {
			t.Errorf("%s: %d, %d stored, %d rejected", c.media, w.Code, a.Stored, a.Rejected)
		}
	}
}
