package measures

import (
	"math"
	"runtime/debug"
	"slices"
	"sync/atomic"

	"granary/measures/slab"
	"granary/metricdef"
	"granary/tenant"
)

// evictState is what the maintainer remembers between two looks at the memory cap.
type evictState struct {
	tight bool // the cap is below what can be given back; this has been logged
}

// EnforceCap keeps the memory of tenants below their limits, and that of all below the cap: first chunks that a segment holds are
// evicted, of those who have most, oldest windows first; if nothing can be evicted a snapshot makes more evictable; only then is
// the oldest data dropped, counted and logged.
func (s *Store) EnforceCap() {
	if !s.ready.Load() {
		return
	}
	s.maintenance.Lock()
	defer s.maintenance.Unlock()
	s.enforceLimits()
	limit := s.o.MemoryCap
	if limit <= 0 {
		return
	}
	if heap := limit - slab.Mapped(); heap > 0 {
		debug.SetMemoryLimit(max(heap, 64<<20))
	}
	over := s.makeRoom()
	if over <= 0 {
		return
	}
	over -= s.evictShares(over)
	if over <= 0 {
		return
	}
	if s.Memory().Chunks < limit/16 {
		// What is left are open heads and definitions, which no snapshot makes smaller.
		if !s.evict.tight {
			s.o.Logger.Warn("memory cap: series and their open heads alone exceed it", "setting", "memory-cap", "cap", limit, "over", over)
		}
		s.evict.tight = true
		s.evictChunks(over)
		return
	}
	s.evict.tight = false
	err := s.snapshot()
	over = s.makeRoom()
	over -= s.evictShares(over)
	over -= s.evictChunks(over)
	if over <= 0 || err == nil {
		return
	}
	s.o.Logger.Error("snapshot for the memory cap failed", "error", err)
	before := s.Memory().Chunks
	samples := s.dropOldest(over)
	s.dropped.Add(samples)
	s.o.Logger.Error("memory cap: the oldest samples were dropped", "setting", "memory-cap", "cap", limit, "over", over, "samples", samples,
		"bytes", before-s.Memory().Chunks)
}

// makeRoom says by how much the memory exceeds the cap, and lets evicted chunks come back up to three quarters of it.
func (s *Store) makeRoom() (over int64) {
	if s.o.MemoryCap <= 0 {
		s.room.Store(math.MaxInt64 / 2)
		return 0
	}
	total := s.Memory().Total()
	s.room.Store(s.o.MemoryCap/4*3 - total)
	return total - s.o.MemoryCap
}

// enforceLimits evicts chunks of tenants that hold more than their limit, and says how much may come back of those who are near it.
// REQUIRES: s.maintenance.
func (s *Store) enforceLimits() {
	excess := make(quotas)
	rooms := make(map[tenant.Num]*atomic.Int64)
	sum := int64(0)
	for num, h := range s.accounts() {
		limit := s.Tenants.Limits(num).Memory
		use := h.memory().Total() + int64(s.Definitions.BytesOf(num))
		if limit <= 0 || use < limit/2 {
			continue
		}
		if n := min(use-limit, h.saved); n > 0 {
			excess[num] = n
			sum += n
		}
		rooms[num] = new(atomic.Int64)
		rooms[num].Store(limit/4*3 - use)
	}
	if sum > 0 {
		s.evictFrom(sum, excess)
	}
	s.rooms.Store(&rooms)
}

// mayReturn says whether n bytes of a chunk of a series may come back into memory, by the limit of its tenant. REQUIRES: the shard's
// lock.
func (s *Store) mayReturn(sr *series, n int) bool {
	rooms := s.rooms.Load()
	if rooms == nil {
		return true
	}
	room := (*rooms)[sr.owner]
	return room == nil || room.Add(-int64(n)) >= 0
}

// accounts is what each tenant holds. Definitions are not in it.
func (s *Store) accounts() map[tenant.Num]*held {
	all := make(map[tenant.Num]*held)
	add := func(num tenant.Num, h held) {
		a := all[num]
		if a == nil {
			a = new(held)
			all[num] = a
		}
		a.add(&h)
	}
	for _, sh := range s.shards {
		sh.mu.RLock()
		for num := range sh.books.accounts {
			add(num, sh.of(num))
		}
		if _, ok := sh.books.accounts[sh.books.owner]; !ok {
			add(sh.books.owner, sh.of(sh.books.owner))
		}
		sh.mu.RUnlock()
	}
	return all
}

// quotas is how many bytes each tenant has to give back.
type quotas map[tenant.Num]int64

