package coopr

import (
	"encoding/json"
	"math"
	"testing"
	"time"
)

// slowly counts what a tally counts, bucket by bucket.
func slowly(start, end, period, unit, now int64, nodes [][]Life) (at, values []int64) {
	for from := start; ; {
		to := end
		if period > 0 && end > start {
			to = min(end, (floor(from, period)+1)*period)
		}
		v := int64(0)
		for _, lives := range nodes {
			lived := int64(0)
			for _, l := range lives {
				lived += max(0, min(l.To, now, to*int64(time.Second))-max(l.From, from*int64(time.Second)))
			}
			v += lived / unit
		}
		at, values = append(at, from), append(values, v)
		if from = to; from >= end {
			return at, values
		}
	}
}

// FuzzTally holds the quick count against the slow one.
func FuzzTally(f *testing.F) {
	f.Add(int64(5), uint16(17), uint8(0), uint8(3), int64(1000), []byte{1, 2, 3, 4, 5, 6})
	f.Add(int64(19800), uint16(16200), uint8(1), uint8(4), int64(30000), []byte{0, 255, 0, 10, 10, 10})
	f.Add(int64(-7000), uint16(65535), uint8(1), uint8(0), int64(50000), []byte{9, 255, 7, 20, 1, 255, 3, 4, 5, 6})
	f.Fuzz(func(t *testing.T, start int64, length uint16, group, unit uint8, now int64, steps []byte) {
		start %= 1 << 32
		now %= 1 << 33
		end := start + int64(length)*64 - 1000
		period := []int64{0, 3600, 86400, 7 * 86400, 30 * 86400, 360 * 86400}[group%6]
		each := []int64{1, 1e3, 1e6, 1e9, 60e9, 3600e9, 86400e9}[unit%7]
		if len(steps) > 200 {
			return
		}
		// A node's lives, one behind the other, from a little before the start.
		nodes := [][]Life{nil, nil}
		for n := range nodes {
			at := (start - 20000) * int64(time.Second)
			for i := n; i+1 < len(steps); i += 2 {
				at += int64(steps[i]) * int64(steps[i]) * 1_234_567_891
				l := Life{at, at + int64(steps[i+1])*int64(steps[i+1])*987_654_321}
				at = l.To
				nodes[n] = append(nodes[n], l)
			}
		}
		nowNS := now * int64(time.Second)
		got, ok := newTally(start, end, period, each)
		if !ok {
			t.Fatalf("too many buckets from %d to %d by %d", start, end, period)
		}
		for _, lives := range nodes {
			got.add(lives, nowNS)
		}
		var answer struct {
			Data []struct{ Time, Value int64 }
		}
		if err := json.Unmarshal(got.append(nil), &answer); err != nil {
			t.Fatal(err)
		}
		at, values := slowly(start, end, period, each, nowNS, nodes)
		if len(at) != len(answer.Data) {
			t.Fatalf("%d buckets, want %d", len(answer.Data), len(at))
		}
		for i, d := range answer.Data {
			if d.Time != at[i] || d.Value != values[i] {
				t.Errorf("bucket %d: %+v, want %d at %d", i, d, values[i], at[i])
			}
		}
	})
}

// TestLargeSums: what does not fit is as large as it can be.
func TestLargeSums(t *testing.T) {
	const year = 360 * 86400
	tally, ok := newTally(-1, 3*year+1, year, 1)
	if !ok {
		t.Fatal("too many")
	}
	for range 1000 {
		tally.add([]Life{{-int64(time.Second), math.MaxInt64}}, math.MaxInt64)
	}
	if got, want := string(tally.append(nil)), `{"start":-1,"end":93312001,"data":[{"time":-1,"value":1000000000000},{"time":0,"value":9223372036854775807},`; got[:len(want)] != want {
		t.Error(got)
	}
}

func BenchmarkTally(b *testing.B) {
	lives := []Life{{1_700_000_000 * int64(time.Second), 1_790_000_000 * int64(time.Second)}}
	for b.Loop() {
		t, _ := newTally(1_700_000_000, 1_790_000_000, 3600, int64(time.Second))
		for range 10_000 {
			t.add(lives, math.MaxInt64)
		}
	}
}
