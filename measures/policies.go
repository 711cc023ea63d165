package measures

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"granary/metricdef"
	"granary/policy"
	"granary/tenant"
)

// SetPolicies makes a set of policies the present one of the configuration, under the next revision. A set that says the same as
// the present one changes nothing.
func (s *Store) SetPolicies(ctx context.Context, set *policy.Set) error {
	var rec []byte
	return s.change(ctx, recPolicies, func(int64) (_ []byte, err error) {
		if rec, err = s.Policies.Next(set); rec != nil {
			s.seq.undo = append(s.seq.undo, undo{what: undoPolicies})
		}
		return rec, err
	}, func() {
		if err := s.Policies.Apply(rec); err != nil {
			panic("measures: own policy record: " + err.Error())
		}
	})
}

// SeedPolicies gives a store the policies and rules of the service that a new one begins with. It does so once in its life: what was
// taken away later does not come back. What there is of their names stays. A seed of nothing leaves that for another time.
func (s *Store) SeedPolicies(ctx context.Context, policies []policy.Policy, rules []policy.Rule) error {
	if s.Policies.Seeded() || len(policies)+len(rules) == 0 {
		return nil
	}
	return s.changeScope(ctx, policy.Service, func(e *policy.Edit) error { return e.Seed(policies, rules) })
}

// editScope changes the policies and rules of a scope.
func (s *Store) editScope(ctx context.Context, scope policy.Scope, edit func(*policy.Edit) error) error {
	if n := scope.Tenant(); n != 0 {
		if _, ok := s.Tenants.ByNum(n); !ok {
			return &tenant.UnknownError{Num: n}
		}
	}
	return s.changeScope(ctx, scope, edit)
}

// changeScope is editScope without asking whether the scope is there.
func (s *Store) changeScope(ctx context.Context, scope policy.Scope, edit func(*policy.Edit) error) error {
	var rec []byte
	return s.change(ctx, recScopes, func(int64) (_ []byte, err error) {
		if rec, err = s.Policies.Edit(scope, edit); err == nil {
			s.seq.undo = append(s.seq.undo, undo{what: undoPolicies})
		}
		return rec, err
	}, func() {
		if err := s.Policies.ApplyScope(rec); err != nil {
			panic("measures: own policy record: " + err.Error())
		}
	})
}

// CreatePolicy makes a policy. The notes say what a caller should know about it.
func (s *Store) CreatePolicy(ctx context.Context, scope policy.Scope, p policy.Policy) (notes []string, err error) {
	err = s.editScope(ctx, scope, func(e *policy.Edit) (err error) {
		notes, err = e.CreatePolicy(p)
		return err
	})
	return notes, err
}

// UpdatePolicy changes a policy and returns it as it is now. Nothing that is stored is computed anew; the notes say what that
// means.
func (s *Store) UpdatePolicy(ctx context.Context, scope policy.Scope, name string, u policy.Update) (p policy.Policy, notes []string, err error) {
	err = s.editScope(ctx, scope, func(e *policy.Edit) (err error) {
		p, notes, err = e.UpdatePolicy(name, u)
		return err
	})
	return p, notes, err
}

// DeletePolicy takes away a policy that no metric and no rule names.
func (s *Store) DeletePolicy(ctx context.Context, scope policy.Scope, name string) error {
	// No call makes a definition or changes one meanwhile, so that counting need not hold up the writers.
	s.defining.Lock()
	defer s.defining.Unlock()
	naming := make(map[tenant.Num]int)
	for _, t := range s.Tenants.All() {
		if n := scope.Tenant(); n != 0 && n != t.Num {
			continue
		}
		n, err := s.Definitions.Naming(ctx, t.Num, name)
		if err != nil {
			return err
		}
		naming[t.Num] = n
	}
	return s.editScope(ctx, scope, func(e *policy.Edit) error { return e.DeletePolicy(name, naming) })
}

