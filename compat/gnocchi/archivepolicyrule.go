package gnocchi

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"granary/compat/gnocchi/pyjson"
	"granary/compat/gnocchi/schema"
	"granary/policy"
	"granary/tenant/identity"
)

// Rules that are made here are the service's, and hold for metrics that Gnocchi's clients make. Others that hold for these are seen too.
func (d *Dialect) archivePolicyRuleRoutes() []route {
	const all, one = "/archive_policy_rule", "/archive_policy_rule/{name}"
	return []route{
		{method: "GET", path: all, serve: (*call).listRules, right: identity.Read},
		{method: "POST", path: all, serve: (*call).createRule, right: identity.Read, audit: "rule.create"},
		{method: "GET", path: one, serve: (*call).showRule, right: identity.Read},
		{method: "PATCH", path: one, serve: (*call).renameRule, right: identity.Read, audit: "rule.change"},
		{method: "DELETE", path: one, serve: (*call).deleteRule, right: identity.Read, audit: "rule.delete"},
	}
}

func appendRule(b []byte, r *policy.Rule) []byte {
	b = pyjson.AppendString(append(b, `{"name": `...), r.Name)
	b = pyjson.AppendString(append(b, `, "archive_policy_name": `...), r.Policy)
	b = pyjson.AppendString(append(b, `, "metric_pattern": `...), r.Pattern)
	return append(b, '}')
}

// rules are those that choose for Gnocchi's metrics in the caller's home, in the order in which they are tried.
func (c *call) rules() []policy.ScopedRule {
	list := slices.DeleteFunc(c.d.o.Policies.For(c.num).Rules(), func(r policy.ScopedRule) bool { return !r.HoldsFor(policy.Gnocchi) })
	slices.SortStableFunc(list, func(a, b policy.ScopedRule) int {
		return cmp.Or(cmp.Compare(b.Scope, a.Scope), policy.CompareGnocchi(&a.Rule, &b.Rule))
	})
	return list
}

func (c *call) listRules() error {
	b := []byte{'['}
	for _, r := range c.rules() {
		b = appendRule(pyjson.AppendItem(b), &r.Rule)
	}
	return c.answer(http.StatusOK, append(b, ']'))
}

// ruleNamed is the rule that the path names.
func (c *call) ruleNamed() (policy.ScopedRule, error) {
	name := c.vars["name"]
	c.target = name
	for _, r := range c.rules() {
		if r.Name == name {
			return r, nil
		}
	}
	return policy.ScopedRule{}, noObject("Archive policy rule %s does not exist", shorten(name))
}

func (c *call) showRule() error {
	r, err := c.ruleNamed()
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, appendRule(nil, &r.Rule))
}

func (c *call) createRule() error {
	if err := c.demand(createArchivePolicyRule, nil); err != nil {
		return err
	}
	o, err := c.object(
		schema.Field{Name: "name", Required: true, Check: schema.Name},
		schema.Field{Name: "metric_pattern", Required: true, Check: schema.Str},
		schema.Field{Name: "archive_policy_name", Required: true, Check: schema.Str},
	)
	if err != nil {
		return err
	}
	r := policy.GnocchiRule(text(o, "name"), text(o, "metric_pattern"), text(o, "archive_policy_name"))
	c.target = r.Name
	var twice *policy.ExistsError
	var wrong *policy.InvalidError
	switch err := c.d.o.Store.CreateRule(c.ctx, policy.Service, r); {
	case errors.As(err, &twice):
		return exists("Archive policy rule %s already exists", shorten(r.Name))
	case errors.As(err, &wrong) && wrong.Field == "policy":
		return caused("Archive policy does not exist", "detail", r.Policy)
	case err != nil:
		return err
	}
	return c.created("/archive_policy_rule/"+url.PathEscape(r.Name), appendRule(nil, &r))
}

func (c *call) renameRule() error {
	was, err := c.ruleNamed()
	if err != nil {
		return err
	}
	o, err := c.object(schema.Field{Name: "name", Required: true, Check: schema.Name})
	if err != nil {
		return err
	}
	if err := c.demand(updateArchivePolicyRule, nil); err != nil {
		return err
	}
	if err := foreign("Archive policy rule", was.Name, was.Scope); err != nil {
		return err
	}
	name := text(o, "name")
	var twice *policy.ExistsError
	r, err := c.d.o.Store.UpdateRule(c.ctx, policy.Service, was.Name, func(r *policy.Rule) { r.Name = name })
	switch {
	case errors.As(err, &twice):
		return reworded(err, "Archive policy rule %s does not support change: Archive policy rule %s already exists.", shorten(was.Name), shorten(name))
	case err != nil:
		return ruleRefused(was.Name, err)
	}
	c.detail = map[string]any{"name": name}
	return c.answer(http.StatusOK, appendRule(nil, &r))
}

func (c *call) deleteRule() error {
	r, err := c.ruleNamed()
	if err != nil {
		return err
	}
	if err := c.demand(deleteArchivePolicyRule, nil); err != nil {
		return err
	}
	if err := foreign("Archive policy rule", r.Name, r.Scope); err != nil {
		return err
	}
	if err := c.d.o.Store.DeleteRule(c.ctx, policy.Service, r.Name); err != nil {
		return ruleRefused(r.Name, err)
	}
	return c.nothing()
}

// ruleRefused says in Gnocchi's words that a rule is gone meanwhile.
func ruleRefused(name string, err error) error {
	var gone *policy.NotFoundError
	if errors.As(err, &gone) {
		return noObject("Archive policy rule %s does not exist", shorten(name))
	}
	return err
}
