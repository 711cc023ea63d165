package resource

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// catalogMap is a catalog in memory.
type catalogMap map[string]map[string][]byte

func (c catalogMap) Put(bucket string, key, value []byte) {
	if c[bucket] == nil {
		c[bucket] = map[string][]byte{}
	}
	if value == nil {
		delete(c[bucket], string(key))
		return
	}
	c[bucket][string(key)] = append([]byte(nil), value...)
}

// restore makes a registry of what the catalog holds.
func (c catalogMap) restore(tb testing.TB) *Registry {
	tb.Helper()
	r := NewRegistry(Options{})
	for _, k := range slices.Sorted(maps.Keys(c[TypeBucket])) {
		if err := r.RestoreType([]byte(k), c[TypeBucket][k]); err != nil {
			tb.Fatal(err)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(c[Bucket])) {
		if err := r.Restore([]byte(k), c[Bucket][k]); err != nil {
			tb.Fatal(err)
		}
	}
	return r
}

// everything is all that a registry shows.
func everything(r *Registry) (types []Type, list []Resource) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, t := range r.types {
		types = append(types, t.Clone())
	}
	slices.SortFunc(types, func(a, b Type) int { return strings.Compare(a.Name, b.Name) })
	for _, tab := range r.tables {
		for _, p := range [...]*part{&tab.now, &tab.former} {
			for _, b := range p.blocks {
				for i, rev := range b.revision {
					if rev != 0 {
						list = append(list, b.get(i))
					}
				}
			}
		}
	}
	slices.SortFunc(list, func(a, b Resource) int {
		return strings.Compare(string(key(a.Tenant, a.ID, a.Revision)), string(key(b.Tenant, b.ID, b.Revision)))
	})
	return types, list
}

// checkEqual holds one registry against another.
func checkEqual(tb testing.TB, want, got *Registry) {
	tb.Helper()
	wantTypes, wantAll := everything(want)
	gotTypes, gotAll := everything(got)
	if diff := cmp.Diff(wantTypes, gotTypes); diff != "" {
		tb.Error(diff)
	}
	if diff := cmp.Diff(wantAll, gotAll); diff != "" {
		tb.Error(diff)
	}
}
