package query

import (
	"granary/metricdef"
	"granary/policy"
)

// What the methods make of values that are no numbers. States and texts have a first and a last one, a count, and a count
// of different ones. The mean of states is the share of them that are up, their sum how many are up: in both, a state
// counts 1 if it is up, else 0.

const (
	stateMethods = "first, last, count, nunique, mean (the share that is up) and sum (how many are up)"
	textMethods  = "first, last, count and nunique"
)

// aggregated is the kind of what a method makes of values, and false if it makes nothing of them.
func aggregated(kind metricdef.Kind, m policy.Method) (metricdef.Kind, bool) {
	if kind.Numeric() {
		return metricdef.KindFloat, true
	}
	switch m {
	case policy.First, policy.Last:
		return kind, true
	case policy.Count, policy.NUnique:
		return metricdef.KindFloat, true
	case policy.Mean, policy.Sum:
		return metricdef.KindFloat, kind == metricdef.KindState
	}
	return 0, false
}

// countsUp says whether a method looks at states as 1 and 0.
func countsUp(kind metricdef.Kind, m policy.Method) bool {
	return kind == metricdef.KindState && (m == policy.Mean || m == policy.Sum)
}

// toUp makes 1 of the states that are up and 0 of all others.
func toUp(states []float64) {
	for i, s := range states {
		states[i] = 0
		if s == float64(metricdef.Up) {
			states[i] = 1
		}
	}
}

// overKind is the kind of a series' points after the method over time.
func (q *Query) overKind(kind metricdef.Kind) (metricdef.Kind, *KindError) {
	allows := stateMethods
	if kind == metricdef.KindText {
		allows = textMethods
	}
	if q.request.Rate.on() {
		if !kind.Numeric() {
			return 0, &KindError{Values: kind, Method: "rate", Member: "rate", Allows: allows}
		}
		kind = metricdef.KindFloat
	}
	if q.step == 0 {
		return kind, nil
	}
	if q.columns() > 0 {
		if !kind.Numeric() {
			return 0, &KindError{Values: kind, Method: "list of methods", Member: "methods", Allows: allows}
		}
		return metricdef.KindFloat, nil
	}
	k, ok := aggregated(kind, q.over)
	if !ok {
		return 0, &KindError{Values: kind, Method: q.over.String(), Member: "method", Allows: allows}
	}
	return k, nil
}

// suits says whether buckets of a kind can be filled like that.
func (f Fill) suits(kind metricdef.Kind) error {
	if (f.How == Linear || f.How == Number) && !kind.Numeric() {
		return wrong("fill", "buckets of kind %s are filled by null or previous only", kind)
	}
	return nil
}

// acrossKind is the kind of a group's points.
func acrossKind(kind metricdef.Kind, m policy.Method) (metricdef.Kind, error) {
	k, ok := aggregated(kind, m)
	if !ok {
		allows := stateMethods
		if kind == metricdef.KindText {
			allows = textMethods
		}
		return 0, &KindError{Values: kind, Method: m.String(), Member: "across", Allows: allows}
	}
	return k, nil
}
