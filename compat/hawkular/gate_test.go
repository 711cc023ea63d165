package hawkular

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"

	"granary/api/edge"
	"granary/measures"
	"granary/measures/query"
	"granary/tenant"
	"granary/tenant/identity"
)

// send sends a request to a path below Prefix, with names and values of its header. A body has the type JSON if the header does not say
// another, and the tenant of the strict mode is "t" if it does not say one.
func (s *stored) send(method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, Prefix+path, strings.NewReader(body))
	if method == http.MethodPost || method == http.MethodPut {
		r.Header.Set("Content-Type", typeJSON)
	}
	if s.o.Strict {
		r.Header.Set("Hawkular-Tenant", "t")
	}
	for i := 0; i+1 < len(header); i += 2 {
		if r.Header.Set(header[i], header[i+1]); header[i+1] == "" {
			r.Header.Del(header[i])
		}
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// TestGate: what a request is refused for before a handler has it, in both modes.
func TestGate(t *testing.T) {
	lax, strict := newStored(t, false), newStored(t, true)
	for _, c := range []struct {
		s            *stored
		method, path string
		header       []string
		status       int
		want         string
	}{
		{lax, "GET", "", nil, 200, `{"name":"Hawkular-Metrics"`},
		{lax, "GET", "/", []string{"Accept", "text/html,application/xhtml+xml,*/*;q=0.8"}, 200, `<!DOCTYPE html>`},
		{lax, "GET", "/", []string{"Accept", "*/*"}, 200, `{"name"`},
		{lax, "GET", "/", []string{"Accept", "image/png"}, 200, `{"name"`},
		{strict, "GET", "/", []string{"Accept", "image/png", "Hawkular-Tenant", ""}, 406, `{"errorMsg":"none of the media types of Accept can be given, only application/json and text/html"}`},
		{strict, "GET", "/", []string{"Accept", "text/html", "Hawkular-Tenant", ""}, 200, `<!DOCTYPE html>`},
		{strict, "GET", "/ping", []string{"Hawkular-Tenant", ""}, 200, `{"value":"Thu, 01 Jan 2026 00:00:00 UTC"}`},
		{strict, "GET", "/status", []string{"Hawkular-Tenant", "", "Accept", "application/*"}, 200, `STARTED`},
		{lax, "GET", "/static/index.html", nil, 404, `"code":404`},
		{strict, "GET", "/static/index.html", nil, 404, `{"errorMsg":`},
		{lax, "GET", "/gaugesssss/test/raw", nil, 404, ``},
		{lax, "POST", "/tenants", []string{"Content-Type", "text/plain", "Accept", "text/plain"}, 400, `a tenant needs an id`},
		{strict, "POST", "/tenants", []string{"Content-Type", "text/plain"}, 415, `{"errorMsg":"Content-Type \"text/plain\" is not understood here, only application/json"}`},
		{strict, "POST", "/tenants", []string{"Content-Type", ""}, 415, ``},
		{strict, "POST", "/tenants", []string{"Content-Type", "Application/JSON; charset=UTF-8"}, 400, `Payload is empty`},
		{strict, "POST", "/tenants", []string{"Accept", "text/plain"}, 406, `only application/json`},
		{strict, "POST", "/tenants", []string{"Accept", "text/plain, */*;q=0.1"}, 400, `Payload is empty`},
		{strict, "POST", "/tenants", []string{"Hawkular-Tenant", ""}, 400, `{"errorMsg":"Tenant is not specified. Use 'Hawkular-Tenant' header."}`},
		{strict, "POST", "/tenants", []string{"Hawkular-Tenant", "   "}, 400, `Tenant is not specified`},
		{strict, "POST", "/tenants", []string{"Hawkular-Tenant", " ", "Tenant", "x"}, 400, `Payload is empty`},
		{strict, "POST", "/tenants", []string{"Hawkular-Tenant", "", "X-Scope-OrgID", "x"}, 400, `Payload is empty`},
		{strict, "POST", "/tenants", []string{"Tenant", "x"}, 400, `two tenants`},
		{lax, "POST", "/tenants", []string{"Hawkular-Tenant", "a", "Tenant", "b"}, 400, `two tenants`},
		{lax, "POST", "/tenants", []string{"Hawkular-Tenant", "a/b"}, 400, `holds a`},
		{lax, "POST", "/tenants", []string{"Hawkular-Tenant", " "}, 400, `a tenant needs an id`},
		{lax, "DELETE", "/status", nil, 405, `"code":405`},
		{strict, "PATCH", "/tenants", nil, 405, `{"errorMsg":`},
		{lax, "GET", "/tenants?x=%zz", nil, 400, `the query string cannot be read`},
		{lax, "POST", "/tenants", []string{"Content-Encoding", "br"}, 415, `br`},
		{lax, "POST", "/tenants", []string{"Content-Encoding", "gzip"}, 400, ``},
	} {
		body := ""
		if slices.Contains(c.header, "Content-Encoding") {
			body = "no gzip"
		}
		w := c.s.send(c.method, c.path, body, c.header...)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s %s %q, strict %v: %d %s, want %d %s", c.method, c.path, c.header, c.s.o.Strict, w.Code, w.Body, c.status, c.want)
		}
		h := w.Header()
		if cache := h.Get("Cache-Control"); (cache == "no-cache") != c.s.o.Strict {
			t.Errorf("%s %s: Cache-Control %q", c.method, c.path, cache)
		}
		if !strings.HasPrefix(h.Get("Vary"), "Origin, Accept-Encoding") {
			t.Errorf("%s %s: Vary %q", c.method, c.path, h["Vary"])
		}
		if c.status >= 400 && (h.Get("Content-Type") != typeJSON || h.Get(ErrorHeader) == "" || !json.Valid(w.Body.Bytes())) {
			t.Errorf("%s %s: %v %s", c.method, c.path, h, w.Body)
		}
	}
}

