package gnocchi

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"granary/policy"
)

// step is a request and what of the answer counts.
type step struct {
	as     string // USER, or USER/PROJECT/ROLES as a proxy says it; "": admin
	method string
	path   string // below Prefix
	body   string
	status int
	want   string // the body, with uuid and time in the place of what is made up; of an error the description; "…" is any text
	header []string
}

var (
	anyUUID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`)
	anyTime = regexp.MustCompile(`2026-11-28T12:00:00(\.\d{6})?\+00:00`)
)

// play makes the requests one after the other.
func (b *bed) play(list ...step) {
	b.tb.Helper()
	for _, x := range list {
		w := b.as(x.as, x.method, x.path, x.body, x.header...)
		got := anyTime.ReplaceAllString(anyUUID.ReplaceAllString(w.Body.String(), "uuid"), "time")
		if rest, ok := strings.CutPrefix(got, fmt.Sprintf(`{"code": %d, "title": "%s", "description": `, w.Code, http.StatusText(w.Code))); ok {
			got = strings.TrimSuffix(rest, "}")
		}
		if w.Code != x.status || !alike(got, x.want) {
			b.tb.Errorf("%s %s %s %.300s\n%d %s, want\n%d %s", x.as, x.method, x.path, x.body, w.Code, got, x.status, x.want)
		}
	}
}

// alike says whether a text is another one, in which … is any text.
func alike(got, want string) bool {
	parts := strings.Split(want, "…")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return regexp.MustCompile(`^(?s:` + strings.Join(parts, ".*") + `)$`).MatchString(got)
}

// as makes a request of somebody.
func (b *bed) as(who, method, path, body string, header ...string) *httptest.ResponseRecorder {
	user, rest, proxied := strings.Cut(who, "/")
	switch {
	case proxied:
		project, roles, _ := strings.Cut(rest, "/")
		header = append([]string{"X-User-Id", user, "X-Project-Id", project, "X-Roles", roles}, header...)
	case who == "nobody":
		header = append([]string{"Authorization", ""}, header...)
	case who != "":
		header = append([]string{"Authorization", basic(who)}, header...)
	}
	return b.ask(method, Prefix+path, body, header...)
}

const vmType = `{"name": "vm", "attributes": {"host": {"type": "string", "required": true, "max_length": 20}, "flavor": {"type": "string", "required": false},
	"size": {"type": "number", "required": false, "min": 1, "max": 100.5}, "on": {"type": "bool", "required": false}, "at": {"type": "datetime", "required": false},
	"ref": {"type": "uuid", "required": false}}}`

func (b *bed) must(status int, method, path, body string, header ...string) string {
	b.tb.Helper()
	w := b.as("", method, path, body, header...)
	if w.Code != status {
		b.tb.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
	}
	return w.Body.String()
}

var tier5m = policy.Tier{Granularity: 5 * time.Minute, Points: 100}

func withVMs(tb testing.TB, change ...func(*Options)) *bed {
	b := newBed(tb, change...)
	set, err := policy.NewSet(policy.Content{
		Open: true, Policies: []policy.Policy{window(tb, "low", 0, "mean max", tier5m), window(tb, "high", 0, "mean max", tier5m)},
		Rules: []policy.Rule{{Name: "default", Pattern: "*", Policy: "low", Glob: true, Dialects: []string{Name}}},
	})
	if err != nil {
		tb.Fatal(err)
	}
	if err := b.store.SetPolicies(tb.Context(), set); err != nil {
		tb.Fatal(err)
	}
	b.must(201, "POST", "/resource_type", vmType)
	return b
}

const (
	id1      = "11111111-1111-1111-1111-111111111111"
	id2      = "22222222-2222-2222-2222-222222222222"
	id3      = "33333333-3333-3333-3333-333333333333"
	dataName = ` for dictionary value @ data`
)

func resourceJSON(id, original, typ, user, project, attributes, metrics string) string {
	return fmt.Sprintf(`{"creator": "admin", "started_at": "time", "revision_start": "time", "ended_at": null, "user_id": %s, "project_id": %s, "original_resource_id": "%s", `+
		`"id": "%s", "type": "%s", %s"revision_end": null, "metrics": {%s}, "created_by_user_id": "admin", "created_by_project_id": ""}`,
		user, project, original, id, typ, attributes, metrics)
}

func TestResources(t *testing.T) {
	b := withVMs(t)
	vm := `"at": null, "flavor": null, "host": "a", "on": null, "ref": null, "size": null, `
	whole := resourceJSON(id1, id1, "vm", "null", `"p"`, vm, `"cpu": "uuid"`)
	generic := resourceJSON(id1, id1, "vm", "null", `"p"`, "", `"cpu": "uuid"`)
	b.play(
		step{"nobody", "GET", "/resource", "", 200, `{"generic": "http://example.com/v1/resource/generic", "vm": "http://example.com/v1/resource/vm"}`, nil},
		step{"", "POST", "/resource/vm", `{"id": "` + id1 + `", "host": "a", "project_id": "p", "metrics": {"cpu": {"archive_policy_name": "low", "unit": "s", "name": "x"}}}`, 201, whole, nil},
		step{"", "GET", "/resource/vm/" + id1, "", 200, whole, nil},
		step{"", "GET", "/resource/vm/" + strings.ReplaceAll(id1, "-", ""), "", 200, whole, nil},
		step{"", "GET", "/resource/generic/" + id1, "", 200, generic, nil},
		step{"", "GET", "/resource/generic/" + id1 + "?details=true", "", 200, generic, nil},
		step{"", "GET", "/resource/vm", "", 200, "[" + whole + "]", nil},
		step{"", "GET", "/resource/generic", "", 200, "[" + generic + "]", nil},
		step{"", "GET", "/resource/generic?details=true", "", 200, "[" + whole + "]", nil},
		step{"", "GET", "/resource/generic", "", 200, "[" + whole + "]", []string{"Accept", "application/json; details=true"}},
		step{"", "GET", "/resource/generic?details=false", "", 200, "[" + generic + "]", []string{"Accept", "application/json; details=true"}},
		step{"", "GET", "/resource/vm?attrs=id&attrs=host&attrs=nope", "", 200, `[{"id": "` + id1 + `", "host": "a"}]`, nil},
		step{"", "PATCH", "/resource/vm/" + id1, `{"host": "b", "flavor": "f"}`, 200, `…"flavor": "f", "host": "b"…`, nil},
		step{"", "PATCH", "/resource/vm/" + id1, `{"host": "b"}`, 200, `…"flavor": "f", "host": "b"…`, nil},
		step{"", "PATCH", "/resource/vm/" + id1, `{"metrics": {}}`, 200, `…"metrics": {}…`, nil},
		step{"", "GET", "/resource/vm/" + id1 + "/history", "", 200, `[{…"host": "a"…"revision_end": "time"…}, {…"host": "b"…"revision_end": null…}]`, nil},
		step{"", "GET", "/resource/generic/" + id1 + "/history", "", 200, `[{…"type": "vm", "revision_end": "time", "metrics"…}, {…}]`, nil},
		step{"", "GET", "/resource/generic/" + id1 + "/history?details=1&attrs=host", "", 200, `[{"host": "a"}, {"host": "b"}]`, nil},
		step{"", "GET", "/resource/vm?history=true&attrs=host", "", 200, `[{"host": "a"}, {"host": "b"}]`, nil},
		step{"", "DELETE", "/resource/vm/" + id1, "", 204, "", nil},
		step{"", "DELETE", "/resource/vm/" + id1, "", 404, `"Resource ` + id1 + ` does not exist"`, nil},
		step{"", "GET", "/resource/vm", "", 200, "[]", nil},
	)
}

// TestResourcesByText checks the ids that are made of texts, which are another one for everybody.
func TestResourcesByText(t *testing.T) {
	b := withVMs(t)
	id := func(text, creator string) string {
		return uuid.NewSHA1(resourceSpace, []byte(text+"\x00"+creator)).String()
	}
	b.play(
		step{"bob", "POST", "/resource/generic", `{"id": "res-a"}`, 201, `{"creator": "bob", …"original_resource_id": "res-a", "id": "a0920ac9-fe5e-5f43-94fa-1a37b1f6c7e6"…`, nil},
		step{"bob", "GET", "/resource/generic/res-a", "", 200, `{…"id": "` + id("res-a", "bob") + `"…`, nil},
		step{"bob", "POST", "/search/resource/generic", `{"=": {"id": "res-a"}}`, 200, `[{…}]`, nil},
		step{"eve", "POST", "/search/resource/generic", `{"=": {"id": "res-a"}}`, 200, `[]`, nil},
		step{"bob", "POST", "/search/resource/generic", `{"=": {"original_resource_id": "res-a"}}`, 200, `[{…}]`, nil},
		step{"eve", "GET", "/resource/generic/res-a", "", 404, `"Resource ` + id("res-a", "eve") + ` does not exist"`, nil},
		step{"eve", "POST", "/resource/generic", `{"id": "res-a"}`, 201, `…"id": "` + id("res-a", "eve") + `"…`, nil},
		step{"bob", "GET", "/resource/generic/" + strings.Repeat("x", 300), "", 404, `"Resource ` + strings.Repeat("x", 200) + `… does not exist"`, nil},
		step{"bob", "GET", "/resource/generic/a%2Fb", "", 404, `"Resource a/b does not exist"`, nil},
		step{"bob", "POST", "/resource/generic", `{"id": "6F24EDD9-5A2F-4592-B708-FFBED821C5D2"}`, 201, `…"original_resource_id": "6F24EDD9-5A2F-4592-B708-FFBED821C5D2", "id": "uuid"…`, nil},
	)
}

// TestResourceFaults is the table of what is refused.
func TestResourceFaults(t *testing.T) {
	b := withVMs(t)
	b.must(201, "POST", "/resource/vm", `{"id": "`+id1+`", "host": "a", "started_at": "2020-01-01", "project_id": "p", "metrics": {"cpu": {}}}`)
	invalid := func(reason, detail string) string {
		return `{"cause": "Invalid input", "reason": "` + reason + `", "detail": [` + detail + `]}`
	}
	post := func(body, description string) step {
		return step{"", "POST", "/resource/vm", body, 400, description, nil}
	}
	patch := func(body string, status int, description string) step {
		return step{"", "PATCH", "/resource/vm/" + id1, body, status, description, nil}
	}
	vm := func(rest string) string { return `{"id": "` + id2 + `", "host": "a", ` + rest + `}` }
	page := func(query, description string) step {
		return step{"", "GET", "/resource/vm?" + query, "", 400, description, nil}
	}
	b.play(
		// types and ids
		step{"", "GET", "/resource/nope", "", 404, `"Resource type nope does not exist"`, nil},
		step{"", "POST", "/resource/nope", "{}", 404, `"Resource type nope does not exist"`, nil},
		step{"", "DELETE", "/resource/nope", "{}", 404, `"Resource type nope does not exist"`, nil},
		step{"", "GET", "/resource/nope/" + id1, "", 404, `"Resource type nope does not exist"`, nil},
		step{"", "GET", "/resource/vm/" + id2, "", 404, `"Resource ` + id2 + ` does not exist"`, nil},
		step{"", "PATCH", "/resource/vm/" + id2, "{}", 404, `"Resource ` + id2 + ` does not exist"`, nil},
		step{"", "DELETE", "/resource/vm/" + id2, "", 404, `"Resource ` + id2 + ` does not exist"`, nil},
		step{"", "GET", "/resource/vm/" + id2 + "/history", "", 404, `"Resource ` + id2 + ` does not exist"`, nil},
		// bodies
		step{"", "POST", "/resource/vm", "{}", 415, `""`, []string{"Content-Type", "text/plain"}},
		step{"", "PATCH", "/resource/vm/" + id1, "{}", 415, `""`, []string{"Content-Type", ""}},
		post("{", `{"cause": "Unable to decode body", …`),
		post("[]", invalid("expected a dictionary", "")),
		post(`{"host": "a"}`, invalid("required key not provided @ data['id']", `"id"`)),
		post(`{"id": 5, "host": "a"}`, invalid("expected str"+dataName+"['id']", `"id"`)),
		post(`{"id": null, "host": "a"}`, invalid("expected str"+dataName+"['id']", `"id"`)),
		post(`{"id": "a/b", "host": "a"}`, invalid("'/' is not supported in resource id"+dataName+"['id']", `"id"`)),
		post(`{"id": "`+strings.Repeat("x", 290)+`", "host": "a"}`, invalid("transformable resource id >289 max allowed characters"+dataName+"['id']", `"id"`)),
		post(`{"id": "`+id2+`"}`, invalid("required key not provided @ data['host']", `"host"`)),
		post(vm(`"nope": 1`), invalid("extra keys not allowed @ data['nope']", `"nope"`)),
		post(vm(`"user_id": 5`), invalid("not a valid value"+dataName+"['user_id']", `"user_id"`)),
		post(vm(`"user_id": "`+strings.Repeat("x", 256)+`"`), invalid("length of value must be at most 255"+dataName+"['user_id']", `"user_id"`)),
		step{"root/ops/admin", "POST", "/resource/vm", vm(`"project_id": "a/b"`), 400, `"Invalid input: project_id: tenant id \"a/b\": …"`, nil},
		post(vm(`"started_at": null`), invalid("not a valid value"+dataName+"['started_at']", `"started_at"`)),
		post(vm(`"started_at": "soon"`), invalid("not a valid value"+dataName+"['started_at']", `"started_at"`)),
		post(vm(`"started_at": "1969-01-01"`), invalid("not a valid value"+dataName+"['started_at']", `"started_at"`)),
		post(vm(`"ended_at": null`), invalid("not a valid value"+dataName+"['ended_at']", `"ended_at"`)),
		post(vm(`"started_at": "2020-01-02", "ended_at": "2020-01-01"`), `"Start timestamp cannot be after end timestamp"`),
		post(vm(`"ended_at": "2020-01-01"`), `"Start timestamp cannot be after end timestamp"`),
		// values
		post(`{"id": "`+id2+`", "host": null}`, invalid("expected str"+dataName+"['host']", `"host"`)),
		post(`{"id": "`+id2+`", "host": "aaaaaaaaaaaaaaaaaaaaa"}`, invalid("length of value must be at most 20"+dataName+"['host']", `"host"`)),
		post(vm(`"flavor": null`), invalid("expected str"+dataName+"['flavor']", `"flavor"`)),
		post(vm(`"size": true`), invalid("expected Real"+dataName+"['size']", `"size"`)),
		post(vm(`"size": "5"`), invalid("expected Real"+dataName+"['size']", `"size"`)),
		post(vm(`"size": 0`), invalid("value must be at least 1"+dataName+"['size']", `"size"`)),
		post(vm(`"size": 101`), invalid("value must be at most 100.5"+dataName+"['size']", `"size"`)),
		post(vm(`"on": 1`), invalid("expected bool"+dataName+"['on']", `"on"`)),
		post(vm(`"at": "x"`), invalid("not a valid value"+dataName+"['at']", `"at"`)),
		post(vm(`"ref": "x"`), invalid("not a valid value"+dataName+"['ref']", `"ref"`)),
		// metrics
		post(vm(`"metrics": []`), invalid("expected a dictionary"+dataName+"['metrics']", `"metrics"`)),
		post(vm(`"metrics": {"cpu": 5}`), invalid("not a valid value"+dataName+"['metrics']['cpu']", `"metrics", "cpu"`)),
		post(vm(`"metrics": {"cpu": "x"}`), invalid("not a valid value"+dataName+"['metrics']['cpu']", `"metrics", "cpu"`)),
		post(vm(`"metrics": {"": {}}`), invalid("length of value must be at least 1"+dataName+"['metrics']['']", `"metrics", ""`)),
		post(vm(`"metrics": {"cpu": {"archive_policy_name": 5}}`), invalid("expected str"+dataName+"['metrics']['cpu']['archive_policy_name']", `"metrics", "cpu", "archive_policy_name"`)),
		post(vm(`"metrics": {"cpu": {"x": 5}}`), invalid("extra keys not allowed @ data['metrics']['cpu']['x']", `"metrics", "cpu", "x"`)),
		post(vm(`"metrics": {"cpu": {"unit": "`+strings.Repeat("x", 32)+`"}}`), invalid("length of value must be at most 31"+dataName+"['metrics']['cpu']['unit']", `"metrics", "cpu", "unit"`)),
		post(vm(`"metrics": {"c/pu": {}}`), `"'/' is not supported in metric name"`),
		post(vm(`"metrics": {"cpu": {"archive_policy_name": "nope"}}`), `"Archive policy nope does not exist"`),
		post(vm(`"metrics": {"cpu": "`+id3+`"}`), `"Metric `+id3+` does not exist"`),
		step{"", "GET", "/resource/vm/" + id2, "", 404, `"Resource ` + id2 + ` does not exist"`, nil},
		step{"", "POST", "/resource/vm", `{"id": "` + id1 + `", "host": "a", "project_id": "p"}`, 409, `"Resource ` + id1 + ` already exists"`, nil},
		step{"", "POST", "/resource/generic", `{"id": "` + id1 + `", "project_id": "p"}`, 409, `"Resource ` + id1 + ` already exists"`, nil},
		// changes
		patch(`{"id": "`+id2+`"}`, 400, invalid("extra keys not allowed @ data['id']", `"id"`)),
		patch(`{"ended_at": null}`, 400, invalid("not a valid value"+dataName+"['ended_at']", `"ended_at"`)),
		patch(`{"flavor": null}`, 400, invalid("expected str"+dataName+"['flavor']", `"flavor"`)),
		patch(`{"ended_at": "2018-01-01"}`, 400, `"Value 2018-01-01 00:00:00+00:00 for attribute ended_at on resource type vm is invalid"`),
		patch(`{"project_id": "p", "user_id": "u"}`, 200, `…"user_id": "u", "project_id": "p"…`),
		patch(`{"ended_at": "2021-01-01"}`, 200, `…"ended_at": "2021-01-01T00:00:00+00:00"…`),
		patch(`{"started_at": "2022-01-01"}`, 400, `"Value 2022-01-01 00:00:00+00:00 for attribute started_at on resource type vm is invalid"`),
		step{"", "PATCH", "/resource/generic/" + id1, `{"host": "b"}`, 400, invalid("extra keys not allowed @ data['host']", `"host"`), nil},
		// pages
		page("limit=0", `{"cause": "Argument value error", "reason": "value must be at least 1`+dataName+`['limit']"}`),
		page("limit=x", `{"cause": "Argument value error", "reason": "expected int`+dataName+`['limit']"}`),
		page("sort=foo", "\"Invalid pagination: `Sort key supplied is invalid: foo'\""),
		page("sort=lifespan", "\"Invalid pagination: `Sort key supplied is invalid: lifespan'\""),
		page("sort=revision:asc", "\"Invalid pagination: `Sort key supplied is invalid: revision'\""),
		page("sort=id:up", "\"Invalid pagination: `Unknown sort direction, must be one of: asc-nullsfirst, asc-nullslast, desc-nullsfirst, desc-nullslast'\""),
		page("marker=x", "\"Invalid pagination: `Invalid marker: `x''\""),
		page("marker="+id2, "\"Invalid pagination: `Invalid marker: `"+id2+"''\""),
		page("history=true&marker="+id1, "\"Invalid pagination: `Invalid marker: `"+id1+"''\""),
		page("history=true&marker="+id1+"@9", "\"Invalid pagination: `Invalid marker: `"+id1+"@9''\""),
		page("details=maybe", "\"Unable to parse `details': Unrecognized value 'maybe', …"),
		page("history=2", "\"Unable to parse `history': Unrecognized value '2', …"),
		step{"", "GET", "/resource/vm", "", 400, "\"Unable to parse `history': Unrecognized value 'x', …", []string{"Accept", "application/json; history=x, application/json"}},
	)
}

func TestResourceSearch(t *testing.T) {
	b := withVMs(t)
	b.must(201, "POST", "/resource/vm", `{"id": "`+id1+`", "host": "a", "size": 5, "on": true, "at": "2020-01-01", "ref": "`+id3+`", "started_at": "2020-01-01", "ended_at": "2020-01-02"}`)
	b.must(201, "POST", "/resource/vm", `{"id": "`+id2+`", "host": "b", "flavor": "f", "started_at": "2020-01-03"}`)
	b.must(201, "POST", "/resource/generic", `{"id": "`+id3+`", "started_at": "2020-01-05", "user_id": "u"}`)
	ids := func(list ...string) string {
		for i, id := range list {
			list[i] = `{"id": "` + id + `"}`
		}
		return "[" + strings.Join(list, ", ") + "]"
	}
	vm := func(body, want string) step {
		return step{"", "POST", "/search/resource/vm?attrs=id", body, 200, want, nil}
	}
	filter := func(text, want string) step {
		return step{"", "POST", "/search/resource/vm?attrs=id&filter=" + strings.NewReplacer(" ", "%20", "\"", "%22", "%", "%25", "[", "%5B", "=", "%3D", "≥", "%E2%89%A5").Replace(text), "", 200, want, nil}
	}
	bad := func(typ, body, description string) step {
		return step{"", "POST", "/search/resource/" + typ, body, 400, description, nil}
	}
	b.play(
		vm(``, ids(id1, id2)),
		vm(`{}`, ids(id1, id2)),
		vm(`{"=": {"host": "a"}}`, ids(id1)),
		vm(`{"!=": {"flavor": "f"}}`, ids(id1)),
		vm(`{"!=": {"flavor": "x"}}`, ids(id1, id2)),
		vm(`{"=": {"flavor": null}}`, ids(id1)),
		vm(`{"≠": {"flavor": null}}`, ids(id2)),
		vm(`{"not": {"=": {"flavor": "x"}}}`, ids(id2)),
		vm(`{"like": {"host": "_"}}`, ids(id1, id2)),
		vm(`{"like": {"host": "A%"}}`, `[]`),
		vm(`{"in": {"id": ["`+id2+`", "`+id3+`"]}}`, ids(id2)),
		vm(`{"and": [{"≥": {"size": "5"}}, {"eq": {"on": true}}, {"<": {"at": "2020-01-02"}}, {"=": {"ref": "`+id3+`"}}]}`, ids(id1)),
		vm(`{"or": [{"=": {"host": "a"}}, {"=": {"host": "b"}}]}`, ids(id1, id2)),
		vm(`{">=": {"lifespan": "30 min"}}`, ids(id1)),
		vm(`{">": {"lifespan": "2 days"}}`, `[]`),
		vm(`{"=": {"created_by_user_id": "admin"}}`, ids(id1, id2)),
		vm(`{"=": {"type": "vm"}}`, ids(id1, id2)),
		filter(`host = "a" or flavor like 'f%'`, ids(id1, id2)),
		filter(`not host = a and started_at ≥ "2020-01-02"`, ids(id2)),
		filter(`host in [a, x]`, ids(id1)),
		step{"", "POST", "/search/resource/generic?attrs=id", `{"=": {"user_id": "u"}}`, 200, ids(id3), nil},
		step{"", "POST", "/search/resource/generic?attrs=id&filter=host%20%3D%20x", `{"=": {"user_id": "u"}}`, 200, ids(id3), nil},
		step{"", "POST", "/search/resource/vm?attrs=id&sort=host:desc", ``, 200, ids(id2, id1), nil},
		step{"", "POST", "/search/resource/vm?attrs=id&sort=flavor:asc", ``, 200, ids(id2, id1), nil},
		step{"", "POST", "/search/resource/vm?attrs=id&sort=flavor:asc-nullsfirst", ``, 200, ids(id1, id2), nil},

		step{"", "POST", "/search/resource/nope", ``, 404, `"Resource type nope does not exist"`, nil},
		step{"", "POST", "/search/resource/vm", `{}`, 415, `""`, []string{"Content-Type", "text/plain"}},
		bad("vm", `{"=": {"nope": 1}}`, `"Resource type vm has no nope attribute"`),
		bad("generic", `{"=": {"host": 1}}`, `"Resource type generic has no host attribute"`),
		bad("vm", `{"=": {"size": "abc"}}`, "\"Invalid value: `abc' for field `size'\""),
		bad("vm", `{"=": {"ref": "junk"}}`, "\"Invalid value: `junk' for field `ref'\""),
		bad("vm", `{"=": {"on": 1}}`, "\"Invalid value: `1' for field `on'\""),
		bad("vm", `{">": {"lifespan": "x"}}`, "\"Invalid value: `x' for field `lifespan'\""),
		bad("vm", `{"foo": {}}`, `{"cause": "Invalid input", "reason": "extra keys not allowed @ data['foo']", "detail": ["foo"]}`),
		bad("vm", `{"and": []}`, `{"cause": "Invalid input", "reason": "length of value must be at least 1`+dataName+`['and']", "detail": ["and"]}`),
		bad("vm", strings.Repeat(`{"not": `, 70)+`{}`+strings.Repeat(`}`, 70), `"a query has at most 64 levels"`),
		bad("vm", `{"like": {"host": "`+strings.Repeat("%", 5000)+`"}}`, `…pattern has 5000 bytes…`),
		bad("vm?filter=host%20%3D%20a%20AND", ``, `"Invalid filter: Expected end of text, found 'AND'  (at char 9), (line:1, col:10)"`),
	)
}

func TestResourceBulkDelete(t *testing.T) {
	b := withVMs(t)
	make := func(n int) {
		for i := range n {
			b.must(201, "POST", "/resource/vm", fmt.Sprintf(`{"id": "r%d", "host": "h%d", "metrics": {"cpu": {}}}`, i, i%2))
		}
	}
	const caution = `"caution: the query can not be empty, or it will                   delete entire database"`
	make(4)
	b.must(201, "POST", "/resource/generic", `{"id": "g"}`)
	b.play(
		step{"", "DELETE", "/resource/vm", ``, 400, caution, nil},
		step{"", "DELETE", "/resource/vm", `{}`, 400, caution, nil},
		step{"", "DELETE", "/resource/vm", `{"and": [{}]}`, 400, caution, nil},
		step{"", "DELETE", "/resource/vm", `{"or": [{"=": {"host": "h0"}}, {"not": {"not": {}}}]}`, 400, caution, nil},
		step{"", "DELETE", "/resource/vm?filter=", ``, 400, caution, nil},
		step{"", "DELETE", "/resource/generic", `{"=": {"nope": 1}}`, 400, `"Resource type generic has no nope attribute"`, nil},
		step{"bob", "DELETE", "/resource/vm", `{"=": {"host": "h0"}}`, 200, `{"deleted": 0}`, nil},
		step{"", "DELETE", "/resource/vm", `{"=": {"host": "h0"}}`, 200, `{"deleted": 2}`, nil},
		step{"", "GET", "/resource/vm?attrs=host", "", 200, `[{"host": "h1"}, {"host": "h1"}]`, nil},
		step{"", "DELETE", "/resource/generic?filter=type%20%3D%20vm", ``, 200, `{"deleted": 2}`, nil},
		step{"", "DELETE", "/resource_type/vm", ``, 204, ``, nil},
		step{"", "GET", "/resource/generic?attrs=original_resource_id", "", 200, `[{"original_resource_id": "g"}]`, nil},
	)
	if n := len(b.store.Definitions.OfTenant(b.tenant("_ops"))); n != 0 {
		t.Errorf("%d metrics are left", n)
	}
}

func TestResourcePages(t *testing.T) {
	b := withVMs(t)
	for i := range 7 {
		b.must(201, "POST", "/resource/vm", fmt.Sprintf(`{"id": "r%d", "host": "h%d"}`, i, i))
		b.must(200, "PATCH", fmt.Sprintf("/resource/vm/r%d", i), `{"flavor": "x"}`)
	}
	link := regexp.MustCompile(`^<http://example\.com(/v1)(/.*)>; rel="next"$`)
	for _, path := range []string{
		"/resource/vm?limit=3", "/resource/vm?limit=3&sort=host:desc&attrs=host", "/resource/vm?limit=2&history=true", "/resource/generic?limit=1&history=true&sort=revision:desc",
		"/resource/vm?limit=7&details=true", "POST/search/resource/vm?limit=2&sort=started_at&sort=id:desc",
	} {
		method := "GET"
		if rest, ok := strings.CutPrefix(path, "POST"); ok {
			method, path = "POST", rest
		}
		seen := map[string]bool{}
		pages := 0
		for next := path; next != ""; pages++ {
			w := b.as("", method, next, "")
			if w.Code != 200 || pages > 20 {
				t.Fatalf("%s: %d %s", next, w.Code, w.Body)
			}
			for _, one := range regexp.MustCompile(`\{[^{}]*(\{\})?[^{}]*\}`).FindAllString(w.Body.String(), -1) {
				if seen[one] {
					t.Errorf("%s: twice: %s", path, one)
				}
				seen[one] = true
			}
			next = ""
			if m := link.FindStringSubmatch(w.Header().Get("Link")); m != nil {
				next = m[2]
			} else if l := w.Header().Get("Link"); l != "" {
				t.Fatalf("%s: Link %q", path, l)
			}
		}
		want := 7
		if strings.Contains(path, "history") {
			want = 14
		}
		if len(seen) != want {
			t.Errorf("%s: %d resources on %d pages, want %d", path, len(seen), pages, want)
		}
	}
	w := b.as("", "GET", "/resource/vm?limit=2&attrs=id", "")
	got := regexp.MustCompile(`marker=[^&]{36}&`).ReplaceAllString(w.Header().Get("Link"), "marker=uuid&")
	if want := `<http://example.com/v1/resource/vm?attrs=id&limit=2&marker=uuid` +
		`&sort=revision_start%3Aasc&sort=started_at%3Aasc>; rel="next"`; got != want {
		t.Errorf("Link %s, want %s", got, want)
	}
}

func TestResourceConditions(t *testing.T) {
	b := withVMs(t)
	w := b.as("", "POST", "/resource/vm", `{"id": "`+id1+`", "host": "a"}`)
	tag, date := w.Header().Get("Etag"), w.Header().Get("Last-Modified")
	if w.Code != 201 || len(tag) != 42 || date != "Sat, 28 Nov 2026 12:00:00 GMT" || w.Header().Get("Location") != "http://example.com/v1/resource/vm/"+id1 {
		t.Fatal(w.Code, w.Header())
	}
	path := "/resource/vm/" + id1
	b.play(
		step{"", "GET", path, "", 200, `…`, []string{"If-Match", tag}},
		step{"", "GET", path, "", 412, `""`, []string{"If-Match", `"x"`}},
		step{"", "GET", path, "", 304, ``, []string{"If-None-Match", tag}},
		step{"", "GET", path, "", 304, ``, []string{"If-Modified-Since", date}},
		step{"", "PATCH", path, `{"host": "b"}`, 412, `""`, []string{"If-Match", `"x"`}},
		step{"", "PATCH", path, `{"host": "b"}`, 412, `""`, []string{"If-None-Match", tag}},
		step{"", "PATCH", path, `{"host": "b"}`, 200, `…`, []string{"If-Match", tag}},
		step{"", "PATCH", path, `{"host": "c"}`, 412, `""`, []string{"If-Match", tag}},
		step{"", "DELETE", path, ``, 412, `""`, []string{"If-Match", tag}},
		step{"", "DELETE", path, ``, 412, `""`, []string{"If-Unmodified-Since", "Sat, 28 Nov 2026 11:59:59 GMT"}},
		step{"", "DELETE", path, ``, 204, ``, []string{"If-Unmodified-Since", date}},
	)
}

func TestResourceTypes(t *testing.T) {
	b := newBed(t)
	const name = "/resource_type/vm"
	patch := []string{"Content-Type", "application/json-patch+json"}
	b.play(
		step{"nobody", "GET", "/resource_type", "", 401, `""`, nil},
		step{"bob", "GET", "/resource_type", "", 200, `[{"name": "generic", "attributes": {}, "state": "active"}]`, nil},
		step{"bob", "POST", "/resource_type", `{"x": 1}`, 400, `{"cause": "Invalid input", "reason": "extra keys not allowed @ data['x']", "detail": ["x"]}`, nil},
		step{"bob", "POST", "/resource_type", `{"name": "vm"}`, 403, `""`, nil},
		step{"", "POST", "/resource_type", `{}`, 400, `{"cause": "Invalid input", "reason": "required key not provided @ data['name']", "detail": ["name"]}`, nil},
		step{"", "POST", "/resource_type", `{"name": "vm", "attributes": {"x": {"type": "nope"}}}`, 400, `{"cause": "Invalid input", "reason": "not a valid value` + dataName + `['attributes']['x']['type']", "detail": ["attributes", "x", "type"]}`, nil},
		step{"", "POST", "/resource_type", `{"name": "vm", "attributes": {"id": {"type": "bool"}}}`, 400, `"Invalid input: Resource attribute name id is invalid"`, nil},
		step{"", "POST", "/resource_type", `{"name": "vm", "attributes": {"x": {"type": "string", "min_length": 10, "max_length": 5}}}`, 400, `"Invalid input: Resource attribute value min (or min_length) 10 must be less  than or equal to max (or max_length) 5!"`, nil},
		step{"", "POST", "/resource_type", `{"name": "vm", "attributes": {"x": {"type": "bool"}}}`, 201, `{"name": "vm", "attributes": {"x": {"type": "bool", "required": true}}, "state": "active"}`, nil},
		step{"", "POST", "/resource_type", `{"name": "vm"}`, 409, `"Resource type vm already exists"`, nil},
		step{"", "POST", "/resource_type", `{"name": "generic"}`, 409, `"Resource type generic already exists"`, nil},
		step{"u/p/service", "POST", "/resource_type", `{"name": "é b"}`, 201, `{"name": "\u00e9 b", "attributes": {}, "state": "active"}`, nil},
		step{"u/p/service", "DELETE", "/resource_type/%C3%A9%20b", ``, 403, `""`, nil},
		step{"bob", "GET", "/resource_type/%C3%A9%20b", "", 200, `{"name": "\u00e9 b", "attributes": {}, "state": "active"}`, nil},
		step{"bob", "GET", "/resource_type/nope", "", 404, `"Resource type nope does not exist"`, nil},

		step{"", "POST", "/resource/vm", `{"id": "` + id1 + `", "x": true}`, 201, `…`, nil},
		step{"bob", "PATCH", name, `[]`, 403, `""`, patch},
		step{"", "PATCH", "/resource_type/nope", `[]`, 404, `"Resource type nope does not exist"`, patch},
		step{"", "PATCH", name, `[]`, 415, `""`, nil},
		step{"", "PATCH", name, `[]`, 200, `{"name": "vm", "attributes": {"x": {"type": "bool", "required": true}}, "state": "active"}`, patch},
		step{"", "PATCH", name, `[{"op": "replace", "path": "/attributes/x", "value": {}}]`, 400, `{"cause": "Invalid input", "reason": "not a valid value` + dataName + `[0]['op']", "detail": ["0", "op"]}`, patch},
		step{"", "PATCH", name, `[{"op": "remove", "path": "/attributes/y"}]`, 400, `"can't remove a non-existent object 'y'"`, patch},
		step{"", "PATCH", name, `[{"op": "add", "path": "/attributes/x", "value": {"type": "string"}}]`, 400, `"Type update is not available yet. Changing bool to string for attribute x of resource vm"`, patch},
		step{"", "PATCH", name, `[{"op": "add", "path": "/attributes/y", "value": {"type": "string"}}]`, 400, `"Invalid input: Option 'fill' of resource attribute y is invalid: must not be empty if required=True"`, patch},
		step{"", "PATCH", name, `[{"op": "add", "path": "/attributes/y", "value": {"type": "string", "options": {"fill": "z"}}}, {"op": "add", "path": "/attributes/w", "value": {"type": "number", "required": false}}]`, 200, `…"w": {"type": "number", "required": false, "min": null, "max": null}, "x"…`, patch},
		step{"", "GET", "/resource/vm/" + id1, "", 200, `…"w": null, "x": true, "y": "z"…`, nil},
		step{"", "PATCH", name, `[{"op": "remove", "path": "/attributes/x"}]`, 200, `…`, patch},
		step{"", "GET", "/resource/vm/" + id1, "", 200, `…"type": "vm", "w": null, "y": "z"…`, nil},
		step{"", "PATCH", "/resource_type/generic", `[{"op": "add", "path": "/attributes/y", "value": {"type": "bool", "required": false}}]`, 400, `…has no attributes of its own…`, patch},

		step{"", "DELETE", name, ``, 400, `"Resource type vm is still in use"`, nil},
		step{"", "DELETE", "/resource_type/generic", ``, 400, `"Resource type generic is still in use"`, nil},
		step{"bob", "DELETE", name, ``, 403, `""`, nil},
		step{"", "DELETE", "/resource/vm/" + id1, ``, 204, ``, nil},
		step{"", "DELETE", name, ``, 204, ``, nil},
		step{"", "DELETE", name, ``, 404, `"Resource type vm does not exist"`, nil},
	)
}

// TestResourceSight checks who sees and changes what.
func TestResourceSight(t *testing.T) {
	b := withVMs(t)
	const (
		a1, a2  = "u1/A", "u2/A"
		b1      = "u1/B"
		service = "ceilometer/service/service"
		admin   = "root/ops/admin"
	)
	gone := func(id string) string { return `"Resource ` + id + ` does not exist"` }
	b.play(
		step{a1, "POST", "/resource/generic", `{"id": "` + id1 + `"}`, 201, `…"creator": "u1:A", …"project_id": null, …"created_by_user_id": "u1", "created_by_project_id": "A"…`, nil},
		step{service, "POST", "/resource/vm", `{"id": "` + id2 + `", "host": "x", "project_id": "A", "metrics": {"cpu": {}}}`, 201, `…"project_id": "A"…`, nil},
		step{a1, "POST", "/resource/generic", `{"id": "` + id3 + `", "project_id": "B"}`, 403, `""`, nil},
		step{a1, "POST", "/resource/generic", `{"id": "` + id3 + `", "project_id": "A"}`, 201, `…`, nil},
		// another tenant's id is free, and tells nothing
		step{b1, "POST", "/resource/generic", `{"id": "` + id1 + `"}`, 201, `…"creator": "u1:B"…`, nil},
		step{b1, "GET", "/resource/generic/" + id2, "", 404, gone(id2), nil},
		step{b1, "PATCH", "/resource/generic/" + id2, `{}`, 404, gone(id2), nil},
		step{b1, "DELETE", "/resource/generic/" + id2, ``, 404, gone(id2), nil},
		step{b1, "GET", "/resource/generic/" + id2 + "/history", "", 404, gone(id2), nil},
		step{b1, "GET", "/resource/generic?attrs=creator", "", 200, `[{"creator": "u1:B"}]`, nil},
		step{b1, "POST", "/search/resource/generic?attrs=creator", `{"in": {"id": ["` + id1 + `", "` + id2 + `"]}}`, 200, `[{"creator": "u1:B"}]`, nil},
		step{b1, "DELETE", "/resource/generic", `{"=": {"id": "` + id2 + `"}}`, 200, `{"deleted": 0}`, nil},
		// who is of the project that owns it may read, and who made it may change it
		step{a2, "GET", "/resource/generic/" + id1, "", 200, `…`, nil},
		step{a2, "GET", "/resource/vm/" + id2, "", 200, `…`, nil},
		step{a2, "PATCH", "/resource/vm/" + id2, `{"host": "y"}`, 403, `""`, nil},
		step{a2, "DELETE", "/resource/vm/" + id2, ``, 403, `""`, nil},
		step{a2, "DELETE", "/resource/vm", `{"=": {"id": "` + id2 + `"}}`, 200, `{"deleted": 0}`, nil},
		step{a2, "PATCH", "/resource/generic/" + id3, `{"user_id": "u"}`, 200, `…`, nil},
		step{a2, "PATCH", "/resource/generic/" + id3, `{"project_id": "B"}`, 409, `"Resource ` + id3 + ` belongs to the project A, which project_id cannot change: …"`, nil},
		step{service, "PATCH", "/resource/generic/" + id2, `{"project_id": "B"}`, 409, `…`, nil},
		step{service, "PATCH", "/resource/generic/" + id2, `{"project_id": "service"}`, 409, `…`, nil},
		step{service, "PATCH", "/resource/generic/" + id2, `{"project_id": null}`, 409, `…`, nil},
		step{service, "PATCH", "/resource/generic/" + id2, `{"project_id": "A"}`, 200, `…`, nil},
		step{a2, "PATCH", "/resource/generic/" + id3, `{"project_id": null}`, 200, `…"project_id": null…`, nil},
		step{a2, "GET", "/resource/generic?attrs=id", "", 200, `[{"id": "` + id1 + `"}, {"id": "` + id2 + `"}, {"id": "` + id3 + `"}]`, nil},
		// services list what is theirs, and find all
		step{service, "GET", "/resource/generic?attrs=id", "", 200, `[{"id": "` + id2 + `"}]`, nil},
		step{service, "POST", "/search/resource/generic?attrs=creator&sort=id", ``, 200, `[{"creator": "u1:A"}, {"creator": "u1:B"}, {"creator": "ceilometer:service"}, {"creator": "u1:A"}]`, nil},
		step{service, "PATCH", "/resource/vm/" + id2, `{"host": "z"}`, 200, `…"host": "z"…`, nil},
		step{service, "PATCH", "/resource/generic/" + id1, `{"user_id": "s"}`, 409, `"Resource ` + id1 + ` exists in 2 projects: say in which, by the project of the request"`, nil},
		step{"ceilometer/A/service", "PATCH", "/resource/generic/" + id1, `{"user_id": "s"}`, 200, `…"creator": "u1:A"…`, nil},
		step{service, "DELETE", "/resource/generic/" + id1, ``, 409, `…exists in 2 projects…`, nil},
		step{service, "PATCH", "/resource/generic/" + id3, `{"user_id": "s"}`, 200, `…"creator": "u1:A"…`, nil},
		step{service, "GET", "/resource/generic/" + id3, ``, 404, gone(id3), nil},
		step{service, "GET", "/resource/generic/" + id3 + "/history", ``, 404, gone(id3), nil},
		step{service, "DELETE", "/resource/generic/" + id3, ``, 403, `""`, nil},
		step{admin, "GET", "/resource/generic?attrs=id&history=true&limit=1000", "", 200, `…`, nil},
		step{admin, "DELETE", "/resource/generic", `{"=": {"id": "` + id1 + `"}}`, 200, `{"deleted": 2}`, nil},
		step{a1, "GET", "/resource/generic/" + id1, "", 404, gone(id1), nil},
	)
	// Names alone are one tenant, in which rights are by creator.
	b.play(
		step{"bob", "POST", "/resource/generic", `{"id": "` + id1 + `"}`, 201, `…`, nil},
		step{"eve", "GET", "/resource/generic/" + id1, "", 403, `""`, nil},
		step{"eve", "GET", "/resource/generic", "", 200, `[]`, nil},
		step{"eve", "PATCH", "/resource/generic/" + id1, `{}`, 403, `""`, nil},
		step{"eve", "POST", "/resource/generic", `{"id": "` + id1 + `"}`, 409, `"Resource ` + id1 + ` already exists"`, nil},
		// and a project is what they say it is, and opens nothing
		step{"bob", "POST", "/resource/generic", `{"id": "` + id2 + `", "project_id": "B"}`, 201, `…"project_id": "B"…`, nil},
		step{"bob", "PATCH", "/resource/generic/" + id2, `{"project_id": "C"}`, 200, `…"project_id": "C"…`, nil},
		step{"u/C", "GET", "/resource/generic/" + id2, "", 404, gone(id2), nil},
		step{"u/C", "GET", "/resource/generic", "", 200, `[]`, nil},
		step{admin, "PATCH", "/resource/generic/" + id1, `{"project_id": "D"}`, 409, `…`, nil},
		step{"nobody", "GET", "/resource/generic", "", 200, `[]`, nil},
		step{"nobody", "POST", "/search/resource/generic", "", 200, `[]`, nil},
		step{"nobody", "GET", "/resource/generic/" + id1, "", 401, `""`, nil},
	)
}

// TestNamedMeasures checks that the measures of a metric are found by its resource and the name that it has there.
func TestNamedMeasures(t *testing.T) {
	b := withVMs(t)
	const path = "/resource/generic/" + id1 + "/metric/cpu/measures"
	b.play(
		step{"u/A", "POST", "/resource/generic", `{"id": "` + id1 + `", "metrics": {"cpu": {}}}`, 201, `…`, nil},
		step{"u/A", "POST", path, `[{"timestamp": "2026-11-28T11:00:00", "value": 5}]`, 202, ``, nil},
		step{"v/A", "GET", path, ``, 200, `[["2026-11-28T11:00:00+00:00", 300.0, 5.0]]`, nil},
		step{"u/A", "GET", "/resource/vm/" + id1 + "/metric/cpu/measures", ``, 404, `"Resource ` + id1 + ` does not exist"`, nil},
		step{"u/A", "GET", "/resource/generic/" + id1 + "/metric/mem/measures", ``, 404, `"Metric mem does not exist"`, nil},
		step{"u/A", "POST", "/resource/generic/" + id1 + "/metric/mem/measures", `[]`, 404, `"Metric mem does not exist"`, nil},
		step{"u/B", "GET", path, ``, 404, `"Resource ` + id1 + ` does not exist"`, nil},
		step{"u/B", "POST", path, `[{"timestamp": 1, "value": 5}]`, 404, `"Resource ` + id1 + ` does not exist"`, nil},
		step{"s/ops/service", "POST", path, `[{"timestamp": "2026-11-28T11:01:00", "value": 7}]`, 202, ``, nil},
		step{"s/ops/service", "GET", path, ``, 200, `[["2026-11-28T11:00:00+00:00", 300.0, 6.0]]`, nil},
	)
}

// FuzzResources looks for requests about resources that are not answered as a success or as a fault of who asks.
func FuzzResources(f *testing.F) {
	for _, s := range []struct {
		op   byte
		text string
		body string
	}{
		{0, "", `{"id": "x", "host": "a", "size": 5, "started_at": "-1 day", "metrics": {"cpu": {}}}`},
		{0, "", `{"id": "{11111111-1111-1111-1111-111111111111}", "host": "a", "ended_at": 4e9, "project_id": null}`},
		{1, "", `{"host": "b", "at": "now", "user_id": "u", "metrics": {"m": {"unit": "s"}}}`},
		{2, "sort=host:desc&limit=2&marker=" + id1 + "@-1&history=true", `{"and": [{"!=": {"host": null}}, {"like": {"flavor": "%"}}]}`},
		{2, "filter=not%20host%20in%20%5Ba%5D", ``},
		{3, "history=1&attrs=id&details=t", ``},
		{4, "", `{"=": {"id": "x"}}`},
		{5, "", `[{"op": "add", "path": "/attributes/z", "value": {"type": "string", "options": {"fill": "z"}}}, {"op": "remove", "path": "/attributes/flavor"}]`},
		{6, "", `{"name": "t", "attributes": {"a b": {"type": "number", "min": 1e308}}}`},
	} {
		f.Add(s.op, s.text, s.body)
	}
	b := withVMs(f)
	b.must(201, "POST", "/resource/vm", `{"id": "`+id1+`", "host": "a"}`)
	f.Fuzz(func(t *testing.T, op byte, text, body string) {
		ops := []struct{ method, path, media string }{
			{"POST", "/resource/vm", "application/json"}, {"PATCH", "/resource/vm/" + id1, "application/json"}, {"POST", "/search/resource/vm", "application/json"},
			{"GET", "/resource/vm", ""}, {"DELETE", "/resource/vm", "application/json"}, {"PATCH", "/resource_type/vm", "application/json-patch+json"},
			{"POST", "/resource_type", "application/json"},
		}
		o := ops[int(op)%len(ops)]
		r, err := http.NewRequest(o.method, "http://example.com"+Prefix+o.path+"?"+url.PathEscape(text), strings.NewReader(body))
		if err != nil {
			return
		}
		r.URL.RawQuery = text
		r.RemoteAddr, r.RequestURI = "192.0.2.1:1", r.URL.RequestURI()
		r.Header.Set("Accept", "application/json")
		r.Header.Set("Content-Type", o.media)
		r.Header.Set("Authorization", basic("admin"))
		w := httptest.NewRecorder()
		b.ServeHTTP(w, r)
		if w.Code >= 500 || w.Code < 200 {
			t.Fatalf("%s %s %q: %d %s", o.method, o.path, body, w.Code, w.Body)
		}
		if list := b.as("", "GET", "/resource/generic?details=true&history=true", ""); list.Code != 200 {
			t.Fatalf("behind %s %s %q the list is %d %s", o.method, o.path, body, list.Code, list.Body)
		}
	})
}
