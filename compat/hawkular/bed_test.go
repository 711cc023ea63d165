package hawkular

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"granary/measures"
	"granary/measures/query"
	"granary/metricdef"
	"granary/tenant"
)

// bed is a dialect over a store of its own, into which tests write without the dialect.
type bed struct {
	*Dialect
	tb    testing.TB
	store *measures.Store
}

func newBed(tb testing.TB, strict bool, change ...func(*Options)) *bed {
	tb.Helper()
	s := newStored(tb, strict, append([]func(*Options){func(o *Options) {
		o.Queries = query.New(o.Store.(*measures.Store), query.Options{Definitions: o.Definitions, MaxPoints: 1_000_000})
	}}, change...)...)
	return &bed{s.Dialect, tb, s.store}
}

// point is a sample that a test writes: its time in milliseconds, its value, and its tags as JSON.
type point struct {
	at    int64
	value float64
	tags  string
}

// put writes points of a metric of a tenant. Tags are those of the metric, name=value.
func (b *bed) put(id tenant.ID, typ metricdef.Type, name string, tags []string, points ...point) metricdef.Ref {
	b.tb.Helper()
	num, err := b.store.EnsureTenant(b.tb.Context(), id)
	if err != nil {
		b.tb.Fatal(err)
	}
	d := metricdef.Draft{Identity: metricdef.Identity{Tenant: num, Type: typ, Name: name}, Dialect: Name}
	for _, t := range tags {
		key, value, _ := strings.Cut(t, "=")
		d.Plain = append(d.Plain, metricdef.Tag{Name: key, Value: value})
	}
	made := b.store.CreateDefinitions(b.tb.Context(), []metricdef.Draft{d})[0]
	if made.Err != nil {
		b.tb.Fatal(made.Err)
	}
	var batch measures.Batch
	for _, p := range points {
		if typ == metricdef.Counter {
			batch.AddInt(made.Ref, p.at*millisecond, int64(p.value))
		} else {
			batch.Add(made.Ref, p.at*millisecond, p.value)
		}
		if p.tags != "" {
			batch.AddTags(p.tags)
		}
	}
	if len(points) > 0 {
		if err := b.store.Commit(b.tb.Context(), &batch); err != nil {
			b.tb.Fatal(err)
		}
	}
	return made.Ref
}

// ask sends a request for tenant "t". A body makes it a POST.
func (b *bed) ask(path, body string, header ...string) *httptest.ResponseRecorder {
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	r := httptest.NewRequest(method, Prefix+path, strings.NewReader(body))
	r.Header.Set("Hawkular-Tenant", "t")
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	b.ServeHTTP(w, r)
	return w
}

// want asks, and compares the answer by meaning: numbers within a thousandth. An answer that begins with ~ need not have all members
// that there are, nor all elements of a list.
func (b *bed) want(path, body string, status int, answer string) {
	b.tb.Helper()
	w := b.ask(path, body)
	said := fmt.Sprintf("strict %v: %s %s", b.o.Strict, path, body)
	if w.Code != status {
		b.tb.Errorf("%s: %d %.600s, want %d", said, w.Code, w.Body, status)
		return
	}
	if answer == "" {
		if w.Body.Len() > 0 && status == http.StatusNoContent {
			b.tb.Errorf("%s: a body: %s", said, w.Body)
		}
		return
	}
	text, part := strings.CutPrefix(answer, "~")
	var want, got any
	if err := json.Unmarshal([]byte(text), &want); err != nil {
		b.tb.Fatalf("%s: %v", answer, err)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		b.tb.Errorf("%s: %v: %.600s", said, err, w.Body)
	} else if why := differs(want, got, part, "answer"); why != "" {
		b.tb.Errorf("%s: %s\n%.900s", said, why, w.Body)
	}
}

func differs(want, got any, part bool, at string) string {
	switch want := want.(type) {
	case float64:
		if v, ok := got.(float64); !ok || math.Abs(v-want) > 1e-3 {
			return fmt.Sprintf("%s is %v, want %v", at, got, want)
		}
		return ""
	case []any:
		list, ok := got.([]any)
		if !ok || len(list) != len(want) && !(part && len(list) > len(want)) {
			return fmt.Sprintf("%s has %d elements, want %d", at, len(list), len(want))
		}
		for i := range want {
			if why := differs(want[i], list[i], part, at+"."+strconv.Itoa(i)); why != "" {
				return why
			}
		}
		return ""
	case map[string]any:
		object, ok := got.(map[string]any)
		if !ok || len(object) != len(want) && !part {
			return fmt.Sprintf("%s is %v, want %v", at, got, want)
		}
		for name, v := range want {
			has, there := object[name]
			if v == nil {
				if there {
					return at + " has " + name
				}
				continue
			}
			if why := differs(v, has, part, at+"."+name); why != "" {
				return why
			}
		}
		return ""
	}
	if !reflect.DeepEqual(want, got) {
		return fmt.Sprintf("%s is %v, want %v", at, got, want)
	}
	return ""
}
