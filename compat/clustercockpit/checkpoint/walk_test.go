package checkpoint

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var nan = float32(math.NaN())

// text is one run in one line: where it is, and time=value for each value.
func text(s *Series) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s/%s/%s %s", s.Cluster, s.Host, strings.Join(s.Path, "/"), s.Metric)
	for i, v := range s.Values {
		fmt.Fprintf(&b, " %d=%s", s.At(i), strconv.FormatFloat(v, 'g', -1, 64))
	}
	return b.String()
}

// walk returns the runs below dir as text, and the report with dir cut off its paths.
func walk(t *testing.T, dir string) (runs []string, r Report) {
	t.Helper()
	r, err := Walk(t.Context(), dir, func(s *Series) error {
		runs = append(runs, text(s))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return runs, r
}

func problems(dir string, p []Problem) (out []string) {
	for _, p := range p {
		out = append(out, strings.TrimPrefix(p.String(), dir+string(filepath.Separator)))
	}
	return out
}

func TestWalkOrderAndFormats(t *testing.T) {
	dir := t.TempDir()
	node := func(start int64, v ...float32) level { return level{metrics: []metric{{"load", 60, start, v}}} }
	write(t, dir, "alex/a01/9000.bin", encodeBin(9000, 9600, node(9000, 1, nan, 3)))
	write(t, dir, "alex/a01/10000.json", encodeJSON(t, 10000, 10600, level{
		metrics:  []metric{{"load", 60, 10020, []float32{4.25, nan}}, {"empty", 60, 10020, nil}},
		children: []child{{"socket0", level{metrics: []metric{{"power", 10, 10005, []float32{7}}}}}},
	}))
	write(t, dir, "alex/a01/10000.bin", encodeBin(10000, 10600, node(10020, 0.1)))
	write(t, dir, "alex/a01/current.wal", encodeWAL(
		walSample{10620, "load", nil, 5},
		walSample{10620, "power", []string{"socket0"}, 8},
		walSample{10680, "load", nil, 6},
		walSample{10620, "temp", []string{"accelerator00000000:49:00.0", "fan1"}, -1},
	))
	write(t, dir, "alex/a02/current.wal", nil)
	write(t, dir, "fritz/f01/9000.bin", encodeBin(9000, 9600, node(9000, 2)))

	runs, r := walk(t, dir)
	want := []string{
		"alex/a01/ load 9000=1 9060=NaN 9120=3",
		"alex/a01/ empty",
		"alex/a01/ load 10020=4.3 10080=NaN",
		"alex/a01/socket0 power 10005=7",
		"alex/a01/ load 10020=0.10000000149011612",
		"alex/a01/ load 10620=5 10680=6",
		"alex/a01/socket0 power 10620=8",
		"alex/a01/accelerator00000000:49:00.0/fan1 temp 10620=-1",
		"fritz/f01/ load 9000=2",
	}
	if diff := cmp.Diff(want, runs); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(Report{Hosts: 3, Files: 6, Runs: 9, Samples: 10}, r); diff != "" {
		t.Error(diff)
	}
}

func TestWalkNamesDamageAndStrays(t *testing.T) {
	dir := t.TempDir()
	good := encodeBin(100, 200, level{metrics: []metric{{"m", 60, 100, []float32{1, 2}}}})
	deep := level{}
	for range 40 {
		deep = level{children: []child{{"x", deep}}}
	}
	write(t, dir, "c/h/100.bin", good)
	write(t, dir, "c/h/101.bin", good[:len(good)-6])
	write(t, dir, "c/h/102.bin", []byte("not a snapshot"))
	write(t, dir, "c/h/103.bin", append(bytes.Clone(good), "rest"...))
	write(t, dir, "c/h/104.bin", encodeBin(1, 2, level{metrics: []metric{{"zero", 0, 100, []float32{1}}, {"far", 60, math.MaxInt64, []float32{1}}, {"m", 60, 300, []float32{3}}}}))
	write(t, dir, "c/h/105.bin", encodeBin(1, 2, deep))
	write(t, dir, "c/h/106.bin", nil)
	write(t, dir, "c/h/107.json", []byte(`{"metrics":{"m":{"frequency":60,"start":400,"data":[4`))
	write(t, dir, "c/h/108.json", []byte(`{ , }`))
	write(t, dir, "c/h/109.json", []byte(`{"metrics":{"m":null}}`))
	write(t, dir, "c/h/110.json", []byte(`null`))
	write(t, dir, "c/h/111.json", []byte(`{"children":{"socket0":null}}`))
	write(t, dir, "c/h/112.bin.tmp", good)
	write(t, dir, "c/h/notes.txt", nil)
	write(t, dir, "c/h/113.bin/x", nil)
	write(t, dir, "c/README", nil)
	write(t, dir, "c/current.wal", encodeWAL())
	write(t, dir, "current.wal", encodeWAL())
	if err := syscall.Mkfifo(filepath.Join(dir, "c/h/114.json"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "c/gone")); err != nil {
		t.Fatal(err)
	}

	runs, r := walk(t, dir)
	if diff := cmp.Diff([]string{"c/h/ m 100=1 160=2", "c/h/ m 100=1 160=2", "c/h/ m 300=3"}, runs); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{
		"c/gone: stat " + dir + "/c/gone: no such file or directory",
		"c/h/101.bin: offset 47: 8 bytes wanted, 6 left: the file ends too early",
		"c/h/102.bin: offset 4: magic 0x20746f6e, expected 0xcc5b0001",
		"c/h/103.bin: 4 bytes behind the end were left out",
		`c/h/104.bin: metric "zero" at [] left out: frequency 0 s is not positive`,
		`c/h/104.bin: metric "far" at [] left out: start 9223372036854775807 is out of range`,
		"c/h/105.bin: offset 207: more than 16 levels",
		"c/h/106.bin: offset 0: 4 bytes wanted, 0 left: the file ends too early",
		"c/h/107.json: the file ends too early",
		`c/h/108.json: offset 3: invalid character ',' looking for beginning of object key string`,
		`c/h/109.json: metric "m" is null`,
		"c/h/110.json: the snapshot is null",
		`c/h/111.json: child "socket0" is null`,
		"c/h/113.bin: not a regular file (d---------)",
		"c/h/114.json: not a regular file (p---------)",
	}, problems(dir, r.Damaged)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{
		"c/README: only directories belong here",
		"c/current.wal: " + errNoLevels.Error(),
		"c/h/112.bin.tmp: " + errHalf.Error(),
		"c/h/notes.txt: " + errUnknown.Error(),
		"current.wal: " + errNoLevels.Error(),
	}, problems(dir, r.Stray)); diff != "" {
		t.Error(diff)
	}
}

func TestWALReadsAroundDamage(t *testing.T) {
	sample := func(t int64) walSample { return walSample{t, "m", []string{"core1"}, float32(t)} }
	a, b, c := frame(encodePayload(sample(1))), frame(encodePayload(sample(2))), frame(encodePayload(sample(3)))
	head := encodeWAL()
	flip := func(rec []byte, i int) []byte {
		rec = bytes.Clone(rec)
		rec[i] ^= 0x40
		return rec
	}
	huge := append(bytes.Clone(recordMark), 0xff, 0xff, 0xff, 0x7f)
	badName := encodePayload(walSample{2, "m", nil, 1})
	binary.LittleEndian.PutUint16(badName[8:], 999)
	tests := []struct {
		name    string
		file    [][]byte
		want    string
		damaged []string
	}{
		{"whole", [][]byte{head, a, b, c}, " 1=1 2=2 3=3", nil},
		{"torn end", [][]byte{head, a, b[:20]}, " 1=1", []string{"20 bytes from offset 38 passed over: a record of 22 bytes: the file ends too early"}},
		{"torn head", [][]byte{head, a, b[:6]}, " 1=1", []string{"6 bytes from offset 38 passed over: the file ends too early"}},
		{"torn and appended", [][]byte{head, a, b[:20], c}, " 1=1 3=3", []string{"20 bytes from offset 38 passed over: checksum"}},
		{"flipped payload", [][]byte{head, flip(a, 12), b}, " 2=2", []string{"34 bytes from offset 4 passed over: checksum"}},
		{"flipped magic", [][]byte{head, flip(a, 0), b}, " 2=2", []string{"34 bytes from offset 4 passed over: no record starts here"}},
		{"flipped length", [][]byte{head, a, flip(b, 7), c}, " 1=1 3=3", []string{"34 bytes from offset 38 passed over: a record of 1073741846 bytes"}},
		{"absurd length", [][]byte{head, huge, a}, " 1=1", []string{"8 bytes from offset 4 passed over: a record of 2147483647 bytes"}},
		{"bad file header", [][]byte{{1, 2, 3, 4}, a, b}, " 1=1 2=2", []string{"4 bytes from offset 0 passed over: the file does not start with 0xcc1da701"}},
		{"no header", [][]byte{{1, 2}}, "", []string{"2 bytes from offset 0 passed over: the file does not start with 0xcc1da701"}},
		{"bad payload", [][]byte{head, frame([]byte("tiny")), frame(badName), a}, " 1=1", []string{
			"16 bytes from offset 4 passed over: a payload of 4 bytes",
			"28 bytes from offset 20 passed over: a metric name of 999 bytes: the file ends too early",
		}},
		{"time out of range", [][]byte{head, frame(encodePayload(sample(1e18))), a}, " 1=1", []string{"34 bytes from offset 4 passed over: time 1000000000000000000 is out of range"}},
		{"a megabyte of rubbish", [][]byte{head, a, bytes.Repeat(recordMark[:3], 400_000), b}, " 1=1 2=2", []string{"1200000 bytes from offset 38 passed over: no record starts here"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, "c/h/current.wal", bytes.Join(tt.file, nil))
			runs, r := walk(t, dir)
			want := []string{"c/h/core1 m" + tt.want}
			if tt.want == "" {
				want = nil
			}
			if diff := cmp.Diff(want, runs); diff != "" {
				t.Error(diff)
			}
			got := problems(dir, r.Damaged)
			if len(got) != len(tt.damaged) {
				t.Fatalf("damage %q, want %q", got, tt.damaged)
			}
			for i, want := range tt.damaged {
				if want = "c/h/current.wal: " + want; !strings.HasPrefix(got[i], want) {
					t.Errorf("damage %q, want %q", got[i], want)
				}
			}
		})
	}
}

