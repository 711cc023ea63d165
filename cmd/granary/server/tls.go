package server

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync/atomic"

	"granary/api/edge"
	"granary/cmd/granary/config"
)

// certificates serve TLS with what lies in the files of the configuration, and follow the files.
type certificates struct {
	cfg     config.TLS
	log     *slog.Logger
	files   *config.Watcher
	current atomic.Pointer[tls.Config]
}

// newCertificates reads the files.
func newCertificates(cfg config.TLS, log *slog.Logger) (*certificates, error) {
	c := &certificates{cfg: cfg, log: log, files: cfg.Watch()}
	t, err := LoadTLS(cfg)
	if err != nil {
		return nil, err
	}
	c.current.Store(t)
	return c, nil
}

// LoadTLS reads a certificate, its key, and the authorities of clients.
func LoadTLS(cfg config.TLS) (*tls.Config, error) {
	cert, err := tls.LoadX509KeyPair(cfg.CertFile, cfg.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	t := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: cfg.MinVersion, NextProtos: []string{"h2", "http/1.1"}}
	if cfg.ClientCA == "" {
		return t, nil
	}
	b, err := os.ReadFile(cfg.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("granary.tls.client-ca: %w", err)
	}
	t.ClientCAs = x509.NewCertPool()
	if !t.ClientCAs.AppendCertsFromPEM(b) {
		return nil, fmt.Errorf("granary.tls.client-ca: %s holds no certificate", cfg.ClientCA)
	}
	// A session that is taken up again would not be held against authorities that have changed meanwhile.
	t.SessionTicketsDisabled = true
	switch cfg.ClientAuth {
	case config.ClientRequire:
		t.ClientAuth = tls.RequireAndVerifyClientCert
	case config.ClientRequest:
		t.ClientAuth = tls.VerifyClientCertIfGiven
	}
	return t, nil
}

// listen puts TLS around a listener. Each connection takes the files as they were last read.
func (c *certificates) listen(l net.Listener) net.Listener {
	return tls.NewListener(l, &tls.Config{
		MinVersion: c.cfg.MinVersion, NextProtos: []string{"h2", "http/1.1"},
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.current.Load(), nil },
	})
}

// refresh reads the files again if one has changed, or in any case. Files with a fault, such as a key that is not yet the
// certificate's, leave what was in force.
func (c *certificates) refresh(always bool) {
	if c == nil {
		return
	}
	for _, name := range c.files.Gone() {
		c.log.Error("a file of TLS is gone; what was in force stays, and the service does not start without it", "file", name)
	}
	if !c.files.Changed() && !always {
		return
	}
	t, err := LoadTLS(c.cfg)
	if err != nil {
		c.log.Error("files of TLS with a fault are not taken, what was in force stays", "error", err)
		return
	}
	c.current.Store(t)
	c.log.Info("certificate read again", "expires", t.Certificates[0].Leaf.NotAfter)
}

// connectionOptions bound the connections of the listener.
func connectionOptions(cfg *config.Config) edge.ConnectionOptions {
	return edge.ConnectionOptions{Max: int(cfg.Limits.Connections), PerAddress: int(cfg.Limits.ConnectionsPerAddress), Exempt: cfg.TrustedProxies}
}
