package resource

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"granary/metricdef"
	"granary/tenant"
)

// harness applies what the registry appends, as a store does.
type harness struct {
	*testing.T
	*Registry
	now int64
}

func newHarness(t *testing.T, o Options) *harness {
	return &harness{t, NewRegistry(o), 1_700_000_000e9}
}

func (h *harness) tick() int64 { h.now += 1e9; return h.now }

func (h *harness) typ(t Type) {
	h.Helper()
	rec, err := h.AppendType(nil, t, h.tick())
	if err != nil {
		h.Fatal(err)
	}
	if _, _, err := h.ApplyType(rec); err != nil {
		h.Fatal(err)
	}
}

func (h *harness) change(name string, change func(*Type) map[string]Value) {
	h.Helper()
	rec, err := h.AppendTypeChange(nil, name, func(t *Type) (map[string]Value, error) { return change(t), nil })
	if err != nil {
		h.Fatal(err)
	}
	if _, _, err := h.ApplyType(rec); err != nil {
		h.Fatal(err)
	}
}

func (h *harness) create(d Draft) Resource {
	h.Helper()
	if d.Original == "" {
		d.Original = d.ID.String()
	}
	rec, err := h.AppendCreate(nil, &d, h.tick())
	if err != nil {
		h.Fatal(err)
	}
	return h.apply(rec)
}

func (h *harness) update(t tenant.Num, id uuid.UUID, u Update) Resource {
	h.Helper()
	rec, err := h.AppendUpdate(nil, t, id, &u, h.tick())
	if err != nil {
		h.Fatal(err)
	}
	if len(rec) == 0 {
		res, _ := h.Get(t, id)
		return res
	}
	return h.apply(rec)
}

func (h *harness) apply(rec []byte) Resource {
	h.Helper()
	n, t, id, err := h.Apply(rec)
	if err != nil || n != len(rec) {
		h.Fatalf("applied %d of %d bytes: %v", n, len(rec), err)
	}
	res, ok := h.Get(t, id)
	if !ok {
		h.Fatal("no resource behind its record")
	}
	return res
}

func (h *harness) remove(t tenant.Num, ids ...uuid.UUID) {
	h.Helper()
	if _, _, _, err := h.Remove(AppendRemove(nil, t, ids)); err != nil {
		h.Fatal(err)
	}
}

func id(n byte) uuid.UUID { return uuid.UUID{15: n} }

var vm = Type{Name: "vm", Attributes: []Attribute{
	{Name: "host", Kind: String, MaxLength: 20, Required: true}, {Name: "size", Kind: Number, Min: new(0.0), Max: new(100.0)},
}}

func TestLifeOfAResource(t *testing.T) {
	h := newHarness(t, Options{})
	h.typ(vm)
	first := h.create(Draft{Tenant: 1, ID: id(1), Type: "vm", Creator: "u:p", Original: "my vm", Started: 5, Attributes: map[string]Value{"host": TextValue("a")}})
	want := Resource{
		Draft:    Draft{Tenant: 1, ID: id(1), Type: "vm", Creator: "u:p", Original: "my vm", Started: 5, Attributes: map[string]Value{"host": TextValue("a")}},
		Revision: 1, Created: h.now, RevisionStart: h.now,
	}
	if diff := cmp.Diff(want, first); diff != "" {
		t.Fatal(diff)
	}
	same := h.update(1, id(1), Update{Attributes: map[string]*Value{"host": new(TextValue("a")), "size": nil}})
	if diff := cmp.Diff(first, same); diff != "" {
		t.Errorf("an update with what is there made a revision: %s", diff)
	}
	second := h.update(1, id(1), Update{User: new(new("me")), Ended: new(int64(9)), Attributes: map[string]*Value{"size": new(NumberValue(3))}})
	if second.Revision != 2 || second.RevisionStart != h.now || *second.User != "me" || second.Ended != 9 || second.Created != first.Created {
		t.Errorf("%+v", second)
	}
	third := h.update(1, id(1), Update{User: new((*string)(nil)), Ended: new(int64(0)), Attributes: map[string]*Value{"size": nil}})
	first.RevisionEnd, second.RevisionEnd = second.RevisionStart, third.RevisionStart
	if diff := cmp.Diff([]Resource{first, second, third}, h.History(1, id(1))); diff != "" {
		t.Error(diff)
	}
	h.remove(1, id(1), id(2))
	if _, ok := h.Get(1, id(1)); ok || h.History(1, id(1)) != nil || h.BytesOf(1) != 0 || h.Uses("vm") != 0 {
		t.Error("a resource that ended is still there")
	}
}

