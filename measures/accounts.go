package measures

import (
	"context"
	"math"
	"slices"
	"time"

	"granary/measures/journal"
	"granary/metricdef"
	"granary/metricdef/catalog"
	"granary/tenant"
	"granary/tenant/usage"
)

// What tenants use is told to the ledger record by record: live when a write is applied, at a start when its records are replayed.
// Both see the same records in the same order, so that both come to the same.

// newLedger makes the ledger of a store.
func (s *Store) newLedger() *usage.Ledger {
	o := s.o.Usage
	o.TenantID, o.Series, o.Store, o.Now, o.Logger = s.Tenants.ID, s.nodeTags, ledgerStore{s}, s.o.Now, s.o.Logger
	return usage.New(o)
}

// nodeTags are the tags of a series as it is now, for the ledger, which asks if no record has told it.
func (s *Store) nodeTags(series uint32) (tenant.Num, func(string) string, bool) {
	d, ok := s.Definitions.Get(metricdef.Ref(series))
	if !ok {
		return 0, nil, false
	}
	return d.Tenant, func(name string) string {
		for _, list := range [...][]metricdef.Tag{d.Tags, d.Plain} {
			for _, t := range list {
				if t.Name == name {
					return t.Value
				}
			}
		}
		return ""
	}, true
}

// nameSeries tells the ledger of definitions as a record has them.
func (s *Store) nameSeries(payload []byte) {
	r := &s.account.reader
	for len(payload) > 0 {
		n, err := r.Read(payload)
		if err != nil {
			return // whoever applies the record says so
		}
		s.Usage.Name(uint32(r.Ref()), r.Tenant(), r.Tag)
		payload = payload[n:]
	}
}

// accounting is what the appliers of records need for the ledger.
type accounting struct {
	reader metricdef.RecordReader // under com.mu, or recovery's

	// Of replay.
	from    uint64 // records up to here are in the ledger
	counted uint64 // accounts up to here are not counted; the same, unless the ledger does not know
	subject string // who wrote the rows that follow
	left    uint64 // how many they are
	batch   Batch  // scratch
}

// entryOf makes the account of a batch; made is how many series it makes. Its tenant is 0 if there is nothing to say.
//
// REQUIRES: s.seq.mu.
func (s *Store) entryOf(b *Batch, made int) usage.Entry {
	e := usage.Entry{Tenant: b.Tenant, Subject: b.Subject}
	first := metricdef.Ref(0)
	rows := uint64(0)
	for _, ref := range b.Refs {
		if ref != 0 {
			rows++
			first = ref
		}
	}
	counted := b.shareBytes()
	if rows == 0 && made == 0 {
		return usage.Entry{}
	}
	switch {
	case e.Tenant != 0:
	case first != 0:
		e.Tenant = s.Definitions.Owner(first)
	default:
		e.Tenant = b.Drafts[0].Def.Tenant
	}
	e.Samples, e.Created = rows, uint64(made)
	e.Bytes = uint64(counted)
	return e
}

// shareBytes says how many bytes of a batch count for its tenant: those of each line, or item, of which something is stored. What is
// refused as a whole does not count; what is stale is in Left, and comes again.
//
// REQUIRES: the rows are sequenced.
func (b *Batch) shareBytes() (counted int64) {
	counted, b.Left = max(b.Bytes, 0), 0
	if !slices.Contains(b.Refs, 0) {
		return counted
	}
	if b.Pieces == nil {
		none := 0
		for _, ref := range b.Refs {
			if ref == 0 {
				none++
			}
		}
		share := func(rows int) int64 { return int64(float64(counted) * float64(rows) / float64(len(b.Refs))) }
		b.Left = share(len(b.Stale))
		return counted - share(none)
	}
	stale := b.Stale
	for row := 0; row < len(b.Refs); {
		number, size := b.Pieces.Piece(row)
		stored, comes := false, false
		for row < len(b.Refs) {
			if n, _ := b.Pieces.Piece(row); n != number {
				break
			}
			stored = stored || b.Refs[row] != 0
			for len(stale) > 0 && stale[0] <= row {
				comes = comes || stale[0] == row
				stale = stale[1:]
			}
			row++
		}
		switch {
		case stored:
			continue
		case comes:
			b.Left += size
		}
		counted -= size
	}
	return max(counted, 0)
}

