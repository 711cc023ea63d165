package measures

import (
	"context"
	"fmt"
	"sync"
	"time"

	"granary/measures/journal"
	"granary/metricdef"
	"granary/metricdef/resource"
	"granary/tenant"
)

// committer writes groups to the journal and applies them, one at a time and in order.
type committer struct {
	mu sync.Mutex

	// Under mu.
	spare   *journal.Group
	writing []*pending
	refused refusals
}

// refusals is what the journal did not take since it last took something.
type refusals struct {
	writes int
	logged time.Time // when it was last said; zero: the journal takes writes
}

// refusalLog is how often it is said that the journal does not take writes.
const refusalLog = 10 * time.Second

// sayRefused logs that writes are refused, at once and then now and again. REQUIRES: s.com.mu.
func (s *Store) sayRefused(writes int, cause error) {
	r := &s.com.refused
	r.writes += writes
	if now := s.o.Now(); r.logged.IsZero() || now.Sub(r.logged) >= refusalLog {
		r.logged = now
		s.o.Logger.Error("the journal does not take writes", "error", cause, "refused", r.writes)
	}
}

// sayTaken logs that writes are taken again, if they were refused. REQUIRES: s.com.mu.
func (s *Store) sayTaken() {
	if r := &s.com.refused; !r.logged.IsZero() {
		s.o.Logger.Info("the journal takes writes again", "refused", r.writes)
		*r = refusals{}
	}
}

// keepGroup is how many bytes of a commit buffer are kept for the next group.
const keepGroup = 512 << 10

// commit waits until p is in the journal and applied. Whoever comes first writes for all that are waiting; the others
// find their write done.
func (s *Store) commit(p *pending) error {
	s.com.mu.Lock()
	defer s.com.mu.Unlock()
	if p.done {
		return p.err
	}
	q := &s.seq
	q.mu.Lock()
	group, list, undone, segment := q.group, q.waiting, len(q.undo), q.segment
	q.group, q.waiting = s.com.spare, s.com.writing[:0]
	s.com.spare, s.com.writing = group, list
	q.duplicates.swap()
	// A new journal segment begins between two groups, while nothing is sequenced: what is sequenced for a segment must
	// be written to it, or its dictionary would be wrong.
	rotate := s.log.Size()+int64(group.Len()) > s.o.JournalSegment || s.rotate.Swap(false)
	if !rotate {
		q.mu.Unlock()
	}
	err := s.log.Append(group)
	if err == nil {
		s.journaled.Add(int64(group.Len()))
	}
	if err == nil && rotate {
		if rerr := s.log.Rotate(); rerr != nil {
			s.o.Logger.Warn("journal segment could not be ended", "error", rerr)
		}
		s.beginSegment()
	}
	if !rotate && err == nil && s.log.Segment()+1 != segment {
		// The log went on in another segment by itself, since the medium had failed it. Series are named there when they
		// are written next.
		q.mu.Lock()
		s.beginSegment()
		q.mu.Unlock()
	}
	if rotate {
		q.mu.Unlock()
	}
	group.Reset()
	if cap(group.Buf) > keepGroup {
		group.Buf = nil
	}
	if err != nil {
		s.fail(list, err)
		return p.err
	}
	s.sayTaken()
	for _, w := range list {
		s.apply(w)
		w.done, w.fresh, w.named, w.updates, w.grids, w.accounts = true, nil, nil, nil, nil, nil
	}
	clear(list)
	s.settle(undone)
	return p.err
}

// settle forgets how to undo what is committed now: the first n steps.
func (s *Store) settle(n int) {
	if n == 0 && !s.refusing.Load() {
		return
	}
	q := &s.seq
	q.mu.Lock()
	q.duplicates.forget()
	for _, u := range q.undo[:n] {
		switch u.what {
		case undoReserve:
			if sr := s.table.at(u.ref); sr.state == reserved { // else a call has ended it already
				sr.state = live
			}
		}
	}
	rest := q.undo[n:]
	q.undo = append(recycle(q.undo), rest...)
	q.mu.Unlock()
}

