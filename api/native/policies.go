package native

import (
	"context"
	"net/http"
	"net/url"

	"granary/api/edge"
	"granary/policy"
	"granary/tenant"
)

// Policies are the policies and rules of the service and of tenants.
type Policies interface {
	// For is what a tenant sees; 0 is a tenant that has nothing of its own.
	For(n tenant.Num) *policy.View
	// PolicyUse counts a tenant's metrics that have each policy.
	PolicyUse(ctx context.Context, n tenant.Num) (map[string]int, error)

	CreatePolicy(ctx context.Context, scope policy.Scope, p policy.Policy) (notes []string, err error)
	UpdatePolicy(ctx context.Context, scope policy.Scope, name string, u policy.Update) (p policy.Policy, notes []string, err error)
	DeletePolicy(ctx context.Context, scope policy.Scope, name string) error
	CreateRule(ctx context.Context, scope policy.Scope, r policy.Rule) error
	UpdateRule(ctx context.Context, scope policy.Scope, name string, change func(*policy.Rule)) (policy.Rule, error)
	DeleteRule(ctx context.Context, scope policy.Scope, name string) error
}

func (a *API) policyRoutes() []route {
	return []route{
		{method: http.MethodGet, path: "/policies", right: reads, serve: a.listPolicies},
		{method: http.MethodPost, path: "/policies", right: manages, audit: "policy.create", serve: a.createPolicy},
		{method: http.MethodGet, path: "/policies/{name}", right: reads, serve: a.readPolicy},
		{method: http.MethodPatch, path: "/policies/{name}", right: manages, audit: "policy.change", serve: a.updatePolicy},
		{method: http.MethodDelete, path: "/policies/{name}", right: manages, audit: "policy.delete", serve: a.deletePolicy},
		{method: http.MethodGet, path: "/rules", right: reads, serve: a.listRules},
		{method: http.MethodPost, path: "/rules", right: manages, audit: "rule.create", serve: a.createRule},
		{method: http.MethodGet, path: "/rules/{name}", right: reads, serve: a.readRule},
		{method: http.MethodPatch, path: "/rules/{name}", right: manages, audit: "rule.change", serve: a.updateRule},
		{method: http.MethodDelete, path: "/rules/{name}", right: manages, audit: "rule.delete", serve: a.deleteRule},
	}
}

// The values of the parameter scope.
const (
	scopeTenant  = "tenant"
	scopeService = "service"
)

// viewed is what a read looks at: what the tenant sees, or with scope=service what all see. The number is 0 where no tenant is
// meant or it does not exist.
func (a *API) viewed(r *http.Request) (*policy.View, tenant.Num, error) {
	p := a.params(r)
	scope := p.choice("scope", scopeTenant, scopeService)
	if err := p.end(); err != nil {
		return nil, 0, err
	}
	if scope == scopeTenant {
		if t, ok := a.reading(r); ok {
			return a.o.Policies.For(t.Num), t.Num, nil
		}
	}
	return a.o.Policies.For(0), 0, nil
}

// service says whether a change is about what all tenants see, which operators alone may change. It is asked before the body is read.
func (a *API) service(r *http.Request) (bool, error) {
	p := a.params(r)
	which := p.choice("scope", scopeTenant, scopeService)
	if err := p.end(); err != nil {
		return false, err
	}
	if which != scopeService {
		return false, nil
	}
	return true, a.demand(r, operates)
}

// making is the scope in which something is made; a tenant that does not exist is made with it.
func (a *API) making(r *http.Request, service bool) (policy.Scope, error) {
	if service {
		return policy.Service, nil
	}
	n, err := a.writing(r)
	return policy.OfTenant(n), err
}

// owned is the policy or rule, as what says, that a change is about: its name, and the scope whose own it has to be.
func (a *API) owned(r *http.Request, what string) (name string, scope policy.Scope, err error) {
	name = variable(r, "name")
	service, err := a.service(r)
	if err == nil && service {
		tellOf(r, name, policy.Service)
	}
	if err != nil || service {
		return name, policy.Service, err
	}
	t, ok := a.reading(r)
	if !ok { // it has nothing of its own that could be changed
		return name, 0, a.notOwned(what, name)
	}
	tellOf(r, name, policy.OfTenant(t.Num))
	return name, policy.OfTenant(t.Num), nil
}

// tellOf says in the audit log which policy or rule an operation is about.
func tellOf(r *http.Request, name string, scope policy.Scope) {
	tell(r, "name", name)
	tell(r, "scope", scope.String())
}

// location is where what was made is found.
func location(w http.ResponseWriter, resource, name string, scope policy.Scope) {
	at := Prefix + resource + "/" + url.PathEscape(name)
	if scope == policy.Service {
		at += "?scope=" + scopeService
	}
	w.Header()["Location"] = []string{at}
}

