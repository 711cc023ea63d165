package policy

// Prometheus is the name of the dialect in rules, of the policy of its metrics that nothing else chooses for, and of the rule that
// chooses it.
const Prometheus = "prometheus"

// PrometheusDefault is the policy "prometheus": all is as in the policy "default", but a sample stays as it came first. Prometheus never
// changes what it has scraped, so that two values at one time are two sources that call themselves the same.
func PrometheusDefault(def Policy) Policy {
	def.Name, def.Duplicates = Prometheus, RefuseDifferent
	return def
}

// PrometheusRule is the rule that gives the policy "prometheus" to the metrics of the dialect.
func PrometheusRule() Rule {
	return Rule{Name: Prometheus, Pattern: Everything, Glob: true, Dialects: []string{Prometheus}, Policy: Prometheus}
}
