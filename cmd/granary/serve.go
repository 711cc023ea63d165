package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"granary/cmd/granary/config"
	"granary/cmd/granary/server"
)

// ServeCmd serves until it is told to stop.
type ServeCmd struct {
	Config   string `short:"c" type:"path" placeholder:"FILE" help:"Configuration, JSON or YAML: the file of cc-metric-store, the section granary, or both."`
	Listen   string `placeholder:"HOST:PORT" help:"Address to listen on; wins over the file. [127.0.0.1:8082]"`
	Data     string `type:"path" placeholder:"DIR" help:"Data directory; wins over the file. [./granary-data]"`
	LogLevel string `placeholder:"LEVEL" help:"debug, info, warn, error; wins over the file. err and crit of cc-metric-store mean error. [info]"`
	Dev      bool   `help:"Accepted, as cc-metric-store has it; without effect."`
	Logdate  bool   `hidden:"" help:"Accepted without effect."`
	Gops     bool   `hidden:"" help:"Accepted without effect."`
}

// load reads the configuration with the flags over it.
func (c *ServeCmd) load() (*config.Config, []config.Warning, error) {
	level := c.LogLevel
	if level == "err" || level == "crit" {
		level = "error"
	}
	return config.Load(c.Config, config.Options{Overrides: config.Overrides{Listen: c.Listen, Data: c.Data, LogLevel: level}})
}

// Run serves.
func (c *ServeCmd) Run(ctx context.Context, e env) error {
	cfg, warns, err := c.load()
	if err != nil {
		return err
	}
	log := newLogger(e.stderr, cfg.Log)
	for _, w := range warns {
		if w.Kind != config.NoEffect {
			log.Warn(w.String())
		}
	}
	return server.Run(ctx, cfg, server.Options{Version: currentVersion().String(), Logger: log, Reload: hangups(ctx)})
}

// hangups turns SIGHUP into a receive, until ctx ends. Signals that come faster than they are taken become one.
func hangups(ctx context.Context) <-chan struct{} {
	signals, out := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(signals, syscall.SIGHUP)
	go func() {
		defer signal.Stop(signals)
		for {
			select {
			case <-ctx.Done():
				return
			case <-signals:
			}
			select {
			case <-ctx.Done():
				return
			case out <- struct{}{}:
			}
		}
	}()
	return out
}

func newLogger(w io.Writer, l config.Log) *slog.Logger {
	o := &slog.HandlerOptions{Level: l.Level}
	if l.JSON {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}
