//go:build e2e

package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// hawkularWriter has a tenant to itself, and sends one request at a time as Hawkular's clients do. What there is of it is either what its
// state says, or one of the states to which the request that got no answer can have led.
type hawkularWriter struct {
	tenant string // "passing" comes and goes
	strict bool
	rng    *rand.Rand
	now    int64 // the newest time of a point, in milliseconds

	state   hawkularState
	pending []hawkularState

	done, whole, lost int // requests that were answered, and of the others those that were done and were not
}

// hawkularState is metrics by their type and id as a path has them, and the retentions of the tenant in days by type. It is never changed.
type hawkularState struct {
	metrics map[string]hawkularMetric
	days    map[string]int
}

type hawkularMetric struct {
	points map[int64]string // the value, and tags if there are some, as JSON
	tags   map[string]string
	days   int // 0: those of the tenant
}

// hawkularTypes are the types as paths, bodies and definitions name them.
var hawkularTypes = []struct{ path, member, name string }{
	{"gauges", "gauges", "gauge"}, {"counters", "counters", "counter"}, {"availability", "availabilities", "availability"}, {"strings", "strings", "string"},
}

// with is the state with another metric at a path, or with none.
func (s hawkularState) with(path string, m *hawkularMetric) hawkularState {
	metrics := maps.Clone(s.metrics)
	if metrics == nil {
		metrics = map[string]hawkularMetric{}
	}
	if delete(metrics, path); m != nil {
		metrics[path] = *m
	}
	return hawkularState{metrics, s.days}
}

// written is the state with more points of a metric.
func (s hawkularState) written(path string, points map[int64]string) hawkularState {
	m := s.metrics[path]
	m.points = over(m.points, points)
	return s.with(path, &m)
}

// tagged is the state with more tags of a metric.
func (s hawkularState) tagged(path string, tags map[string]string) hawkularState {
	m := s.metrics[path]
	m.tags = over(m.tags, tags)
	return s.with(path, &m)
}

func over[K comparable](below, above map[K]string) map[K]string {
	all := make(map[K]string, len(below)+len(above))
	maps.Copy(all, below)
	maps.Copy(all, above)
	return all
}

// run changes one thing after the other.
func (w *hawkularWriter) run(ctx context.Context, p *process, f *faults) {
	for ctx.Err() == nil && !f.any() {
		method, path, body, next := w.choose()
		switch status, answer := w.ask(p, method, path, body); status {
		case http.StatusOK, http.StatusCreated:
			w.state = next[len(next)-1]
			w.done++
		case 0, http.StatusServiceUnavailable:
			w.pending = next
			return
		default:
			f.addf("%s %s of %s: %s: %d %s", method, path, w.tenant, body, status, answer)
			return
		}
		for path := range w.state.metrics { // one of them, while others write
			if got, ok := w.points(p, f, path, false); !ok {
				return
			} else if want := w.state.metrics[path].points; !maps.Equal(got, want) {
				f.addf("%s of %s has %v, want %v", path, w.tenant, got, want)
			}
			break
		}
	}
}

