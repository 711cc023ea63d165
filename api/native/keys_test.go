package native

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"granary/api/edge"
	"granary/tenant"
	"granary/tenant/identity"
)

// as is somebody.
type as struct{ *identity.Identity }

func (a as) Authenticate(r *http.Request) (*identity.Identity, error) {
	return edge.Loopback.Bind(r, a.Identity)
}

func somebody(roles identity.Roles, tenants ...tenant.ID) as {
	g := identity.GrantsOf(roles, tenants...)
	return as{identity.New("alice", identity.Token, "t", g.All, g.Items...)}
}

type apiKeyOf struct {
	ID, Key, Name, Subject, State, Creator string
	Grants                                 map[string][]string
	Created, Expires, Revoked              int64
	LastUsed                               string `json:"last_used"`
	Elsewhere                              bool
	Notes                                  []string
}

type apiKeysOf struct {
	Keys []apiKeyOf
	Next string
}

// TestKeys makes a key, uses it, changes it, revokes it and forgets it.
func TestKeys(t *testing.T) {
	s := newStored(t, tenant.Limits{})
	s.o.Auth = somebody(identity.Admin, "shop")
	auth, err := identity.NewAuthority(identity.AuthorityOptions{Keys: s.store.Keys})
	if err != nil {
		t.Fatal(err)
	}
	w := ask(s, "POST", "/v2/keys", `{"name":"a collector","subject":"collector","roles":["writer","reader"],"expires":"now+1d"}`)
	k := answerOf[apiKeyOf](t, w, 201)
	if w.Header().Get("Location") != "/v2/keys/"+k.ID || !strings.HasPrefix(k.Key, "gk_"+k.ID+"_") || k.Subject != "collector" || k.Name != "a collector" || k.State != "active" ||
		k.Creator != "alice" || fmt.Sprint(k.Grants) != "map[shop:[reader writer]]" || k.Created != testNow.UnixMilli() || k.Expires != testNow.Add(24*time.Hour).UnixMilli() || k.LastUsed != "" {
		t.Errorf("%s", w.Body)
	}
	use := func() string {
		_, err := auth.Identify(identity.Credential{Kind: identity.Bearer, Token: k.Key}, testNow)
		if err == nil {
			return ""
		}
		return err.Error()
	}
	if err := use(); err != "" {
		t.Error(err)
	}
	w = ask(s, "GET", "/v2/keys/"+k.ID, "")
	if got := answerOf[apiKeyOf](t, w, 200); got.Key != "" || got.ID != k.ID || got.LastUsed != "2026-01-31" || strings.Contains(w.Body.String(), "gk_") {
		t.Errorf("%s", w.Body)
	}
	if w := ask(s, "GET", "/v2/keys?times=rfc3339", ""); w.Code != 200 || !strings.Contains(w.Body.String(), `"expires":"2026-02-01T12:00:00Z"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	got := answerOf[apiKeyOf](t, ask(s, "PATCH", "/v2/keys/"+k.ID, `{"roles":["admin"],"tenants":["shop"],"expires":"never","name":"renamed","subject":"collector"}`), 200)
	if got.Expires != 0 || got.Name != "renamed" || fmt.Sprint(got.Grants) != "map[shop:[admin]]" {
		t.Errorf("%+v", got)
	}
	for range 2 {
		if w := ask(s, "DELETE", "/v2/keys/"+k.ID, ""); w.Code != 204 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		if list := answerOf[apiKeysOf](t, ask(s, "GET", "/v2/keys", ""), 200); len(list.Keys) == 1 {
			if list.Keys[0].State != "revoked" || list.Keys[0].Revoked == 0 || use() != "the key has been revoked" {
				t.Errorf("%+v", list)
			}
			if w := ask(s, "PATCH", "/v2/keys/"+k.ID, `{"name":"x"}`); w.Code != 409 || problemOf(t, w)["code"] != "key-ended" {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		}
	}
	if w := ask(s, "GET", "/v2/keys/"+k.ID, ""); w.Code != 404 || use() != "the token or key is not known here" {
		t.Errorf("%d %s, %s", w.Code, w.Body, use())
	}
}

// TestNobodyGivesMore: what somebody may give in a key follows from what they have.
func TestNobodyGivesMore(t *testing.T) {
	s := newStored(t, tenant.Limits{})
	open := as{identity.Open()}
	for _, c := range []struct {
		who  as
		body string
		want string // grants, or code
	}{
		{somebody(identity.Admin, "a"), `"roles":["admin"]`, "map[a:[admin]]"},
		{somebody(identity.Admin, "a"), `"roles":["reader"],"tenants":["a"]`, "map[a:[reader]]"},
		{somebody(identity.Admin, "a"), `"roles":["reader"],"tenants":["b"]`, "tenant-forbidden"},
		{somebody(identity.Admin, "a"), `"roles":["reader"],"tenants":["a","b"]`, "tenant-forbidden"},
		{somebody(identity.Admin, "a"), `"roles":["reader"],"tenants":["*"]`, "tenant-forbidden"},
		{somebody(identity.Admin, "a"), `"roles":["operator"]`, "right-missing"},
		{somebody(identity.Admin, "a"), `"roles":["operator"],"tenants":["*"]`, "right-missing"},
		{somebody(identity.Admin, "a"), `"roles":["operator","reader"],"tenants":["a"]`, "request-syntax"},
		{somebody(identity.Admin, "a", "b"), `"roles":["writer"],"tenants":["b","a","b"]`, "map[a:[writer] b:[writer]]"},
		{somebody(identity.Admin, "*"), `"roles":["admin"],"tenants":["*"]`, "map[*:[admin]]"},
		{somebody(identity.Admin, "*"), `"roles":["operator"],"tenants":["*"]`, "right-missing"},
		{somebody(identity.Writer, "a"), `"roles":["writer"]`, "right-missing"},
		{somebody(identity.Reader|identity.Writer, "a"), `"roles":["reader"]`, "right-missing"},
		{somebody(identity.Operator), `"roles":["operator"]`, "map[*:[operator]]"},
		{somebody(identity.Operator), `"roles":["reader"],"tenants":["x","y"]`, "map[x:[reader] y:[reader]]"},
		{open, `"roles":["reader","operator"],"tenants":["*"]`, "map[*:[reader operator]]"},
		{open, `"roles":["root"]`, "role-unknown"},
		{open, `"roles":[]`, "request-syntax"},
		{open, `"tenants":["a"]`, "request-syntax"},
		{open, `"roles":["reader"],"tenants":[]`, "request-syntax"},
		{open, `"roles":["reader"],"tenants":["a/b"]`, "tenant-id"},
		{open, `"roles":["reader"],"name":"a\nb"`, "key-invalid"},
		{open, `"roles":["reader"],"expires":"now-1s"`, "request-syntax"},
		{open, `"roles":["reader"],"expires":"soon"`, "time-invalid"},
		{open, `"roles":["reader"],"secret":"x"`, "request-syntax"},
	} {
		s.o.Auth = c.who
		var header []string
		if len(c.who.Scope().Tenants()) != 1 {
			header = []string{"Tenant", "a"}
		}
		w := ask(s, "POST", "/v2/keys", `{"subject":"x",`+c.body+`}`, header...)
		got := ""
		if w.Code == 201 {
			got = fmt.Sprint(answerOf[apiKeyOf](t, w, 201).Grants)
		} else {
			got, _ = problemOf(t, w)["code"].(string)
		}
		if got != c.want {
			t.Errorf("%v: %s: %s, want %s", c.who.Everywhere(), c.body, got, c.want)
		}
		if w.Code == 201 {
			continue
		}
		// The same by a change of a key that they have.
		k := identity.KeyRecord{Subject: "x", Created: testNow, Grants: identity.GrantsOf(identity.Reader, "a")}
		_, k.ID, k.Digest = identity.NewKey()
		if err := s.store.PutKey(t.Context(), k, ""); err != nil {
			t.Fatal(err)
		}
		if w := ask(s, "PATCH", "/v2/keys/"+k.ID, `{`+c.body+`}`, header...); w.Code < 400 {
			t.Errorf("%s: %d %s", c.body, w.Code, w.Body)
		}
		if now, _ := s.store.Keys.Get(k.ID); fmt.Sprint(now.Grants) != fmt.Sprint(k.Grants) {
			t.Errorf("%s: %v", c.body, now.Grants)
		}
	}
	s.o.Auth = open
	if w := ask(s, "POST", "/v2/keys", `{"roles":["reader"]}`); w.Code != 400 || problemOf(t, w)["path"] != "/subject" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestWhoSeesKeys: keys that reach a tenant are there for its admins, those with roles in all tenants for operators alone.
func TestWhoSeesKeys(t *testing.T) {
	s := newStored(t, tenant.Limits{})
	ids := map[string]string{}
	for name, g := range map[string]identity.Grants{"a": identity.GrantsOf(identity.Writer, "a"), "b": identity.GrantsOf(identity.Writer, "b"), "ab": identity.GrantsOf(identity.Writer, "a", "b"),
		"all": identity.GrantsOf(identity.Reader, "*"), "op": identity.GrantsOf(identity.Operator), "none": {}} {
		k := identity.KeyRecord{Subject: name, Created: testNow, Grants: g}
		_, k.ID, k.Digest = identity.NewKey()
		if err := s.store.PutKey(t.Context(), k, ""); err != nil {
			t.Fatal(err)
		}
		ids[name] = k.ID
	}
	for _, c := range []struct {
		who         as
		query, want string
		header      []string
	}{
		{somebody(identity.Admin, "a"), "", "a ab", nil},
		{somebody(identity.Admin, "a", "b"), "", "a ab", []string{"Tenant", "a"}},
		{somebody(identity.Admin, "a", "b"), "", "ab b", []string{"Tenant", "b"}},
		{somebody(identity.Admin, "*"), "", "a ab all", []string{"Tenant", "a"}},
		{somebody(identity.Operator), "", "a ab all op", []string{"Tenant", "a"}},
		{somebody(identity.Operator), "?all=true", "a ab all b none op", nil},
		{as{identity.Open()}, "?all=true", "a ab all b none op", nil},
		{as{identity.Open()}, "", "a ab", []string{"X-Project-Id", "a"}},
	} {
		s.o.Auth = c.who
		seen := map[string]bool{}
		query := c.query
		for range 10 {
			sep := "?"
			if strings.Contains(query, "?") {
				sep = "&"
			}
			list := answerOf[apiKeysOf](t, ask(s, "GET", "/v2/keys"+query+sep+"limit=2", "", c.header...), 200)
			for _, k := range list.Keys {
				seen[k.Subject] = true
			}
			if list.Next == "" {
				break
			}
			query = c.query + sep + "cursor=" + list.Next
		}
		got := ""
		for _, name := range []string{"a", "ab", "all", "b", "none", "op"} {
			if seen[name] {
				got += " " + name
			}
			if c.query != "" || name == "none" {
				continue
			}
			want := 404
			if seen[name] || c.who.Operator() && c.header[0] == "Tenant" {
				want = 200
			}
			for _, method := range []string{"GET", "PATCH"} {
				body := ""
				if method == "PATCH" {
					body = `{"name":"x"}`
				}
				want := want
				if partly := name == "ab" && (c.header == nil || c.header[0] == "X-Project-Id"); partly && method == "PATCH" {
					want = 403
				}
				if w := ask(s, method, "/v2/keys/"+ids[name], body, c.header...); w.Code != want {
					t.Errorf("%v %v: %s %s: %d, want %d", c.who.Grants(), c.header, method, name, w.Code, want)
				}
			}
			if want == 404 {
				if w := ask(s, "DELETE", "/v2/keys/"+ids[name], "", c.header...); w.Code != 404 {
					t.Errorf("%v: DELETE %s: %d", c.who.Grants(), name, w.Code)
				}
			}
		}
		if got != " "+c.want {
			t.Errorf("%v %v: %s, want %s", c.who.Grants(), c.header, got, c.want)
		}
	}
	s.o.Auth = somebody(identity.Admin, "a")
	if w := ask(s, "GET", "/v2/keys?all=true", ""); w.Code != 403 || problemOf(t, w)["code"] != "right-missing" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	s.o.Auth = as{identity.Open()}
	if w := ask(s, "GET", "/v2/keys?all=true", "", "X-Project-Id", "a"); w.Code != 403 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := ask(s, "POST", "/v2/keys", `{"subject":"x","roles":["reader"],"tenants":["b"]}`, "X-Project-Id", "a"); w.Code != 403 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestKeyOfNoTenant: a tenant that does not exist is told of, and refused where no write makes it.
func TestKeyOfNoTenant(t *testing.T) {
	s := newStored(t, tenant.Limits{})
	s.o.Auth = as{identity.Open()}
	if w := ask(s, "POST", "/v2/tenants", `{"id":"a"}`); w.Code != 201 {
		t.Fatal(w.Body)
	}
	const both = `"roles":["reader"],"tenants":["a","ghost"]}`
	w := ask(s, "POST", "/v2/keys", `{"subject":"x",`+both, "Tenant", "a")
	if got := answerOf[apiKeyOf](t, w, 201); len(got.Notes) != 1 || !strings.HasPrefix(got.Notes[0], `there is no tenant "ghost" yet`) {
		t.Errorf("%s", w.Body)
	}
	k := answerOf[apiKeyOf](t, ask(s, "POST", "/v2/keys", `{"subject":"x","roles":["reader"]}`, "Tenant", "a"), 201)
	if got := answerOf[apiKeyOf](t, ask(s, "PATCH", "/v2/keys/"+k.ID, `{`+both, "Tenant", "a"), 200); len(k.Notes) != 0 || len(got.Notes) != 1 {
		t.Errorf("%q, %q", k.Notes, got.Notes)
	}
	s.o.Tenants = explicit{s.o.Tenants}
	for _, c := range []struct{ method, path, body, here, at string }{
		{"POST", "/v2/keys", `{"subject":"x",` + both, "a", "/tenants/1"},
		{"POST", "/v2/keys", `{"subject":"x","roles":["reader"]}`, "ghost", "/tenants"},
		{"PATCH", "/v2/keys/" + k.ID, `{` + both, "a", "/tenants/1"},
	} {
		if w := ask(s, c.method, c.path, c.body, "Tenant", c.here); w.Code != 404 || problemOf(t, w)["code"] != "tenant-not-found" || problemOf(t, w)["path"] != c.at {
			t.Errorf("%s %s: %d %s", c.method, c.body, w.Code, w.Body)
		}
	}
}

// explicit are tenants that no write makes.
type explicit struct{ Tenants }

func (explicit) MadeByWrites(tenant.ID) bool { return false }

// TestKeyOfSeveralTenants: the admin of one of a key's tenants sees their part of it, and can take that out, whoever made the key. Of
// the others they learn that there are some.
func TestKeyOfSeveralTenants(t *testing.T) {
	s := newStored(t, tenant.Limits{})
	auth, err := identity.NewAuthority(identity.AuthorityOptions{Keys: s.store.Keys})
	if err != nil {
		t.Fatal(err)
	}
	s.o.Auth = somebody(identity.Operator)
	k := answerOf[apiKeyOf](t, ask(s, "POST", "/v2/keys", `{"subject":"x","roles":["reader"],"tenants":["a","secret","c"]}`, "Tenant", "a"), 201)
	grants := func() string {
		who, err := auth.Identify(identity.Credential{Kind: identity.Bearer, Token: k.Key}, testNow)
		if err != nil {
			return err.Error()
		}
		return fmt.Sprint(grantsAnswer(who.Everywhere(), who.Grants()))
	}
	for _, c := range []struct {
		who        as
		here, seen string
		left       string
	}{
		{somebody(identity.Admin, "a"), "a", "map[a:[reader]] true", "map[c:[reader] secret:[reader]]"},
		{as{identity.New("c", identity.Token, "", 0, identity.Grant{Tenant: "c", Roles: identity.Admin}, identity.Grant{Tenant: "secret", Roles: identity.Reader})}, "c", "map[c:[reader]] true", "map[secret:[reader]]"},
		{somebody(identity.Admin, "secret"), "secret", "map[secret:[reader]] false", "the key has been revoked"},
	} {
		s.o.Auth = c.who
		header := []string{"Tenant", c.here}
		for _, path := range []string{"/v2/keys", "/v2/keys/" + k.ID} {
			w := ask(s, "GET", path, "", header...)
			got := apiKeyOf{}
			if path == "/v2/keys" {
				list := answerOf[apiKeysOf](t, w, 200)
				if len(list.Keys) != 1 {
					t.Fatalf("%s: %s", c.here, w.Body)
				}
				got = list.Keys[0]
			} else {
				got = answerOf[apiKeyOf](t, w, 200)
			}
			if seen := fmt.Sprint(got.Grants, got.Elsewhere); seen != c.seen || c.here != "secret" && strings.Contains(w.Body.String(), "secret") {
				t.Errorf("%s: %s, want %s: %s", c.here, seen, c.seen, w.Body)
			}
		}
		if strings.HasSuffix(c.seen, "true") {
			for _, body := range []string{`{"name":"x"}`, `{"roles":["admin"],"tenants":["` + c.here + `"]}`, `{"expires":"never"}`} {
				if w := ask(s, "PATCH", "/v2/keys/"+k.ID, body, header...); w.Code != 403 || problemOf(t, w)["code"] != "tenant-forbidden" || strings.Contains(w.Body.String(), "secret") {
					t.Errorf("%s: %d %s", c.here, w.Code, w.Body)
				}
			}
		}
		if w := ask(s, "DELETE", "/v2/keys/"+k.ID, "", header...); w.Code != 204 || grants() != c.left {
			t.Errorf("%s: %d, %s is left, want %s", c.here, w.Code, grants(), c.left)
		}
		if w := ask(s, "GET", "/v2/keys/"+k.ID, "", header...); (w.Code == 404) != (c.here != "secret") {
			t.Errorf("%s: %d %s", c.here, w.Code, w.Body)
		}
	}
}

// TestKeysMakeKeys: a key of an admin makes keys until it is revoked.
func TestKeysMakeKeys(t *testing.T) {
	s := newStored(t, tenant.Limits{})
	s.o.Auth = as{identity.Open()}
	admin := answerOf[apiKeyOf](t, ask(s, "POST", "/v2/keys", `{"subject":"admin","roles":["admin"],"tenants":["a"]}`), 201)
	s.o.Auth = as{identity.New("admin", identity.Key, admin.ID, 0, identity.Grant{Tenant: "a", Roles: identity.Admin})}
	if w := ask(s, "POST", "/v2/keys", `{"subject":"x","roles":["admin"]}`); w.Code != 201 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := ask(s, "DELETE", "/v2/keys/"+admin.ID, ""); w.Code != 204 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	// As if this request had come in before.
	if w := ask(s, "POST", "/v2/keys", `{"subject":"x","roles":["admin"]}`); w.Code != 409 || problemOf(t, w)["code"] != "key-ended" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestReadIdentity(t *testing.T) {
	a := bare()
	for _, c := range []struct {
		who  as
		want string
	}{
		{as{identity.Open()}, `{"subject":"","source":"none","operator":true,"grants":{"*":["operator"]}}`},
		{somebody(identity.Admin, "b", "a"), `{"subject":"alice","source":"token","credential":"t","operator":false,"grants":{"a":["admin"],"b":["admin"]}}`},
		{somebody(0), `{"subject":"alice","source":"token","credential":"t","operator":false,"grants":{}}`},
	} {
		a.o.Auth = c.who
		for _, header := range [][]string{nil, {"Tenant", "nobody"}} {
			if w := ask(a, "GET", "/v2/identity", "", header...); w.Code != 200 || strings.TrimSpace(w.Body.String()) != c.want {
				t.Errorf("%d %s, want %s", w.Code, w.Body, c.want)
			}
		}
	}
}
