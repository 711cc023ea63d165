package server

import (
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"granary/api/edge"
	"granary/measures"
	"granary/measures/ingest"
	"granary/metricdef"
	"granary/tenant"
)

// requests counts what the dispatcher has seen.
type requests struct {
	count *prometheus.CounterVec
	took  *prometheus.HistogramVec
}

func newRequests() *requests {
	return &requests{
		count: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "granary_http_requests_total", Help: "Requests answered."}, []string{"dialect", "method", "status"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "granary_http_request_seconds", Help: "Time from the header of a request to the end of its answer.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}}, []string{"dialect", "method"}),
	}
}

func (r *requests) observe(o edge.Observation) {
	method := o.Method
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodPatch:
	default:
		method = "other" // a sender's invention must not become a series
	}
	dialect := o.Dialect
	if dialect == "" {
		dialect = "none"
	}
	r.count.WithLabelValues(dialect, method, strconv.Itoa(o.Status)).Inc()
	r.took.WithLabelValues(dialect, method).Observe(o.Took.Seconds())
}

// metrics serves the service's own metrics.
func (s *Server) metrics() http.Handler {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), s.watch.count, s.watch.took, &collector{s})
	return s.withTenants(reg)
}

// collector reads the counters of the rooms when it is asked.
type collector struct{ s *Server }

// Describe is part of prometheus.Collector; what is collected depends on the configuration, so nothing is promised.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect is part of prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	put := func(kind prometheus.ValueType, name, help string, v float64, labels ...string) {
		var names, values []string
		for i := 0; i+1 < len(labels); i += 2 {
			names, values = append(names, labels[i]), append(values, labels[i+1])
		}
		ch <- prometheus.MustNewConstMetric(prometheus.NewDesc("granary_"+name, help, names, nil), kind, v, values...)
	}
	gauge := func(name, help string, v float64, labels ...string) {
		put(prometheus.GaugeValue, name, help, v, labels...)
	}
	count := func(name, help string, v float64, labels ...string) {
		put(prometheus.CounterValue, name, help, v, labels...)
	}
	ready, _ := c.s.ready()
	gauge("ready", "1 once requests are taken.", boolean(ready))
	gauge("build_info", "1; the version is a label.", 1, "version", c.s.o.Version)
	if ready {
		c.store(c.s.store.Stats(), gauge, count)
		used := c.s.store.Usage.Totals()
		count("usage_samples_total", "Samples accounted for since the start, of all tenants.", float64(used.Samples))
		count("usage_bytes_total", "Bytes that brought them.", float64(used.Bytes))
		count("usage_series_created_total", "Series that began since the start.", float64(used.Created))
		count("usage_series_removed_total", "Series that ended since the start.", float64(used.Removed))
		count("usage_queries_total", "Queries accounted for since the start.", float64(used.Queries))
		count("usage_samples_read_total", "Samples that they went through.", float64(used.Read))
		count("usage_bytes_sent_total", "Bytes of their answers.", float64(used.Sent))
		gauge("usage_nodes", "Nodes that are held in memory, since they ran within the last hour or their lives are not saved yet.", float64(used.Nodes))
		count("usage_saves_total", "Times that the ledger was saved.", float64(used.Saves))
	}
	if c.s.bodies != nil {
		gauge("bodies_held_bytes", "Request bodies that are being worked on.", float64(c.s.bodies.Held()))
	}
	writes, queries := c.s.writes.Total(), c.s.queries.Total()
	gauge("bodies_waiting", "Request bodies that wait for their turn.", float64(writes.Waiting))
	count("bodies_waited_total", "Request bodies that had to wait.", float64(writes.Waited))
	count("bodies_refused_total", "Request bodies whose turn did not come in time.", float64(writes.Refused))
	gauge("queries_in_work", "Requests that read.", float64(queries.Held))
	gauge("queries_waiting", "Requests that wait for their turn to read.", float64(queries.Waiting))
	count("queries_waited_total", "Requests that had to wait for their turn to read.", float64(queries.Waited))
	count("queries_refused_total", "Requests whose turn to read did not come in time.", float64(queries.Refused))
	waiting, taken := c.s.turns.Waiting()
	gauge("turns_taken", "Bodies and queries that are worked on by a processor.", float64(taken))
	gauge("turns_waiting", "Bodies and queries that wait for a processor.", float64(waiting))
	c.s.writer.Counters().Each(func(dialect string, d *ingest.DialectCounters) {
		l := []string{"dialect", dialect}
		count("ingest_bodies_total", "Bodies decoded.", float64(d.Bodies.Load()), l...)
		count("ingest_bytes_total", "Bytes of the bodies.", float64(d.Bytes.Load()), l...)
		count("ingest_lines_total", "Lines that hold something.", float64(d.Lines.Load()), l...)
		count("ingest_samples_total", "Samples stored.", float64(d.Stored.Load()), l...)
		count("ingest_malformed_total", "Lines that could not be read.", float64(d.Malformed.Load()), l...)
		count("ingest_failed_total", "Bodies that ended with an error of the store.", float64(d.Failed.Load()), l...)
		count("ingest_remarks_total", "What senders said of series beside their samples and is not kept: types, help texts, when counters began.", float64(d.Remarks.Load()), l...)
		for r := range measures.NumReasons {
			count("ingest_ignored_total", "Well-formed samples that were not stored, by reason.", float64(d.Ignored[r].Load()), "dialect", dialect, "reason", r.String())
		}
	})
	c.s.rules.collect(gauge, count)
	cache := c.s.writer.CacheStats()
	gauge("wire_key_cache_entries", "Line keys that are remembered.", float64(cache.Entries))
	gauge("wire_key_cache_bytes", "Memory of the remembered line keys.", float64(cache.Bytes))
	gauge("connections", "Connections of the listener.", float64(c.s.connections.Open()))
	count("connections_refused_total", "Connections closed at once, because their address had too many.", float64(c.s.connections.Refused()))
	audited := c.s.audit.Stats()
	count("audit_entries_total", "Entries of the audit log.", float64(audited.Entries))
	count("audit_failures_total", "Entries that the audit log could not take.", float64(audited.Failures))
	c.nats(gauge, count)
	c.alerts(gauge, count)
}

