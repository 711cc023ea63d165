package measures

import (
	"context"
	"sync"

	"granary/measures/journal"
	"granary/metricdef"
	"granary/metricdef/resource"
	"granary/policy"
	"granary/tenant"
	"granary/tenant/usage"
)

// rowsPerRecord keeps a samples record below the journal's limit whatever its refs and times are.
const rowsPerRecord = 20_000

// definitionBytes is about how many bytes of definitions go into one record.
const definitionBytes = 128 << 10

// Times that a series may have, about 1824 to 2116: inside, differences of times do not overflow.
const (
	minTime = -1 << 62
	maxTime = 1 << 62
)

// sequencer decides what a write means and in which order: it resolves unknown series, fixes the slot time of every
// sample and puts the records into the commit group. There is one a partition.
type sequencer struct {
	mu sync.Mutex

	// Under mu.
	next    uint64 // sequence number of the next record
	group   *journal.Group
	waiting []*pending
	segment uint64 // journal segment that the group will go to, plus one
	closed  bool
	undo    []undo

	// What this segment names already: tenants, resources, and types of those.
	tenants   map[tenant.Num]bool
	resources map[resource.Ref]bool
	types     map[string]bool

	// Scratch.
	unnamed []metricdef.Ref // refs that this segment's dictionary lacks
	grids   []gridChange
	key     []byte
	texts   textWriter

	duplicates duplicates
	memory     memoryRoom
}

// pending is one write between the sequencer and its acknowledgement.
type pending struct {
	// first is applied before all else, apply behind it; neither can fail.
	first, apply func()
	batch        *Batch // instead of apply: samples
	fresh        []byte // definitions to show to readers before the batch is applied
	// updates are the definitions that change, as they are from now on.
	updates []byte
	grids   []gridChange // grids that begin with the batch
	named   []byte       // definitions that the journal's segment names again
	// accounts are what the write counts for, entry is that of a batch; its tenant is 0 if there is none.
	accounts []byte
	entry    usage.Entry
	wrote    int64
	// low and high are what the times of samples have to lie between.
	low, high int64
	seq       uint64 // last record of this write
	done      bool   // under the committer's lock, as err is
	err       error
}

// undo is what the sequencer did for a group that may still fail.
type undo struct {
	ref    metricdef.Ref
	what   undoKind
	grid   grid
	time   int64
	tenant tenant.Num
}

type undoKind uint8

const (
	undoReserve    undoKind = iota // withdraw the definition
	undoDictionary                 // the segment does not name the series
	undoGrid                       // back to the grid, last slot time
	undoMark                       // back to the low-water mark
	undoRemove                     // the series lives
	undoTenant                     // withdraw the tenant
	undoPolicies                   // withdraw what was sequenced of policies and rules
	undoLeave                      // the tenant and its series live
)

