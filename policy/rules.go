package policy

import (
	"fmt"
	"slices"
	"strings"
)

// Everything is the glob that matches every name. A rule with it says how metrics are kept that no other rule names; it
// names none of them, so it does not make a set that is not open accept them.
const Everything = "*"

// Rule chooses the policy of the metrics that its pattern matches.
type Rule struct {
	Name    string // unique within the scope
	Pattern string // a metric name, or a glob if Glob is set
	// Glob makes "*" in the pattern stand for any number of bytes and "?" for one character. Without it the pattern is
	// the metric's name, whatever bytes that has.
	Glob bool
	// Dialects are those whose metrics it chooses for, sorted; empty: all but ClusterCockpit, whose metrics have rules of their
	// own.
	Dialects []string
	Policy   string // name of a policy
}

// Equal says whether two rules are the same in all they say.
func (r Rule) Equal(o Rule) bool {
	return r.Name == o.Name && r.Pattern == o.Pattern && r.Glob == o.Glob && r.Policy == o.Policy && slices.Equal(r.Dialects, o.Dialects)
}

// IsGlob says whether a pattern holds a character that stands for others.
func IsGlob(pattern string) bool { return strings.ContainsAny(pattern, "*?") }

// ruleIndex finds the rule of a metric. It names rules by their index in the list that it was made of.
type ruleIndex struct {
	exact map[exactKey]int // by dialect ("" = all) and metric
	globs []globRule       // the longest pattern first, then by name
}

type exactKey struct{ dialect, metric string }

type globRule struct {
	pattern  string
	dialects []string
	rule     int
}

// weight orders globs: Everything stands behind "?", which is as long.
func (g *globRule) weight() int {
	if g.pattern == Everything {
		return 0
	}
	return len(g.pattern)
}

// index sorts rules by name, checks them and makes their index. known says whether a rule may name a policy.
func index(list []Rule, known func(policy string) bool) ([]Rule, *ruleIndex, error) {
	rules := slices.Clone(list)
	for i := range rules {
		rules[i].Dialects = slices.Clone(rules[i].Dialects)
		slices.Sort(rules[i].Dialects)
	}
	slices.SortFunc(rules, func(a, b Rule) int { return strings.Compare(a.Name, b.Name) })
	x := &ruleIndex{exact: make(map[exactKey]int, len(rules))}
	for i, r := range rules {
		bad := func(field, format string, args ...any) ([]Rule, *ruleIndex, error) {
			return nil, nil, &InvalidError{"rule", r.Name, field, fmt.Sprintf(format, args...)}
		}
		switch {
		case r.Name == "":
			return bad("name", "the rule for %q has no name", r.Pattern)
		case i > 0 && rules[i-1].Name == r.Name:
			return bad("name", "it is given twice")
		case r.Pattern == "":
			return bad("pattern", "it is empty")
		case slices.Contains(r.Dialects, ""):
			return bad("dialects", "a dialect has no name")
		case !known(r.Policy):
			return bad("policy", "the policy %q does not exist", r.Policy)
		}
		if r.Glob {
			x.globs = append(x.globs, globRule{r.Pattern, r.Dialects, i})
			continue
		}
		dialects := r.Dialects
		if len(dialects) == 0 {
			dialects = []string{""}
		}
		for _, d := range dialects {
			k := exactKey{d, r.Pattern}
			if _, dup := x.exact[k]; dup {
				return bad("pattern", "metric %q has a rule already in the same dialect", r.Pattern)
			}
			x.exact[k] = i
		}
	}
	// The rules are sorted by name, so a stable sort leaves globs of equal length in the order of their names.
	slices.SortStableFunc(x.globs, func(a, b globRule) int { return b.weight() - a.weight() })
	return rules, x, nil
}

// find is the index of the rule that names the metric, else of the longest glob that matches, -1 if there is none. A rule for
// which usable is false is passed over; nil takes all.
func (x *ruleIndex) find(dialect, metric string, usable func(rule int) bool) int {
	if i, ok := x.exact[exactKey{dialect, metric}]; ok && (usable == nil || usable(i)) {
		return i
	}
	if dialect != ClusterCockpit {
		if i, ok := x.exact[exactKey{"", metric}]; ok && (usable == nil || usable(i)) {
			return i
		}
	}
	for i := range x.globs {
		g := &x.globs[i]
		in := dialect != ClusterCockpit
		if len(g.dialects) > 0 {
			in = slices.Contains(g.dialects, dialect)
		}
		if in && matchGlob(g.pattern, metric) && (usable == nil || usable(g.rule)) {
			return g.rule
		}
	}
	return -1
}
