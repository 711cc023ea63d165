package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"granary/cmd/granary/config"
)

// HealthcheckCmd asks a server how it is.
type HealthcheckCmd struct {
	URL     string `name:"url" placeholder:"URL" help:"The server, such as http://127.0.0.1:8082; wins over --config."`
	Config  string `short:"c" type:"path" placeholder:"FILE" help:"Configuration of the server, which says where it listens on this machine. Without it and --url: http://127.0.0.1:8082."`
	Ready   bool   `help:"Ask whether reads and writes are taken (/readyz), not only whether it answers (/healthz): no while the journal is replayed."`
	Timeout string `default:"5s" placeholder:"DURATION" help:"How long the answer may take. [${default}]"`
}

// Run asks once, and fails unless the answer is 200.
func (c *HealthcheckCmd) Run(ctx context.Context, e env) error {
	timeout, err := duration("--timeout", c.Timeout)
	if err != nil {
		return err
	}
	base, err := c.base()
	if err != nil {
		return err
	}
	path := "/healthz"
	if c.Ready {
		path = "/readyz"
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(base, "/")+path, nil)
	if err != nil {
		return usagef("--url: expected a URL such as http://127.0.0.1:8082, found %q", base)
	}
	client := &http.Client{Transport: &http.Transport{
		Proxy: nil, // the server is asked itself
		// Nothing is sent that anybody could listen to, and the certificate is for the name of the service, not for the address of this machine.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}, //nolint:gosec // see above
	}, Timeout: timeout}
	defer client.CloseIdleConnections()
	began := time.Now()
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<10))
	if err != nil {
		return fmt.Errorf("answer of %s: %w", req.URL, err)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %s", req.URL, res.Status, strings.TrimSpace(string(text)))
	}
	_, err = fmt.Fprintf(e.stdout, "%s: %s in %v\n", req.URL, res.Status, time.Since(began).Round(time.Millisecond))
	return err
}

// base is the address that is asked, with a scheme and without a path.
func (c *HealthcheckCmd) base() (string, error) {
	if c.URL != "" {
		if !strings.HasPrefix(c.URL, "http://") && !strings.HasPrefix(c.URL, "https://") {
			return "", usagef("--url: expected a URL such as http://127.0.0.1:8082, found %q", c.URL)
		}
		return c.URL, nil
	}
	cfg, _, err := config.Load(c.Config, config.Options{})
	if err != nil {
		return "", err
	}
	scheme := "http://"
	if cfg.TLS.Enabled() {
		scheme = "https://"
	}
	return scheme + reachable(cfg.Listen), nil
}
