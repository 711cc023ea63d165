package measures

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"granary/measures/journal"
	"granary/measures/segment"
	"granary/metricdef"
	"granary/metricdef/catalog"
	"granary/metricdef/resource"
	"granary/policy"
	"granary/tenant"
	"granary/tenant/identity"
	"granary/tenant/usage"
)

// Recover brings the state back: the catalog, the state file of the last snapshot, the tail of the journal, and then the
// segments. The store is ready when it returns nil.
func (s *Store) Recover(ctx context.Context) error {
	began := time.Now()
	if err := s.loadManifest(); err != nil {
		return err
	}
	catalogLost, err := s.openCatalog()
	if err != nil {
		return err
	}
	if err := s.loadState(); err != nil {
		return err
	}
	s.learnAll()
	if err := s.openJournal(); err != nil {
		return err
	}
	replayed, err := s.replay(ctx)
	if err != nil {
		return err
	}
	s.settleLinks()
	s.settleUsage()
	// A series of which a damaged file has left nothing but the definition takes samples as the others do.
	for ref := range s.Definitions.All() {
		if sr := s.table.grow(ref); sr.state == unused {
			sr.state = live
		}
	}
	s.hideDeleted()
	s.attachSegments(catalogLost)
	for i, sh := range s.shards {
		s.eachOf(i, sh.resetTop)
	}
	s.seq.mu.Lock()
	s.seq.next = s.log.Last().Seq + 1
	s.beginSegment()
	s.seq.mu.Unlock()
	s.applied.Store(s.log.Last().Seq)
	s.lastSnapshot.Store(s.o.Now().UnixNano())
	s.makeRoom()
	if s.impaired {
		// The manifest names what is gone. Were the process to end now, the next start would know less than this one, which
		// has read the damaged files as far as they can be read.
		if err := s.Snapshot(); err != nil {
			s.o.Logger.Error("snapshot behind a start with damaged files failed", "error", err)
		}
	}
	s.ready.Store(true)
	s.o.Logger.Info("recovered", "definitions", s.Definitions.Len(), "replayed_records", replayed.records, "replayed_samples", replayed.samples,
		"skipped", replayed.skipped, "took", time.Since(began).Round(time.Millisecond))
	return nil
}

func (s *Store) loadManifest() error {
	m, err := segment.LoadManifest(s.segmentDir())
	if errors.Is(err, fs.ErrNotExist) {
		m, err = nil, nil
	}
	if err != nil {
		var damaged *segment.DamagedError
		if !errors.As(err, &damaged) {
			return err
		}
		// Without the list the files cannot be trusted to belong together: all are put aside. The journal still has what it
		// has.
		if qerr := s.quarantineAll(err); qerr != nil {
			return errors.Join(err, qerr)
		}
		m = nil
	}
	if m == nil || m.Shards == 0 {
		m = &segment.Manifest{Shards: numShards, NextFile: 1, Positions: make([]uint64, numShards)}
	}
	s.manifest = m
	s.shards = make([]*shard, m.Shards)
	for i := range s.shards {
		s.shards[i] = newShard()
		s.shards[i].copied = uint64(m.NextFile) << 32
	}
	_, err = segment.Sweep(s.segmentDir(), m)
	return err
}

// quarantine puts a file aside. One that is gone already, since it was put aside at a start that no snapshot followed, is
// no error.
func (s *Store) quarantine(name string, reason error) error {
	s.impaired = true
	if errors.Is(reason, fs.ErrNotExist) {
		s.o.Logger.Error("file is missing", "file", name, "error", reason)
		return nil
	}
	s.o.Logger.Error("damaged file put aside", "file", name, "error", reason)
	return segment.Quarantine(filepath.Join(s.o.Dir, "quarantine"), s.segmentPath(name), reason.Error())
}

func (s *Store) quarantineAll(reason error) error {
	list, err := os.ReadDir(s.segmentDir())
	if err != nil {
		return err
	}
	for _, f := range list {
		if err := s.quarantine(f.Name(), reason); err != nil {
			return err
		}
	}
	return nil
}

