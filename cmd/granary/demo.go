package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"granary/cmd/granary/config"
	"granary/cmd/granary/demo"
	"granary/cmd/granary/loadgen"
	"granary/cmd/granary/server"
)

// DemoCmd serves and feeds itself.
type DemoCmd struct {
	Listen   string `default:"127.0.0.1:8082" placeholder:"HOST:PORT" help:"Address to listen on. [${default}]"`
	Data     string `type:"path" placeholder:"DIR" help:"Data directory, kept afterwards. Without it a temporary one is used."`
	Hosts    int    `default:"4" placeholder:"N" help:"Simulated nodes. [${default}]"`
	Interval string `default:"5s" placeholder:"DURATION" help:"Time between two samples of a metric. [${default}]"`
	Past     string `default:"1h" placeholder:"DURATION" help:"How much of a past the simulated cluster has. [${default}]"`
}

// demoRun is a demo whose flags have been read. The tests run one with a server of their own.
type demoRun struct {
	cfg    *config.Config
	o      demo.Options
	serve  func(context.Context, *config.Config, server.Options) error
	host   string
	banner func(base string) error
}

// Run serves until it is told to stop.
func (c *DemoCmd) Run(ctx context.Context, e env) (err error) {
	interval, err := duration("--interval", c.Interval)
	if err != nil {
		return err
	}
	past, err := duration("--past", c.Past)
	if err != nil {
		return err
	}
	if interval < time.Second || interval%time.Second != 0 || c.Hosts < 1 {
		return usagef("expected at least one node and an interval of whole seconds, found %d and %s", c.Hosts, c.Interval)
	}
	if c.Data == "" {
		dir, err := os.MkdirTemp("", "granary-demo-")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		c.Data = dir
	}
	cfg, _, err := config.Load("", config.Options{Overrides: config.Overrides{Listen: c.Listen, Data: c.Data, LogLevel: "warn"}})
	if err != nil {
		return err
	}
	cfg.SetMetrics(demo.Metrics(interval), false)
	name, err := os.Hostname()
	if err != nil {
		name = "localhost"
	}
	d := demoRun{
		cfg: cfg, serve: server.Run, host: name,
		o: demo.Options{Hosts: c.Hosts, Interval: interval, Past: past, Seed: uint64(time.Now().UnixNano()), Logger: newLogger(e.stderr, cfg.Log)},
		banner: func(base string) error {
			if _, err := fmt.Fprintf(e.stdout, "Serving on %s, data in %s.\n", base, c.Data); err != nil {
				return err
			}
			return demo.PrintQueries(e.stdout, base, name, time.Now())
		},
	}
	if runtime.GOOS == "linux" {
		d.o.Host = hostReader(os.DirFS("/"), name)
	}
	return d.run(ctx)
}

func hostReader(fsys fs.FS, name string) *demo.Host {
	return demo.NewHost(fsys, demo.LocalCluster, name)
}

// run serves, and feeds once the server listens.
func (d *demoRun) run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	listening := make(chan string, 1)
	var group errgroup.Group
	group.Go(func() error {
		defer stop()
		return d.serve(ctx, d.cfg, server.Options{
			Version: currentVersion().String(), Logger: d.o.Logger, Ready: func(addr string) { listening <- addr },
		})
	})
	group.Go(func() error {
		defer stop()
		select {
		case <-ctx.Done():
			return nil
		case addr := <-listening:
			return d.feed(ctx, "http://"+reachable(addr))
		}
	})
	return group.Wait()
}

func (d *demoRun) feed(ctx context.Context, base string) error {
	s, err := loadgen.Open(loadgen.Target{URL: base, Connections: 1, Timeout: sendTimeout})
	if err != nil {
		return err
	}
	defer s.Close()
	d.o.Sender = s
	var printed error
	err = demo.Feed(ctx, d.o, func() { printed = d.banner(base) })
	return errors.Join(err, printed)
}

// reachable makes an address to connect to out of one to listen on.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err == nil && (host == "" || (ip != nil && ip.IsUnspecified())) {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return addr
}
