package hawkular

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"

	"granary/measures/query"
	"granary/metricdef"
	"granary/tenant/queue"
)

// inside is a call of tenant "t" as a handler sees it.
func (s *stored) inside(typ metricdef.Type) (*call, *httptest.ResponseRecorder) {
	w := httptest.NewRecorder()
	c := &call{d: s.Dialect, route: &route{method: http.MethodGet}, w: w, r: httptest.NewRequest(http.MethodGet, "/", http.NoBody), now: testNow, tenant: "t", typ: typ}
	c.ctx = c.r.Context()
	if t, ok := s.o.Tenants.Lookup("t"); ok {
		c.num = t.Num
	}
	return c, w
}

// TestParts: what is too much for the memory is read part by part, and the answer is the same.
func TestParts(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	s := newStored(t, false)
	refs := map[metricdef.Type][]metricdef.Ref{}
	for typ := metricdef.Gauge; typ <= metricdef.String; typ++ {
		for i := range 4 {
			var points []sample
			for at := range int64(i * 20) {
				p := sample{at: testMilli - 1000 + at*int64(1+i)}
				switch v := random.IntN(3); typ {
				case metricdef.Gauge:
					p.value = float64(v)
				case metricdef.Counter:
					p.value = v
				case metricdef.Availability:
					p.value = metricdef.State(v)
				default:
					p.value = fmt.Sprint(v)
				}
				if random.IntN(4) == 0 {
					p.tags = `{"a":"b"}`
				}
				points = append(points, p)
			}
			refs[typ] = append(refs[typ], s.write(typ, fmt.Sprint("m", i), nil, points...))
		}
	}
	for round := range 400 {
		typ := metricdef.Type(1 + round%4)
		r := query.Request{Refs: refs[typ], From: (testMilli - 1000) * millisecond, To: testMilli * millisecond, PointTags: true, Desc: random.IntN(2) == 0, Limit: random.Int64N(30)}
		if random.IntN(2) == 0 {
			r.Refs = refs[typ][random.IntN(4):][:1]
		}
		distinct, after := random.IntN(2) == 0, int64(0)
		if distinct && typ == metricdef.Availability {
			after, r.Limit = r.Limit, 0
		}
		answer := func(atOnce int64) string {
			c, w := s.inside(typ)
			q, err := c.prepared(r)
			if err != nil {
				t.Fatal(err)
			}
			p := printer{c: c, request: r, distinct: distinct, limit: after, several: len(r.Refs) > 1, atOnce: atOnce}
			if err := p.run(q); err != nil {
				t.Fatal(err)
			}
			if !json.Valid(w.Body.Bytes()) {
				t.Fatalf("no JSON: %s", w.Body)
			}
			return w.Body.String()
		}
		if whole, parts := answer(1<<30), answer(-1); whole != parts {
			t.Fatalf("round %d, %+v:\n%s, in parts\n%s", round, r, whole, parts)
		}
	}
}

// slowClient takes the first part of an answer only when it is told to.
type slowClient struct {
	header http.Header
	waits  chan struct{} // closed when the first part is there
	taken  chan struct{}
	parts  int
}

func (s *slowClient) Header() http.Header { return s.header }
func (s *slowClient) WriteHeader(int)     {}
func (s *slowClient) Write(b []byte) (int, error) {
	if s.parts++; s.parts == 1 {
		close(s.waits)
		<-s.taken
	}
	return len(b), nil
}

