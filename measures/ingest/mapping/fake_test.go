package mapping

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"granary/measures"
	"granary/metricdef"
	"granary/tenant"
)

// fakeStore keeps the last value of each series and time.
type fakeStore struct {
	mu     sync.Mutex
	refs   map[string]metricdef.Ref
	names  map[metricdef.Ref]string
	values map[string]map[int64]float64
	gone   map[tenant.Num]bool
	rows   int
	// fail is asked before each batch; its error is that of the store.
	fail func(*measures.Batch) error
}

func newStore() *fakeStore {
	return &fakeStore{refs: map[string]metricdef.Ref{}, names: map[metricdef.Ref]string{}, values: map[string]map[int64]float64{}, gone: map[tenant.Num]bool{}}
}

func (s *fakeStore) Gone(num tenant.Num) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gone[num]
}

func (s *fakeStore) Commit(ctx context.Context, b *measures.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		if err := s.fail(b); err != nil {
			return err
		}
	}
	b.Stale, b.Refused = b.Stale[:0], [measures.NumReasons]int{}
	for i := range b.Drafts {
		d := &b.Drafts[i]
		if err := d.Def.Validate(); err != nil {
			return err
		}
		key := fmt.Sprintf("%d:%s", d.Def.Tenant, metricdef.AppendKey(nil, d.Def.Name, d.Def.Tags))
		ref := s.refs[key]
		if ref == 0 {
			ref = metricdef.Ref(len(s.names) + 1)
			s.refs[key], s.names[ref] = ref, key
		}
		for row := d.At; row <= d.At+d.More; row++ {
			b.Refs[row] = ref
		}
		d.Ref = ref
	}
	for row, ref := range b.Refs {
		name := s.names[ref]
		if s.gone[b.Tenant] || s.refs[name] != ref {
			b.Stale = append(b.Stale, row)
			b.Refs[row] = 0
			continue
		}
		if s.values[name] == nil {
			s.values[name] = map[int64]float64{}
		}
		s.values[name][b.Times[row]] = b.Values[row]
		s.rows++
	}
	return nil
}

// remove ends a series, as a deletion does.
func (s *fakeStore) remove(key string) {
	delete(s.refs, key)
	delete(s.values, key)
}

// String is what the store holds, a line a series, times in seconds.
func (s *fakeStore) String() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(s.values)) {
		b.WriteString(name)
		for _, at := range slices.Sorted(maps.Keys(s.values[name])) {
			fmt.Fprintf(&b, " %v@%g", s.values[name][at], float64(at)/1e9)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// tags makes tags of name=value.
func tags(list ...string) (out []metricdef.Tag) {
	for _, t := range list {
		name, value, _ := strings.Cut(t, "=")
		out = append(out, metricdef.Tag{Name: name, Value: value})
	}
	return out
}

func mustCompile(t testing.TB, o Options, rules ...Rule) *Table {
	t.Helper()
	table, err := Compile(rules, o)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// body hands samples over and commits them. Each is "name{tags} value@second ..." of tenant 1.
func body(t testing.TB, table *Table, store Store, samples ...string) (Counts, error) {
	t.Helper()
	in := table.Begin()
	defer in.End()
	for _, text := range samples {
		series, points, _ := strings.Cut(text, "} ")
		name, list, _ := strings.Cut(series, "{")
		s := table.Source("prometheus", 1, name, tags(strings.Split(list, ",")...))
		if s == nil {
			t.Fatalf("no rule takes %s", text)
		}
		for _, p := range strings.Fields(points) {
			var v, at float64
			if _, err := fmt.Sscanf(p, "%g@%g", &v, &at); err != nil {
				t.Fatal(p, err)
			}
			in.Add(s, int64(at*float64(time.Second)), v)
		}
	}
	return in.Commit(t.Context(), store, "test")
}
