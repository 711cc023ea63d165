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
	// Glob makes "*" in the pattern stand for any number of bytes and "?" for one character; in rules that hold for Gnocchi alone
	// the pattern is one of Fnmatch. Without it the pattern is the metric's name, whatever bytes that has.
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
	exact   map[exactKey]int // by dialect ("" = all) and metric
	globs   []globRule       // the longest pattern first, then by name
	gnocchi []globRule       // those that hold for Gnocchi's metrics, in the order of CompareGnocchi
}

type exactKey struct{ dialect, metric string }

type globRule struct {
	pattern  string
	dialects []string
	rule     int
	fnmatch  bool // the pattern is one of Fnmatch
}

func (g *globRule) match(metric string) bool {
	if g.fnmatch {
		return Fnmatch(g.pattern, metric)
	}
	return matchGlob(g.pattern, metric)
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
		case r.Pattern == "" && !r.IsGnocchi():
			return bad("pattern", "it is empty")
		case slices.Contains(r.Dialects, ""):
			return bad("dialects", "a dialect has no name")
		case !known(r.Policy):
			return bad("policy", "the policy %q does not exist", r.Policy)
		}
		if r.Glob {
			g := globRule{r.Pattern, r.Dialects, i, r.IsGnocchi()}
			if !g.fnmatch {
				x.globs = append(x.globs, g)
			}
			if r.HoldsFor(Gnocchi) {
				x.gnocchi = append(x.gnocchi, g)
			}
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
	slices.SortFunc(x.gnocchi, func(a, b globRule) int { return CompareGnocchi(&rules[a.rule], &rules[b.rule]) })
	return rules, x, nil
}

// globCount is how many rules have a glob.
func (x *ruleIndex) globCount() int {
	n := len(x.globs)
	for i := range x.gnocchi {
		if x.gnocchi[i].fnmatch {
			n++
		}
	}
	return n
}

// find is the index of the rule that names the metric, else of the longest glob that matches, for Gnocchi's metrics of the first in
// its order; -1 if there is none. A rule for which usable is false is passed over; nil takes all.
func (x *ruleIndex) find(dialect, metric string, usable func(rule int) bool) int {
	if i, ok := x.exact[exactKey{dialect, metric}]; ok && (usable == nil || usable(i)) {
		return i
	}
	if dialect != ClusterCockpit {
		if i, ok := x.exact[exactKey{"", metric}]; ok && (usable == nil || usable(i)) {
			return i
		}
	}
	if dialect == Gnocchi {
		for i := range x.gnocchi {
			if g := &x.gnocchi[i]; g.match(metric) && (usable == nil || usable(g.rule)) {
				return g.rule
			}
		}
		return -1
	}
	for i := range x.globs {
		g := &x.globs[i]
		in := dialect != ClusterCockpit
		if len(g.dialects) > 0 {
			in = slices.Contains(g.dialects, dialect)
		}
		if in && g.match(metric) && (usable == nil || usable(g.rule)) {
			return g.rule
		}
	}
	return -1
}
