package bridge

import (
	"github.com/prometheus/client_golang/prometheus"

	"granary/cmd/granary/bridge/spool"
)

// counts are the metrics of a bridge itself.
type counts struct {
	registry  *prometheus.Registry
	rounds    prometheus.Counter
	missed    prometheus.Counter
	lastRound prometheus.Gauge
	queries   *prometheus.CounterVec // metric, source, result
	samples   *prometheus.CounterVec // metric
	skipped   *prometheus.CounterVec // metric, reason
	attempts  *prometheus.CounterVec // result
	sent      prometheus.Counter
	refused   prometheus.Counter
	ignored   *prometheus.CounterVec // reason
	lastSent  prometheus.Gauge
}

func newCounts() *counts {
	c := &counts{registry: prometheus.NewRegistry()}
	counter := func(name, help string) prometheus.Counter {
		m := prometheus.NewCounter(prometheus.CounterOpts{Name: "granary_bridge_" + name, Help: help})
		c.registry.MustRegister(m)
		return m
	}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		m := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "granary_bridge_" + name, Help: help}, labels)
		c.registry.MustRegister(m)
		return m
	}
	gauge := func(name, help string) prometheus.Gauge {
		m := prometheus.NewGauge(prometheus.GaugeOpts{Name: "granary_bridge_" + name, Help: help})
		c.registry.MustRegister(m)
		return m
	}
	c.rounds = counter("rounds_total", "Rounds in which all queries were asked.")
	c.missed = counter("rounds_missed_total", "Rounds that were left out because the one before took too long.")
	c.lastRound = gauge("last_round_timestamp_seconds", "The time that the samples of the last round have.")
	c.queries = counters("queries_total", "Queries, by metric, source and result (answered, failed).", "metric", "source", "result")
	c.samples = counters("samples_total", "Samples that became lines, by metric.", "metric")
	c.skipped = counters("skipped_samples_total", "Samples that gave no line, by metric and reason.", "metric", "reason")
	c.attempts = counters("requests_total", "Requests to Granary, by result (accepted, refused, busy, unreachable, forbidden).", "result")
	c.sent = counter("sent_lines_total", "Lines in bodies that Granary has taken.")
	c.refused = counter("refused_lines_total", "Lines in bodies of which Granary has refused some or all.")
	c.ignored = counters("ignored_samples_total", "Samples that Granary did not store, by its reason.", "reason")
	c.lastSent = gauge("last_sent_timestamp_seconds", "When Granary has last taken a body.")
	return c
}

// spoolCollector reads the figures of the spool when they are asked for.
type spoolCollector struct{ stats func() spool.Stats }

var (
	spoolLines   = prometheus.NewDesc("granary_bridge_spool_lines", "Lines that wait for Granary.", nil, nil)
	spoolBytes   = prometheus.NewDesc("granary_bridge_spool_bytes", "Bytes of the spool on disk.", nil, nil)
	spoolOldest  = prometheus.NewDesc("granary_bridge_spool_oldest_timestamp_seconds", "When the first body that waits was written; 0 if none waits.", nil, nil)
	spoolDropped = prometheus.NewDesc("granary_bridge_dropped_lines_total", "Lines that were dropped from the spool, by reason (full, old, damaged).", []string{"reason"}, nil)
)

// Describe is part of prometheus.Collector.
func (c *spoolCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- spoolLines
	ch <- spoolBytes
	ch <- spoolOldest
	ch <- spoolDropped
}

// Collect is part of prometheus.Collector.
func (c *spoolCollector) Collect(ch chan<- prometheus.Metric) {
	s := c.stats()
	ch <- prometheus.MustNewConstMetric(spoolLines, prometheus.GaugeValue, float64(s.Lines))
	ch <- prometheus.MustNewConstMetric(spoolBytes, prometheus.GaugeValue, float64(s.Bytes))
	oldest := 0.0
	if !s.Oldest.IsZero() {
		oldest = float64(s.Oldest.UnixMilli()) / 1e3
	}
	ch <- prometheus.MustNewConstMetric(spoolOldest, prometheus.GaugeValue, oldest)
	for _, reason := range []string{spool.Full, spool.Old, spool.Damaged} {
		ch <- prometheus.MustNewConstMetric(spoolDropped, prometheus.CounterValue, float64(s.Dropped[reason]), reason)
	}
}
