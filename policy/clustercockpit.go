package policy

import (
	"fmt"
	"time"
)

// ClusterCockpit is the name of the dialect in rules.
const ClusterCockpit = "clustercockpit"

// ClusterCockpitMetric is one entry of the section "metrics" of cc-metric-store's configuration.
type ClusterCockpitMetric struct {
	Name      string
	Frequency time.Duration // whole seconds, above zero
	Across    Method        // Sum, Mean, or NoMethod where the file says null
}

// FromClusterCockpit makes a set out of a ClusterCockpit configuration: one policy for each pair of frequency and
// aggregation, such as "cc-60s-avg", and one rule for each metric. The policy "default" is FallBack(raw). Open accepts
// metrics that are not among those given.
func FromClusterCockpit(metrics []ClusterCockpitMetric, raw Retention, open bool) (*Set, error) {
	c := Content{Open: open, Policies: []Policy{FallBack(raw)}}
	made := make(map[string]bool)
	for _, m := range metrics {
		if m.Frequency <= 0 || m.Frequency%time.Second != 0 {
			return nil, fmt.Errorf("metric %q: the frequency is %v, not a number of seconds above zero", m.Name, m.Frequency)
		}
		var across string
		switch m.Across {
		case NoMethod:
			across = "none"
		case Sum:
			across = "sum"
		case Mean:
			across = "avg"
		default:
			return nil, fmt.Errorf("metric %q: the aggregation is neither sum nor avg nor none", m.Name)
		}
		name := fmt.Sprintf("cc-%ds-%s", m.Frequency/time.Second, across)
		if !made[name] {
			made[name] = true
			c.Policies = append(c.Policies, Policy{Name: name, Raw: raw, Grid: m.Frequency, Across: m.Across})
		}
		c.Rules = append(c.Rules, Rule{Name: m.Name, Pattern: m.Name, Dialects: []string{ClusterCockpit}, Policy: name})
	}
	return NewSet(c)
}
