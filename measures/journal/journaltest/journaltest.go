// Package journaltest holds the conformance tests of journal.Log. Every implementation passes them: the one in segment
// files and those to come.
package journaltest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"granary/measures/journal"
)

// Open opens the log of one test; each call after the log was closed opens the same log again.
type Open func() journal.Log

// Run runs the tests. begin is called once a test and returns how to open a log that is empty at first.
func Run(t *testing.T, begin func(t *testing.T) Open) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, open Open)
	}{
		{"empty", testEmpty},
		{"append and read", testAppendAndRead},
		{"open again", testOpenAgain},
		{"numbers must follow", testNumbersMustFollow},
		{"record size", testRecordSize},
		{"read from", testReadFrom},
		{"read ends early", testReadEndsEarly},
		{"payload lifetime", testPayloadLifetime},
		{"rotate and trim", testRotateAndTrim},
		{"synced", testSynced},
		{"closed", testClosed},
		{"concurrent use", testConcurrentUse},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, begin(t)) })
	}
}

// payload is what the record with a number holds in these tests.
func payload(seq uint64) []byte {
	r := rand.New(rand.NewPCG(seq, 7))
	b := make([]byte, r.IntN(400))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return fmt.Appendf(b, "-%d", seq)
}

func kind(seq uint64) journal.Kind { return journal.Kind(seq * 31) }

func writeTime(seq uint64) int64 { return int64(seq)*1_000_003 - 5 }

func fill(t *testing.T, g *journal.Group, from, to uint64) {
	t.Helper()
	g.Reset()
	for seq := from; seq <= to; seq++ {
		g.Begin(kind(seq), writeTime(seq))
		g.Buf = append(g.Buf, payload(seq)...)
		if err := g.End(seq); err != nil {
			t.Fatalf("End(%d): %v", seq, err)
		}
	}
}

func add(t *testing.T, l journal.Log, from, to uint64) {
	t.Helper()
	var g journal.Group
	fill(t, &g, from, to)
	if err := l.Append(&g); err != nil {
		t.Fatalf("Append(%d to %d): %v", from, to, err)
	}
	if got := l.Last().Seq; got != to {
		t.Fatalf("Last after Append(%d to %d) = %d", from, to, got)
	}
}

// wantRecords reads from a number and compares with the records from..to.
func wantRecords(t *testing.T, l journal.Log, read, from, to uint64) {
	t.Helper()
	next := from
	err := l.ReadFrom(t.Context(), read, func(r journal.Record) error {
		if r.Pos != (journal.Position{Partition: l.Last().Partition, Seq: next}) {
			return fmt.Errorf("position %v, want number %d", r.Pos, next)
		}
		if r.Kind != kind(next) || r.Time != writeTime(next) || !bytes.Equal(r.Payload, payload(next)) {
			return fmt.Errorf("record %d differs from what was written", next)
		}
		next++
		return nil
	})
	if err != nil {
		t.Fatalf("ReadFrom(%d): %v", read, err)
	}
	if next != to+1 {
		t.Fatalf("ReadFrom(%d) ended before record %d, want the last to be %d", read, next, to)
	}
}

func closeLog(t *testing.T, l journal.Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
}

func testEmpty(t *testing.T, open Open) {
	l := open()
	if got := l.Last().Seq; got != 0 {
		t.Errorf("Last = %d, want 0", got)
	}
	wantRecords(t, l, 0, 1, 0)
	if err := l.Append(new(journal.Group)); err != nil {
		t.Errorf("Append of an empty group: %v", err)
	}
	if p, err := l.Sync(); err != nil || p.Seq != 0 {
		t.Errorf("Sync = %v, %v", p, err)
	}
	if err := l.Rotate(); err != nil {
		t.Errorf("Rotate: %v", err)
	}
	if err := l.Trim(100); err != nil {
		t.Errorf("Trim: %v", err)
	}
	closeLog(t, l)
}

func testAppendAndRead(t *testing.T, open Open) {
	l := open()
	defer closeLog(t, l)
	add(t, l, 1, 1)
	add(t, l, 2, 50)
	wantRecords(t, l, 0, 1, 50)
	before := l.Bytes()
	add(t, l, 51, 2000)
	if got := l.Bytes(); got <= before {
		t.Errorf("Bytes went from %d to %d", before, got)
	}
	wantRecords(t, l, 1, 1, 2000)
}

func testOpenAgain(t *testing.T, open Open) {
	next := uint64(1)
	for range 4 {
		l := open()
		if got := l.Last().Seq; got != next-1 {
			t.Fatalf("Last = %d, want %d", got, next-1)
		}
		add(t, l, next, next+6)
		next += 7
		if err := l.Rotate(); err != nil {
			t.Fatal(err)
		}
		add(t, l, next, next)
		next++
		wantRecords(t, l, 1, 1, next-1)
		closeLog(t, l)
	}
}

