package policy

import (
	"fmt"
	"slices"
	"time"
)

// ClusterCockpit is the name of the dialect in rules.
const ClusterCockpit = "clustercockpit"

// ClusterCockpitDefaultName is the name of the policy of ClusterCockpit's metrics that no entry names, and of the rule
// that chooses it.
const ClusterCockpitDefaultName = "cc-default"

// ClusterCockpitDefault is the policy "cc-default" with the given retention: a grid of 60 s, combined by the mean.
func ClusterCockpitDefault(raw Retention) Policy {
	return Policy{Name: ClusterCockpitDefaultName, Raw: raw, Grid: time.Minute, Across: Mean}
}

// ClusterCockpitMetric is one entry of the section "metrics" of cc-metric-store's configuration.
type ClusterCockpitMetric struct {
	Name      string
	Frequency time.Duration // whole seconds, above zero
	Across    Method        // Sum, Mean, or NoMethod where the file says null
}

// FromClusterCockpit makes a set out of a ClusterCockpit configuration: one policy for each pair of frequency and
// aggregation, such as "cc-60s-avg", and one rule for each metric. The dialect's other metrics get the policy
// "cc-default", through a rule for all names; those of other dialects fall back to the policy "default", which is
// FallBack(raw). Open accepts metrics that are not among those given; the rule for all names does not accept any.
func FromClusterCockpit(metrics []ClusterCockpitMetric, raw Retention, open bool) (*Set, error) {
	c := Content{Open: open, Policies: []Policy{FallBack(raw), ClusterCockpitDefault(raw)}}
	made := make(map[string]bool)
	// Rules are named for their metrics, and a metric may have any name, that of our own rule too.
	rest := ClusterCockpitDefaultName
	for slices.ContainsFunc(metrics, func(m ClusterCockpitMetric) bool { return m.Name == rest }) {
		rest += "*"
	}
	c.Rules = append(c.Rules, Rule{Name: rest, Pattern: Everything, Glob: true, Dialects: []string{ClusterCockpit}, Policy: ClusterCockpitDefaultName})
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