func TestWALNamesFewOfManyDamages(t *testing.T) {
	file := encodeWAL()
	for i := range 100 {
		rec := frame(encodePayload(walSample{int64(i), "m", nil, 1}))
		if i%2 == 0 {
			rec[len(rec)-1] ^= 1
		}
		file = append(file, rec...)
	}
	dir := t.TempDir()
	write(t, dir, "c/h/current.wal", file)
	_, r := walk(t, dir)
	if r.Samples != 50 || len(r.Damaged) != maxNotes || !strings.Contains(r.Damaged[maxNotes-1].String(), "further places") {
		t.Errorf("%d samples, %d damages, last %v", r.Samples, len(r.Damaged), r.Damaged[len(r.Damaged)-1])
	}
}

// TestWALInBatches: a log of more samples than one batch holds keeps their order.
func TestWALInBatches(t *testing.T) {
	file := encodeWAL()
	const n = walBatch + 1000
	for i := range n {
		file = append(file, frame(encodePayload(walSample{int64(i), "m" + strconv.Itoa(i%2), nil, 1}))...)
	}
	next, runs := map[string]int64{"m0": 0, "m1": 1}, 0
	err := readWAL(bytes.NewReader(file), func(_ []string, metric string, times []int64, _ []float64) error {
		runs++
		for _, at := range times {
			if at != next[metric] {
				t.Fatalf("%s: time %d, want %d", metric, at, next[metric])
			}
			next[metric] += 2
		}
		return nil
	}, func(_, _ int64, err error) { t.Error(err) })
	if err != nil || runs != 4 || next["m0"]+next["m1"] != 2*n+1 {
		t.Errorf("%d runs, %v, %v", runs, next, err)
	}
}

