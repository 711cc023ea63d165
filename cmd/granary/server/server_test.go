package server

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"granary/cmd/granary/config"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/klauspost/compress/zstd.(*blockDec).startDecoder"))
}

// configured reads a configuration in YAML.
func configured(t testing.TB, yaml string, files ...string) *config.Config {
	t.Helper()
	cfg, _, err := config.Load("c.yaml", config.Options{ReadFile: func(name string) ([]byte, error) {
		for i := 0; i+1 < len(files); i += 2 {
			if name == files[i] {
				return []byte(files[i+1]), nil
			}
		}
		if name != "c.yaml" {
			return nil, os.ErrNotExist
		}
		return []byte(yaml), nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Path, cfg.Files = "", nil // nothing on disk is watched
	return cfg
}

// made makes a server that does not run, in a folder of its own.
func made(t testing.TB, cfg *config.Config) *Server {
	t.Helper()
	cfg.Data = filepath.Join(t.TempDir(), "data")
	if _, port, _ := net.SplitHostPort(cfg.Listen); port != "0" {
		cfg.Listen = "127.0.0.1:0"
	}
	s, err := New(cfg, Options{Version: "test", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// unserved makes a server that never runs.
func unserved(t testing.TB, cfg *config.Config) *Server {
	t.Helper()
	s := made(t, cfg)
	t.Cleanup(func() {
		if err := s.closeAll(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// running runs a server until the test ends, and returns when it is ready.
func running(t testing.TB, cfg *config.Config) *Server {
	t.Helper()
	s := made(t, cfg)
	serve(t, s)
	return s
}

// serve runs a server until the test ends, and returns when it is ready.
func serve(t testing.TB, s *Server) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	s.o.Ready = func(string) { close(ready) }
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	select {
	case <-ready:
	case err := <-done:
		done <- nil
		t.Fatal(err)
	}
}

// ask sends a request past the network, from an address.
func ask(s *Server, from, method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(context.Background(), method, path, strings.NewReader(body))
	r.RemoteAddr, r.Host = from, "localhost:8082"
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.http.Handler.ServeHTTP(w, r)
	return w
}

const (
	here  = "127.0.0.1:4711"
	there = "192.0.2.7:4711"
)

// publicKey is a key that nobody has the other half of.
const publicKey = "kzfYrYy+TzpanWZHJ5qSdMj5uKUWgq74BWhQG6copP0="

// TestWhoMaySeeWhat: without a source of identities everything is open to this machine; to others only what the dialect,
// health and documentation answer, unless the configuration says otherwise. With one, only the open list is left.
func TestWhoMaySeeWhat(t *testing.T) {
	const key = `main: {jwt-public-key: "` + publicKey + `"}` + "\n"
	const open = "granary: {auth: none}\n"
	for _, c := range []struct {
		name, config string
		metrics      map[string]int // status by where it comes from
		query        int
	}{
		{"no identity", "", map[string]int{
			here: 200, "[::1]:1": 200, "127.8.9.1:1": 200, "[::ffff:127.0.0.1]:1": 200,
			there: 403, "[2001:db8::1]:1": 403, "10.0.0.1:1": 403, "": 403, "@": 403, "localhost:1": 403,
		}, 400},
		{"open", open, map[string]int{here: 200, there: 200, "": 200}, 400},
		{"key", key, map[string]int{here: 401, there: 401}, 401},
		{"key and open", key + open, map[string]int{here: 200, there: 200}, 401},
	} {
		s := running(t, configured(t, c.config))
		for from, status := range c.metrics {
			w := ask(s, from, http.MethodGet, "/metrics", "")
			if w.Code != status || (status == 200) != strings.Contains(w.Body.String(), "granary_build_info") {
				t.Errorf("%s: /metrics from %q: %d, want %d", c.name, from, w.Code, status)
			}
			if status != 200 && !strings.Contains(w.Body.String(), "granary.auth") {
				t.Errorf("%s: the refusal does not name the setting: %s", c.name, w.Body)
			}
		}
		for _, from := range []string{here, there} {
			for path, want := range map[string]int{"/": 200, "/healthz": 200, "/readyz": 200, "/api/query": c.query, "/nope": 404, "/metrics/x": 404, "/debug/pprof/": 404} {
				if w := ask(s, from, http.MethodGet, path, "", "Accept", "text/html"); w.Code != want {
					t.Errorf("%s: %s from %s: %d, want %d", c.name, path, from, w.Code, want)
				}
			}
		}
		if w := ask(s, here, http.MethodPost, "/metrics", ""); w.Code != 405 {
			t.Errorf("%s: POST /metrics: %d", c.name, w.Code)
		}
	}
}

// TestProxyIsNotThisMachine: what a proxy beside the server hands on comes from somewhere else.
func TestProxyIsNotThisMachine(t *testing.T) {
	s := unserved(t, configured(t, ""))
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Real-IP"} {
		if w := ask(s, here, http.MethodGet, "/metrics", "", name, "127.0.0.1"); w.Code != 403 {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
}

// TestNotReady: before recovery has ended the service is healthy, not ready, and says so.
func TestNotReady(t *testing.T) {
	s := unserved(t, configured(t, ""))
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 503, "/api/query": 503, "/metrics": 200} {
		w := ask(s, here, http.MethodGet, path, "")
		if w.Code != want || want == 503 && w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
		if path == "/metrics" && !strings.Contains(w.Body.String(), "\ngranary_ready 0\n") {
			t.Errorf("%s", w.Body)
		}
	}
}

// TestBackend: the backend is asked for busy hosts, with the token.
func TestBackend(t *testing.T) {
	asked := make(chan string, 10)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Header.Get("Authorization")
		_, _ = io.WriteString(w, `{"usedNodes":{}}`)
	}))
	defer backend.Close()
	for name, granary := range map[string]string{"token": "{backend: {token: secret}}", "file": "{backend: {token-file: tok}}"} {
		running(t, configured(t, "main: {backend-url: \""+backend.URL+"\"}\ngranary: "+granary, "tok", "secret\n"))
		if got := <-asked; got != "Bearer secret" {
			t.Errorf("%s: Authorization %q", name, got)
		}
	}
}

func TestRights(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct{ user, group, want string }{
		{"", "", ""},
		{"no-such-user-here", "", "main.user: "},
		{"", "no-such-group-here", "main.group: "},
	} {
		err := dropRights(c.user, c.group, dir)
		if (err == nil) != (c.want == "") || err != nil && !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// TestExplicitTenants: where writes make no tenants, they make those that the configuration names.
func TestExplicitTenants(t *testing.T) {
	s := running(t, configured(t, "granary: {tenants: {default: me, create: explicit}, compat: {clustercockpit: {cluster-tenants: {alex: you}}}}"))
	w := ask(s, here, http.MethodPost, "/api/write", "m,cluster=alex,hostname=h value=1\nm,cluster=fritz,hostname=h value=1\n")
	if w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	for _, id := range []string{"me", "you"} {
		if _, err := s.store.EnsureTenant(t.Context(), "other"); err == nil || !strings.Contains(err.Error(), "granary.tenants.create") {
			t.Errorf("another tenant: %v", err)
		}
		found := false
		for _, have := range s.store.Tenants.All() {
			found = found || string(have.ID) == id
		}
		if !found {
			t.Errorf("there is no tenant %q", id)
		}
	}
}