// openCatalog opens the catalog and loads it. A damaged one is put aside: what could be read of it begins a new one, and the
// dictionaries of the journal's segments name again what is in use.
func (s *Store) openCatalog() (lost bool, err error) {
	path := filepath.Join(s.o.Dir, "definitions.db")
	o := catalog.Options{Logger: s.o.Logger}
	if s.catalog, err = catalog.Open(path, o); err == nil {
		err = s.loadCatalog()
	}
	var damaged *catalog.DamagedError
	if !errors.As(err, &damaged) {
		return false, err
	}
	s.o.Logger.Error("damaged file put aside", "file", path, "error", err)
	used := s.rescueUsage()
	if s.catalog != nil {
		err = s.catalog.Close(nil)
	}
	if qerr := segment.Quarantine(filepath.Join(s.o.Dir, "quarantine"), path, damaged.Error()); qerr != nil {
		return false, errors.Join(err, qerr)
	}
	if s.catalog, err = catalog.Open(path, o); err != nil {
		return false, err
	}
	if err := errors.Join(s.seal(), s.restoreUsage(used)); err != nil {
		return false, err
	}
	s.applying = 1 // the lowest number: everything in the journal is newer
	for _, num := range s.Tenants.Known() {
		sink{s}.Put(tenant.Bucket, binary.BigEndian.AppendUint32(nil, uint32(num)), s.Tenants.AppendRecord(nil, num))
	}
	for _, r := range s.Keys.All() {
		sink{s}.Put(identity.KeyBucket, []byte(r.ID), identity.AppendKey(nil, &r))
	}
	for key, rec := range s.Policies.Records {
		sink{s}.Put(policy.Bucket, key, rec)
	}
	for key, rec := range s.Resources.TypeRecords {
		sink{s}.Put(resource.TypeBucket, key, rec)
	}
	for key, rec := range s.Resources.Records {
		sink{s}.Put(resource.Bucket, key, rec)
	}
	for ref := range s.Definitions.All() {
		sink{s}.Put(metricdef.Bucket, binary.BigEndian.AppendUint32(nil, uint32(ref)), s.Definitions.AppendRecord(nil, ref))
	}
	return true, nil
}

// seal gives the secret of the catalog to what makes cursors.
func (s *Store) seal() error {
	secret, err := s.catalog.Secret()
	if err == nil {
		s.Definitions.Seal(secret)
	}
	return err
}

func (s *Store) loadCatalog() error {
	s.setStep("loading definitions")
	if err := s.seal(); err != nil {
		return err
	}
	damaged := 0
	skip := func(err error) error {
		if err != nil {
			damaged++
			s.o.Logger.Error("entry of the catalog left out", "error", err)
		}
		return nil
	}
	if err := s.catalog.Load(tenant.Bucket, func(_, v []byte) error { return skip(s.Tenants.Restore(v)) }); err != nil {
		return err
	}
	if err := s.catalog.Load(identity.KeyBucket, func(_, v []byte) error { return skip(s.Keys.Restore(v)) }); err != nil {
		return err
	}
	if err := s.catalog.Load(policy.Bucket, func(k, v []byte) error { return skip(s.Policies.Restore(k, v)) }); err != nil {
		return err
	}
	// Resources come first, so that definitions find the tags that they have by them.
	if err := s.catalog.Load(resource.TypeBucket, func(k, v []byte) error { return skip(s.Resources.RestoreType(k, v)) }); err != nil {
		return err
	}
	if err := s.catalog.Load(resource.Bucket, func(k, v []byte) error { return skip(s.Resources.Restore(k, v)) }); err != nil {
		return err
	}
	if err := s.catalog.Load(metricdef.Bucket, func(k, v []byte) error { return skip(s.Definitions.Restore(k, v)) }); err != nil {
		return err
	}
	// What the ledger holds is read when somebody asks. Damage must be found now, when it can be put aside.
	for _, bucket := range usage.Buckets {
		if err := s.catalog.Load(bucket, func(_, _ []byte) error { return nil }); err != nil {
			return err
		}
	}
	return s.Usage.Load()
}

func (s *Store) loadState() error {
	if s.manifest.State == "" {
		return nil
	}
	s.setStep("loading open heads")
	var faults []error
	err := segment.ReadState(s.segmentPath(s.manifest.State), func(i int, b []byte) error {
		if i >= len(s.shards) {
			return fmt.Errorf("section of shard %d, there are %d", i, len(s.shards))
		}
		if err := s.restoreState(i, b); err != nil {
			faults = append(faults, err)
			s.clearShard(i)
			return nil
		}
		s.shards[i].held, s.shards[i].restored = s.manifest.Positions[i], true
		return nil
	})
	if err = errors.Join(append(faults, err)...); err == nil {
		return nil
	}
	// What could be read stays. The heads of the other shards are lost with the file; what the journal still has of them
	// comes back from there.
	if qerr := s.quarantine(s.manifest.State, err); qerr != nil {
		return errors.Join(err, qerr)
	}
	s.manifest.State = ""
	for i, sh := range s.shards {
		s.manifest.Positions[i] = sh.held
	}
	return nil
}

