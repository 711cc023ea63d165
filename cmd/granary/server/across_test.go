package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// across is a service in which the cells of the matrix are tried, each with a metric of its own.
type across struct {
	t      *testing.T
	s      *Server
	strict bool
	t0     int64
	cells  int
	brief  bool // searches by tags are left out
}

// ask sends a request, as somebody who may do everything and in JSON if not said otherwise, and gives the body of an answer of that status.
func (b *across) ask(method, path, body string, status int, header ...string) string {
	b.t.Helper()
	w := ask(b.s, here, method, path, body, b.header(path, header)...)
	if w.Code != status {
		b.t.Errorf("%s %s %s: %d %s, want %d", method, path, body, w.Code, w.Body, status)
	}
	return w.Body.String()
}

// asked is ask for an answer that has a body or none.
func (b *across) asked(method, path, body string) string {
	b.t.Helper()
	w := ask(b.s, here, method, path, body, b.header(path, nil)...)
	if w.Code != http.StatusOK && w.Code != http.StatusNoContent {
		b.t.Errorf("%s %s: %d %s", method, path, w.Code, w.Body)
	}
	return w.Body.String()
}

func (b *across) header(path string, more []string) []string {
	all := []string{"Content-Type", "application/json"}
	switch {
	case strings.HasPrefix(path, "/v1/"):
		all = append(all, "Authorization", byName("admin"), "Accept", "application/json")
	case strings.HasPrefix(path, "/hawkular"):
		all = append(all, "Hawkular-Tenant", "_ops")
	}
	return append(all, more...)
}

// at is the path of a metric in Hawkular.
func (b *across) at(typ, id string) string {
	if typ != "availability" {
		typ += "s"
	}
	return "/hawkular/metrics/" + typ + "/" + url.PathEscape(id)
}

// hawkular sends a request about a metric.
func (b *across) hawkular(method, typ, id, below, body string, status int) string {
	b.t.Helper()
	return b.ask(method, b.at(typ, id)+below, body, status)
}

func (b *across) parse(body string, to any) {
	b.t.Helper()
	if err := json.Unmarshal([]byte(body), to); err != nil {
		b.t.Fatalf("%v: %s", err, body)
	}
}

// run runs a part under its name.
func (b *across) run(name string, f func()) {
	outer := b.t
	outer.Run(name, func(t *testing.T) {
		b.t = t
		defer func() { b.t = outer }()
		f()
	})
}

// written is a new metric of a row with two samples.
func (b *across) written(w *writer) *thing {
	b.t.Helper()
	b.cells++
	return b.again(w, b.named(w.told), 0, 1)
}

// named is what is told in a cell of its own.
func (b *across) named(w told) told {
	cell := strconv.Itoa(b.cells)
	put := strings.NewReplacer("NAME", "m"+cell, "CLUSTER", "c"+cell, "HOST", "h"+cell, "ZONE", "z"+cell)
	w.name = put.Replace(w.name)
	tags := map[string]string{}
	for k, v := range w.tags {
		tags[k] = put.Replace(v)
	}
	w.tags = tags
	return w
}

// again writes what is told, with those samples of it.
func (b *across) again(w *writer, what told, which ...int64) *thing {
	b.t.Helper()
	x := w.means(what)
	for _, n := range which {
		x.put(b.nth(&x, n, w.subject))
	}
	w.write(b, what, &x, x.samples)
	return &x
}

// nth is the n-th sample of a metric.
func (b *across) nth(x *thing, n int64, by string) sample {
	return sample{b.t0 + 60*n, nth(x.kind, n), by}
}

// seen holds a metric against what each dialect shows of it. The native API is the first, which knows the id of all.
func (b *across) seen(x *thing) {
	for _, r := range looks {
		if b.strict && !r.strict {
			continue
		}
		b.run("read by "+r.name, func() { r.read(b, x) })
	}
}

// glanced is seen without searches by tags, where what they would find has been looked for before.
func (b *across) glanced(x *thing) {
	b.t.Helper()
	b.brief = true
	defer func() { b.brief = false }()
	b.seen(x)
}

// TestAcrossDialects writes by each dialect and reads, searches, tags, continues and deletes by each other, and what Hawkular's strict mode may
// change in that mode too. What must be seen is not said for each pair but follows from the model of section 1 of the semantics.
func TestAcrossDialects(t *testing.T) {
	for _, strict := range []bool{false, true} {
		mode := map[bool]string{false: "default", true: "strict"}[strict]
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			b := &across{t: t, strict: strict, t0: time.Now().Unix()/300*300 - 3600}
			b.s = running(t, configured(t, fmt.Sprintf("granary: {compat: {hawkular: {strict: %v}}}", strict)))
			b.ask("POST", "/v1/resource_type", `{"name":"machine","attributes":{"cluster":{"type":"string","required":false},"hostname":{"type":"string","required":false}}}`, 201)
			b.ask("POST", "/v1/influxdb/query?q=create+database+influxdb", "", 204)
			for i := range writers {
				w := &writers[i]
				b.run(w.name, func() { b.row(i, w) })
			}
		})
	}
}

// row tries all cells of a row. In a short run it tries one way to delete, and the next row another one.
func (b *across) row(number int, w *writer) {
	x := b.written(w)
	b.seen(x)
	for _, g := range taggers {
		if b.strict && !g.strict {
			continue
		}
		b.run("tagged by "+g.name, func() { g.tag(b, x) })
	}
	next := int64(2)
	for _, c := range continuations {
		what, ok := c.says(x)
		if !ok || b.strict && !c.strict {
			continue
		}
		b.run("continued by "+c.name, func() {
			s := b.nth(x, next, c.subject)
			next++
			if slices.Contains(c.doubles, x.typ) {
				s = x.doubled(s)
			}
			c.write(b, what, x, []sample{s})
			x.put(s)
			b.glanced(x)
		})
	}
	for i, d := range deleters {
		if b.strict && !d.strict || testing.Short() && i != number%len(deleters) {
			continue
		}
		b.run("deleted by "+d.name, func() {
			x := b.written(w)
			readNative(b, x) // which knows its id
			what := b.named(w.told)
			if !d.remove(b, x) {
				b.run("stays", func() { b.seen(x) })
				return
			}
			x.samples = nil
			b.run("gone", func() { b.seen(x) })
			b.run("made again", func() { b.glanced(b.again(w, what, 3)) })
		})
	}
}
