package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"granary/api/edge"
	"granary/api/native"
	"granary/cmd/granary/config"
	"granary/compat/clustercockpit"
	"granary/compat/clustercockpit/backend"
	"granary/compat/coopr"
	"granary/compat/gnocchi"
	"granary/compat/gnocchi/keystone"
	"granary/compat/hawkular"
	"granary/compat/hawkular/alerts"
	"granary/compat/influx"
	"granary/compat/nats"
	"granary/compat/prometheus"
	"granary/measures"
	"granary/measures/ingest"
	"granary/measures/journal"
	"granary/measures/query"
	"granary/openapi"
	"granary/policy"
	"granary/tenant/audit"
	"granary/tenant/identity"
	"granary/tenant/queue"
)

// Options are what a server needs beside its configuration.
type Options struct {
	Version string
	Logger  *slog.Logger      // nil: slog.Default
	Now     func() time.Time  // nil: time.Now
	Ready   func(addr string) // called once with the address that is served, when requests are taken
	Reload  <-chan struct{}   // each receive reads the metrics of the configuration anew; nil: only a changed file does
}

// stopTime bounds the graceful part of a stop.
const stopTime = 20 * time.Second

// Server is the service. Make one with New; Run serves until its context ends.
type Server struct {
	cfg    *config.Config
	o      Options
	store  *measures.Store
	engine *query.Engine
	writer *ingest.Writer
	rules  *rules
	lines  *lines
	nats   *nats.Client
	watch  *requests
	notify *notifier

	authority *identity.Authority
	// hawkularAdmin knows the admin token of that dialect, if there is one.
	hawkularAdmin *identity.Authority
	keystone      *keystone.Client // nil: there is none
	alerts        *alerts.Watch    // nil: there are none
	guard         *edge.Guard
	audit         *audit.Log

	turns   *queue.Turns
	writes  *queue.Fair // bytes of bodies
	queries *queue.Fair
	bodies  *edge.Bodies

	connections  *edge.Connections
	certificates *certificates // nil: no TLS
	listener     net.Listener
	admin        net.Listener
	http         *http.Server
	silent       silent
	pprof        *http.Server

	// inForce is true once the policies of the configuration are: what came before would lie on the grids of others.
	inForce atomic.Bool
}

// collectAt is the growth of the Go heap, in percent, at which the collector runs. Samples lie outside of that heap and a
// write makes little garbage, so collecting early costs little and keeps the process small. GOGC wins.
const collectAt = 30

// Run makes a server and runs it until ctx ends.
func Run(ctx context.Context, cfg *config.Config, o Options) error {
	s, err := New(cfg, o)
	if err != nil {
		return err
	}
	return s.Run(ctx)
}

// New opens the data folder and the listeners and drops rights if the configuration says so. Nothing is answered before
// Run.
func New(cfg *config.Config, o Options) (*Server, error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectAt)
	}
	s := &Server{cfg: cfg, o: o, notify: newNotifier(o.Logger)}
	if err := s.open(); err != nil {
		return nil, errors.Join(err, s.closeAll())
	}
	return s, nil
}

