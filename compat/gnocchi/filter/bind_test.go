package filter

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"granary/compat/gnocchi/pyjson"
	"granary/metricdef/resource"
)

// bound is a query of the store as a text.
func bound(q resource.Query) string {
	all := func(list []resource.Query) string {
		var parts []string
		for _, q := range list {
			parts = append(parts, bound(q))
		}
		return "(" + strings.Join(parts, ", ") + ")"
	}
	switch q := q.(type) {
	case resource.And:
		return "and" + all(q)
	case resource.Or:
		return "or" + all(q)
	case resource.Not:
		return "not(" + bound(q.Query) + ")"
	}
	c := q.(*resource.Compare)
	var values []string
	for _, v := range c.Values {
		switch {
		case v.Null:
			values = append(values, "null")
		case v.Kind == resource.Number:
			values = append(values, fmt.Sprint("#", v.Number))
		case v.Kind == resource.Bool:
			values = append(values, fmt.Sprint(v.Bool))
		case v.Kind == resource.Datetime:
			values = append(values, time.Unix(0, v.Time).UTC().Format(time.RFC3339Nano))
		case v.Kind == resource.UUID:
			values = append(values, "uuid:"+v.Text)
		default:
			values = append(values, "'"+v.Text)
		}
	}
	return fmt.Sprint(c.Attribute, " ", c.Op, " ", strings.Join(values, "|"))
}

var testType = resource.Type{Name: "vm", Attributes: []resource.Attribute{
	{Name: "enabled", Kind: resource.Bool}, {Name: "host", Kind: resource.String, MaxLength: 255}, {Name: "launched_at", Kind: resource.Datetime},
	{Name: "myid", Kind: resource.UUID}, {Name: "size", Kind: resource.Number},
}}

func binding(history bool) *Binding {
	return &Binding{Type: &testType, History: history, Now: time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC), ID: func(s string) (uuid.UUID, error) {
		if strings.Contains(s, "/") {
			return uuid.UUID{}, errors.New("a slash")
		}
		return uuid.NewSHA1(uuid.Nil, []byte(s)), nil
	}}
}

