package policy

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"granary/tenant"
)

// ReservedPrefix begins the names of the policies that a configuration makes for ClusterCockpit's metrics. No other scope may
// use it.
const ReservedPrefix = "cc-"

// Edit is a change of one scope that has not been sequenced yet.
type Edit struct {
	base     *state
	view     *View
	scope    Scope
	old      *owned
	seeded   bool
	policies []Policy
	rules    []Rule
}

// Edit changes a scope: change says how, and the record that comes back puts it into force. It counts as sequenced, unless there
// is an error. REQUIRES: the store's sequencer lock.
func (r *Registry) Edit(scope Scope, change func(*Edit) error) (record []byte, err error) {
	if scope < Service || scope > math.MaxUint32 {
		return nil, &ReadOnlyError{"policy", "", Configuration}
	}
	st := r.sequenced()
	e := &Edit{base: st, view: st.view(scope.Tenant()), scope: scope, old: st.scopes[scope]}
	revision := uint64(1)
	if e.old != nil {
		e.seeded, e.policies, e.rules = e.old.seeded, slices.Clone(e.old.policies), slices.Clone(e.old.rules)
		revision = e.old.revision + 1
	}
	if err := change(e); err != nil {
		return nil, err
	}
	o, err := newOwned(scope, revision, e.seeded, e.policies, e.rules)
	if err != nil {
		return nil, err
	}
	// What a store is seeded with must not keep it from starting, however many globs it has.
	seeding := e.seeded && (e.old == nil || !e.old.seeded)
	if n := o.index.globCount(); n > MaxGlobs && !seeding && (e.old == nil || n > e.old.index.globCount()) {
		return nil, &LimitError{scope, "rules whose pattern is a glob", int64(n), MaxGlobs}
	}
	record = appendScope(nil, o)
	if err := r.fits(scope, record); err != nil {
		return nil, err
	}
	r.latest = st.withScope(o)
	return record, nil
}

// Seed adds the policies and rules that a new store begins with, and is remembered: it does nothing the next time, so that what was
// taken away meanwhile does not come back. What is there of a name stays.
func (e *Edit) Seed(policies []Policy, rules []Rule) error {
	if e.seeded {
		return nil
	}
	e.seeded = true
	for _, p := range policies {
		if _, ok := e.old.policy(p.Name); ok {
			continue
		}
		if _, err := e.CreatePolicy(p); err != nil {
			return err
		}
	}
	for _, r := range rules {
		if _, ok := e.old.rule(r.Name); ok {
			continue
		}
		if err := e.CreateRule(r); err != nil {
			return err
		}
	}
	return nil
}

// Clear takes everything out of the scope, whoever names it.
func (e *Edit) Clear() { e.policies, e.rules = nil, nil }

// CreatePolicy adds a policy. One of a scope above may have the same name, and is hidden by it then.
func (e *Edit) CreatePolicy(p Policy) (notes []string, err error) {
	p = p.ordered()
	if err := p.Validate(); err != nil {
		return nil, err
	}
	if strings.HasPrefix(p.Name, ReservedPrefix) {
		return nil, &InvalidError{"policy", p.Name, "name", fmt.Sprintf("names that begin with %q belong to the metrics of ClusterCockpit in the configuration", ReservedPrefix)}
	}
	if e.hidden(p.Name) {
		e.policies = slices.DeleteFunc(e.policies, func(o Policy) bool { return o.Name == p.Name })
	} else if _, ok := e.old.policy(p.Name); ok {
		return nil, &ExistsError{"policy", p.Name, e.scope}
	}
	if above, ok := e.view.ByName(p.Name); ok {
		notes = append(notes, fmt.Sprintf("it takes the place of the policy %q of the %s, also for metrics that have it already; their samples and aggregates stay as they are", shorten(p.Name), above.Scope))
	}
	e.policies = append(e.policies, p)
	return notes, nil
}

// Update is what may change in a policy; nil leaves it as it is.
type Update struct {
	Raw        *Retention
	Grid       *int64 // nanoseconds; only the present one is accepted
	Duplicates *DuplicateRule
	Tiers      []Tier   // empty: as it is
	Methods    []Method // empty: as it is
	BackWindow *int
}

