package endpoint

import (
	"crypto/tls"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"granary/cmd/granary/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func ask(t *testing.T, e *config.BridgeEndpoint, fields http.Header) (*Answer, error) {
	t.Helper()
	if e.Timeout == 0 {
		e.Timeout = 5 * time.Second
	}
	c, err := NewClient(e, fields)
	if err != nil {
		return nil, err
	}
	defer c.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.URL, strings.NewReader("q"))
	if err != nil {
		t.Fatal(err)
	}
	return Do(c, r, 100)
}

func TestTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.TLS.ServerName) }))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0) // handshakes fail on purpose
	s.StartTLS()
	defer s.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	if a, err := ask(t, &config.BridgeEndpoint{URL: s.URL, CAFile: ca, ServerName: "example.com"}, nil); err != nil || string(a.Body) != "example.com" {
		t.Errorf("%+v %v", a, err)
	}
	for _, e := range []config.BridgeEndpoint{{URL: s.URL}, {URL: s.URL, CAFile: ca, ServerName: "other.example"}} {
		if _, err := ask(t, &e, nil); err == nil || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("%+v: %v", e, err)
		}
	}
}

func TestClientCertificate(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.TLS.PeerCertificates[0].Subject.String())
	}))
	s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	s.StartTLS()
	defer s.Close()
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cert, key := pair(t)
	e := config.BridgeEndpoint{URL: s.URL, CAFile: write("ca.pem", "CERTIFICATE", s.Certificate().Raw), CertFile: write("cert.pem", "CERTIFICATE", cert), KeyFile: write("key.pem", "PRIVATE KEY", key)}
	if a, err := ask(t, &e, nil); err != nil || string(a.Body) != "CN=bridge" {
		t.Errorf("%+v %v", a, err)
	}
}

// TestSecretsFromFiles: a file is read for each request, and what is no secret in it is not quoted.
func TestSecretsFromFiles(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.Header.Get("Authorization")+" "+r.Header.Get("Tenant"))
	}))
	defer s.Close()
	file := filepath.Join(t.TempDir(), "token")
	e := &config.BridgeEndpoint{URL: s.URL, BearerFile: file, Timeout: 5 * time.Second}
	if _, err := NewClient(e, nil); err == nil {
		t.Error("a file that is not there was taken")
	}
	for _, c := range []struct{ content, want string }{
		{"one\n", "Bearer one site"},
		{" two ", "Bearer two site"},
		{"", "is empty"},
		{"three\nfour", "more than one line"},
	} {
		if err := os.WriteFile(file, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		a, err := ask(t, e, http.Header{"Tenant": {"site"}})
		if err == nil && string(a.Body) != c.want || err != nil && (!strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "four")) {
			t.Errorf("%q: %+v %v", c.content, a, err)
		}
	}
}
