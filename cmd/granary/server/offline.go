package server

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	"granary/cmd/granary/config"
	"granary/measures"
	"granary/measures/ingest"
	"granary/measures/ingest/lineout"
	"granary/metricdef"
	"granary/tenant"
)

// Offline is a data folder that is opened without serving it, for import and export. It takes the folder's lock, so no
// server can have it open at the same time.
type Offline struct {
	store   *measures.Store
	lines   *lines
	stop    context.CancelFunc
	stopped chan struct{}
	reader  measures.Reader
	texts   measures.TextReader
}

// OpenOffline opens the data folder of the configuration and recovers it. With write it is made if need be, and the
// metrics of the configuration come into force as they would at the start of a server; without, nothing but what recovery
// itself does is changed.
func OpenOffline(ctx context.Context, cfg *config.Config, o Options, write bool) (*Offline, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if !write {
		if _, err := os.Stat(cfg.Data); err != nil {
			return nil, fmt.Errorf("data folder: %w", err)
		}
	}
	store, err := measures.Open(storeOptions(cfg, o))
	if err != nil {
		return nil, err
	}
	f := &Offline{store: store, stop: func() {}, stopped: make(chan struct{})}
	if err := f.start(ctx, cfg, o, write); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (f *Offline) start(ctx context.Context, cfg *config.Config, o Options, write bool) error {
	defer func() {
		if f.lines == nil {
			close(f.stopped) // nothing runs in the background
		}
	}()
	f.store.Tenants.Expect(tenants(cfg)...)
	if err := f.store.Recover(ctx); err != nil {
		return fmt.Errorf("recovery: %w", err)
	}
	if !write {
		return nil
	}
	set, _ := cfg.Policies()
	if err := putPolicies(ctx, f.store, cfg, set); err != nil {
		return fmt.Errorf("policies: %w", err)
	}
	f.lines = newLines(f.store, ingest.New(f.store, f.store.Definitions, ingestOptions(cfg, o)), nil, nil, cfg)
	background, stop := context.WithCancel(context.Background())
	f.stop = stop
	go func() {
		defer close(f.stopped)
		f.store.Run(background)
	}()
	return nil
}

// WriteLines stores line protocol as a request to /api/write would. It is part of checkpoint.Sink.
func (f *Offline) WriteLines(ctx context.Context, body []byte) (map[string]int, error) {
	tenantOf := func(cluster string) (tenant.ID, error) { return f.lines.tenantOf(cluster, f.lines.fallback), nil }
	r, err := f.lines.writer.WriteLines(ctx, f.lines.mapping(ctx, "", otherKey(f.lines.fallback), tenantOf), body)
	if err == nil && r.First != nil {
		err = fmt.Errorf("line %d (%q): %s", r.First.Line, r.First.Text, r.First.Reason)
	}
	ignored := map[string]int{}
	for reason, n := range r.Ignored {
		if n > 0 {
			ignored[measures.Reason(reason).String()] += n
		}
	}
	return ignored, err
}

// EachSeries is part of export.Source: tenant by tenant, the series of each in the order of refs.
func (f *Offline) EachSeries(fn func(metricdef.Definition) error) error {
	for _, t := range f.store.Tenants.All() {
		refs, err := f.store.Definitions.Select(context.Background(), t.Num, nil)
		if err != nil {
			return err
		}
		for _, ref := range refs {
			d, ok := f.store.Definitions.Get(ref)
			if !ok {
				continue
			}
			if err := fn(d); err != nil {
				return err
			}
		}
	}
	return nil
}

// Derived is part of export.Source.
func (f *Offline) Derived(ref metricdef.Ref) []metricdef.Tag { return f.store.Definitions.Derived(ref) }

// ReadRaw is part of export.Source.
func (f *Offline) ReadRaw(ctx context.Context, ref metricdef.Ref, from, to int64, fn func(t int64, v lineout.Value) error) error {
	// The store counts from these bounds, so they keep away from the ends of int64.
	from, to = max(from, math.MinInt64/2), min(to, math.MaxInt64/2)
	v := lineout.Value{Kind: f.store.KindOf(ref)}
	if v.Kind == metricdef.KindText {
		if err := f.store.ReadText(ctx, &f.texts, ref, from, to); err != nil {
			return err
		}
		for i, t := range f.texts.Times {
			v.Text = f.texts.Texts[i]
			if err := fn(t, v); err != nil {
				return err
			}
		}
		return nil
	}
	if err := f.store.Read(ctx, &f.reader, ref, from, to); err != nil {
		return err
	}
	for i, t := range f.reader.Times {
		if v.Float = f.reader.Values[i]; v.Kind == metricdef.KindInt {
			v.Int = measures.WordInt(v.Float)
		}
		if err := fn(t, v); err != nil {
			return err
		}
	}
	return nil
}

// Tenant finds the number of a tenant by its name.
func (f *Offline) Tenant(id tenant.ID) (tenant.Num, bool) {
	t, ok := f.store.Tenants.Lookup(id)
	return t.Num, ok
}

// Close writes a last snapshot and closes the folder.
func (f *Offline) Close() error {
	f.stop()
	<-f.stopped
	return f.store.Close()
}
