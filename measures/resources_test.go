package measures

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"granary/measures/journal"
	"granary/metricdef"
	"granary/metricdef/match"
	"granary/metricdef/resource"
	"granary/policy"
	"granary/tenant"
)

// resourceID and metricID are ids of tests.
func resourceID(n int) uuid.UUID { return uuid.UUID{0: 0xaa, 14: byte(n >> 8), 15: byte(n)} }
func metricID(n int) (id uuid.UUID) {
	binary.BigEndian.PutUint32(id[:], uint32(n)*2654435761) // ids are random, and looked up by their front
	id[15] = 0xbb
	return id
}

// instanceType is a resource type of tests.
func instanceType() resource.Type {
	return resource.Type{Name: "instance", Attributes: []resource.Attribute{
		{Name: "flavor", Kind: resource.String, MaxLength: 255}, {Name: "host", Kind: resource.String, MaxLength: 255},
	}}
}

func instance(n int, host string) *resource.Draft {
	return &resource.Draft{Original: resourceID(n).String(), Type: "instance", Creator: "u:p", Started: testEpoch, Attributes: map[string]resource.Value{"host": resource.TextValue(host)}}
}

func newMetric(label string, n int) ResourceMetric {
	return ResourceMetric{Label: label, Draft: &metricdef.Draft{
		Identity: metricdef.Identity{Type: metricdef.Gauge, Name: metricID(n).String()}, ByID: true, Dialect: "gnocchi", Creator: "u:p", Explicit: true,
	}}
}

func mustType(tb testing.TB, s *Store) {
	tb.Helper()
	if err := s.CreateResourceType(context.Background(), instanceType()); err != nil {
		tb.Fatal(err)
	}
}

func mustChange(tb testing.TB, s *Store, c *ResourceChange) (resource.Resource, []metricdef.Ref) {
	tb.Helper()
	res, refs, err := s.ChangeResource(context.Background(), c)
	if err != nil {
		tb.Fatal(err)
	}
	return res, refs
}

