//go:build e2e

package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// writer is a client with series of its own. It sends one request at a time.
type writer struct {
	tenant, prefix string
	ends           bool // it has the tenant to itself, and deletes it now and then
	policies       *nativePolicies
	rng            *rand.Rand

	state   nativeState
	pending *nativeOp // that was not answered
	clock   int64     // about the newest time of its series, in milliseconds

	ops      map[string]int
	happened int // requests without an answer that had been done
	refused  int // samples that came too late
	buckets  int // that were compared
}

func newWriter(tenant, prefix string, policies *nativePolicies, rng *rand.Rand) *writer {
	return &writer{tenant: tenant, prefix: prefix, policies: policies, rng: rand.New(rand.NewPCG(rng.Uint64(), 1)), state: make(nativeState),
		clock: nativeFrom + 86_400_000, ops: make(map[string]int)}
}

// names are the names of its series, or of those that have a policy.
func (w *writer) names(policy string) (list []string) {
	for _, k := range nativeKinds {
		if policy == "" || k.policy == policy {
			list = append(list, w.prefix+k.name)
		}
	}
	return list
}

// run sends until the context ends or a request is not answered.
func (w *writer) run(ctx context.Context, p *process, f *faults, pause time.Duration) {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for ctx.Err() == nil && !f.any() {
		if w.rng.IntN(60) == 0 {
			if !w.check(p, f, "under load") {
				return
			}
			continue
		}
		op := w.choose()
		w.pending = op
		if !w.send(p, f, op) {
			return
		}
		w.state.apply(op)
		w.pending = nil
		w.ops[op.what]++
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// choose makes up the next request.
func (w *writer) choose() *nativeOp {
	n := w.rng.IntN(100)
	if w.ends && n == 99 {
		return &nativeOp{what: "tenant"}
	}
	if n >= 88 {
		if op := w.chooseRange(); op != nil {
			return op
		}
	}
	if n >= 85 {
		if k := w.rng.IntN(len(nativeKinds)); n == 85 || w.large(k) {
			return &nativeOp{what: "metric", series: []nativeWrite{{nativeKind: nativeKinds[k], series: w.prefix + nativeKinds[k].name}}}
		}
	}
	op := &nativeOp{what: "write"}
	w.clock += 500 + w.rng.Int64N(4000)
	for _, k := range w.rng.Perm(len(nativeKinds))[:1+w.rng.IntN(5)] {
		count := 1 + w.rng.IntN(40)
		if w.rng.IntN(12) == 0 {
			count = 300
		}
		op.series = append(op.series, w.samples(nativeKinds[k], count))
	}
	return op
}

// large says whether a series has so many samples that checking them takes long.
func (w *writer) large(kind int) bool {
	s := w.state[w.prefix+nativeKinds[kind].name]
	return s != nil && len(s.points) > 6000
}

// chooseRange makes up a range to delete, nil if there is nothing.
func (w *writer) chooseRange() *nativeOp {
	op := &nativeOp{what: "range"}
	for _, k := range w.rng.Perm(len(nativeKinds))[:1+w.rng.IntN(3)] {
		op.series = append(op.series, nativeWrite{nativeKind: nativeKinds[k], series: w.prefix + nativeKinds[k].name})
	}
	s := w.state[op.series[0].series]
	if s == nil || len(s.points) == 0 {
		return nil
	}
	// From some sample on, a little or a lot, and sometimes what is newest.
	low := s.top
	for t := range s.points {
		low = min(low, t)
	}
	op.from = low + w.rng.Int64N(s.top-low+1)
	switch w.rng.IntN(4) {
	case 0:
		op.to = op.from + 1 + w.rng.Int64N(3_000)
	case 1:
		op.to = op.from + 1 + w.rng.Int64N(200_000)
	case 2:
		op.from, op.to = low, op.from+1
	default:
		op.to = s.top + 1 + w.rng.Int64N(5_000)
	}
	return op
}

// samples makes up samples of a series.
func (w *writer) samples(k nativeKind, count int) nativeWrite {
	out := nativeWrite{nativeKind: k, series: w.prefix + k.name}
	s := w.state[out.series]
	used := make(map[int64]bool)
	t := w.clock
	if s != nil {
		t = max(t, s.top-coarsest)
	}
	for range count {
		t += 50 + w.rng.Int64N(1500)
		at := t
		switch n := w.rng.IntN(20); {
		case n < 5: // out of order, inside the window
			at -= w.rng.Int64N(coarsest)
		case n == 5 && k.policy == "kept": // anywhere
			at -= w.rng.Int64N(900_000)
		case n == 5 && s != nil && s.windowed(): // perhaps too late
			at = s.top - w.rng.Int64N(6*coarsest)
		}
		if !used[at] {
			used[at] = true
			out.times, out.points = append(out.times, at), append(out.points, w.point(k))
		}
	}
	w.clock = max(w.clock, t-coarsest/2)
	return out
}

// point makes up a value.
func (w *writer) point(k nativeKind) point {
	var p point
	switch k.typ {
	case "gauge":
		v := float64(w.rng.IntN(100_000)) / 100
		switch w.rng.IntN(30) {
		case 0:
			v = math.Float64frombits(w.rng.Uint64() >> 2) // below 2, all bits
		case 1:
			v = -v * 1e12
		}
		p.value = strconv.FormatFloat(v, 'g', -1, 64)
	case "counter":
		n := int64(1)<<53 + w.rng.Int64N(1<<60)
		if k.policy != "" {
			n = w.rng.Int64N(1 << 40)
		}
		p.value = strconv.FormatInt(n, 10)
	case "availability":
		p.value = []string{"down", "up", "unknown", "admin"}[w.rng.IntN(4)]
	default:
		p.value = fmt.Sprintf("text %d of <%s> \"é\n", w.rng.IntN(50), w.prefix)
		if w.rng.IntN(40) == 0 {
			p.value = strings.Repeat("long ", 400)
		}
	}
	if w.rng.IntN(12) == 0 {
		p.tags = fmt.Sprintf(`{"cause":"c%d","who":"%s"}`, w.rng.IntN(9), w.prefix)
	}
	return p
}

// body is a write as a body.
func (o *nativeOp) body(prefix string) []byte {
	b := []byte(`{"metrics":[`)
	for i, s := range o.series {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `{"name":%q,"type":%q,`, s.series, s.typ)
		if s.policy != "" {
			b = fmt.Appendf(b, `"policy":%q,`, s.policy)
		}
		b = fmt.Appendf(b, `"tags":{"writer":%q},"samples":[`, prefix)
		for k, t := range s.times {
			if k > 0 {
				b = append(b, ',')
			}
			value := s.points[k].value
			if s.typ == "availability" || s.typ == "string" {
				quoted, err := json.Marshal(value)
				if err != nil {
					panic(err)
				}
				value = string(quoted)
			}
			if tags := s.points[k].tags; tags != "" {
				b = fmt.Appendf(b, `{"time":%d,"value":%s,"tags":%s}`, t, value, tags)
			} else {
				b = fmt.Appendf(b, `[%d,%s]`, t, value)
			}
		}
		b = append(b, "]}"...)
	}
	return append(b, "]}"...)
}

// send sends a request and says whether it was answered.
func (w *writer) send(p *process, f *faults, o *nativeOp) bool {
	names := make([]string, 0, len(o.series))
	for _, s := range o.series {
		names = append(names, s.series)
	}
	method, path, tenant := http.MethodPost, "/v2/measures", w.tenant
	var body any
	wanted := []int{http.StatusOK}
	switch o.what {
	case "write":
		body = o.body(w.prefix)
	case "metric":
		path, body = "/v2/metrics/delete", object{"name": names}
	case "tenant":
		method, path, tenant, wanted = http.MethodDelete, "/v2/tenants/"+w.tenant, "", []int{http.StatusAccepted, http.StatusNoContent}
	case "range":
		if w.rng.IntN(2) == 0 {
			path, body = "/v2/measures/delete", object{"name": names, "start": o.from, "end": o.to}
			break
		}
		q := url.Values{"name": names, "start": {strconv.FormatInt(o.from, 10)}, "end": {strconv.FormatInt(o.to, 10)}}
		method, path = http.MethodDelete, "/v2/measures?"+q.Encode()
	}
	status, answer := askNative(plain, p, method, path, tenant, body)
	switch {
	case status == 0 || status == http.StatusServiceUnavailable:
		return false
	case o.what == "write":
		return w.told(f, o, status, answer)
	case !slices.Contains(wanted, status):
		f.addf("%s of %v in %s: %d %.500s", o.what, names, w.tenant, status, answer)
		return false
	}
	return true
}

// told compares the answer to a write with what the window refuses.
func (w *writer) told(f *faults, o *nativeOp, status int, answer []byte) bool {
	stored, refused := o.rows(w.state)
	var a struct {
		Stored, Rejected int
		Reasons          map[string]int
	}
	want := http.StatusOK
	if stored == 0 {
		want = http.StatusBadRequest
	}
	if err := json.NewDecoder(bytes.NewReader(answer)).Decode(&a); err != nil || status != want || a.Stored != stored || a.Rejected != refused || a.Reasons["window"] != refused {
		f.addf("%s writes %d and %d that are late: %d %.700s", w.prefix, stored, refused, status, answer)
		return false
	}
	w.refused += refused
	return true
}
