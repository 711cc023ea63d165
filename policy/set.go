package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// DefaultName is the name of the policy that metrics fall back to. Every set has one of that name.
const DefaultName = "default"

// Everything is the glob that matches every name. A rule with it says how metrics are kept that no other rule names; it
// names none of them, so it does not make a set that is not open accept them.
const Everything = "*"

// Rule chooses the policy of the metrics that its pattern matches.
type Rule struct {
	Name    string // unique within the set
	Pattern string // a metric name, or a glob if Glob is set
	// Glob makes "*" in the pattern stand for any number of bytes and "?" for one character. Without it the pattern is
	// the metric's name, whatever bytes that has.
	Glob     bool
	Dialects []string // the dialects whose metrics it chooses for, sorted; empty: all
	Policy   string   // name of a policy of the set
}

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
	exact  map[exactKey]int // policy index by dialect ("" = all dialects) and metric
	globs  []globRule       // the longest pattern first, then by name
}

type exactKey struct{ dialect, metric string }

type globRule struct {
	pattern  string
	dialects []string
	policy   int
}

// names says whether the rule makes the metrics that it matches known.
func (g *globRule) names() bool { return g.pattern != Everything }

// weight orders globs: the longest pattern has the most to say.
func (g *globRule) weight() int {
	if !g.names() {
		return 0
	}
	return len(g.pattern)
}

// NewSet checks the content and makes a set of revision 0 out of it. The content is copied. If it names no policy
// "default", FallBack(Forever) is added under that name.
func NewSet(c Content) (*Set, error) {
	s := &Set{open: c.Open, policies: slices.Clone(c.Policies), rules: make([]Rule, 0, len(c.Rules))}
	if !slices.ContainsFunc(s.policies, func(p Policy) bool { return p.Name == DefaultName }) {
		s.policies = append(s.policies, FallBack(Retention{Length: Forever}))
	}
	slices.SortFunc(s.policies, func(a, b Policy) int { return strings.Compare(a.Name, b.Name) })
	s.byName = make(map[string]int, len(s.policies))
	for i := range s.policies {
		p := s.policies[i].normal()
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
	for _, r := range c.Rules {
		r.Dialects = slices.Clone(r.Dialects)
		slices.Sort(r.Dialects)
		s.rules = append(s.rules, r)
	}
	slices.SortFunc(s.rules, func(a, b Rule) int { return strings.Compare(a.Name, b.Name) })
	return s, s.index()
}

// index checks the rules and builds the look-up structures.
func (s *Set) index() error {
	s.exact = make(map[exactKey]int, len(s.rules))
	for i, r := range s.rules {
		p, ok := s.byName[r.Policy]
		switch {
		case r.Name == "":
			return fmt.Errorf("the rule for %q has no name", r.Pattern)
		case i > 0 && s.rules[i-1].Name == r.Name:
			return fmt.Errorf("rule %q is given twice", r.Name)
		case r.Pattern == "":
			return fmt.Errorf("rule %q has an empty pattern", r.Name)
		case !ok:
			return fmt.Errorf("rule %q names the policy %q, which does not exist", r.Name, r.Policy)
		case slices.Contains(r.Dialects, ""):
			return fmt.Errorf("rule %q names an empty dialect", r.Name)
		}
		if r.Glob {
			s.globs = append(s.globs, globRule{r.Pattern, r.Dialects, p})
			continue
		}
		dialects := r.Dialects
		if len(dialects) == 0 {
			dialects = []string{""}
		}
		for _, d := range dialects {
			k := exactKey{d, r.Pattern}
			if _, dup := s.exact[k]; dup {
				return fmt.Errorf("rule %q: metric %q has a rule already in the same dialect", r.Name, r.Pattern)
			}
			s.exact[k] = p
		}
	}
	// The rules are sorted by name, so a stable sort leaves globs of equal length in the order of their names. Everything
	// stands behind "?", which is as long.
	slices.SortStableFunc(s.globs, func(a, b globRule) int { return b.weight() - a.weight() })
	return nil
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
	if p, ok := s.exact[exactKey{dialect, metric}]; ok {
		return p, true
	}
	if p, ok := s.exact[exactKey{"", metric}]; ok {
		return p, true
	}
	for i := range s.globs {
		g := &s.globs[i]
		if (len(g.dialects) == 0 || slices.Contains(g.dialects, dialect)) && matchGlob(g.pattern, metric) {
			return g.policy, g.names()
		}
	}
	return s.def, false
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
	names := make(map[string]struct{}, len(s.exact))
	for k := range s.exact {
		if k.dialect == dialect || k.dialect == "" {
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
	return a.open == b.open && slices.EqualFunc(a.policies, b.policies, Policy.Equal) && slices.EqualFunc(a.rules, b.rules, func(x, y Rule) bool {
		return x.Name == y.Name && x.Pattern == y.Pattern && x.Glob == y.Glob && x.Policy == y.Policy && slices.Equal(x.Dialects, y.Dialects)
	})
}

// FallBack is the policy "default" with the given retention: samples keep their own times, and nothing is implied about
// combining series.
func FallBack(raw Retention) Policy { return Policy{Name: DefaultName, Raw: raw} }
