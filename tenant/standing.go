package tenant

import (
	"sync/atomic"
	"time"
)

// Standing is what a tenant may do and how much of it is used up: the limits in force, the bucket of its rate, and what was
// refused. A tenant keeps its Standing while it lives. Methods are safe for concurrent use, and reading the limits takes
// no lock: they are worked out when something changes.
type Standing struct {
	limits  atomic.Pointer[Limits]
	rate    Rate
	refused atomic.Pointer[[numLimits]atomic.Uint64] // nil: nothing ever was
}

// Limits are the limits in force. They must not be changed.
func (s *Standing) Limits() *Limits { return s.limits.Load() }

// Wait is how long the tenant must wait before it may send samples, 0 if it need not.
func (s *Standing) Wait(now int64) time.Duration {
	l := s.limits.Load()
	return s.rate.Wait(now, l.SamplesPerSecond, l.Burst())
}

// Charge counts n samples that were stored against the rate; fewer than none give back what was counted too many.
func (s *Standing) Charge(now, n int64) {
	if l := s.limits.Load(); l.SamplesPerSecond > 0 {
		s.rate.Charge(now, l.SamplesPerSecond, l.Burst(), n)
	}
}

// BurstUsed is how much of its burst the tenant has used up, more than the burst if it is in debt.
func (s *Standing) BurstUsed(now int64) int64 {
	l := s.limits.Load()
	if l.SamplesPerSecond <= 0 {
		return 0
	}
	return l.Burst() - s.rate.Level(now, l.SamplesPerSecond, l.Burst())
}

// Refuse counts what was refused for a limit: samples, or requests where it is one of requests.
func (s *Standing) Refuse(limit, n int) {
	r := s.refused.Load()
	if r == nil {
		s.refused.CompareAndSwap(nil, new([numLimits]atomic.Uint64))
		r = s.refused.Load()
	}
	r[limit].Add(uint64(n))
}

// Refused is how much was refused for a limit since the start.
func (s *Standing) Refused(limit int) uint64 {
	if r := s.refused.Load(); r != nil {
		return r[limit].Load()
	}
	return 0
}

// standings are the Standings by number, read without a lock. A tenant that was never asked about costs one pointer.
type standings struct {
	blocks atomic.Pointer[[]*standingBlock]
	// nobody stands for numbers that are no tenant's.
	nobody Standing
}

const standingBlockLen = 256

type standingBlock [standingBlockLen]atomic.Pointer[Standing]

// at is where the Standing of a number is kept, nil if there is no place yet.
func (t *standings) at(n Num) *atomic.Pointer[Standing] {
	blocks := t.blocks.Load()
	if i := int(n-1) / standingBlockLen; n != 0 && blocks != nil && i < len(*blocks) {
		return &(*blocks)[i][int(n-1)%standingBlockLen]
	}
	return nil
}

// grow makes places for n numbers. REQUIRES: the registry's lock.
func (t *standings) grow(n int) {
	var blocks []*standingBlock
	if b := t.blocks.Load(); b != nil {
		blocks = *b
	}
	if len(blocks)*standingBlockLen >= n {
		return
	}
	for len(blocks)*standingBlockLen < n {
		blocks = append(blocks, new(standingBlock))
	}
	t.blocks.Store(&blocks)
}

