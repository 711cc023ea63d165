package measures

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

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

// Options are what a store needs to know.
type Options struct {
	Dir             string           // the data folder; made if missing
	Sync            journal.SyncMode // when the journal is made durable
	SyncInterval    time.Duration    // for journal.Interval; 0: 1 s
	JournalSegment  int64            // bytes after which a journal segment ends; 0: 64 MiB
	SnapshotEvery   time.Duration    // 0: 10 minutes
	SnapshotJournal int64            // bytes of journal after which a snapshot starts; 0: 128 MiB
	MemoryCap       int64            // bytes; 0: none
	DiskFreeMark    int64            // bytes that must stay free on the disk for writes to be taken; 0: none
	Limits          tenant.Limits    // defaults for tenants
	MaxTenants      int              // 0: no bound
	MaxText         int              // bytes of a text, or of the tags of a sample, up to LimitMaxText; 0: 8192
	ExplicitTenants bool             // a write makes no tenant
	CreateRate      int64            // tenants a minute that writes may make; 0: no bound
	CreateBurst     int64            // how many of them at once
	Now             func() time.Time // nil: time.Now
	Logger          *slog.Logger     // nil: slog.Default
	Usage           usage.Options    // what counts as a node, and for how long usage is kept; the store says the rest

	journalFS journal.FS // nil: that of the machine; tests put one that fails in its place
}

func (o *Options) setDefaults() {
	if o.SyncInterval <= 0 {
		o.SyncInterval = time.Second
	}
	if o.JournalSegment <= 0 {
		o.JournalSegment = 64 << 20
	}
	if o.SnapshotEvery <= 0 {
		o.SnapshotEvery = 10 * time.Minute
	}
	if o.SnapshotJournal <= 0 {
		o.SnapshotJournal = 128 << 20
	}
	if o.MaxText <= 0 {
		o.MaxText = DefaultMaxText
	}
	o.MaxText = min(o.MaxText, LimitMaxText)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
}

// Store is one partition: its definitions, its samples and the journal before both.
type Store struct {
	Tenants     *tenant.Registry
	Policies    *policy.Registry
	Definitions *metricdef.Registry
	// Resources are what definitions may belong to, with their types.
	Resources *resource.Registry
	Keys      *identity.Keys
	// Usage is the ledger of what tenants use.
	Usage *usage.Ledger

	o        Options
	lock     *os.File
	log      journal.Log
	catalog  *catalog.Catalog
	table    table
	shards   []*shard
	segments *segmentSet
	policies policyCache

	seq     sequencer
	com     committer
	account accounting

	defining     sync.Mutex        // one call at a time that makes, changes or ends definitions or tenants
	maintenance  sync.Mutex        // one snapshot, expiry or eviction at a time
	manifest     *segment.Manifest // under maintenance
	order        uint64            // highest order number that a snapshot has given; under maintenance
	snapshotCuts uint64            // cuts when the last snapshot began; under maintenance
	tierJob      tierJob           // under maintenance
	impaired     bool              // recovery has put files of the manifest aside

	// applying is the record whose change is being applied: what the rooms put into the catalog belongs to it.
	applying uint64 // under com.mu; recovery owns it before

	ready         atomic.Bool
	closed        atomic.Bool
	diskLow       atomic.Bool
	refusing      atomic.Bool  // a series has a policy that refuses other values for a time
	superseded    atomic.Int64 // samples that another of their batch took the place of
	shorten       atomic.Bool  // a snapshot is wanted now, so that the journal can be trimmed
	retentionHeld atomic.Bool  // nothing expires while the list of busy hosts is not known
	sweep         atomic.Bool  // there may be deleted tenants that have data
	rotate        atomic.Bool
	room          atomic.Int64 // bytes of evicted chunks that may be brought back before the next look at the cap
	applied       atomic.Uint64
	failures      atomic.Int64
	snapshots     atomic.Int64
	removed       atomic.Int64  // definitions that calls ended
	erased        atomic.Int64  // samples that deletions of ranges took
	cuts          atomic.Uint64 // deletions applied; see snapshot
	snapshotting  atomic.Bool   // a snapshot may have copied chunks that it has not told of
	redefined     atomic.Uint64 // counts changes of definitions; see policyOf
	dropped       atomic.Int64  // samples given up for the memory cap
	expired       atomic.Int64
	lastSnapshot  atomic.Int64
	journaled     atomic.Int64 // bytes appended since start
	// snapshotJournal is journaled at the last snapshot.
	snapshotJournal atomic.Int64
	progress        progress
	relinks         relinks // recovery's
	evict           evictState
	rooms           atomic.Pointer[map[tenant.Num]*atomic.Int64] // what may come back of tenants that are near their limit on memory
}

