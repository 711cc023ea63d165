//go:build e2e

package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	spenderGrace   = 3 * time.Minute
	spenderMinutes = 10 * 60 // that samples lie in
	streamLines    = 10      // of each message
)

// usageRow and nodeRow are what the API says of usage.
type usageRow struct {
	Tenant                 string
	Number                 int
	Deleted                bool
	Start                  int64
	Samples, Bytes, Series uint64
	Created                uint64 `json:"series_created"`
	Removed                uint64 `json:"series_removed"`
}

type nodeRow struct {
	Tenant, Cluster, Name string
	Number                int
	Lives                 []struct {
		Start, End int64
		Running    bool
	}
}

// spent is what some writes amount to.
type spent struct{ samples, bytes uint64 }

func (s *spent) add(o spent) { s.samples, s.bytes = s.samples+o.samples, s.bytes+o.bytes }

// spending is what a tenant has sent from its making to its end, and what of it was acknowledged.
type spending struct {
	acked, sent      spent
	low, high        map[int64]*spent          // by hour; low has what began and was acknowledged in it
	sure, may        map[string]map[int64]bool // minutes of samples, by node
	series, maySerie map[string]bool
	deleted          bool
}

// spender writes as one tenant, a request at a time.
type spender struct {
	id     string
	ends   bool // and is made anew
	rng    *rand.Rand
	base   int64 // of the minutes, in seconds
	lives  []*spending
	writes int    // acknowledged since the tenant was made
	ending bool   // a deletion was not answered
	size   uint64 // of a message
}

func newSpender(id string, ends bool, rng *rand.Rand) *spender {
	s := &spender{id: id, ends: ends, rng: rng, base: minute() - 12*3600}
	s.begin()
	return s
}

func (s *spender) begin() {
	s.writes = 0
	s.lives = append(s.lives, &spending{
		low: map[int64]*spent{}, high: map[int64]*spent{}, sure: map[string]map[int64]bool{}, may: map[string]map[int64]bool{},
		series: map[string]bool{}, maySerie: map[string]bool{},
	})
}

func (s *spender) now() *spending { return s.lives[len(s.lives)-1] }

// run writes in one form after the other until the service is gone.
func (s *spender) run(ctx context.Context, p *process) {
	for ctx.Err() == nil {
		if s.ends && s.writes > 10 && s.rng.IntN(20) == 0 {
			s.ending = true
			status, _ := askNative(p.client, p, http.MethodDelete, "/v2/tenants/"+s.id, "", nil)
			if status != http.StatusAccepted && status != http.StatusNoContent {
				return
			}
			s.ended()
			continue
		}
		host, at, n := fmt.Sprint("h", s.rng.IntN(12)), s.base+60*s.rng.Int64N(spenderMinutes), 1+s.rng.IntN(40)
		var body strings.Builder
		var names []string
		size, path, header := 0, "/v2/measures", http.Header{"Tenant": {s.id}}
		switch form := s.rng.IntN(4); form {
		case 0, 1:
			between, media := ",", "application/json"
			if form == 1 {
				between, media = "\n", "application/x-ndjson"
			} else {
				body.WriteByte('[')
			}
			for k := range n {
				if k > 0 {
					body.WriteString(between)
				}
				item := fmt.Sprintf(`{"name":"m%d","tags":{"cluster":%q,"hostname":%q},"samples":[[%d,%d]]}`, k, s.id, host, at, k)
				body.WriteString(item)
				size += len(item)
				names = append(names, fmt.Sprint("m", k))
			}
			if form == 0 {
				body.WriteByte(']')
			}
			header.Set("Content-Type", media)
		default:
			for k := range n {
				fmt.Fprintf(&body, "l%d%d,cluster=%s,hostname=%s value=%d %d\n", form, k, s.id, host, k, at)
				names = append(names, fmt.Sprintf("l%d%d", form, k))
			}
			size = body.Len()
			if header.Set("Content-Type", "text/plain"); form == 3 {
				path = "/api/write"
				header.Del("Tenant")
			}
		}
		s.count(host, (at-s.base)/60, names, spent{uint64(n), uint64(size)}, func() bool {
			status, _, _ := p.do(http.MethodPost, path, header, strings.NewReader(body.String()))
			return status == http.StatusOK
		})
	}
}