// catalogPicture is all that a store says of resources, their types and definitions, line by line.
func catalogPicture(s *Store) string {
	var lines []string
	for _, rec := range s.Resources.TypeRecords {
		lines = append(lines, fmt.Sprintf("type %x", rec))
	}
	for key, rec := range s.Resources.Records {
		lines = append(lines, fmt.Sprintf("resource %x %x", key, rec))
	}
	for ref := range s.Definitions.All() {
		lines = append(lines, fmt.Sprintf("definition %x %q", s.Definitions.AppendRecord(nil, ref), s.Definitions.Derived(ref)))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func checkPicture(tb testing.TB, what, want string, s *Store) {
	tb.Helper()
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(catalogPicture(s), "\n")); diff != "" {
		tb.Fatalf("%s: %s", what, diff)
	}
}

func found(tb testing.TB, s *Store, num tenant.Num, name, value string) []metricdef.Ref {
	tb.Helper()
	refs, err := s.Definitions.Select(context.Background(), num, match.Equal(name, value))
	if err != nil {
		tb.Fatal(err)
	}
	return refs
}

func TestChangeResource(t *testing.T) {
	ctx := context.Background()
	o := testOptions(t.TempDir(), &clock{testEpoch})
	s := openTest(t, o)
	num := setup(t, s, policy.Forever)
	mustType(t, s)
	res, refs := mustChange(t, s, &ResourceChange{Tenant: num, ID: resourceID(1), Create: instance(1, "a"), Metrics: []ResourceMetric{newMetric("cpu", 1), newMetric("mem", 2)}})
	if res.Revision != 1 || len(refs) != 2 || !slices.Equal(s.Definitions.Linked(num, resourceID(1)), refs) {
		t.Fatal(res, refs)
	}
	if got := found(t, s, num, "host", "a"); !slices.Equal(got, refs) {
		t.Errorf("by an attribute of the resource: %v", got)
	}
	var b Batch
	b.Add(refs[0], testEpoch, 1)
	if err := s.Commit(ctx, &b); err != nil || len(b.Stale) > 0 {
		t.Fatal(err, b.Stale)
	}
	again := mustError[*resource.ExistsError](t, s, &ResourceChange{Tenant: num, ID: resourceID(1), Create: instance(1, "a")})
	_ = again.Name
	mustError[*resource.UnknownError](t, s, &ResourceChange{Tenant: num, ID: resourceID(2), Update: &resource.Update{}})
	mustError[*tenant.UnknownError](t, s, &ResourceChange{Tenant: num + 7, ID: resourceID(2), Create: instance(2, "a")})
	mustError[*metricdef.LinkError](t, s, &ResourceChange{Tenant: num, ID: resourceID(1), Metrics: []ResourceMetric{newMetric("disk", 3), newMetric("cpu", 4)}})
	mustError[*metricdef.LinkError](t, s, &ResourceChange{Tenant: num, ID: resourceID(2), Create: instance(2, "a"), Metrics: []ResourceMetric{newMetric("x", 3), newMetric("x", 4)}})
	mustError[*metricdef.UnknownError](t, s, &ResourceChange{Tenant: num, ID: resourceID(1), Metrics: []ResourceMetric{{Label: "x", Ref: 999}}})
	mustError[*IDError](t, s, &ResourceChange{Tenant: num, ID: resourceID(1), Metrics: []ResourceMetric{newMetric("x", 5), newMetric("y", 2)}})
	if len(s.Definitions.OfTenant(num)) != 2 || s.Definitions.Claimed(num) != 2 {
		t.Error("what was refused left something behind")
	}

	host := resource.TextValue("b")
	res, _ = mustChange(t, s, &ResourceChange{Tenant: num, ID: resourceID(1), Update: &resource.Update{Attributes: map[string]*resource.Value{"host": &host}}})
	if res.Revision != 2 || len(found(t, s, num, "host", "a")) != 0 || len(found(t, s, num, "host", "b")) != 2 {
		t.Errorf("%+v", res)
	}
	// Labels swap, and what is not named leaves.
	_, refs2 := mustChange(t, s, &ResourceChange{Tenant: num, ID: resourceID(2), Create: instance(2, "c"), Metrics: []ResourceMetric{newMetric("cpu", 6)}})
	res, got := mustChange(t, s, &ResourceChange{Tenant: num, ID: resourceID(1), Replace: true, Metrics: []ResourceMetric{
		{Label: "cpu", Ref: refs[1]}, {Label: "new", Ref: refs2[0]}, newMetric("mem", 7),
	}})
	if res.Revision != 2 || got[0] != refs[1] || got[1] != refs2[0] {
		t.Error(res.Revision, got)
	}
	labels := map[string]metricdef.Ref{}
	for _, l := range s.Definitions.AppendLinks(nil, num, resourceID(1)) {
		labels[l.Label] = l.Ref
	}
	if diff := cmp.Diff(map[string]metricdef.Ref{"cpu": refs[1], "new": refs2[0], "mem": got[2]}, labels); diff != "" {
		t.Error(diff)
	}
	if s.Definitions.Belongs(refs[0]) != (uuid.UUID{}) || len(s.Definitions.Linked(num, resourceID(2))) != 0 {
		t.Error("what was taken away still belongs to a resource")
	}
	checked := errors.New("checked")
	if _, _, err := s.ChangeResource(ctx, &ResourceChange{Tenant: num, ID: resourceID(1), Update: &resource.Update{}, If: func(r *resource.Resource) error {
		if r.Revision != 2 {
			t.Error(r.Revision)
		}
		return checked
	}}); !errors.Is(err, checked) {
		t.Error(err)
	}
	want := catalogPicture(s)
	s.crash()
	s = openTest(t, o)
	checkPicture(t, "behind a crash", want, s)
	n, err := s.DeleteResources(ctx, num, []uuid.UUID{resourceID(1), resourceID(1), resourceID(9)}, nil)
	if n != 1 || err != nil || len(s.Definitions.OfTenant(num)) != 1 || s.Definitions.Tenant(refs[0]) == 0 {
		t.Error(n, err, s.Definitions.OfTenant(num))
	}
	if err := s.DeleteResourceType(ctx, "instance"); err == nil {
		t.Error("a type in use went away")
	}
	want = catalogPicture(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, o)
	checkPicture(t, "behind a stop", want, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func mustError[E error](t *testing.T, s *Store, c *ResourceChange) (e E) {
	t.Helper()
	before := catalogPicture(s)
	if _, _, err := s.ChangeResource(context.Background(), c); !errors.As(err, &e) {
		t.Errorf("%v, want a %T", err, e)
	}
	checkPicture(t, "behind an error", before, s)
	return e
}

func TestResourceTypesOfAStore(t *testing.T) {
	ctx := context.Background()
	o := testOptions(t.TempDir(), &clock{testEpoch})
	s := openTest(t, o)
	num := setup(t, s, policy.Forever)
	mustType(t, s)
	var exists *resource.ExistsError
	if err := s.CreateResourceType(ctx, instanceType()); !errors.As(err, &exists) {
		t.Error(err)
	}
	_, refs := mustChange(t, s, &ResourceChange{Tenant: num, ID: resourceID(1), Create: instance(1, "a"), Metrics: []ResourceMetric{newMetric("cpu", 1)}})
	changed, err := s.UpdateResourceType(ctx, "instance", func(t *resource.Type) (map[string]resource.Value, error) {
		t.Attributes = []resource.Attribute{t.Attributes[0], {Name: "rack", Kind: resource.String, MaxLength: 9, Required: true}}
		return map[string]resource.Value{"rack": resource.TextValue("r1")}, nil
	})
	if err != nil || len(changed.Attributes) != 2 {
		t.Error(changed, err)
	}
	if got := found(t, s, num, "rack", "r1"); !slices.Equal(got, refs) || len(found(t, s, num, "host", "a")) != 0 {
		t.Error("metrics have the tags of the type before")
	}
	want := catalogPicture(s)
	s.crash()
	s = openTest(t, o)
	checkPicture(t, "behind a crash", want, s)
	if _, err := s.DeleteResources(ctx, num, []uuid.UUID{resourceID(1)}, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteResourceType(ctx, "instance"); err != nil {
		t.Fatal(err)
	}
	want = catalogPicture(s)
	s.crash()
	s = openTest(t, o)
	checkPicture(t, "behind another", want, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestResourcesOfADeletedTenant: they are hidden at once, and gone when the tenant is.
func TestResourcesOfADeletedTenant(t *testing.T) {
	ctx := context.Background()
	o := testOptions(t.TempDir(), &clock{testEpoch})
	s := openTest(t, o)
	num := setup(t, s, policy.Forever)
	mustType(t, s)
	for i := range 3 {
		mustChange(t, s, &ResourceChange{Tenant: num, ID: resourceID(i), Create: instance(i, "a"), Metrics: []ResourceMetric{newMetric("cpu", i+1)}})
	}
	if s.Held(num).Memory.Resources < 300 || s.Memory().Resources != s.Held(num).Memory.Resources {
		t.Error("resources do not count for the tenant")
	}
	if err := s.DeleteTenant(ctx, num); err != nil {
		t.Fatal(err)
	}
	if _, ok := s.Resources.Get(num, resourceID(1)); ok || len(s.Resources.Where(resourceID(1))) != 0 {
		t.Error("a resource of a tenant that ended is shown")
	}
	mustError[*tenant.UnknownError](t, s, &ResourceChange{Tenant: num, ID: resourceID(1), Update: &resource.Update{}})
	s.crash()
	s = openTest(t, o)
	if err := s.SweepTenants(ctx); err != nil {
		t.Fatal(err)
	}
	if now, former := s.Resources.Len(); now+former != 0 {
		t.Error(now, former)
	}
	if err := s.DeleteResourceType(ctx, "instance"); err != nil {
		t.Error(err)
	}
	s.crash()
	s = openTest(t, o)
	if now, former := s.Resources.Len(); now+former != 0 {
		t.Error(now, former)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestResourcesAboveTheMemoryLimit: a tenant that holds as much as it may gets no new resource and no revision more.
func TestResourcesAboveTheMemoryLimit(t *testing.T) {
	s := openTest(t, testOptions(t.TempDir(), &clock{testEpoch}))
	num := setup(t, s, policy.Forever)
	mustType(t, s)
	if err := s.UpdateTenant(t.Context(), num, tenant.Settings{Limits: tenant.Limits{Memory: 1 << 20}}); err != nil {
		t.Fatal(err)
	}
	made := 0
	for ; made < 20_000; made++ {
		_, _, err := s.ChangeResource(t.Context(), &ResourceChange{Tenant: num, ID: resourceID(made), Create: instance(made, "a")})
		if err != nil {
			var over *tenant.LimitError
			if !errors.As(err, &over) || over.Number != tenant.LimitMemory {
				t.Fatal(err)
			}
			break
		}
	}
	if made < 2000 || made > 10_000 {
		t.Errorf("%d resources in a mebibyte", made)
	}
	host := resource.TextValue("b")
	update := &ResourceChange{Tenant: num, ID: resourceID(1), Update: &resource.Update{Attributes: map[string]*resource.Value{"host": &host}}}
	if _, _, err := s.ChangeResource(t.Context(), update); err == nil {
		t.Error("a revision more is not refused")
	}
	update.Update = &resource.Update{}
	mustChange(t, s, update)
	if _, err := s.DeleteResources(t.Context(), num, []uuid.UUID{resourceID(2), resourceID(3)}, nil); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestResourcesOfALostCatalog: what has metrics that are written comes back from the journal.
func TestResourcesOfALostCatalog(t *testing.T) {
	ctx := context.Background()
	c := &clock{testEpoch}
	o := testOptions(t.TempDir(), c)
	o.JournalSegment = 4096
	s := openTest(t, o)
	num := setup(t, s, policy.Forever)
	mustType(t, s)
	var refs []metricdef.Ref
	for i := range 20 {
		_, made := mustChange(t, s, &ResourceChange{Tenant: num, ID: resourceID(i), Create: instance(i, "a"), Metrics: []ResourceMetric{newMetric("cpu", i+1)}})
		refs = append(refs, made...)
	}
	for k := range 30 {
		for i, ref := range refs {
			var b Batch
			b.Add(ref, testEpoch+int64(k)*10*second, float64(i))
			if err := s.Commit(ctx, &b); err != nil {
				t.Fatal(err)
			}
		}
		host := resource.TextValue(fmt.Sprint("host", k))
		mustChange(t, s, &ResourceChange{Tenant: num, ID: resourceID(k % 20), Update: &resource.Update{Attributes: map[string]*resource.Value{"host": &host}}})
		if k%10 == 9 {
			if err := s.Snapshot(); err != nil {
				t.Fatal(err)
			}
		}
		c.ns += 10 * second
	}
	for _, ref := range refs { // the segment that is left names them all
		var b Batch
		b.Add(ref, testEpoch+300*second, 1)
		if err := s.Commit(ctx, &b); err != nil {
			t.Fatal(err)
		}
	}
	var want []resource.Resource
	for i := range 20 {
		res, _ := s.Resources.Get(num, resourceID(i))
		want = append(want, res)
	}
	s.crash()
	if err := os.WriteFile(filepath.Join(o.Dir, "definitions.db"), make([]byte, 8192), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s = openTest(t, o)
		for i := range 20 {
			got, _ := s.Resources.Get(num, resourceID(i))
			if diff := cmp.Diff(want[i], got); diff != "" {
				t.Error(diff)
			}
			if ref, _ := s.Definitions.LinkedAs(num, resourceID(i), "cpu"); ref != refs[i] {
				t.Errorf("resource %d: metric %d, want %d", i, ref, refs[i])
			}
		}
		if typ, ok := s.Resources.Type("instance"); !ok || len(typ.Attributes) != 2 {
			t.Errorf("%+v", typ)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// resourceLife does random things to resources.
type resourceLife struct {
	*testing.T
	s       *Store
	rnd     func(n int) int
	tenants []tenant.Num
	metrics int // that were made so far
}

func (l *resourceLife) tenant() tenant.Num { return l.tenants[l.rnd(len(l.tenants))] }

// metric is one to make, or one of the tenant's.
func (l *resourceLife) metric(num tenant.Num) ResourceMetric {
	label := fmt.Sprint("m", l.rnd(5))
	if refs := l.s.Definitions.OfTenant(num); len(refs) > 0 && l.rnd(2) == 0 {
		return ResourceMetric{Label: label, Ref: refs[l.rnd(len(refs))]}
	}
	l.metrics++
	return newMetric(label, l.metrics)
}

// step does one thing, which may fail for good reasons.
func (l *resourceLife) step() error {
	ctx := context.Background()
	s, num := l.s, l.tenant()
	host := resource.TextValue(fmt.Sprint("h", l.rnd(9)))
	switch l.rnd(12) {
	case 0, 1, 2, 3:
		n := l.rnd(12)
		c := &ResourceChange{Tenant: num, ID: resourceID(n), Create: instance(n, host.Text), Replace: l.rnd(2) == 0}
		if l.rnd(2) == 0 {
			c.Update = &resource.Update{Attributes: map[string]*resource.Value{"host": &host}}
		}
		for range l.rnd(4) {
			c.Metrics = append(c.Metrics, l.metric(num))
		}
		_, _, err := s.ChangeResource(ctx, c)
		return err
	case 4, 5, 6:
		u := &resource.Update{Attributes: map[string]*resource.Value{"host": &host}}
		if l.rnd(3) == 0 {
			u.Attributes["host"] = nil
		}
		_, _, err := s.ChangeResource(ctx, &ResourceChange{Tenant: num, ID: resourceID(l.rnd(12)), Update: u, Metrics: []ResourceMetric{l.metric(num)}})
		return err
	case 7:
		_, err := s.DeleteResources(ctx, num, []uuid.UUID{resourceID(l.rnd(12)), resourceID(l.rnd(12))}, nil)
		return err
	case 8:
		if refs := s.Definitions.OfTenant(num); len(refs) > 0 {
			_, err := s.DeleteDefinitions(ctx, refs[:1])
			return err
		}
	case 9:
		_, err := s.UpdateResourceType(ctx, "instance", func(t *resource.Type) (map[string]resource.Value, error) {
			if len(t.Attributes) == 2 {
				t.Attributes = append(t.Attributes, resource.Attribute{Name: "rack", Kind: resource.String, MaxLength: 9, Required: true})
				return map[string]resource.Value{"rack": host}, nil
			}
			t.Attributes = t.Attributes[:2]
			return nil, nil
		})
		return err
	default:
		var b Batch
		for _, ref := range s.Definitions.OfTenant(num) {
			b.Add(ref, s.o.Now().UnixNano(), 1)
		}
		return s.Commit(ctx, &b)
	}
	return nil
}

// TestLivesOfResources does random things, with a journal that fails, crashes, stops and snapshots in between: what is read behind a start
// is what was there before, and what failed left nothing.
func TestLivesOfResources(t *testing.T) {
	t.Parallel()
	steps := 1500
	if testing.Short() {
		steps = 300
	}
	rnd := newRand(7)
	fs, o, c := failing(t, journal.Never)
	o.JournalSegment = 8192
	l := &resourceLife{T: t, s: openTest(t, o), rnd: rnd}
	setup(t, l.s, policy.Forever)
	for i := range 3 {
		num, _, err := l.s.CreateTenant(context.Background(), tenant.Draft{ID: tenant.ID(fmt.Sprint("t", i))})
		if err != nil {
			t.Fatal(err)
		}
		l.tenants = append(l.tenants, num)
	}
	mustType(t, l.s)
	failed, done := map[string]int{}, 0
	for n := range steps {
		c.ns += int64(time.Second)
		switch rnd(40) {
		case 0:
			want := catalogPicture(l.s)
			l.s.crash()
			l.s = openTest(t, o)
			checkPicture(t, fmt.Sprint("crash at step ", n), want, l.s)
		case 1:
			want := catalogPicture(l.s)
			if err := l.s.Close(); err != nil {
				t.Fatal(err)
			}
			l.s = openTest(t, o)
			checkPicture(t, fmt.Sprint("stop at step ", n), want, l.s)
		case 2:
			if err := l.s.Snapshot(); err != nil {
				t.Fatal(err)
			}
		case 3:
			if err := l.s.catalog.Flush(l.s.syncTo); err != nil {
				t.Fatal(err)
			}
		case 4:
			want := catalogPicture(l.s)
			fs.mode.Store(failShort)
			_ = l.step()
			fs.mode.Store(failNot)
			checkPicture(t, fmt.Sprint("failure at step ", n), want, l.s)
		default:
			if err := l.step(); err != nil {
				failed[fmt.Sprintf("%T", err)]++
			} else {
				done++
			}
		}
	}
	if done < steps/3 {
		t.Errorf("only %d of %d steps did something: %v", done, steps, failed)
	}
	if allowed := []string{"*metricdef.LinkError", "*metricdef.UnknownError", "*resource.ExistsError", "*resource.UnknownError", "*resource.InvalidError"}; true {
		for _, kind := range slices.Sorted(maps.Keys(failed)) {
			if !slices.Contains(allowed, kind) {
				t.Errorf("%d errors of type %s", failed[kind], kind)
			}
		}
	}
	if err := l.s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestTornChangesOfResources cuts the journal at random places: what is read is the state behind one of the changes, never one between.
func TestTornChangesOfResources(t *testing.T) {
	t.Parallel()
	rnd := newRand(11)
	c := &clock{testEpoch}
	o := testOptions(t.TempDir(), c)
	l := &resourceLife{T: t, s: openTest(t, o), rnd: rnd}
	l.tenants = []tenant.Num{setup(t, l.s, policy.Forever)}
	mustType(t, l.s)
	if err := l.s.Snapshot(); err != nil {
		t.Fatal(err)
	}
	pictures := map[string]int{catalogPicture(l.s): 0}
	steps := 150
	for n := range steps {
		c.ns += int64(time.Second)
		_ = l.step()
		pictures[catalogPicture(l.s)] = n + 1
	}
	l.s.crash()
	logs, err := filepath.Glob(filepath.Join(o.Dir, "journal", "*"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(logs)
	last := logs[len(logs)-1]
	info, err := os.Stat(last)
	if err != nil {
		t.Fatal(err)
	}
	for range 40 {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(o.Dir)); err != nil {
			t.Fatal(err)
		}
		cut := int64(rnd(int(info.Size())))
		if err := os.Truncate(filepath.Join(dir, "journal", filepath.Base(last)), cut); err != nil {
			t.Fatal(err)
		}
		dead := o
		dead.Dir = dir
		s := openTest(t, dead)
		if _, ok := pictures[catalogPicture(s)]; !ok {
			t.Errorf("cut at byte %d of %d: a state that never was", cut, info.Size())
		}
		s.crash()
	}
}

// newRand makes a source of numbers below n.
func newRand(seed uint64) func(n int) int {
	r := rand.New(rand.NewPCG(seed, seed))
	return r.IntN
}
