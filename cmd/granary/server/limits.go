package server

import "granary/cmd/granary/config"

// reloadOverrides takes over the file of limits by tenant. One with a fault changes nothing.
func (s *Server) reloadOverrides() {
	over, err := s.cfg.ReadOverrides(config.Options{})
	if err != nil {
		s.o.Logger.Error("limits of tenants not reloaded; what was in force stays", "error", err)
		return
	}
	s.store.Tenants.SetOverrides(over)
	if s.cfg.Limits.Overrides != "" {
		s.o.Logger.Info("limits of tenants reloaded", "file", s.cfg.Limits.Overrides, "tenants", len(over.Tenants))
	}
}