func (s *Server) open() error {
	cfg := s.cfg
	var err error
	if s.store, err = measures.Open(storeOptions(cfg, s.o)); err != nil {
		return err
	}
	s.store.Tenants.Expect(tenants(cfg)...)
	s.store.Tenants.SetOverrides(cfg.Overrides())
	s.warnCapped(cfg.Overrides())
	if s.listener, err = net.Listen("tcp", cfg.Listen); err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	s.connections = edge.LimitConnections(s.listener, connectionOptions(cfg))
	s.listener = s.connections
	if cfg.TLS.Enabled() {
		if s.certificates, err = newCertificates(cfg.TLS, s.o.Logger); err != nil {
			return err
		}
		s.listener = s.certificates.listen(s.listener)
	}
	if cfg.AdminListen != "" {
		if s.admin, err = net.Listen("tcp", cfg.AdminListen); err != nil {
			return fmt.Errorf("admin listener: %w", err)
		}
	}
	if err := s.openAuthority(); err != nil { // before rights are dropped: files of keys may be root's
		return err
	}
	if err := s.openHawkularAdmin(); err != nil {
		return err
	}
	if err := s.openKeystone(); err != nil {
		return err
	}
	if err := s.openAlerts(); err != nil {
		return err
	}
	if err := dropRights(cfg.User, cfg.Group, cfg.Data); err != nil {
		return err
	}
	if s.audit, err = audit.Open(auditOptions(cfg, s.o)); err != nil {
		return err
	}
	s.openGuard()
	o := queryOptions(cfg)
	o.Definitions = s.store.Definitions
	s.engine = query.New(s.store, o)
	in := ingestOptions(cfg, s.o)
	in.Tenants = s.store.Tenants
	s.writer = ingest.New(s.store, s.store.Definitions, in)
	if s.rules, err = newRules(s.store, cfg.Mapping, s.o); err != nil {
		return err
	}
	s.watch = newRequests()
	s.turns = queue.NewTurns(int(cfg.Queue.Workers), 0)
	s.writes, s.queries = queue.NewFair(s.writeQueues()), queue.NewFair(s.queryQueues())
	s.lines = newLines(s.store, s.writer, s.rules, s.writes, cfg)
	s.bodies = edge.NewBodies(edge.BodyOptions{Limit: cfg.Limits.Body, Setting: "granary.limits.body", Queues: s.writes, Standing: s.standing})
	s.http = edge.NewServer(s.handler(), serverOptions(cfg, s.o))
	s.http.ConnState = s.silent.watch
	s.http.RegisterOnShutdown(s.silent.close)
	if s.admin != nil {
		s.pprof = &http.Server{Handler: profiles(), ReadHeaderTimeout: 10 * time.Second}
	}
	if cfg.NATS.Active() {
		if s.nats, err = nats.New(s.natsOptions()); err != nil {
			return err
		}
	}
	return nil
}

// ready says whether requests are taken, and else how far the start is.
func (s *Server) ready() (bool, string) {
	if ok, progress := s.store.Ready(); !ok {
		return false, progress
	}
	if !s.inForce.Load() {
		return false, "bringing the policies of the configuration into force"
	}
	return true, ""
}

// Addr is the address that is listened to.
func (s *Server) Addr() string { return s.listener.Addr().String() }

func syncMode(m config.Sync) journal.SyncMode {
	switch m {
	case config.SyncAlways:
		return journal.Always
	case config.SyncNever:
		return journal.Never
	}
	return journal.Interval
}

// handler mounts what is served.
func (s *Server) handler() *edge.Dispatcher {
	d, root := s.mountGnocchi()
	d.Mount("/", "edge", edge.Landing(s.o.Version, s.places(), root))
	d.Mount("/healthz", "edge", edge.Health())
	d.Mount("/readyz", "edge", edge.Ready(s.ready))
	d.Mount("/metrics", "edge", edge.GetOnly(s.guarded(s.metrics())))
	if s.cfg.Native.Enabled {
		d.Mount(native.Prefix, native.Name, native.New(s.native()))
	}
	if s.cfg.ClusterCockpit.Enabled {
		d.Mount(clustercockpit.Prefix, clustercockpit.Name, clustercockpit.New(s.clusterCockpit()))
	}
	if s.cfg.Coopr.Enabled {
		h := coopr.New(s.coopr())
		for _, prefix := range coopr.Prefixes {
			d.MountClean(prefix, coopr.Name, h)
		}
	}
	if s.cfg.Hawkular.Enabled {
		h := hawkular.New(s.hawkular())
		d.Mount(hawkular.Prefix, hawkular.Name, h)
		d.Mount(hawkular.PrefixAlerts, hawkular.Name, h)
	}
	if s.cfg.Prometheus.Enabled {
		h := prometheus.New(s.prometheus())
		for _, path := range prometheus.Paths {
			d.Mount(path, prometheus.Name, h)
		}
	}
	if s.cfg.Influx.Enabled {
		h := influx.New(s.influx())
		for _, prefix := range influx.Prefixes {
			d.Mount(prefix, influx.Name, h)
		}
	}
	docs := openapi.New(openapi.Options{Page: s.cfg.Swagger})
	for _, prefix := range docs.Prefixes() {
		d.Mount(prefix, openapi.Name, docs)
	}
	return d
}

