package config

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"granary/compat/influx"
	"granary/policy"
)

// The names of what a policy can say.
var (
	clocks     = []string{policy.SampleClock: "sample", policy.WriteClock: "write", policy.NewestClock: "newest"}
	duplicates = []string{policy.LastWins: "last", policy.SmallestThenLater: "smallest", policy.RefuseDifferent: "refuse"}
)

// readPolicies reads granary.policies: an object of policies by their names.
func (c *Config) readPolicies(s *section) {
	members := []member{{key: "NAME"}} // so that the keys are known without one
	if s.n != nil {
		members = s.n.members
	}
	for _, m := range members {
		p := s.r.section(m.value, join(s.path, m.key))
		made := c.readPolicy(p, m.key)
		if p.n == nil {
			if m.value != nil && m.value.kind == null {
				s.r.wrong(m.value, p.path, "an object")
			}
			continue
		}
		if strings.HasPrefix(m.key, policy.ReservedPrefix) {
			s.r.errs = append(s.r.errs, &Error{p.n.file, m.line, p.path, fmt.Sprintf("names that begin with %q belong to the metrics of ClusterCockpit", policy.ReservedPrefix)})
			continue
		}
		if made == nil {
			continue // a part of it is no tier or no method, which has been said
		}
		var invalid *policy.InvalidError
		if err := made.Validate(); errors.As(err, &invalid) {
			s.r.errs = append(s.r.errs, &Error{p.n.file, m.line, p.path, strings.ReplaceAll(invalid.Field, "_", "-") + ": " + invalid.Text})
			continue
		}
		c.OwnPolicies = append(c.OwnPolicies, *made)
	}
}

// readPolicy reads one policy, nil if tiers or methods are wrong. What is not given is as in the policy "default".
func (c *Config) readPolicy(s *section, name string) *policy.Policy {
	p := &policy.Policy{Name: name, Raw: policy.Retention{Length: c.Retention, Clock: policy.SampleClock}}
	raw := s.sub("raw")
	if n := raw.get("retention"); n != nil && n.kind == text && n.text == "window" {
		p.Raw.Length = policy.WindowOnly
	} else if n != nil && n.kind == text && n.text == "forever" {
		p.Raw.Length = policy.Forever
	} else {
		raw.duration("retention", &p.Raw.Length, 1)
	}
	p.Raw.Clock = policy.Clock(raw.oneOf("clock", clocks))
	raw.end(true)
	s.duration("grid", &p.Grid, 0)
	p.Duplicates = policy.DuplicateRule(s.oneOf("duplicates", duplicates))
	ok := s.readTiers(p)
	window := int64(0)
	s.integer("back-window", &window, 0, math.MaxInt32)
	p.BackWindow = int(window)
	names, given := s.texts("methods")
	s.end(true)
	if len(p.Tiers) == 0 && !given {
		return p
	}
	methods, err := policy.MethodList(names, policy.DefaultMethods(), policy.Methods())
	if err != nil {
		s.r.errs = append(s.r.errs, &Error{s.n.file, s.n.line, join(s.path, "methods"), err.Error()})
		return nil
	}
	p.Methods = methods
	if !ok {
		return nil
	}
	slices.SortStableFunc(p.Tiers, func(a, b policy.Tier) int { return int(min(max(a.Granularity-b.Granularity, -1), 1)) })
	return p
}

// readTiers reads the list of tiers.
func (s *section) readTiers(p *policy.Policy) (ok bool) {
	items := []*node{nil} // so that the keys are known without one
	n := s.get("tiers")
	if n != nil {
		if n.kind != list {
			s.wrong(n, "tiers", "a list of objects")
			return false
		}
		items = n.items
	}
	ok = true
	for i, item := range items {
		t := s.r.section(item, fmt.Sprintf("%s[%d]", join(s.path, "tiers"), i))
		var v policy.Item
		before := len(s.r.errs)
		t.duration("granularity", &v.Granularity, 1)
		t.integer("points", &v.Points, 1, policy.MaxPoints)
		t.duration("timespan", &v.Timespan, 1)
		t.end(true)
		if n == nil {
			continue
		}
		if item.kind == null {
			s.r.wrong(item, t.path, "an object")
		}
		if len(s.r.errs) > before {
			ok = false
			continue
		}
		tier, err := v.Tier()
		var fault *policy.ItemError
		if errors.As(err, &fault) {
			s.r.errs = append(s.r.errs, &Error{item.file, item.line, t.path, fault.Reason()})
			ok = false
			continue
		}
		p.Tiers = append(p.Tiers, tier)
	}
	return ok
}

// readRules reads granary.rules: a list of rules.
func (c *Config) readRules(s *section) {
	n := s.get("rules")
	path := join(s.path, "rules")
	items := []*node{nil} // so that the keys are known without one
	if n != nil {
		if n.kind != list {
			s.wrong(n, "rules", "a list of objects")
			return
		}
		items = n.items
	}
	for i, item := range items {
		s := s.r.section(item, path+"["+strconv.Itoa(i)+"]")
		var r policy.Rule
		s.text("name", &r.Name)
		s.text("pattern", &r.Pattern)
		s.text("policy", &r.Policy)
		r.Dialects, _ = s.texts("dialects")
		r.Glob = policy.IsGlob(r.Pattern)
		s.bool("glob", &r.Glob)
		s.end(true)
		switch {
		case s.n == nil && item != nil && item.kind == null:
			s.r.wrong(item, s.path, "an object")
		case s.n == nil:
		case r.Name == "" || r.Pattern == "" || r.Policy == "":
			s.r.errs = append(s.r.errs, &Error{s.n.file, s.n.line, s.path, "expected name, pattern and policy, found a rule that lacks one"})
		case slices.Contains(r.Dialects, policy.ClusterCockpit):
			s.r.errs = append(s.r.errs, &Error{s.n.file, s.n.line, join(s.path, "dialects"), "the section metrics chooses for ClusterCockpit's metrics"})
		default:
			s.unknownDialects(r.Dialects)
			c.OwnRules = append(c.OwnRules, r)
		}
	}
}