// publish does the same with messages of one size.
func (s *spender) publish(ctx context.Context, js jetstream.JetStream) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		host, at := fmt.Sprintf("h%02d", s.rng.IntN(12)), s.base+60*s.rng.Int64N(spenderMinutes)
		var body strings.Builder
		var names []string
		for k := range streamLines {
			names = append(names, fmt.Sprint("n", k))
			fmt.Fprintf(&body, "n%d,cluster=%s,hostname=%s value=%d %d\n", k, s.id, host, k, at)
		}
		s.size = uint64(body.Len())
		s.count(host, (at-s.base)/60, names, spent{streamLines, s.size}, func() bool {
			_, err := js.Publish(context.Background(), subject, []byte(body.String()))
			return err == nil
		})
	}
}

// delivered says how often messages were delivered: each may have counted as often. When they came is not known.
func (s *spender) delivered(times uint64) {
	l := s.now()
	l.sent = spent{times * streamLines, times * s.size}
	clear(l.low)
	for h := hourNow() - 3600; h <= hourNow(); h += 3600 {
		l.high[h] = &l.sent
	}
}

func hourNow() int64 { return time.Now().Unix() / 3600 * 3600 }

// count notes what a write has sent, and what was acknowledged.
func (s *spender) count(host string, at int64, names []string, c spent, write func() bool) {
	l := s.now()
	from := hourNow()
	l.sent.add(c)
	mark(l.may, host, at)
	for _, n := range names {
		l.maySerie[n+" "+host] = true
	}
	ok := write()
	to := hourNow()
	for h := from; h <= to; h += 3600 {
		addTo(l.high, h, c)
	}
	if !ok {
		// The service is gone, and may write it down in the last moment.
		addTo(l.high, to+3600, c)
		return
	}
	s.writes++
	l.acked.add(c)
	if from == to {
		addTo(l.low, from, c)
	}
	mark(l.sure, host, at)
	for _, n := range names {
		l.series[n+" "+host] = true
	}
}

func addTo(m map[int64]*spent, hour int64, c spent) {
	if m[hour] == nil {
		m[hour] = &spent{}
	}
	m[hour].add(c)
}

func mark(m map[string]map[int64]bool, host string, at int64) {
	if m[host] == nil {
		m[host] = map[int64]bool{}
	}
	m[host][at] = true
}

// ended notes that the tenant was deleted.
func (s *spender) ended() {
	s.ending = false
	s.now().deleted = true
	s.begin()
}

// settle asks whether a deletion that was not answered has come to pass.
func (s *spender) settle(t *testing.T, p *process) {
	t.Helper()
	if !s.ending {
		return
	}
	s.ending = false
	switch status, body := p.get("/v2/tenants/" + s.id); status {
	case http.StatusNotFound:
		s.ended()
	case http.StatusOK:
	default:
		t.Fatalf("%d %s", status, body)
	}
}

