package metricdef

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
)

func TestKeys(t *testing.T) {
	for _, c := range []struct {
		name string
		tags []Tag
		key  string
	}{
		{"cpu", nil, "cpu"},
		{"cpu load (1m)", nil, "cpu load (1m)"},
		{`say "hi"=1`, nil, `say "hi"=1`},
		{"cpu", []Tag{{"host", "a"}}, `cpu{host="a"}`},
		{"flops_any", []Tag{{"cluster", "alex"}, {"hostname", "a0101"}, {"type", "hwthread"}, {"type-id", "3"}},
			`flops_any{cluster="alex",hostname="a0101",type="hwthread",type-id="3"}`},
		{"a{b=\"c\"}", nil, `a\{b="c"}`},
		{"a", []Tag{{"b=", `c"\`}}, `a{b\=="c\"\\"}`},
		{"a\nb\\", []Tag{{"c\n", "d\n"}}, `a\nb\\{c\n="d\n"}`},
		{"ä", []Tag{{"ö", "ü{},"}}, `ä{ö="ü{},"}`},
	} {
		if got := string(AppendKey(nil, c.name, c.tags)); got != c.key {
			t.Errorf("key of %q %q is %s, want %s", c.name, c.tags, got, c.key)
		}
		name, tags, err := ParseKey(c.key)
		if err != nil || name != c.name || !slices.Equal(tags, c.tags) {
			t.Errorf("%s reads as %q %q, %v", c.key, name, tags, err)
		}
	}
}

func TestKeysThatAreNone(t *testing.T) {
	for key, reason := range map[string]string{
		"":                       "must not be empty",
		`{a="b"}`:                "must not be empty",
		`a{}`:                    `expected ="value"`,
		`a{b}`:                   `expected ="value"`,
		`a{b="c"`:                "closing brace",
		`a{b="c`:                 "not closed",
		`a{b="c"}x`:              "closing brace",
		`a{b="c",}`:              `expected ="value"`,
		`a{b="c",a="d"}`:         "sorted",
		`a{b="c",b="d"}`:         "sorted",
		`a{b=""}`:                "must not be empty",
		`a{="c"}`:                "must not be empty",
		`a{__name__="c"}`:        "reserved",
		`a\b`:                    "needs none",
		`a\"`:                    "needs none",
		`a\`:                     "needs none",
		"a\nb":                   "not escaped",
		strings.Repeat("a", 1e5): "longer than 65535",
	} {
		_, _, err := ParseKey(key)
		var bad *InvalidError
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), reason) || bad.Kind() != "invalid" {
			t.Errorf("%.40q: %v, want %q", key, err, reason)
		}
	}
}

// FuzzKey checks that no two identities have the same key, and no identity has two: what is read prints the same, and
// the comparison without printing agrees.
func FuzzKey(f *testing.F) {
	for _, s := range []string{"cpu", `cpu{host="a"}`, `a\{b{c="d"}`, `a{b\=="c\"\\"}`, "a{", `a{b="\n"}`, `a{b="c",d="e"}`, "\xff", `a{b="\x"}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, key string) {
		name, tags, err := ParseKey(key)
		if err != nil {
			return
		}
		if got := string(AppendKey(nil, name, tags)); got != key {
			t.Fatalf("%q reads as %q %q, which prints as %q", key, name, tags, got)
		}
		d := Draft{Identity: Identity{Tenant: 1, Type: Gauge, Name: name, Tags: tags}}
		if err := d.Validate(); err != nil {
			return // too much of it
		}
		r := NewRegistry(Options{})
		ref := r.Reserve(&d, 0)
		if got, ok := r.Resolve(1, Gauge, []byte(key)); !ok || got != ref {
			t.Fatalf("%q does not resolve", key)
		}
		for i := range len(key) {
			other := []byte(key)
			other[i] ^= 1
			r.hasKey(r.defs.get(ref), other[:i])
			if r.hasKey(r.defs.get(ref), other) {
				t.Fatalf("%q is taken for %q", other, key)
			}
		}
	})
}

func TestIDs(t *testing.T) {
	id := NewID("default", Gauge, `cpu{host="a"}`)
	if want := uuid.NewSHA1(space, []byte("default\x00\x01\x00cpu{host=\"a\"}")); id != want || id.Version() != 5 || id.Variant() != uuid.RFC4122 {
		t.Errorf("id %v, want %v", id, want)
	}
	// Clients keep ids, so they must never change.
	if want := "1550757e-b179-54bc-bef8-0d86fba7573c"; id.String() != want {
		t.Errorf("id %v, want %v", id, want)
	}
	for _, other := range []uuid.UUID{NewID("default", Counter, `cpu{host="a"}`), NewID("defaul", Gauge, `cpu{host="a"}`), NewID("default", Gauge, `cpu{host="b"}`)} {
		if other == id {
			t.Error("two definitions share an id")
		}
	}
}

func TestValidate(t *testing.T) {
	long := strings.Repeat("x", MaxText+1)
	many := make([]Tag, MaxTags+1)
	for i := range many {
		many[i] = Tag{strings.Repeat("a", i+1), "v"}
	}
	for _, c := range []struct {
		change func(*Draft)
		reason string // "" if valid
	}{
		{func(*Draft) {}, ""},
		{func(d *Draft) { d.Plain = []Tag{{"b", "c"}} }, ""},
		{func(d *Draft) { d.Name = long[1:] }, ""},
		{func(d *Draft) { d.Tags = many[1:] }, ""},
		{func(d *Draft) { d.Tags, d.Plain = many[:100], many[100:MaxTags] }, ""},
		{func(d *Draft) { d.Tenant = 0 }, "tenant"},
		{func(d *Draft) { d.Type = 0 }, "Type(0)"},
		{func(d *Draft) { d.Type = 5 }, "Type(5)"},
		{func(d *Draft) { d.Name = "" }, "name"},
		{func(d *Draft) { d.Name = long }, "longer"},
		{func(d *Draft) { d.Unit = long }, "unit"},
		{func(d *Draft) { d.Dialect = long }, "dialect"},
		{func(d *Draft) { d.Tags = []Tag{{"b", "c"}, {"a", "c"}} }, "sorted"},
		{func(d *Draft) { d.Plain = []Tag{{"b", "c"}, {"b", "c"}} }, "sorted"},
		{func(d *Draft) { d.Plain = []Tag{{"b", ""}} }, "empty"},
		{func(d *Draft) { d.Plain = []Tag{{"", "c"}} }, "empty"},
		{func(d *Draft) { d.Plain = []Tag{{long, "c"}} }, "longer"},
		{func(d *Draft) { d.Plain = []Tag{{NameTag, "c"}} }, "reserved"},
		{func(d *Draft) { d.Plain = []Tag{{"a", "c"}} }, "identity tag too"},
		{func(d *Draft) { d.Tags = many }, "256 tags"},
		{func(d *Draft) { d.Tags, d.Plain = many[:100], many[100:] }, "256 tags"},
		{func(d *Draft) {
			d.Tags = []Tag{{"a", long[1:]}, {"b", long[1:]}, {"c", long[1:]}, {"d", long[1:]}}
		}, "at most 262144"},
	} {
		d := Draft{Identity: Identity{Tenant: 1, Type: Gauge, Name: "m", Tags: []Tag{{"a", "b"}}}}
		c.change(&d)
		err := d.Validate()
		switch {
		case c.reason == "" && err != nil, c.reason != "" && (err == nil || !strings.Contains(err.Error(), c.reason)):
			t.Errorf("%.200v: want %q", err, c.reason)
		case err != nil && len(err.Error()) > 1000:
			t.Errorf("error of %d bytes", len(err.Error()))
		case err == nil:
			r := NewRegistry(Options{})
			rec := r.AppendRecord(nil, r.Reserve(&d, 5))
			again := NewRegistry(Options{})
			if n, ref, err := again.Apply(rec); n != len(rec) || ref != 1 || err != nil {
				t.Errorf("a valid draft has no valid record: %v", err)
			}
			if got, _ := again.Get(1); !sameDraft(got.Draft, d) {
				t.Errorf("a valid draft changed on its way")
			}
		}
	}
}
