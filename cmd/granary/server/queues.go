package server

import (
	"granary/api/edge"
	"granary/tenant"
	"granary/tenant/queue"
)

// The settings behind the bounds of the queues.
const (
	settingQueue   = "granary.queue.bytes"
	settingWait    = "granary.queue.wait"
	settingQueries = "granary.limits.concurrent-queries"
)

// writeQueues are the options of the queues of bodies. An eighth beyond what the setting says is kept for tenants that hold little.
func (s *Server) writeQueues() queue.FairOptions {
	bytes := s.cfg.Queue.Bytes
	return queue.FairOptions{
		Kind: queue.Writes, Units: bytes, Kept: bytes / 8, Least: max(bytes/64, 64<<10), Quantum: 1 << 20, Rows: queue.DefaultRows, Turns: s.turns,
		Setting: settingQueue, SettingWait: settingWait, SettingShare: "granary.limits.queue", SettingLength: "granary.limits.queue-length",
		Share: func(id tenant.ID) (queue.Share, bool) {
			l, there := s.limits(id)
			return queue.Share{Units: l.Queue, Length: l.QueueLength, Wait: l.QueueWait, Weight: l.Weight}, there
		},
	}
}

// queryQueues are those of the queues of queries. Each tenant finds one place at once, as long as there are no more than twice as
// many as the setting says.
func (s *Server) queryQueues() queue.FairOptions {
	places := concurrentQueries(s.cfg)
	return queue.FairOptions{
		Kind: queue.Queries, Units: places, Kept: places, Least: 1, Turns: s.turns,
		Setting: settingQueries, SettingWait: settingWait, SettingShare: settingQueries, SettingLength: "granary.limits.queue-length",
		Share: func(id tenant.ID) (queue.Share, bool) {
			l, there := s.limits(id)
			return queue.Share{Units: l.ConcurrentQueries, Wait: l.QueueWait, Weight: l.Weight}, there
		},
	}
}

// limits are those in force for a tenant, and whether there is such a tenant. The default one counts as there before the first
// write makes it: its name is nobody's invention, and that write is the operator's.
func (s *Server) limits(id tenant.ID) (l tenant.Limits, there bool) {
	num, there := s.store.Tenants.Resolve(id)
	there = there || id == s.cfg.Tenants.Default
	l = s.store.Tenants.Limits(num)
	if l.QueueWait == 0 {
		l.QueueWait = s.cfg.Queue.Wait
	}
	return l, there
}

// selector chooses the tenant of a request.
func (s *Server) selector() edge.Tenants {
	return edge.Tenants{Default: s.cfg.Tenants.Default, Trusted: s.cfg.TrustedProxies}
}
