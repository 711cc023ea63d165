package edge

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"granary/tenant/identity"
)

func named(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, name) })
}

func TestDispatch(t *testing.T) {
	var seen []Observation
	d := NewDispatcher(DispatchOptions{Observe: func(o Observation) { seen = append(seen, o) }})
	for _, p := range []string{"/", "/api", "/api/v2", "/api/v2/write", "/healthz"} {
		d.Mount(p, p, named(p))
	}
	long := "/api" + strings.Repeat("/x", 100_000)
	for path, want := range map[string]string{
		"/": "/", "//": "/", "/api": "/api", "/api/": "/api", "/api/query": "/api", "//api//query": "/api", "/api/v2": "/api/v2", "/api/v2/x": "/api/v2",
		"/api/v2/write": "/api/v2/write", "/api/v2/write/": "/api/v2/write", "/api/v2/writes": "/api/v2", "/apis": "404 page not found\n", "/healthz/x/y/z": "/healthz",
		"/API": "404 page not found\n", "/%61pi": "404 page not found\n", "/api%2Fv2": "404 page not found\n", long: "/api",
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL.Path, r.URL.RawPath = path, ""
		if strings.Contains(path, "%") {
			r.URL.RawPath = path
		}
		d.ServeHTTP(w, r)
		if w.Body.String() != want {
			t.Errorf("%.40s: %s, want %s", path, w.Body, want)
		}
	}
	if len(seen) != 17 || seen[0].Bytes == 0 || seen[0].Status == 0 {
		t.Errorf("%d observations: %+v", len(seen), seen[0])
	}
	for _, bad := range []string{"/api", "api", "/x/"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s was mounted", bad)
				}
			}()
			d.Mount(bad, "", named(""))
		}()
	}
}

// TestDispatchSpelling: an encoded slash stays one, whatever else in the path should have been encoded and was not.
func TestDispatchSpelling(t *testing.T) {
	var path string
	d := NewDispatcher(DispatchOptions{})
	d.Mount("/x", "x", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { path = r.URL.EscapedPath() }))
	for sent, want := range map[string]string{
		"/x/a": "/x/a", "/x/a|b": "/x/a%7Cb", "/x/a%2fb": "/x/a%2fb", "/x/a%2Fb|c": "/x/a%2Fb%7Cc", "/x/m%2F1/tags/x:1|2,y:*": "/x/m%2F1/tags/x:1%7C2,y:*",
		"/x/a%2Fü": "/x/a%2F%C3%BC", "/x/a%2F\xff": "/x/a%2F%FF", "/x/a%2F%25\"<>\\^`{}": "/x/a%2F%25%22%3C%3E%5C%5E%60%7B%7D", "/x/a%2F[!$&'()*+,;=:@]~-._": "/x/a%2F[!$&'()*+,;=:@]~-._",
		"/x/%61|": "/x/%61%7C",
	} {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET " + sent + " HTTP/1.1\r\nHost: h\r\n\r\n")))
		if err != nil {
			t.Fatal(err)
		}
		before := *r.URL
		d.ServeHTTP(httptest.NewRecorder(), r)
		if path != want {
			t.Errorf("%q: %q, want %q", sent, path, want)
		}
		if *r.URL != before {
			t.Errorf("%q: the request was changed", sent)
		}
	}
}

// TestDispatchCleaned: a peer that cleans paths gets what is meant for it, and takes nothing from others.
func TestDispatchCleaned(t *testing.T) {
	d := NewDispatcher(DispatchOptions{})
	d.Mount("/v2", "native", named(""))
	d.MountClean("/v2/metrics/queues", "peer", named(""))
	for path, want := range map[string]string{
		"/v2/metrics/queues": "peer", "/v2//metrics/queues": "peer", "//v2/metrics///queues//": "peer", "/v2/./metrics/queues": "peer", "/x/../v2/metrics/queues/y": "peer",
		"/../v2/metrics/queues": "peer", "/v2/metrics": "native", "/v2//metrics": "native", "/v2/metrics/queues/..": "peer", "/v2/metrics%2Fqueues": "native", "/v2/../x": "native", "/./x": "",
	} {
		if got := d.Owner(path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

type worded struct{ http.Handler }

func (worded) AnswerPanic(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusInternalServerError)
	fmt.Fprint(w, "sorry")
}

func TestPanics(t *testing.T) {
	var log bytes.Buffer
	var clock atomic.Int64 // the end of one request is written while the next one begins
	d := NewDispatcher(DispatchOptions{
		Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Now:    func() time.Time { return time.Unix(0, clock.Load()) },
	})
	early := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		panic("before")
	})
	d.Mount("/plain", "plain", early)
	d.Mount("/worded", "worded", worded{early})
	d.Mount("/late", "late", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("half"))
		panic("behind")
	}))
	d.Mount("/abort", "abort", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	d.Mount("/silent", "silent", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { clock.Add(int64(time.Millisecond)) }))
	s := httptest.NewServer(d)
	defer s.Close()
	s.Client().Transport.(*http.Transport).DisableKeepAlives = true // or a closed connection is tried again
	for path, want := range map[string]string{
		"/plain": "500 Internal Server Error\n", "/worded": "500 sorry", "/late": "closed", "/abort": "closed", "/silent": "200 ",
	} {
		got := "closed"
		if resp, err := s.Client().Get(s.URL + path); err == nil {
			var b bytes.Buffer
			if _, err := b.ReadFrom(resp.Body); err == nil {
				got = fmt.Sprintf("%d %s", resp.StatusCode, b.String())
			}
			resp.Body.Close()
			if resp.Header.Get("Content-Encoding") != "" {
				t.Errorf("%s: header of the answer that did not come", path)
			}
		}
		if got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	s.Close()
	text := log.String()
	if strings.Count(text, "handler panicked") != 3 || !strings.Contains(text, "dispatch_test.go") || !strings.Contains(text, "level=DEBUG msg=request dialect=silent method=GET path=/silent status=200 bytes=0 took=1ms") {
		t.Errorf("log: %s", text)
	}
}