// appendAccount puts an account in front of the records that it is about. REQUIRES: s.seq.mu.
func (s *Store) appendAccount(p *pending, payload []byte) {
	p.accounts = payload
	s.record(recAccount, p, func(b []byte) []byte { return append(b, payload...) })
}

// appendChanges accounts for series that are made and ended without samples. REQUIRES: s.seq.mu.
func (s *Store) appendChanges(p *pending, made, ended map[tenant.Num]uint64) {
	if len(made)+len(ended) > 0 {
		s.appendAccount(p, accountOf(made, ended))
	}
}

// accountOf is the account of series that are made and ended without samples.
func accountOf(made, ended map[tenant.Num]uint64) []byte {
	payload := usage.AppendAccount(nil)
	for t, n := range made {
		payload = usage.AppendEntry(payload, &usage.Entry{Tenant: t, Counts: usage.Counts{Created: n}})
	}
	for t, n := range ended {
		payload = usage.AppendEntry(payload, &usage.Entry{Tenant: t, Counts: usage.Counts{Removed: n}})
	}
	return payload
}

// accountRemoval accounts for the series that a removal record ends. REQUIRES: s.seq.mu.
func (s *Store) accountRemoval(p *pending, payload []byte) {
	refs, err := decodeRefs(payload)
	if err != nil {
		panic("measures: own removal record: " + err.Error())
	}
	ended := make(map[tenant.Num]uint64)
	for _, ref := range refs {
		if num := s.Definitions.Owner(ref); num != 0 {
			ended[num]++
		}
	}
	s.appendChanges(p, nil, ended)
}

// applyAccount tells the ledger of a committed write. REQUIRES: s.com.mu.
func (s *Store) applyAccount(p *pending) {
	s.nameSeries(p.fresh)
	s.nameSeries(p.named)
	s.nameSeries(p.updates)
	if p.accounts != nil {
		s.countAccount(p.accounts, p.wrote)
	}
	if b := p.batch; b != nil && p.entry.Tenant != 0 {
		s.Usage.Begin(&p.entry, p.wrote)
		usage.Rows(s.Usage, b.Refs, b.Times)
		s.Usage.End()
	}
}

// countAccount tells the ledger of an account that stands for no rows.
func (s *Store) countAccount(payload []byte, wrote int64) {
	err := usage.ParseAccount(payload, func(e *usage.Entry) { s.Usage.Count(e.Tenant, wrote, &e.Counts) })
	if err != nil {
		panic("measures: own account: " + err.Error())
	}
}

// replayAccount tells the ledger of a record that it does not have yet, and of what any record says about series.
//
// Samples that the store replays too are decoded only once, and told to replayRows by it.
func (s *Store) replayAccount(r journal.Record, held bool) error {
	a := &s.account
	switch r.Kind {
	case recTogether:
		return eachPart(&r, func(part journal.Record) error { return s.replayAccount(part, held) })
	case recDefinitions, recDictionary, recUpdate:
		s.nameSeries(r.Payload)
	}
	if r.Pos.Seq <= a.from {
		return nil
	}
	switch r.Kind {
	case recAccount, recReads:
		a.subject, a.left = "", 0
		err := usage.ParseAccount(r.Payload, func(e *usage.Entry) {
			if r.Pos.Seq > a.counted {
				s.Usage.Count(e.Tenant, r.Time, &e.Counts)
			}
			// Whoever wrote the rows may be the user of their nodes, which are found out in any case.
			a.subject, a.left = e.Subject, e.Samples
		})
		if err != nil {
			return &DamagedError{Kind: r.Kind, Reason: err.Error()}
		}
	case recSamples:
		if !held {
			return nil
		}
		a.batch.Reset()
		if err := decodeSamples(r.Payload, &a.batch); err != nil {
			return err
		}
		s.replayRows(r.Pos.Seq, a.batch.Refs, a.batch.Times)
	case recTexts:
		refs, times := a.batch.Refs[:0], a.batch.Times[:0]
		err := decodeTexts(r.Payload, func(t textRow) {
			if t.which == valueTexts {
				refs, times = append(refs, t.ref), append(times, t.time)
			}
		})
		if err == nil { // else whoever applies the record says so
			s.replayRows(r.Pos.Seq, refs, times)
		}
		a.batch.Refs, a.batch.Times = refs, times
	}
	return nil
}

