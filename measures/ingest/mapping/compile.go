package mapping

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"granary/metricdef"
	"granary/policy"
	"granary/tenant"
)

// Policies say how what comes out is kept. policy.Registry is one.
type Policies interface {
	For(tenant.Num) *policy.View
	Generation() uint64 // another one whenever a view has changed
}

// Options configure a Table. Zero values take the defaults.
type Options struct {
	RateGap    time.Duration // samples that are further apart give no rate, 5 minutes by default (setting granary.mapping.rate-gap)
	MaxSources int           // series that state is kept of, 500,000 by default (setting granary.mapping.max-sources)
	Policies   Policies      // nil: no metric has a grid
	// Gone says that a tenant is there no more. Nil: none ever goes.
	Gone     func(tenant.Num) bool
	Counters *Counters        // where to count; own ones by default
	Now      func() time.Time // time.Now by default; for what has not been used for long
}

// Defaults of Options.
const (
	DefaultRateGap    = 5 * time.Minute
	DefaultMaxSources = 500_000
)

// Bounds on what rules may say.
const (
	maxRules   = 1000
	maxMatches = 64 // of a rule
)

// RuleError says what is wrong with a rule.
type RuleError struct {
	Rule   string // its name, or its number from 1 where that is what is wrong
	Member string // "from[0].labels.device", ...
	Value  string
	Text   string // what is wrong, and what was expected
}

func (e *RuleError) Error() string {
	return fmt.Sprintf("mapping rule %q: %s: %q: %s", e.Rule, e.Member, e.Value, e.Text)
}

// rule is a Rule that was compiled.
type rule struct {
	*Rule
	index   int
	matches []match
	all     uint64 // a bit for each match
	by      []string
	rename  []metricdef.Tag // label and the tag that it becomes, by label
	add     []metricdef.Tag // by name
}

type match struct {
	metric string
	labels []condition
	scale  float64
	rate   bool
}

// condition is one on a label.
type condition struct {
	label string
	value string
	re    *regexp.Regexp // in the place of value
	not   bool
}

func (c *condition) holds(tags []metricdef.Tag) bool {
	value := valueOf(tags, c.label)
	if c.re != nil {
		return c.re.MatchString(value) != c.not
	}
	return (value == c.value) != c.not
}

// valueOf is the value of a tag, "" if it is not there.
func valueOf(tags []metricdef.Tag, name string) string {
	for i := range tags {
		if tags[i].Name == name {
			return tags[i].Value
		}
	}
	return ""
}

// place is a match of a rule.
type place struct {
	rule  *rule
	match int
}

// tables counts those of the process.
var tables atomic.Uint64