// TestTenantChosen: which tenant a request is about.
func TestTenantChosen(t *testing.T) {
	for _, c := range []struct {
		strict bool
		header []string
		want   tenant.ID // "": refused
	}{
		{false, nil, "_ops"},
		{false, []string{"Hawkular-Tenant", "\t "}, "_ops"},
		{false, []string{"Hawkular-Tenant", " acme "}, "acme"},
		{false, []string{"Hawkular-Tenant", " ", "Tenant", "acme"}, "acme"},
		{false, []string{"X-Project-Id", "acme"}, "acme"},
		{false, []string{"X-Project-Id", "acme", "Hawkular-Tenant", "other"}, ""},
		{true, []string{"X-Project-Id", "acme", "Hawkular-Tenant", ""}, "acme"},
		{true, []string{"Hawkular-Tenant", ""}, ""},
		{true, nil, "t"},
	} {
		s := newStored(t, c.strict, func(o *Options) { o.Select.Trusted = edge.Loopback })
		var got tenant.ID
		s.mount([]route{{method: "GET", path: "/it", serve: func(c *call) error { got = c.tenant; return c.nothing() }}})
		r := httptest.NewRequest(http.MethodGet, Prefix+"/it", http.NoBody)
		r.RemoteAddr = "127.0.0.1:1"
		if c.strict {
			r.Header.Set("Hawkular-Tenant", "t")
		}
		for i := 0; i+1 < len(c.header); i += 2 {
			r.Header.Set(c.header[i], c.header[i+1])
		}
		sent := r.Header.Clone()
		s.ServeHTTP(httptest.NewRecorder(), r)
		if got != c.want {
			t.Errorf("%q, strict %v: %q, want %q", c.header, c.strict, got, c.want)
		}
		for name := range sent {
			if !slices.Equal(sent[name], r.Header[name]) {
				t.Errorf("%s of the request became %q", name, r.Header[name])
			}
		}
	}
}

// TestGzip: who asks for it gets the smallest answer compressed, as from both peers.
func TestGzip(t *testing.T) {
	for _, strict := range []bool{false, true} {
		s := newStored(t, strict)
		w := s.send("GET", "/status", "", "Accept-Encoding", "gzip")
		if w.Header().Get("Content-Encoding") != "gzip" || len(w.Header()["Vary"]) != 1 {
			t.Errorf("strict %v: %v", strict, w.Header())
		}
		z, err := gzip.NewReader(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(z); err != nil || !strings.Contains(string(b), "STARTED") {
			t.Errorf("%s %v", b, err)
		}
		for _, accepted := range []string{"gzip;q=0", "", "br"} {
			if w := s.send("GET", "/status", "", "Accept-Encoding", accepted); w.Header().Get("Content-Encoding") != "" {
				t.Errorf("strict %v: compressed for who wants %q", strict, accepted)
			}
		}
		if w := s.send("GET", "/gauges/x/raw", "", "Accept-Encoding", "gzip"); strict && (w.Code != 204 || w.Header().Get("Content-Encoding") != "") {
			t.Errorf("%d %v", w.Code, w.Header())
		}
		for encoding, pack := range map[string]func(io.Writer) io.WriteCloser{
			"gzip":    func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
			"deflate": func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) },
			"zstd": func(w io.Writer) io.WriteCloser {
				z, err := zstd.NewWriter(w)
				if err != nil {
					t.Fatal(err)
				}
				return z
			},
		} {
			var sent bytes.Buffer
			z := pack(&sent)
			_, _ = z.Write([]byte(`{"id":"` + encoding + `"}`))
			_ = z.Close()
			if w := s.send("POST", "/tenants", sent.String(), "Content-Encoding", encoding); w.Code != 201 {
				t.Errorf("%s: %d %s", encoding, w.Code, w.Body)
			}
		}
	}
}