type emit func(name, help string, v float64, labels ...string)

func (c *collector) store(st measures.Stats, gauge, count emit) {
	gauge("series", "Definitions that can be read.", float64(st.Series))
	gauge("tenants", "Tenants.", float64(st.Tenants))
	gauge("resources", "Resources that metrics may belong to.", float64(st.Resources))
	gauge("resource_revisions", "Former revisions of resources.", float64(st.Revisions))
	c.s.store.Tenants.CreationsRefused(func(why tenant.Creation, n uint64) {
		count("tenants_refused_total", "Tenants that were not made, by what forbade it.", float64(n), "reason", why.String())
	})
	count("samples_total", "Samples applied since the start.", float64(st.Samples))
	for k := metricdef.KindFloat; k <= metricdef.KindText; k++ {
		count("samples_by_kind_total", "Samples applied since the start, by the kind of value.", float64(st.Kinds[k]), "kind", k.String())
	}
	count("samples_overwritten_total", "Samples that replaced another of the same slot.", float64(st.Overwritten))
	count("samples_late_total", "Samples older than the open head of their series.", float64(st.Late))
	count("samples_failed_total", "Samples in the journal that found no memory.", float64(st.Failed))
	count("samples_expired_total", "Samples given up for retention.", float64(st.Expired))
	count("samples_dropped_total", "Samples given up for the memory cap.", float64(st.Dropped))
	count("samples_deleted_total", "Samples that deletions of ranges took.", float64(st.Erased))
	count("definitions_deleted_total", "Definitions that calls ended, those of deleted tenants too.", float64(st.Removed))
	gauge("deletions_kept", "Deletions that segment files do not know of yet.", float64(st.Deletions))
	count("chunks_sealed_total", "Chunks sealed.", float64(st.Chunks))
	count("chunks_sealed_bytes_total", "Bytes of the sealed chunks.", float64(st.ChunkBytes))
	gauge("journal_bytes", "Journal on disk.", float64(st.JournalBytes))
	count("journal_appended_bytes_total", "Bytes appended to the journal.", float64(st.JournalAppended))
	count("journal_failures_total", "Groups of writes that the journal did not take.", float64(st.JournalFailures))
	gauge("journal_last_record", "Number of the last record.", float64(st.JournalLast))
	gauge("journal_synced_record", "Number of the last record that is on disk.", float64(st.JournalSynced))
	gauge("catalog_record", "Record up to which the catalog holds everything.", float64(st.CatalogPosition))
	count("snapshots_total", "Snapshots written.", float64(st.Snapshots))
	gauge("last_snapshot_timestamp_seconds", "Time of the last snapshot, or of the start.", float64(st.LastSnapshot)/1e9)
	gauge("segment_files", "Files of sealed chunks.", float64(st.SegmentFiles))
	gauge("segment_bytes", "Bytes of the files of sealed chunks.", float64(st.SegmentBytes))
	for _, m := range []struct {
		what  string
		bytes int64
	}{
		{"heads", st.Memory.Heads}, {"chunks", st.Memory.Chunks}, {"late", st.Memory.Late}, {"texts", st.Memory.Texts}, {"tiers", st.Memory.Tiers},
		{"definitions", st.Memory.Definitions}, {"resources", st.Memory.Resources}, {"series", st.Memory.Series},
	} {
		gauge("memory_bytes", "Memory that the store accounts for.", float64(m.bytes), "what", m.what)
	}
	gauge("disk_low", "1 while writes are refused because the disk is low.", boolean(st.DiskLow))
}

func (c *collector) nats(gauge, count emit) {
	if c.s.nats == nil {
		return
	}
	n := c.s.nats.Counters()
	gauge("nats_connected", "1 while the broker is connected.", boolean(n.Connected))
	count("nats_connects_total", "Connections and reconnections.", float64(n.Connects))
	count("nats_failures_total", "Failed attempts and errors of the broker.", float64(n.Failures))
	for i, sub := range n.Subscriptions {
		l := []string{"subject", sub.Subject, "subscription", strconv.Itoa(i)}
		count("nats_messages_total", "Messages received.", float64(sub.Messages), l...)
		count("nats_bytes_total", "Bytes received.", float64(sub.Bytes), l...)
		count("nats_overflow_total", "Messages dropped because too many were pending.", float64(sub.Overflow), l...)
		count("nats_lost_total", "Messages given up at the stop.", float64(sub.Lost), l...)
		count("nats_refused_total", "Messages refused for good.", float64(sub.Refused), l...)
		count("nats_retries_total", "Writes tried again.", float64(sub.Retries), l...)
		count("nats_redelivered_total", "Messages that came again.", float64(sub.Redelivered), l...)
		gauge("nats_pending_messages", "Messages that have arrived and are not written.", float64(sub.Pending), l...)
		gauge("nats_lag_messages", "Messages that the stream holds behind the last one received.", float64(sub.Lag), l...)
	}
}

func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
