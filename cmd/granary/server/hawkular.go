package server

import (
	"granary/compat/hawkular"
	"granary/policy"
	"granary/tenant/identity"
)

// hawkular is the dialect's part of the wiring.
func (s *Server) hawkular() hawkular.Options {
	cfg := s.cfg
	o := hawkular.Options{
		Definitions: s.store.Definitions, Store: s.store, Queries: s.engine, Tenants: s.store.Tenants, Alerts: s.alerts,
		Strict: cfg.Hawkular.Strict, DefaultStart: cfg.Hawkular.DefaultStart, Version: s.o.Version,
		Auth: s.guard, Origins: cfg.Hawkular.Origins, Own: cfg.Hawkular.Own, Select: s.selector(), Audit: s.audits(), Ready: s.ready,
		CheckRate: s.checkRate, SeriesStatus: cfg.Limits.SeriesStatus, MaxText: int(cfg.Limits.Text), Counters: s.writer.Counters(),
		Reads: s.queries, Bodies: s.bodies, Requests: hawkular.NewRequests(cfg.Hawkular.MaxRequest),
		Compress: s.compress(), Now: s.o.Now, Logger: s.o.Logger,
	}
	if s.hawkularAdmin.Configured() {
		o.Admin = s.guard.Judging(s.hawkularAdmin)
	}
	return o
}

// openHawkularAdmin reads the admin token of the dialect, which is no source of identities: it counts for the routes of the dialect
// that are about the service, and for nothing else.
func (s *Server) openHawkularAdmin() (err error) {
	o := s.cfg.Hawkular.AdminSources()
	o.Logger = s.o.Logger
	s.hawkularAdmin, err = identity.NewAuthority(o)
	return err
}

// warnHawkularAdmin says that an admin token guards less than its owner may think.
func (s *Server) warnHawkularAdmin() {
	h := &s.cfg.Hawkular
	switch {
	case !h.Enabled || h.AdminToken == nil:
	case !s.authority.Configured() && s.cfg.Auth.ClusterCockpitKey == nil:
		s.o.Logger.Warn("the admin token guards the tenants of Hawkular's API alone: whoever may enter this service, which is open, may change them through /v2; name a source of identities",
			"settings", "granary.compat.hawkular.admin-token, granary.identity")
	}
}

// tellHawkular says how Hawkular's and Mohawk's clients are served. Of secrets it says no more than whether there are any.
func (s *Server) tellHawkular() {
	h := &s.cfg.Hawkular
	if !h.Enabled {
		return
	}
	args := []any{"strict", h.Strict}
	switch {
	case !s.cfg.HawkularPolicy():
		args = append(args, "retention", "of granary.policies")
	case h.Retention == policy.Forever:
		args = append(args, "retention", "forever")
	default:
		args = append(args, "retention", h.Retention)
	}
	s.o.Logger.Info("Hawkular's and Mohawk's clients are served", append(args, "admin-token", h.AdminToken != nil, "cors-origins", h.Origins,
		"alerts", len(h.Alerts.Rules), "receiver", h.Alerts.Server != "")...)
}