func (a *API) listPolicies(w http.ResponseWriter, r *http.Request) error {
	view, _, err := a.viewed(r)
	if err != nil {
		return err
	}
	out := struct {
		Policies []policyAnswer `json:"policies"`
	}{[]policyAnswer{}}
	for _, p := range view.Policies() {
		out.Policies = append(out.Policies, answerPolicy(p))
	}
	return a.send(w, r, http.StatusOK, &out)
}

func (a *API) readPolicy(w http.ResponseWriter, r *http.Request) error {
	view, num, err := a.viewed(r)
	if err != nil {
		return err
	}
	name := variable(r, "name")
	p, ok := view.ByName(name)
	if !ok {
		return &policy.NotFoundError{What: "policy", Name: name}
	}
	out := answerPolicy(p)
	if num != 0 {
		use, err := a.o.Policies.PolicyUse(r.Context(), num)
		if err != nil {
			return err
		}
		n := use[p.Name]
		out.Metrics = &n
	}
	return a.send(w, r, http.StatusOK, &out)
}

func (a *API) createPolicy(w http.ResponseWriter, r *http.Request) error {
	service, err := a.service(r)
	if err != nil {
		return err
	}
	var body policyBody
	if err := a.decode(r, &body); err != nil {
		return err
	}
	p, err := body.policy()
	if err != nil {
		return err
	}
	scope, err := a.making(r, service)
	if err != nil {
		return err
	}
	tellOf(r, p.Name, scope)
	notes, err := a.o.Policies.CreatePolicy(r.Context(), scope, p)
	if err != nil {
		return body.explain(err)
	}
	made, ok := a.o.Policies.For(scope.Tenant()).ByName(p.Name)
	if !ok || made.Scope != scope {
		made = policy.ScopedPolicy{Policy: p, Scope: scope} // gone again
	}
	out := answerPolicy(made)
	out.Notes = notes
	location(w, "/policies", p.Name, scope)
	return a.send(w, r, http.StatusCreated, &out)
}

func (a *API) updatePolicy(w http.ResponseWriter, r *http.Request) error {
	name, scope, err := a.owned(r, "policy")
	if err != nil {
		return err
	}
	// What the body leaves out of raw stays as it is.
	body := policyBody{was: a.o.Policies.For(scope.Tenant())}
	if err := a.decode(r, &body); err != nil {
		return err
	}
	u, err := body.update(name)
	if err != nil {
		return err
	}
	p, notes, err := a.o.Policies.UpdatePolicy(r.Context(), scope, name, u)
	if err != nil {
		return body.explain(err)
	}
	out := answerPolicy(policy.ScopedPolicy{Policy: p, Scope: scope})
	out.Notes = notes
	return a.send(w, r, http.StatusOK, &out)
}

func (a *API) deletePolicy(w http.ResponseWriter, r *http.Request) error {
	name, scope, err := a.owned(r, "policy")
	if err != nil {
		return err
	}
	if err := a.o.Policies.DeletePolicy(r.Context(), scope, name); err != nil {
		return explainPolicy(err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// notOwned says why nothing of that name can be changed in a tenant that does not exist.
func (a *API) notOwned(what, name string) error {
	view := a.o.Policies.For(0)
	if what == "policy" {
		if p, ok := view.ByName(name); ok {
			return &policy.ReadOnlyError{What: what, Name: name, Owner: p.Scope}
		}
	} else if rule, ok := view.RuleByName(name); ok {
		return &policy.ReadOnlyError{What: what, Name: name, Owner: rule.Scope}
	}
	return &policy.NotFoundError{What: what, Name: name}
}

// policyProblem is an error about policies with what a problem document says beside its text.
type policyProblem struct {
	err     error
	members map[string]any
}

func (e *policyProblem) Error() string           { return e.err.Error() }
func (e *policyProblem) Unwrap() error           { return e.err }
func (e *policyProblem) Problem() map[string]any { return e.members }

// fullError is a limit on what a scope may hold. It does not pass by itself, so it is no 429.
type fullError struct{ policyProblem }

func (*fullError) Status() int { return http.StatusConflict }

// explainPolicy gives an error about policies or rules the members of its problem document.
func explainPolicy(err error) error {
	switch e := asPolicy(err).(type) {
	case *policy.InUseError:
		return &policyProblem{err, map[string]any{"metrics": e.Metrics, "rules": e.Rules}}
	case *policy.LimitError:
		return &fullError{policyProblem{err, map[string]any{"limit": e.Max, "value": e.Value}}}
	case *policy.ReadOnlyError:
		return &policyProblem{err, map[string]any{"scope": e.Owner.String()}}
	case *policy.ExistsError:
		return edge.At("/name", err)
	case *policy.InvalidError:
		return edge.At(pointer(e.Field), err)
	case *policy.ChangeError:
		return edge.At(pointer(e.Field), err)
	}
	return err
}