// check compares what the service says with what was written.
func (s *spender) check(t *testing.T, p *process) {
	t.Helper()
	var answer struct {
		Usage []usageRow
		Nodes []nodeRow
	}
	for _, path := range []string{"/v2/usage?tenants=*&times=s&start=now-6h", fmt.Sprint("/v2/usage/nodes?tenants=*&times=s&start=", s.base-3600)} {
		status, body := p.get(path)
		if err := json.Unmarshal([]byte(body), &answer); status != http.StatusOK || err != nil {
			t.Fatalf("%s: %d %s", path, status, body)
		}
	}
	rows, nodes := map[int][]usageRow{}, map[int][]nodeRow{}
	for _, r := range answer.Usage {
		if r.Tenant == s.id {
			rows[r.Number] = append(rows[r.Number], r)
		}
	}
	for _, n := range answer.Nodes {
		if n.Tenant == s.id {
			nodes[n.Number] = append(nodes[n.Number], n)
		}
	}
	numbers := slices.Sorted(maps.Keys(rows)) // later tenants of one name have higher numbers
	if n := len(s.lives); len(numbers) != n && (len(numbers) != n-1 || s.now().acked.samples > 0) {
		t.Fatalf("%s: the numbers %v have usage, and there were %d tenants", s.id, numbers, n)
	}
	for i, number := range numbers {
		what := fmt.Sprintf("%s, number %d", s.id, number)
		s.lives[i].checkHours(t, what, rows[number])
		s.lives[i].checkNodes(t, what, nodes[number], s.base)
	}
}

func (l *spending) checkHours(t *testing.T, what string, rows []usageRow) {
	t.Helper()
	var total spent
	var created, removed uint64
	hours := map[int64]bool{}
	for _, r := range rows {
		hours[r.Start] = true
		var low, high spent
		if l.low[r.Start] != nil {
			low = *l.low[r.Start]
		}
		if l.high[r.Start] != nil {
			high = *l.high[r.Start]
		}
		if r.Samples < low.samples || r.Bytes < low.bytes || r.Samples > high.samples || r.Bytes > high.bytes || r.Deleted != l.deleted {
			t.Errorf("%s: %+v, acknowledged %+v, sent %+v", what, r, low, high)
		}
		total.add(spent{r.Samples, r.Bytes})
		created, removed = created+r.Created, removed+r.Removed
	}
	for h, c := range l.low {
		if !hours[h] {
			t.Errorf("%s: the hour %d is missing, with %+v", what, h, *c)
		}
	}
	if total.samples < l.acked.samples || total.bytes < l.acked.bytes || total.samples > l.sent.samples || total.bytes > l.sent.bytes {
		t.Errorf("%s: %+v in all, acknowledged %+v, sent %+v", what, total, l.acked, l.sent)
	}
	if created < uint64(len(l.series)) || created > uint64(len(l.maySerie)) {
		t.Errorf("%s: %d series were made, %d acknowledged, %d sent", what, created, len(l.series), len(l.maySerie))
	}
	if last := rows[len(rows)-1].Series; last != created-removed || !l.deleted && removed != 0 { // those of a deleted one end when it is swept
		t.Errorf("%s: %d series in the end, %d made, %d ended, tenant deleted: %t", what, last, created, removed, l.deleted)
	}
}

// checkNodes compares lives minute by minute.
func (l *spending) checkNodes(t *testing.T, what string, list []nodeRow, base int64) {
	t.Helper()
	lived := map[string]map[int64]bool{}
	grace := int64(spenderGrace / time.Minute)
	for _, n := range list {
		for i, life := range n.Lives {
			if i > 0 && life.Start <= n.Lives[i-1].End || (life.Start-base)%60 != 0 || (life.End-base)%60 != 0 || life.Running || life.End < life.Start+60*grace {
				t.Errorf("%s: node %s lives %+v", what, n.Name, n.Lives)
			}
			for m := (life.Start - base) / 60; m < (life.End-base)/60; m++ {
				mark(lived, n.Name, m)
			}
		}
	}
	cover := func(samples map[int64]bool) map[int64]bool {
		c := map[int64]bool{}
		for at := range samples {
			for m := range grace {
				c[at+m] = true
			}
		}
		return c
	}
	for host, samples := range l.sure {
		for m := range cover(samples) {
			if !lived[host][m] {
				t.Errorf("%s: node %s does not live in minute %d", what, host, m)
				break
			}
		}
	}
	for host, minutes := range lived {
		may := cover(l.may[host])
		for m := range minutes {
			if !may[m] {
				t.Errorf("%s: node %s lives in minute %d, and no sample says so", what, host, m)
				break
			}
		}
	}
}