func testNumbersMustFollow(t *testing.T, open Open) {
	l := open()
	defer closeLog(t, l)
	add(t, l, 1, 10)
	var g journal.Group
	for _, first := range []uint64{1, 10, 12, 1000} {
		fill(t, &g, first, first+2)
		var e *journal.SequenceError
		if err := l.Append(&g); !errors.As(err, &e) || e.Got != first || e.Want != 11 {
			t.Errorf("Append from %d: %v, want a SequenceError that wants 11", first, err)
		}
	}
	if got := l.Last().Seq; got != 10 {
		t.Errorf("Last = %d, want 10", got)
	}
	wantRecords(t, l, 1, 1, 10)
	add(t, l, 11, 12)
	wantRecords(t, l, 1, 1, 12)

	g.Reset()
	g.Begin(1, 1)
	if err := l.Append(&g); err == nil {
		t.Error("Append took a group with an open record")
	}
}

func testRecordSize(t *testing.T, open Open) {
	l := open()
	var g journal.Group
	g.Begin(1, 1)
	g.Buf = append(g.Buf, make([]byte, journal.MaxRecord)...)
	if err := g.End(1); err != nil {
		t.Fatalf("record of the largest size: %v", err)
	}
	g.Begin(2, 2)
	g.Buf = append(g.Buf, make([]byte, journal.MaxRecord+1)...)
	var e *journal.SizeError
	if err := g.End(2); !errors.As(err, &e) {
		t.Fatalf("End = %v, want a SizeError", err)
	}
	g.Begin(3, 3)
	if err := g.End(2); err != nil {
		t.Fatalf("empty record: %v", err)
	}
	if err := l.Append(&g); err != nil {
		t.Fatal(err)
	}
	closeLog(t, l)
	l = open()
	defer closeLog(t, l)
	var sizes []int
	err := l.ReadFrom(t.Context(), 0, func(r journal.Record) error {
		sizes = append(sizes, len(r.Payload))
		return nil
	})
	if err != nil || len(sizes) != 2 || sizes[0] != journal.MaxRecord || sizes[1] != 0 {
		t.Errorf("read payloads of %v bytes, %v", sizes, err)
	}
}

func testReadFrom(t *testing.T, open Open) {
	l := open()
	defer closeLog(t, l)
	for i := range uint64(5) {
		add(t, l, i*20+1, i*20+20)
		if err := l.Rotate(); err != nil {
			t.Fatal(err)
		}
	}
	for _, from := range []uint64{1, 2, 20, 21, 59, 60, 61, 100} {
		wantRecords(t, l, from, from, 100)
	}
	wantRecords(t, l, 0, 1, 100)
	wantRecords(t, l, 101, 101, 100)
	wantRecords(t, l, 1<<63, 1, 0)
}

