package mapping

// Defaults are the rules of five metrics that ClusterCockpit knows of every node, made of what Prometheus' node_exporter says and of what
// Telegraf says. They need a tag "cluster", which neither sends by itself: without one nobody could ask for what comes out.
func Defaults() []Rule {
	names := map[string]string{"instance": "hostname", "host": "hostname"}
	rule := func(name, unit, combine string, from ...Match) Rule {
		return Rule{Name: name, Unit: unit, Combine: combine, From: from, Rename: names, Keep: true}
	}
	const perMiB = 1.0 / (1 << 20)
	wire := map[string]string{"device": "!lo"}         // of node_exporter
	card := map[string]string{"interface": "!~lo|all"} // of Telegraf, "all" has no bytes of its own
	return []Rule{
		rule("cpu_load", "", Avg, Match{Metric: "node_load1"}),
		rule("cpu_load", "", Avg, Match{Metric: "system_load1"}),
		rule("cpu_user", "%", Avg, Match{Metric: "node_cpu_seconds_total", Labels: map[string]string{"mode": "user"}, Rate: true, Scale: 100}),
		rule("cpu_user", "%", Avg, Match{Metric: "cpu_usage_user", Labels: map[string]string{"cpu": "cpu-total"}}),
		rule("mem_used", "MB", Sum, Match{Metric: "node_memory_MemTotal_bytes", Scale: perMiB}, Match{Metric: "node_memory_MemAvailable_bytes", Scale: -perMiB}),
		rule("mem_used", "MB", Avg, Match{Metric: "mem.used", Scale: perMiB}), // mem_used is what comes out, and what ClusterCockpit's collector sends
		rule("net_bw", "bytes/s", Sum, Match{Metric: "node_network_receive_bytes_total", Labels: wire, Rate: true}, Match{Metric: "node_network_transmit_bytes_total", Labels: wire, Rate: true}),
		rule("net_bw", "bytes/s", Sum, Match{Metric: "net_bytes_recv", Labels: card, Rate: true}, Match{Metric: "net_bytes_sent", Labels: card, Rate: true}),
		rule("cpu_power", "W", Sum, Match{Metric: "node_rapl_package_joules_total", Rate: true}),
		rule("cpu_power", "W", Sum, Match{Metric: "ipmi_sensor", Labels: map[string]string{"unit": "watts"}}),
	}
}

// WithDefaults are rules behind the default ones. A rule takes the place of all default ones for the metric of its name.
func WithDefaults(rules []Rule) []Rule {
	own := make(map[string]bool)
	for i := range rules {
		own[rules[i].Name] = true
	}
	var all []Rule
	for _, r := range Defaults() {
		if !own[r.Name] {
			all = append(all, r)
		}
	}
	return append(all, rules...)
}
