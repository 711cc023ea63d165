package measures

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"

	"granary/measures/chunk"
	"granary/metricdef"
	"granary/policy"
)

func textRows() []textRow {
	return []textRow{
		{1, valueTexts, testEpoch, "a"}, {2, valueTexts, testEpoch, "b"}, {1, tagTexts, testEpoch, "a"}, {math.MaxUint32, tagTexts, minTime + 1, ""},
		{1, valueTexts, maxTime - 1, "\x00\xff"}, {3, tagTexts, -5, `{"a":"b"}`}, {3, tagTexts, -4, `{"a":"b"}`}, {3, tagTexts, -3, ""},
	}
}

func textRecord(rows []textRow) []byte {
	var w textWriter
	b := w.begin(nil)
	for _, r := range rows {
		b = w.append(b, r)
	}
	return b
}

// TestTextRecords holds the bytes of texts fast, in the journal and in the state, and reads them back whole and damaged.
func TestTextRecords(t *testing.T) {
	rec := textRecord(textRows())
	s := bareStore()
	defer s.free()
	sr, sh := s.table.grow(1), s.shardOf(1)
	sh.mu.Lock()
	for i := range int64(3) {
		sh.putText(valueTexts, 1, sr, testEpoch+i, fmt.Sprint("text ", i%2), testEpoch)
		sh.putText(tagTexts, 1, sr, testEpoch+i, "{}", testEpoch)
	}
	sh.untag(1, sr, testEpoch+1, testEpoch)
	sr2 := s.table.grow(2)
	sh.putText(tagTexts, 2, sr2, 5, "", testEpoch)
	sh.cutHead(sh.texts[tagTexts][2], 1)
	state := s.appendState(nil, 0)
	sh.mu.Unlock()
	chunkBytes := appendTextChunk(nil, valueTexts, []int64{1, 2, 3}, []string{"up", "up", "down"})
	ints := new(Batch)
	for i, v := range oddInts {
		ints.AddInt(metricdef.Ref(i+1), testEpoch, v)
	}
	ints.Add(100, testEpoch, 0.25)
	samples := appendSamples(nil, ints.Refs, ints.Times, ints.Values, ints.kinds)
	golden(t, "kinds.hex", rec, state, chunkBytes, samples)
	restored(t, state)

	got := new(Batch)
	if err := decodeSamples(samples, got); err != nil {
		t.Fatal(err)
	}
	equalBatches(t, got, ints)
	if n := len(appendSamples(nil, []metricdef.Ref{1}, []int64{testEpoch}, []float64{IntWord(1e9)}, []metricdef.Kind{metricdef.KindInt})); n > 18 {
		t.Errorf("%d bytes for a counter of 10^9", n)
	}
	var rows []textRow
	if err := decodeTexts(rec, func(r textRow) { rows = append(rows, r) }); err != nil || !slices.Equal(rows, textRows()) {
		t.Errorf("%v, %v", err, rows)
	}
	for _, b := range [][]byte{rec, samples} {
		for n := range b {
			decodeAll(t, b[:n])
			for _, x := range []byte{1, 2, 0x80, 0xff} {
				d := slices.Clone(b)
				d[n] ^= x
				decodeAll(t, d)
			}
		}
	}
	for n := range state {
		for _, x := range []byte{1, 0x80, 0xff} {
			d := slices.Clone(state)
			d[n] ^= x
			f := bareStore()
			_ = f.restoreState(0, d)
			f.free()
		}
	}
}

func FuzzTextRecord(f *testing.F) {
	f.Add(textRecord(textRows()))
	f.Add([]byte{1, 2, 0, 2, 0, 1, 'x', 2, 1, 2, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		var rows, again []textRow
		if decodeTexts(b, func(r textRow) { rows = append(rows, r) }) != nil {
			return
		}
		if err := decodeTexts(textRecord(rows), func(r textRow) { again = append(again, r) }); err != nil || !slices.Equal(rows, again) {
			t.Fatalf("%v, %d rows, want %d", err, len(again), len(rows))
		}
	})
}

func FuzzTextChunk(f *testing.F) {
	f.Add(appendTextChunk(nil, valueTexts, []int64{1, 2, 3}, []string{"up", "up", "down"}), uint16(3))
	f.Add([]byte{1, 0, byte(chunk.Int64), byte(chunk.Strings)}, uint16(0))
	f.Fuzz(func(t *testing.T, b []byte, n uint16) {
		var r TextReader
		if err := r.decode(b, valueTexts, int(n)); err != nil && len(r.Times)+len(r.Texts) > 0 {
			t.Error("an error and texts")
		}
		r.settle(minTime, maxTime)
		if !ascending(r.Times) {
			t.Error("out of order")
		}
	})
}

// BenchmarkTexts writes and reads series of texts.
func BenchmarkTexts(b *testing.B) {
	s := openTest(b, testOptions(b.TempDir(), &clock{testEpoch}))
	defer s.Close()
	num := setup(b, s, policy.Forever)
	const series = 1000
	var batch Batch
	for h := range series {
		batch.AddTextDraft(textDraft(num, "state", h), testEpoch, "RUNNING")
	}
	commit(b, s, &batch)
	refs := slices.Clone(batch.Refs)
	at := testEpoch
	b.Run("write", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			at += 10 * second
			batch.Reset()
			for i, ref := range refs {
				batch.AddText(ref, at, []string{"RUNNING", "FAILED", "PENDING"}[i%3])
			}
			commit(b, s, &batch)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/series, "ns/sample")
	})
	b.Run("read", func(b *testing.B) {
		b.ReportAllocs()
		var r TextReader
		n := 0
		for b.Loop() {
			if err := s.ReadText(context.Background(), &r, refs[n%series], minTime, maxTime); err != nil {
				b.Fatal(err)
			}
			n++
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(r.Times)), "ns/sample")
	})
}
