package resource

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"syscall"
	"testing"

	"github.com/google/uuid"

	"granary/tenant"
)

// instances fills a registry with n virtual machines of some tenants, as OpenStack has them.
func instances(tb testing.TB, n, tenants int) *Registry {
	tb.Helper()
	r := NewRegistry(Options{})
	rec, err := r.AppendType(nil, Type{Name: "instance", Attributes: []Attribute{
		{Name: "display_name", Kind: String, MaxLength: 255}, {Name: "flavor_name", Kind: String, MaxLength: 255},
		{Name: "host", Kind: String, MaxLength: 255}, {Name: "image", Kind: UUID}, {Name: "launched_at", Kind: Datetime},
		{Name: "up", Kind: Bool}, {Name: "vcpus", Kind: Number},
	}}, 1)
	if err != nil {
		tb.Fatal(err)
	}
	if _, _, err := r.ApplyType(rec); err != nil {
		tb.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	images := make([]uuid.UUID, 20)
	for i := range images {
		images[i] = randomID(rnd)
	}
	for i := range n {
		t := tenant.Num(1 + i%tenants)
		project := fmt.Sprintf("%032x", t)
		user := fmt.Sprintf("%032x", i%100)
		id := randomID(rnd)
		d := &Draft{Tenant: t, ID: id, Original: id.String(), Type: "instance", Creator: "ceilometer:service", User: &user, Project: &project,
			Started: rnd.Int64N(1e18), Attributes: map[string]Value{
				"display_name": TextValue(fmt.Sprintf("vm-%06d", rnd.IntN(n))), "flavor_name": TextValue(fmt.Sprintf("m1.%d", i%12)),
				"host": TextValue(fmt.Sprintf("compute-%03d", rnd.IntN(300))), "image": UUIDValue(images[i%20]), "launched_at": TimeValue(rnd.Int64N(1e18)),
				"up": BoolValue(i%3 == 0), "vcpus": NumberValue(float64(1 + i%64)),
			}}
		if rec, err = r.AppendCreate(rec[:0], d, int64(i+1)*1000); err != nil {
			tb.Fatal(err)
		}
		if _, _, _, err := r.Apply(rec); err != nil {
			tb.Fatal(err)
		}
	}
	return r
}

func randomID(rnd *rand.Rand) (id uuid.UUID) {
	for i := range id {
		id[i] = byte(rnd.Uint32())
	}
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return id
}

// BenchmarkSearch is the target of 10 ms over 100,000 resources.
func BenchmarkSearch(b *testing.B) {
	r := instances(b, 100_000, 50)
	one := func(attribute string, op Op, values ...Value) Query {
		c := &Compare{Attribute: attribute, Op: op}
		for _, v := range values {
			c.Values = append(c.Values, Operand{Value: v})
		}
		return c
	}
	page := r.mustSearch(b, Search{Type: "instance", Limit: 50_000})
	middle := page.Resources[len(page.Resources)-1]
	for _, bb := range []struct {
		name string
		q    Search
	}{
		{"equal", Search{Type: "instance", Where: one("host", Eq, TextValue("compute-007"))}},
		{"equal_unique", Search{Type: "instance", Where: one("display_name", Eq, TextValue("vm-000777"))}},
		{"like_prefix", Search{Type: "instance", Where: one("display_name", Like, TextValue("vm-0007%"))}},
		{"like_inside", Search{Type: "instance", Where: one("display_name", Like, TextValue("%-%77_1"))}},
		{"in", Search{Type: "instance", Where: one("flavor_name", In, TextValue("m1.3"), TextValue("m1.4"), TextValue("m1.5"))}},
		{"range", Search{Type: "instance", Where: And{one("vcpus", Ge, NumberValue(8)), one("vcpus", Lt, NumberValue(16))}}},
		{"started_at", Search{Type: "instance", Where: one("started_at", Gt, TimeValue(5e17))}},
		{"text_range", Search{Type: "instance", Where: one("display_name", Lt, TextValue("vm-05"))}},
		{"creator", Search{Type: "instance", Where: Or{one("created_by_project_id", Eq, TextValue("service")), one("project_id", Eq, TextValue("x"))}}},
		{"none", Search{Where: one("original_resource_id", Eq, TextValue("x"))}},
		{"page", Search{}},
		{"page_middle", Search{After: &Marker{ID: middle.ID, Tenant: middle.Tenant}}},
		{"page_by_name", Search{Type: "instance", Sort: []SortKey{{Attribute: "display_name", Desc: true}}}},
		{"page_by_id", Search{Type: "instance", Sort: []SortKey{{Attribute: "id"}}}},
		{"tenant", Search{Tenants: []tenant.Num{7}}},
	} {
		bb.q.Limit = 1000
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			began := cpu(b)
			for b.Loop() {
				r.mustSearch(b, bb.q)
			}
			b.ReportMetric(float64(cpu(b)-began)/float64(b.N), "cpu-ns/op")
		})
	}
}

func (r *Registry) mustSearch(tb testing.TB, q Search) Found {
	tb.Helper()
	f, err := r.Search(tb.Context(), q)
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

// cpu is the time that the process has worked so far, also for the collector.
func cpu(tb testing.TB) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// BenchmarkMemory says what a resource takes.
func BenchmarkMemory(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		r := instances(b, 100_000, 50)
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/100_000, "B/resource")
		b.ReportMetric(float64(r.BytesOf(1))/float64(r.Count(1)), "counted-B/resource")
	}
}
