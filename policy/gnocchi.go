package policy

import (
	"slices"
	"strings"
	"time"
)

// Gnocchi is the name of the dialect in rules. A rule that holds for it alone is one as Gnocchi words it: its pattern is one of
// Fnmatch, and may be empty.
const Gnocchi = "gnocchi"

// GnocchiRuleName is the name of the rule that gives the policy "low" to Gnocchi's metrics that no other rule names.
const GnocchiRuleName = "default"

// BuiltIn are the policies that Gnocchi installations begin with, by their names: low, medium, high and bool. Raw samples
// live only in the window, times are counted from the newest sample, and of equal times in one batch the smallest value stays.
func BuiltIn() []Policy {
	minutes, hours := Tier{time.Minute, 10080}, Tier{time.Hour, 8760}
	return []Policy{
		GnocchiPolicy("bool", 3600, []Method{Last}, Tier{time.Second, 31_536_000}),
		GnocchiPolicy("high", 0, DefaultMethods(), Tier{time.Second, 3600}, minutes, hours),
		GnocchiPolicy("low", 0, DefaultMethods(), Tier{5 * time.Minute, 8640}),
		GnocchiPolicy("medium", 0, DefaultMethods(), minutes, hours),
	}
}

// builtIn are the built-in policies by name, to compare with.
var builtIn = BuiltIn()

// isBuiltIn says whether a policy is one of BuiltIn and says the same still.
func isBuiltIn(p *Policy) bool {
	return slices.ContainsFunc(builtIn, func(b Policy) bool { return b.Name == p.Name && b.Equal(*p) })
}

// GnocchiPolicy is a policy as Gnocchi's clients make them: nothing but the tiers is kept, in the order given, and what they need of
// raw samples.
func GnocchiPolicy(name string, backWindow int, methods []Method, tiers ...Tier) Policy {
	return Policy{Name: name, Raw: Retention{Length: WindowOnly, Clock: NewestClock}, Duplicates: SmallestThenLater,
		Tiers: tiers, Methods: methods, BackWindow: backWindow}
}

// GnocchiRule is a rule as Gnocchi's clients make them. It holds for metrics that they make.
func GnocchiRule(name, pattern, policy string) Rule {
	return Rule{Name: name, Pattern: pattern, Glob: true, Dialects: []string{Gnocchi}, Policy: policy}
}

// GnocchiDefaults are the policies and rules of a new Gnocchi installation.
func GnocchiDefaults() ([]Policy, []Rule) {
	return BuiltIn(), []Rule{GnocchiRule(GnocchiRuleName, Everything, "low")}
}

// GnocchiMethods are the methods that Gnocchi knows, which is what "*" means in its lists: no nunique, no stdpop, no percentile with
// decimals.
func GnocchiMethods() []Method {
	return slices.DeleteFunc(Methods(), func(m Method) bool { return m.Plain() == NUnique || m.Plain() == StdPop })
}

// IsGnocchi says whether the rule is one as Gnocchi words it.
func (r *Rule) IsGnocchi() bool { return len(r.Dialects) == 1 && r.Dialects[0] == Gnocchi }

// HoldsFor says whether the rule chooses for metrics of a dialect, if its pattern matches.
func (r *Rule) HoldsFor(dialect string) bool {
	if len(r.Dialects) == 0 {
		return dialect != ClusterCockpit
	}
	return slices.Contains(r.Dialects, dialect)
}

// CompareGnocchi orders rules as Gnocchi tries and lists them: by their patterns, the last in the order of bytes first, then by their names.
func CompareGnocchi(a, b *Rule) int {
	if c := strings.Compare(b.Pattern, a.Pattern); c != 0 {
		return c
	}
	return strings.Compare(a.Name, b.Name)
}
