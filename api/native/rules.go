package native

import (
	"net/http"

	"granary/api/edge"
	"granary/policy"
)

// ruleBody is a rule in a request. What is not given is nil.
type ruleBody struct {
	Name     *string  `json:"name"`
	Pattern  *string  `json:"pattern"`
	Glob     *bool    `json:"glob"`
	Policy   *string  `json:"policy"`
	Dialects []string `json:"dialects"`
}

// change brings what the body gives into a rule. A pattern is a glob if it looks like one, unless the body says.
func (b *ruleBody) change(r *policy.Rule) {
	if b.Name != nil {
		r.Name = *b.Name
	}
	if b.Pattern != nil {
		r.Pattern, r.Glob = *b.Pattern, policy.IsGlob(*b.Pattern)
	}
	if b.Glob != nil {
		r.Glob = *b.Glob
	}
	if b.Policy != nil {
		r.Policy = *b.Policy
	}
	if b.Dialects != nil {
		r.Dialects = b.Dialects
	}
}

// ruleAnswer is a rule in an answer.
type ruleAnswer struct {
	Name     string   `json:"name"`
	Scope    string   `json:"scope"`
	Pattern  string   `json:"pattern"`
	Glob     bool     `json:"glob"`
	Policy   string   `json:"policy"`
	Dialects []string `json:"dialects"`
}

func answerRule(r policy.ScopedRule) ruleAnswer {
	a := ruleAnswer{Name: r.Name, Scope: r.Scope.String(), Pattern: r.Pattern, Glob: r.Glob, Policy: r.Policy, Dialects: r.Dialects}
	if a.Dialects == nil {
		a.Dialects = []string{}
	}
	return a
}

func (a *API) listRules(w http.ResponseWriter, r *http.Request) error {
	view, _, err := a.viewed(r)
	if err != nil {
		return err
	}
	out := struct {
		Rules []ruleAnswer `json:"rules"`
	}{[]ruleAnswer{}}
	for _, rule := range view.Rules() {
		out.Rules = append(out.Rules, answerRule(rule))
	}
	return a.send(w, r, http.StatusOK, &out)
}

func (a *API) readRule(w http.ResponseWriter, r *http.Request) error {
	view, _, err := a.viewed(r)
	if err != nil {
		return err
	}
	name := variable(r, "name")
	rule, ok := view.RuleByName(name)
	if !ok {
		return &policy.NotFoundError{What: "rule", Name: name}
	}
	out := answerRule(rule)
	return a.send(w, r, http.StatusOK, &out)
}

func (a *API) createRule(w http.ResponseWriter, r *http.Request) error {
	service, err := a.service(r)
	if err != nil {
		return err
	}
	var body ruleBody
	if err := a.decode(r, &body); err != nil {
		return err
	}
	for _, m := range []struct {
		name  string
		value *string
	}{{"name", body.Name}, {"pattern", body.Pattern}, {"policy", body.Policy}} {
		if m.value == nil {
			return edge.At("/"+m.name, &syntaxError{text: "the rule has no " + m.name})
		}
	}
	scope, err := a.making(r, service)
	if err != nil {
		return err
	}
	var rule policy.Rule
	body.change(&rule)
	tellOf(r, rule.Name, scope)
	if err := a.o.Policies.CreateRule(r.Context(), scope, rule); err != nil {
		return explainPolicy(err)
	}
	out := answerRule(policy.ScopedRule{Rule: rule, Scope: scope})
	location(w, "/rules", rule.Name, scope)
	return a.send(w, r, http.StatusCreated, &out)
}

func (a *API) updateRule(w http.ResponseWriter, r *http.Request) error {
	name, scope, err := a.owned(r, "rule")
	if err != nil {
		return err
	}
	var body ruleBody
	if err := a.decode(r, &body); err != nil {
		return err
	}
	rule, err := a.o.Policies.UpdateRule(r.Context(), scope, name, body.change)
	if err != nil {
		return explainPolicy(err)
	}
	out := answerRule(policy.ScopedRule{Rule: rule, Scope: scope})
	return a.send(w, r, http.StatusOK, &out)
}

func (a *API) deleteRule(w http.ResponseWriter, r *http.Request) error {
	name, scope, err := a.owned(r, "rule")
	if err != nil {
		return err
	}
	if err := a.o.Policies.DeleteRule(r.Context(), scope, name); err != nil {
		return explainPolicy(err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
