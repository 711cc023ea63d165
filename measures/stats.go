package measures

import (
	"unsafe"

	"granary/metricdef"
)

// blockBytes is the memory of one block of series.
const blockBytes = int64(unsafe.Sizeof(block{}))

// Stats are the counters that an operator sees.
type Stats struct {
	Series                             int                           // definitions that can be read
	Tenants                            int                           //
	Resources, Revisions               int                           // resources, those of deleted tenants too; and their former revisions
	Samples, Overwritten, Late, Failed int64                         // samples since start: applied; replacing another; behind the head; lost for want of memory
	Kinds                              [metricdef.KindText + 1]int64 // samples by the kind of value
	Chunks, ChunkBytes                 int64                         // sealed since start
	Expired, Dropped                   int64                         // samples given up for retention; for the memory cap
	Erased, Removed                    int64                         // samples that deletions of ranges took; definitions that calls ended, those of deleted tenants too
	Deletions                          int                           // deletions that segment files do not know of yet
	JournalBytes, JournalAppended      int64                         // on disk; since start
	JournalFailures                    int64
	JournalLast, JournalSynced         uint64
	CatalogPosition                    uint64
	Snapshots                          int64
	LastSnapshot                       int64 // unix nanoseconds
	SegmentFiles                       int
	SegmentBytes                       int64
	Memory                             Memory
	DiskLow                            bool
}

// Stats reads the counters.
func (s *Store) Stats() Stats {
	var st Stats
	if !s.ready.Load() {
		return st
	}
	for _, sh := range s.shards {
		sh.mu.RLock()
		for k, n := range sh.counts.samples {
			st.Samples += n
			st.Kinds[max(metricdef.Kind(k), metricdef.KindFloat)] += n
		}
		st.Overwritten += sh.counts.overwritten
		st.Late += sh.counts.late
		for _, list := range sh.deletes {
			st.Deletions += len(list)
		}
		st.Failed += sh.counts.failed
		st.Chunks += sh.counts.sealed
		st.ChunkBytes += sh.counts.sealedBytes
		sh.mu.RUnlock()
	}
	s.segments.mu.RLock()
	st.SegmentFiles = len(s.segments.files)
	for _, f := range s.segments.files {
		st.SegmentBytes += f.info.Size
	}
	s.segments.mu.RUnlock()
	st.Series, st.Tenants = s.Definitions.Len(), s.Tenants.Len()
	st.Resources, st.Revisions = s.Resources.Len()
	st.Overwritten += s.superseded.Load()
	st.Erased, st.Removed = s.erased.Load(), s.removed.Load()
	st.Expired, st.Dropped = s.expired.Load(), s.dropped.Load()
	st.JournalBytes, st.JournalAppended, st.JournalFailures = s.log.Bytes(), s.journaled.Load(), s.failures.Load()
	st.JournalLast, st.JournalSynced = s.log.Last().Seq, s.log.Synced().Seq
	st.CatalogPosition = s.catalog.Position()
	st.Snapshots, st.LastSnapshot = s.snapshots.Load(), s.lastSnapshot.Load()
	st.Memory, st.DiskLow = s.Memory(), s.diskLow.Load()
	return st
}
