package measures

import (
	"context"
	"errors"
	"math"
	"runtime/debug"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"granary/metricdef"
)

// Run does what has to be done behind the writes until ctx ends: the catalog, snapshots, retention, the memory cap and the
// watch over the disk.
func (s *Store) Run(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.catalog.Run(ctx, s.syncTo)
	}()
	read := make(chan struct{})
	go func() {
		defer close(read)
		s.runReads(ctx)
	}()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			<-done
			<-read
			return
		case <-tick.C:
		}
		s.watchDisk()
		s.TendTiers()
		if s.snapshotDue() {
			if err := s.Snapshot(); err != nil {
				s.o.Logger.Error("snapshot failed; the journal keeps what it would have held", "error", err)
				s.lastSnapshot.Store(s.o.Now().UnixNano()) // not again at once
			}
			// What a snapshot gathered is garbage now, and the next is minutes away.
			debug.FreeOSMemory()
		}
		if s.sweep.Swap(false) {
			if err := s.SweepTenants(ctx); err != nil && ctx.Err() == nil {
				s.o.Logger.Warn("the data of deleted tenants is not removed yet", "error", err)
				s.sweep.Store(true)
			}
		}
		if n%5 == 0 {
			s.EnforceCap()
		}
		if n%60 == 0 {
			s.Expire(ctx)
		}
	}
}

func (s *Store) snapshotDue() bool {
	grown := s.journaled.Load() - s.snapshotJournal.Load()
	if grown == 0 {
		return false
	}
	if s.shorten.Swap(false) {
		return true
	}
	return grown >= s.o.SnapshotJournal || s.o.Now().UnixNano()-s.lastSnapshot.Load() >= int64(s.o.SnapshotEvery)
}

// watchDisk compares free space with the mark. Recovery needs no restart.
func (s *Store) watchDisk() {
	if s.o.DiskFreeMark <= 0 {
		return
	}
	var st unix.Statfs_t
	if err := unix.Statfs(s.o.Dir, &st); err != nil {
		return
	}
	free := int64(st.Bavail) * int64(st.Bsize)
	low := free < s.o.DiskFreeMark
	if low != s.diskLow.Swap(low) {
		if low {
			s.o.Logger.Error("disk is low: writes are refused", "free", free, "mark", s.o.DiskFreeMark)
			s.shorten.Store(true)
		} else {
			s.o.Logger.Info("disk has room again: writes are taken", "free", free)
		}
	}
}

// Expire gives up what has expired by the clock of its policy, and ends definitions that were made only by data and have
// had none for one retention.
func (s *Store) Expire(ctx context.Context) {
	s.maintenance.Lock()
	defer s.maintenance.Unlock()
	if s.retentionHeld.Load() || !s.ready.Load() {
		return
	}
	var ended []metricdef.Ref
	for i, sh := range s.shards {
		if ctx.Err() != nil {
			return
		}
		s.sweepTiers(i)
		sh.mu.Lock()
		s.eachOf(i, func(ref metricdef.Ref, sr *series) {
			sh.bill(sr)
			sh.expireTiers(s, ref, sr)
			cut := s.cut(ref, sr)
			if cut == math.MinInt64 || sr.flags&spared != 0 {
				return
			}
			v := sh.sight(ref, sr, cut)
			v.from = sh.unneeded(ref, sr, v.from, s.o.Now().UnixNano())
			s.expired.Add(sh.drop(s, ref, sr, v))
			sh.expireWrites(ref, sr, cut)
			if sr.flags&(hasTexts|hasTags) != 0 {
				sh.endTexts(ref, sr)
			}
			if sh.hasFinished(ref, sr) {
				return
			}
			// A series whose samples were all deleted has no newest one, but a time of its last write.
			had := sr.flags&hasData != 0 && sr.newest < cut || sr.flags&hasData == 0 && sr.wrote != 0
			if had && sr.values == 0 && len(sr.chunks) == 0 && sr.flags&(hasLate|hasTexts|hasTags) == 0 && sr.wrote < cut {
				ended = append(ended, ref)
			}
		})
		sh.trim()
		sh.mu.Unlock()
	}
	if err := s.remove(ctx, ended); err != nil && ctx.Err() == nil {
		s.o.Logger.Warn("definitions without samples could not be ended", "count", len(ended), "error", err)
	}
}

// remove ends definitions that still have no samples when the record is sequenced. REQUIRES: s.maintenance.
func (s *Store) remove(ctx context.Context, refs []metricdef.Ref) error {
	var errs []error
	for part := range slices.Chunk(refs, 10_000) {
		if err := errors.Join(s.writable(), ctx.Err()); err != nil {
			return err
		}
		var ending []metricdef.Ref
		s.defining.Lock()
		// While nothing is committed, what is on its way to a series lies in the batches that wait.
		s.com.mu.Lock()
		p, err := s.sequenceChange(recRemove, func(int64) ([]byte, error) {
			waited := make(map[metricdef.Ref]bool)
			for _, w := range s.seq.waiting {
				if w.batch != nil {
					for _, ref := range w.batch.Refs {
						waited[ref] = true
					}
				}
			}
			for _, ref := range part {
				sr := s.table.at(ref)
				d, ok := s.Definitions.Get(ref)
				if sr.state != live || !ok || d.Explicit || waited[ref] || s.holds(ref, sr) {
					continue
				}
				s.seq.undo = append(s.seq.undo, undo{ref: ref, what: undoRemove})
				sr.state = dead
				ending = append(ending, ref)
			}
			if len(ending) == 0 {
				return nil, nil
			}
			return appendRefs(nil, ending), nil
		}, func() { s.applyRemove(ending) })
		s.com.mu.Unlock()
		if p != nil {
			err = s.commit(p)
		}
		s.defining.Unlock()
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// holds says whether a series has samples.
func (s *Store) holds(ref metricdef.Ref, sr *series) bool {
	sh := s.shardOf(ref)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	return sr.values != 0 || len(sr.chunks) > 0 || sr.flags&(hasLate|hasTexts|hasTags) != 0 || sh.hasFinished(ref, sr)
}

// applyRemove takes definitions and whatever is left of their series away. The sequencer has marked them dead.
func (s *Store) applyRemove(refs []metricdef.Ref) {
	for _, ref := range refs {
		sr, sh := s.table.grow(ref), s.shardOf(ref)
		sh.mu.Lock()
		sh.bill(sr)
		sh.drop(s, ref, sr, sight{from: math.MaxInt64})
		sh.endTexts(ref, sr)
		sh.dropTiers(s, ref, sr)
		sh.setEras(ref, nil)
		sh.setTombstones(ref, nil)
		delete(sh.unsaved, ref)
		sh.endWrites(ref)
		sh.setChunks(sr, nil)
		sr.flags, sr.era = 0, grid{}
		sh.disown(sr)
		sh.mu.Unlock()
	}
	s.Definitions.Remove(refs)
}

// HoldRetention stops or starts retention as a whole: while the list of busy hosts is not known nothing may expire.
func (s *Store) HoldRetention(hold bool) { s.retentionHeld.Store(hold) }

// Spare tells which series retention leaves alone from now on; all others follow their policies again.
func (s *Store) Spare(refs map[metricdef.Ref]bool) {
	for i, sh := range s.shards {
		sh.mu.Lock()
		s.eachOf(i, func(ref metricdef.Ref, sr *series) {
			if refs[ref] {
				sr.flags |= spared
			} else {
				sr.flags &^= spared
			}
		})
		sh.mu.Unlock()
	}
}