// clearShard takes back what was restored of a shard whose section turned out to be damaged.
func (s *Store) clearShard(i int) {
	s.shards[i].closeHeads()
	s.shards[i] = newShard()
	s.shards[i].copied = uint64(s.manifest.NextFile) << 32
	blocks := *s.table.blocks.Load()
	for n := i; n < len(blocks); n += len(s.shards) {
		if blocks[n] != nil {
			*blocks[n] = block{}
		}
	}
}

func (s *Store) openJournal() error {
	s.setStep("opening the journal")
	log, rec, err := journal.Open(filepath.Join(s.o.Dir, "journal"), journal.Options{
		Sync: s.o.Sync, Interval: s.o.SyncInterval, Quarantine: filepath.Join(s.o.Dir, "quarantine"), Logger: s.o.Logger,
		FS: s.o.journalFS,
	})
	if err != nil {
		return err
	}
	s.log = log
	for _, p := range rec.Cut {
		s.o.Logger.Warn("torn end of the journal cut off", "problem", p)
	}
	for _, p := range rec.Damaged {
		s.o.Logger.Error("damaged part of the journal put aside", "problem", p)
	}
	// At start the next number is above every stored position.
	floor := max(s.catalog.Position(), s.Usage.Position())
	for _, p := range s.manifest.Positions {
		floor = max(floor, p)
	}
	log.SetFloor(floor)
	return nil
}

// raiseRefs keeps a ref that is in use on disk from being given to a new definition, whatever the catalog says.
func (s *Store) raiseRefs(ref metricdef.Ref) {
	if ref >= s.Definitions.Next() {
		s.Definitions.Raise(ref + 1)
	}
}

type replayCounts struct {
	records, samples, skipped int64
	adopted                   map[metricdef.Ref]bool // series whose grid is lost
}

// replay applies what the journal has and the catalog or a shard does not.
func (s *Store) replay(ctx context.Context) (replayCounts, error) {
	s.setStep("replaying the journal")
	from := s.catalog.Position()
	for _, p := range s.manifest.Positions {
		from = min(from, p)
	}
	// The ledger has a position of its own, and needs what the journal's segment said of series before it.
	s.account.from = s.Usage.Position()
	s.account.counted = max(s.account.counted, s.account.from)
	begin := from + 1
	if s.Usage.Position() < s.log.Last().Seq {
		begin = min(begin, s.log.Begins(s.Usage.Position()+1))
	}
	s.progress.target.Store(int64(s.log.Last().Seq - min(begin-1, s.log.Last().Seq)))
	var n replayCounts
	b := new(Batch)
	err := s.log.ReadFrom(ctx, begin, func(r journal.Record) error {
		n.records++
		s.progress.records.Store(n.records)
		err := s.replayAccount(r, r.Pos.Seq <= from)
		if r.Pos.Seq > from {
			s.applying = r.Pos.Seq
			err = errors.Join(err, s.replayRecord(r, b, &n))
		}
		var damaged *DamagedError
		if errors.As(err, &damaged) {
			s.o.Logger.Error("journal record left out", "position", r.Pos.Seq, "error", err)
			return nil
		}
		if err == nil && r.Pos.Seq > from {
			s.catalog.Advance(r.Pos.Seq)
		}
		return err
	})
	s.progress.target.Store(0)
	return n, err
}

