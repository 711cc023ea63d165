package prometheus

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"

	"granary/api/edge"
	"granary/measures/ingest/line"
	"granary/measures/ingest/remote"
	"granary/measures/ingest/remoteout"
	"granary/tenant"
	"granary/tenant/queue"
)

var good = series([]remoteout.Sample{{Time: testNow.UnixMilli(), Value: 7}}, "__name__", "good", "job", "x")

// TestBadSeries: what cannot be stored is named and counted, and the rest of the request is stored.
func TestBadSeries(t *testing.T) {
	many := func(n int) (labels []string) {
		labels = append(labels, "__name__", "m")
		for i := range n {
			labels = append(labels, fmt.Sprintf("l%06d", i), "v")
		}
		return labels
	}
	for name, c := range map[string]struct {
		bad     remoteout.Series
		ignored string
		text    string
	}{
		"twice":        {series(one(0, 1), "__name__", "m", "a", "1", "a", "2"), "bad-name=1", `the label "a" is given twice`},
		"name twice":   {series(one(0, 1), "__name__", "m", "a", "1", "__name__", "n"), "bad-name=1", `the label "__name__" is given twice`},
		"no name":      {series(one(0, 1), "a", "1"), "bad-name=1", `a series has no label __name__: {a="1"}`},
		"empty name":   {series(one(0, 1), "__name__", "", "a", "1"), "bad-name=1", "a series has no label __name__"},
		"nameless":     {series(one(0, 1), "__name__", "m", "", "1"), "bad-name=1", "the name of a label is empty"},
		"no labels":    {series(one(0, 1)), "bad-name=1", "a series has no labels"},
		"UTF-8 value":  {series(one(0, 1), "__name__", "m", "a", "\xff"), "bad-name=1", `a label is not UTF-8: the value of "a"`},
		"UTF-8 name":   {series(one(0, 1), "__name__", "m", "\xff", "a"), "bad-name=1", `the name of a label is not UTF-8: "\xff"`},
		"100,000":      {series(one(0, 1), many(100_000)...), "tags-limit=1", "a series has more than 256 labels (setting granary.compat.prometheus.max-labels)"},
		"long":         {series(one(0, 1), "__name__", strings.Repeat("m", 70_000)), "bad-name=1", "longer than 65535 bytes"},
		"old":          {series(one(-25*3_600_000, 1), "__name__", "m"), "too-old=1", "is too old, the limit is 1d (setting granary.compat.prometheus.bounds.past)"},
		"future":       {series(one(600_001, 1), "__name__", "m"), "too-new=1", "lies too far in the future, the limit is 10m (setting granary.compat.prometheus.bounds.future)"},
		"end of time":  {series([]remoteout.Sample{{Time: math.MaxInt64}, {Time: math.MinInt64}}, "__name__", "m"), "too-old=1, too-new=1", "at 9223372036854775807 ms"},
		"other value":  {series([]remoteout.Sample{{Time: at(0), Value: 1}, {Time: at(0), Value: 2}}, "__name__", "m", "a", "1"), "duplicate=1", `{__name__="m", a="1"} at 1795867200000 ms since 1970: there is another value at this time`},
		"histogram":    {remoteout.Series{Labels: []string{"__name__", "h"}, Histograms: 2}, "histogram=2", "2 native histograms are not stored"},
		"exemplar":     {remoteout.Series{Labels: []string{"__name__", "h"}, Samples: one(0, 1), Exemplars: 1}, "exemplar=1", "1 exemplars are not stored"},
		"out of order": {series([]remoteout.Sample{{Time: at(0), Value: 1}, {Time: at(-5), Value: 2}}, "b", "1", "__name__", "m", "a", ""), "", ""},
	} {
		for version := range newBed(t).both() {
			b := newBed(t)
			w := b.both()[version](c.bad, good)
			status := 400
			if c.text == "" {
				status = 204
			}
			if w.Code != status || w.Header().Get("X-Granary-Ignored") != c.ignored || !strings.Contains(w.Body.String(), c.text) {
				t.Errorf("%s %s: %d %q %.300q", name, version, w.Code, w.Header().Get("X-Granary-Ignored"), w.Body)
			}
			if ms, _ := b.read(`good{job="x"}`); len(ms) != 1 {
				t.Errorf("%s %s: the good one is not stored", name, version)
			}
			stored := b.Dialect.o.Counters.Dialect(Name).Stored.Load()
			if got := w.Header().Get(headerSamples); got != fmt.Sprint(stored) || stored == 0 {
				t.Errorf("%s %s: %s written, %d stored", name, version, got, stored)
			}
			if status == 400 && (w.Header().Get(ErrorHeader) != "sample-refused" || w.Header().Get("Content-Type") != "text/plain; charset=utf-8") {
				t.Errorf("%s %s: %v", name, version, w.Header())
			}
		}
	}
}

