package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"granary/tenant"
)

// Scope says who made a policy or rule, and with that who sees it: everybody what the configuration and the service have,
// a tenant alone what is its own.
type Scope int64

const (
	// Configuration is what the configuration file says. Nothing in it changes but by that file.
	Configuration Scope = -1
	// Service is what operators make for all tenants.
	Service Scope = 0
)

// OfTenant is the scope of one tenant.
func OfTenant(n tenant.Num) Scope { return Scope(n) }

// Tenant is the tenant whose scope it is, 0 if it is of none.
func (s Scope) Tenant() tenant.Num { return tenant.Num(max(s, 0)) }

// String is "configuration", "service" or "tenant".
func (s Scope) String() string {
	switch s {
	case Configuration:
		return "configuration"
	case Service:
		return "service"
	}
	return "tenant"
}

// Bounds on a scope below the configuration, so that the metrics of one tenant cannot make the service walk through
// endless rules.
const (
	MaxPattern  = 255  // bytes of a pattern
	MaxGlobs    = 100  // rules whose pattern is a glob
	MaxGlobName = 1024 // bytes of a metric's name; longer ones are matched by no glob
)

// owned is what one scope below the configuration holds. It is immutable. Its rules may name policies of the scopes above,
// and such a policy may be gone.
type owned struct {
	scope    Scope
	revision uint64
	seeded   bool     // Edit.Seed was there
	policies []Policy // sorted by name
	yields   []bool   // by policy: it is a built-in one that nobody has changed, and gives way to another of the configuration
	rules    []Rule   // sorted by name
	index    *ruleIndex
}

func newOwned(scope Scope, revision uint64, seeded bool, policies []Policy, rules []Rule) (*owned, error) {
	o := &owned{scope: scope, revision: revision, seeded: seeded, policies: slices.Clone(policies)}
	for i := range o.policies {
		o.policies[i] = o.policies[i].normal()
	}
	slices.SortFunc(o.policies, byName)
	o.yields = make([]bool, len(o.policies))
	for i, p := range o.policies {
		o.yields[i] = scope == Service && isBuiltIn(&p)
		if err := p.Validate(); err != nil {
			return nil, err
		}
		if i > 0 && o.policies[i-1].Name == p.Name {
			return nil, &InvalidError{"policy", p.Name, "name", "it is given twice"}
		}
	}
	var err error
	o.rules, o.index, err = index(rules, func(string) bool { return true })
	return o, err
}

func byName(a, b Policy) int { return strings.Compare(a.Name, b.Name) }

// find is the place of the policy of that name, -1 if there is none; o may be nil.
func (o *owned) find(name string) int {
	if o == nil {
		return -1
	}
	i, ok := slices.BinarySearchFunc(o.policies, name, func(p Policy, name string) int { return strings.Compare(p.Name, name) })
	if !ok {
		return -1
	}
	return i
}

// policy returns the policy of that name; o may be nil.
func (o *owned) policy(name string) (Policy, bool) {
	i := o.find(name)
	if i < 0 {
		return Policy{}, false
	}
	return o.policies[i], true
}

// rule returns the rule of that name; o may be nil.
func (o *owned) rule(name string) (Rule, bool) {
	if o == nil {
		return Rule{}, false
	}
	i, ok := slices.BinarySearchFunc(o.rules, name, func(r Rule, name string) int { return strings.Compare(r.Name, name) })
	if !ok {
		return Rule{}, false
	}
	return o.rules[i], true
}

// names is how many rules name a policy; o may be nil.
func (o *owned) names(policy string) (n int) {
	if o != nil {
		for _, r := range o.rules {
			if r.Policy == policy {
				n++
			}
		}
	}
	return n
}

// NotFoundError says that a scope has no policy or rule of that name.
type NotFoundError struct {
	What string // "policy" or "rule"
	Name string
}

func (e *NotFoundError) Error() string {
	return fmt.Sprintf("there is no %s %q", e.What, shorten(e.Name))
}

// Kind is "not found".
func (*NotFoundError) Kind() string { return "not found" }

// Code is the stable code of the error.
func (e *NotFoundError) Code() string {
	if e.What == "rule" {
		return "rule-unknown"
	}
	return "policy-unknown"
}

// ExistsError says that the scope has a policy or rule of that name already.
type ExistsError struct {
	What  string // "policy" or "rule"
	Name  string
	Scope Scope
}

func (e *ExistsError) Error() string {
	return fmt.Sprintf("the %s has a %s %q already", e.Scope, e.What, shorten(e.Name))
}

// Kind is "conflict".
func (*ExistsError) Kind() string { return "conflict" }

// Code is the stable code of the error.
func (e *ExistsError) Code() string {
	if e.What == "rule" {
		return "rule-exists"
	}
	return "policy-exists"
}

// ReadOnlyError says that a policy or rule belongs to a scope above the one that asks.
type ReadOnlyError struct {
	What  string // "policy" or "rule"
	Name  string
	Owner Scope
}

func (e *ReadOnlyError) Error() string {
	how := "operators change it in the scope of the service"
	if e.Owner == Configuration {
		how = "the configuration file changes it"
	}
	return fmt.Sprintf("%s %q belongs to the %s: %s", e.What, shorten(e.Name), e.Owner, how)
}

// Kind is "conflict".
func (*ReadOnlyError) Kind() string { return "conflict" }

// Code is the stable code of the error.
func (*ReadOnlyError) Code() string { return "policy-read-only" }

// InUseError says what keeps a policy from being deleted.
type InUseError struct {
	Name    string
	Metrics int // definitions that name the policy
	Rules   int
}

func (e *InUseError) Error() string {
	return fmt.Sprintf("policy %q is in use: %d metrics and %d rules name it", shorten(e.Name), e.Metrics, e.Rules)
}

// Kind is "conflict".
func (*InUseError) Kind() string { return "conflict" }

// Code is the stable code of the error.
func (*InUseError) Code() string { return "policy-in-use" }

// ChangeError says that a policy cannot be changed in that way.
type ChangeError struct {
	Name  string
	Field string
	Was   time.Duration // the granularity that would be another; 0: it is about something else
	Text  string
}

func (e *ChangeError) Error() string {
	return fmt.Sprintf("policy %q: %s: %s", shorten(e.Name), e.Field, e.Text)
}

// Kind is "conflict".
func (*ChangeError) Kind() string { return "conflict" }

// Code is the stable code of the error.
func (*ChangeError) Code() string { return "policy-change" }

// LimitError says that a scope would hold more than it may.
type LimitError struct {
	Scope      Scope
	Limit      string // what is limited, in words
	Value, Max int64
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("the %s: %s would be %d, at most %d are possible", e.Scope, e.Limit, e.Value, e.Max)
}

// Kind is "over limit".
func (*LimitError) Kind() string { return "over limit" }

// Code is the stable code of the error.
func (*LimitError) Code() string { return "policy-limit" }

// Lasting says that time alone does not help.
func (*LimitError) Lasting() bool { return true }
