package policy

import (
	"slices"
	"strings"
	"time"

	"granary/tenant"
)

// View is what one tenant sees: its own policies and rules, those of the service and those of the configuration. It is
// immutable; Registry.For gives the same one until something in it changes. All methods are safe for concurrent use.
type View struct {
	tenant  tenant.Num
	config  *Set
	service *owned // nil: nothing
	own     *owned // nil: nothing
}

// ScopedPolicy is a policy and where it comes from.
type ScopedPolicy struct {
	Policy
	Scope Scope
}

// ScopedRule is a rule and where it comes from.
type ScopedRule struct {
	Rule
	Scope Scope
}

// Tenant is the tenant whose view it is.
func (v *View) Tenant() tenant.Num { return v.tenant }

// Revision grows with everything that changes in the view.
func (v *View) Revision() uint64 {
	n := v.config.revision
	for _, o := range [...]*owned{v.service, v.own} {
		if o != nil {
			n += o.revision
		}
	}
	return n
}

// Resolve returns the policy of a metric: the one that its definition names, else that of a rule of the tenant, of the
// service, of the configuration, else "default". In each scope the rule that gives the very name comes before globs, and the
// longest glob first; for Gnocchi's metrics they are tried in the order of CompareGnocchi. What names a policy that is not there is passed over. ClusterCockpit's metrics, unless their definition
// names a policy, are a matter of the configuration alone; the answer is false for one that a closed configuration does not
// name, as Set.Resolve says.
func (v *View) Resolve(dialect, metric, explicit string) (Policy, bool) {
	if explicit != "" {
		if p, ok := v.ByName(explicit); ok {
			return p.Policy, true
		}
	}
	if dialect == ClusterCockpit {
		return v.config.Resolve(dialect, metric)
	}
	p, ok := v.Choice(dialect, metric)
	if !ok {
		if s, ok := v.ByName(DefaultName); ok {
			p = s.Policy
		}
	}
	return p, true
}

// Choice is what Resolve says of a metric whose definition names no policy, false if no rule chooses one for it. ClusterCockpit's metrics
// are a matter of Resolve alone.
func (v *View) Choice(dialect, metric string) (Policy, bool) {
	for _, o := range [...]*owned{v.own, v.service} {
		if o == nil || len(o.rules) == 0 {
			continue
		}
		i := o.index.find(dialect, metric, func(rule int) bool {
			r := &o.rules[rule]
			_, ok := v.ByName(r.Policy)
			return ok && (!r.Glob || len(metric) <= MaxGlobName)
		})
		if i >= 0 {
			p, _ := v.ByName(o.rules[i].Policy)
			return p.Policy, true
		}
	}
	p, ok := v.config.choice(dialect, metric)
	if !ok {
		return p, false
	}
	if s, ok := v.ByName(p.Name); ok {
		p = s.Policy
	}
	return p, true
}

// ByName returns the policy of that name: the tenant's own, else the service's, else the configuration's. One of BuiltIn that is the
// service's as it came gives way to another that the configuration has.
func (v *View) ByName(name string) (ScopedPolicy, bool) {
	if p, ok := v.own.policy(name); ok {
		return ScopedPolicy{p, v.own.scope}, true
	}
	if i := v.service.find(name); i >= 0 {
		if p := v.service.policies[i]; !v.gives(i) {
			return ScopedPolicy{p, Service}, true
		}
	}
	p, ok := v.config.ByName(name)
	return ScopedPolicy{p, Configuration}, ok
}

// gives says whether the service's i-th policy gives way to the configuration's.
func (v *View) gives(i int) bool {
	if !v.service.yields[i] {
		return false
	}
	p, ok := v.config.ByName(v.service.policies[i].Name)
	return ok && !p.Equal(v.service.policies[i])
}

// RuleByName returns the rule of that name, in the same order.
func (v *View) RuleByName(name string) (ScopedRule, bool) {
	for _, o := range [...]*owned{v.own, v.service} {
		if r, ok := o.rule(name); ok {
			r.Dialects = slices.Clone(r.Dialects)
			return ScopedRule{r, o.scope}, true
		}
	}
	r, ok := v.config.ruleByName(name)
	return ScopedRule{r, Configuration}, ok
}

// Policies returns all policies that can be named, sorted by name.
func (v *View) Policies() []ScopedPolicy {
	var list []ScopedPolicy
	for _, o := range [...]*owned{v.own, v.service} {
		if o != nil {
			for i, p := range o.policies {
				if o.scope != Service || !v.gives(i) {
					list = append(list, ScopedPolicy{p, o.scope})
				}
			}
		}
	}
	for _, p := range v.config.policies {
		list = append(list, ScopedPolicy{p, Configuration})
	}
	slices.SortStableFunc(list, func(a, b ScopedPolicy) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(list, func(a, b ScopedPolicy) bool { return a.Name == b.Name })
}

// Rules returns all rules in the order in which the scopes are asked, the tenant's own first; in a scope sorted by name. Rules
// do not shadow each other.
func (v *View) Rules() []ScopedRule {
	var list []ScopedRule
	add := func(rules []Rule, scope Scope) {
		for _, r := range rules {
			r.Dialects = slices.Clone(r.Dialects)
			list = append(list, ScopedRule{r, scope})
		}
	}
	for _, o := range [...]*owned{v.own, v.service} {
		if o != nil {
			add(o.rules, o.scope)
		}
	}
	add(v.config.rules, Configuration)
	return list
}

// ruleByName returns the rule of that name.
func (s *Set) ruleByName(name string) (Rule, bool) {
	i, ok := slices.BinarySearchFunc(s.rules, name, func(r Rule, name string) int { return strings.Compare(r.Name, name) })
	if !ok {
		return Rule{}, false
	}
	r := s.rules[i]
	r.Dialects = slices.Clone(r.Dialects)
	return r, true
}

// Longest is how long raw samples of a dialect's metrics live at most, of those that name no policy: the longest retention of "default" and of
// the policies that rules may choose for them. 0: one of these sets no end.
func (v *View) Longest(dialect string) time.Duration {
	longest := time.Duration(0)
	ends := func(name string) bool {
		p, ok := v.ByName(name)
		if ok {
			longest = max(longest, p.Raw.Length)
		}
		return !ok || p.Raw.Length > 0 // Forever and WindowOnly are below
	}
	of := func(rules []Rule) bool {
		for i := range rules {
			if rules[i].HoldsFor(dialect) && !ends(rules[i].Policy) {
				return false
			}
		}
		return true
	}
	for _, o := range [...]*owned{v.own, v.service} {
		if o != nil && !of(o.rules) {
			return 0
		}
	}
	if !ends(DefaultName) || !of(v.config.rules) {
		return 0
	}
	return longest
}