// replayRows tells the ledger of the rows of a record.
func (s *Store) replayRows(seq uint64, refs []metricdef.Ref, times []int64) {
	a, n := &s.account, uint64(len(refs))
	if seq <= a.from {
		return
	}
	if a.left < n {
		a.subject = "" // they are not those of the account: it is missing
	}
	a.left -= min(a.left, n)
	s.Usage.Begin(&usage.Entry{Subject: a.subject}, 0)
	usage.Rows(s.Usage, refs, times)
	s.Usage.End()
}

// settleUsage ends the replay of accounts.
func (s *Store) settleUsage() {
	s.account = accounting{}
	for _, num := range s.Tenants.Known() {
		s.Usage.Settle(num, int64(s.Definitions.Count(num)))
	}
}

// JournalReads puts into the journal what queries have read since the last call. It is called once a second: what was not put there
// yet is what a crash loses.
func (s *Store) JournalReads() error {
	for {
		r := s.Usage.Reads()
		if r == nil {
			return nil
		}
		err := s.changeNow(recReads, func(int64) ([]byte, error) { return r.Account, nil }, nil)
		if err != nil {
			s.Usage.Return(r)
			return err
		}
	}
}

// runReads calls JournalReads until ctx ends. What the journal does not take waits for the next second; who writes says why.
func (s *Store) runReads(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			_ = s.JournalReads() // the committer has logged it
		}
	}
}

// saveUsage saves the ledger as it is now, with its position. REQUIRES: s.maintenance.
func (s *Store) saveUsage() error {
	s.com.mu.Lock()
	saving := s.Usage.Take(s.applied.Load())
	s.com.mu.Unlock()
	return s.Usage.Save(saving, s.syncTo)
}

// ledgerStore keeps the ledger in the catalog's file.
type ledgerStore struct{ s *Store }

func (k ledgerStore) View(fn func(usage.Reader) error) error {
	return k.s.catalog.View(func(tx *catalog.Tx) error { return fn(tx) })
}

func (k ledgerStore) Update(fn func(usage.Writer) error) error {
	return k.s.catalog.Update(func(tx *catalog.Tx) error { return fn(tx) })
}

// rescued is what could be read of a damaged ledger.
type rescued struct {
	bucket     string
	key, value []byte
}

// rescueUsage reads what can be read of the ledger in a damaged catalog.
func (s *Store) rescueUsage() (list []rescued) {
	if s.catalog == nil {
		return nil
	}
	for _, bucket := range usage.Buckets {
		err := s.catalog.View(func(tx *catalog.Tx) error {
			return tx.Each(bucket, nil, func(k, v []byte, damaged error) bool {
				if damaged == nil {
					list = append(list, rescued{bucket, append([]byte(nil), k...), append([]byte(nil), v...)})
				}
				return true
			})
		})
		if err != nil {
			s.o.Logger.Error("a part of the usage ledger cannot be read", "bucket", bucket, "error", err)
		}
	}
	return list
}

// restoreUsage writes what was rescued into a new catalog. If nothing tells up to where records are counted, and some are, none of the
// journal's is counted once more.
func (s *Store) restoreUsage(list []rescued) error {
	counted, known := false, false
	err := s.catalog.Update(func(tx *catalog.Tx) error {
		for _, r := range list {
			counted = counted || r.bucket == usage.BucketHours
			known = known || usage.IsPosition(r.bucket, r.key)
			if err := tx.Put(r.bucket, r.key, r.value); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := s.Usage.Load(); err != nil {
		return err
	}
	switch {
	case counted && !known:
		s.account.counted = math.MaxUint64
		s.o.Logger.Error("the usage ledger does not say up to where it has counted: what the journal has is not counted again, and what was used since the ledger was last saved is lost but for the lives of nodes")
	case !counted:
		s.o.Logger.Error("the usage ledger is lost: usage is counted from what the journal still has")
	default:
		s.o.Logger.Warn("usage ledger rescued from a damaged catalog", "entries", len(list))
	}
	return nil
}
