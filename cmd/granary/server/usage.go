package server

import (
	"granary/api/native"
	"granary/measures"
	"granary/tenant"
	"granary/tenant/usage"
)

// ledger shows the ledger of usage to the native API.
type ledger struct {
	*usage.Ledger
	tenants *tenant.Registry
}

func newLedger(s *measures.Store) ledger { return ledger{s.Usage, s.Tenants} }

// Everybody implements native.Usage.
func (l ledger) Everybody() []native.UsageTenant {
	var list []native.UsageTenant
	for _, num := range l.tenants.Known() {
		list = append(list, native.UsageTenant{Num: num, ID: l.tenants.ID(num), Deleted: l.tenants.State(num) != tenant.Present})
	}
	return list
}