// TestSlowClient: who does not take a long answer keeps nobody from the gate, and not from the processor either.
func TestSlowClient(t *testing.T) {
	fair := queue.NewFair(queue.FairOptions{Kind: queue.Queries, Units: 1, Turns: queue.NewTurns(1, 0)})
	s := newStored(t, false, func(o *Options) { o.Reads = fair })
	points := make([]sample, 20_000)
	for i := range points {
		points[i] = sample{testMilli - int64(i)*1000, float64(i), ""}
	}
	s.write(metricdef.Gauge, "g", nil, points...)
	slow := &slowClient{http.Header{}, make(chan struct{}), make(chan struct{}), 0}
	var done sync.WaitGroup
	done.Go(func() {
		r := httptest.NewRequest(http.MethodGet, Prefix+"/gauges/g/raw?start=0", http.NoBody)
		r.Header.Set("Hawkular-Tenant", "t")
		s.ServeHTTP(slow, r)
	})
	<-slow.waits
	s.expect("/gauges/g/raw?limit=1", list(pt(0, "0")))
	close(slow.taken)
	done.Wait()
	if slow.parts < 2 {
		t.Errorf("the answer came in %d parts", slow.parts)
	}
}

// TestReadsWhileOthersWrite runs reads of all kinds beside writes and deletions.
func TestReadsWhileOthersWrite(t *testing.T) {
	s := newStored(t, false)
	const rounds = 60
	var group sync.WaitGroup
	tag := []metricdef.Tag{{Name: "k", Value: "v"}}
	for id := range 3 {
		group.Go(func() {
			for i := range rounds {
				at := testMilli - int64(i)*100
				s.write(metricdef.Gauge, fmt.Sprint("g", id), tag, sample{at, float64(id), `{"a":"1"}`})
				s.write(metricdef.Availability, fmt.Sprint("a", id), nil, sample{at, metricdef.State(i % 3), ""})
				s.write(metricdef.String, fmt.Sprint("s", id), nil, sample{at, fmt.Sprint(i % 3), ""})
			}
		})
		group.Go(func() {
			for range rounds {
				for _, path := range []string{"/gauges/g%d/raw", "/availability/a%d/raw?distinct=true", "/strings/s%d/raw?order=asc&limit=7", "/availability/a%d/stats?buckets=7", "/gauges/g%d/periods?threshold=1&op=gte"} {
					w := s.request(http.MethodGet, fmt.Sprintf(path, id), "")
					if w.Code != 200 || !json.Valid(w.Body.Bytes()) {
						t.Errorf("%s: %d %s", path, w.Code, w.Body)
						return
					}
				}
				w := s.request(http.MethodPost, "/gauges/raw/query", `{"tags":"k:v","start":0}`)
				if w.Code != 200 || !json.Valid(w.Body.Bytes()) {
					t.Errorf("%d %s", w.Code, w.Body)
					return
				}
			}
		})
	}
	group.Go(func() {
		for i := range rounds {
			s.request(http.MethodDelete, fmt.Sprintf("/gauges/g%d/raw?start=-%ds", i%3, 1+i%5), "")
		}
	})
	group.Wait()
}

// TestCancelledRead: a client that has gone ends the work for it.
func TestCancelledRead(t *testing.T) {
	s := newStored(t, false)
	s.write(metricdef.Gauge, "g", nil, sample{testMilli, 1.0, ""})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, Prefix+"/gauges/g/raw", http.NoBody)
	r.Header.Set("Hawkular-Tenant", "t")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code != http.StatusServiceUnavailable {
		t.Error(w.Code, w.Body)
	}
}

// TestHugeLimit: a limit does not make a question cheaper than it is.
func TestHugeLimit(t *testing.T) {
	s := newStored(t, false)
	ref := s.write(metricdef.Gauge, "g", nil, sample{testMilli - 2, 1.0, ""}, sample{testMilli - 1, 2.0, ""})
	s.expect("/gauges/g/raw?limit=9223372036854775807", list(pt(1, "2"), pt(2, "1")))
	c, _ := s.inside(metricdef.Gauge)
	q, err := c.prepared(query.Request{Refs: []metricdef.Ref{ref}, From: 0, To: math.MaxInt64, Limit: math.MaxInt64})
	if err != nil || q.Cost().Samples < 2 || q.Cost().Points < 2 {
		t.Errorf("%+v, %v", q.Cost(), err)
	}
}

