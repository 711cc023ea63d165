package alerts

import (
	"errors"
	"fmt"
	"math"

	"granary/metricdef"
	"granary/metricdef/match"
	"granary/tenant"
)

// Missing says which lack of values makes an alert missing.
type Missing uint8

const (
	// MissingDefault is MissingAny for a rule that names metrics only by their ids, else MissingAll: what a query over tags
	// finds comes and goes.
	MissingDefault Missing = iota
	MissingAny             // a metric without a value is enough
	MissingAll             // no metric has a value
	MissingNever           // what has no value counts as ok
)

// MissingNames are the names of the ways, as a configuration gives them; the first stands for none.
var MissingNames = [...]string{"", "any", "all", "never"}

// Rule says which metrics to look at, and what is right.
type Rule struct {
	ID          string
	Annotations map[string]string // sent along
	Tenant      tenant.ID
	Type        metricdef.Type // of the metrics: Gauge or Counter
	Metrics     []string       // ids
	Tags        string         // a query over tags, as it was given; "": none
	Selector    match.Expr     // what it asks for
	// A value below Lower, or Higher and above, fires. nil: there is no such limit.
	Lower, Higher *float64
	Missing       Missing
}

// Form is how a rule judges, in Mohawk's numbers.
type Form uint8

const (
	Undefined Form = iota // it has no limits
	Outside
	Higher
	Lower
)

// Form is how the rule judges.
func (r *Rule) Form() Form {
	switch {
	case r.Lower != nil && r.Higher != nil:
		return Outside
	case r.Higher != nil:
		return Higher
	case r.Lower != nil:
		return Lower
	}
	return Undefined
}

// Fires says whether a value is one that the rule is there for.
func (r *Rule) Fires(v float64) bool {
	return r.Lower != nil && v < *r.Lower || r.Higher != nil && v >= *r.Higher
}

func (r *Rule) missing() Missing {
	switch {
	case r.Missing != MissingDefault:
		return r.Missing
	case r.Tags == "":
		return MissingAny
	}
	return MissingAll
}

// lacks says whether an alert is missing of which so many metrics have no value.
func (r *Rule) lacks(without, metrics int) bool {
	switch r.missing() {
	case MissingAny:
		return without > 0 || metrics == 0
	case MissingAll:
		return without == metrics
	}
	return false
}

// RuleError says what is wrong with a rule.
type RuleError struct {
	ID    string
	Field string // the member at fault, as a configuration names it
	Err   error
}

func (e *RuleError) Error() string { return fmt.Sprintf("alert %q: %s: %v", e.ID, e.Field, e.Err) }
func (e *RuleError) Unwrap() error { return e.Err }

// Validate says whether the rule can be watched. The error is a *RuleError.
func (r *Rule) Validate() error {
	bad := func(field, text string) error { return &RuleError{r.ID, field, errors.New(text)} }
	switch {
	case r.ID == "":
		return bad("id", "must not be empty")
	case len(r.Metrics) == 0 && r.Tags == "":
		return bad("metrics", "names no metric; metrics, tags or both say which to look at")
	case r.Form() == Undefined:
		return bad("alert-if-lower-than", "there is no limit; alert-if-lower-than, alert-if-higher-than or both say what is wrong")
	case r.Type != metricdef.Gauge && r.Type != metricdef.Counter:
		return bad("type", "is neither gauge nor counter")
	}
	seen := make(map[string]bool, len(r.Metrics))
	for _, id := range r.Metrics {
		switch {
		case id == "":
			return bad("metrics", "an id is empty")
		case seen[id]:
			return bad("metrics", fmt.Sprintf("names %q twice", id))
		}
		seen[id] = true
	}
	for field, limit := range map[string]*float64{"alert-if-lower-than": r.Lower, "alert-if-higher-than": r.Higher} {
		if limit != nil && (math.IsNaN(*limit) || math.IsInf(*limit, 0)) {
			return bad(field, "is no finite number")
		}
	}
	if r.Form() == Outside && *r.Lower > *r.Higher {
		return bad("alert-if-lower-than", "is above alert-if-higher-than, so every value would fire")
	}
	return nil
}
