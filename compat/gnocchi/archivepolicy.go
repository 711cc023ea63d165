package gnocchi

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"granary/api/edge"
	"granary/compat/gnocchi/pyjson"
	"granary/compat/gnocchi/schema"
	"granary/compat/gnocchi/when"
	"granary/policy"
	"granary/tenant/identity"
)

// PolicyStore changes policies and rules; measures.Store does.
type PolicyStore interface {
	CreatePolicy(ctx context.Context, scope policy.Scope, p policy.Policy) (notes []string, err error)
	UpdatePolicy(ctx context.Context, scope policy.Scope, name string, u policy.Update) (p policy.Policy, notes []string, err error)
	DeletePolicy(ctx context.Context, scope policy.Scope, name string) error
	CreateRule(ctx context.Context, scope policy.Scope, r policy.Rule) error
	UpdateRule(ctx context.Context, scope policy.Scope, name string, change func(*policy.Rule)) (policy.Rule, error)
	DeleteRule(ctx context.Context, scope policy.Scope, name string) error
}

// Archive policies are the service's policies: the roles that may change them reach beyond one tenant. Who asks sees those of the
// configuration and of its own tenant beside them.
func (d *Dialect) archivePolicyRoutes() []route {
	const all, one = "/archive_policy", "/archive_policy/{name}"
	return []route{
		{method: "GET", path: all, serve: (*call).listPolicies, right: identity.Read},
		{method: "POST", path: all, serve: (*call).createPolicy, right: identity.Read, audit: "policy.create"},
		{method: "GET", path: one, serve: (*call).showPolicy, right: identity.Read},
		{method: "PATCH", path: one, serve: (*call).updatePolicy, right: identity.Read, audit: "policy.change"},
		{method: "DELETE", path: one, serve: (*call).deletePolicy, right: identity.Read, audit: "policy.delete"},
	}
}

func (c *call) listPolicies() error {
	b := []byte{'['}
	for _, p := range c.d.o.Policies.For(c.num).Policies() {
		if isArchive(&p.Policy) {
			b = appendPolicy(pyjson.AppendItem(b), &p.Policy)
		}
	}
	return c.answer(http.StatusOK, append(b, ']'))
}

// policyNamed is the policy that the path names.
func (c *call) policyNamed() (policy.ScopedPolicy, error) {
	name := c.vars["name"]
	c.target = name
	p, ok := c.d.o.Policies.For(c.num).ByName(name)
	if !ok {
		return p, noObject("Archive policy %s does not exist", shorten(name))
	}
	return p, nil
}

func (c *call) showPolicy() error {
	p, err := c.policyNamed()
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, appendPolicy(nil, &p.Policy))
}

func (c *call) createPolicy() error {
	if err := c.demand(createArchivePolicy, nil); err != nil {
		return err
	}
	o, err := c.object(
		schema.Field{Name: "name", Required: true, Check: schema.Name},
		schema.Field{Name: "back_window", Check: backWindow},
		schema.Field{Name: "aggregation_methods", Check: schema.List(0, methodEntry)},
		definitionField,
	)
	if err != nil {
		return err
	}
	name := text(o, "name")
	c.target = name
	tiers, err := tiersOf(o)
	if err != nil {
		return err
	}
	list, _ := o.Get("aggregation_methods")
	methods, err := c.methods(list)
	if err != nil {
		return err
	}
	window, _ := windowOf(o)
	if _, ok := c.d.o.Policies.For(c.num).ByName(name); ok {
		return exists("Archive policy %s already exists", shorten(name))
	}
	p := policy.GnocchiPolicy(name, window, methods, tiers...)
	var twice *policy.ExistsError
	if _, err := c.d.o.Store.CreatePolicy(c.ctx, policy.Service, p); errors.As(err, &twice) {
		return exists("Archive policy %s already exists", shorten(name))
	} else if err != nil {
		return err
	}
	return c.created("/archive_policy/"+url.PathEscape(name), appendPolicy(nil, &p))
}

// methods is what a list of methods means; nil: what the setting says.
func (c *call) methods(list any) ([]policy.Method, error) {
	var names []string
	if list, ok := list.([]any); ok {
		for _, e := range list {
			names = append(names, e.(string))
		}
	}
	methods, err := policy.MethodList(names, c.d.o.Methods, policy.GnocchiMethods())
	if err == nil && len(methods) == 0 {
		err = badRequest("aggregation_methods: no method is left of %s", shorten(strings.Join(names, ", ")))
	}
	return methods, err
}

func (c *call) updatePolicy() error {
	was, err := c.policyNamed()
	if err != nil {
		return err
	}
	if err := c.demand(updateArchivePolicy, nil); err != nil {
		return err
	}
	o, err := c.object(schema.Field{Name: "back_window", Check: backWindow}, definitionField)
	if err != nil {
		return err
	}
	u := policy.Update{}
	if u.Tiers, err = tiersOf(o); err != nil {
		return err
	}
	if n, ok := windowOf(o); ok {
		u.BackWindow = &n
	}
	if err := foreign("Archive policy", was.Name, was.Scope); err != nil {
		return err
	}
	p, notes, err := c.d.o.Store.UpdatePolicy(c.ctx, policy.Service, was.Name, u)
	if err != nil {
		return policyRefused(was.Name, err)
	}
	if len(notes) > 0 {
		c.detail = map[string]any{"notes": notes}
	}
	return c.answer(http.StatusOK, appendPolicy(nil, &p))
}

