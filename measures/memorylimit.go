package measures

import (
	"granary/tenant"
)

// memoryRoom is how much a tenant may hold beyond what it has, as last looked up. Under the sequencer's lock.
type memoryRoom struct {
	tenant tenant.Num
	next   uint64 // the sequencer's next record then: behind it much may have come
	left   int64
}

// newSeriesBytes is about what a series takes from its first sample on: itself, a head, its definition, the index.
const newSeriesBytes = seriesBytes + int64(headSlots/4)*8 + 256

// memoryFull refuses a new series or resource, which takes about so many bytes, of a tenant whose heads, definitions and lists alone are as much as its limit on memory. Chunks do
// not count: they leave memory as soon as a file holds them. REQUIRES: s.seq.mu.
func (s *Store) memoryFull(num tenant.Num, bytes int64) error {
	limit := s.Tenants.Standing(num).Limits().Memory
	if limit <= 0 {
		return nil
	}
	m := &s.seq.memory
	if m.tenant != num || m.next != s.seq.next || m.left < bytes {
		h := s.Held(num).Memory
		m.tenant, m.next, m.left = num, s.seq.next, limit-(h.Total()-h.Chunks)
		if m.left < bytes {
			return tenant.Over(s.Tenants.ID(num), tenant.LimitMemory, limit-m.left+bytes, limit)
		}
	}
	m.left -= bytes
	return nil
}