// TestMemoryOfLongReads: an answer of many long metrics does not need the memory of its points.
func TestMemoryOfLongReads(t *testing.T) {
	if testing.Short() {
		t.Skip("writes many points")
	}
	s := newStored(t, false)
	const metrics, each = 8, 100_000
	var ids []string
	for id := range metrics {
		points := make([]sample, each)
		for i := range points {
			points[i] = sample{testMilli - int64(each-i)*1000, float64(i % 100), ""}
		}
		s.write(metricdef.Gauge, fmt.Sprint("g", id), nil, points...)
		ids = append(ids, fmt.Sprintf(`"g%d"`, id))
	}
	r := httptest.NewRequest(http.MethodPost, Prefix+"/gauges/raw/query", strings.NewReader(`{"start":0,"ids":[`+strings.Join(ids, ",")+"]}"))
	r.Header.Set("Hawkular-Tenant", "t")
	w := &peak{header: http.Header{}}
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	s.ServeHTTP(w, r)
	if w.bytes < metrics*each*38 {
		t.Fatalf("%d bytes", w.bytes)
	}
	if grown := int64(w.most) - int64(before.HeapAlloc); grown > 16<<20 {
		t.Errorf("the heap grew by %d MB for an answer of %d MB", grown>>20, w.bytes>>20)
	}
}

// peak looks at the heap while it takes an answer.
type peak struct {
	header http.Header
	bytes  int64
	most   uint64
}

func (p *peak) Header() http.Header { return p.header }
func (p *peak) WriteHeader(int)     {}
func (p *peak) Write(b []byte) (int, error) {
	if p.bytes>>22 != (p.bytes+int64(len(b)))>>22 { // now and then
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		p.most = max(p.most, m.HeapAlloc)
	}
	p.bytes += int64(len(b))
	return len(b), nil
}

func FuzzRawQuery(f *testing.F) {
	modes := map[bool]*stored{}
	for _, strict := range []bool{true, false} {
		s := newStored(f, strict)
		for i := range 3 {
			s.write(metricdef.Gauge, fmt.Sprint("g", i), []metricdef.Tag{{Name: "a", Value: fmt.Sprint(i)}}, sample{testMilli - 5, 1.5, `{"x":"1"}`}, sample{testMilli - 4, 2.5, ""})
			s.write(metricdef.Availability, fmt.Sprint("g", i), nil, sample{testMilli - 5, metricdef.Up, ""})
		}
		modes[strict] = s
	}
	for _, body := range []string{
		`{"ids":["g0","g1","g0"],"start":0,"limit":1,"order":"desc"}`, `{"tags":"a:*"}`, `{"tags":"a ~ '.*' AND NOT b","fromEarliest":true}`, `{"ids":null,"tags":"a:1|2","start":null}`,
		`{"ids":["g0"],"start":"-5mn","end":"+1h","distinct":true}`, `{}`, `[]`, `null`, `{"ids":[""]}`, `{"ids":["g0"],"end":9223372036854775807,"start":9223372036854775806}`,
		`{'ids':['g0'],start:0}`, `{"tags":"a:(((("}`, `{"ids":["g0"],"start":-9223372036854775808}`, "{\"ids\":[\"\xff\"]}",
	} {
		f.Add(body, true, "gauges")
		f.Add(body, false, "availability")
	}
	f.Fuzz(func(t *testing.T, body string, strict bool, typ string) {
		if typeNames[typ] == 0 {
			typ = "gauges"
		}
		w := modes[strict].request(http.MethodPost, "/"+typ+"/raw/query", body)
		switch {
		case w.Code == http.StatusNoContent && strict && w.Body.Len() == 0:
		case (w.Code == http.StatusOK || w.Code == http.StatusBadRequest) && json.Valid(w.Body.Bytes()):
		default:
			t.Errorf("strict %v, %s %q: %d %s", strict, typ, body, w.Code, w.Body)
		}
	})
}
