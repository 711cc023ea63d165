//go:build e2e

package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// plain is a client that does not check answers against the document: that of the large ones takes longer than the tests have.
var plain = &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 32}}

// ask sends a request of a tenant. An error of the connection is status 0.
func askNative(client *http.Client, p *process, method, path, tenant string, body any) (int, []byte) {
	var r io.Reader
	switch b := body.(type) {
	case nil:
	case []byte:
		r = bytes.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			panic(err)
		}
		r = bytes.NewReader(text)
	}
	req, err := http.NewRequest(method, p.url+path, r)
	if err != nil {
		panic(err)
	}
	if r != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if tenant != "" {
		req.Header.Set("Tenant", tenant)
	}
	return exchange(client, req)
}

// exchange sends a request. An error of the connection is status 0.
func exchange(client *http.Client, req *http.Request) (int, []byte) {
	res, err := client.Do(req)
	if err != nil {
		return 0, []byte(err.Error())
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, []byte(err.Error())
	}
	return res.StatusCode, b
}

// frame is a frame of an answer.
type frame struct {
	Query  string            `json:"query"`
	Name   string            `json:"name"`
	Kind   string            `json:"kind"`
	Start  int64             `json:"start"`
	Step   int64             `json:"step"`
	Times  []int64           `json:"times"`
	Values []json.RawMessage `json:"values"`
	Tags   []json.RawMessage `json:"point_tags"`
}

func (f *frame) time(i int) int64 {
	if len(f.Times) > 0 {
		return f.Times[i]
	}
	return f.Start + int64(i)*f.Step
}

// text is a value without the quotes of JSON.
func text(raw json.RawMessage) string {
	if len(raw) > 0 && raw[0] == '"' {
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			panic(err)
		}
		return s
	}
	return string(raw)
}

