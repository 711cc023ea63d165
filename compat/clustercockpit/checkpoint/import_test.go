package checkpoint

import (
	"bytes"
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fakeSink keeps what it is given and ignores lines of the metric "unwanted".
type fakeSink struct {
	bodies []string
	fail   int // the body that is refused, from 1; 0: none
}

var errFull = errors.New("full")

func (s *fakeSink) WriteLines(_ context.Context, body []byte) (map[string]int, error) {
	if s.fail == len(s.bodies)+1 {
		return nil, errFull
	}
	s.bodies = append(s.bodies, string(body))
	if n := bytes.Count(body, []byte("unwanted,")); n > 0 {
		return map[string]int{"unknown-metric": n}, nil
	}
	return nil, nil
}

func importDir(t *testing.T) string {
	dir := t.TempDir()
	inf := float32(math.Inf(1))
	write(t, dir, "alex/a 1/1700000000.bin", encodeBin(0, 0, level{
		metrics: []metric{{"flops", 60, 1700000000, []float32{0.1, nan, 2, inf}}, {"unwanted", 10, 1700000000, []float32{1}}, {"", 60, 0, []float32{1, nan}}},
		children: []child{
			{"hwthread3", level{metrics: []metric{{"ipc", 60, 1700000000, []float32{1.5}}}}},
			{"0", level{metrics: []metric{{"load", 60, 1700000000, []float32{1}}}}},
			{"socket0", level{children: []child{{"fan1", level{
				metrics:  []metric{{"rpm", 60, 1700000000, []float32{900}}},
				children: []child{{"deep", level{metrics: []metric{{"x", 60, 1700000000, []float32{1}}}}}},
			}}}}},
		},
	}))
	write(t, dir, "alex/a 1/current.wal", encodeWAL(walSample{1700000240, "flops", nil, 5}))
	return dir
}

func TestImport(t *testing.T) {
	sink := &fakeSink{}
	r, err := Import(t.Context(), importDir(t), sink, ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := `flops,cluster=alex,hostname=a\ 1 value=0.10000000149011612 1700000000
flops,cluster=alex,hostname=a\ 1 value=2 1700000120
unwanted,cluster=alex,hostname=a\ 1 value=1 1700000000
ipc,cluster=alex,hostname=a\ 1,type=hwthread,type-id=3 value=1.5 1700000000
load,cluster=alex,hostname=a\ 1,type=node,type-id=0 value=1 1700000000
rpm,cluster=alex,hostname=a\ 1,stype=fan,stype-id=1,type=socket,type-id=0 value=900 1700000000
flops,cluster=alex,hostname=a\ 1 value=5 1700000240
`
	if diff := cmp.Diff([]string{want}, sink.bodies); diff != "" {
		t.Error(diff)
	}
	if r.Sent != 7 || r.Bodies != 1 || r.Samples != 10 || r.UnprintableSamples != 3 || r.Ignored["unknown-metric"] != 1 {
		t.Errorf("%+v", r)
	}
	var why []string
	for _, p := range r.Unprintable {
		why = append(why, p.String())
	}
	if diff := cmp.Diff([]string{
		`cluster "alex", host "a 1", levels [], metric "flops": value +Inf: line protocol cannot express it`,
		`cluster "alex", host "a 1", levels [], metric "": metric name "": empty: line protocol cannot express it`,
		`cluster "alex", host "a 1", levels ["socket0" "fan1" "deep"], metric "x": 3 levels below the host, at most 2 have tags`,
	}, why); diff != "" {
		t.Error(diff)
	}
}

func TestImportFromAndBodies(t *testing.T) {
	sink, steps := &fakeSink{}, 0
	r, err := Import(t.Context(), importDir(t), sink, ImportOptions{From: 1700000100, BodyBytes: 1, Progress: func(r ImportReport) {
		if steps++; r.Bodies != steps {
			t.Errorf("progress %d shows %d bodies", steps, r.Bodies)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"flops,cluster=alex,hostname=a\\ 1 value=2 1700000120\n", "flops,cluster=alex,hostname=a\\ 1 value=5 1700000240\n"}
	if diff := cmp.Diff(want, sink.bodies); diff != "" {
		t.Error(diff)
	}
	if r.Early != 5 || steps != 2 {
		t.Errorf("%d early, %d steps", r.Early, steps)
	}
}

func TestImportOfLongNames(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "c/h/current.wal", encodeWAL(walSample{1, strings.Repeat("m", 40_000), nil, 1}, walSample{1, "m", nil, 1}))
	sink := &fakeSink{}
	r, err := Import(t.Context(), dir, sink, ImportOptions{})
	if err != nil || r.Sent != 1 || r.UnprintableSamples != 1 || len(sink.bodies) != 1 {
		t.Errorf("%v, %d sent, %d unprintable", err, r.Sent, r.UnprintableSamples)
	}
}

func TestImportSinkFails(t *testing.T) {
	r, err := Import(t.Context(), importDir(t), &fakeSink{fail: 2}, ImportOptions{BodyBytes: 1})
	if !errors.Is(err, errFull) || !strings.Contains(err.Error(), "body 2 of 1 samples") || r.Sent != 1 {
		t.Errorf("%v, sent %d", err, r.Sent)
	}
}
