package prometheus

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"

	"granary/measures/ingest/mapping"
	"granary/measures/ingest/remote"
	"granary/measures/ingest/remoteout"
)

// TestWrite: what a sender writes is stored, by both versions alike, and found by its labels in their order.
func TestWrite(t *testing.T) {
	for version := range newBed(t).both() {
		b := newBed(t)
		send := b.both()[version]
		up := func(ms int64, v float64) remoteout.Series {
			return series(one(ms, v), "__name__", "up", "instance", "a:1", "job", "node")
		}
		odd := series([]remoteout.Sample{{Time: at(5), Value: 0}, {Time: at(1), Value: -1.5}, {Time: at(-70_000), Value: math.Inf(1)}}, "z", "1", "__name__", "x y", "empty", "", "a", "ä")
		stale := up(9, math.Float64frombits(remote.Stale))
		for round := range int64(3) {
			w := send(up(round, float64(round)), odd, up(round+100, 1))
			if w.Code != 204 || w.Body.Len() != 0 || w.Header().Get(headerSamples) != "5" || w.Header().Get(headerHistograms) != "0" || w.Header().Get("X-Granary-Ignored") != "" {
				t.Errorf("%s: %d %q %v", version, w.Code, w.Body, w.Header())
			}
		}
		if w := send(stale); w.Code != 204 {
			t.Errorf("%s: %d %q", version, w.Code, w.Body)
		}
		ms, values := b.read(`up{instance="a:1",job="node"}`)
		if !slices.Equal(ms, []int64{at(0), at(1), at(2), at(9), at(100), at(101), at(102)}) || math.Float64bits(values[3]) != remote.Stale || values[2] != 2 {
			t.Errorf("%s: %v %v", version, ms, values)
		}
		ms, values = b.read(`x y{a="ä",z="1"}`)
		if fmt.Sprint(ms, values) != fmt.Sprint([]int64{at(-70_000), at(1), at(5)}, []float64{math.Inf(1), -1.5, 0}) {
			t.Errorf("%s: %v %v", version, ms, values)
		}
		if n := b.store.Definitions.Count(1); n != 2 {
			t.Errorf("%s: %d series", version, n)
		}
	}
}

// TestMapped: a series that a rule takes and does not keep is stored as what comes out alone, new and known, and all of it counts as
// written.
func TestMapped(t *testing.T) {
	var table *mapping.Table
	b := newBed(t, func(o *Options) { o.Mapping = func() *mapping.Table { return table } })
	var err error
	table, err = mapping.Compile([]mapping.Rule{{Name: "mem", From: []mapping.Match{{Metric: "mem_bytes", Scale: 0.5}}, Rename: map[string]string{"instance": "hostname"}}},
		mapping.Options{Now: func() time.Time { return b.now }})
	if err != nil {
		t.Fatal(err)
	}
	send := b.both()["1.0"]
	for i := range int64(3) {
		w := send(series(one(i, 4), "__name__", "mem_bytes", "instance", "h:1"), series(one(i, 5), "__name__", "other"))
		if w.Code != 204 || w.Header().Get(headerSamples) != "2" {
			t.Errorf("%d %v %q", w.Code, w.Header(), w.Body)
		}
	}
	if ms, values := b.read(`mem{hostname="h"}`); len(ms) != 3 || values[2] != 2 {
		t.Error(ms, values)
	}
	if ms, _ := b.read(`mem_bytes{instance="h:1"}`); ms != nil {
		t.Error("what comes in is stored")
	}
	if ms, _ := b.read(`other`); len(ms) != 3 {
		t.Error(ms)
	}
	if w := b.post(snappy.Encode(nil, remoteout.AppendV1(nil, []remoteout.Series{series(one(9, 4), "__name__", "mem_bytes", "instance", "h:1")})[:20])); w.Code != 400 {
		t.Error(w.Code)
	}
	if ms, _ := b.read(`mem{hostname="h"}`); len(ms) != 3 {
		t.Error("a damaged message gives something")
	}
}

// TestRemarks: what a message says of metrics beside their samples is counted, since it is not kept.
func TestRemarks(t *testing.T) {
	b := newBed(t)
	message := remoteout.AppendV1(nil, []remoteout.Series{series(one(0, 1), "__name__", "up")})
	message = remoteout.AppendBytes(message, 3, nil) // metadata
	message = remoteout.AppendBytes(message, 3, nil)
	if w := b.post(snappy.Encode(nil, message)); w.Code != 204 {
		t.Errorf("%d %q", w.Code, w.Body)
	}
	if n := b.o.Counters.Dialect(Name).Remarks.Load(); n != 2 {
		t.Errorf("%d remarks are counted", n)
	}
}