// Compile makes a table of rules. The error is a *RuleError.
func Compile(rules []Rule, o Options) (*Table, error) {
	if o.RateGap <= 0 {
		o.RateGap = DefaultRateGap
	}
	if o.MaxSources <= 0 {
		o.MaxSources = DefaultMaxSources
	}
	if o.Gone == nil {
		o.Gone = func(tenant.Num) bool { return false }
	}
	if o.Counters == nil {
		o.Counters = &Counters{}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if len(rules) > maxRules {
		return nil, &RuleError{rules[maxRules].Name, "name", rules[maxRules].Name, fmt.Sprintf("there are %d rules, at most %d are possible", len(rules), maxRules)}
	}
	t := &Table{o: o, id: tables.Add(1), places: make(map[string][]place), measurements: make(map[string][]*rule), homes: make(map[tenant.Num]*home)}
	for i := range rules {
		own := rules[i]
		r, err := compile(&own, i)
		if err != nil {
			return nil, err
		}
		t.add(r)
	}
	t.intakes = sync.Pool{New: func() any { return &Intake{table: t} }}
	return t, nil
}

// add makes a rule known by the names that it takes.
func (t *Table) add(r *rule) {
	for i := range r.matches {
		name := r.matches[i].metric
		t.places[name] = append(t.places[name], place{r, i})
		// Which part is the measurement of a line is known when a line comes.
		for at := range len(name) {
			if c := name[at]; (c == '.' || c == '_') && !slices.Contains(t.measurements[name[:at]], r) {
				t.measurements[name[:at]] = append(t.measurements[name[:at]], r)
			}
		}
		if !slices.Contains(t.measurements[name], r) {
			t.measurements[name] = append(t.measurements[name], r)
		}
	}
}

// compile checks a rule and makes of it what is asked at work. It is the i-th one.
func compile(own *Rule, i int) (*rule, error) {
	name := own.Name
	if name == "" {
		name = strconv.Itoa(i + 1)
	}
	wrong := func(member, value, text string, args ...any) error {
		return &RuleError{name, member, value, fmt.Sprintf(text, args...)}
	}
	r := &rule{Rule: own, index: i, by: slices.Sorted(slices.Values(own.By))}
	if own.Combine != "" && len(own.By) == 0 {
		r.by = []string{"cluster", "hostname"}
	}
	for _, c := range []struct {
		bad           bool
		member, value string
		text          string
	}{
		{own.Name == "", "name", own.Name, "expected the name of the metric that comes out"},
		{len(own.Name) > metricdef.MaxText, "name", own.Name, fmt.Sprintf("is longer than %d bytes", metricdef.MaxText)},
		{len(own.From) == 0, "from", "", "expected at least one series that it is made of"},
		{len(own.From) > maxMatches, "from", "", fmt.Sprintf("has %d entries, at most %d are possible", len(own.From), maxMatches)},
		{!slices.Contains([]string{"", Sum, Avg, Min, Max}, own.Combine), "combine", own.Combine, "expected one of sum, avg, min, max"},
		{own.Combine == "" && len(own.By) > 0, "by", strings.Join(own.By, ", "), "expected combine beside it"},
		{own.Combine == "" && own.Slot != 0, "slot", own.Slot.String(), "expected combine beside it"},
		{own.Slot < 0, "slot", own.Slot.String(), "expected a duration above zero"},
		{len(own.Unit) > metricdef.MaxText, "unit", own.Unit, fmt.Sprintf("is longer than %d bytes", metricdef.MaxText)},
	} {
		if c.bad {
			return nil, wrong(c.member, c.value, "%s", c.text)
		}
	}
	for i, tag := range r.by {
		if tag == "" || tag == metricdef.NameTag || i > 0 && r.by[i-1] == tag {
			return nil, wrong("by", tag, "expected names of tags, each once")
		}
	}
	for i, d := range own.Dialects {
		if d == "" {
			return nil, wrong(fmt.Sprintf("dialects[%d]", i), d, "expected the name of a dialect")
		}
	}
	for _, label := range slices.Sorted(maps.Keys(own.Rename)) {
		to := own.Rename[label]
		if label == "" || to == "" || to == metricdef.NameTag {
			return nil, wrong("rename."+label, to, "expected the name of a tag that the label becomes")
		}
		r.rename = append(r.rename, metricdef.Tag{Name: label, Value: to})
	}
	for _, tag := range slices.Sorted(maps.Keys(own.Tags)) {
		value := own.Tags[tag]
		if tag == "" || tag == metricdef.NameTag || value == "" || len(tag) > metricdef.MaxText || len(value) > metricdef.MaxText {
			return nil, wrong("tags."+tag, value, "expected a tag and its value, both not empty and at most %d bytes long", metricdef.MaxText)
		}
		r.add = append(r.add, metricdef.Tag{Name: tag, Value: value})
	}
	for i := range own.From {
		m, err := compileMatch(&own.From[i], func(member, value, text string, args ...any) error {
			return wrong(fmt.Sprintf("from[%d].%s", i, member), value, text, args...)
		})
		if err != nil {
			return nil, err
		}
		r.matches = append(r.matches, m)
	}
	r.all = math.MaxUint64 >> (64 - len(r.matches))
	return r, nil
}

func compileMatch(own *Match, wrong func(member, value, text string, args ...any) error) (m match, err error) {
	m = match{metric: own.Metric, scale: own.Scale, rate: own.Rate}
	if own.Metric == "" {
		return m, wrong("metric", own.Metric, "expected the name of a series")
	}
	if m.scale == 0 {
		m.scale = 1
	}
	if math.IsNaN(m.scale) || math.IsInf(m.scale, 0) {
		return m, wrong("scale", strconv.FormatFloat(m.scale, 'g', -1, 64), "expected a finite number")
	}
	for _, label := range slices.Sorted(maps.Keys(own.Labels)) {
		text := own.Labels[label]
		if label == "" {
			return m, wrong("labels", text, "expected the name of a label")
		}
		c := condition{label: label}
		c.value, c.not = strings.CutPrefix(text, "!")
		if pattern, ok := strings.CutPrefix(c.value, "~"); ok {
			if _, err := regexp.Compile(pattern); err != nil { // as it is: "a)(b" must not close our own brackets
				return m, wrong("labels."+label, text, "expected a regular expression (RE2): %v", err)
			}
			if c.re, err = regexp.Compile("^(?s:" + pattern + ")$"); err != nil {
				return m, wrong("labels."+label, text, "expected a regular expression (RE2): %v", err)
			}
		}
		m.labels = append(m.labels, c)
	}
	return m, nil
}

// fits says whether a series, by its name already, is one that the match takes.
func (m *match) fits(tags []metricdef.Tag) bool {
	for i := range m.labels {
		if !m.labels[i].holds(tags) {
			return false
		}
	}
	return true
}