// UpdatePolicy changes a policy. Its granularities and its grid stay as they are: samples lie on the one, aggregates in the
// other. Nothing is computed anew, and the notes say what that means.
func (e *Edit) UpdatePolicy(name string, u Update) (p Policy, notes []string, err error) {
	i, err := e.find(name)
	if err != nil {
		return p, nil, err
	}
	was := e.policies[i]
	p = was
	if u.Raw != nil {
		p.Raw = *u.Raw
	}
	if u.Duplicates != nil {
		p.Duplicates = *u.Duplicates
	}
	if u.BackWindow != nil {
		p.BackWindow = *u.BackWindow
	}
	if len(u.Methods) > 0 {
		p.Methods = u.Methods
	}
	if len(u.Tiers) > 0 {
		p.Tiers = u.Tiers
		p = p.ordered()
	} else {
		p = p.normal()
	}
	if err := p.Validate(); err != nil {
		return p, nil, err
	}
	if u.Grid != nil && *u.Grid != int64(was.Grid) {
		return p, nil, &ChangeError{name, "grid", 0, "it cannot be changed, for the samples lie on it; make another policy and give it to the metrics"}
	}
	if len(p.Tiers) != len(was.Tiers) {
		return p, nil, &ChangeError{name, "tiers", 0, fmt.Sprintf("there are %d and would be %d: granularities cannot be added or dropped; make another policy and give it to the metrics", len(was.Tiers), len(p.Tiers))}
	}
	for k, t := range p.Tiers {
		if t.Granularity != was.Tiers[k].Granularity {
			return p, nil, &ChangeError{name, fmt.Sprintf("tiers[%d].granularity", k), was.Tiers[k].Granularity, fmt.Sprintf("it is %v and would be %v: granularities cannot be changed; make another policy and give it to the metrics", was.Tiers[k].Granularity, t.Granularity)}
		}
	}
	e.policies[i] = p
	return p, changes(was, p), nil
}

// changes says in words what an update means for what is stored.
func changes(was, is Policy) (notes []string) {
	say := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	for i, t := range is.Tiers {
		old := was.Tiers[i]
		switch {
		case longer(int64(t.Timespan()), int64(old.Timespan()), 0):
			say("tier %v: more buckets are kept from now on; nothing is computed anew, and of the older ones only those that are still stored appear again", t.Granularity)
		case t.Points != old.Points:
			say("tier %v: older buckets are hidden at once and deleted later", t.Granularity)
		}
	}
	var added, gone []string
	for _, m := range is.Methods {
		if !slices.Contains(was.Methods, m) {
			added = append(added, m.String())
		}
	}
	for _, m := range was.Methods {
		if !slices.Contains(is.Methods, m) {
			gone = append(gone, m.String())
		}
	}
	if len(added) > 0 {
		say("methods %s: they are kept for the buckets that are finished from now on; nothing is computed anew for those before", strings.Join(added, ", "))
	}
	if len(gone) > 0 {
		say("methods %s: they cannot be asked for any more, for older buckets neither", strings.Join(gone, ", "))
	}
	if is.BackWindow > was.BackWindow {
		say("back window: it is open to late samples as far as raw samples are still there; finished buckets stay as they are")
	}
	switch a, b := int64(is.Raw.Length), int64(was.Raw.Length); {
	case a == b:
	case is.Raw.Length == WindowOnly:
		say("raw samples behind the window are hidden at once and deleted later; aggregates stay")
	case was.Raw.Length == WindowOnly || longer(a, b, int64(Forever)):
		say("raw samples are kept longer from now on; those that are deleted do not come back")
	default:
		say("older raw samples are hidden at once and deleted later")
	}
	if is.Raw.Clock != was.Raw.Clock {
		say("the age of raw samples is counted by another clock, also for those that are stored")
		if is.Raw.Clock == WriteClock {
			say("those that are stored count as written at their own time")
		}
	}
	if is.Duplicates != was.Duplicates {
		say("the rule for equal times holds for samples that come from now on")
	}
	return notes
}

// longer says whether a is longer than b, where forever stands for no end.
func longer(a, b, forever int64) bool {
	return b != forever && (a == forever || a > b)
}