func TestBind(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`{}`, `and()`},
		{`{"=": {"host": "a"}}`, `host = 'a`},
		{`{"=": {"host": 5}}`, `host = '5`},
		{`{"=": {"host": 5.50}}`, `host = '5.5`},
		{`{"=": {"host": true}}`, `host = 'True`},
		{`{"in": {"host": ["a", null, 2]}}`, `host in 'a|null|'2`},
		{`{"like": {"host": "a%"}}`, `host like 'a%`},
		{`{"=": {"size": "5"}}`, `size = #5`},
		{`{"<": {"size": 1.5e2}}`, `size < #150`},
		{`{"!=": {"size": null}}`, `size != null`},
		{`{"=": {"enabled": true}}`, `enabled = true`},
		{`{"=": {"myid": "6868DA77FA824E67ABA9270C5AE8CBCA"}}`, `myid = uuid:6868da77-fa82-4e67-aba9-270c5ae8cbca`},
		{`{">=": {"started_at": "2010-01-01"}}`, `started_at >= 2010-01-01T00:00:00Z`},
		{`{">=": {"launched_at": 1.0000019}}`, `launched_at >= 1970-01-01T00:00:01.000001Z`},
		{`{"<": {"started_at": "-1 day"}}`, `started_at < 2026-11-27T12:00:00Z`},
		{`{"=": {"ended_at": null}}`, `ended_at = null`},
		{`{">=": {"lifespan": "30 min"}}`, `lifespan >= #1800`},
		{`{">=": {"lifespan": 0.5}}`, `lifespan >= #0.5`},
		{`{"=": {"id": "x"}}`, `id = uuid:` + uuid.NewSHA1(uuid.Nil, []byte("x")).String()},
		{`{"like": {"created_by_user_id": "b%"}}`, `created_by_user_id like 'b%`},
		{`{"=": {"type": "vm"}}`, `type = 'vm`},
		{`{"not": {"or": [{"=": {"user_id": null}}, {"ne": {"project_id": "p"}}]}}`, `not(or(user_id = null, project_id != 'p))`},

		{`{"=": {"nope": 1}}`, `Resource type vm has no nope attribute`},
		{`{"and": [{"=": {"host": 1}}, {"=": {"metrics": 1}}]}`, `Resource type vm has no metrics attribute`},
		{`{"=": {"revision_end": null}}`, `Resource type vm has no revision_end attribute`},
		{`{"=": {"size": "abc"}}`, "Invalid value: `abc' for field `size'"},
		{`{"=": {"size": true}}`, "Invalid value: `True' for field `size'"},
		{`{"=": {"size": "nan"}}`, "Invalid value: `nan' for field `size'"},
		{`{"=": {"size": 1e400}}`, "Invalid value: `1e400' for field `size'"},
		{`{"=": {"enabled": 1}}`, "Invalid value: `1' for field `enabled'"},
		{`{"=": {"enabled": "true"}}`, "Invalid value: `true' for field `enabled'"},
		{`{"=": {"myid": "junk"}}`, "Invalid value: `junk' for field `myid'"},
		{`{"in": {"myid": ["6868DA77FA824E67ABA9270C5AE8CBCA", 5]}}`, "Invalid value: `5' for field `myid'"},
		{`{"=": {"started_at": "01/02/2020"}}`, "Invalid value: `01/02/2020' for field `started_at'"},
		{`{"=": {"started_at": false}}`, "Invalid value: `False' for field `started_at'"},
		{`{"=": {"lifespan": "soon"}}`, "Invalid value: `soon' for field `lifespan'"},
		{`{"=": {"lifespan": true}}`, "Invalid value: `True' for field `lifespan'"},
		{`{"=": {"id": 5}}`, "Invalid value: `5' for field `id'"},
		{`{"=": {"id": "a/b"}}`, "Invalid value: `a/b' for field `id'"},
		{`{"like": {"size": "5%"}}`, "Invalid operator: `like' for field `size': it compares texts, and this is a number"},
		{`{"<": {"created_by_user_id": "b"}}`, "Invalid operator: `<' for field `created_by_user_id': it is compared by =, != and like"},
	} {
		v, err := pyjson.Decode([]byte(c.in))
		if err != nil {
			t.Fatal(err)
		}
		q, err := FromJSON(v)
		if err != nil {
			t.Fatal(c.in, err)
		}
		got := ""
		if r, err := binding(false).Query(q); err != nil {
			got = err.Error()
		} else if got = bound(r); testType.CheckQuery(r, false) != nil {
			t.Errorf("%s: %v", c.in, testType.CheckQuery(r, false))
		}
		if got != c.want {
			t.Errorf("%s:\n%s, want\n%s", c.in, got, c.want)
		}
	}
}

func TestBindFilter(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`host = 2`, `host = '2`},
		{`host = 2.50 and enabled = true`, `and(host = '2.5, enabled = true)`},
		{`revision_end = null and revision > 1`, `and(revision_end = null, revision > #1)`},
		{`host like null`, "Invalid value: `None' for field `host'"},
		{`myid = "x6868da77-fa82-4e67-aba9-270c5ae8cbcax"`, "Invalid value: `x6868da77-fa82-4e67-aba9-270c5ae8cbcax' for field `myid'"},
		{`id like 'a%'`, "Invalid operator: `like' for field `id': it compares texts, and this is a uuid"},
	} {
		q, err := Parse(c.in)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if r, err := binding(true).Query(q); err != nil {
			got = err.Error()
		} else {
			got = bound(r)
		}
		if got != c.want {
			t.Errorf("%s:\n%s, want\n%s", c.in, got, c.want)
		}
	}
}

// FuzzBind looks for filters that are read and bound, and that the store refuses all the same.
func FuzzBind(f *testing.F) {
	for _, s := range []string{
		`host like "a%" and size >= "5"`, `id in [a, b, null]`, `lifespan > "1:30" or launched_at = now`, `myid != 6868da77-fa82-4e67-aba9-270c5ae8cbca`,
		`created_by_user_id like 'x' ∧ enabled = true`, `revision = -1 and type = vm`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		q, err := Parse(in)
		if err != nil {
			return
		}
		r, err := binding(true).Query(q)
		if err != nil {
			return
		}
		var query *resource.QueryError
		if err := testType.CheckQuery(r, true); err != nil && !(errors.As(err, &query) && strings.Contains(in, "like")) {
			t.Fatalf("%q: %v", in, err) // patterns are looked at by the store alone
		}
	})
}