// choose makes up a request, and the states to which it can lead: that behind all of it is the last one.
func (w *hawkularWriter) choose() (method, path string, body any, next []hawkularState) {
	typ := hawkularTypes[w.rng.IntN(len(hawkularTypes))]
	id := w.id()
	at := typ.path + "/" + url.PathEscape(id)
	one := func(s hawkularState) []hawkularState { return []hawkularState{s} }
	n := w.rng.IntN(40)
	switch {
	case w.strict && (n == 31 || n == 32): // which that mode does not have
		n = 0
	case n == 39 && w.tenant == "passing":
		return http.MethodDelete, "tenants/" + w.tenant, nil, one(hawkularState{})
	}
	switch {
	case n < 8: // several metrics of one type
		list, s := w.several(typ.path, w.state)
		return http.MethodPost, typ.path + "/raw", list, one(s)
	case n < 14:
		points, as := w.make(typ.path)
		return http.MethodPost, at + "/raw", points, one(w.state.written(at, as))
	case n < 22: // of several types
		all, s := object{}, w.state
		for _, t := range hawkularTypes {
			if w.rng.IntN(2) == 0 || t.path == typ.path {
				all[t.member], s = w.several(t.path, s)
			}
		}
		return http.MethodPost, "m/raw", all, one(s)
	case n < 26:
		tags := w.tags()
		return http.MethodPut, at + "/tags", tags, one(w.state.tagged(at, tags))
	case n < 28:
		m, ok := w.state.metrics[at]
		if !ok {
			m = hawkularMetric{}
		}
		name := fmt.Sprint("t", w.rng.IntN(3))
		m.tags = maps.Clone(m.tags)
		delete(m.tags, name)
		if next = one(w.state); ok {
			next = one(w.state.with(at, &m))
		}
		return http.MethodDelete, at + "/tags/" + name, nil, next
	case n < 31:
		tags, days := w.tags(), w.rng.IntN(3)*10
		draft := object{"id": id, "tags": tags}
		if days > 0 {
			draft["dataRetention"] = days
		}
		return http.MethodPost, typ.path + "?overwrite=true", draft, one(w.state.with(at, &hawkularMetric{w.state.metrics[at].points, tags, days}))
	case n == 31:
		// What is not there is made before what is there is changed.
		made, s := w.state, w.state
		var list []object
		for range 1 + w.rng.IntN(4) {
			id, tags := w.id(), w.tags()
			at := typ.path + "/" + url.PathEscape(id)
			list = append(list, object{"id": id, "tags": tags})
			if _, ok := w.state.metrics[at]; !ok {
				made = made.tagged(at, tags)
			}
			s = s.tagged(at, tags)
		}
		return http.MethodPut, typ.path + "/tags", list, []hawkularState{made, s}
	case n == 32:
		from := w.now - int64(w.rng.IntN(200))
		m, ok := w.state.metrics[at]
		m.points = maps.Clone(m.points)
		maps.DeleteFunc(m.points, func(t int64, _ string) bool { return t >= from && t < from+50 })
		if next = one(w.state); ok {
			next = one(w.state.with(at, &m))
		}
		return http.MethodDelete, fmt.Sprintf("%s/raw?start=%d&end=%d", at, from, from+50), nil, next
	case n < 36:
		return http.MethodDelete, at, nil, one(w.state.with(at, nil))
	default:
		days := map[string]int{typ.name: 1 + w.rng.IntN(40)}
		return http.MethodPost, "tenants?overwrite=true", object{"id": w.tenant, "retentions": days}, one(hawkularState{w.state.metrics, days})
	}
}

func (w *hawkularWriter) id() string {
	return fmt.Sprintf("%s/metric %d{x}", []string{"pod", "máquina"}[w.rng.IntN(2)], w.rng.IntN(3))
}

func (w *hawkularWriter) tags() map[string]string {
	tags := map[string]string{}
	for range 1 + w.rng.IntN(3) {
		tags[fmt.Sprint("t", w.rng.IntN(3))] = fmt.Sprint("value ", w.rng.IntN(1000))
	}
	return tags
}

// several makes points of some metrics of a type, and the state with them.
func (w *hawkularWriter) several(typ string, s hawkularState) ([]object, hawkularState) {
	var list []object
	for range 1 + w.rng.IntN(3) {
		id := w.id()
		points, as := w.make(typ)
		list, s = append(list, object{"id": id, "data": points}), s.written(typ+"/"+url.PathEscape(id), as)
	}
	return list, s
}

// make makes points of a type, some of them at times of earlier ones.
func (w *hawkularWriter) make(typ string) (points []object, as map[int64]string) {
	as = map[int64]string{}
	for range 1 + w.rng.IntN(5) {
		w.now++
		at := w.now
		if w.rng.IntN(5) == 0 {
			at -= int64(w.rng.IntN(50))
		}
		var v any
		switch typ {
		case "gauges":
			v = w.rng.NormFloat64()
		case "counters":
			v = w.rng.Int64()
		case "availability":
			v = []string{"up", "down", "unknown", "admin"}[w.rng.IntN(4)]
		default:
			v = fmt.Sprint("text ", w.rng.IntN(1e6))
		}
		p := object{"timestamp": at, "value": v}
		var tags map[string]string
		if w.rng.IntN(4) == 0 {
			tags = w.tags()
			p["tags"] = tags
		}
		points = append(points, p)
		as[at] = asJSON(v) + asJSON(tags)
	}
	return points, as
}