func testReadEndsEarly(t *testing.T, open Open) {
	l := open()
	defer closeLog(t, l)
	add(t, l, 1, 500)
	enough := errors.New("enough")
	n := 0
	err := l.ReadFrom(t.Context(), 1, func(journal.Record) error {
		if n++; n == 7 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || n != 7 {
		t.Errorf("ReadFrom returned %v after %d records", err, n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	n = 0
	err = l.ReadFrom(ctx, 1, func(journal.Record) error {
		n++
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) || n > 200 {
		t.Errorf("ReadFrom returned %v after %d records", err, n)
	}
}

// testPayloadLifetime scribbles over payloads once the callback is about to return, which must not reach the log.
func testPayloadLifetime(t *testing.T, open Open) {
	l := open()
	defer closeLog(t, l)
	add(t, l, 1, 100)
	err := l.ReadFrom(t.Context(), 1, func(r journal.Record) error {
		clear(r.Payload)
		_ = append(r.Payload, "beyond its end"...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	wantRecords(t, l, 1, 1, 100)
}

func testRotateAndTrim(t *testing.T, open Open) {
	l := open()
	ids := map[uint64]bool{}
	last := uint64(0)
	for i := range uint64(4) {
		add(t, l, i*10+1, i*10+10)
		id := l.Segment()
		if ids[id] || id < last {
			t.Errorf("segment id %d after %d", id, last)
		}
		ids[id], last = true, id
		if l.Size() == 0 {
			t.Error("Size of a segment with records = 0")
		}
		if err := l.Rotate(); err != nil {
			t.Fatal(err)
		}
		if got := l.Segment(); got <= id {
			t.Errorf("Segment after Rotate = %d, was %d", got, id)
		}
		if err := l.Rotate(); err != nil {
			t.Fatal(err)
		}
	}
	add(t, l, 41, 45)
	for seq, want := range map[uint64]uint64{0: 0, 1: 1, 10: 1, 11: 11, 20: 11, 40: 31, 41: 41, 45: 41, 99: 41} {
		if got := l.Begins(seq); got != want {
			t.Errorf("Begins(%d) = %d, want %d", seq, got, want)
		}
	}
	before := l.Bytes()
	for _, c := range []struct{ trim, first uint64 }{{0, 1}, {10, 1}, {11, 11}, {30, 21}, {1000, 41}} {
		if err := l.Trim(c.trim); err != nil {
			t.Fatalf("Trim(%d): %v", c.trim, err)
		}
		wantRecords(t, l, 0, c.first, 45)
	}
	if got := l.Begins(40); got != 0 {
		t.Errorf("Begins of a record that was trimmed = %d", got)
	}
	if got := l.Bytes(); got >= before {
		t.Errorf("Bytes went from %d to %d", before, got)
	}
	add(t, l, 46, 47)
	closeLog(t, l)
	l = open()
	defer closeLog(t, l)
	wantRecords(t, l, 0, 41, 47)
	if err := l.Rotate(); err != nil {
		t.Fatal(err)
	}
	if err := l.Trim(48); err != nil {
		t.Fatal(err)
	}
	if got := l.Last().Seq; got != 47 {
		t.Errorf("Last after everything was trimmed = %d, want 47", got)
	}
	add(t, l, 48, 48)
}

func testSynced(t *testing.T, open Open) {
	l := open()
	defer closeLog(t, l)
	for i := range uint64(5) {
		add(t, l, i*3+1, i*3+3)
		if i%2 == 0 {
			if err := l.Rotate(); err != nil {
				t.Fatal(err)
			}
		}
		if s := l.Synced(); s.Seq > l.Last().Seq {
			t.Errorf("Synced = %d is above Last", s.Seq)
		}
		p, err := l.Sync()
		if err != nil || p.Seq != i*3+3 || l.Synced() != p {
			t.Errorf("Sync = %v, %v, want number %d", p, err, i*3+3)
		}
	}
}

func testClosed(t *testing.T, open Open) {
	l := open()
	add(t, l, 1, 3)
	closeLog(t, l)
	closeLog(t, l)
	var g journal.Group
	fill(t, &g, 4, 4)
	var u interface{ Kind() string }
	if err := l.Append(&g); !errors.As(err, &u) || u.Kind() != "unavailable" {
		t.Errorf("Append to a closed log: %v", err)
	}
	if _, err := l.Sync(); err == nil {
		t.Error("Sync of a closed log succeeded")
	}
	if err := l.ReadFrom(t.Context(), 0, func(journal.Record) error { return nil }); err == nil {
		t.Error("ReadFrom of a closed log succeeded")
	}
}

func testConcurrentUse(t *testing.T, open Open) {
	l := open()
	const groups = 300
	var wg sync.WaitGroup
	var trim sync.RWMutex // what a reader still wants is not trimmed
	stop := make(chan struct{})
	loop := func(fn func() error) {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := fn(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	loop(func() error { _, err := l.Sync(); return err })
	loop(func() error { l.Size(); l.Bytes(); l.Segment(); l.Synced(); return nil })
	loop(func() error {
		trim.RLock()
		defer trim.RUnlock()
		to, next := l.Last().Seq, uint64(0)
		err := l.ReadFrom(context.Background(), to/2+1, func(r journal.Record) error {
			if next != 0 && r.Pos.Seq != next || !bytes.Equal(r.Payload, payload(r.Pos.Seq)) {
				return fmt.Errorf("record %d read where %d is due, or with another payload", r.Pos.Seq, next)
			}
			next = r.Pos.Seq + 1
			return nil
		})
		if err == nil && to > 0 && next <= to {
			err = fmt.Errorf("reading ended before record %d, the last was %d", next, to)
		}
		return err
	})
	var g journal.Group
	for i := range uint64(groups) {
		fill(t, &g, i*4+1, i*4+4)
		if err := l.Append(&g); err != nil {
			t.Fatal(err)
		}
		if i%50 == 49 {
			if err := l.Rotate(); err != nil {
				t.Error(err)
			}
			trim.Lock()
			if err := l.Trim(i * 2); err != nil { // half of what is there, below what the reader asks for
				t.Error(err)
			}
			trim.Unlock()
		}
	}
	close(stop)
	wg.Wait()
	closeLog(t, l)
	l = open()
	defer closeLog(t, l)
	if got := l.Last().Seq; got != groups*4 {
		t.Errorf("Last = %d, want %d", got, groups*4)
	}
}