// PolicyUse counts a tenant's metrics that have each policy, by its name.
func (s *Store) PolicyUse(ctx context.Context, num tenant.Num) (map[string]int, error) {
	list, err := s.Definitions.Choices(ctx, num)
	if err != nil {
		return nil, err
	}
	use, view := make(map[string]int), s.Policies.For(num)
	for _, c := range list {
		p, _ := view.Resolve(c.Dialect, c.Name, c.Policy)
		use[p.Name] += c.Definitions
	}
	return use, nil
}

// CreateRule makes a rule. It holds for metrics that exist too.
func (s *Store) CreateRule(ctx context.Context, scope policy.Scope, r policy.Rule) error {
	return s.editScope(ctx, scope, func(e *policy.Edit) error { return e.CreateRule(r) })
}

// UpdateRule changes a rule and returns it as it is now.
func (s *Store) UpdateRule(ctx context.Context, scope policy.Scope, name string, change func(*policy.Rule)) (r policy.Rule, err error) {
	err = s.editScope(ctx, scope, func(e *policy.Edit) (err error) {
		r, err = e.UpdateRule(name, change)
		return err
	})
	return r, err
}

// DeleteRule takes a rule away.
func (s *Store) DeleteRule(ctx context.Context, scope policy.Scope, name string) error {
	return s.editScope(ctx, scope, func(e *policy.Edit) error { return e.DeleteRule(name) })
}

// nameScopes puts the policies that a tenant sees into the present journal segment, so that a lost catalog does not take them
// along. REQUIRES: s.seq.mu.
func (s *Store) nameScopes(p *pending, num tenant.Num) {
	scopes := [...]policy.Scope{policy.OfTenant(num), policy.Service}
	for _, scope := range scopes[:] {
		if scope == policy.Service {
			if s.seq.tenants[0] {
				continue
			}
			s.seq.tenants[0] = true
		}
		if rec := s.Policies.AppendScope(nil, scope); rec != nil {
			s.record(recScopes, p, func(b []byte) []byte { return append(b, rec...) })
		}
	}
}

// policyState is a policy as series hold it: those of one tenant share one for each name, and for each retention of their own.
type policyState struct {
	*plannedPolicy
	view *policy.View // where it was found
	// checked is the generation in which the view was last known to be the tenant's present one. So a change of one tenant's
	// policies costs the others a look, not a resolution.
	checked atomic.Uint64
	// standing is how the tenant stands, whose limit on retention holds beside the policy.
	standing *tenant.Standing
	now      func() time.Time
	held     *atomic.Bool // nothing expires
	own      bool         // the length is that of the series, above what the tenant says
}

// plannedPolicy is what a policy says. Tenants who see the same policy share it, which keeps them small, and what is read of it with
// each sample near. It never changes.
type plannedPolicy struct {
	policy.Policy
	tiers *tierPlan // nil: it has none
}

// maxShared bounds the policies that are remembered for others to share.
const maxShared = 1024

// policyCache keeps the states of each tenant's present view.
type policyCache struct {
	mu      sync.Mutex
	tenants map[tenant.Num]*tenantPolicies
	shared  map[policyKey]*plannedPolicy // the last one of that key
	dating  atomic.Bool                  // there is or was a policy whose clock is that of writing

	standing func(tenant.Num) *tenant.Standing
	now      func() time.Time
	held     *atomic.Bool
}

// policyKey tells apart the policies of one view: those of a name differ only in the retention, where series have one of their own.
type policyKey struct {
	name string
	raw  policy.Retention
}

// fewPolicies is how many states are looked through one by one. Nearly every tenant has fewer, and a map of its own would take more
// memory than all of them.
const fewPolicies = 16

// mostPolicies is how many states are remembered, so that retentions that nobody uses any more cost nothing for ever.
const mostPolicies = 1024

// tenantPolicies are the states of one tenant: few, of most tenants one. Series with a retention of their own may make them many.
type tenantPolicies struct {
	view *policy.View
	list []*policyState
	at   map[stateKey]*policyState // nil: there are few
}

type stateKey struct {
	policyKey
	own bool
}

func (p *policyState) key() stateKey { return stateKey{policyKey{p.Name, p.Raw}, p.own} }

func (t *tenantPolicies) find(k stateKey) *policyState {
	if t.at != nil {
		return t.at[k]
	}
	for _, st := range t.list {
		if st.key() == k {
			return st
		}
	}
	return nil
}