func TestSameIDInSeveralTenants(t *testing.T) {
	gone := tenant.Num(0)
	h := newHarness(t, Options{Gone: func(n tenant.Num) bool { return n == gone }})
	for _, n := range []tenant.Num{3, 1, 2} {
		h.create(Draft{Tenant: n, ID: id(1), Type: Generic})
	}
	check := func(want ...tenant.Num) {
		t.Helper()
		if diff := cmp.Diff(want, h.Where(id(1))); diff != "" {
			t.Error(diff)
		}
		if f := h.mustSearch(t, Search{}); len(f.Resources) != len(want) {
			t.Errorf("found %d", len(f.Resources))
		}
	}
	check(3, 1, 2)
	gone = 1
	check(3, 2)
	if _, ok := h.Get(1, id(1)); ok {
		t.Error("a resource of a tenant that has ended is shown")
	}
	gone = 0
	h.remove(1, id(1))
	check(3, 2)
	h.remove(2, id(1))
	h.remove(3, id(1))
	check([]tenant.Num{}...)
}

func TestRefused(t *testing.T) {
	h := newHarness(t, Options{})
	h.typ(vm)
	ok := func() *Draft {
		return &Draft{Tenant: 1, ID: id(1), Original: "x", Type: "vm", Attributes: map[string]Value{"host": TextValue("a")}}
	}
	if _, err := h.AppendCreate(nil, ok(), 1); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Draft){
		"tenant":       func(d *Draft) { d.Tenant = 0 },
		"original":     func(d *Draft) { d.Original = "" },
		"slash":        func(d *Draft) { d.Original = "a/b" },
		"long":         func(d *Draft) { d.Original = string(make([]byte, 300)) },
		"type":         func(d *Draft) { d.Type = "none" },
		"missing":      func(d *Draft) { d.Attributes = nil },
		"unknown":      func(d *Draft) { d.Attributes["x"] = TextValue("") },
		"kind":         func(d *Draft) { d.Attributes["host"] = NumberValue(1) },
		"length":       func(d *Draft) { d.Attributes["host"] = TextValue("123456789012345678901") },
		"utf-8":        func(d *Draft) { d.Attributes["host"] = TextValue("\xff") },
		"minimum":      func(d *Draft) { d.Attributes["size"] = NumberValue(-1) },
		"ended before": func(d *Draft) { d.Started, d.Ended = 9, 8 },
		"user":         func(d *Draft) { d.User = new(string(make([]byte, 256))) },
	} {
		d := ok()
		change(d)
		if _, err := h.AppendCreate(nil, d, 1); err == nil {
			t.Errorf("%s is not refused", name)
		}
	}
	h.create(*ok())
	_, err := h.AppendCreate(nil, ok(), 1)
	if exists := (*ExistsError)(nil); !errors.As(err, &exists) {
		t.Errorf("created again: %v", err)
	}
	if _, err := h.AppendUpdate(nil, 1, id(1), &Update{Attributes: map[string]*Value{"host": nil}}, 1); err == nil {
		t.Error("a required attribute went away")
	}
	if _, err := h.AppendTypeEnd(nil, "vm"); err == nil {
		t.Error("a type in use went away")
	}
	if _, err := h.AppendTypeEnd(nil, Generic); err == nil {
		t.Error("the generic type went away")
	}
}

func TestTags(t *testing.T) {
	h := newHarness(t, Options{})
	h.typ(Type{Name: "vm", Attributes: []Attribute{
		{Name: "at", Kind: Datetime}, {Name: "empty", Kind: String, MaxLength: 9}, {Name: "n", Kind: Number}, {Name: "resource_type", Kind: String, MaxLength: 9}, {Name: "up", Kind: Bool},
	}})
	h.create(Draft{Tenant: 1, ID: id(1), Original: "x", Type: "vm", Project: new("p"), User: new(""), Attributes: map[string]Value{
		"at": TimeValue(1_500_000_000_500_000_000), "empty": TextValue(""), "n": NumberValue(1.5), "resource_type": TextValue("own"), "up": BoolValue(false),
	}})
	want := []metricdef.Tag{
		{Name: "at", Value: "2017-07-14T02:40:00.5Z"}, {Name: "n", Value: "1.5"}, {Name: "original_resource_id", Value: "x"}, {Name: "project_id", Value: "p"},
		{Name: "resource_id", Value: id(1).String()}, {Name: "resource_type", Value: "vm"}, {Name: "up", Value: "false"},
	}
	if diff := cmp.Diff(want, h.Tags(1, id(1))); diff != "" {
		t.Error(diff)
	}
	if h.Tags(2, id(1)) != nil {
		t.Error("another tenant's resource has tags")
	}
}

