package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority makes certificates.
type certAuthority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newCertAuthority(t *testing.T, name string) *certAuthority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &certAuthority{cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

// issue makes a certificate and its key, in PEM.
func (a *certAuthority) issue(t *testing.T, name string) (cert, private []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	p, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: p})
}

// write writes a file in place of another, in the past by a while that is never the same, so that a change is seen.
func write(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	changes++
	past := time.Now().Add(-time.Hour).Add(time.Duration(changes) * time.Second)
	if err := os.Chtimes(name, past, past); err != nil {
		t.Fatal(err)
	}
}

var changes int

// tlsFiles are the files of a server's certificate, in a folder of their own.
func tlsFiles(t *testing.T, ca *certAuthority, name string) (certFile, keyFile string) {
	t.Helper()
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "c.pem"), filepath.Join(dir, "k.pem")
	cert, key := ca.issue(t, name)
	write(t, certFile, cert)
	write(t, keyFile, key)
	return certFile, keyFile
}

// served asks over TLS, on a connection of its own, and says whose certificate answered with which status.
func served(t *testing.T, s *Server, ca *certAuthority, path string, change func(*tls.Config), header ...string) (name string, status int, err error) {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(ca.cert)
	cfg := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS10}
	if change != nil {
		change(cfg)
	}
	transport := &http.Transport{TLSClientConfig: cfg}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+s.Addr()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		return "", 0, err
	}
	defer answer.Body.Close()
	return answer.TLS.PeerCertificates[0].Subject.CommonName, answer.StatusCode, nil
}

// TestCertificateReload: a certificate that changes is served to the next connection; files with a fault leave the old one.
func TestCertificateReload(t *testing.T) {
	ca := newCertAuthority(t, "ca")
	certFile, keyFile := tlsFiles(t, ca, "first")
	s := made(t, configured(t, fmt.Sprintf("main: {https-cert-file: %s, https-key-file: %s}\ngranary: {tls: {min-version: \"1.3\"}}", certFile, keyFile)))
	var said lockedBuffer // the ticks of the server may come too, and do the same
	s.certificates.log = slog.New(slog.NewTextHandler(&said, nil))
	serve(t, s)
	expect := func(want string) {
		t.Helper()
		if name, status, err := served(t, s, ca, "/healthz", nil); name != want || status != 200 || err != nil {
			t.Errorf("%q %d %v, want %q", name, status, err, want)
		}
	}
	expect("first")
	if _, _, err := served(t, s, ca, "/healthz", func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }); err == nil {
		t.Error("TLS 1.2 was served")
	}
	cert, key := ca.issue(t, "second")
	write(t, certFile, cert) // of which the key is not there yet
	s.certificates.refresh(true)
	expect("first")
	write(t, keyFile, key)
	s.certificates.refresh(true)
	expect("second")
	write(t, certFile, []byte("rubbish"))
	s.certificates.refresh(true)
	expect("second")
	if !strings.Contains(said.String(), "stays") || !strings.Contains(said.String(), "certificate read again") {
		t.Error(said.String())
	}
}

// TestClientCertificates: one that an authority vouches for and the configuration names is somebody; another authority's ends the
// connection. Where one is required nobody is served without.
func TestClientCertificates(t *testing.T) {
	ca, other := newCertAuthority(t, "ca"), newCertAuthority(t, "other")
	certFile, keyFile := tlsFiles(t, ca, "server")
	clients := filepath.Join(t.TempDir(), "clients.pem")
	write(t, clients, ca.pem)
	with := func(a *certAuthority, name string) func(*tls.Config) {
		cert, key := a.issue(t, name)
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		return func(c *tls.Config) {
			c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
		}
	}
	const failed = 0
	for _, auth := range []string{"request", "require"} {
		s := running(t, configured(t, fmt.Sprintf("main: {https-cert-file: %s, https-key-file: %s}\ngranary: {tls: {client-ca: %s, client-auth: %s}, identity: {certificates: [{subject: CN=collector, roles: [reader], tenants: [a]}]}}",
			certFile, keyFile, clients, auth)))
		for _, c := range []struct {
			name           string
			change         func(*tls.Config)
			path           string
			header         []string
			request, needs int // the status where a certificate is asked for, and where it is required
		}{
			{"no certificate", nil, "/healthz", nil, 200, failed},
			{"no certificate", nil, "/v2/metrics", nil, 401, failed},
			{"a collector", with(ca, "collector"), "/v2/metrics", nil, 200, 200},
			{"a collector elsewhere", with(ca, "collector"), "/v2/metrics", []string{"Tenant", "b"}, 403, 403},
			{"not named", with(ca, "stranger"), "/v2/metrics", nil, 401, 401},
			{"another authority's", with(other, "collector"), "/v2/metrics", nil, failed, failed},
			{"with a token that is wrong", with(ca, "collector"), "/v2/metrics", []string{"X-Api-Key", "wrong"}, 401, 401},
		} {
			want := c.request
			if auth == "require" {
				want = c.needs
			}
			if _, status, err := served(t, s, ca, c.path, c.change, c.header...); status != want || (err != nil) != (want == failed) {
				t.Errorf("%s, %s: %d %v, want %d", auth, c.name, status, err, want)
			}
		}
	}
}
