package measures

import (
	"context"
	"encoding/binary"
	"math"
	"slices"

	"granary/metricdef"
)

// deleteStep is how many series one record deletes a range of.
const deleteStep = 5_000

// DeleteRange takes the samples inside [from, to) away from series: numbers, texts and tags of samples, and what tiers have of
// them. They are hidden when it returns, and a restart does not bring them back. Samples that are written there afterwards are
// shown. Refs of no series are passed over.
func (s *Store) DeleteRange(ctx context.Context, refs []metricdef.Ref, from, to int64) error {
	r := timeRange{max(from, minTime), min(to, maxTime)}
	if r.from >= r.to {
		return nil
	}
	refs = slices.Clone(refs)
	slices.Sort(refs)
	for part := range slices.Chunk(slices.Compact(refs), deleteStep) {
		if err := s.deleteRange(ctx, part, r); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) deleteRange(ctx context.Context, refs []metricdef.Ref, r timeRange) error {
	// What only files hold is read now, while nobody waits for it.
	read := make(map[metricdef.Ref]map[place][]byte)
	for _, ref := range refs {
		sr := s.table.at(ref)
		if sr == nil {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		x := s.erasureOf(ref, sr, r)
		sh := s.shardOf(ref)
		sh.mu.RLock()
		missing := x.missing()
		sh.mu.RUnlock()
		if err := x.load(missing); err != nil {
			return err
		}
		if len(x.bytes) > 0 {
			read[ref] = x.bytes
		}
	}
	var ours []metricdef.Ref
	var wrote int64
	return s.change(ctx, recDelete, func(now int64) ([]byte, error) {
		wrote = now
		for _, ref := range refs {
			if sr := s.table.at(ref); sr != nil && sr.state == live && s.Definitions.Tenant(ref) != 0 {
				ours = append(ours, ref)
			}
		}
		if len(ours) == 0 {
			return nil, nil
		}
		return appendDelete(nil, r, ours), nil
	}, func() {
		for _, ref := range ours {
			s.applyDelete(ref, r, wrote, read[ref], false)
		}
	})
}

// applyDelete takes a range out of a series as far as it is in memory or attached, and remembers the deletion for the entries
// of files.
func (s *Store) applyDelete(ref metricdef.Ref, r timeRange, wrote int64, bytes map[place][]byte, replayed bool) {
	sr, sh := s.table.grow(ref), s.shardOf(ref)
	s.policyOf(ref, sr) // the tiers ask for it
	sh.mu.Lock()
	sh.bill(sr)
	sh.keepTop(ref, sr)
	// Files may still have what has expired, or was finished, before all that is left.
	before := r.from < sr.oldestRaw(sh, ref)
	sh.mu.Unlock()
	x := s.erasureOf(ref, sr, r)
	x.bytes = bytes
	s.cuts.Add(1) // before the first chunk goes
	s.erase(x, func() {
		if replayed || x.named || before || s.snapshotting.Load() {
			sh.bury(ref, tombstone{timeRange: r, bound: sh.copied + 1, replayed: replayed})
		}
		sh.tiersChanged(ref, sr, r.from, r.to, wrote)
	})
	s.erased.Add(x.count)
}

func (s *Store) erasureOf(ref metricdef.Ref, sr *series, r ...timeRange) *erasure {
	return &erasure{s: s, sh: s.shardOf(ref), ref: ref, sr: sr, ranges: r}
}

// erase takes the ranges out of the series and calls also under the same hold of the shard's lock. Files are read without it:
// what was evicted or moved since the bytes were read is read again.
func (s *Store) erase(x *erasure, also func()) {
	for {
		x.sh.mu.Lock()
		missing := x.missing()
		if len(missing) == 0 {
			x.erase()
			also()
			x.sh.mu.Unlock()
			return
		}
		x.sh.mu.Unlock()
		if err := x.load(missing); err != nil {
			// The record stands: the range goes, and with it what else the chunk has.
			s.o.Logger.Error("chunk that a deletion cuts cannot be read and was given up", "ref", x.ref, "error", err)
			for _, m := range missing {
				if _, ok := x.bytes[m.place]; !ok {
					x.bytes[m.place] = nil
				}
			}
		}
	}
}

// fileChunk is a chunk to be read, with its file kept open.
type fileChunk struct {
	place
	file *segmentFile
}

// missing are the chunks that have to be read. REQUIRES: sh.mu, at least for reading. The caller loads them.
func (x *erasure) missing() (list []fileChunk) {
	x.need(func(p place) {
		if !slices.ContainsFunc(list, func(c fileChunk) bool { return c.place == p }) {
			list = append(list, fileChunk{p, x.s.segments.acquire(p.file)})
		}
	})
	return list
}

// load reads chunks. A damaged one counts as read: it is given up where it is needed.
func (x *erasure) load(list []fileChunk) (failed error) {
	if x.bytes == nil && len(list) > 0 {
		x.bytes = make(map[place][]byte)
	}
	for _, c := range list {
		if failed == nil {
			b, err := c.file.readAt(nil, c.off, c.n)
			switch {
			case isDamaged(err):
				c.file.damage.CompareAndSwap(nil, &err)
				x.bytes[c.place] = nil
			case err != nil:
				failed = err
			default:
				x.bytes[c.place] = b
			}
		}
		c.file.release()
	}
	return failed
}

// appendDelete appends a delete record, version 1: byte version; varint from, uvarint to - from; then the refs as in a remove
// record, without its version.
func appendDelete(b []byte, r timeRange, refs []metricdef.Ref) []byte {
	b = append(b, 1)
	b = binary.AppendVarint(b, r.from)
	b = binary.AppendUvarint(b, uint64(r.to-r.from))
	var prev int64
	for _, ref := range refs {
		b = binary.AppendVarint(b, int64(ref)-prev)
		prev = int64(ref)
	}
	return b
}

func decodeDelete(p []byte) (r timeRange, refs []metricdef.Ref, err error) {
	if len(p) == 0 || p[0] != 1 {
		return r, nil, &DamagedError{Kind: recDelete, Reason: "unknown version"}
	}
	d := decoder{p: p[1:]}
	r.from = d.varint()
	length := d.uvarint()
	if d.failed || r.from < minTime || length == 0 || length > uint64(maxTime-r.from) || r.from > maxTime {
		return r, nil, &DamagedError{Kind: recDelete, Reason: "range"}
	}
	r.to = r.from + int64(length)
	var ref int64
	for len(d.p) > 0 {
		ref += d.varint()
		if d.failed || ref <= 0 || ref > math.MaxUint32 {
			return r, nil, &DamagedError{Kind: recDelete, Reason: "entry"}
		}
		refs = append(refs, metricdef.Ref(ref))
	}
	return r, refs, nil
}