// TestRepeated: a request that is sent again is answered as before, and a series may be in it more than once.
func TestRepeated(t *testing.T) {
	b := newBed(t)
	for version, send := range b.both() {
		for range 2 {
			if w := send(good, good, series(one(0, 1), "__name__", "m")); w.Code != 204 || w.Header().Get(headerSamples) != "3" {
				t.Errorf("%s: %d %q %v", version, w.Code, w.Body, w.Header())
			}
		}
	}
	if ms, _ := b.read(`good{job="x"}`); len(ms) != 1 {
		t.Error(ms)
	}
}

// TestBadBodies: what cannot be read at all stores nothing, and makes no tenant.
func TestBadBodies(t *testing.T) {
	v1 := remoteout.AppendV1(nil, []remoteout.Series{good, good})
	v2 := remoteout.AppendV2(nil, []remoteout.Series{good, good})
	const is2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request"
	zipped := &bytes.Buffer{}
	z := gzip.NewWriter(zipped)
	_, _ = z.Write(v1)
	_ = z.Close()
	huge := binary.AppendUvarint(nil, 4<<30)
	for name, c := range map[string]struct {
		body   []byte
		header []string
		status int
		code   string
	}{
		"plain":               {v1, nil, 400, "damaged-body"},
		"gzip, said snappy":   {zipped.Bytes(), nil, 400, "damaged-body"},
		"gzip":                {zipped.Bytes(), []string{"Content-Encoding", "gzip"}, 415, "content-encoding"},
		"two":                 {zipped.Bytes(), []string{"Content-Encoding", "snappy, gzip"}, 415, "content-encoding"},
		"none":                {nil, nil, 400, "damaged-body"},
		"4 GiB":               {append(huge, snappy.Encode(nil, v1)...), nil, 400, "damaged-body"},
		"4 GiB less one":      {append(binary.AppendUvarint(nil, 4<<30-1), 1, 2, 3), nil, 413, "size-limit"},
		"cut":                 {snappy.Encode(nil, v1)[:20], nil, 400, "damaged-body"},
		"message cut":         {snappy.Encode(nil, v1[:len(v1)-1]), nil, 400, "request-syntax"},
		"message cut, 2.0":    {snappy.Encode(nil, v2[:len(v2)-1]), []string{"Content-Type", is2}, 400, "request-syntax"},
		"long length":         {snappy.Encode(nil, append(append([]byte{}, v1...), 0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f)), nil, 400, "request-syntax"},
		"labels behind":       {snappy.Encode(nil, remoteout.AppendBytes(nil, 1, remoteout.AppendBytes(remoteout.AppendBytes(nil, 2, nil), 1, nil))), nil, 400, "request-syntax"},
		"first symbol":        {snappy.Encode(nil, remoteout.AppendBytes(nil, 4, []byte("x"))), []string{"Content-Type", is2}, 400, "request-syntax"},
		"other media":         {snappy.Encode(nil, v1), []string{"Content-Type", "application/json"}, 415, "media-type"},
		"other message":       {snappy.Encode(nil, v1), []string{"Content-Type", "application/x-protobuf;proto=io.prometheus.write.v3.Request"}, 415, "media-type"},
		"no media":            {snappy.Encode(nil, v1), []string{"Content-Type", "application/x-protobuf;;;"}, 415, "media-type"},
		"too large":           {snappy.Encode(nil, make([]byte, 2<<20)), nil, 413, "size-limit"},
		"1.0 taken as 2.0":    {snappy.Encode(nil, v1), []string{"Content-Type", is2}, 204, ""},
		"2.0 taken as 1.0":    {snappy.Encode(nil, v2), nil, 204, ""},
		"a page of elsewhere": {snappy.Encode(nil, v1), []string{"Origin", "https://elsewhere.example", "Sec-Fetch-Site", "cross-site"}, 403, "origin-forbidden"},
		"two tenants":         {snappy.Encode(nil, v1), []string{"Tenant", "a", "X-Scope-OrgID", "b"}, 400, "tenant-ambiguous"},
	} {
		b := newBed(t, func(o *Options) { o.Bodies = edge.NewBodies(edge.BodyOptions{Limit: 1 << 20, Setting: "s"}) })
		w := b.post(c.body, c.header...)
		if w.Code != c.status || w.Header().Get(ErrorHeader) != c.code {
			t.Errorf("%s: %d %q %q", name, w.Code, w.Header().Get(ErrorHeader), w.Body)
		}
		if _, ok := b.store.Tenants.Lookup("t"); ok {
			t.Errorf("%s: there is a tenant", name)
		}
	}
}

// TestTooManySamples refuses a request as a whole.
func TestTooManySamples(t *testing.T) {
	b := newBed(t, func(o *Options) { o.MaxSamples = 3 })
	four := make([]remoteout.Sample, 4)
	for i := range four {
		four[i].Time = at(int64(i))
	}
	for version, send := range b.both() {
		if w := send(series(four, "__name__", "m")); w.Code != 413 || !strings.Contains(w.Body.String(), "max-samples") {
			t.Errorf("%s: %d %q", version, w.Code, w.Body)
		}
		if w := send(series(four[:3], "__name__", "m")); w.Code != 204 {
			t.Errorf("%s: %d %q", version, w.Code, w.Body)
		}
	}
}

