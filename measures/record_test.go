package measures

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"flag"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"granary/metricdef"
)

var update = flag.Bool("update", false, "write the files in testdata anew: the formats have changed on purpose")

// oddValues are those that a short form could get wrong.
var oddValues = []float64{
	0, math.Copysign(0, -1), 1, -1, 255, 256, 65535, 65536, 1<<24 - 1, 1 << 24, math.MaxInt32, math.MinInt32, 1 << 31, -1<<31 - 1,
	1<<47 - 1, 1 << 47, -1<<47 + 1, -1 << 47, 1<<53 + 2, math.MaxInt64, math.MinInt64, 1 << 63, 1e300, math.MaxFloat64, -math.MaxFloat64,
	math.SmallestNonzeroFloat64, -math.SmallestNonzeroFloat64, math.Inf(1), math.Inf(-1), math.NaN(),
	math.Float64frombits(0x7ff0000000000001), math.Float64frombits(0xfff8dead0000beef), math.Float64frombits(0x7ff8000000000000),
	0.01, -0.01, 2.55, 2.56, 655.35, 655.36, 21474836.46, 21474836.48, -21474836.48, 0.1, 0.0001, -0.0001, 214748.3646, 214748.3648, 0.00001,
	1.0 / 3, float64(float32(1.0 / 3)), float64(math.MaxFloat32), float64(math.SmallestNonzeroFloat32), 0.005, 0.285, 1.005, 4.35, 0.07,
}

func sampleBatch() *Batch {
	b := new(Batch)
	for i, v := range oddValues {
		b.Add(metricdef.Ref(1+i), 1_700_000_000*second, v)
	}
	for i, t := range []int64{minTime + 1, maxTime - 1, 0, -1, 1, second, -second, 1e6, 1e3, -1e3, math.MaxInt64, math.MinInt64} {
		b.Add(metricdef.Ref([]uint32{7, math.MaxUint32 - 1, 1, 300, 2}[i%5]), t, float64(i))
	}
	b.Add(0, 5, 5) // refused
	b.Add(9, 5, 5)
	return b
}

func withoutRefused(b *Batch) *Batch {
	c := new(Batch)
	for i, ref := range b.Refs {
		if ref != 0 {
			c.Add(ref, b.Times[i], b.Values[i])
		}
	}
	return c
}

func equalBatches(t *testing.T, got, want *Batch) {
	t.Helper()
	if !slices.Equal(got.Refs, want.Refs) || !slices.Equal(got.Times, want.Times) || !slices.Equal(bitsOf(got.Values), bitsOf(want.Values)) {
		t.Errorf("got %d rows, want %d", len(got.Refs), len(want.Refs))
		for i := range min(len(got.Refs), len(want.Refs)) {
			if got.Refs[i] != want.Refs[i] || got.Times[i] != want.Times[i] || math.Float64bits(got.Values[i]) != math.Float64bits(want.Values[i]) {
				t.Fatalf("row %d: %d %d %x, want %d %d %x", i, got.Refs[i], got.Times[i], math.Float64bits(got.Values[i]), want.Refs[i], want.Times[i], math.Float64bits(want.Values[i]))
			}
		}
	}
}

