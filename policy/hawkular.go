package policy

import "time"

// Hawkular is the name of the dialect in rules, of the policy of its metrics that nothing else chooses for, and of the rule that
// chooses it.
const Hawkular = "hawkular"

// HawkularRetention is how long Hawkular Metrics keeps samples for which nobody says anything else.
const HawkularRetention = 7 * 24 * time.Hour

// HawkularDefault is the policy "hawkular": samples keep their own times and expire by when they were written, as Hawkular
// counts.
func HawkularDefault(length time.Duration) Policy {
	return Policy{Name: Hawkular, Raw: Retention{Length: length, Clock: WriteClock}}
}

// HawkularRule is the rule that gives the policy "hawkular" to the metrics of the dialect.
func HawkularRule() Rule {
	return Rule{Name: Hawkular, Pattern: Everything, Glob: true, Dialects: []string{Hawkular}, Policy: Hawkular}
}