// dialects are the names that a metric may have as the dialect of whoever made it, without that for which no rule chooses.
var dialects = []string{policy.Gnocchi, policy.Hawkular, influx.Name, "native", policy.Prometheus}

// unknownDialects warns of names that no metric has: a rule that holds for them alone chooses for nothing.
func (s *section) unknownDialects(names []string) {
	for _, name := range names {
		if slices.Contains(dialects, name) {
			continue
		}
		s.warn(s.n.find("dialects"), Doubtful, "dialects", "there is no dialect %q, so the rule chooses for none of its metrics; there are %s and %s", shorten(name),
			strings.Join(dialects[:len(dialects)-1], ", "), dialects[len(dialects)-1])
	}
}

// oneOf reads a text of a list and gives its place; the first, if the key is absent.
func (s *section) oneOf(key string, list []string) int {
	v := list[0]
	s.text(key, &v, list...)
	return slices.Index(list, v)
}

// texts reads a list of texts.
func (s *section) texts(key string) (out []string, given bool) {
	n := s.get(key)
	if n == nil {
		return nil, false
	}
	if n.kind != list {
		s.wrong(n, key, "a list of texts")
		return nil, true
	}
	for i, item := range n.items {
		if item.kind != text {
			s.r.wrong(item, join(s.path, key)+"["+strconv.Itoa(i)+"]", "a text")
			continue
		}
		out = append(out, item.text)
	}
	return out, true
}

// makePolicies makes the set of all that the file says: the metrics' policies, those of our own sections, and the built-in ones that
// a rule of the file names and that the file does not give itself. The other built-in ones are the service's, as PolicySeed says.
func (c *Config) makePolicies() (*policy.Set, error) {
	s, err := policy.FromClusterCockpit(c.Metrics, policy.Retention{Length: c.Retention, Clock: policy.SampleClock}, c.AnyMetric)
	if err != nil {
		return nil, err
	}
	all := slices.Clone(c.OwnPolicies)
	more := []policy.Policy{policy.HawkularDefault(c.Hawkular.Retention), policy.PrometheusDefault(c.fallBack())}
	seed, _ := c.PolicySeed()
	for _, p := range seed {
		if slices.ContainsFunc(c.OwnRules, func(r policy.Rule) bool { return r.Policy == p.Name }) {
			more = append(more, p)
		}
	}
	for _, p := range more {
		if !slices.ContainsFunc(all, func(o policy.Policy) bool { return o.Name == p.Name }) {
			all = append(all, p)
		}
	}
	rules := slices.Clone(c.OwnRules)
	for _, r := range []policy.Rule{policy.HawkularRule(), policy.PrometheusRule()} {
		if r, ok := c.dialectRule(r); ok {
			rules = append(rules, r)
		}
	}
	return s.With(all, rules)
}

// PolicySeed are the policies and rules that a new store begins with, for operators and Gnocchi's administrators to change and
// delete; none if the file does not want them.
func (c *Config) PolicySeed() ([]policy.Policy, []policy.Rule) {
	if !c.Gnocchi.DefaultPolicies {
		return nil, nil
	}
	return policy.GnocchiDefaults()
}

// fallBack is the policy "default" as the file has it.
func (c *Config) fallBack() policy.Policy {
	for _, p := range c.OwnPolicies {
		if p.Name == policy.DefaultName {
			return p
		}
	}
	return policy.FallBack(policy.Retention{Length: c.Retention, Clock: policy.SampleClock})
}

// dialectRule is the rule that chooses for all metrics of a dialect that nothing nearer chooses for; none if the file has one for all of
// them. Names of rules are those of the metrics too, so its own may be taken.
func (c *Config) dialectRule(r policy.Rule) (policy.Rule, bool) {
	for _, o := range c.OwnRules {
		if o.Glob && o.Pattern == policy.Everything && (len(o.Dialects) == 0 || slices.Contains(o.Dialects, r.Dialects[0])) {
			return r, false
		}
	}
	taken := func(name string) bool {
		return slices.ContainsFunc(c.OwnRules, func(o policy.Rule) bool { return o.Name == name }) ||
			slices.ContainsFunc(c.Metrics, func(m policy.ClusterCockpitMetric) bool { return m.Name == name })
	}
	for taken(r.Name) {
		r.Name += "*"
	}
	return r, true
}

// HawkularPolicy says whether the policy of Hawkular.Retention holds for the metrics of Hawkular's and Mohawk's clients that nothing nearer chooses for:
// it does unless a rule of the file takes all of them, or the file has a policy of its own by that name.
func (c *Config) HawkularPolicy() bool {
	_, ok := c.dialectRule(policy.HawkularRule())
	return ok && !slices.ContainsFunc(c.OwnPolicies, func(p policy.Policy) bool { return p.Name == policy.Hawkular })
}

// mustPolicies is makePolicies for what has been checked.
func (c *Config) mustPolicies() *policy.Set {
	s, err := c.makePolicies()
	if err != nil {
		panic("config: policies of checked metrics: " + err.Error())
	}
	return s
}