// shortest is a number in the form of the ledger.
func shortest(text string) string {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return text
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// nativeFrom and nativeTo hold all samples that are ever sent, and are borders of all buckets.
var nativeFrom, nativeTo = (epoch - 10*86400) / 420 * 420 * 1000, (epoch/420 + 500) * 420 * 1000

// seen is what the store says about the series of a writer.
type seen struct {
	raw   map[string]map[int64]point
	tiers map[string]map[string]map[int64]float64 // by query and series
}

// look asks for everything of the series. It is nil if the server does not answer.
func (w *writer) look(p *process, f *faults) *seen {
	names := w.names("")
	body := object{"names": names, "start": nativeFrom, "end": nativeTo, "tags": true, "big_ints": "string"}
	out := &seen{raw: make(map[string]map[int64]point), tiers: make(map[string]map[string]map[int64]float64)}
	ok := w.query(p, f, body, func(r *frame) {
		m := make(map[int64]point, len(r.Values))
		for i, v := range r.Values {
			one := point{value: text(v)}
			if r.Kind == "float" {
				one.value = shortest(one.value)
			}
			if i < len(r.Tags) && string(r.Tags[i]) != "{}" && string(r.Tags[i]) != "null" {
				one.tags = string(r.Tags[i])
			}
			m[r.time(i)] = one
		}
		out.raw[r.Name] = m
	})
	if !ok {
		return nil
	}
	queries := object{}
	for policy, tiers := range nativeTiers {
		for _, g := range tiers {
			for _, m := range nativeMethods {
				queries[fmt.Sprintf("%s %d %s", policy, g, m)] = object{"names": w.names(policy), "bucket": g, "method": m}
			}
		}
	}
	ok = w.query(p, f, object{"start": nativeFrom, "end": nativeTo, "queries": queries}, func(r *frame) {
		m := make(map[int64]float64, len(r.Values))
		for i, v := range r.Values {
			number, err := strconv.ParseFloat(text(v), 64)
			if err != nil {
				f.addf("%s of %s: %s", r.Query, r.Name, v)
			}
			m[r.time(i)] = number
		}
		if out.tiers[r.Query] == nil {
			out.tiers[r.Query] = make(map[string]map[int64]float64)
		}
		out.tiers[r.Query][r.Name] = m
	})
	if !ok {
		return nil
	}
	return out
}

// query hands on the frames of an answer; false if there is none.
func (w *writer) query(p *process, f *faults, body object, fn func(*frame)) bool {
	status, answer := askNative(plain, p, http.MethodPost, "/v2/query", w.tenant, body)
	if status != http.StatusOK {
		if status != 0 && status != http.StatusServiceUnavailable {
			f.addf("query of %s: %d %.500s", w.prefix, status, answer)
		}
		return false
	}
	var a struct {
		Frames []frame `json:"frames"`
	}
	if err := json.Unmarshal(answer, &a); err != nil {
		if !strings.Contains(string(answer), `"frames"`) {
			f.addf("query of %s: %v in %.500s", w.prefix, err, answer)
		}
		return false
	}
	for i := range a.Frames {
		fn(&a.Frames[i])
	}
	return true
}

// differs says what of an answer is not what a state gives, "" if all is, and how many samples and buckets were compared.
func (w *writer) differs(st nativeState, got *seen) (why string, samples, buckets int) {
	for _, name := range w.names("") {
		s := st[name]
		if s == nil {
			s = &nativeSeries{}
		}
		for t, v := range got.raw[name] {
			if want, ok := s.points[t]; !ok {
				return fmt.Sprintf("%s at %d: %q, but there is nothing", name, t, v), 0, 0
			} else if want != v && (want.value != v.value || v.tags != "" || !s.windowed() || t >= s.limit()) {
				return fmt.Sprintf("%s at %d: %q, want %q", name, t, v, want), 0, 0
			}
		}
		for t, want := range s.points {
			if _, ok := got.raw[name][t]; !ok && (!s.windowed() || t >= s.limit()) {
				return fmt.Sprintf("%s at %d: nothing, want %q (%d of %d samples)", name, t, want, len(got.raw[name]), len(s.points)), 0, 0
			}
			samples++
		}
		for i, g := range nativeTiers[s.policy] {
			for _, m := range nativeMethods {
				query := fmt.Sprintf("%s %d %s", s.policy, g, m)
				why, n := w.differsIn(s, i, g, m, maps.Clone(got.tiers[query][name]))
				if why != "" {
					return fmt.Sprintf("%s of %s: %s", query, name, why), 0, 0
				}
				buckets += n
			}
		}
	}
	for query, list := range got.tiers {
		for name, m := range list {
			if st[name] == nil && len(m) > 0 {
				return fmt.Sprintf("%s of %s: %d buckets, but there is no such series", query, name, len(m)), 0, 0
			}
		}
	}
	return "", samples, buckets
}

// differsIn compares the buckets of one method of one tier. It takes them out of got.
func (w *writer) differsIn(s *nativeSeries, tier int, granularity int64, method string, got map[int64]float64) (string, int) {
	step := granularity * 1000
	newest := s.top / step * step
	list := s.buckets(granularity, method)
	for _, b := range list {
		v, ok := got[b.start]
		delete(got, b.start)
		keep := w.policies.keep(s.policy, tier)
		switch {
		case b.loose:
		case ok && math.Float64bits(v) != math.Float64bits(b.value):
			return fmt.Sprintf("%v at %d, want %v; the limit is %d, the newest %d", v, b.start, b.value, s.limit(), s.top), 0
		case !ok && (!s.windowed() || b.opened || b.start > newest-keep*step):
			return fmt.Sprintf("nothing at %d, want %v; the limit is %d, the newest %d", b.start, b.value, s.limit(), s.top), 0
		}
	}
	for _, t := range slices.Sorted(maps.Keys(got)) {
		return fmt.Sprintf("%v at %d, but there is nothing; the limit is %d, the newest %d", got[t], t, s.limit(), s.top), 0
	}
	return "", len(list)
}

// check compares the store with the ledger. With a request that was not answered either of two states is right, and the one
// that is found is the truth from then on.
func (w *writer) check(p *process, f *faults, what string) bool {
	began := time.Now()
	got := w.look(p, f)
	for w.policies.changed(began) && got != nil {
		began = time.Now()
		got = w.look(p, f) // an answer that is made while a policy changes may have some of both
	}
	if got == nil {
		return false
	}
	why, samples, buckets := w.differs(w.state, got)
	if why != "" && w.pending != nil {
		with := w.state.clone()
		with.apply(w.pending)
		var other string
		if other, samples, buckets = w.differs(with, got); other == "" {
			w.state, why = with, ""
			w.happened++
		} else {
			why = fmt.Sprintf("without the last request (%s of %d series): %s; with it: %s", w.pending.what, len(w.pending.series), why, other)
		}
	}
	w.pending = nil
	if why != "" {
		f.addf("%s, %s: %s (asked at %v)", what, w.prefix, why, began.Format("15:04:05.000"))
		return false
	}
	f.checked.Add(int64(samples))
	w.buckets += buckets
	return true
}