// TestLenientJSON: single quotes and names without quotes are taken, in both modes; what is no JSON in either form is refused with the
// place in what was sent.
func TestLenientJSON(t *testing.T) {
	for _, strict := range []bool{false, true} {
		s := newStored(t, strict)
		for _, c := range []struct {
			body   string
			status int
			want   string
		}{
			{`{'id': 'a', retentions: {'gauge': '3'}}`, 201, ""},
			{`{id: "it's", retentions: null}`, 201, ""},
			{`{id: 'b'`, 400, "no valid JSON at byte 8"},
			{`{'id': 'b', retentions: {gauge: 03}}`, 400, "no valid JSON at byte 33"},
			{`{"id": "b",}`, 400, "no valid JSON at byte 10"},
			{`[{"id": "b"}]`, 400, "the body: a list cannot stand here"},
			{`{"id": "b", "id": "c"}`, 400, "/id: is given twice"},
			{`{id: 'b', retentions: {gauge: 3, 'gauge': 4}}`, 400, "/retentions/gauge: is given twice"},
			{`{'id': 7}`, 400, "/id: a number cannot stand here"},
			{`{id: b}`, 400, "no valid JSON"},
			{`'`, 400, "no valid JSON"},
		} {
			w := s.send("POST", "/tenants", c.body)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
				t.Errorf("%s: %d %s", c.body, w.Code, w.Body)
			}
		}
		if w := s.send("GET", "/tenants", ""); w.Body.String() != `[{"id":"a","retentions":{"gauge":3}},{"id":"it's"}]` {
			t.Errorf("%s", w.Body)
		}
	}
}

// refusing lets nobody in.
type refusing struct{ err error }

func (r refusing) Authenticate(*http.Request) (*identity.Identity, error) { return nil, r.err }

// TestRefusals: who may not enter is told so in the words of the dialect, wherever they go.
func TestRefusals(t *testing.T) {
	unknown := &edge.UnauthorizedError{Err: errors.New("who are you"), Challenges: []string{"Bearer"}}
	for _, c := range []struct {
		err    error
		status int
		field  string
	}{
		{unknown, 401, "Www-Authenticate"},
		{&edge.TooManyFailuresError{Wait: 3e9}, 429, "Retry-After"},
		{&startingError{"soon"}, 503, "Retry-After"},
		{errors.New("secret detail"), 500, ErrorHeader},
	} {
		s := newStored(t, false, func(o *Options) { o.Auth = refusing{c.err} })
		for _, path := range []string{"/tenants", "/nothing", "/static/x", "/status/x"} {
			for _, method := range []string{"GET", "HEAD", "POST", "DELETE", "OPTIONS", "PATCH"} {
				w := s.send(method, path, "")
				if w.Code != c.status || w.Header().Get(c.field) == "" && c.field != ErrorHeader || strings.Contains(w.Body.String(), "secret") {
					t.Errorf("%s %s: %d %v %s", method, path, w.Code, w.Header(), w.Body)
				}
				if method != "HEAD" && !strings.HasPrefix(w.Body.String(), `{"errorMsg":"`) {
					t.Errorf("%s %s: %s", method, path, w.Body)
				}
			}
		}
		for _, path := range []string{"", "/status", "/ping"} {
			if w := s.send("GET", path, ""); w.Code != 200 {
				t.Errorf("%s: %d", path, w.Code)
			}
		}
		if w := s.send("OPTIONS", "/tenants", "", "Origin", "http://a"); w.Code != 200 {
			t.Errorf("preflight: %d", w.Code)
		}
	}
}

