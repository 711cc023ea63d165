package resource

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"granary/tenant"
)

// model is a registry as maps, which looks at everything.
type model struct {
	types map[string]Type
	all   map[Ref][]Resource // the revisions, oldest first
}

// null is a value of the model that is not there.
var nullValue = Operand{Null: true}

// value is what a resource has of an attribute.
func (m *model) value(r *Resource, attribute string) Operand {
	user, project := r.CreatedBy()
	text := func(s string) Operand { return Operand{Value: TextValue(s)} }
	optional := func(s *string) Operand {
		if s == nil {
			return nullValue
		}
		return text(*s)
	}
	moment := func(t int64) Operand {
		if t == 0 {
			return nullValue
		}
		return Operand{Value: TimeValue(t)}
	}
	switch attribute {
	case "id":
		return Operand{Value: UUIDValue(r.ID)}
	case "type":
		return text(r.Type)
	case "original_resource_id":
		return text(r.Original)
	case "creator":
		return text(r.Creator)
	case "created_by_user_id":
		return text(user)
	case "created_by_project_id":
		return text(project)
	case "user_id":
		return optional(r.User)
	case "project_id":
		return optional(r.Project)
	case "started_at":
		return Operand{Value: TimeValue(r.Started)}
	case "ended_at":
		return moment(r.Ended)
	case "revision_start":
		return moment(r.RevisionStart)
	case "revision_end":
		return moment(r.RevisionEnd)
	case "revision":
		return Operand{Value: NumberValue(float64(r.Number()))}
	case "lifespan":
		if r.Ended == 0 {
			return nullValue
		}
		return Operand{Value: NumberValue(float64(r.Ended-r.Started) / 1e9)}
	}
	v, ok := r.Attributes[attribute]
	return Operand{Value: v, Null: !ok}
}

func compareValues(a, b Value) int {
	return cmp.Or(strings.Compare(a.Text, b.Text), cmp.Compare(a.Number, b.Number), cmp.Compare(a.Time, b.Time), cmp.Compare(truth(a.Bool), truth(b.Bool)))
}

// truth3 is what SQL says of a query: 1 true, 0 unknown, -1 false.
func (m *model) truth3(r *Resource, q Query) int {
	is := func(b bool) int {
		if b {
			return 1
		}
		return -1
	}
	switch q := q.(type) {
	case nil:
		return 1
	case And:
		t := 1
		for _, p := range q {
			t = min(t, m.truth3(r, p))
		}
		return t
	case Or:
		t := -1
		for _, p := range q {
			t = max(t, m.truth3(r, p))
		}
		return t
	case Not:
		return -m.truth3(r, q.Query)
	case *Compare:
		v := m.value(r, q.Attribute)
		one := func(op Op, w Operand) int {
			switch {
			case op == Eq && w.Null:
				return is(v.Null)
			case op == Ne && w.Null:
				return is(!v.Null)
			case op == Ne && v.Null:
				return 1
			case v.Null || w.Null:
				return 0
			case op == Like:
				p := regexp.QuoteMeta(w.Text)
				p = strings.ReplaceAll(strings.ReplaceAll(p, "%", "(?s:.*)"), "_", "(?s:.)")
				return is(regexp.MustCompile("^" + p + "$").MatchString(v.Text))
			}
			c := compareValues(v.Value, w.Value)
			return is(map[Op]bool{Eq: c == 0, Ne: c != 0, Lt: c < 0, Le: c <= 0, Gt: c > 0, Ge: c >= 0}[op])
		}
		if q.Op != In {
			return one(q.Op, q.Values[0])
		}
		t := -1
		for _, w := range q.Values {
			if w.Null {
				t = max(t, 0) // IN (NULL) is unknown
			} else {
				t = max(t, one(Eq, w))
			}
		}
		return t
	}
	panic(q)
}

func (m *model) search(q Search) []Resource {
	var list []Resource
	for ref, revisions := range m.all {
		if q.Tenants != nil && !slices.Contains(q.Tenants, ref.Tenant) {
			continue
		}
		if !q.History {
			revisions = revisions[len(revisions)-1:]
		}
		for _, r := range revisions {
			if (q.Type == Generic || q.Type == r.Type) && m.truth3(&r, q.Where) == 1 && (q.Keep == nil || q.Keep(&r)) {
				list = append(list, r)
			}
		}
	}
	keys := append(slices.Clone(q.Sort), SortKey{Attribute: "id"}, SortKey{Attribute: "revision"})
	if len(q.Sort) == 0 {
		keys = append([]SortKey{{Attribute: "revision_start"}, {Attribute: "started_at"}}, keys...)
	}
	slices.SortFunc(list, func(a, b Resource) int {
		for _, k := range keys {
			x, y := m.value(&a, k.Attribute), m.value(&b, k.Attribute)
			if x.Null != y.Null {
				first := k.Nulls == NullsFirst || k.Nulls == NullsAsLarge && k.Desc
				if x.Null == first {
					return -1
				}
				return 1
			}
			if c := compareValues(x.Value, y.Value); c != 0 {
				if k.Desc {
					return -c
				}
				return c
			}
		}
		return cmp.Compare(a.Tenant, b.Tenant)
	})
	return list
}