// places are the lines of the landing page.
func (s *Server) places() []edge.Place {
	list := []edge.Place{
		{Path: "/readyz", Link: true, Text: "says whether it takes reads and writes"},
		{Path: "/metrics", Link: true, Text: "is what it measures of itself"},
	}
	list = append(list, edge.Place{Path: openapi.PathYAML, Link: true, Text: "describes everything"})
	if s.cfg.Swagger {
		list = append(list, edge.Place{Path: openapi.PathPage + "/", Link: true, Text: "shows it, to read and to try"})
	}
	if s.cfg.Native.Enabled {
		list = append(list, edge.Place{Path: "/v2/status", Link: true, Text: "and all below /v2 is its own API"},
			edge.Place{Path: "/v2/capabilities", Link: true, Text: "is what it can do"},
			edge.Place{Path: openapi.PathErrors, Link: true, Text: "is what the codes of its errors mean"})
	}
	if s.cfg.ClusterCockpit.Enabled {
		list = append(list, edge.Place{Path: "/api/query, /api/write, /api/free, /api/debug, /api/healthcheck", Text: "speak ClusterCockpit"})
	}
	if s.cfg.Coopr.Enabled {
		list = append(list, edge.Place{Path: "/v2/metrics/queues, /v2/metrics/nodes/usage", Text: "are the reports of Coopr"})
	}
	if s.cfg.Hawkular.Enabled {
		list = append(list, edge.Place{Path: hawkular.Prefix + "/status", Link: true, Text: "and all below " + hawkular.Prefix + " speak Hawkular and Mohawk"})
	}
	if s.cfg.Prometheus.Enabled {
		list = append(list, edge.Place{Path: strings.Join(prometheus.Paths, ", "), Text: "take Prometheus remote write"})
	}
	if s.cfg.Gnocchi.Enabled {
		list = append(list, edge.Place{Path: gnocchi.Prefix + "/", Link: true, Text: "and all below " + gnocchi.Prefix + " and " + gnocchi.PrefixOther + " speak Gnocchi"})
	}
	if s.cfg.Influx.Enabled {
		list = append(list, edge.Place{Path: "/write, /query, " + influx.PrefixV2 + "/write", Text: "take what is sent to InfluxDB"})
	}
	return list
}

// clusterCockpit is the dialect's part of the wiring.
func (s *Server) clusterCockpit() clustercockpit.Options {
	cfg := s.cfg
	padding := int(cfg.Limits.AnswerPadding)
	if padding == 0 {
		padding = -1 // 0 is the default there
	}
	o := clustercockpit.Options{
		Tree: tree{s.store.Definitions}, Reader: reader{s.engine}, Store: windows{s.store, s.o.Logger}, Writer: s.lines,
		Policies: s.store.Policies, Tenants: s.store.Tenants, Limits: s.store.Tenants, Default: cfg.Tenants.Default, Clusters: cfg.ClusterCockpit.Tenants,
		Ready: s.ready, Lines: s.bodies, Requests: clustercockpit.NewRequests(cfg.ClusterCockpit.MaxQueryBody), Compress: s.compress(),
		Padding: padding, Queries: int(cfg.ClusterCockpit.MaxQueries), Answer: cfg.ClusterCockpit.MaxAnswer, Points: cfg.Limits.QueryPoints,
		Auth: s.clusterCockpitGuard(), Audit: s.audits(), Reads: s.queries, Select: s.selector(), CheckRate: s.checkRate, SeriesStatus: cfg.Limits.SeriesStatus, Now: s.o.Now, Logger: s.o.Logger,
	}
	return o
}

