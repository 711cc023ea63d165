package measures

import (
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"granary/metricdef"
	"granary/policy"
)

// erase deletes slots from, …, to-1 of one series, from the store and from the model.
func (h *history) erase(tb testing.TB, i int, from, to int64) {
	tb.Helper()
	r := timeRange{testEpoch + from*10*second, testEpoch + to*10*second}
	if err := h.s.DeleteRange(context.Background(), []metricdef.Ref{h.refs[i]}, r.from, r.to); err != nil {
		tb.Fatal(err)
	}
	maps.DeleteFunc(h.model[i], func(at int64, _ float64) bool { return r.has(at) })
}

func (h *history) evict() {
	h.s.maintenance.Lock()
	h.s.evictChunks(math.MaxInt64)
	h.s.maintenance.Unlock()
}

// TestKilledAtEachStep takes a series with everything through deletions, and looks behind each step at what a kill there
// would leave: a copy of the folder is opened, twice, and with a snapshot in between.
func TestKilledAtEachStep(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	steps := []func(){
		func() { h.put(t, 150, false) },
		func() { h.erase(t, 0, 0, 1) },
		func() { h.erase(t, 0, 50, 60) }, // cuts a chunk in memory
		func() { h.snapshot(t) },
		func() { h.erase(t, 1, 50, 60) }, // cuts one in a file
		func() { h.put(t, 200, true) },
		func() { h.snapshot(t) },
		func() { h.evict() },
		func() { h.erase(t, 2, 100, 250) }, // cuts two that only a file holds, and takes one whole
		func() { h.erase(t, 2, 60, 300) },
		func() { h.one(t, 150) }, // written where it was deleted
		func() { h.evict(); h.snapshot(t) },
		func() { h.erase(t, 2, 140, 160); h.one(t, 155); h.snapshot(t) },
		func() { h.put(t, 400, true); h.erase(t, 1, 0, 5000) },
		func() { h.put(t, 3, false); h.snapshot(t); h.evict() },
		func() { h.erase(t, 0, h.slot, h.slot+1) },
		func() { h.erase(t, 0, h.slot-200, h.slot-1) },
		func() { h.put(t, 500, true); h.snapshot(t); h.evict(); h.erase(t, 0, 600, 900) },
		func() {
			for range 9 { // so that files are merged
				h.put(t, 125, true)
				h.snapshot(t)
			}
			h.erase(t, 0, h.slot-700, h.slot-300)
		},
		func() { h.snapshot(t) },
	}
	for n, step := range steps {
		step()
		h.check(t, fmt.Sprint("step ", n), nil)
		dead := *h
		dead.dir = t.TempDir()
		if err := os.CopyFS(dead.dir, os.DirFS(h.dir)); err != nil {
			t.Fatal(err)
		}
		dead.o.Dir = dead.dir
		for k := range 3 {
			dead.s = openTest(t, dead.o)
			dead.check(t, fmt.Sprintf("killed behind step %d, start %d", n, k), nil)
			if k == 1 {
				dead.snapshot(t)
			}
			dead.s.crash()
		}
	}
	if n := h.s.Stats().Erased; n < 1000 {
		t.Errorf("%d samples deleted", n)
	}
	h.reopen(t)
	h.check(t, "at the end", nil)
	if err := h.s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestDeletionsAreForgotten: a deletion is kept for as long as a file has entries that do not know of it, no longer.
func TestDeletionsAreForgotten(t *testing.T) {
	h := newHistory(t)
	kept := func() (n int) {
		for _, sh := range h.s.shards {
			for _, list := range sh.deletes {
				n += len(list)
			}
		}
		return n
	}
	h.put(t, 300, false)
	h.erase(t, 0, 10, 20)
	if kept() != 0 {
		t.Errorf("%d deletions of what no file holds", kept())
	}
	h.snapshot(t)
	h.erase(t, 0, 30, 40)
	h.erase(t, 1, 1000, 2000) // nothing is there
	if kept() != 1 {
		t.Errorf("%d deletions, want that of what a file holds", kept())
	}
	for range 2 {
		h.reopen(t)
		if kept() != 1 {
			t.Errorf("%d deletions behind a crash", kept())
		}
		h.check(t, "reopened", nil)
		h.snapshot(t)
	}
	for i := range h.refs {
		h.erase(t, i, 0, h.slot) // the file has nothing left, and goes
	}
	h.snapshot(t)
	h.put(t, 200, false)
	h.snapshot(t)
	h.snapshot(t)
	if kept() != 0 {
		t.Errorf("%d deletions, and their file is gone", kept())
	}
	h.reopen(t)
	h.check(t, "at the end", nil)
	if err := h.s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestDeleteRaces deletes, writes and reads at the same time as snapshots, merges and evictions go on. Each goroutine has
// series of its own, so that it knows what they show; neighbours share shards and files.
func TestDeleteRaces(t *testing.T) {
	o := testOptions(t.TempDir(), &clock{testEpoch})
	s := openTest(t, o)
	num := setup(t, s, policy.Forever)
	rounds := 400
	if testing.Short() || raceEnabled {
		rounds = 120
	}
	const workers = 4
	models := make([]map[int64]float64, workers)
	refs := make([]metricdef.Ref, workers)
	for w := range workers {
		d := draftOf(num, "m10", w)
		if w%2 == 1 {
			d.Def.Name, d.Def.Dialect = "own", "native"
		}
		var b Batch
		b.AddDraft(d, testEpoch, 0)
		commit(t, s, &b)
		refs[w], models[w] = b.Refs[0], map[int64]float64{testEpoch: 0}
	}
	look := func(w int) error {
		var r Reader
		if err := s.Read(context.Background(), &r, refs[w], minTime, maxTime); err != nil {
			return err
		}
		if len(r.Times) != len(models[w]) {
			return fmt.Errorf("series %d: %d samples, want %d", w, len(r.Times), len(models[w]))
		}
		for i, at := range r.Times {
			if v, ok := models[w][at]; !ok || v != r.Values[i] {
				return fmt.Errorf("series %d: %g at %d, want %g (%v)", w, r.Values[i], at, v, ok)
			}
		}
		return nil
	}
	var stop atomic.Bool
	var back, front sync.WaitGroup
	back.Go(func() {
		for i := 0; !stop.Load(); i++ {
			if err := s.Snapshot(); err != nil {
				t.Error(err)
			}
			if i%3 == 0 {
				s.maintenance.Lock()
				s.evictChunks(math.MaxInt64)
				s.maintenance.Unlock()
			}
			s.room.Store(1 << 20)
		}
	})
	back.Go(func() {
		var r Reader
		for i := 0; !stop.Load(); i++ {
			if err := s.Read(context.Background(), &r, refs[i%workers], minTime, maxTime); err != nil {
				t.Error(err)
			}
		}
	})
	for w := range workers {
		front.Go(func() {
			slot := int64(0)
			for i := range rounds {
				var b Batch
				for range 40 {
					slot++
					at := slot
					if slot%17 == 0 {
						at -= 150 + slot%7
					}
					b.Add(refs[w], testEpoch+at*10*second, float64(slot))
					models[w][testEpoch+at*10*second] = float64(slot)
				}
				if err := s.Commit(context.Background(), &b); err != nil {
					t.Error(err)
				}
				if i%3 == w%3 {
					from := testEpoch + (slot-int64(i*7919%600))*10*second
					r := timeRange{from, from + int64(i*31%250)*10*second}
					if err := s.DeleteRange(context.Background(), []metricdef.Ref{refs[w]}, r.from, r.to); err != nil {
						t.Error(err)
					}
					maps.DeleteFunc(models[w], func(at int64, _ float64) bool { return r.has(at) })
				}
				if i%10 == 0 {
					if err := look(w); err != nil {
						t.Errorf("round %d: %v", i, err)
						return
					}
				}
			}
		})
	}
	front.Wait()
	stop.Store(true)
	back.Wait()
	for range 3 {
		for w := range workers {
			if err := look(w); err != nil {
				t.Error(err)
			}
		}
		s.crash()
		s = openTest(t, o)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestFailedDelete lets the journal refuse deletions: nothing goes.
func TestFailedDelete(t *testing.T) {
	for _, f := range failures {
		t.Run(f.name, func(t *testing.T) {
			fs, o, _ := failing(t, f.sync)
			s := openTest(t, o)
			num := setup(t, s, policy.Forever)
			ref := write(t, s, num, "m10", []int{0}, testEpoch, 1)[0]
			fs.mode.Store(f.mode)
			wantUnavailable(t, s.DeleteRange(t.Context(), []metricdef.Ref{ref}, minTime, maxTime))
			fs.mode.Store(failNot)
			for range 2 {
				if times, _ := all(t, s, ref); len(times) != 1 {
					t.Errorf("samples %v", times)
				}
				s.crash()
				s = openTest(t, o)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestDeleteBounds deletes at the borders of time, what is not there, and of what is not there.
func TestDeleteBounds(t *testing.T) {
	c := &clock{testEpoch}
	o := testOptions(t.TempDir(), c)
	s := openTest(t, o)
	num := setup(t, s, time.Hour)
	ref := write(t, s, num, "m10", []int{0}, testEpoch, 1)[0]
	last := s.log.Last().Seq
	for _, r := range []timeRange{{testEpoch, testEpoch}, {testEpoch + 1, testEpoch}, {math.MaxInt64, math.MinInt64}} {
		if err := s.DeleteRange(t.Context(), []metricdef.Ref{ref}, r.from, r.to); err != nil {
			t.Error(err)
		}
	}
	if err := s.DeleteRange(t.Context(), []metricdef.Ref{0, 77, math.MaxUint32}, 0, 1); err != nil {
		t.Error(err)
	}
	if s.log.Last().Seq != last {
		t.Error("a deletion of nothing left a record")
	}
	if err := s.DeleteRange(t.Context(), []metricdef.Ref{ref, ref}, math.MinInt64, math.MaxInt64); err != nil {
		t.Error(err)
	}
	for range 2 {
		if times, _ := all(t, s, ref); len(times) != 0 {
			t.Errorf("samples %v", times)
		}
		if _, _, ok := s.Newest(ref); ok {
			t.Error("there is a newest sample")
		}
		s.crash()
		s = openTest(t, o)
	}
	// What was made by data and has none left ends as it would without a deletion.
	c.ns += int64(2 * time.Hour)
	s.Expire(t.Context())
	if s.Definitions.Len() != 0 {
		t.Error("the series does not end")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// The bytes of a delete record and of the deletions in a state file. They must stay readable for ever.
const (
	deleteV1     = "0180c0cce5f0c1ce972f80c8afa02502020a88808010"
	tombstonesV1 = "0a6481808080300700ff010500"
)

func TestDeleteFormats(t *testing.T) {
	r, refs := timeRange{testEpoch, testEpoch + 10*second}, []metricdef.Ref{1, 2, 7, 16_777_227}
	rec := appendDelete(nil, r, refs)
	if got := hex.EncodeToString(rec); got != deleteV1 {
		t.Errorf("record %s", got)
	}
	got, gotRefs, err := decodeDelete(rec)
	if err != nil || got != r || !slices.Equal(gotRefs, refs) {
		t.Errorf("%v %v, %v", got, gotRefs, err)
	}
	for n := range rec {
		if _, got, err := decodeDelete(rec[:n]); err == nil && len(got) >= len(refs) {
			t.Errorf("the first %d of %d bytes are accepted", n, len(rec))
		}
	}
	sh := newShard()
	list := []tombstone{{timeRange: timeRange{5, 105}, bound: 3<<32 + 1, file: 7}, {timeRange: timeRange{0, 255}, bound: 5}}
	sh.deletes[1] = list
	b := appendTombstones(nil, nil, sh, 1, nil)
	if got := hex.EncodeToString(b); got != tombstonesV1 {
		t.Errorf("state %s", got)
	}
	delete(sh.deletes, 1)
	if err := restoreTombstones(b, nil, sh, 1, nil); err != nil || !slices.Equal(sh.deletes[1], list) {
		t.Errorf("%+v, %v", sh.deletes[1], err)
	}
}

func FuzzDeleteRecord(f *testing.F) {
	b, _ := hex.DecodeString(deleteV1)
	f.Add(b)
	f.Add(appendDelete(nil, timeRange{minTime, maxTime}, []metricdef.Ref{math.MaxUint32}))
	f.Fuzz(func(t *testing.T, p []byte) {
		r, refs, err := decodeDelete(p)
		if err != nil {
			return
		}
		again, gotRefs, err := decodeDelete(appendDelete(nil, r, refs))
		if err != nil || again != r || !slices.Equal(gotRefs, refs) || r.from >= r.to {
			t.Fatalf("%v %v became %v %v, %v", r, refs, again, gotRefs, err)
		}
	})
}