// life does the same random things to a registry and to a model.
type life struct {
	*harness
	rnd   *rand.Rand
	model model
}

var lifeTexts = []string{"", "a", "b", "ab", "a%b", "a_b", "ä", "host-1", "host-2", "host-10"}

func (l *life) text() string { return lifeTexts[l.rnd.IntN(len(lifeTexts))] }

func (l *life) value(a *Attribute) Value {
	switch a.Kind {
	case String:
		return TextValue(l.text())
	case UUID:
		return UUIDValue(id(byte(l.rnd.IntN(4))))
	case Number:
		return NumberValue(float64(l.rnd.IntN(7)) - 3)
	case Bool:
		return BoolValue(l.rnd.IntN(2) == 0)
	}
	return TimeValue(1 + l.rnd.Int64N(5)*1e9)
}

func (l *life) attributes(t Type) map[string]Value {
	var values map[string]Value
	for i := range t.Attributes {
		if a := &t.Attributes[i]; a.Required || l.rnd.IntN(2) == 0 {
			if values == nil {
				values = map[string]Value{}
			}
			values[a.Name] = l.value(a)
		}
	}
	return values
}

func (l *life) attribute(name string, required bool) Attribute {
	a := Attribute{Name: name, Kind: Kind(1 + l.rnd.IntN(5)), Required: required}
	if a.Kind == String {
		a.MaxLength = 20
	}
	return a
}

func (l *life) optional() *string {
	if l.rnd.IntN(3) == 0 {
		return nil
	}
	return new(l.text())
}

func (l *life) typeName() string { return []string{Generic, "one", "two"}[l.rnd.IntN(3)] }

func (l *life) step() {
	ref := Ref{tenant.Num(1 + l.rnd.IntN(3)), id(byte(l.rnd.IntN(40)))}
	switch l.rnd.IntN(20) {
	case 0:
		name := l.typeName()
		if old, ok := l.model.types[name]; ok && name != Generic {
			l.changeType(old)
		}
	case 1, 2, 3:
		ids := []uuid.UUID{ref.ID, id(byte(l.rnd.IntN(40)))}
		l.remove(ref.Tenant, ids...)
		for _, id := range ids {
			delete(l.model.all, Ref{ref.Tenant, id})
		}
	case 4, 5, 6, 7, 8:
		if list := l.model.all[ref]; list != nil {
			l.updateBoth(ref, list)
		}
	default:
		if l.model.all[ref] == nil {
			name := l.typeName()
			d := Draft{Tenant: ref.Tenant, ID: ref.ID, Type: name, Creator: l.text() + ":" + l.text(), User: l.optional(), Project: l.optional(),
				Started: l.rnd.Int64N(5) * 1e9, Attributes: l.attributes(l.model.types[name])}
			if l.rnd.IntN(3) == 0 {
				d.Original = "original " + l.text()
			}
			if l.rnd.IntN(3) == 0 {
				d.Ended = d.Started + 1 + l.rnd.Int64N(3)*1e9
			}
			l.model.all[ref] = []Resource{l.create(d)}
		}
	}
}

func (l *life) updateBoth(ref Ref, list []Resource) {
	u := Update{User: new(l.optional())}
	t := l.model.types[list[0].Type]
	for name, v := range l.attributes(t) {
		if u.Attributes == nil {
			u.Attributes = map[string]*Value{}
		}
		u.Attributes[name] = &v
		if l.rnd.IntN(3) == 0 && !t.Attribute(name).Required {
			u.Attributes[name] = nil
		}
	}
	now := l.update(ref.Tenant, ref.ID, u)
	was := &list[len(list)-1]
	want := *was
	want.User, want.Attributes = *u.User, maps.Clone(was.Attributes)
	for name, v := range u.Attributes {
		if want.Attributes == nil {
			want.Attributes = map[string]Value{}
		}
		if delete(want.Attributes, name); v != nil {
			want.Attributes[name] = *v
		}
	}
	if gocmp.Equal(want, *was, cmpopts.EquateEmpty()) {
		return
	}
	was.RevisionEnd = now.RevisionStart
	want.Revision, want.RevisionStart = was.Revision+1, l.now
	if diff := gocmp.Diff(want, now, cmpopts.EquateEmpty()); diff != "" {
		l.Fatal(diff)
	}
	l.model.all[ref] = append(list, now)
}

