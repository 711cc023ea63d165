package measures

import "granary/tenant"

// Memory is what the store, or a tenant, holds in memory, in bytes.
type Memory struct {
	Heads       int64 // open heads
	Chunks      int64 // sealed chunks; those of the store with the room that is free between them
	Late        int64 // samples behind what is sealed
	Texts       int64 // texts and tags of samples that are not sealed, and the lists of the chunks of the others
	Tiers       int64 // what is known of finished buckets; their chunks are among the chunks
	Series      int64 // series and their lists of chunks
	Definitions int64 // definitions and the index over them
	Resources   int64 // resources with their former revisions, about
}

// Total is the sum.
func (m Memory) Total() int64 {
	return m.Heads + m.Chunks + m.Late + m.Texts + m.Tiers + m.Series + m.Definitions + m.Resources
}

// Held is what a tenant holds.
type Held struct {
	Memory  Memory
	Files   int64 // bytes of chunks in segment files
	Samples int64 // stored samples; a chunk with gaps counts as if it had none
}

func (h *held) memory() Memory {
	return Memory{Heads: h.heads, Chunks: h.chunks, Late: h.late, Texts: h.texts, Tiers: h.tiers, Series: h.lists + h.series + h.other}
}

// Memory adds up what the store holds in memory.
func (s *Store) Memory() Memory {
	var all held
	mapped := int64(0)
	for _, sh := range s.shards {
		sh.mu.RLock()
		now := sh.now()
		mapped += sh.chunks.Mapped()
		sh.mu.RUnlock()
		all.add(&now)
	}
	all.series = s.table.bytes()
	m := all.memory()
	m.Chunks, m.Definitions, m.Resources = mapped, int64(s.Definitions.Bytes()), s.Resources.Bytes()
	return m
}

// Held is what a tenant holds, from counters that are kept up with every change.
func (s *Store) Held(num tenant.Num) Held {
	var all held
	for _, sh := range s.shards {
		sh.mu.RLock()
		of := sh.of(num)
		sh.mu.RUnlock()
		all.add(&of)
	}
	out := Held{Memory: all.memory(), Files: all.file, Samples: all.samples}
	out.Memory.Definitions, out.Memory.Resources = int64(s.Definitions.BytesOf(num)), s.Resources.BytesOf(num)
	return out
}
