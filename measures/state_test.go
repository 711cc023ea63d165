package measures

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math"
	"os"
	"runtime"
	"strings"
	"testing"

	"granary/metricdef"
	"granary/policy"
	"granary/tenant"
)

// bareStore is a store without files, for what needs only its series.
func bareStore() *Store {
	s := &Store{o: testOptions("", &clock{testEpoch}), segments: newSegmentSet()}
	s.table.blocks.Store(new([]*block))
	s.Tenants = tenant.NewRegistry(tenant.Options{})
	s.Policies = policy.NewRegistry(policy.Options{})
	s.Definitions = metricdef.NewRegistry(metricdef.Options{})
	for range numShards {
		s.shards = append(s.shards, newShard())
	}
	return s
}

func (s *Store) free() {
	for _, sh := range s.shards {
		sh.closeHeads()
		sh.chunks.Close()
	}
}

// oddState is a shard with series of every kind.
func oddState(tb testing.TB) []byte {
	tb.Helper()
	s := bareStore()
	defer s.free()
	put := func(ref metricdef.Ref, g grid, times []int64, values ...float64) {
		sr, sh := s.table.grow(ref), s.shardOf(ref)
		sh.setGrid(ref, sr, g)
		for i, at := range times {
			sh.put(ref, sr, at, values[i%len(values)], testEpoch+int64(i))
		}
	}
	slots := func(g grid, list ...int64) []int64 {
		for i := range list {
			list[i] = g.time(list[i])
		}
		return list
	}
	g := newGrid(testEpoch, 10*second)
	put(1, g, slots(g, 0, 1, 2, 3), oddValues...)
	put(2, g, slots(g, 0, 5, 7, 119, 50, 3), 1.5)
	put(3, grid{}, []int64{5, 9, -7, 1 << 61, minTime + 1, 12}, oddValues...)
	put(4, g, slots(g, 0, 1, 200, 3, 2, 500, 7), 0.25, math.NaN())
	put(5, g, slots(g, 0, 1), 1)
	put(5, newGrid(testEpoch+7*second, 60*second), []int64{testEpoch + 67*second}, 2)
	put(6, newGrid(-5, 7), nil)
	put(7, g, slots(g, 0, 1), 1)
	s.table.at(7).raiseLow(testEpoch + 1)
	put(blockSeries*numShards*3+5, g, slots(g, -3, -2), 1)
	var full []int64
	for i := range int64(headSlots + 3) {
		full = append(full, i)
	}
	put(8, g, slots(g, full...), 1, 2, 3)
	return s.appendState(nil, 0)
}

// TestState holds the form of the state fast and reads it back.
func TestState(t *testing.T) {
	b := oddState(t)
	golden(t, "state-v2.hex", b)
	restored(t, b)
}

// TestStateOfFirstRelease reads a section of version 1: it says what today's says of the same series.
func TestStateOfFirstRelease(t *testing.T) {
	text, err := os.ReadFile("testdata/state.hex")
	if err != nil {
		t.Fatal(err)
	}
	old, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	s := bareStore()
	defer s.free()
	if err := s.restoreState(0, old); err != nil {
		t.Fatal(err)
	}
	if now := s.appendState(nil, 0); !bytes.Equal(now, oddState(t)) {
		t.Errorf("the state of the first release reads as\n%x", now)
	}
}

// TestUnknownExtension: a series with something that this program does not know is refused, not read as far as it goes.
func TestUnknownExtension(t *testing.T) {
	b := append([]byte{stateVersion, 1, stateMore | stateAnchored, 0, 0, 0, 0, 0, 0, 0}, 1, 99, 2, 7, 7)
	s := bareStore()
	defer s.free()
	if err := s.restoreState(0, b); err == nil || !strings.Contains(err.Error(), "extension 99") {
		t.Error(err)
	}
}

// restored restores a section and wants it to say the same again.
func restored(t *testing.T, b []byte) {
	t.Helper()
	s := bareStore()
	defer s.free()
	if err := s.restoreState(0, b); err != nil {
		if len(err.Error()) < 10 {
			t.Fatalf("error %q", err)
		}
		return
	}
	once := s.appendState(nil, 0)
	again := bareStore()
	defer again.free()
	if err := again.restoreState(0, once); err != nil {
		t.Fatalf("what was restored cannot be restored: %v", err)
	}
	if twice := again.appendState(nil, 0); !bytes.Equal(once, twice) {
		t.Fatalf("state changes in a round trip:\n%x\n%x", once, twice)
	}
	// It must be usable, too.
	s.eachOf(0, func(ref metricdef.Ref, sr *series) {
		sh := s.shardOf(ref)
		for _, at := range []int64{sr.newest, 0, testEpoch, sr.headStart} {
			if at <= minTime || at >= maxTime {
				continue
			}
			if sr.era.step != 0 {
				at = sr.era.time(sr.era.slot(at))
			}
			if at > minTime && at < maxTime {
				sh.put(ref, sr, at, 1, 1)
			}
		}
		if sr.values != 0 {
			sh.seal(ref, sr)
		}
		var r Reader
		if err := s.read(&r, ref, sr, minTime, maxTime); err != nil {
			t.Fatal(err)
		}
	})
}

// TestDamagedStateBytes cuts and turns the bytes of a section: an error, no panic and no more memory than a section of
// that size may need.
func TestDamagedStateBytes(t *testing.T) {
	b := oddState(t)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	rounds, stride := uint64(0), 1
	if testing.Short() || raceEnabled {
		stride = 17
	}
	for n := 0; n < len(b); n += stride {
		rounds++
		s := bareStore()
		_ = s.restoreState(0, b[:n])
		s.free()
	}
	for i := 0; i < len(b); i += stride {
		for _, x := range []byte{1, 0x80, 0xff} {
			rounds++
			c := bytes.Clone(b)
			c[i] ^= x
			restored(t, c)
		}
	}
	runtime.ReadMemStats(&after)
	if per := (after.TotalAlloc - before.TotalAlloc) / rounds; per > 4<<20 {
		t.Errorf("%d bytes allocated for a section of %d", per, len(b))
	}
}

func FuzzRestoreState(f *testing.F) {
	f.Add(oddState(f))
	f.Add([]byte{stateVersion})
	f.Add([]byte{stateVersion, 1, stateHead, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1 {
			if ref, _ := binary.Uvarint(b[1:]); ref > 1<<20 {
				return // right, and slow: the table of series grows to there
			}
		}
		restored(t, b)
	})
}
