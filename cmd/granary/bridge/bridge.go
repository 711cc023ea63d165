package bridge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"granary/cmd/granary/bridge/endpoint"
	"granary/cmd/granary/bridge/source"
	"granary/cmd/granary/bridge/spool"
	"granary/cmd/granary/config"
	"granary/cmd/granary/writer"
)

// Clock is the time as a bridge sees it. Sleep ends early with the error of ctx.
type Clock struct {
	Now   func() time.Time
	Sleep func(ctx context.Context, d time.Duration) error
}

// SystemClock is the clock of the machine.
func SystemClock() Clock {
	return Clock{Now: time.Now, Sleep: func(ctx context.Context, d time.Duration) error {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
			return nil
		}
	}}
}

// Options are what a bridge needs beside its file.
type Options struct {
	Logger *slog.Logger
	Clock  Clock
}

// Bridge asks and sends.
type Bridge struct {
	cfg     *config.Bridge
	log     *slog.Logger
	clock   Clock
	sources map[string]source.Source
	client  *http.Client // to Granary
	http    *writer.HTTP
	spool   *spool.Spool // nil until OpenSpool
	sender  *sender
	counts  *counts
	said    map[string]map[string]int // what was left out in the round before, by query
	warned  map[string]string         // what the source warned of then

	lastRound atomic.Int64 // the time of the last round, seconds since 1970 UTC; 0 for none
}

// Open makes a bridge that can ask. It connects to nothing; it is an error if a file of a secret or a certificate cannot be read.
func Open(cfg *config.Bridge, o Options) (*Bridge, error) {
	b := &Bridge{cfg: cfg, log: o.Logger, clock: o.Clock, sources: map[string]source.Source{}, said: map[string]map[string]int{}, warned: map[string]string{}}
	b.counts = newCounts()
	for i := range cfg.Sources {
		s, err := source.Open(cfg.Kind, &cfg.Sources[i])
		if err != nil {
			return nil, errors.Join(err, b.Close())
		}
		b.sources[cfg.Sources[i].Name] = s
	}
	var fields http.Header
	if t := cfg.Granary.Tenant; t != "" {
		fields = http.Header{"Tenant": {t}}
	}
	var err error
	if b.client, err = endpoint.NewClient(&cfg.Granary.BridgeEndpoint, fields); err != nil {
		return nil, errors.Join(fmt.Errorf("granary: %w", err), b.Close())
	}
	if b.http, err = writer.NewHTTPWith(cfg.Granary.URL, "", b.client); err != nil {
		return nil, errors.Join(fmt.Errorf("granary.url: %w", err), b.Close())
	}
	return b, nil
}

// OpenSpool opens the spool in a folder, without which nothing can be sent. One that another bridge has open is a *spool.InUseError.
func (b *Bridge) OpenSpool(dir string) error {
	var err error
	if b.spool, err = spool.Open(dir, spool.Options{Size: b.cfg.Spool.Size, Age: b.cfg.Spool.Age, Logger: b.log, Now: b.clock.Now}); err != nil {
		return err
	}
	b.counts.registry.MustRegister(&spoolCollector{b.spool.Stats})
	b.sender = &sender{spool: b.spool, http: b.http, clock: b.clock, maxWait: b.cfg.Granary.MaxWait, counts: b.counts, log: b.log}
	return nil
}

// Close lets go of the spool and of all connections.
func (b *Bridge) Close() error {
	for _, s := range b.sources {
		s.Close()
	}
	if b.client != nil {
		b.client.CloseIdleConnections()
	}
	if b.spool == nil {
		return nil
	}
	return b.spool.Close()
}

// Run carries out a round at each whole multiple of the interval, the first one at once, and sends, until ctx ends, which is no error.
func (b *Bridge) Run(ctx context.Context) error {
	if n := b.spool.Stats().Lines; n > 0 {
		b.log.Info("lines of an earlier run wait in the spool", "lines", n)
	}
	var group errgroup.Group
	group.Go(func() error { return b.sender.run(ctx) })
	group.Go(func() error { return b.rounds(ctx) })
	return group.Wait()
}

// slot is the latest whole multiple of the interval, in seconds since 1970 UTC.
func (b *Bridge) slot(t time.Time) int64 {
	step := int64(b.cfg.Interval / time.Second)
	return t.Unix() - t.Unix()%step
}

func (b *Bridge) rounds(ctx context.Context) error {
	step := int64(b.cfg.Interval / time.Second)
	at := b.slot(b.clock.Now())
	for {
		if _, err := b.round(ctx, at); err != nil {
			return nil // ctx has ended
		}
		now := b.clock.Now()
		slot := b.slot(now)
		if slot > at {
			if missed := (slot-at)/step - 1; missed > 0 {
				b.counts.missed.Add(float64(missed))
				b.log.Warn("rounds are left out: the queries took longer than the interval", "rounds", missed, "interval", b.cfg.Interval)
			}
			at = slot
			continue
		}
		// A clock that was set back by more than an interval begins anew; by less, it is waited for.
		if at-slot <= step {
			slot = at
		}
		at = slot + step
		if b.clock.Sleep(ctx, time.Unix(at, 0).Sub(now)) != nil {
			return nil
		}
	}
}

// round asks and puts the lines into the spool.
func (b *Bridge) round(ctx context.Context, at int64) (*Round, error) {
	r, err := b.ask(ctx, at)
	if err != nil {
		return nil, err
	}
	for _, body := range r.Bodies {
		if err := b.spool.Append(body); err != nil {
			b.log.Error("lines cannot be put on disk", "error", err)
		}
	}
	b.log.Debug("round", "time", r.At, "lines", r.Lines, "queries", r.Queries, "failed", r.Failed)
	return r, nil
}

// DryRun carries out one round and prints the lines.
func (b *Bridge) DryRun(ctx context.Context, w io.Writer) (*Round, error) {
	r, err := b.ask(ctx, b.slot(b.clock.Now()))
	if err != nil {
		return nil, err
	}
	for _, body := range r.Bodies {
		if _, err := w.Write(body); err != nil {
			return r, err
		}
	}
	return r, failure(r)
}

// failure is the error of a round in which queries failed.
func failure(r *Round) error {
	if r.Failed == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d queries failed", r.Failed, r.Queries)
}

// Once carries out one round and sends all that waits, for at most the patience. An error says which part of it failed; what waits then is sent
// by the next run.
func (b *Bridge) Once(ctx context.Context, patience time.Duration) (*Round, error) {
	r, err := b.round(ctx, b.slot(b.clock.Now()))
	if err != nil {
		return nil, err
	}
	errs := []error{failure(r)}
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	last, err := b.sender.drain(limited)
	errs = append(errs, err)
	if n := b.sender.refusals; n > 0 {
		errs = append(errs, fmt.Errorf("lines of %d bodies were refused for good", n))
	}
	if n := b.spool.Stats().Lines; n > 0 {
		errs = append(errs, fmt.Errorf("%d lines wait in the spool and are sent by the next run (%s)", n, last))
	}
	return r, errors.Join(errs...)
}