// golden compares with a file of hexadecimal digits, a line for each record.
func golden(t *testing.T, name string, got ...[]byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	var text strings.Builder
	for _, b := range got {
		text.WriteString(hex.EncodeToString(b) + "\n")
	}
	if *update {
		if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if text.String() != string(want) {
		t.Errorf("%s: the bytes have changed; what is on disk somewhere could not be read any more:\n%s", path, text.String())
	}
}

// TestRecords encodes what records say, compares the bytes with those of the first release, and decodes them.
func TestRecords(t *testing.T) {
	batch := sampleBatch()
	samples := appendSamples(nil, batch.Refs, batch.Times, batch.Values, nil)
	usual := new(Batch)
	for i := range 50 {
		usual.Add(metricdef.Ref(100+i), 1_700_000_000*second, float64(i)+0.25)
	}
	usualBytes := appendSamples(nil, usual.Refs, usual.Times, usual.Values, nil)
	list := []gridChange{{1, newGrid(1_700_000_000*second, 60*second)}, {2, newGrid(1_700_000_000*second, 60*second)}, {9, grid{}}, {5, newGrid(-7, 1)},
		{math.MaxUint32, newGrid(math.MinInt64, math.MaxInt64)}}
	grids := appendGrids(nil, list)
	marks := []lowMark{{1, 5}, {2, -5}, {math.MaxUint32, math.MaxInt64}, {7, math.MinInt64}, {8, 0}}
	free := appendMarks(nil, marks)
	refs := []metricdef.Ref{1, 2, 3, 1000, 4, math.MaxUint32}
	remove := appendRefs(nil, refs)
	golden(t, "records.hex", samples, usualBytes, grids, free, remove)

	got := new(Batch)
	if err := decodeSamples(samples, got); err != nil {
		t.Fatal(err)
	}
	equalBatches(t, got, withoutRefused(batch))
	got.Reset()
	if err := decodeSamples(usualBytes, got); err != nil {
		t.Fatal(err)
	}
	equalBatches(t, got, usual)
	if n := len(usualBytes); n > 50*3/2+60 {
		t.Errorf("%d bytes for 50 samples of the usual sort", n)
	}
	var gotGrids []gridChange
	if err := decodeGrids(grids, func(c gridChange) { gotGrids = append(gotGrids, c) }); err != nil || !slices.Equal(gotGrids, list) {
		t.Errorf("%v, %v, want %v", err, gotGrids, list)
	}
	var gotMarks []lowMark
	if err := decodeMarks(free, func(m lowMark) { gotMarks = append(gotMarks, m) }); err != nil || !slices.Equal(gotMarks, marks) {
		t.Errorf("%v, %v", err, gotMarks)
	}
	if gotRefs, err := decodeRefs(remove); err != nil || !slices.Equal(gotRefs, refs) {
		t.Errorf("%v, %v", err, gotRefs)
	}
}

// TestDamagedRecords cuts and turns the bytes of records: each gives an error of its type or something that fits, never a
// panic.
func TestDamagedRecords(t *testing.T) {
	batch := sampleBatch()
	records := [][]byte{
		appendSamples(nil, batch.Refs, batch.Times, batch.Values, nil),
		appendGrids(nil, []gridChange{{1, newGrid(5, 60)}, {9, newGrid(7, 10)}}),
		appendMarks(nil, []lowMark{{1, 5}, {2, -5}}),
		appendRefs(nil, []metricdef.Ref{1, 2, 3, 1000}),
	}
	for _, rec := range records {
		for n := range rec {
			decodeAll(t, rec[:n])
		}
		for i := range rec {
			for _, x := range []byte{1, 0x80, 0xff} {
				b := bytes.Clone(rec)
				b[i] ^= x
				decodeAll(t, b)
			}
		}
		decodeAll(t, append(bytes.Clone(rec), 0))
	}
	for n := range records[0] {
		if err := decodeSamples(records[0][:n], new(Batch)); err == nil {
			t.Errorf("samples cut to %d bytes are taken", n)
		}
	}
}

// decodeAll decodes bytes as each kind of record and verifies what came out of it.
func decodeAll(t *testing.T, p []byte) {
	t.Helper()
	typed := func(err error) {
		t.Helper()
		if damaged := new(DamagedError); err != nil && (!errors.As(err, &damaged) || damaged.Reason == "" || err.Error() == "") {
			t.Fatalf("%x: error %v", p, err)
		}
	}
	b := new(Batch)
	err := decodeSamples(p, b)
	typed(err)
	if len(b.Refs) > 2*len(p) || cap(b.Refs) > 8*len(p)+64 {
		t.Fatalf("%d bytes made %d rows", len(p), len(b.Refs))
	}
	if err == nil {
		for _, ref := range b.Refs {
			if ref == 0 {
				t.Fatalf("%x: ref 0", p)
			}
		}
		again := new(Batch)
		if err := decodeSamples(appendSamples(nil, b.Refs, b.Times, b.Values, nil), again); err != nil {
			t.Fatal(err)
		}
		equalBatches(t, again, b)
	}
	typed(decodeTexts(p, func(textRow) {}))
	var grids []gridChange
	if err := decodeGrids(p, func(c gridChange) { grids = append(grids, c) }); err == nil {
		var again []gridChange
		if err := decodeGrids(appendGrids(nil, grids), func(c gridChange) { again = append(again, c) }); err != nil || !slices.Equal(again, grids) {
			t.Fatalf("%x: %v, grids %v, again %v", p, err, grids, again)
		}
	} else {
		typed(err)
	}
	var marks []lowMark
	if err := decodeMarks(p, func(m lowMark) { marks = append(marks, m) }); err == nil {
		var again []lowMark
		if err := decodeMarks(appendMarks(nil, marks), func(m lowMark) { again = append(again, m) }); err != nil || !slices.Equal(again, marks) {
			t.Fatalf("%x: %v, marks %v, again %v", p, err, marks, again)
		}
	} else {
		typed(err)
	}
	if refs, err := decodeRefs(p); err == nil {
		if again, err := decodeRefs(appendRefs(nil, refs)); err != nil || !slices.Equal(again, refs) {
			t.Fatalf("%x: %v, refs %v, again %v", p, err, refs, again)
		}
	} else {
		typed(err)
	}
}

func FuzzDecodeRecords(f *testing.F) {
	batch := sampleBatch()
	f.Add(appendSamples(nil, batch.Refs, batch.Times, batch.Values, nil))
	f.Add(appendSamples(nil, []metricdef.Ref{5, 6, 7}, []int64{1, 1, 1}, []float64{1, 2, 3}, nil))
	f.Add(appendGrids(nil, []gridChange{{1, newGrid(5, 60)}, {9, newGrid(7, 10)}}))
	f.Add(appendMarks(nil, []lowMark{{1, 5}, {2, -5}}))
	f.Add(appendRefs(nil, []metricdef.Ref{1, 2, 3, 1000}))
	f.Fuzz(func(t *testing.T, p []byte) { decodeAll(t, p) })
}

// FuzzSamplesRecord takes refs, times and values from bytes, and wants the very same bits back.
func FuzzSamplesRecord(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20})
	for _, v := range oddValues {
		row := binary.LittleEndian.AppendUint32(nil, 7)
		row = binary.LittleEndian.AppendUint64(row, uint64(1_700_000_000*second))
		f.Add(binary.LittleEndian.AppendUint64(row, math.Float64bits(v)))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		b := new(Batch)
		for ; len(p) >= 20 && len(b.Refs) < rowsPerRecord; p = p[20:] {
			ref := binary.LittleEndian.Uint32(p)
			if ref == math.MaxUint32 {
				ref--
			}
			b.Add(metricdef.Ref(ref), int64(binary.LittleEndian.Uint64(p[4:])), math.Float64frombits(binary.LittleEndian.Uint64(p[12:])))
		}
		if !anyRef(b.Refs) {
			return
		}
		got := new(Batch)
		if err := decodeSamples(appendSamples(nil, b.Refs, b.Times, b.Values, nil), got); err != nil {
			t.Fatal(err)
		}
		equalBatches(t, got, withoutRefused(b))

		// The same bits as whole numbers, every other row.
		kinds := make([]metricdef.Kind, len(b.Refs))
		for i := range kinds {
			kinds[i] = []metricdef.Kind{metricdef.KindInt, 0}[i%2]
		}
		got.Reset()
		if err := decodeSamples(appendSamples(nil, b.Refs, b.Times, b.Values, kinds), got); err != nil {
			t.Fatal(err)
		}
		equalBatches(t, got, withoutRefused(b))
	})
}

// TestLargestRecord fills a record as badly as it can be filled: it still goes into the journal.
func TestLargestRecord(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 3))
	b := new(Batch)
	var grids []gridChange
	var marks []lowMark
	for i := range rowsPerRecord {
		at := rnd.Int64N(1<<62) | 1
		if i%2 == 0 {
			at = -at
		}
		ref := metricdef.Ref(1 + i%2*(math.MaxUint32-2-i))
		b.Add(ref, at, math.Float64frombits(rnd.Uint64()|1))
		grids = append(grids, gridChange{ref, newGrid(at, math.MaxInt64-int64(i))})
		marks = append(marks, lowMark{ref, at})
	}
	for what, rec := range map[string][]byte{"samples": appendSamples(nil, b.Refs, b.Times, b.Values, nil), "grids": appendGrids(nil, grids), "marks": appendMarks(nil, marks)} {
		if len(rec) > 512<<10 {
			t.Errorf("%s: %d bytes", what, len(rec))
		}
	}
}
