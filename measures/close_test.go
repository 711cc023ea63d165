package measures

import (
	"math"
	"testing"

	"granary/metricdef"
	"granary/policy"
)

// TestCloseBehindSequencer closes the store when a write has been sequenced and its goroutine has not come to commit it: it
// is stored, and its own goroutine finds it done.
func TestCloseBehindSequencer(t *testing.T) {
	o := testOptions(t.TempDir(), &clock{testEpoch})
	s := openTest(t, o)
	num := setup(t, s, policy.Forever)
	write(t, s, num, "m10", []int{0}, testEpoch, 0)
	var b Batch
	b.Add(1, testEpoch+10*second, 1)
	b.AddDraft(draftOf(num, "m10", 1), testEpoch, 1)
	p := &b.pending
	*p = pending{batch: &b, wrote: testEpoch}
	s.seq.mu.Lock()
	s.sequence(p)
	s.seq.waiting = append(s.seq.waiting, p)
	s.seq.mu.Unlock()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.commit(p); err != nil {
		t.Error(err)
	}
	s = openTest(t, o)
	if times, _ := all(t, s, 1); len(times) != 2 {
		t.Errorf("%d samples", len(times))
	}
	if n := s.Definitions.Len(); n != 2 {
		t.Errorf("%d definitions", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestReadBehindClose goes on with a read that had found its series when the store closed: it gets nothing, which is
// better than memory that is not there any more.
func TestReadBehindClose(t *testing.T) {
	o := testOptions(t.TempDir(), &clock{testEpoch})
	s := openTest(t, o)
	num := setup(t, s, policy.Forever)
	for i := range int64(300) {
		write(t, s, num, "m10", []int{0, 1}, testEpoch+i*10*second, 0)
		if i%3 == 0 && i > 150 {
			write(t, s, num, "m10", []int{1}, testEpoch+(i-150)*10*second, 7)
		}
	}
	table := *s.table.blocks.Load()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s.table.blocks.Store(&table) // as it was when the readers looked
	for ref := range metricdef.Ref(3) {
		if times, _ := all(t, s, ref); len(times) != 0 {
			t.Errorf("%d samples", len(times))
		}
		if b, ok := s.Bounds(ref, math.MinInt64, math.MaxInt64); ok {
			t.Errorf("%+v", b)
		}
		if _, _, ok := s.Newest(ref); ok {
			t.Error("newest")
		}
		if err := s.ReadGrid(ref, testEpoch, 10*second, make([]float64, 500)); err != nil {
			t.Error(err)
		}
		if err := s.ReadGrid(ref, testEpoch, 60*second, make([]float64, 50)); err != nil {
			t.Error(err)
		}
	}
	s.Memory()
	s.Expire(t.Context())
	s.EnforceCap()
	s.Spare(nil)
	if st := s.Stats(); st.Samples != 0 {
		t.Errorf("%+v", st)
	}
	var b Batch
	b.Add(1, testEpoch, 1)
	wantUnavailable(t, s.Commit(t.Context(), &b))
	if err := s.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}