func (l *life) changeType(old Type) {
	var fill map[string]Value
	l.change(old.Name, func(t *Type) map[string]Value {
		name := fmt.Sprint("a", l.rnd.IntN(4))
		if t.Attribute(name) != nil {
			t.Attributes = slices.DeleteFunc(t.Attributes, func(a Attribute) bool { return a.Name == name })
			return nil
		}
		a := l.attribute(name, l.rnd.IntN(2) == 0)
		i, _ := slices.BinarySearchFunc(t.Attributes, name, func(a Attribute, name string) int { return strings.Compare(a.Name, name) })
		t.Attributes = slices.Insert(t.Attributes, i, a)
		if a.Required || l.rnd.IntN(2) == 0 {
			fill = map[string]Value{name: l.value(&a)}
		}
		return fill
	})
	next, _ := l.Type(old.Name)
	l.model.types[old.Name] = next
	for _, list := range l.model.all {
		for i := range list {
			r := &list[i]
			if r.Type != old.Name {
				continue
			}
			values := maps.Clone(r.Attributes)
			maps.DeleteFunc(values, func(name string, _ Value) bool { return next.Attribute(name) == nil })
			for name, v := range fill {
				if values == nil {
					values = map[string]Value{}
				}
				if _, ok := values[name]; !ok {
					values[name] = v
				}
			}
			r.Attributes = values
		}
	}
}

// query is a random one for a type.
func (l *life) query(t Type, history bool, depth int) Query {
	switch n := l.rnd.IntN(8); {
	case n == 0 && depth > 0:
		return And{l.query(t, history, depth-1), l.query(t, history, depth-1)}
	case n == 1 && depth > 0:
		return Or{l.query(t, history, depth-1), l.query(t, history, depth-1)}
	case n < 4 && depth > 0:
		return Not{l.query(t, history, depth-1)}
	}
	names := slices.Sorted(maps.Keys(special))
	for i := range t.Attributes {
		names = append(names, t.Attributes[i].Name, t.Attributes[i].Name)
	}
	for {
		c := &Compare{Attribute: names[l.rnd.IntN(len(names))], Op: Op(1 + l.rnd.IntN(8))}
		kind, _ := t.KindOf(c.Attribute, true)
		n := 1
		if c.Op == In {
			n = 1 + l.rnd.IntN(3)
		}
		for range n {
			v := Operand{Value: l.value(&Attribute{Kind: kind}), Null: l.rnd.IntN(8) == 0}
			switch c.Attribute {
			case "type":
				v.Text = l.typeName()
			case "id":
				v.Text = id(byte(l.rnd.IntN(40))).String()
			case "original_resource_id":
				if v.Text = "original " + v.Text; l.rnd.IntN(2) == 0 {
					v.Text = id(byte(l.rnd.IntN(40))).String()
				}
			case "creator":
				v.Text += ":" + l.text()
			}
			if c.Op == Like {
				v.Text += []string{"%", "_", "", "%_%"}[l.rnd.IntN(4)]
			}
			c.Values = append(c.Values, v)
		}
		if t.CheckQuery(c, history) == nil {
			return c
		}
	}
}

func (l *life) sort(t Type, history bool) (keys []SortKey) {
	names := slices.Sorted(maps.Keys(special))
	for i := range t.Attributes {
		names = append(names, t.Attributes[i].Name)
	}
	for range l.rnd.IntN(3) {
		k := SortKey{Attribute: names[l.rnd.IntN(len(names))], Desc: l.rnd.IntN(2) == 0, Nulls: Nulls(l.rnd.IntN(3))}
		if t.CheckSort([]SortKey{k}, history) == nil {
			keys = append(keys, k)
		}
	}
	return keys
}