// DeletePolicy takes a policy away. It must not be in use: naming says how many definitions of each tenant name a policy of its
// name, which counts where no policy of the tenant hides it.
func (e *Edit) DeletePolicy(name string, naming map[tenant.Num]int) error {
	i, err := e.find(name)
	if err != nil {
		return err
	}
	use := &InUseError{Name: name, Rules: e.old.names(name)}
	if n := e.scope.Tenant(); n != 0 {
		use.Metrics = naming[n]
	} else {
		for scope, o := range e.base.scopes {
			if _, hides := o.policy(name); scope != Service && !hides {
				use.Rules += o.names(name)
			}
		}
		use.Rules += e.base.config.names(name)
		for n, metrics := range naming {
			if _, hides := e.base.own(n).policy(name); !hides {
				use.Metrics += metrics
			}
		}
	}
	if use.Metrics > 0 || use.Rules > 0 {
		return use
	}
	e.policies = slices.Delete(e.policies, i, i+1)
	return nil
}

// knows says whether a rule of the scope can name a policy.
func (e *Edit) knows(name string) bool {
	if slices.ContainsFunc(e.policies, func(p Policy) bool { return p.Name == name }) {
		return true
	}
	p, ok := e.view.ByName(name)
	return ok && p.Scope != e.scope
}

// find is the place of a policy of this scope.
func (e *Edit) find(name string) (int, error) {
	if i := slices.IndexFunc(e.policies, func(p Policy) bool { return p.Name == name }); i >= 0 && !e.hidden(name) {
		return i, nil
	}
	if p, ok := e.view.ByName(name); ok {
		return 0, &ReadOnlyError{"policy", name, p.Scope}
	}
	return 0, &NotFoundError{"policy", name}
}

// hidden says whether the scope has a policy that nobody sees, for the configuration has another of that name.
func (e *Edit) hidden(name string) bool {
	i := e.view.service.find(name)
	return e.scope == Service && i >= 0 && e.view.gives(i)
}

// CreateRule adds a rule.
func (e *Edit) CreateRule(r Rule) error {
	if err := e.checkRule(r); err != nil {
		return err
	}
	if _, ok := e.old.rule(r.Name); ok {
		return &ExistsError{"rule", r.Name, e.scope}
	}
	e.rules = append(e.rules, r)
	return nil
}

// UpdateRule puts another rule in the place of one, which may change its name.
func (e *Edit) UpdateRule(name string, change func(*Rule)) (Rule, error) {
	i, err := e.findRule(name)
	if err != nil {
		return Rule{}, err
	}
	r := e.rules[i]
	r.Dialects = slices.Clone(r.Dialects)
	change(&r)
	if err := e.checkRule(r); err != nil {
		return r, err
	}
	if _, ok := e.old.rule(r.Name); ok && r.Name != name {
		return r, &ExistsError{"rule", r.Name, e.scope}
	}
	e.rules[i] = r
	return r, nil
}

// DeleteRule takes a rule away.
func (e *Edit) DeleteRule(name string) error {
	i, err := e.findRule(name)
	if err == nil {
		e.rules = slices.Delete(e.rules, i, i+1)
	}
	return err
}

func (e *Edit) findRule(name string) (int, error) {
	if i := slices.IndexFunc(e.rules, func(r Rule) bool { return r.Name == name }); i >= 0 {
		return i, nil
	}
	if r, ok := e.view.RuleByName(name); ok {
		return 0, &ReadOnlyError{"rule", name, r.Scope}
	}
	return 0, &NotFoundError{"rule", name}
}

func (e *Edit) checkRule(r Rule) error {
	bad := func(field, text string) error { return &InvalidError{"rule", r.Name, field, text} }
	if text := checkName(r.Name); text != "" {
		return bad("name", text)
	}
	switch {
	case r.Pattern == "" && !r.IsGnocchi():
		return bad("pattern", "it is empty")
	case len(r.Pattern) > MaxPattern:
		return bad("pattern", fmt.Sprintf("it has %d bytes, at most %d are possible", len(r.Pattern), MaxPattern))
	case !utf8.ValidString(r.Pattern):
		return bad("pattern", "it is not valid UTF-8")
	case len(r.Dialects) > 16:
		return bad("dialects", "there are more than 16")
	}
	for i, d := range r.Dialects {
		switch {
		case d == ClusterCockpit:
			return bad(fmt.Sprintf("dialects[%d]", i), "the configuration alone chooses for ClusterCockpit's metrics")
		case checkName(d) != "":
			return bad(fmt.Sprintf("dialects[%d]", i), checkName(d))
		case slices.Contains(r.Dialects[:i], d):
			return bad(fmt.Sprintf("dialects[%d]", i), "it is given twice")
		}
	}
	if !e.knows(r.Policy) {
		return bad("policy", fmt.Sprintf("the policy %q does not exist", shorten(r.Policy)))
	}
	return nil
}