// asJSON is JSON by which two values are compared.
func asJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// ask sends a request. An error of the connection is status 0.
func (w *hawkularWriter) ask(p *process, method, path string, body any) (int, []byte) {
	var r io.Reader
	if body != nil {
		r = strings.NewReader(asJSON(body))
	}
	req, err := http.NewRequest(method, p.url+"/hawkular/metrics/"+path, r)
	if err != nil {
		panic(err)
	}
	req.Header = http.Header{"Hawkular-Tenant": {w.tenant}, "Content-Type": {"application/json"}, "Hawkular-Admin-Token": {hawkularAdmin}}
	return exchange(plain, req)
}

// list reads an answer that is a list, or empty. Still says that it has to come.
func (w *hawkularWriter) list(p *process, f *faults, path string, into any, still bool) bool {
	status, b := w.ask(p, http.MethodGet, path, nil)
	switch status {
	case http.StatusNoContent:
		return true
	case http.StatusOK:
		d := json.NewDecoder(bytes.NewReader(b))
		d.UseNumber()
		if err := d.Decode(into); err != nil {
			f.addf("%s of %s: %v in %s", path, w.tenant, err, b)
			return false
		}
		return true
	case 0, http.StatusServiceUnavailable:
		if !still {
			return false
		}
	}
	f.addf("%s of %s: %d %s", path, w.tenant, status, b)
	return false
}

// points reads all points of a metric.
func (w *hawkularWriter) points(p *process, f *faults, path string, still bool) (map[int64]string, bool) {
	var list []struct {
		Timestamp int64
		Value     any
		Tags      map[string]string
	}
	ok := w.list(p, f, path+"/raw?fromEarliest=true&order=asc", &list, still)
	got := make(map[int64]string, len(list))
	last := int64(0)
	for _, one := range list {
		if n, isNumber := one.Value.(json.Number); isNumber && strings.HasPrefix(path, "gauges/") {
			v, err := strconv.ParseFloat(n.String(), 64)
			if err != nil {
				f.addf("%s of %s: %v", path, w.tenant, err)
			}
			one.Value = v
		}
		if one.Timestamp <= last {
			f.addf("%s of %s: %d behind %d", path, w.tenant, one.Timestamp, last)
		}
		last = one.Timestamp
		got[last] = asJSON(one.Value) + asJSON(one.Tags)
	}
	return got, ok
}

// check reads all that there is and holds it against what there may be.
func (w *hawkularWriter) check(p *process, f *faults, what string) {
	var list []struct {
		ID, Type      string
		DataRetention int
		Tags          map[string]string
	}
	if !w.list(p, f, "metrics", &list, true) {
		return
	}
	got := map[string]string{}
	for _, d := range list {
		for _, typ := range hawkularTypes {
			if typ.name == d.Type {
				path := typ.path + "/" + url.PathEscape(d.ID)
				points, _ := w.points(p, f, path, true)
				f.checked.Add(int64(len(points)))
				got[path] = described(points, d.Tags, d.DataRetention)
			}
		}
	}
	for _, s := range slices.Backward(w.pending) {
		if maps.Equal(got, s.described()) {
			w.state, w.pending = s, nil
			w.whole++
			return
		}
	}
	if w.pending != nil {
		w.lost++
	}
	w.pending = nil
	want := w.state.described()
	for path := range over(got, want) {
		if got[path] != want[path] {
			f.addf("%s: %s of %s is\n%s\nwant\n%s", what, path, w.tenant, got[path], want[path])
		}
	}
}

// described are the metrics of a state as texts, by their paths.
func (s hawkularState) described() map[string]string {
	list := make(map[string]string, len(s.metrics))
	for path, m := range s.metrics {
		days := m.days
		for _, typ := range hawkularTypes {
			if days == 0 && strings.HasPrefix(path, typ.path+"/") {
				days = s.days[typ.name]
			}
		}
		if days == 0 {
			days = 7
		}
		list[path] = described(m.points, m.tags, days)
	}
	return list
}

func described(points map[int64]string, tags map[string]string, days int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d days, %s", days, asJSON(over(nil, tags)))
	for _, t := range slices.Sorted(maps.Keys(points)) {
		fmt.Fprintf(&b, " %d %s", t, points[t])
	}
	return b.String()
}