// profiles serves what the admin listener is for.
func profiles() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

// Run serves until ctx ends or something fails that the service cannot do without.
func (s *Server) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	served := make(chan struct{})
	go func() {
		defer close(served)
		if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			cancel(fmt.Errorf("serving: %w", err))
		}
	}()
	profiled := make(chan struct{})
	go func() {
		defer close(profiled)
		if s.pprof != nil {
			if err := s.pprof.Serve(s.admin); !errors.Is(err, http.ErrServerClosed) {
				s.o.Logger.Error("admin listener", "error", err)
			}
		}
	}()
	err := s.run(ctx)
	if cause := context.Cause(ctx); err == nil && cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	s.o.Logger.Info("stopping")
	s.notify.tell(daemon.SdNotifyStopping, status("stopping"))
	err = errors.Join(err, s.closeAll())
	<-served
	<-profiled
	if err == nil {
		s.o.Logger.Info("stopped")
	}
	return err
}

// run recovers and then works until ctx ends.
func (s *Server) run(ctx context.Context) error {
	s.o.Logger.Info("starting", "version", s.o.Version, "listen", s.Addr(), "data", s.cfg.Data)
	s.warnOpen()
	s.warnHawkularAdmin()
	s.tellHawkular()
	s.warnGnocchi()
	s.tellGnocchi()
	if s.cfg.PeerFiles() {
		s.o.Logger.Info("the checkpoint directory of cc-metric-store holds files; they are not read. To take them over: granary import cc-metric-store DIR", "dir", s.cfg.PeerDirectory)
	}
	if err := s.recover(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	if s.nats != nil {
		if err := s.nats.Start(); err != nil {
			return err
		}
	}
	background := make(chan struct{}, 5)
	bg, stop := context.WithCancel(ctx)
	defer func() {
		stop()
		for range cap(background) {
			<-background
		}
	}()
	go func() { s.store.Run(bg); background <- struct{}{} }()
	go func() { s.spareBusyHosts(bg); background <- struct{}{} }()
	go func() { s.tidy(bg); background <- struct{}{} }()
	go func() { s.watchAlerts(bg); background <- struct{}{} }()

	s.notify.ready(s.Addr())
	go func() { s.watchStuck(bg); background <- struct{}{} }()
	if s.o.Ready != nil {
		s.o.Ready(s.Addr())
	}
	s.o.Logger.Info("ready", "listen", s.Addr())
	s.wait(ctx)
	return nil
}

// recover brings the state back and the policies of the configuration into force, and tells the service manager how far it is.
func (s *Server) recover(ctx context.Context) error {
	told, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(startTick)
		defer tick.Stop()
		s.notify.starting(told, tick.C, s.ready)
	}()
	defer func() { stop(); <-ended }()
	if err := s.store.Recover(ctx); err != nil {
		return fmt.Errorf("recovery: %w", err)
	}
	set, _ := s.cfg.Policies()
	if err := putPolicies(ctx, s.store, s.cfg, set); err != nil {
		return fmt.Errorf("policies: %w", err)
	}
	s.inForce.Store(true)
	return nil
}

// wait reloads until ctx ends.
func (s *Server) wait(ctx context.Context) {
	changes, overrides := s.cfg.Watch(), s.cfg.WatchOverrides()
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.o.Reload:
			s.notify.reloading()
			changes.Changed() // it is read now
			s.audit.Reopen()
			s.certificates.refresh(true)
			overrides.Changed()
			s.reload(ctx)
			s.reloadOverrides()
			s.refresh()
			s.notify.reloaded()
		case <-tick.C:
			s.refresh()
			s.certificates.refresh(false)
			s.gone("a file of the configuration", changes)
			s.gone("the file of limits by tenant", overrides)
			if changes.Changed() {
				s.reload(ctx)
			}
			if overrides.Changed() {
				s.reloadOverrides()
			}
		}
	}
}

