package measures

import (
	"context"
	"math"

	"granary/metricdef"
	"granary/policy"
)

// What two samples of the same series and time mean is decided by the sequencer, so that the journal holds what stays and replay
// decides nothing. LastWins needs no decision. Texts follow it under every policy.

// moment is a sample without its value.
type moment struct {
	ref metricdef.Ref
	t   int64
}

// duplicates is what the sequencer knows of samples that may be met again.
type duplicates struct {
	met met
	// told are the values of series that refuse others, in the group that is being filled; writing those of the group that is being
	// written and applied. What was applied before is found with the series.
	told, writing map[moment]float64
	// waits says that the present batch repeats a sample that is not applied yet: it is answered with that one.
	waits  bool
	reader Reader
}

// met is what the present batch has of series that keep the smallest value. Most batches have the samples of a series beside each other, in
// the order of their times: there nothing is met twice, and only where a series leaves that order the rows are gone through.
type met struct {
	ref    metricdef.Ref // of the row before; 0: there is none
	newest int64         // its time
	before map[metricdef.Ref]struct{}
	mapped bool
	rows   map[moment]int // by sample, if mapped
}

// first says whether a row is the first of its moment in the batch. Else it returns the row that is.
func (m *met) first(b *Batch, row int) (before int, first bool) {
	at := moment{b.Refs[row], b.Times[row]}
	if !m.mapped {
		if at.ref == m.ref && at.t > m.newest {
			m.newest = at.t
			return 0, true
		}
		if at.ref != m.ref {
			if m.before == nil {
				m.before = make(map[metricdef.Ref]struct{})
			}
			if m.ref != 0 {
				m.before[m.ref] = struct{}{}
			}
			if _, again := m.before[at.ref]; !again {
				m.ref, m.newest = at.ref, at.t
				return 0, true
			}
		}
		m.mapped = true
		if m.rows == nil {
			m.rows = make(map[moment]int, row)
		}
		for i, ref := range b.Refs[:row] {
			if ref != 0 { // rows of other series do no harm, for nobody asks for them
				m.rows[moment{ref, b.Times[i]}] = i
			}
		}
	}
	if before, again := m.rows[at]; again {
		return before, false
	}
	m.rows[at] = row
	return 0, true
}

// end ends the batch.
func (m *met) end() { *m = met{before: emptied(m.before), rows: emptied(m.rows)} }

// keepMoments is how many entries a map may have had to be kept for reuse.
const keepMoments = 1 << 16

// emptied is the map without its entries, nil if it has grown large.
func emptied[K comparable, V any](m map[K]V) map[K]V {
	if len(m) > keepMoments {
		return nil
	}
	clear(m)
	return m
}

// swap begins a group. REQUIRES: s.seq.mu and s.com.mu, so that the group before is applied.
func (d *duplicates) swap() { d.told, d.writing = emptied(d.writing), d.told }

// forget drops what is applied, or withdrawn. REQUIRES: s.seq.mu.
func (d *duplicates) forget() { d.writing = emptied(d.writing) }

// duplicate decides about a row of a series whose policy does not let the last sample win. REQUIRES: s.seq.mu.
func (s *Store) duplicate(b *Batch, row int, sr *series, rule policy.DuplicateRule) {
	if sr.takes == metricdef.KindText {
		return
	}
	d, at, v := &s.seq.duplicates, moment{b.Refs[row], b.Times[row]}, b.Values[row]
	if rule == policy.SmallestThenLater {
		switch before, first := d.met.first(b, row); {
		case first:
		case smaller(v, b.Values[before], sr.takes):
			b.Refs[before] = 0
			d.met.rows[at] = row
			s.superseded.Add(1)
		default:
			b.Refs[row] = 0
			s.superseded.Add(1)
		}
		return
	}
	s.refusing.Store(true)
	have, met := d.told[at]
	if !met {
		have, met = d.writing[at]
	}
	if met {
		d.waits = true
	} else {
		have, met = s.valueAt(&d.reader, at, sr)
	}
	switch {
	case !met:
		if d.told == nil {
			d.told = make(map[moment]float64)
		}
		d.told[at] = v
	case math.Float64bits(have) == math.Float64bits(v):
		b.Refs[row] = 0 // it is there
	default:
		b.refuse(row, Duplicate)
	}
}

// smaller orders the values of a series; a NaN is larger than any number.
func smaller(a, b float64, kind metricdef.Kind) bool {
	if kind == metricdef.KindInt {
		return WordInt(a) < WordInt(b)
	}
	return a < b || math.IsNaN(b) && !math.IsNaN(a)
}

// valueAt is the visible value that a series has at a time, as it is applied. It rarely reads a file, since recall has done so.
func (s *Store) valueAt(r *Reader, at moment, sr *series) (float64, bool) {
	sh := s.shardOf(at.ref)
	sh.mu.RLock()
	newer := sr.flags&hasData == 0 || at.t > sr.newest
	sh.mu.RUnlock()
	if newer || s.Read(context.Background(), r, at.ref, at.t, at.t+1) != nil {
		return 0, false
	}
	for i, t := range r.Times {
		if t == at.t {
			return r.Values[i], true
		}
	}
	return 0, false
}

// recall reads the samples that a batch may repeat, before the sequencer's lock is taken: chunks that only a file holds come back into
// memory, or at least the file into the kernel's. It costs nothing until a series has refused samples.
func (s *Store) recall(b *Batch) {
	if !s.refusing.Load() {
		return
	}
	var r *Reader
	for i, ref := range b.Refs {
		if ref == 0 {
			continue
		}
		sr := s.table.at(ref)
		if sr == nil {
			continue
		}
		if pol := sr.policy.Load(); pol != nil && pol.Duplicates == policy.RefuseDifferent {
			if r == nil {
				r = readers.Get().(*Reader)
			}
			s.valueAt(r, moment{ref, b.Times[i]}, sr)
		}
	}
	if r != nil {
		r.release()
	}
}