func TestChangesOfATypeReachOldRecords(t *testing.T) {
	var catalog catalogMap = map[string]map[string][]byte{}
	h := newHarness(t, Options{Sink: catalog})
	h.typ(vm)
	h.create(Draft{Tenant: 1, ID: id(1), Type: "vm", Attributes: map[string]Value{"host": TextValue("a"), "size": NumberValue(1)}})
	h.create(Draft{Tenant: 1, ID: id(2), Type: "vm", Attributes: map[string]Value{"host": TextValue("b")}})
	h.update(1, id(2), Update{Started: new(int64(7))})
	h.change("vm", func(t *Type) map[string]Value { t.Attributes = t.Attributes[:1]; return nil })
	h.change("vm", func(t *Type) map[string]Value {
		t.Attributes = append(t.Attributes, Attribute{Name: "size", Kind: String, MaxLength: 9, Required: true})
		return map[string]Value{"size": TextValue("big")}
	})
	h.create(Draft{Tenant: 1, ID: id(3), Type: "vm", Attributes: map[string]Value{"host": TextValue("c"), "size": TextValue("small")}})
	for n, want := range map[byte]string{1: "big", 2: "big", 3: "small"} {
		if res, _ := h.Get(1, id(n)); res.Attributes["size"].Text != want {
			t.Errorf("%d: %+v", n, res)
		}
	}
	if old := h.History(1, id(2))[0]; old.Attributes["size"].Text != "big" {
		t.Errorf("a former revision lacks the value: %+v", old)
	}
	checkEqual(t, h.Registry, catalog.restore(t))
	h.remove(1, id(1), id(2), id(3))
	rec, err := h.AppendTypeEnd(nil, "vm")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.ApplyType(rec); err != nil {
		t.Fatal(err)
	}
	if len(catalog[Bucket])+len(catalog[TypeBucket]) != 0 {
		t.Error(catalog)
	}
}

func wide(n int) uuid.UUID { return uuid.UUID{13: byte(n >> 16), 14: byte(n >> 8), 15: byte(n)} }

// TestLossesOfTheCatalog: an entry that is lost costs what it held and nothing else.
func TestLossesOfTheCatalog(t *testing.T) {
	var catalog catalogMap = map[string]map[string][]byte{}
	h := newHarness(t, Options{Sink: catalog})
	h.typ(vm)
	values := map[string]Value{"host": TextValue("a"), "size": NumberValue(1)}
	h.create(Draft{Tenant: 1, ID: id(1), Type: "vm", Attributes: values})
	h.create(Draft{Tenant: 1, ID: id(2), Type: "vm", Attributes: values})
	second := h.update(1, id(1), Update{Started: new(int64(7))})
	h.update(1, id(1), Update{Started: new(int64(8))})

	delete(catalog[Bucket], string(key(1, id(1), 3)))
	r := catalog.restore(t)
	if got, _ := r.Get(1, id(1)); !cmp.Equal(got, second) || len(r.History(1, id(1))) != 2 {
		t.Errorf("without the last revision: %+v", got)
	}
	delete(catalog[TypeBucket], "vm")
	r = catalog.restore(t)
	if got, _ := r.Get(1, id(2)); !cmp.Equal(got.Attributes, values) {
		t.Errorf("without its type: %+v", got)
	}
	if typ, ok := r.Type("vm"); !ok || len(typ.Attributes) != 2 || typ.Attributes[0].Kind != String {
		t.Errorf("a type made up: %+v", typ)
	}
	// The type comes back, and keeps what its resources have.
	rec := create(vm).append(nil)
	if taken, err := r.NameType(rec); !taken || err != nil {
		t.Error(taken, err)
	}
	if got, _ := r.Get(1, id(2)); !cmp.Equal(got.Attributes, values) {
		t.Errorf("with its type again: %+v", got)
	}
	if taken, err := r.NameType(rec); taken || err != nil {
		t.Error("a type is named twice", taken, err)
	}
	for k, v := range catalog[Bucket] {
		for _, bad := range [][]byte{v[:len(v)-1], append(v[:len(v):len(v)], 0), append([]byte{9}, v[1:]...)} {
			if err := r.Restore([]byte(k), bad); err == nil {
				t.Errorf("%x under %x is no error", bad, k)
			}
		}
		if err := r.Restore([]byte(k+"x"), v); err == nil {
			t.Error("another key is no error")
		}
	}
}

// TestNames: what is told again is taken if it is newer than what is known.
func TestNames(t *testing.T) {
	h := newHarness(t, Options{})
	h.typ(vm)
	h.create(Draft{Tenant: 1, ID: id(1), Type: "vm", Attributes: map[string]Value{"host": TextValue("a")}})
	first := h.AppendRecord(nil, 1, id(1))
	h.update(1, id(1), Update{Started: new(int64(7))})
	second := h.AppendRecord(nil, 1, id(1))
	typ := h.AppendTypeRecord(nil, "vm")
	r := NewRegistry(Options{})
	if taken, err := r.NameType(typ); !taken || err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct {
		rec   []byte
		taken bool
	}{{first, true}, {first, false}, {second, true}, {first, false}, {second, false}} {
		if taken, err := r.Name(c.rec); taken != c.taken || err != nil {
			t.Errorf("%d: %v, %v", i, taken, err)
		}
	}
	if got := r.AppendRecord(nil, 1, id(1)); string(got) != string(second) {
		t.Errorf("%x", got)
	}
}