// look searches for something, at once and page by page.
func (l *life) look() {
	l.Helper()
	q := Search{Type: l.typeName(), History: l.rnd.IntN(2) == 0}
	t := l.model.types[q.Type]
	if l.rnd.IntN(4) > 0 {
		q.Where = l.query(t, q.History, 3)
	}
	if l.rnd.IntN(3) == 0 {
		q.Tenants = []tenant.Num{tenant.Num(1 + l.rnd.IntN(3)), tenant.Num(1 + l.rnd.IntN(4))}
	}
	if l.rnd.IntN(4) == 0 {
		q.Keep = func(r *Resource) bool { return r.ID[15]%3 > 0 }
	}
	q.Sort = l.sort(t, q.History)
	want := l.model.search(q)
	got := l.mustSearch(l.T, q)
	if diff := gocmp.Diff(want, got.Resources, cmpopts.EquateEmpty()); diff != "" || got.More {
		l.Fatalf("%+v %+v: %s", q, q.Where, diff)
	}
	var pages []Resource
	for q.Limit = 1 + l.rnd.IntN(7); ; {
		f := l.mustSearch(l.T, q)
		pages = append(pages, f.Resources...)
		if !f.More {
			break
		}
		last := &f.Resources[len(f.Resources)-1]
		q.After = &Marker{last.ID, last.Tenant, last.Number()}
		if l.rnd.IntN(2) == 0 {
			q.After.Revision = last.Revision
		}
	}
	if diff := gocmp.Diff(want, pages, cmpopts.EquateEmpty()); diff != "" {
		l.Fatalf("pages of %+v: %s", q, diff)
	}
}

// check holds the registry against the model, its own counters, and what its catalog makes.
func (l *life) check(catalog catalogMap) {
	l.Helper()
	current, former := 0, 0
	for ref, list := range l.model.all {
		current++
		former += len(list) - 1
		if diff := gocmp.Diff(list, l.History(ref.Tenant, ref.ID), cmpopts.EquateEmpty()); diff != "" {
			l.Fatal(diff)
		}
		if !slices.Contains(l.Where(ref.ID), ref.Tenant) {
			l.Fatalf("%v is nowhere", ref)
		}
	}
	if c, f := l.Len(); c != current || f != former {
		l.Fatalf("%d resources, %d former revisions; want %d, %d", c, f, current, former)
	}
	l.checkCounters()
	again := catalog.restore(l.T)
	checkEqual(l.T, l.Registry, again)
	(&harness{l.T, again, 0}).checkCounters()
}

// checkCounters counts rows, blocks and bytes.
func (h *harness) checkCounters() {
	h.Helper()
	blocks := 0
	for k, tab := range h.tables {
		bytes := int64(0)
		for _, p := range [...]*part{&tab.now, &tab.former} {
			rows, free := 0, 0
			for _, b := range p.blocks {
				blocks++
				live := 0
				for i, rev := range b.revision {
					if rev == 0 {
						free++
						continue
					}
					live++
					bytes += b.rowBytes(i)
				}
				if rows += live; live != b.live || h.blocks[b.number] != b || live == 0 {
					h.Fatalf("block %d of %v: %d rows, %d counted", b.number, k, live, b.live)
				}
				uses := map[uint16]uint16{}
				for _, c := range b.creator.codes {
					uses[c]++
				}
				for c := range b.creator.entries {
					if e := b.creator.entries[c]; e.uses != uses[uint16(c+1)] {
						h.Fatalf("text %d has %d uses, want %d", c+1, e.uses, uses[uint16(c+1)])
					}
				}
			}
			if rows != p.rows || free != len(p.free) {
				h.Fatalf("%v: %d rows and %d free, counted %d and %d", k, rows, free, p.rows, len(p.free))
			}
		}
		if bytes != tab.bytes || tab.now.rows == 0 {
			h.Fatalf("%v: %d bytes, counted %d", k, bytes, tab.bytes)
		}
	}
	if n := len(h.blocks) - 1 - len(h.unused); n != blocks {
		h.Fatalf("%d blocks, counted %d", blocks, n)
	}
}

// TestAgainstModel does random things to a registry and to maps, and looks for random things in both.
func TestAgainstModel(t *testing.T) {
	steps := 1000
	if testing.Short() {
		steps = 250
	}
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			catalog := catalogMap{}
			l := &life{newHarness(t, Options{Sink: catalog}), rand.New(rand.NewPCG(seed, 3)), model{map[string]Type{Generic: {Name: Generic}}, map[Ref][]Resource{}}}
			for _, name := range []string{"one", "two"} {
				l.typ(Type{Name: name, Attributes: []Attribute{l.attribute("b1", false), l.attribute("b2", false), l.attribute("b3", seed%2 == 0)}})
				l.model.types[name], _ = l.Type(name)
			}
			for n := range steps {
				l.step()
				if n%5 == 0 {
					l.look()
				}
				if n%125 == 0 {
					l.check(catalog)
				}
			}
			l.check(catalog)
			for ref := range l.model.all {
				l.remove(ref.Tenant, ref.ID)
			}
			if len(catalog[Bucket]) != 0 || len(l.tables)+len(l.tenants)+len(l.ids) != 0 || len(l.unused) != len(l.blocks)-1 {
				t.Error("something is left")
			}
		})
	}
}