// share divides want among the tenants so that those who hold most give, down to one level for all, in proportion to their
// weights; can says how much one can give. So a flood of one tenant takes nothing from those who hold less.
func (s *Store) share(want int64, can func(*held) int64) quotas {
	type holder struct {
		num         tenant.Num
		use, weight float64
		can         float64
	}
	var list []holder
	top := 0.0
	for num, h := range s.accounts() {
		if n := can(h); n > 0 {
			use := float64(h.memory().Total() + int64(s.Definitions.BytesOf(num)))
			weight := float64(max(s.Tenants.Limits(num).Weight, 1))
			list = append(list, holder{num, use, weight, float64(n)})
			top = max(top, use/weight)
		}
	}
	give := func(h *holder, level float64) float64 { return min(h.can, max(0, h.use-level*h.weight)) }
	low, high := 0.0, top // at low enough is given, or all that there is
	for range 60 {
		level, sum := (low+high)/2, 0.0
		for i := range list {
			sum += give(&list[i], level)
		}
		if sum >= float64(want) {
			low = level
		} else {
			high = level
		}
	}
	q := make(quotas)
	for i := range list {
		if n := int64(math.Ceil(give(&list[i], low))); n > 0 {
			q[list[i].num] = n
		}
	}
	return q
}

// evictShares gives back chunks that a segment holds of those tenants who hold most, down to what would do if segments held all
// their chunks. So if it is not enough, a snapshot comes before others give anything. REQUIRES: s.maintenance.
func (s *Store) evictShares(want int64) (freed int64) {
	return s.evictUntil(want, func(h *held) int64 { return h.chunks })
}

// evictChunks gives back chunks that a segment holds until enough is free, whoever has them. REQUIRES: s.maintenance.
func (s *Store) evictChunks(want int64) (freed int64) {
	return s.evictUntil(want, func(h *held) int64 { return h.saved })
}

func (s *Store) evictUntil(want int64, can func(*held) int64) (freed int64) {
	for more := int64(0); freed < want; {
		target := want - freed
		if target < math.MaxInt64/2 {
			target += more
		}
		gone, n := s.evictFrom(target, s.share(target, can))
		if freed += n; gone == 0 {
			break
		}
		if n >= target/2 {
			more = 0
		} else {
			more = 2*more + slab.Size/16 // what went lies between pieces that stay
		}
	}
	return freed
}

// evictFrom gives back chunks of some tenants that a segment holds, oldest windows first, and returns how many bytes of chunks went and
// by how much less memory is taken. REQUIRES: s.maintenance.
func (s *Store) evictFrom(want int64, q quotas) (gone, freed int64) {
	// What each tenant has in each window, and how much of it goes.
	has := make(map[tenant.Num]map[int64]int64)
	windows := make(map[int64]bool)
	s.eachVictim(q, true, func(sh *shard, sr *series, mem *slab.Loc) {
		of := has[sr.owner]
		if of == nil {
			of = make(map[int64]int64)
			has[sr.owner] = of
		}
		w := sh.chunks.Window(*mem)
		of[w] += sh.chunks.Size(*mem)
		windows[w] = true
	}, nil)
	order := make([]int64, 0, len(windows))
	for w := range windows {
		order = append(order, w)
	}
	slices.Sort(order)
	left := want
	goes := make(map[tenant.Num]map[int64]int64)
	for _, w := range order {
		for num, of := range has {
			n := min(of[w], q[num], left)
			if n <= 0 {
				continue
			}
			if goes[num] == nil {
				goes[num] = make(map[int64]int64)
			}
			goes[num][w] = n
			q[num] -= n
			left -= n
		}
	}
	before, live := int64(0), int64(0) // of the shard
	s.eachVictim(q, false, func(sh *shard, sr *series, mem *slab.Loc) {
		of := goes[sr.owner]
		if w := sh.chunks.Window(*mem); of[w] > 0 {
			n := sh.chunks.Size(*mem)
			of[w] -= n
			gone += n
			sh.bill(sr)
			sh.counts.held.saved -= n
			sh.chunks.Free(*mem)
			*mem = 0
		}
	}, func(i int, sh *shard, begins bool) {
		if begins {
			before, live = sh.chunks.Mapped(), gone
			return
		}
		if gone > live {
			s.gather(i, sh)
		}
		sh.trim()
		freed += before - sh.chunks.Mapped()
	})
	return gone, freed
}

// eachVictim calls fn for the chunks of the tenants that a segment holds too, and edge before and behind each shard.
func (s *Store) eachVictim(q quotas, reading bool, fn func(*shard, *series, *slab.Loc), edge func(i int, sh *shard, begins bool)) {
	for i, sh := range s.shards {
		if reading {
			sh.mu.RLock()
		} else {
			sh.mu.Lock()
			edge(i, sh, true)
		}
		s.eachOf(i, func(ref metricdef.Ref, sr *series) {
			if _, ok := q[sr.owner]; !ok {
				return
			}
			sh.eachPiece(ref, sr, func(mem *slab.Loc, saved bool) {
				if saved {
					fn(sh, sr, mem)
				}
			})
		})
		if reading {
			sh.mu.RUnlock()
		} else {
			edge(i, sh, false)
			sh.mu.Unlock()
		}
	}
}

