package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// DefaultName is the name of the policy that metrics fall back to. Every set has one of that name.
const DefaultName = "default"

// Content is what a Set is made of.
type Content struct {
	Policies []Policy
	Rules    []Rule
	// Open accepts metrics that no rule names, at the policy of a rule for Everything, else at "default".
	Open bool
}

// Set is one immutable snapshot of policies and rules. All methods are safe for concurrent use, and none allocates but
// the ones that return slices.
type Set struct {
	revision uint64
	open     bool
	policies []Policy // sorted by name
	rules    []Rule   // sorted by name
	def      int

	byName map[string]int
	index  *ruleIndex
	chosen []int // policy of each rule
}

// NewSet checks the content and makes a set of revision 0 out of it. The content is copied. If it names no policy
// "default", FallBack(Forever) is added under that name.
func NewSet(c Content) (*Set, error) {
	s := &Set{open: c.Open, policies: slices.Clone(c.Policies)}
	if !slices.ContainsFunc(s.policies, func(p Policy) bool { return p.Name == DefaultName }) {
		s.policies = append(s.policies, FallBack(Retention{Length: Forever}))
	}
	slices.SortFunc(s.policies, func(a, b Policy) int { return strings.Compare(a.Name, b.Name) })
	s.byName = make(map[string]int, len(s.policies))
	for i := range s.policies {
		p := s.policies[i].normal()
		p.Order = nil
		s.policies[i] = p
		if err := p.Validate(); err != nil {
			return nil, err
		}
		if _, dup := s.byName[p.Name]; dup {
			return nil, fmt.Errorf("policy %q is given twice", p.Name)
		}
		s.byName[p.Name] = i
	}
	s.def = s.byName[DefaultName]
	var err error
	s.rules, s.index, err = index(c.Rules, func(policy string) bool { _, ok := s.byName[policy]; return ok })
	if err != nil {
		return nil, err
	}
	for _, r := range s.rules {
		s.chosen = append(s.chosen, s.byName[r.Policy])
	}
	return s, nil
}

// Revision is the number under which the set was put into force; 0 for a set that never was. It grows with every set.
func (s *Set) Revision() uint64 { return s.revision }

// WithRevision is the same set under another revision.
func (s *Set) WithRevision(revision uint64) *Set {
	c := *s
	c.revision = revision
	return &c
}

// Open says whether metrics that no rule names are accepted.
func (s *Set) Open() bool { return s.open }

// Default is the policy of metrics that no rule matches.
func (s *Set) Default() Policy { return s.policies[s.def] }

// Resolve returns the policy of a metric: that of the rule that names it, else that of the longest glob that matches,
// else the default. It is false if no rule names the metric and the set is not open; the policy is that of samples which
// are there nevertheless then, such as those of a metric that was taken out of the configuration.
func (s *Set) Resolve(dialect, metric string) (Policy, bool) {
	p, named := s.rule(dialect, metric)
	return s.policies[p], named || s.open
}

// Known says whether a rule names the metric, other than by Everything.
func (s *Set) Known(dialect, metric string) bool {
	_, named := s.rule(dialect, metric)
	return named
}

// rule is the index of the metric's policy, and whether a rule names the metric.
func (s *Set) rule(dialect, metric string) (policy int, named bool) {
	i := s.index.find(dialect, metric, nil)
	if i < 0 {
		return s.def, false
	}
	return s.chosen[i], !s.rules[i].Glob || s.rules[i].Pattern != Everything
}

// choice is the policy that a rule chooses for the metric, false if none does.
func (s *Set) choice(dialect, metric string) (Policy, bool) {
	i := s.index.find(dialect, metric, nil)
	if i < 0 {
		return Policy{}, false
	}
	return s.policies[s.chosen[i]], true
}

// names is how many rules name a policy.
func (s *Set) names(policy string) (n int) {
	for _, r := range s.rules {
		if r.Policy == policy {
			n++
		}
	}
	return n
}

// ByName returns the policy of that name.
func (s *Set) ByName(name string) (Policy, bool) {
	i, ok := s.byName[name]
	if !ok {
		return Policy{}, false
	}
	return s.policies[i], true
}

// Policies returns a copy of all policies, sorted by name.
func (s *Set) Policies() []Policy { return slices.Clone(s.policies) }

// Rules returns a copy of all rules, sorted by name.
func (s *Set) Rules() []Rule {
	out := slices.Clone(s.rules)
	for i := range out {
		out[i].Dialects = slices.Clone(out[i].Dialects)
	}
	return out
}

// Metrics returns the names of the metrics that a rule without a glob names for the dialect, sorted.
func (s *Set) Metrics(dialect string) []string {
	names := make(map[string]struct{}, len(s.index.exact))
	for k := range s.index.exact {
		if k.dialect == dialect || k.dialect == "" && dialect != ClusterCockpit {
			names[k.metric] = struct{}{}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// Equal says whether two sets have the same content, whatever their revisions.
func Equal(a, b *Set) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.open == b.open && slices.EqualFunc(a.policies, b.policies, Policy.Equal) && slices.EqualFunc(a.rules, b.rules, Rule.Equal)
}

// With is the set with more policies and rules, of revision 0. A policy of a name that is there already takes its place.
func (s *Set) With(policies []Policy, rules []Rule) (*Set, error) {
	c := Content{Open: s.open, Policies: slices.Clone(policies), Rules: append(s.Rules(), rules...)}
	for _, p := range s.policies {
		if !slices.ContainsFunc(policies, func(o Policy) bool { return o.Name == p.Name }) {
			c.Policies = append(c.Policies, p)
		}
	}
	return NewSet(c)
}

// FallBack is the policy "default" with the given retention: samples keep their own times, and nothing is implied about
// combining series.
func FallBack(raw Retention) Policy { return Policy{Name: DefaultName, Raw: raw} }
