package bridge

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"granary/cmd/granary/bridge/source"
	"granary/cmd/granary/config"
	"granary/measures/ingest/lineout"
	"granary/metricdef"
)

// The reasons for which a sample gives no line, beside those of package source.
const (
	reasonNaN         = "nan"
	reasonInfinite    = "infinite"
	reasonNoHost      = "no-host"
	reasonHostPattern = "host-pattern"
	reasonNoLabel     = "no-label"
	reasonNoTime      = "no-time"
	reasonDuplicate   = "duplicate"
	reasonUnprintable = "unprintable"
)

// shaper makes lines of the samples of one round.
type shaper struct {
	at      int64 // time of the round, seconds
	ownTime bool
	seen    map[string]bool // series and time of each line
	lines   []string        // without the end of the line, in the order made
	tags    []metricdef.Tag
	series  []byte
	sample  []byte
}

// add makes the line of one sample. If there is none, it gives the reason and what is to be said about it.
func (s *shaper) add(m *config.BridgeMetric, p *source.Sample) (reason, about string) {
	s.tags = s.tags[:0]
	for tag, label := range m.Labels {
		if v := p.Labels[label]; v != "" {
			s.tags = append(s.tags, metricdef.Tag{Name: tag, Value: v})
		} else if m.Tags[tag] == "" {
			return reasonNoLabel, fmt.Sprintf("there is no label %q in %s", label, labelsOf(p))
		}
	}
	for tag, v := range m.Tags {
		if !s.has(tag) {
			s.tags = append(s.tags, metricdef.Tag{Name: tag, Value: v})
		}
	}
	if !s.has("hostname") {
		host, reason := hostname(&m.Host, p.Labels)
		switch reason {
		case reasonNoHost:
			return reason, fmt.Sprintf("there is no label %q in %s", m.Host.Label, labelsOf(p))
		case reasonHostPattern:
			return reason, fmt.Sprintf("%q does not fit host.pattern", p.Labels[m.Host.Label])
		}
		s.tags = append(s.tags, metricdef.Tag{Name: "hostname", Value: host})
	}
	v := p.Value * m.Scale
	switch {
	case math.IsNaN(v):
		return reasonNaN, labelsOf(p)
	case math.IsInf(v, 0):
		return reasonInfinite, labelsOf(p)
	}
	at := s.at
	if s.ownTime {
		if !p.Timed || p.Time <= 0 {
			return reasonNoTime, labelsOf(p)
		}
		at = p.Time
	}
	slices.SortFunc(s.tags, func(a, b metricdef.Tag) int { return strings.Compare(a.Name, b.Name) })
	var err error
	if s.series, err = lineout.AppendSeries(s.series[:0], m.Name, s.tags); err != nil {
		return reasonUnprintable, err.Error()
	}
	key := fmt.Sprintf("%s %d", s.series, at)
	if s.seen[key] {
		return reasonDuplicate, fmt.Sprintf("%s is there already, the value %v of %s is another", key, v, labelsOf(p))
	}
	if s.sample, err = lineout.AppendSample(s.sample[:0], v, at*1e9); err != nil {
		return reasonUnprintable, err.Error()
	}
	s.seen[key] = true
	s.lines = append(s.lines, string(s.series)+string(s.sample))
	return "", ""
}

func (s *shaper) has(tag string) bool {
	return slices.ContainsFunc(s.tags, func(t metricdef.Tag) bool { return t.Name == tag })
}

// hostname makes the name of a host of the labels, or gives the reason why there is none.
func hostname(h *config.BridgeHost, labels map[string]string) (name, reason string) {
	v := labels[h.Label]
	if h.StripPort {
		v = stripPort(v)
	}
	if v == "" {
		return "", reasonNoHost
	}
	if h.Pattern != nil {
		at := h.Pattern.FindStringSubmatchIndex(v)
		if at == nil {
			return "", reasonHostPattern
		}
		if v = string(h.Pattern.ExpandString(nil, h.Replace, v, at)); v == "" {
			return "", reasonHostPattern
		}
	}
	return v, ""
}

// stripPort takes ":9100" off the end of "node01:9100" and of "[::1]:9100", which loses its brackets. An address of IPv6 without brackets
// has no port.
func stripPort(s string) string {
	if rest, ok := strings.CutPrefix(s, "["); ok {
		if host, _, ok := strings.Cut(rest, "]"); ok {
			return host
		}
		return s
	}
	host, port, ok := strings.Cut(s, ":")
	if !ok || strings.Trim(port, "0123456789") != "" {
		return s
	}
	return host
}

// labelsOf shows the labels of a sample, in order.
func labelsOf(p *source.Sample) string {
	const most = 200
	var b strings.Builder
	b.WriteByte('{')
	for i, name := range slices.Sorted(maps.Keys(p.Labels)) {
		if i > 0 {
			b.WriteByte(',')
		}
		if b.Len() > most {
			b.WriteString("...")
			break
		}
		fmt.Fprintf(&b, "%s=%q", name, p.Labels[name])
	}
	b.WriteByte('}')
	return b.String()
}
