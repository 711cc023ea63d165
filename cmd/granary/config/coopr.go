package config

import "time"

// Coopr is granary.compat.coopr.
type Coopr struct {
	Enabled bool
	// SourceUsage lets every user of a tenant ask for the usage of nodes, as the program of Coopr did: usage-access is
	// "source", not "docs".
	SourceUsage bool
	QueueCache  time.Duration // queue-cache: how old counts of queues may be; 0 is not at all
}

func (c *Config) readCoopr(s *section) {
	s.bool("enabled", &c.Coopr.Enabled)
	access := "docs"
	s.text("usage-access", &access, "docs", "source")
	c.Coopr.SourceUsage = access == "source"
	s.duration("queue-cache", &c.Coopr.QueueCache, 0)
	s.end(true)
}
