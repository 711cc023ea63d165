package config

import "time"

// Usage is granary.usage: what the account of what tenants use takes for a node, and how long it is kept.
type Usage struct {
	NodeTags     []string // node-tags: the first of these tags that a series has names its node
	ClusterTags  []string // cluster-tags
	UserTags     []string // user-tags; a series that has none of them belongs to who writes it
	TemplateTags []string // template-tags
	Grace        time.Duration
	Keep         time.Duration
}

func (c *Config) readUsage(s *section) {
	u := &c.Usage
	s.names("node-tags", &u.NodeTags)
	s.names("cluster-tags", &u.ClusterTags)
	s.names("user-tags", &u.UserTags)
	s.names("template-tags", &u.TemplateTags)
	s.duration("grace", &u.Grace, time.Second)
	s.duration("keep", &u.Keep, 24*time.Hour)
	s.end(true)
}

// names reads a list of names.
func (s *section) names(key string, dst *[]string) {
	n := s.get(key)
	if n == nil {
		return
	}
	const expected = `a list of names such as ["hostname", "host"]`
	if n.kind != list {
		s.wrong(n, key, expected)
		return
	}
	out := []string{}
	for _, item := range n.items {
		if item.kind != text || item.text == "" {
			s.wrong(item, key, expected)
			return
		}
		out = append(out, item.text)
	}
	*dst = out
}