// progress is how far recovery has come.
type progress struct {
	step    atomic.Pointer[string]
	records atomic.Int64
	target  atomic.Int64
}

// Open opens the data folder and takes its lock. Nothing can be read or written before Recover.
func Open(o Options) (*Store, error) {
	o.setDefaults()
	if _, err := os.Stat(filepath.Join(o.Dir, "journal")); errors.Is(err, os.ErrNotExist) {
		o.Logger.Warn("there is no data yet: a new data folder is made", "data", o.Dir)
	}
	for _, d := range []string{"", "journal", "segments", "quarantine"} {
		if err := os.MkdirAll(filepath.Join(o.Dir, d), 0o750); err != nil {
			return nil, fmt.Errorf("data folder: %w", err)
		}
	}
	s := &Store{o: o, segments: newSegmentSet()}
	s.table.blocks.Store(new([]*block))
	if err := s.takeLock(); err != nil {
		return nil, err
	}
	s.Tenants = tenant.NewRegistry(tenant.Options{Sink: sink{s}, Limits: o.Limits, MaxTenants: o.MaxTenants, ExplicitOnly: o.ExplicitTenants,
		CreateRate: o.CreateRate, CreateBurst: o.CreateBurst})
	s.Keys = identity.NewKeys(sink{s})
	s.policies.standing, s.policies.now, s.policies.held = s.Tenants.Standing, o.Now, &s.retentionHeld
	s.Policies = policy.NewRegistry(policy.Options{Sink: sink{s}, MaxRecord: journal.MaxRecord})
	s.Resources = resource.NewRegistry(resource.Options{Sink: sink{s}, Gone: s.Tenants.Gone})
	s.Definitions = metricdef.NewRegistry(metricdef.Options{Sink: sink{s}, TenantID: s.Tenants.ID, Derived: s.Resources.Tags})
	s.Usage = s.newLedger()
	s.seq.group, s.com.spare = new(journal.Group), new(journal.Group)
	s.setStep("opening files")
	return s, nil
}

// lockWait is how long a start waits for the lock of the data folder.
const lockWait = 2 * time.Second

// takeLock keeps a second process out of the folder.
func (s *Store) takeLock() error {
	path := filepath.Join(s.o.Dir, "LOCK")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o640)
	if err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	// A process that was killed a moment ago may not have let go yet.
	for deadline := time.Now().Add(lockWait); ; time.Sleep(lockWait / 20) {
		if err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == nil || time.Now().After(deadline) {
			break
		}
	}
	if errors.Is(err, unix.EWOULDBLOCK) {
		return errors.Join(fmt.Errorf("data folder %s is in use by another process", s.o.Dir), f.Close())
	}
	if err != nil {
		return errors.Join(fmt.Errorf("data folder %s: lock: %w", s.o.Dir, err), f.Close())
	}
	s.lock = f
	return nil
}

// sink hands what the rooms change to the catalog, under the number of the record being applied.
type sink struct{ s *Store }

func (k sink) Put(bucket string, key, value []byte) {
	k.s.catalog.Put(k.s.applying, catalog.Change{Bucket: bucket, Key: key, Value: value})
}