// fail answers the writes of a group that the journal did not take, and those that were sequenced behind it and may stand
// on it, and takes back what the sequencer did for them. REQUIRES: s.com.mu.
func (s *Store) fail(list []*pending, cause error) {
	q := &s.seq
	q.mu.Lock()
	defer q.mu.Unlock()
	err := unavailable("journal-unavailable", cause, "the journal does not take writes")
	for i := len(q.undo) - 1; i >= 0; i-- {
		s.takeBack(q.undo[i])
	}
	q.undo = q.undo[:0]
	q.duplicates.forget()
	q.duplicates.swap()
	q.duplicates.forget()
	failed := len(list) + len(q.waiting)
	for _, l := range [][]*pending{list, q.waiting} {
		for _, w := range l {
			if w.batch != nil {
				s.resetTops(w.batch.Refs)
			}
			w.done, w.err = true, err
		}
		clear(l)
	}
	q.waiting = q.waiting[:0]
	q.group.Reset()
	q.next = s.log.Last().Seq + 1
	s.beginSegment()
	s.failures.Add(1)
	s.sayRefused(failed, cause)
}

// takeBack takes back one thing that the sequencer did. REQUIRES: s.seq.mu.
func (s *Store) takeBack(u undo) {
	sr := s.table.at(u.ref)
	switch u.what {
	case undoReserve:
		s.Definitions.Withdraw(u.ref)
		sr.state, sr.anchored, sr.takes = unused, false, 0
	case undoDictionary:
		sr.dictionary = 0
	case undoGrid:
		sr.grid, sr.last, sr.anchored = u.grid, u.time, u.grid.step != 0
	case undoMark:
		sr.lowMark = u.time
	case undoRemove:
		sr.state = live
	case undoLeave:
		s.Tenants.Return(u.tenant)
		s.endSeries(u.tenant, live)
	case undoTenant:
		s.Tenants.Withdraw(u.tenant)
	case undoPolicies:
		s.Policies.Withdraw()
	}
}

// resetTops lets the newest sequenced samples of some series be the newest applied ones, since all behind those has failed.
// REQUIRES: s.com.mu and s.seq.mu.
func (s *Store) resetTops(refs []metricdef.Ref) {
	for _, ref := range refs {
		if ref != 0 {
			s.shardOf(ref).resetTop(ref, s.table.at(ref))
		}
	}
}

// beginSegment makes the journal segment that is written next the one that the dictionary is kept for. REQUIRES: s.seq.mu.
func (s *Store) beginSegment() {
	s.seq.segment = s.log.Segment() + 1
	s.seq.tenants = make(map[tenant.Num]bool)
	s.seq.resources, s.seq.types = make(map[resource.Ref]bool), make(map[string]bool)
}

// apply brings one committed write into the state. REQUIRES: s.com.mu.
func (s *Store) apply(p *pending) {
	s.applying = p.seq
	if p.first != nil {
		p.first()
	}
	for rest := p.fresh; len(rest) > 0; {
		n, ref, err := s.Definitions.Apply(rest)
		if err != nil {
			panic("measures: own definition record: " + err.Error())
		}
		s.learn(ref)
		rest = rest[n:]
	}
	if len(p.updates) > 0 {
		if err := s.applyUpdates(p.updates); err != nil {
			panic("measures: own definition record: " + err.Error())
		}
	}
	s.applyAccount(p)
	switch {
	case p.apply != nil:
		p.apply()
	case p.batch != nil:
		for _, c := range p.grids {
			s.applyGrid(c)
		}
		b := p.batch
		if len(b.numbers) == 0 {
			s.applySamples(b.Refs, b.Times, b.Values, p.wrote)
		} else {
			s.applySamples(b.numbers, b.Times, b.Values, p.wrote)
			s.applyTexts(b, p.wrote)
		}
	}
	s.catalog.Advance(p.seq)
	s.applied.Store(p.seq)
}