func (c *call) deletePolicy() error {
	if err := c.demand(deleteArchivePolicy, nil); err != nil {
		return err
	}
	p, err := c.policyNamed()
	if err == nil {
		err = foreign("Archive policy", p.Name, p.Scope)
	}
	if err != nil {
		return err
	}
	if err := c.d.o.Store.DeletePolicy(c.ctx, policy.Service, p.Name); err != nil {
		return policyRefused(p.Name, err)
	}
	return c.nothing()
}

// foreign refuses a change of what belongs to the tenant of who asks, which the roles here do not reach.
func foreign(what, name string, scope policy.Scope) error {
	if scope.Tenant() == 0 {
		return nil
	}
	return &refusal{http.StatusConflict, "policy-read-only",
		fmt.Sprintf("%s %s belongs to the tenant alone, and is changed below /v2", what, shorten(name))}
}

// policyRefused says in Gnocchi's words why a policy cannot be changed or deleted.
func policyRefused(name string, err error) error {
	var gone *policy.NotFoundError
	var used *policy.InUseError
	var change *policy.ChangeError
	switch {
	case errors.As(err, &gone):
		return noObject("Archive policy %s does not exist", shorten(name))
	case errors.As(err, &used):
		return reworded(err, "Archive policy %s is still in use", shorten(name))
	case errors.As(err, &change) && change.Was > 0:
		return reworded(err, "Archive policy %s does not support change: %s granularity interval was changed", shorten(name), seconds(int64(change.Was)))
	case errors.As(err, &change):
		return reworded(err, "Archive policy %s does not support change: Cannot add or drop granularities", shorten(name))
	}
	return err
}

// reworded is a refusal with 400 in other words than those of the error behind it.
func reworded(err error, format string, args ...any) error {
	return &refusal{http.StatusBadRequest, edge.CodeOf(err), fmt.Sprintf(format, args...)}
}

// text is a member of an object that is a string, "" if it is not there.
func text(o *pyjson.Object, name string) string {
	v, _ := o.Get(name)
	s, _ := v.(string)
	return s
}

// backWindow is the check of back_window; it means an int64.
var backWindow = schema.AtLeast(0, schema.CoerceInt)

func windowOf(o *pyjson.Object) (int, bool) {
	v, ok := o.Get("back_window")
	n, _ := v.(int64)
	return int(min(n, math.MaxInt)), ok
}

// methodNames are the entries of a list of methods, without signs.
var methodNames = func() map[string]bool {
	names := map[string]bool{}
	for _, m := range policy.GnocchiMethods() {
		names[m.String()] = true
	}
	return names
}()

// methodEntry is the check of an entry of aggregation_methods.
func methodEntry(v any) (any, error) {
	s, ok := v.(string)
	if !ok || s != "*" && !methodNames[strings.TrimPrefix(s, "+")] && !methodNames[strings.TrimPrefix(s, "-")] {
		return nil, schema.NotValid()
	}
	return s, nil
}

// definitionField is the member definition: items, in which the parts are numbers of nanoseconds and of points.
var definitionField = schema.Field{Name: "definition", Required: true, Check: schema.List(1, schema.Dict(
	schema.Field{Name: "granularity", Check: span},
	schema.Field{Name: "points", Check: schema.AtLeast(1, schema.CoerceInt)},
	schema.Field{Name: "timespan", Check: span},
))}

// span is the check of a timespan; it means an int64 of nanoseconds.
func span(v any) (any, error) {
	var s string
	switch v := v.(type) {
	case nil:
		return nil, &when.SpanError{Why: when.NoSpan}
	case string:
		s = v
	case pyjson.Number:
		s = string(v)
	case bool:
		s = "0"
		if v {
			s = "1"
		}
	default:
		return nil, &when.SpanError{Why: when.SpanSyntax}
	}
	return when.Span(s)
}

// itemTexts are Gnocchi's words for the faults of an item.
var itemTexts = map[policy.ItemFault]string{
	policy.ItemTooLittle: "At least two of granularity/points/timespan must be provided",
	policy.ItemMismatch:  "timespan ≠ granularity × points",
	policy.ItemTooShort:  "Calculated number of points is < 0",
}

// tiersOf are the tiers of the member definition, in the order given.
func tiersOf(o *pyjson.Object) ([]policy.Tier, error) {
	v, _ := o.Get("definition")
	list, _ := v.([]any)
	tiers := make([]policy.Tier, 0, len(list))
	for i, e := range list {
		part := func(name string) int64 {
			v, _ := e.(*pyjson.Object).Get(name)
			n, _ := v.(int64)
			return n
		}
		t, err := policy.Item{Granularity: time.Duration(part("granularity")), Points: part("points"), Timespan: time.Duration(part("timespan"))}.Tier()
		var fault *policy.ItemError
		switch {
		case errors.As(err, &fault) && itemTexts[fault.Fault] != "":
			return nil, reworded(err, "%s", itemTexts[fault.Fault])
		case err != nil:
			return nil, badRequest("definition[%d]: %v", i, err)
		case slices.ContainsFunc(tiers, func(o policy.Tier) bool { return o.Granularity == t.Granularity }):
			return nil, badRequest("More than one archive policy uses granularity `%s'", seconds(int64(t.Granularity)))
		}
		tiers = append(tiers, t)
	}
	return tiers, nil
}