func TestWalkStops(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "c/h/1.bin", encodeBin(1, 2, level{metrics: []metric{{"m", 60, 100, []float32{1}}}}))
	write(t, dir, "c/h/current.wal", encodeWAL(walSample{1, "m", nil, 1}))
	mine := errors.New("mine")
	for _, at := range []int{1, 2} {
		calls := 0
		_, err := Walk(t.Context(), dir, func(*Series) error {
			if calls++; calls == at {
				return mine
			}
			return nil
		})
		if !errors.Is(err, mine) || calls != at {
			t.Errorf("stopped at %d: %v after %d calls", at, err, calls)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Walk(ctx, dir, func(*Series) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := Walk(t.Context(), filepath.Join(dir, "none"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing directory: %v", err)
	}
}

func TestSplitLevel(t *testing.T) {
	for _, tt := range []struct{ text, typ, id string }{
		{"hwthread3", "hwthread", "3"},
		{"accelerator00000000:49:00.0", "accelerator", "00000000:49:00.0"},
		{"acceleratorGPU-1f", "accelerator", "GPU-1f"},
		{"socket0", "socket", "0"},
		{"socket", "socket", ""},
		{"memoryDomain1", "memoryDomain", "1"},
		{"core12", "core", "12"},
		{"cpu3", "cpu", "3"},
		{"numa2", "numa", "2"},
		{"fan", "fan", ""},
		{"0", "node", "0"},
		{"node0", "node0", ""},
		{"nodeboard1", "nodeboard", "1"},
	} {
		typ, id := SplitLevel(tt.text)
		if typ != tt.typ || id != tt.id {
			t.Errorf("%q is %q %q, want %q %q", tt.text, typ, id, tt.typ, tt.id)
		}
		if typ != "node" && typ+id != tt.text {
			t.Errorf("%q glued again is %q", tt.text, typ+id)
		}
	}
	for _, tt := range []struct{ text, typ, id string }{{"fan1", "fan", "1"}, {"eth", "eth", ""}, {"0", "0", ""}, {"core1", "core", "1"}} {
		if typ, id := SplitSubLevel(tt.text); typ != tt.typ || id != tt.id {
			t.Errorf("sub level %q is %q %q, want %q %q", tt.text, typ, id, tt.typ, tt.id)
		}
	}
}