func TestOpenRoutes(t *testing.T) {
	ready := false
	d := NewDispatcher(DispatchOptions{})
	d.Mount("/", "landing", Landing("1.0<x>", []Place{{"/v2/status", true, "is <new>"}}, nil))
	d.Mount("/healthz", "health", Health())
	d.Mount("/readyz", "ready", Ready(func() (bool, string) { return ready, "replay: 40 %" }))
	for _, c := range []struct {
		method, path, accept string
		code                 int
		want                 string
	}{
		{"GET", "/healthz", "", 200, "ok\n"},
		{"POST", "/healthz", "", 405, "Method Not Allowed\n"},
		{"GET", "/healthz/x", "", 404, "404 page not found\n"},
		{"GET", "/readyz", "", 503, "replay: 40 %\n"},
		{"GET", "/", "", 404, "404 page not found\n"},
		{"POST", "/", "text/html", 404, "404 page not found\n"},
		{"GET", "/", "text/html,*/*", 200, ""},
	} {
		r := httptest.NewRequest(c.method, c.path, nil)
		r.Header.Set("Accept", c.accept)
		w := httptest.NewRecorder()
		d.ServeHTTP(w, r)
		if w.Code != c.code || c.want != "" && w.Body.String() != c.want {
			t.Errorf("%s %s: %d %q", c.method, c.path, w.Code, w.Body)
		}
		if c.code == 503 && w.Header().Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		if c.want == "" && !strings.Contains(w.Body.String(), "version 1.0&lt;x&gt;") || c.want == "" && !strings.Contains(w.Body.String(), `<li><a href="/v2/status"><code>/v2/status</code></a> is &lt;new&gt;</li>`) {
			t.Errorf("page: %s", w.Body)
		}
	}
	ready = true
	w := httptest.NewRecorder()
	d.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	if w.Code != 200 {
		t.Errorf("ready: %d", w.Code)
	}
}

func TestIdentity(t *testing.T) {
	ctx := context.Background()
	if ScopeFrom(ctx).Contains("a") || IdentityFrom(ctx).May("a", identity.Read) {
		t.Error("a context without identity reaches a tenant")
	}
	ctx = WithIdentity(ctx, identity.InScope("me", identity.Token, "t", identity.Reader, identity.Only("b", "a", "b")))
	if i := IdentityFrom(ctx); i.Subject != "me" || !i.May("a", identity.Read) || i.May("a", identity.Write) || i.May("c", identity.Read) {
		t.Errorf("%+v", i)
	}
	s := ScopeFrom(ctx)
	if !s.Contains("a") || !s.Contains("b") || s.Contains("c") || s.All() || fmt.Sprint(s.Tenants()) != "[a b]" {
		t.Errorf("%+v", s)
	}
}

type kinded struct{ kind, code string }

func (k kinded) Error() string { return "text" }
func (k kinded) Kind() string  { return k.kind }
func (k kinded) Code() string  { return k.code }

func TestKinds(t *testing.T) {
	for kind, status := range map[Kind]int{Invalid: 400, NotFound: 404, Conflict: 409, Forbidden: 403, OverLimit: 429, Unavailable: 503, Internal: 500, "odd": 500} {
		err := fmt.Errorf("wrapped: %w", kinded{string(kind), "c"})
		want := kind
		if kind == "odd" {
			want = Internal
		}
		if KindOf(err) != want || Status(err) != status || CodeOf(err) != "c" {
			t.Errorf("%s: %s %d", kind, KindOf(err), Status(err))
		}
	}
	if err := errors.New("x"); KindOf(err) != Internal || CodeOf(err) != "" {
		t.Error("an error that says nothing")
	}
	for _, c := range []struct {
		err    error
		status int
		code   string
		text   string
	}{
		{&TooLargeError{What: "answer", Limit: 7, Setting: "a.b"}, 413, "size-limit", "answer exceeds the limit of 7 bytes (setting a.b)"},
		{&TooLargeError{What: "answer", Limit: 7, Points: true, Setting: "a.b"}, 413, "answer-too-large", "answer exceeds the limit of 7 points (setting a.b)"},
		{&EncodingError{Encoding: "br"}, 415, "content-encoding", `Content-Encoding "br" is not understood; gzip, zstd, deflate and identity are`},
		{&DamagedError{Encoding: "gzip", Err: io.EOF}, 400, "damaged-body", "request body is not valid gzip: EOF"},
	} {
		if Status(c.err) != c.status || CodeOf(c.err) != c.code || KindOf(c.err) == Internal || c.err.Error() != c.text {
			t.Errorf("%d %s %s", Status(c.err), CodeOf(c.err), c.err)
		}
	}
}

func TestServer(t *testing.T) {
	s := NewServer(nil, ServerOptions{Read: -1, Idle: time.Second})
	if s.ReadHeaderTimeout != 10*time.Second || s.ReadTimeout != 0 || s.WriteTimeout != time.Minute || s.IdleTimeout != time.Second || s.MaxHeaderBytes != 64<<10 {
		t.Errorf("%+v", s)
	}
}
