package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"granary/cmd/granary/config"
	"granary/cmd/granary/demo"
	"granary/cmd/granary/server"
)

func TestDemoServesAndFeeds(t *testing.T) {
	var lines atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		lines.Add(int64(strings.Count(string(b), "\n")))
	}))
	defer srv.Close()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	stopped := false
	d := demoRun{
		cfg: config.Default(),
		o:   demo.Options{Hosts: 1, Interval: time.Second, Past: 3 * time.Second, Logger: slog.New(slog.DiscardHandler)},
		serve: func(ctx context.Context, _ *config.Config, o server.Options) error {
			o.Ready(strings.TrimPrefix(srv.URL, "http://"))
			<-ctx.Done()
			stopped = true
			return nil
		},
		banner: func(base string) error {
			if base != srv.URL {
				t.Errorf("base %s", base)
			}
			stop()
			return nil
		},
	}
	if err := d.run(ctx); err != nil || !stopped || lines.Load() == 0 || lines.Load()%4 != 0 {
		t.Errorf("%v, stopped %v, %d lines", err, stopped, lines.Load())
	}
}

func TestDemoEndsWithItsServer(t *testing.T) {
	broken := errors.New("address in use")
	d := demoRun{
		cfg:   config.Default(),
		o:     demo.Options{Logger: slog.New(slog.DiscardHandler)},
		serve: func(context.Context, *config.Config, server.Options) error { return broken },
	}
	if err := d.run(t.Context()); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}

func TestReachable(t *testing.T) {
	for addr, want := range map[string]string{
		"127.0.0.1:8082": "127.0.0.1:8082", ":8082": "127.0.0.1:8082", "0.0.0.0:1": "127.0.0.1:1", "[::]:1": "127.0.0.1:1", "[::1]:1": "[::1]:1", "host:1": "host:1",
	} {
		if got := reachable(addr); got != want {
			t.Errorf("reachable(%q) = %q", addr, got)
		}
		if _, _, err := net.SplitHostPort(reachable(addr)); err != nil {
			t.Error(err)
		}
	}
}