// refresh reads the files of identities that have changed.
func (s *Server) refresh() {
	s.authority.Refresh()
	s.hawkularAdmin.Refresh()
}

// gone says once that a file is not there any more. What it said stays in force until the next start, which fails without it.
func (s *Server) gone(what string, w *config.Watcher) {
	for _, name := range w.Gone() {
		s.o.Logger.Error(what+" is gone; what was in force stays, and the service does not start without it", "file", name)
	}
}

// putPolicies puts the policies of the configuration into force, behind those that a new store begins with: so metrics always find the
// policy that they name, also in a store of a program that had the latter in the configuration.
func putPolicies(ctx context.Context, store *measures.Store, cfg *config.Config, set *policy.Set) error {
	policies, rules := cfg.PolicySeed()
	if err := store.SeedPolicies(ctx, policies, rules); err != nil {
		return err
	}
	return store.SetPolicies(ctx, set)
}

// reload takes over the metrics and the mapping of the configuration. One with a fault changes nothing.
func (s *Server) reload(ctx context.Context) {
	again, warnings, err := s.cfg.Reload(config.Options{})
	if err != nil {
		s.o.Logger.Error("configuration not reloaded", "error", err)
		return
	}
	for _, w := range warnings {
		s.o.Logger.Warn("configuration", "warning", w.String())
	}
	if err := s.store.SetPolicies(ctx, again.Policies); err != nil {
		s.o.Logger.Error("configuration not reloaded", "error", err)
		return
	}
	if err := s.rules.put(again.Mapping); err != nil {
		s.o.Logger.Error("mapping not reloaded", "error", err)
	}
	s.writer.Drop()
	s.o.Logger.Info("metrics reloaded", "revision", s.store.Policies.Current().Revision())
}

// tidy gives back now and then what nobody has used for long.
func (s *Server) tidy(ctx context.Context) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.tidyUp()
		}
	}
}

// What a queue and a node of the ledger take, about, and how much must have been given up for the collector to be run and the
// memory to go back to the system at once: where little is written it would be held for long.
const (
	queueBytes = 450
	nodeBytes  = 600
	worthwhile = 1 << 20
)

func (s *Server) tidyUp() {
	s.rules.Current().Tidy()
	freed := s.writer.Tidy()
	freed += queueBytes * int64(s.writes.Tidy()+s.queries.Tidy())
	if freed += nodeBytes * int64(s.store.Usage.Tidy()); freed >= worthwhile {
		debug.FreeOSMemory()
	}
}

// spareBusyHosts asks the backend for the hosts of running jobs, so that retention leaves them alone. While the answer is
// not known nothing expires.
func (s *Server) spareBusyHosts(ctx context.Context) {
	if s.cfg.Backend.URL == "" {
		return
	}
	s.store.HoldRetention(true)
	p := backend.New(s.cfg.Backend.URL, string(s.cfg.Backend.Token))
	defer p.Close()
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		used, err := p.UsedNodes(ctx, s.o.Now())
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			s.store.HoldRetention(true)
			s.o.Logger.Warn("retention is held: the list of busy hosts cannot be had", "error", err)
		default:
			s.store.Spare(s.lines.seriesOf(used))
			s.store.HoldRetention(false)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// closeAll stops in order: first what brings work, then the store.
func (s *Server) closeAll() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	var errs []error
	if s.nats != nil {
		errs = append(errs, s.nats.Stop(ctx))
	}
	if s.http != nil {
		if err := s.http.Shutdown(ctx); err != nil {
			errs = append(errs, fmt.Errorf("open requests were cut: %w", err), s.http.Close())
		}
	}
	if s.pprof != nil {
		errs = append(errs, s.pprof.Close())
	}
	for _, l := range []net.Listener{s.listener, s.admin} {
		if l != nil {
			_ = l.Close() // closed already if it was served
		}
	}
	if s.store != nil {
		errs = append(errs, s.store.Close())
	}
	errs = append(errs, s.audit.Close())
	return errors.Join(errs...)
}
