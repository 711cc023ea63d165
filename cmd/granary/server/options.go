package server

import (
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"time"

	"granary/api/edge"
	"granary/cmd/granary/config"
	"granary/measures"
	"granary/measures/ingest"
	"granary/measures/ingest/line"
	"granary/measures/query"
	"granary/policy"
	"granary/tenant"
	"granary/tenant/usage"
)

// storeOptions are the options of the store that the configuration asks for.
func storeOptions(cfg *config.Config, o Options) measures.Options {
	return measures.Options{
		Dir: cfg.Data, Sync: syncMode(cfg.Journal.Sync), SyncInterval: cfg.Journal.Interval,
		SnapshotEvery: cfg.Snapshot.Interval, SnapshotJournal: cfg.Snapshot.JournalBytes,
		MaxText: int(cfg.Limits.Text), MemoryCap: cfg.MemoryCap, DiskFreeMark: cfg.DiskFreeMark, Now: o.Now, Logger: o.Logger,
		Limits: tenantLimits(cfg), MaxTenants: int(cfg.Tenants.Max), ExplicitTenants: !cfg.Tenants.Implicit,
		Usage: usage.Options{
			Tags:  usage.Tags{Node: cfg.Usage.NodeTags, Cluster: cfg.Usage.ClusterTags, User: cfg.Usage.UserTags, Template: cfg.Usage.TemplateTags},
			Grace: cfg.Usage.Grace, Keep: cfg.Usage.Keep,
		},
		CreateRate: cfg.Tenants.CreateRate, CreateBurst: cfg.Tenants.CreateBurst,
	}
}

// tenantLimits are the limits of tenants of which nothing is said.
func tenantLimits(cfg *config.Config) tenant.Limits {
	l := cfg.Limits.Limits
	l.ConcurrentQueries = concurrentQueries(cfg)
	l.Weight = max(l.Weight, 1)
	return l
}

// ingestOptions are those of the way in.
func ingestOptions(cfg *config.Config, o Options) ingest.Options {
	return ingest.Options{MaxLine: int(cfg.Limits.Line), Now: o.Now, Logger: o.Logger}
}

// queryOptions are those of the way out.
func queryOptions(cfg *config.Config) query.Options {
	l := &cfg.Limits
	return query.Options{Readers: int(cfg.Queue.Workers), MaxPoints: l.QueryPoints, MaxSamples: l.QuerySamples, MaxSeries: l.QuerySeries}
}

// serverOptions are those of the HTTP server. Below zero is no limit, there as here.
func serverOptions(cfg *config.Config, o Options) edge.ServerOptions {
	t := cfg.Timeouts
	return edge.ServerOptions{Header: t.Header, Read: t.Read, Write: t.Write, Idle: t.Idle, Logger: o.Logger}
}

// dispatchOptions are those of them that the configuration tells.
func dispatchOptions(cfg *config.Config, o Options, watch *requests) edge.DispatchOptions {
	d := edge.DispatchOptions{Logger: o.Logger, Now: o.Now, Observe: watch.observe}
	if cfg.Log.Access {
		d.Access = slog.LevelInfo
	}
	return d
}

// dispatchOptions are those of what stands before all dialects.
func (s *Server) dispatchOptions() edge.DispatchOptions {
	d := dispatchOptions(s.cfg, s.o, s.watch)
	d.Asked = func(id tenant.ID, samples, bytes int64) {
		if t, ok := s.store.Tenants.Lookup(id); ok {
			s.store.Usage.Asked(t.Num, 1, uint64(samples), uint64(bytes))
		}
	}
	return d
}

// concurrentQueries is how many requests may read at the same time.
func concurrentQueries(cfg *config.Config) int64 {
	if n := cfg.Limits.ConcurrentQueries; n > 0 {
		return n
	}
	return 4 * int64(runtime.GOMAXPROCS(0))
}

// tenants are the tenants that the configuration names.
func tenants(cfg *config.Config) []tenant.ID {
	ids := append(slices.Collect(maps.Values(cfg.ClusterCockpit.Tenants)), cfg.Tenants.Default)
	ids = slices.AppendSeq(ids, maps.Values(cfg.Influx.Databases))
	for _, s := range cfg.NATS.Subscriptions {
		if s.Tenant != "" {
			ids = append(ids, s.Tenant)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// bounds are the bounds on the time of a sample. Where the configuration names no age it is the retention, which changes
// when the metrics are loaded anew: that of the policy which a dialect's metrics fall back to.
func bounds(b config.Bounds, set *policy.Set, fallBack string) line.Bounds {
	out := line.Bounds{Past: bound(b.Past), Future: bound(b.Future)}
	if b.Past == 0 {
		p, ok := set.ByName(fallBack)
		if !ok {
			p = set.Default()
		}
		out.Past = max(p.Raw.Length, 0) // policy.Forever is below zero
	}
	return out
}

// bound is a bound in the line package's terms, where 0 is none.
func bound(d time.Duration) time.Duration {
	switch d {
	case config.Unbounded:
		return 0
	case 0:
		return 1
	}
	return d
}