// Standing is how a tenant stands. That of a number that is no tenant's has the limits of a tenant of which nothing is said.
func (r *Registry) Standing(n Num) *Standing {
	if p := r.standings.at(n); p != nil {
		if s := p.Load(); s != nil {
			return s
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entry(n)
	if e == nil || e.state == absent || e.state == ended {
		return &r.standings.nobody
	}
	r.standings.grow(len(r.entries))
	p := r.standings.at(n)
	s := p.Load()
	if s == nil {
		s = new(Standing)
		s.limits.Store(r.resolve(e))
		p.Store(s)
	}
	return s
}

// Limits are the limits in force for a tenant: its own, else those of the overrides, else those of the options.
func (r *Registry) Limits(n Num) Limits { return *r.Standing(n).Limits() }

// OwnLimits are the limits that somebody has set for a tenant: by a call, or in the overrides. They are for a dialect whose clients
// know no limits but those that an operator means for them.
func (r *Registry) OwnLimits(n Num) Limits {
	r.mu.RLock()
	defer r.mu.RUnlock()
	e := r.entry(n)
	if e == nil || e.state == absent || e.state == ended {
		return Limits{}
	}
	return e.settings().Limits.Over(r.overrides.Tenants[e.id].Over(r.overrides.All.Over(Limits{}))).within(&r.o.Limits)
}

// Overrides are limits by tenant that an operator keeps outside of the service.
type Overrides struct {
	All     Limits // of every tenant, where it says something
	Tenants map[ID]Limits
}

// SetOverrides replaces the overrides. They are in force when it returns. The map is the registry's from then on. It returns the tenants
// whose limits in force are others now, "*" among them for those of which nothing is said.
func (r *Registry) SetOverrides(o Overrides) (changed []ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	was, base := r.overrides, *r.base
	r.overrides = o
	r.resolveBase()
	if *r.base != base {
		changed = append(changed, "*")
	}
	for i := range r.entries {
		e := &r.entries[i]
		if e.state == visible && *r.resolve(e) != e.settings().Limits.Over(was.Tenants[e.id].Over(base)).within(&r.o.Limits) {
			changed = append(changed, e.id)
		}
		r.restand(Num(i+1), e)
	}
	return changed
}

// resolveBase works out what holds for tenants of which nothing is said. REQUIRES: r.mu.
func (r *Registry) resolveBase() {
	base := r.overrides.All.Over(r.o.Limits).within(&r.o.Limits)
	r.base = &base
	r.standings.nobody.limits.Store(r.base)
}

// resolve works out the limits in force. REQUIRES: r.mu.
func (r *Registry) resolve(e *entry) *Limits {
	over, has := r.overrides.Tenants[e.id]
	if !has && e.settings().Limits == (Limits{}) {
		return r.base
	}
	l := e.settings().Limits.Over(over.Over(*r.base)).within(&r.o.Limits)
	return &l
}

// restand puts the limits in force for a tenant that has been asked about. REQUIRES: r.mu.
func (r *Registry) restand(n Num, e *entry) {
	p := r.standings.at(n)
	if p == nil {
		return
	}
	if s := p.Load(); s != nil {
		if e.state == absent || e.state == ended {
			p.Store(nil)
			return
		}
		s.limits.Store(r.resolve(e))
	}
}

// LimitSource says where a limit in force comes from.
type LimitSource string

// The sources of limits, the one that counts most first.
const (
	FromTenant        LimitSource = "tenant"        // its own, set by a call
	FromOverrides     LimitSource = "overrides"     // the file of overrides
	FromConfiguration LimitSource = "configuration" // granary.limits, as it was written or by default
)

// LimitSources says of each of LimitFields where the limit in force comes from.
func (r *Registry) LimitSources(n Num) []LimitSource {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var own, over Limits
	if e := r.entry(n); e != nil {
		own, over = e.settings().Limits, r.overrides.Tenants[e.id]
	}
	list := make([]LimitSource, len(LimitFields))
	for i := range LimitFields {
		f := &LimitFields[i]
		v := 0
		var said int64
		for k, l := range []*Limits{&own, &over, &r.overrides.All} {
			if said = *f.of(l); said != 0 {
				v = k + 1
				break
			}
		}
		most := *f.of(&r.o.Limits)
		switch {
		case v == 0, f.Capped && most > 0 && (said < 0 || said > most):
			list[i] = FromConfiguration
		case v == 1:
			list[i] = FromTenant
		default:
			list[i] = FromOverrides
		}
	}
	return list
}