// Ready says whether recovery has ended, and else how far it is.
func (s *Store) Ready() (bool, string) {
	if s.closed.Load() {
		return false, "stopping"
	}
	if s.ready.Load() {
		return true, ""
	}
	text := *s.progress.step.Load()
	if target := s.progress.target.Load(); target > 0 {
		text = fmt.Sprintf("%s: record %d of %d", text, s.progress.records.Load(), target)
	}
	return false, text
}

func (s *Store) setStep(text string) { s.progress.step.Store(&text) }

// Readable is nil once samples can be read.
func (s *Store) Readable() error {
	if ok, how := s.Ready(); !ok {
		return unavailable("starting", nil, "the service is not ready: %s", how)
	}
	return nil
}

// writable is nil while writes are taken.
func (s *Store) writable() error {
	if !s.ready.Load() {
		return s.Readable()
	}
	if s.diskLow.Load() {
		return unavailable("disk-low", nil, "free space on the disk of %s is below the setting granary.disk-free-mark (%d bytes)", s.o.Dir, s.o.DiskFreeMark)
	}
	return nil
}

// EnsureTenant returns the number of a tenant, making it if there is none.
func (s *Store) EnsureTenant(ctx context.Context, id tenant.ID) (tenant.Num, error) {
	if t, ok := s.Tenants.Lookup(id); ok {
		return t.Num, nil
	}
	d := &tenant.Draft{ID: id, Implicit: true}
	var num tenant.Num
	var rec []byte
	err := s.change(ctx, recTenants, func(wrote int64) ([]byte, error) {
		var ok bool
		if num, ok = s.Tenants.Resolve(id); ok {
			// Somebody else's record is on its way; writing it again is harmless and makes this call wait for it.
			rec = s.Tenants.AppendRecord(nil, num)
			return rec, nil
		}
		if err := s.Tenants.Admit(d, wrote); err != nil {
			return nil, err
		}
		num = s.Tenants.Reserve(d, wrote)
		s.seq.undo = append(s.seq.undo, undo{what: undoTenant, tenant: num})
		rec = s.Tenants.AppendRecord(nil, num)
		return rec, nil
	}, func() { s.applyTenant(rec) })
	return num, err
}

// Close takes no more writes, writes a last snapshot and closes the files.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	wasReady := s.ready.Load()
	if wasReady {
		if err := s.JournalReads(); err != nil {
			s.o.Logger.Warn("what was read at last is not counted", "error", err)
		}
	}
	s.seq.mu.Lock()
	s.seq.closed = true
	s.seq.mu.Unlock()
	var errs []error
	if wasReady {
		// What has been sequenced is written, also if its own goroutines have not got to it; they hear of errors.
		_ = s.commit(new(pending))
	}
	s.ready.Store(false)
	if wasReady {
		if err := s.Snapshot(); err != nil {
			s.o.Logger.Error("the last snapshot failed; nothing is lost, the journal has it", "error", err)
		}
	}
	if s.catalog != nil {
		errs = append(errs, s.catalog.Close(s.syncTo))
	}
	if s.log != nil {
		_, err := s.log.Sync()
		errs = append(errs, err, s.log.Close())
	}
	s.segments.closeAll()
	for i, sh := range s.shards {
		sh.mu.Lock()
		// A reader may have found its series already, and must not follow it to memory that goes.
		s.eachOf(i, func(_ metricdef.Ref, sr *series) { sr.flags, sr.values, sr.times, sr.chunks = 0, 0, 0, nil })
		clear(sh.late)
		for w := range sh.texts {
			clear(sh.texts[w])
		}
		clear(sh.tiers)
		clear(sh.writes)
		sh.closeHeads()
		sh.chunks.Close()
		sh.mu.Unlock()
	}
	s.table.blocks.Store(new([]*block))
	errs = append(errs, s.lock.Close())
	return errors.Join(errs...)
}

func (s *Store) segmentDir() string              { return filepath.Join(s.o.Dir, "segments") }
func (s *Store) segmentPath(name string) string  { return filepath.Join(s.segmentDir(), name) }
func (s *Store) segmentOptions() segment.Options { return segment.Options{} }