func (s *Store) replayRecord(r journal.Record, b *Batch, n *replayCounts) error {
	seq := r.Pos.Seq
	switch r.Kind {
	case recSamples:
		b.Reset()
		if err := decodeSamples(r.Payload, b); err != nil {
			return err
		}
		s.replayRows(seq, b.Refs, b.Times)
		s.skipHeld(b, seq, n)
		s.applySamples(b.Refs, b.Times, b.Values, r.Time)
		n.samples += int64(len(b.Refs))
		return nil
	case recTexts:
		return s.replayTexts(r.Payload, seq, r.Time, n)
	case recDefinitions, recDictionary:
		for rest := r.Payload; len(rest) > 0; {
			used, ref, err := s.Definitions.Apply(rest)
			if err != nil {
				return &DamagedError{Kind: r.Kind, Reason: err.Error()}
			}
			if sr := s.table.grow(ref); sr.state == unused {
				sr.state = live
			}
			s.learn(ref)
			rest = rest[used:]
		}
		return nil
	case recAccount, recReads:
		return nil // replayAccount has looked at it
	case recTypes, recResources, recUnresource:
		if seq <= s.catalog.Position() {
			return nil // the catalog has what became of it
		}
		return s.applyResourceRecord(&r)
	case recNaming:
		if seq <= s.catalog.Position() {
			return nil
		}
		return s.applyNaming(&r)
	case recTogether:
		return eachPart(&r, func(part journal.Record) error { return s.replayRecord(part, b, n) })
	case recTenantState:
		return s.applyTenantState(r.Payload, r.Time)
	case recKeys:
		return s.applyKeys(r.Payload)
	case recDelete:
		span, refs, err := decodeDelete(r.Payload)
		if err != nil {
			return err
		}
		for _, ref := range refs {
			if sr := s.table.grow(ref); sr.state != dead && seq > s.shardOf(ref).held {
				s.applyDelete(ref, span, r.Time, nil, true)
			}
		}
		return nil
	case recUpdate:
		return s.applyUpdates(r.Payload)
	case recGrids:
		return decodeGrids(r.Payload, func(c gridChange) {
			sr, sh := s.table.grow(c.ref), s.shardOf(c.ref)
			if sr.state == dead || seq <= sh.held {
				return
			}
			sr.grid, sr.anchored, sr.last = c.grid, true, c.grid.anchor
			sh.setGrid(c.ref, sr, c.grid)
		})
	case recTenants:
		if _, _, err := s.Tenants.Apply(r.Payload); err != nil {
			return &DamagedError{Kind: r.Kind, Reason: err.Error()}
		}
		return nil
	case recPolicies:
		if err := s.Policies.Apply(r.Payload); err != nil {
			return &DamagedError{Kind: r.Kind, Reason: err.Error()}
		}
		return nil
	case recScopes:
		if err := s.Policies.ApplyScope(r.Payload); err != nil {
			return &DamagedError{Kind: r.Kind, Reason: err.Error()}
		}
		return nil
	case recFree:
		return decodeMarks(r.Payload, func(m lowMark) {
			sr := s.table.grow(m.ref)
			if seq <= s.shardOf(m.ref).held {
				return
			}
			sr.raiseMark(m.time)
			s.applyMark(m, r.Time)
		})
	case recRemove:
		refs, err := decodeRefs(r.Payload)
		if err != nil {
			return err
		}
		for _, ref := range refs {
			s.table.grow(ref).state = dead
		}
		s.applyRemove(refs)
		return nil
	}
	return fmt.Errorf("journal record %d is of kind %d, which this version does not know: it was written by a newer one", seq, r.Kind)
}

// skipHeld blanks the rows whose shard holds them already, and those of definitions that have ended.
func (s *Store) skipHeld(b *Batch, seq uint64, n *replayCounts) {
	held := metricdef.Ref(0)
	skip := false
	generation := s.Policies.Generation()
	for i, ref := range b.Refs {
		if k := ref/blockSeries + 1; k != held {
			held = k
			skip = seq <= s.shardOf(ref).held
			s.table.grow(ref)
		}
		if skip {
			b.Refs[i] = 0
			continue
		}
		sr := s.table.at(ref)
		if sr.state != live {
			if sr.state == dead {
				b.Refs[i] = 0
				n.skipped++
				continue
			}
			sr.state = live
		}
		pol := sr.policy.Load()
		if pol == nil || pol.checked.Load() != generation {
			pol = s.policyOf(ref, sr) // late samples ask it for its tiers
		}
		if !sr.anchored || len(n.adopted) > 0 {
			s.adoptGrid(ref, sr, b.Times[i], int64(pol.Grid), n)
		}
	}
}

// adoptGrid gives a series whose grid is lost the one of its policy, on which its samples lie: a grid stands in front of the first
// sample, so only damage brings a sample without one. If a later sample shows that the series had another grid, its samples keep their times.
func (s *Store) adoptGrid(ref metricdef.Ref, sr *series, t, step int64, n *replayCounts) {
	adopted := n.adopted[ref]
	switch {
	case !sr.anchored && step != 0:
		sr.grid = newGrid(t, step)
	case adopted && sr.grid.step != 0 && (t-sr.grid.anchor)%sr.grid.step != 0:
		sr.grid = grid{}
	default:
		return
	}
	if n.adopted == nil {
		n.adopted = make(map[metricdef.Ref]bool)
	}
	n.adopted[ref] = true
	sr.anchored, sr.last = true, t
	sh := s.shardOf(ref)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.setGrid(ref, sr, sr.grid)
}
