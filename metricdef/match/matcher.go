package match

import (
	"slices"
	"strings"
)

// Form is how a matcher decides, from the cheapest to the dearest.
type Form uint8

const (
	// Set holds for a finite set of values.
	Set Form = iota
	// Any holds for every value, the empty one too.
	Any
	// Filled holds for every value but the empty one.
	Filled
	// Gaps compares texts with gaps between them.
	Gaps
	// Automaton runs a regular expression.
	Automaton
)

var formNames = [...]string{"set", "any", "filled", "gaps", "automaton"}

// String is the name of the form.
func (f Form) String() string { return formNames[f] }

// Matcher is a condition on one tag. Its zero value is of no use.
type Matcher struct {
	name     string
	text     string // what it was made from, for String
	negative bool
	form     Form
	set      []string // Set, Gaps: sorted, each once
	gaps     []gaps   // Gaps: one of them has to fit, unless the value is in set
	front    string   // Gaps: every value that is accepted begins with it
	expr     *automaton
	weight   int // bytes that it holds, or that were needed to find out what to hold
}

// Equal holds where the tag has that value.
func Equal(name, value string) *Matcher {
	return &Matcher{name: name, form: Set, set: []string{value}, text: conditionText(name, "=", value), weight: len(value)}
}

// NotEqual holds where the tag does not have that value.
func NotEqual(name, value string) *Matcher {
	m := Equal(name, value)
	m.negative, m.text = true, conditionText(name, "!=", value)
	return m
}

// In holds where the tag has one of the values; with none, nowhere.
func In(name string, values ...string) *Matcher {
	set := slices.Clone(values)
	slices.Sort(set)
	set = slices.Compact(set)
	text := append(appendName(nil, name), " in ("...)
	weight := 0
	for i, v := range set {
		if i > 0 {
			text = append(text, ',')
		}
		text = appendQuoted(text, v)
		weight += len(v) + perText
	}
	return &Matcher{name: name, form: Set, set: set, text: string(append(text, ')')), weight: weight}
}

// Exists holds where the definition has the tag.
func Exists(name string) *Matcher {
	return &Matcher{name: name, form: Filled, text: string(appendName(nil, name)) + " exists"}
}

// Prefix holds where the value begins with that text.
func Prefix(name, prefix string) *Matcher {
	m := &Matcher{name: name, form: Gaps, gaps: []gaps{{prefix: prefix, least: []int{0}}}, front: prefix, text: conditionText(name, " begins with ", prefix), weight: len(prefix)}
	if prefix == "" {
		m.form = Any
	}
	return m
}

// Regexp holds where the whole value matches the pattern, an RE2 expression. The error is a *PatternError.
func Regexp(name, pattern string) (*Matcher, error) {
	m, err := analyse(pattern)
	if err != nil {
		return nil, err
	}
	m.name, m.text = name, conditionText(name, "=~", pattern)
	return m, nil
}

// NotRegexp holds where the value does not match the pattern.
func NotRegexp(name, pattern string) (*Matcher, error) {
	m, err := Regexp(name, pattern)
	if err != nil {
		return nil, err
	}
	m.negative, m.text = true, conditionText(name, "!~", pattern)
	return m, nil
}

// Name is the name of the tag.
func (m *Matcher) Name() string { return m.name }

// Price is what it costs to hold the matcher against one value, as a multiple of comparing texts; 0 if there is nothing to
// compare.
func (m *Matcher) Price() int {
	switch m.form {
	case Any, Filled:
		return 0
	case Automaton:
		if m.expr.dfa != nil {
			return 2
		}
		const perLook = 16 // instructions that are gone through in the time
		return 1 + m.expr.size/perLook
	default:
		return 1 + len(m.gaps)
	}
}

// Negative says whether the matcher holds where Accepts does not.
func (m *Matcher) Negative() bool { return m.negative }

// Form is how the matcher decides.
func (m *Matcher) Form() Form { return m.form }

// String prints the matcher.
func (m *Matcher) String() string { return m.text }

// Match says whether the matcher holds for a tag of that value, "" if the tag is absent.
func (m *Matcher) Match(value string) bool { return m.Accepts(value) != m.negative }

// Eval implements Expr.
func (m *Matcher) Eval(value func(name string) string) bool { return m.Match(value(m.name)) }

// Values returns the values that are accepted if they are a finite set, sorted. The slice must not be changed.
func (m *Matcher) Values() ([]string, bool) {
	if m.form != Set {
		return nil, false
	}
	return m.set, true
}

// Accepts is Match before the negation.
func (m *Matcher) Accepts(value string) bool {
	switch m.form {
	case Set:
		return m.inSet(value)
	case Any:
		return true
	case Filled:
		return value != ""
	case Gaps:
		if !strings.HasPrefix(value, m.front) {
			return false
		}
		for i := range m.gaps {
			if m.gaps[i].fits(value) {
				return true
			}
		}
		return m.inSet(value)
	}
	return m.expr.accepts(value)
}

// AcceptsEach sets yes[i] to Accepts(values[i]), which takes less time than one call each. yes must not be shorter than values.
func (m *Matcher) AcceptsEach(values []string, yes []bool) {
	if m.form == Automaton {
		m.expr.acceptsEach(values, yes)
		return
	}
	for i, value := range values {
		yes[i] = m.Accepts(value)
	}
}

func (m *Matcher) inSet(value string) bool {
	if len(m.set) <= 4 {
		return slices.Contains(m.set, value)
	}
	_, ok := slices.BinarySearch(m.set, value)
	return ok
}

// gaps is a text that begins with prefix, ends with suffix, and has the inner texts between them in this order. least[i]
// is the number of bytes, 0 or 1, that must at least lie in front of inner[i], and the last one in front of suffix.
type gaps struct {
	prefix, suffix string
	inner          []string
	least          []int
}

// fits takes every inner text at its first possible place, which leaves most for the rest. Bytes may be searched instead
// of characters, since a valid UTF-8 text is found in another only where a character begins.
func (g *gaps) fits(s string) bool {
	if len(s) < len(g.prefix)+len(g.suffix) || !strings.HasSuffix(s, g.suffix) || !strings.HasPrefix(s, g.prefix) {
		return false
	}
	s = s[len(g.prefix) : len(s)-len(g.suffix)]
	for i, text := range g.inner {
		if len(s) < g.least[i] {
			return false
		}
		s = s[g.least[i]:]
		at := strings.Index(s, text)
		if at < 0 {
			return false
		}
		s = s[at+len(text):]
	}
	return len(s) >= g.least[len(g.inner)]
}