// applySamples applies rows in order; those with the ref 0 are left out.
func (s *Store) applySamples(refs []metricdef.Ref, times []int64, values []float64, wrote int64) {
	var sh *shard
	var held metricdef.Ref // block of the shard that is locked, plus one
	var blk *block
	blocks := *s.table.blocks.Load()
	dating := s.policies.dating.Load()
	for i, ref := range refs {
		if ref == 0 {
			continue
		}
		if n := ref/blockSeries + 1; n != held {
			if sh != nil {
				sh.mu.Unlock()
			}
			held, sh, blk = n, s.shardOf(ref), blocks[n-1]
			sh.mu.Lock()
		}
		sr := &blk[ref%blockSeries]
		sh.bill(sr)
		sh.put(ref, sr, times[i], values[i], wrote)
		if dating && wrote > times[i] {
			s.noteWrite(sh, ref, sr, times[i], wrote)
		}
	}
	if sh != nil {
		sh.mu.Unlock()
	}
}

// applyGrid begins a new grid of a series. What the head holds belongs to the old one.
func (s *Store) applyGrid(c gridChange) {
	sr, sh := s.table.at(c.ref), s.shardOf(c.ref)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.setGrid(c.ref, sr, c.grid)
}

// setGrid is applyGrid under the lock. REQUIRES: sh.mu.
func (sh *shard) setGrid(ref metricdef.Ref, sr *series, g grid) {
	if sr.era == g {
		return
	}
	sh.bill(sr)
	if sr.values != 0 {
		sh.seal(ref, sr)
	}
	if len(sr.chunks) > 0 {
		old := append(sh.eras[ref], sr.era)
		sh.setEras(ref, old)
		sr.flags |= hasEras
		for i := range sr.chunks {
			if e := &sr.chunks[i]; e.shape&shapeOwn == 0 && e.shape.eraIndex() == 0 {
				e.shape |= shape(len(old)) << shapeEra
			}
		}
	}
	sr.era = g
}

// shardOf is the shard that keeps a ref: blocks of refs are dealt in turn, by a rule that the manifest fixes.
func (s *Store) shardOf(ref metricdef.Ref) *shard {
	return s.shards[int(ref/blockSeries)%len(s.shards)]
}

// change sequences and commits one record that is not samples. prepare runs under the sequencer's lock and returns the
// payload, nil if there is nothing to do; apply runs when the record is in the journal.
func (s *Store) change(ctx context.Context, kind journal.Kind, prepare func(wrote int64) ([]byte, error), apply func()) error {
	if err := s.writable(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.changeNow(kind, prepare, apply)
}

// changeNow is change without asking whether writes are taken: for what the store itself does.
func (s *Store) changeNow(kind journal.Kind, prepare func(wrote int64) ([]byte, error), apply func()) error {
	p, err := s.sequenceChange(kind, prepare, apply)
	if p == nil {
		return err
	}
	return s.commit(p)
}

// sequenceChange is the first half of changeNow: the caller commits what it returns, if that is not nil.
func (s *Store) sequenceChange(kind journal.Kind, prepare func(wrote int64) ([]byte, error), apply func()) (*pending, error) {
	p := &pending{apply: apply, wrote: s.o.Now().UnixNano()}
	s.seq.mu.Lock()
	defer s.seq.mu.Unlock()
	if s.seq.closed {
		return nil, errClosed
	}
	payload, err := prepare(p.wrote)
	if err == nil && len(payload) > journal.MaxRecord {
		err = &Error{kind: "over limit", code: "journal-record-too-large", text: fmt.Sprintf("a record of kind %d would have %d bytes, at most %d are possible", kind, len(payload), journal.MaxRecord)}
	}
	if err != nil || payload == nil {
		return nil, err
	}
	switch kind {
	case recRemove:
		s.accountRemoval(p, payload)
	case recReads:
		p.accounts = payload
	}
	s.record(kind, p, func(b []byte) []byte { return append(b, payload...) })
	s.seq.waiting = append(s.seq.waiting, p)
	return p, nil
}
