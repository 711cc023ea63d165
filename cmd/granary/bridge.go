package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sync/errgroup"

	"granary/cmd/granary/bridge"
	"granary/cmd/granary/config"
	"granary/tenant"
)

// BridgeCmd pulls from other stores.
type BridgeCmd struct {
	Prometheus BridgePrometheusCmd `cmd:"" help:"Ask a Prometheus for metrics at an interval, and send them."`
	InfluxDB   BridgeInfluxDBCmd   `cmd:"" name:"influxdb" help:"Ask an InfluxDB for metrics at an interval, in InfluxQL or Flux, and send them."`
	Run        BridgeRunCmd        `cmd:"" help:"Ask the kind of server that the file names (kind)."`
}

// BridgePrometheusCmd is the bridge to Prometheus.
type BridgePrometheusCmd struct{ bridgeFlags }

// Run pulls.
func (c *BridgePrometheusCmd) Run(ctx context.Context, e env) error {
	return c.run(ctx, e, config.Prometheus)
}

// BridgeInfluxDBCmd is the bridge to InfluxDB.
type BridgeInfluxDBCmd struct{ bridgeFlags }

// Run pulls.
func (c *BridgeInfluxDBCmd) Run(ctx context.Context, e env) error {
	return c.run(ctx, e, config.InfluxDB)
}

// BridgeRunCmd is a bridge whose file says what to.
type BridgeRunCmd struct{ bridgeFlags }

// Run pulls.
func (c *BridgeRunCmd) Run(ctx context.Context, e env) error { return c.run(ctx, e, "") }

type bridgeFlags struct {
	Config   string `arg:"" placeholder:"FILE" help:"What is asked of whom, YAML or JSON (docs/bridge.md)."`
	Check    bool   `xor:"mode" help:"Ask nothing; say what is in force."`
	DryRun   bool   `xor:"mode" help:"Carry out one round and print the lines; send nothing and leave the spool alone."`
	Once     bool   `xor:"mode" help:"Carry out one round, send what waits, and end: for cron."`
	Patience string `default:"20s" placeholder:"DURATION" help:"With --once: how long to send again what Granary does not take; what waits then is sent by the next run. [${default}]"`
	Spool    string `type:"path" placeholder:"DIR" help:"Folder in which lines wait for Granary; wins over the file. [/var/lib/granary-bridge/NAME, under systemd its state directory]"`
	Listen   string `placeholder:"HOST:PORT" help:"Serve /metrics and /healthz on this address of the machine itself."`
	LogLevel string `default:"info" placeholder:"LEVEL" help:"debug, info, warn, error. [${default}]"`
	LogJSON  bool   `name:"log-json" help:"Log as JSON."`
}

func (c *bridgeFlags) run(ctx context.Context, e env, kind string) (err error) {
	level, ok := config.ParseLevel(c.LogLevel)
	if !ok {
		return usagef("--log-level: expected one of debug, info, warn, error, found %q", c.LogLevel)
	}
	patience, err := duration("--patience", c.Patience)
	if err != nil {
		return err
	}
	cfg, err := config.LoadBridge(c.Config, kind, config.Options{})
	if err != nil {
		return usagef("%s is not valid:\n%v", c.Config, err)
	}
	log := newLogger(e.stderr, config.Log{Level: level, JSON: c.LogJSON})
	b, err := bridge.Open(cfg, bridge.Options{Logger: log, Clock: bridge.SystemClock()})
	if err != nil {
		return usagef("%s cannot be used on this machine: %v", c.Config, err)
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	switch {
	case c.Check:
		return c.print(e, cfg)
	case c.DryRun:
		_, err = b.DryRun(ctx, e.stdout)
		return err
	}
	if err := b.OpenSpool(c.spool(cfg)); err != nil {
		return err
	}
	if c.Once {
		r, err := b.Once(ctx, patience)
		if r != nil {
			log.Info("one round", "time", r.At, "lines", r.Lines, "queries", r.Queries, "failed", r.Failed)
		}
		return err
	}
	return c.serve(ctx, cfg, b, log)
}

// serve pulls until ctx ends.
func (c *bridgeFlags) serve(ctx context.Context, cfg *config.Bridge, b *bridge.Bridge, log *slog.Logger) error {
	group, ctx := errgroup.WithContext(ctx)
	if c.Listen != "" {
		if host, _, err := net.SplitHostPort(c.Listen); err != nil || !loopback(c.Listen) {
			return usagef("--listen: expected an address of this machine itself such as 127.0.0.1:9469, since nobody is asked who they are, found %q", host)
		}
		l, err := net.Listen("tcp", c.Listen)
		if err != nil {
			return fmt.Errorf("--listen: %w", err)
		}
		log.Info("listening", "listen", l.Addr().String())
		group.Go(func() error { return b.Serve(ctx, l) })
	}
	log.Info("bridge starts", "kind", cfg.Kind, "metrics", len(cfg.Metrics), "sources", len(cfg.Sources), "interval", cfg.Interval, "granary", cfg.Granary.URL)
	notify(log, daemon.SdNotifyReady)
	group.Go(func() error { return b.Run(ctx) })
	stop := context.AfterFunc(ctx, func() { notify(log, daemon.SdNotifyStopping) })
	err := group.Wait()
	stop()
	log.Info("bridge ends")
	return err
}

// notify tells systemd, if it has started us.
func notify(log *slog.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("systemd cannot be told", "state", state, "error", err)
	}
}

// spool is the folder of the spool: each file has one of its own.
func (c *bridgeFlags) spool(cfg *config.Bridge) string {
	if c.Spool != "" {
		return c.Spool
	}
	if cfg.Spool.Dir != "" {
		return cfg.Spool.Dir
	}
	dir := "/var/lib/granary-bridge"
	if state, _, _ := strings.Cut(os.Getenv("STATE_DIRECTORY"), ":"); state != "" {
		dir = state
	}
	name := filepath.Base(c.Config)
	return filepath.Join(dir, strings.TrimSuffix(name, filepath.Ext(name)))
}

// print says what a file brings into force.
func (c *bridgeFlags) print(e env, cfg *config.Bridge) error {
	fmt.Fprintf(e.stdout, "%s is valid. In force:\n", c.Config)
	t := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(t, "  %s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	clock := "of the round"
	if cfg.OwnTime {
		clock = "of the answer"
	}
	row("interval", "%s, samples have the time %s", shortDuration(cfg.Interval), clock)
	row("granary", "%s", cfg.Granary.URL)
	for _, s := range cfg.Sources {
		row("source", "%s at %s, %s a query", s.Name, s.URL, shortDuration(s.Timeout))
	}
	age := "of any age"
	if cfg.Spool.Age > 0 {
		age = "up to " + shortDuration(cfg.Spool.Age) + " old"
	}
	row("spool", "%s, up to %s, %s", c.spool(cfg), tenant.FormatSize(cfg.Spool.Size), age)
	for _, m := range cfg.Metrics {
		row("metric", "%s of %s", m.Name, strings.Join(m.Sources, ", "))
	}
	return t.Flush()
}
