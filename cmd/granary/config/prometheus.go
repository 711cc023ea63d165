package config

import (
	"granary/compat/prometheus"
)

// RemoteWrite is granary.compat.prometheus.
type RemoteWrite struct {
	Enabled bool
	// Bounds are how far from now a sample may lie, as those of ClusterCockpit: bounds.
	Bounds     Bounds
	MaxSamples int64 // max-samples: of a request
	MaxLabels  int64 // max-labels: of a series, beside its name
}

func defaultRemoteWrite() RemoteWrite {
	return RemoteWrite{Enabled: true, Bounds: defaultBounds(), MaxSamples: prometheus.DefaultMaxSamples, MaxLabels: prometheus.DefaultMaxLabels}
}

func (c *Config) readRemoteWrite(s *section) {
	p := &c.Prometheus
	s.bool("enabled", &p.Enabled)
	p.Bounds.read(s.sub("bounds"))
	s.integer("max-samples", &p.MaxSamples, 1, 1<<24)
	s.integer("max-labels", &p.MaxLabels, 1, prometheus.DefaultMaxLabels)
	s.end(true)
}