// TestPanic: a handler that panics is answered as every error is.
func TestPanic(t *testing.T) {
	for strict, want := range map[bool]string{
		true:  `{"errorMsg":"Failed to perform operation due to an error: it is in the log of the service"}`,
		false: `{"errorMsg":"Failed to perform operation due to an error: it is in the log of the service","code":500,"message":"Failed to perform operation due to an error: it is in the log of the service"}`,
	} {
		s := newStored(t, strict)
		s.mount([]route{{method: "GET", path: "/it", serve: func(*call) error { panic("secret") }}})
		d := edge.NewDispatcher(edge.DispatchOptions{Logger: s.o.Logger})
		d.Mount(Prefix, Name, s.Dialect)
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, Prefix+"/it", http.NoBody)
		r.Header.Set("Hawkular-Tenant", "t")
		d.ServeHTTP(w, r)
		if w.Code != 500 || w.Body.String() != want {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
}

// TestOptions: what OPTIONS says of a path, in the words of Mohawk where Mohawk has some.
func TestOptions(t *testing.T) {
	lax, strict := newStored(t, false), newStored(t, true)
	paths := []route{{method: "GET", path: "/{type}/{id}/raw"}, {method: "POST", path: "/{metrics}/stats/query"}}
	lax.mount(slices.Concat(lax.tenantRoutes(), paths))
	strict.mount(slices.Concat(strict.tenantRoutes(), paths))
	for _, c := range []struct {
		s           *stored
		path, allow string
	}{
		{lax, "/gauges/a%2Fb/raw", mohawkAllow},
		{lax, "/gauges/a/raw/", mohawkAllow},
		{lax, "/m/stats/query", mohawkAllow},
		{lax, "/metrics/stats/query", "POST, OPTIONS"},
		{lax, "/counters/a/raw", "GET, HEAD, OPTIONS"},
		{strict, "/gauges/a/raw", "GET, HEAD, OPTIONS"},
		{strict, "/tenants", "GET, HEAD, POST, OPTIONS"},
	} {
		w := c.s.send("OPTIONS", c.path, "")
		if w.Code != 200 || w.Header().Get("Allow") != c.allow || w.Body.Len() > 0 {
			t.Errorf("%s: %d %q %s", c.path, w.Code, w.Header().Get("Allow"), w.Body)
		}
	}
}

// FuzzGate: no path and no header makes the dialect panic, fail, or answer something that is no answer of it.
func FuzzGate(f *testing.F) {
	for _, path := range []string{"", "/", "//", "/tenants/%2e%2e", "/%00", "/gauges/%zz/raw", "/gauges/a+b/raw?start=%", "/tenants/\xff", "/./tenants/../x", "/m/", "/tenants/%2F/", "/tags/%25/raw?tags=a:b"} {
		for _, method := range []string{"GET", "DELETE", "OPTIONS", "X"} {
			f.Add(method, path, "Hawkular-Tenant", "t", "")
			f.Add(method, path, "Origin", "http://a:b", "{}")
			f.Add(method, path, "Accept", ";,/", "null")
		}
	}
	bounded := func(o *Options) { // or a range since 1970 in buckets of a millisecond would take all of the time
		o.Queries = query.New(o.Store.(*measures.Store), query.Options{Definitions: o.Store.(*measures.Store).Definitions, MaxPoints: 10_000})
	}
	lax, strict := newStored(f, false, bounded), newStored(f, true, bounded)
	example := strings.NewReplacer("{type}", "gauges", "{numbers}", "counters", "{metrics}", "m", "{tagql}", "a:*,b:c", "{", "", "}", "")
	for _, r := range lax.Routes() {
		for _, method := range r.Methods {
			path, ok := strings.CutPrefix(example.Replace(r.Path), Prefix)
			if !ok {
				continue // an alert
			}
			f.Add(method, path+"?buckets=2&start=-1h&percentiles=50", "Hawkular-Tenant", "t", `[{"id":"a","data":[{"timestamp":1,"value":1}]}]`)
			f.Add(method, path+"?bucketDuration=1mn&order=asc&limit=1&threshold=1&op=lt", "Content-Type", typeJSON, `{'id':'a',type:'gauge',tags:{b:'c'},metrics:['a'],buckets:1}`)
		}
	}
	f.Fuzz(func(t *testing.T, method, path, name, value, body string) {
		for _, s := range []*stored{lax, strict} {
			r, err := http.NewRequest(method, "http://localhost"+Prefix, strings.NewReader(body))
			if err != nil {
				return
			}
			if u, err := r.URL.Parse("http://localhost" + Prefix + path); err == nil {
				r.URL = u
			} else {
				r.URL.Path = Prefix + path // what no client can send, but a middleware could make
			}
			r.Header[http.CanonicalHeaderKey(name)] = []string{value}
			r.RemoteAddr = "127.0.0.1:1"
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			switch {
			case w.Code < 200 || w.Code >= 500:
				t.Fatalf("%s %q: %d %s", method, path, w.Code, w.Body)
			case w.Code >= 400 && w.Body.Len() > 0 && !json.Valid(w.Body.Bytes()):
				t.Fatalf("%s %q: %s", method, path, w.Body)
			}
		}
	})
}