func (t *tenantPolicies) add(st *policyState) {
	if t.at == nil && len(t.list) < fewPolicies {
		t.list = append(t.list, st)
		return
	}
	if len(t.at) >= mostPolicies {
		t.at = make(map[stateKey]*policyState) // series keep the states that they have, and may be given equal ones
	}
	if t.at == nil {
		t.at = make(map[stateKey]*policyState, 2*fewPolicies)
		for _, st := range t.list {
			t.at[st.key()] = st
		}
		t.list = nil
	}
	t.at[st.key()] = st
}

// get finds the state of a policy in a view. Own says that its length is that of the series.
func (c *policyCache) get(p policy.Policy, view *policy.View, generation uint64, own bool) *policyState {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tenants == nil {
		c.tenants = make(map[tenant.Num]*tenantPolicies)
	}
	t := c.tenants[view.Tenant()]
	if t == nil || t.view != view {
		t = &tenantPolicies{view: view}
		c.tenants[view.Tenant()] = t
	}
	st := t.find(stateKey{policyKey{p.Name, p.Raw}, own})
	if st == nil {
		st = &policyState{plannedPolicy: c.plan(p), view: view, now: c.now, held: c.held, own: own}
		if c.standing != nil {
			st.standing = c.standing(view.Tenant())
		}
		st.checked.Store(generation)
		t.add(st)
		if p.Raw.Clock == policy.WriteClock {
			c.dating.Store(true)
		}
	}
	return st
}

// plan finds what a policy says, or works it out. REQUIRES: c.mu.
func (c *policyCache) plan(p policy.Policy) *plannedPolicy {
	k := policyKey{p.Name, p.Raw}
	if pp := c.shared[k]; pp != nil && pp.Equal(p) {
		return pp
	}
	if c.shared == nil || len(c.shared) >= maxShared {
		c.shared = make(map[policyKey]*plannedPolicy)
	}
	pp := &plannedPolicy{p, planTiers(&p)}
	c.shared[k] = pp
	return pp
}

// policyOfDraft resolves the policy of a metric. A retention of its own makes of it another policy, which differs in how long raw
// samples are kept; metrics that Hawkular made count from the writing then, whatever the policy says.
func (s *Store) policyOfDraft(d *metricdef.Draft) *policyState {
	// Whatever the view says holds for this generation or is found out in the next.
	generation := s.Policies.Generation()
	view := s.Policies.For(d.Tenant)
	p, _ := view.Resolve(d.Dialect, d.Called(), d.Policy)
	if d.Retention > 0 {
		p.Raw.Length = d.Retention
		if d.Dialect == policy.Hawkular {
			p.Raw.Clock = policy.WriteClock
		}
	}
	return s.policies.get(p, view, generation, d.Retention > 0)
}

// policyFor resolves the policy of a definition, nil if there is none that readers may see.
func (s *Store) policyFor(ref metricdef.Ref) *policyState {
	d, ok := s.Definitions.Get(ref)
	if !ok {
		return nil
	}
	return s.policyOfDraft(&d.Draft)
}

// policyOf is the present policy of a series. One whose definition is only reserved keeps the policy that it was reserved
// with, until it is visible.
func (s *Store) policyOf(ref metricdef.Ref, sr *series) *policyState {
	generation := s.Policies.Generation()
	pol := sr.policy.Load()
	switch {
	case pol == nil:
	case pol.checked.Load() == generation:
		return pol
	case s.Policies.For(pol.view.Tenant()) == pol.view:
		pol.checked.Store(generation)
		return pol
	}
	// A definition that changes meanwhile takes the policy away again. Were it put back behind that, it would stay.
	for before := s.redefined.Load(); ; {
		now := s.policyFor(ref)
		if now == nil {
			break
		}
		sr.policy.Store(now)
		after := s.redefined.Load()
		if before == after {
			return now
		}
		before = after
	}
	if pol == nil {
		view := s.Policies.For(0)
		p, _ := view.ByName(policy.DefaultName)
		return s.policies.get(p.Policy, view, generation, false)
	}
	return pol
}
