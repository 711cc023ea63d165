//go:build e2e

package e2e_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// certificate makes files of a key and a certificate for this machine, which is its own authority.
func certificate(t *testing.T) (certFile, keyFile string, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	must(t, os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	must(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600))
	pool = x509.NewCertPool()
	pool.AddCert(cert)
	return certFile, keyFile, pool
}

// secure starts a server with TLS, and with the settings below granary.
func secure(t *testing.T, settings object) (*process, *tls.Config) {
	t.Helper()
	certFile, keyFile, pool := certificate(t)
	config := configFile(t, filepath.Join(t.TempDir(), "config.json"), object{
		"main":    object{"https-cert-file": certFile, "https-key-file": keyFile},
		"granary": settings,
	})
	p := listen(t, config, filepath.Join(t.TempDir(), "data"))
	p.url = "https" + strings.TrimPrefix(p.url, "http")
	client := &tls.Config{RootCAs: pool, ServerName: "localhost", MinVersion: tls.VersionTLS12}
	p.client = &http.Client{Timeout: patience, Transport: checked(t, &http.Transport{TLSClientConfig: client, ForceAttemptHTTP2: true})}
	p.ready()
	return p, client
}

// frameOf is a frame of HTTP/2.
func frameOf(kind, flags byte, stream uint32, payload string) string {
	b := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags}
	return string(binary.BigEndian.AppendUint32(b, stream)) + payload
}

const (
	framesData, framesHeaders, framesReset, framesSettings, framesPing, framesContinuation = 0, 1, 3, 4, 6, 9

	preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	// getRoot is the block of header fields of GET https://localhost/healthz.
	getHealth = "\x82\x87\x04\x08/healthz\x01\x09localhost"
)

// TestHTTP2Floods does in one connection what has brought servers to their knees: streams that are begun and taken back, header
// fields without end, settings and pings without end, fields that unpack to much. The connection ends, or what it asks for is answered;
// the service goes on.
func TestHTTP2Floods(t *testing.T) {
	t.Parallel()
	p, client := secure(t, object{"disk-free-mark": 0, "timeouts": object{"header": "2s", "read": "3s", "write": "5s", "idle": "4s"}})
	client = client.Clone()
	client.NextProtos = []string{"h2"}
	before := resident(t, p)
	for _, c := range []struct {
		name string
		make func(i int) string // the i-th piece
		n    int
	}{
		{"rapid reset", func(i int) string {
			id := uint32(2*i + 1)
			return frameOf(framesHeaders, 5, id, getHealth) + frameOf(framesReset, 0, id, "\x00\x00\x00\x08")
		}, 30_000},
		{"streams without end", func(i int) string { return frameOf(framesHeaders, 4, uint32(2*i+1), getHealth) }, 5_000},
		{"continuations without end", func(i int) string {
			if i == 0 {
				return frameOf(framesHeaders, 1, 1, getHealth)
			}
			return frameOf(framesContinuation, 0, 1, "\x00\x01x"+"\x7f\x81\x7e"+strings.Repeat("a", 16_000))
		}, 2_000},
		{"fields that unpack to much", func(i int) string {
			if i == 0 {
				return frameOf(framesHeaders, 5, 1, getHealth+"\x40\x01x\x7f\xa1\x1f"+strings.Repeat("a", 4000))
			}
			return frameOf(framesHeaders, 5, uint32(2*i+1), getHealth+strings.Repeat("\xbe", 15_000))
		}, 300},
		{"pings without end", func(int) string { return frameOf(framesPing, 0, 0, "12345678") }, 50_000},
		{"settings without end", func(int) string { return frameOf(framesSettings, 0, 0, "\x00\x04\x00\x00\xff\xff") }, 50_000},
		{"empty data without end", func(i int) string {
			if i == 0 {
				return frameOf(framesHeaders, 4, 1, "\x83\x87\x04\x0c/v2/measures\x01\x09localhost")
			}
			return frameOf(framesData, 0, 1, "")
		}, 50_000},
		{"frames of an unknown kind", func(int) string { return frameOf(0xbb, 0, 0, strings.Repeat("x", 16_000)) }, 500},
		{"frames that are too large", func(int) string { return frameOf(framesData, 0, 1, strings.Repeat("x", 1<<20)) }, 20},
		{"no HTTP/2 at all", func(int) string { return "GET / HTTP/1.1\r\n\r\n" }, 10},
	} {
		conn, err := tls.Dial("tcp", strings.TrimPrefix(p.url, "https://"), client)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(patience))
		read := make(chan int64, 1)
		go func() {
			n, _ := io.Copy(io.Discard, conn) // also what answers the flood
			read <- n
		}()
		_, err = io.WriteString(conn, preface+frameOf(framesSettings, 0, 0, ""))
		sent := 0
		for i := 0; i < c.n && err == nil; i += 50 {
			var b strings.Builder
			for k := i; k < min(i+50, c.n); k++ {
				b.WriteString(c.make(k))
			}
			if _, err = io.WriteString(conn, b.String()); err == nil {
				sent = min(i+50, c.n)
			}
		}
		began := time.Now()
		if status, body := p.get("/readyz"); status != http.StatusOK {
			t.Errorf("%s: then %d %s", c.name, status, body)
		}
		took := time.Since(began)
		_ = conn.Close()
		t.Logf("%s: %d of %d taken, then %v; %d bytes came back; others wait %v", c.name, sent, c.n, ended(err), <-read, took)
		if took > 3*time.Second {
			t.Errorf("%s: others wait %v", c.name, took)
		}
	}
	if peak := resident(t, p); peak-before > 200<<20 {
		t.Errorf("%d MB, %d MB before", peak>>20, before>>20)
	}
	p.alive()
}

func ended(err error) string {
	var timeout interface{ Timeout() bool }
	switch {
	case err == nil:
		return "nothing"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "no more was taken"
	}
	return "the connection ended"
}
