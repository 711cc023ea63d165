package config

import (
	"time"

	"granary/policy"
)

// Hawkular is granary.compat.hawkular.
type Hawkular struct {
	Enabled bool
	// Strict answers as Hawkular Metrics does, else as Mohawk's documentation says.
	Strict       bool
	DefaultStart time.Duration // default-start: how far before now a range begins that names no start
	Retention    time.Duration // of metrics for which nobody says anything else, policy.Forever for ever
}

func (c *Config) readHawkular(s *section) {
	s.bool("enabled", &c.Hawkular.Enabled)
	s.bool("strict", &c.Hawkular.Strict)
	s.duration("default-start", &c.Hawkular.DefaultStart, time.Millisecond)
	if n := s.get("retention"); n != nil && n.kind == text && n.text == "forever" {
		c.Hawkular.Retention = policy.Forever
	} else {
		s.duration("retention", &c.Hawkular.Retention, 1)
	}
	s.end(true)
}
