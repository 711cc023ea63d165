package config

import "time"

// Hawkular is granary.compat.hawkular.
type Hawkular struct {
	Enabled bool
	// Strict answers as Hawkular Metrics does, else as Mohawk's documentation says.
	Strict       bool
	DefaultStart time.Duration // default-start: how far before now a range begins that names no start
}

func (c *Config) readHawkular(s *section) {
	s.bool("enabled", &c.Hawkular.Enabled)
	s.bool("strict", &c.Hawkular.Strict)
	s.duration("default-start", &c.Hawkular.DefaultStart, time.Millisecond)
	s.end(true)
}
