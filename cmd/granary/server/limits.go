package server

import (
	"maps"
	"slices"

	"granary/cmd/granary/config"
	"granary/tenant"
	"granary/tenant/audit"
)

// standing is how a tenant stands. One that does not exist stands like one of which nothing is said.
func (s *Server) standing(id tenant.ID) *tenant.Standing {
	num, ok := s.store.Tenants.Resolve(id)
	if !ok {
		num = 0
	}
	return s.store.Tenants.Standing(num)
}

// checkRate says whether a tenant may send samples now.
func (s *Server) checkRate(id tenant.ID) error {
	num, ok := s.store.Tenants.Resolve(id)
	if !ok {
		return nil
	}
	err := s.store.Tenants.CheckRate(num, s.o.Now().UnixNano())
	if err != nil {
		s.store.Tenants.Standing(num).Refuse(tenant.LimitSamplesPerSecond, 1)
	}
	return err
}

// reloadOverrides takes over the file of limits by tenant. One with a fault changes nothing.
func (s *Server) reloadOverrides() {
	over, err := s.cfg.ReadOverrides(config.Options{})
	if err != nil {
		s.o.Logger.Error("limits of tenants not reloaded; what was in force stays", "error", err)
		return
	}
	s.auditReload(s.store.Tenants.SetOverrides(over))
	s.warnCapped(over)
	if s.cfg.Limits.Overrides != "" {
		s.o.Logger.Info("limits of tenants reloaded", "file", s.cfg.Limits.Overrides, "tenants", len(over.Tenants))
	}
}

// maxReloaded bounds the tenants that the audit log names of a reload.
const maxReloaded = 20

// auditReload writes that a file has changed the limits of tenants.
func (s *Server) auditReload(changed []tenant.ID) {
	if len(changed) == 0 || s.audit == nil {
		return
	}
	slices.Sort(changed)
	detail := map[string]any{"tenants": changed[:min(len(changed), maxReloaded)]}
	if more := len(changed) - maxReloaded; more > 0 {
		detail["more"] = more
	}
	s.audit.Record(audit.Entry{Source: "internal", Action: "limits.reload", Target: s.cfg.Limits.Overrides, Outcome: audit.OK, Detail: detail})
}

// warnCapped says which limits of a file are more than the service allows: they are those of the service then.
func (s *Server) warnCapped(over tenant.Overrides) {
	warn := func(id tenant.ID, l tenant.Limits) {
		for i := range tenant.LimitFields {
			f := &tenant.LimitFields[i]
			if err := f.Within(*f.Of(&l), &s.cfg.Limits.Limits); err != nil {
				s.o.Logger.Warn("a limit in the file of limits by tenant is cut", "tenant", string(id), "limit", f.Name, "reason", err)
			}
		}
	}
	warn("*", over.All)
	for _, id := range slices.Sorted(maps.Keys(over.Tenants)) {
		warn(id, over.Tenants[id])
	}
}

// limitUse is how much of a limit a tenant uses, and false where that cannot be said.
func (s *Server) limitUse(t *tenant.Tenant, number int) (int64, bool) {
	switch number {
	case tenant.LimitSeries:
		return int64(s.store.Definitions.Count(t.Num)), true
	case tenant.LimitSamplesBurst:
		st := s.store.Tenants.Standing(t.Num)
		return st.BurstUsed(s.o.Now().UnixNano()), st.Limits().SamplesPerSecond > 0
	case tenant.LimitConcurrentQueries:
		return s.queries.Stats(t.ID).Held, true
	case tenant.LimitQueue:
		return s.writes.Stats(t.ID).Held, true
	case tenant.LimitQueueLength:
		return int64(s.writes.Stats(t.ID).Queued), true
	case tenant.LimitMemory:
		return s.store.Held(t.Num).Memory.Total(), true
	}
	return 0, false
}