// Commit stores a batch: it returns when the samples are in the journal and can be read. Rows that were not stored are
// told in b.Stale and b.Refused. An error means that nothing of the batch was stored.
func (s *Store) Commit(ctx context.Context, b *Batch) error {
	if err := s.writable(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(b.Refs) == 0 {
		return nil
	}
	p := &b.pending
	*p = pending{batch: b, wrote: s.o.Now().UnixNano()}
	num := s.ownerOf(b)
	standing := s.Tenants.Standing(num)
	s.recall(b)

	s.seq.mu.Lock()
	if s.seq.closed {
		s.seq.mu.Unlock()
		return errClosed
	}
	if !b.Admitted {
		// Whoever was let in may have met others that were let in at the same moment. Only here one sees what they have stored.
		if err := s.Tenants.CheckRate(num, p.wrote); err != nil {
			s.seq.mu.Unlock()
			standing.Refuse(tenant.LimitSamplesPerSecond, len(b.Refs))
			return err
		}
	}
	s.sequence(p)
	b.charge(standing, p.wrote)
	if p.seq == 0 {
		if len(b.Stale) == 0 && !s.seq.duplicates.waits {
			s.seq.mu.Unlock()
			return nil
		}
		// A removal may be on its way. The writer asks again when this returns, and must not meet it once more. Or the
		// batch repeats what is on its way, and that may fail.
		p.seq = s.seq.next - 1
	}
	s.seq.waiting = append(s.seq.waiting, p)
	s.seq.mu.Unlock()
	err := s.commit(p)
	if err != nil {
		standing.Charge(p.wrote, -b.stored())
	}
	return err
}

// sequence turns the rows of a batch into records of the group; p.seq is the last of them, 0 if there is none. Rows that
// are refused get the ref 0. There may be records although no row is stored: what they say has been decided.
//
// REQUIRES: s.seq.mu.
func (s *Store) sequence(p *pending) {
	b, q := p.batch, &s.seq
	p.bounded(s.Tenants.Standing(s.ownerOf(b)).Limits())
	q.unnamed, q.grids = recycle(q.unnamed), recycle(q.grids)
	// Of a tenant that is gone nothing is taken, whatever the refs say: the writer asks for the name again.
	gone := b.Tenant != 0 && s.Tenants.Gone(b.Tenant)
	made := 0
	if !gone {
		made = s.resolve(p)
	}
	generation := s.Policies.Generation()
	hasTexts := len(b.Texts)+len(b.Tags) > 0
	windowed := false
	q.duplicates.waits = false
	for i, ref := range b.Refs {
		if gone {
			b.Stale = append(b.Stale, i)
			b.Refs[i] = 0
			continue
		}
		if ref == 0 {
			continue // refused by resolve
		}
		sr := s.table.at(ref)
		if sr == nil || sr.state == unused || sr.state == dead {
			b.Stale = append(b.Stale, i)
			b.Refs[i] = 0
			continue
		}
		t := b.Times[i]
		if t <= p.low || t >= p.high {
			b.refuse(i, p.outside(t))
			continue
		}
		if sr.takes == 0 {
			sr.takes = s.Definitions.Kind(ref)
		}
		if (sr.takes != metricdef.KindFloat || len(b.kinds) > 0) && !b.fit(i, sr.takes) {
			b.refuse(i, WrongKind)
			continue
		}
		if hasTexts && b.tooLong(i, s.o.MaxText) {
			b.refuse(i, TextTooLong)
			continue
		}
		// Readers refresh the policy too, so it being the present one does not tell that the grid fits it.
		pol := sr.policy.Load()
		if pol == nil || pol.checked.Load() != generation || uint64(sr.dictionary) != q.segment || int64(pol.Grid) != sr.grid.step {
			pol = s.touch(ref, sr, t)
		}
		if g := &sr.grid; g.step != 0 {
			// The guess: the slot behind the last one, or the same again.
			switch d := uint64(t - sr.last + g.half); {
			case d-uint64(g.step) < uint64(g.step):
				sr.last += g.step
			case d < uint64(g.step):
			default:
				sr.last = g.time(g.slot(t))
			}
			t = sr.last
			b.Times[i] = t
		}
		if t < sr.lowMark && sr.lowMark != 0 {
			b.refuse(i, Freed)
			continue
		}
		if plan := pol.tiers; plan != nil && plan.bounded() {
			// The window is where it was before the batch.
			if windowed = true; sr.top != 0 && plan.refuses(t, sr.top, p.wrote) {
				b.refuse(i, OutsideWindow)
			}
		} else if t > sr.top {
			sr.top = t
		}
		if pol.Duplicates != policy.LastWins && b.Refs[i] != 0 {
			s.duplicate(b, i, sr, pol.Duplicates)
		}
	}
	q.duplicates.met.end()
	if windowed {
		for i, ref := range b.Refs {
			if ref != 0 {
				sr := s.table.at(ref)
				sr.top = max(sr.top, b.Times[i])
			}
		}
	}
	s.appendDictionary(p)
	for grids := q.grids; len(grids) > 0; {
		n := min(len(grids), rowsPerRecord)
		q.group.Begin(recGrids, p.wrote)
		q.group.Buf = appendGrids(q.group.Buf, grids[:n])
		s.end(p)
		p.grids = append(p.grids, grids[:n]...)
		grids = grids[n:]
	}
	if p.entry = s.entryOf(b, made); p.entry.Tenant != 0 {
		q.group.Begin(recAccount, p.wrote)
		q.group.Buf = usage.AppendEntry(usage.AppendAccount(q.group.Buf), &p.entry)
		s.end(p)
	}
	refs := b.Refs
	b.numbers = b.numbers[:0]
	if hasTexts {
		b.splitTexts()
		refs = b.numbers
	}
	for from := 0; from < len(refs); from += rowsPerRecord {
		to := min(from+rowsPerRecord, len(refs))
		if !anyRef(refs[from:to]) {
			continue
		}
		q.group.Begin(recSamples, p.wrote)
		q.group.Buf = appendSamples(q.group.Buf, refs[from:to], b.Times[from:to], b.Values[from:to], b.kindsOf(from, to))
		s.end(p)
	}
	if hasTexts {
		s.appendTextRecords(p)
	}
}

func anyRef(refs []metricdef.Ref) bool {
	for _, r := range refs {
		if r != 0 {
			return true
		}
	}
	return false
}

func (b *Batch) refuse(row int, why Reason) {
	b.Refused[why]++
	b.Refs[row] = 0
	if len(b.Refusals) < maxRefusals {
		b.Refusals = append(b.Refusals, Refusal{row, why})
	}
}

// record puts one record into the group. REQUIRES: s.seq.mu.
func (s *Store) record(kind journal.Kind, p *pending, payload func([]byte) []byte) {
	s.seq.group.Begin(kind, p.wrote)
	s.seq.group.Buf = payload(s.seq.group.Buf)
	s.end(p)
}

// end closes the open record of the group. REQUIRES: s.seq.mu.
func (s *Store) end(p *pending) {
	if err := s.seq.group.End(s.seq.next); err != nil {
		// Every caller bounds its payload below the journal's limit.
		panic("measures: " + err.Error())
	}
	p.seq = s.seq.next
	s.seq.next++
}

// resolve gives each draft of the batch its ref, reserving definitions that nobody has made, and says how many those are.
// REQUIRES: s.seq.mu.
func (s *Store) resolve(p *pending) (made int) {
	b := p.batch
	var there tenant.Num // known to be there
	for i := range b.Drafts {
		d := &b.Drafts[i]
		d.Ref = 0
		if d.Def.Tenant != there {
			if s.Tenants.Gone(d.Def.Tenant) {
				// It was deleted. The writer asks for the name again and makes another one.
				for row := d.At; row <= d.At+d.More; row++ {
					b.Stale = append(b.Stale, row)
					b.Refs[row] = 0
				}
				continue
			}
			there = d.Def.Tenant
		}
		refused := false // there is no room for the series
		var why Reason
		for row := d.At; row <= d.At+d.More; row++ {
			switch t := b.Times[row]; {
			case t <= p.low || t >= p.high:
				// A definition goes into the journal with its first sample, so that one without must not be made.
				b.refuse(row, p.outside(t))
				continue
			case refused:
				b.refuse(row, why)
				continue
			case d.Ref == 0:
				var fresh bool
				if d.Ref, fresh, why = s.resolveRow(p, d, row); d.Ref == 0 {
					b.refuse(row, why)
					refused = why != WrongKind && why != TextTooLong
					continue
				}
				if fresh {
					made++
				}
			}
			b.Refs[row] = d.Ref
		}
	}
	return made
}

// resolveRow finds the series that a draft names, or makes it for the sample in a row. The ref is 0 if it does not, and why says why.
// REQUIRES: s.seq.mu.
func (s *Store) resolveRow(p *pending, d *Draft, row int) (ref metricdef.Ref, fresh bool, why Reason) {
	b, q := p.batch, &s.seq
	q.key = metricdef.AppendKey(q.key[:0], d.Def.Name, d.Def.Tags)
	ref, ok := s.Definitions.Resolve(d.Def.Tenant, d.Def.Type, q.key)
	if ok {
		if sr := s.table.grow(ref); sr.state == unused {
			sr.state = live // it came from the catalog, and nothing on disk has a sample of it
		}
		return ref, false, 0
	}
	if !b.fit(row, d.Def.Values()) {
		return 0, false, WrongKind
	}
	if b.tooLong(row, s.o.MaxText) {
		return 0, false, TextTooLong
	}
	ref, err := s.reserve(&d.Def, p.wrote)
	if ref == 0 {
		return 0, false, reasonOf(err)
	}
	return ref, true, 0
}

// touch is the slow side of a row: the series is new, its policy may have changed, or this journal segment does not
// name it yet. t is the time of the sample, the anchor of a grid that begins. It returns the policy. REQUIRES: s.seq.mu.
func (s *Store) touch(ref metricdef.Ref, sr *series, t int64) *policyState {
	q := &s.seq
	if uint64(sr.dictionary) != q.segment {
		q.unnamed = append(q.unnamed, ref)
		q.undo = append(q.undo, undo{ref: ref, what: undoDictionary})
		sr.dictionary = uint32(q.segment)
	}
	pol := s.policyOf(ref, sr)
	if sr.takes == metricdef.KindText {
		return pol // texts keep their own times
	}
	if step := int64(pol.Grid); step != sr.grid.step || !sr.anchored {
		q.undo = append(q.undo, undo{ref: ref, what: undoGrid, grid: sr.grid, time: sr.last})
		sr.grid = grid{}
		if step != 0 {
			sr.grid = newGrid(t, step)
		}
		sr.last, sr.anchored = t, true
		q.grids = append(q.grids, gridChange{ref, sr.grid})
	}
	return pol
}

// nameTenant puts a tenant into the present journal segment, with the policies that it sees. REQUIRES: s.seq.mu.
func (s *Store) nameTenant(p *pending, num tenant.Num) {
	if !s.seq.tenants[num] {
		s.seq.tenants[num] = true
		s.record(recTenants, p, func(b []byte) []byte { return s.Tenants.AppendRecord(b, num) })
		s.nameScopes(p, num)
	}
}

// appendDictionary names the series that this segment does not know, with their tenants and resources: new ones under a kind of their own, since only
// those change the state. REQUIRES: s.seq.mu.
func (s *Store) appendDictionary(p *pending) {
	q := &s.seq
	for _, ref := range q.unnamed {
		s.nameTenant(p, s.Definitions.Owner(ref))
		s.nameResource(p, resource.Ref{Tenant: s.Definitions.Owner(ref), ID: s.Definitions.Belongs(ref)})
	}
	for _, kind := range [...]journal.Kind{recDefinitions, recDictionary} {
		start, open := 0, false
		for _, ref := range q.unnamed {
			if (s.table.at(ref).state == reserved) != (kind == recDefinitions) {
				continue
			}
			if !open {
				q.group.Begin(kind, p.wrote)
				start, open = len(q.group.Buf), true
			}
			mark := len(q.group.Buf)
			q.group.Buf = s.Definitions.AppendRecord(q.group.Buf, ref)
			if kind == recDefinitions {
				p.fresh = append(p.fresh, q.group.Buf[mark:]...)
			} else {
				p.named = append(p.named, q.group.Buf[mark:]...)
			}
			if len(q.group.Buf)-start >= definitionBytes {
				s.end(p)
				open = false
			}
		}
		if open {
			s.end(p)
		}
	}
}
