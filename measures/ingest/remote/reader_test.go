package remote

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"testing"

	"granary/measures/ingest/remoteout"
)

var sampled = []remoteout.Series{
	{Labels: []string{"__name__", "up", "job", "x"}, Samples: []remoteout.Sample{{Time: 1, Value: 2}, {Time: -3, Value: math.NaN()}}, Unit: "seconds", Help: "h"},
	{Labels: []string{"__name__", "up", "job", "y", "z", ""}, Samples: []remoteout.Sample{{Time: 1, Value: 0}}, Exemplars: 1},
	{Labels: []string{"job", "x", "__name__", "up"}, Histograms: 2},
	{Labels: []string{"__name__", "up", "job", "x"}, Samples: []remoteout.Sample{{}}},
}

// TestReader: both versions say the same, and a key stands for the labels as they were sent.
func TestReader(t *testing.T) {
	for version, message := range map[Version][]byte{V1: remoteout.AppendV1(nil, sampled), V2: remoteout.AppendV2(nil, sampled)} {
		var r Reader
		if err := r.Begin(version, message); err != nil {
			t.Fatal(err)
		}
		var keys []string
		var units []string
		var labels []Label
		samples := 0
		for r.Next() {
			key, err := r.Key()
			if err != nil {
				t.Fatal(err)
			}
			for i, other := range keys {
				if r.Is(other) != (string(key) == other) || r.Is(other) != (len(keys) == 3 && i == 0) {
					t.Errorf("%d: series %d is taken for %d", version, len(keys), i)
				}
			}
			keys, units = append(keys, string(key)), append(units, r.Unit())
			if labels, err = r.Labels(labels[:0], 3); err != nil || len(labels) != 2 || string(labels[0].Name) != "__name__" || string(labels[1].Name) != "job" {
				t.Errorf("%d: %s %v", version, labels, err)
			}
			if r.Is(string(key)+"x") || r.Is("") || !r.Is(string(key)) {
				t.Errorf("%d: series %d is not what it is", version, len(keys))
			}
			for r.Sample() {
				samples++
			}
		}
		want := []string{"", "", "", ""}
		if version == V2 {
			want[0] = "seconds"
		}
		if r.Err() != nil || samples != 4 || r.Histograms != 2 || r.Exemplars != 1 || !slices.Equal(units, want) || (version == V2) != (r.Metadata == 4) {
			t.Errorf("%d: %v, %d samples, %+v, %q", version, r.Err(), samples, r, units)
		}
	}
}

// TestReferences: references to symbols that there are not, and an odd number of them, are faults of their series alone.
func TestReferences(t *testing.T) {
	start := func() []byte {
		b := remoteout.AppendBytes(nil, 4, nil)
		for _, s := range []string{"__name__", "up", "a"} {
			b = remoteout.AppendBytes(b, 4, []byte(s))
		}
		return b
	}
	refs := func(b []byte, refs ...byte) []byte {
		return remoteout.AppendBytes(b, 5, remoteout.AppendBytes(nil, 1, refs))
	}
	one := func(b []byte, refs ...byte) []byte { // not packed
		var s []byte
		for _, n := range refs {
			s = append(s, 1<<3, n)
		}
		return remoteout.AppendBytes(b, 5, s)
	}
	for name, c := range map[string]struct {
		message []byte
		good    bool
	}{
		"packed": {refs(start(), 1, 2), true}, "one by one": {one(start(), 1, 2), true}, "unknown": {refs(start(), 1, 4), false}, "unknown, one by one": {one(start(), 1, 9), false},
		"odd": {refs(start(), 1, 2, 3), false}, "no end": {refs(start(), 1, 0x80), false}, "empty value": {refs(start(), 1, 2, 3, 0), true}, "empty name": {refs(start(), 0, 2), false},
		"none": {refs(start()), false}, "huge": {refs(start(), 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1), false},
	} {
		var r Reader
		if err := r.Begin(V2, c.message); err != nil || !r.Next() {
			t.Fatal(name, err)
		}
		labels, err := r.Labels(nil, 255)
		var bad *LabelError
		if c.good != (err == nil) || !c.good && !errors.As(err, &bad) || c.good && (len(labels) != 1 || string(labels[0].Value) != "up") {
			t.Errorf("%s: %s %v", name, labels, err)
		}
		if r.Next() || r.Err() != nil {
			t.Errorf("%s: %v", name, r.Err())
		}
	}
}

// FuzzReader: nothing panics, labels that have equal keys are equal, and a series that is gone back to is as it was.
func FuzzReader(f *testing.F) {
	f.Add(remoteout.AppendV1(nil, sampled), false)
	f.Add(remoteout.AppendV2(nil, sampled), true)
	f.Add([]byte{0x22, 0, 0x22, 1, 'a', 0x2a, 4, 0x0a, 2, 1, 1}, true)
	f.Fuzz(func(t *testing.T, message []byte, second bool) {
		version := V1
		if second {
			version = V2
		}
		type seen struct {
			from, to int
			labels   []Label
			samples  int
		}
		var r Reader
		if r.Begin(version, message) != nil {
			return
		}
		byKey := map[string][]Label{}
		var all []seen
		for r.Next() {
			var s seen
			s.from, s.to = r.At()
			key, err := r.Key()
			if err == nil && r.Err() == nil && len(key) > 0 && !r.Is(string(key)) {
				t.Fatalf("%x is not %x", r.series, key)
			}
			labels, err := r.Labels(nil, 255)
			if r.Err() != nil {
				break
			}
			if err == nil {
				s.labels = labels
				if have, ok := byKey[string(key)]; ok && !slices.EqualFunc(have, labels, equal) {
					t.Fatalf("%x: %s and %s", key, have, labels)
				}
				byKey[string(key)] = labels
			}
			r.Unit()
			for r.Sample() {
				s.samples++
			}
			all = append(all, s)
		}
		if r.Err() != nil {
			return
		}
		for _, s := range all {
			r.Again(s.from, s.to)
			labels, err := r.Labels(nil, 255)
			n := 0
			for r.Sample() {
				n++
			}
			if err == nil && !slices.EqualFunc(labels, s.labels, equal) || err != nil && s.labels != nil || n != s.samples {
				t.Fatalf("%s %v, %d samples, were %s, %d", labels, err, n, s.labels, s.samples)
			}
		}
	})
}

func equal(a, b Label) bool { return bytes.Equal(a.Name, b.Name) && bytes.Equal(a.Value, b.Value) }
