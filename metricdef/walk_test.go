package metricdef

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/uuid"

	"granary/tenant"
)

// ofID is a gauge by id.
func ofID(t tenant.Num, id uuid.UUID) Draft {
	return Draft{Identity: Identity{Tenant: t, Type: Gauge, Name: id.String()}, ByID: true, Label: "m"}
}

// show makes a definition visible.
func (r *Registry) mustShow(tb testing.TB, d Draft) Ref {
	tb.Helper()
	ref := r.Reserve(&d, 1)
	if ref == 0 {
		tb.Fatal(d.Validate())
	}
	if _, _, err := r.Apply(r.AppendRecord(nil, ref)); err != nil {
		tb.Fatal(err)
	}
	return ref
}

// TestAfterID walks over ids that crowd together, at the end of the table too, and compares with a sorted list.
func TestAfterID(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	r := NewRegistry(Options{})
	fronts := []uint32{0, 1, 0x7fffffff, 0xfffffff0, 0xffffffff}
	at := map[Ref]uuid.UUID{}
	var ids []uuid.UUID
	all := func(after uuid.UUID) (list []Ref) {
		for ref := range r.AfterID(after) {
			list = append(list, ref)
		}
		return list
	}
	if len(all(uuid.UUID{})) > 0 {
		t.Error("ids in an empty registry")
	}
	for step := range 3000 {
		if len(at) > 0 && rng.IntN(4) == 0 {
			for ref, id := range at {
				r.Remove([]Ref{ref})
				delete(at, ref)
				ids = slices.DeleteFunc(ids, func(o uuid.UUID) bool { return o == id })
				break
			}
		} else {
			var id uuid.UUID
			binary.BigEndian.PutUint64(id[8:], rng.Uint64())
			binary.BigEndian.PutUint32(id[:], rng.Uint32())
			if rng.IntN(3) == 0 {
				binary.BigEndian.PutUint32(id[:], fronts[rng.IntN(len(fronts))])
			}
			at[r.mustShow(t, ofID(tenant.Num(1+rng.IntN(3)), id))] = id
			ids = append(ids, id)
		}
		if step%300 != 299 && step > 60 {
			continue
		}
		slices.SortFunc(ids, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
		for range 5 {
			var after uuid.UUID
			if rng.IntN(2) == 0 && len(ids) > 0 {
				after = ids[rng.IntN(len(ids))]
			} else {
				binary.BigEndian.PutUint64(after[:], rng.Uint64())
			}
			var got []uuid.UUID
			for _, ref := range all(after) {
				got = append(got, at[ref])
			}
			from, found := slices.BinarySearchFunc(ids, after, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
			if found {
				from++
			}
			if !slices.Equal(got, ids[from:]) {
				t.Fatalf("step %d: %d ids behind %s, want %d", step, len(got), after, len(ids)-from)
			}
		}
	}
	n := 0
	for range r.AfterID(uuid.UUID{}) {
		if n++; n == 3 {
			break
		}
	}
	if n != 3 {
		t.Errorf("%d", n)
	}
}

// TestSearchBehind begins pages behind an id, in both directions.
func TestSearchBehind(t *testing.T) {
	r := NewRegistry(Options{})
	ids := map[Ref]byte{}
	for _, b := range []byte{5, 1, 9, 3, 7} {
		ids[r.mustShow(t, ofID(1, uuid.UUID{b, 15: 1}))] = b
	}
	for _, c := range []struct {
		behind uuid.UUID
		desc   bool
		want   string
	}{
		{uuid.UUID{}, false, "[1 3 5]"}, {uuid.UUID{3, 15: 1}, false, "[5 7 9]"}, {uuid.UUID{4}, false, "[5 7 9]"}, {uuid.UUID{9, 15: 1}, false, "[]"},
		{uuid.UUID{}, true, "[9 7 5]"}, {uuid.UUID{5, 15: 1}, true, "[3 1]"}, {uuid.UUID{1, 15: 1}, true, "[]"},
	} {
		found, err := r.Search(t.Context(), 1, nil, Page{Sort: ByID, Desc: c.desc, Limit: 3, Behind: c.behind})
		if err != nil {
			t.Fatal(err)
		}
		got := []byte{}
		for _, ref := range found.Refs {
			got = append(got, ids[ref])
		}
		if fmt.Sprint(got) != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// BenchmarkAfterID takes a thousand of 200,000 ids from a place on.
func BenchmarkAfterID(b *testing.B) {
	r := NewRegistry(Options{})
	rng := rand.New(rand.NewPCG(5, 6))
	for range 200_000 {
		var id uuid.UUID
		binary.BigEndian.PutUint64(id[:], rng.Uint64())
		r.mustShow(b, ofID(1, id))
	}
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for range r.AfterID(uuid.UUID{byte(rng.Uint32())}) {
			if n++; n == 1000 {
				break
			}
		}
	}
}