// gather moves what is left in slabs of which much is free, so that they can be given back: tenants share slabs, and what one of them
// gives lies between the chunks of others. REQUIRES: sh.mu.
func (s *Store) gather(i int, sh *shard) {
	if !sh.chunks.Thin() {
		return
	}
	s.eachOf(i, func(ref metricdef.Ref, sr *series) {
		sh.eachPiece(ref, sr, func(mem *slab.Loc, _ bool) { *mem = sh.chunks.Move(*mem) })
	})
}

// eachPiece calls fn for each chunk of a series that lies in memory, and says whether a segment holds it too. REQUIRES: sh.mu, for
// reading if fn changes nothing.
func (sh *shard) eachPiece(ref metricdef.Ref, sr *series, fn func(mem *slab.Loc, saved bool)) {
	for i := range sr.chunks {
		if e := &sr.chunks[i]; e.mem != 0 {
			fn(&e.mem, e.seg != 0)
		}
	}
	if sr.flags&hasLate != 0 {
		l := sh.late[ref]
		for i := range l.sealed {
			if e := &l.sealed[i].entry; e.mem != 0 {
				fn(&e.mem, e.seg != 0)
			}
		}
	}
	if sr.flags&(hasTexts|hasTags) != 0 {
		for w := range textColumns {
			if c := sh.texts[w][ref]; c != nil {
				for _, t := range c.chunks {
					if t.mem != 0 {
						fn(&t.mem, t.loc.file != 0)
					}
				}
			}
		}
	}
	if sr.flags&hasTiers != 0 {
		sh.tiers[ref].eachChunk(func(_ *tierColumn, e *entry) {
			if e.mem != 0 {
				fn(&e.mem, e.seg != 0)
			}
		})
	}
}

// dropOldest gives up the oldest chunks that nothing but memory holds, an eighth of their time at a step, until enough is
// free, of those who hold most and then of all. What a segment holds costs next to nothing and stays. REQUIRES: s.maintenance.
func (s *Store) dropOldest(want int64) (samples int64) {
	start := s.Memory().Total()
	q := s.share(want, func(h *held) int64 { return h.chunks - h.saved })
	samples = s.dropOldestOf(want, func(sr *series) bool { return q[sr.owner] > 0 })
	if freed := start - s.Memory().Total(); freed < want {
		samples += s.dropOldestOf(want-freed, func(*series) bool { return true })
	}
	return samples
}

// dropOldestOf is dropOldest for some series. REQUIRES: s.maintenance.
func (s *Store) dropOldestOf(want int64, of func(*series) bool) (samples int64) {
	oldest, newest := int64(math.MaxInt64), int64(math.MinInt64)
	for i, sh := range s.shards {
		sh.mu.RLock()
		s.eachOf(i, func(ref metricdef.Ref, sr *series) {
			if !of(sr) {
				return
			}
			for k := range sr.chunks {
				if sr.chunks[k].seg == 0 {
					oldest, newest = min(oldest, sr.chunks[k].start), max(newest, sr.newest)
					break
				}
			}
			if sr.flags&(hasTexts|hasTags) != 0 {
				if t := sh.unsavedTexts(ref); t < maxTime {
					oldest, newest = min(oldest, t), max(newest, sr.newest)
				}
			}
		})
		sh.mu.RUnlock()
	}
	if oldest >= newest {
		return 0
	}
	start := s.Memory().Total()
	step := max((newest-oldest)/8, 1)
	for cut := oldest + step; cut < newest && start-s.Memory().Total() < want; cut += step {
		for i, sh := range s.shards {
			sh.mu.Lock()
			s.eachOf(i, func(ref metricdef.Ref, sr *series) {
				if !of(sr) {
					return
				}
				sh.bill(sr)
				samples += sh.dropUnsaved(s, ref, sr, cut)
			})
			s.gather(i, sh)
			sh.trim()
			sh.mu.Unlock()
		}
	}
	return samples
}

// dropUnsaved gives up the chunks before a time that no segment holds. REQUIRES: sh.mu.
func (sh *shard) dropUnsaved(s *Store, ref metricdef.Ref, sr *series, cut int64) (samples int64) {
	keep := make([]entry, 0, len(sr.chunks))
	for i := range sr.chunks {
		if e := &sr.chunks[i]; e.seg != 0 || sh.chunkEnd(ref, sr, i) >= cut {
			keep = append(keep, *e)
		} else {
			samples += sh.dropEntry(s, e)
		}
	}
	if len(keep) < len(sr.chunks) {
		sh.setChunks(sr, slices.Clip(keep))
	}
	if sr.flags&(hasTexts|hasTags) != 0 {
		samples += sh.dropUnsavedTexts(s, ref, cut)
	}
	if l := sh.late[ref]; l != nil {
		l.sealed = slices.DeleteFunc(l.sealed, func(c lateChunk) bool {
			if c.seg != 0 || c.end >= cut {
				return false
			}
			samples += sh.dropEntry(s, &c.entry)
			return true
		})
		sh.settleLate(ref, sr, l)
	}
	return samples
}
