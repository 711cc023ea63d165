package metricdef

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"granary/metricdef/match"
)

// BenchmarkSearch asks a million definitions of one tenant for pages. The seed is fixed; dates of creation are in no order.
func BenchmarkSearch(b *testing.B) {
	const n = 1_000_000
	r := NewRegistry(Options{})
	rng := rand.New(rand.NewPCG(1, 2))
	var rec []byte
	for i := range n {
		d := million(i)
		rec = r.AppendRecord(rec[:0], r.Reserve(&d, rng.Int64N(int64(365*24*time.Hour))))
		if _, _, err := r.Apply(rec); err != nil {
			b.Fatal(err)
		}
	}
	middle := func(o Order) string {
		d := r.defs.get(n / 2)
		return r.seal.cursor(1, r.placeOf(o, d, n/2), byte(o)<<1)
	}
	parse := func(text string) match.Expr {
		e, err := match.Parse(text)
		if err != nil {
			b.Fatal(err)
		}
		return e
	}
	third := func(ref Ref) bool { return ref%3 == 0 }
	for _, c := range []struct {
		name  string
		e     match.Expr
		p     Page
		total int
	}{
		{"selective/host", parse(`metric_05{hostname="f00500"}`), Page{Limit: 100, Total: true}, 5},
		{"selective/host by name", parse(`metric_05{hostname=~"f005.*"}`), Page{Sort: ByName, Limit: 100, Total: true}, 500},
		{"selective/automaton by name", parse(`metric_05{hostname=~"f[0-9]+01"}`), Page{Sort: ByName, Limit: 100, Total: true}, 500},
		{"selective/or not by id", parse(`hostname in ("f00001","f00002") and not type-id="3"`), Page{Sort: ByID, Limit: 100, Total: true}, 160},
		{"all/by ref", nil, Page{Limit: 100, Total: true}, n},
		{"all/by ref from the middle", nil, Page{Limit: 100, Total: true, After: middle(ByRef)}, n},
		{"all/by ref, a third", nil, Page{Limit: 100, Keep: third}, -1},
		{"all/by ref, a third, counted", nil, Page{Limit: 100, Keep: third, Total: true}, n / 3},
		{"all/by name", nil, Page{Sort: ByName, Limit: 100, Total: true}, n},
		{"all/by name from the middle", nil, Page{Sort: ByName, Limit: 100, After: middle(ByName)}, -1},
		{"all/by name, 10000 on a page", nil, Page{Sort: ByName, Limit: 10_000}, -1},
		{"all/by created", nil, Page{Sort: ByCreated, Desc: true, Limit: 100}, -1},
		{"all/by id", nil, Page{Sort: ByID, Limit: 100}, -1},
		{"all/counters", nil, Page{Limit: 100, Types: []Type{Counter}, Total: true}, 0},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				found, err := r.Search(b.Context(), 1, c.e, c.p)
				if err != nil || found.Total != c.total {
					b.Fatalf("%d found, want %d (%v)", found.Total, c.total, err)
				}
			}
		})
	}
	host := parse(`hostname=~"f000.*"`)
	b.Run("tags", func(b *testing.B) {
		for range b.N {
			if found, err := r.Tags(b.Context(), 1, nil, TagPage{}); err != nil || len(found.Tags) != 19 {
				b.Fatal(found, err)
			}
		}
	})
	b.Run("tags of 10000", func(b *testing.B) {
		for range b.N {
			if found, err := r.Tags(b.Context(), 1, host, TagPage{}); err != nil || len(found.Tags) != 19 {
				b.Fatal(found, err)
			}
		}
	})
	b.Run("values by prefix", func(b *testing.B) {
		p := TagPage{Match: []*match.Matcher{match.Prefix("", "f00")}, Limit: 100}
		for range b.N {
			if found, err := r.Values(b.Context(), 1, "hostname", nil, p); err != nil || len(found.Values) != 100 {
				b.Fatal(found, err)
			}
		}
	})
	b.Run("values among half", func(b *testing.B) {
		half := parse(`type-id in ("0","1")`)
		for range b.N {
			if found, err := r.Values(b.Context(), 1, "hostname", half, TagPage{Limit: 100}); err != nil || len(found.Values) != 100 {
				b.Fatal(found, err)
			}
		}
	})
	b.Run("cardinality", func(b *testing.B) {
		for range b.N {
			if found, err := r.Cardinality(b.Context(), 1, nil, 10); err != nil || found.Series != n {
				b.Fatal(found, err)
			}
		}
	})
	b.Run("cardinality of half", func(b *testing.B) {
		half := parse(`type-id in ("0","1")`)
		for range b.N {
			if found, err := r.Cardinality(b.Context(), 1, half, 10); err != nil || found.Series == n {
				b.Fatal(found, err)
			}
		}
	})
}

// BenchmarkSearchDistinct asks for values of a tag that has another value on each of a million definitions.
func BenchmarkSearchDistinct(b *testing.B) {
	r := NewRegistry(Options{})
	fill(r, 1_000_000, func(i int) Draft {
		d := million(i)
		d.Tags = append(d.Tags, Tag{"uuid", fmt.Sprintf("%08x-%04x", uint32(i)*2654435761, i%65536)})
		return d
	})
	for _, text := range []string{`uuid="9e3779b1-0001"`, `uuid begins with "dead"`, `uuid=~"dead[0-9].*"`, `uuid=~".*-00ff"`, `uuid=~"[a-f]{6}.*"`,
		`metric_05{hostname="f00500",uuid=~"[a-f0-9]+-.*"}`} {
		e, err := match.Parse(text)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(text, func(b *testing.B) {
			defer reportThread(b)()
			for range b.N {
				if found, err := r.Search(b.Context(), 1, e, Page{Sort: ByName, Limit: 100}); err != nil || len(found.Refs) == 0 {
					b.Fatal(found, err)
				}
			}
		})
	}
}