// TestLater: what passes with time is 503 with the time to wait, whatever other dialects say.
func TestLater(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"rate": func(o *Options) {
			o.CheckRate = func(tenant.ID) error { return &tenant.RateError{Wait: 3 * time.Second} }
		},
		"starting": func(o *Options) { o.Ready = func() (bool, string) { return false, "replaying" } },
	} {
		w := newBed(t, change).both()["1.0"](good)
		if w.Code != 503 || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: %d %v %q", name, w.Code, w.Header(), w.Body)
		}
	}
	if got := statusOf(&queue.FullError{}); got != 503 {
		t.Errorf("a full queue is %d", got)
	}
}

// TestNoBounds: without bounds only what cannot be stored at all is refused.
func TestNoBounds(t *testing.T) {
	b := newBed(t, func(o *Options) { o.Bounds = func() line.Bounds { return line.Bounds{} } })
	w := b.both()["1.0"](series([]remoteout.Sample{{Time: 1, Value: 1}, {Time: 4_000_000_000_000, Value: 2}, {Time: 9_000_000_000_000, Value: 3}}, "__name__", "m"))
	if w.Code != 400 || w.Header().Get("X-Granary-Ignored") != "too-new=1" || w.Header().Get(headerSamples) != "2" {
		t.Errorf("%d %v %q", w.Code, w.Header(), w.Body)
	}
}

// TestBitFlips: whatever bit of a request is another one, the answer is one of those that there are, and nothing breaks.
func TestBitFlips(t *testing.T) {
	b := newBed(t)
	random := rand.New(rand.NewPCG(1, 2))
	v1 := snappy.Encode(nil, remoteout.AppendV1(nil, fleet(2, 5)))
	v2 := snappy.Encode(nil, remoteout.AppendV2(nil, fleet(2, 5)))
	for range 2000 {
		body, header := bytes.Clone(v1), "application/x-protobuf"
		if random.IntN(2) == 0 {
			body, header = bytes.Clone(v2), "application/x-protobuf;proto=io.prometheus.write.v2.Request"
		}
		for range 1 + random.IntN(3) {
			body[random.IntN(len(body))] ^= 1 << random.IntN(8)
		}
		if w := b.post(body, "Content-Type", header); w.Code != 204 && w.Code != 400 && w.Code != 413 {
			t.Fatalf("%x: %d %q", body, w.Code, w.Body)
		}
	}
}

// TestPaths: all paths are the same, and there are no other methods.
func TestPaths(t *testing.T) {
	b := newBed(t)
	for _, path := range append(Paths, "/api/v1/write/x") {
		for _, method := range []string{"POST", "GET", "PUT"} {
			r := httptest.NewRequest(method, path, bytes.NewReader(snappy.Encode(nil, nil)))
			w := httptest.NewRecorder()
			b.ServeHTTP(w, r)
			want := map[string]int{"POST": 204}[method]
			switch {
			case strings.HasSuffix(path, "/x"):
				want = 404
			case want == 0:
				want = 405
			}
			if w.Code != want || want == 405 && w.Header().Get("Allow") != "POST" {
				t.Errorf("%s %s: %d %v", method, path, w.Code, w.Header())
			}
		}
	}
}

// FuzzWrite: no message breaks anything, and what the answer says is stored is there.
func FuzzWrite(f *testing.F) {
	list := append(fleet(1, 3), good, series(one(0, 1), "a", "b"), remoteout.Series{Labels: []string{"__name__", "h"}, Histograms: 1, Exemplars: 1})
	f.Add(remoteout.AppendV1(nil, list), false)
	f.Add(remoteout.AppendV2(nil, list), true)
	f.Add(remoteout.AppendV2(nil, []remoteout.Series{{Labels: []string{"__name__"}, Samples: one(0, 1), Unit: "seconds"}}), true)
	b := newBed(f, func(o *Options) { o.Bounds = func() line.Bounds { return line.Bounds{} } })
	f.Fuzz(func(t *testing.T, message []byte, second bool) {
		header := "application/x-protobuf"
		if second {
			header += ";proto=" + messageV2
		}
		before := b.Dialect.o.Counters.Dialect(Name).Stored.Load()
		w := b.post(snappy.Encode(nil, message), "Content-Type", header)
		if w.Code != 204 && w.Code != 400 && w.Code != 413 {
			t.Fatalf("%d %q", w.Code, w.Body)
		}
		if got := b.Dialect.o.Counters.Dialect(Name).Stored.Load() - before; fmt.Sprint(got) != w.Header().Get(headerSamples) {
			t.Fatalf("%d stored, %s said", got, w.Header().Get(headerSamples))
		}
		// The decoder of whole messages agrees on which of them can be read.
		if !second {
			var r remote.Reader
			err := r.Begin(remote.V1, message)
			for r.Next() {
				_, _ = r.Key()
			}
			if err == nil {
				err = r.Err()
			}
			if (err != nil) != (w.Header().Get(ErrorHeader) == "request-syntax") {
				t.Fatalf("%v, but %d %q", err, w.Code, w.Body)
			}
		}
	})
}
