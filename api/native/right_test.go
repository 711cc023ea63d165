package native

import (
	"net/http"
	"strings"
	"testing"

	"granary/tenant"
	"granary/tenant/identity"
)

// role is somebody with one role in the tenant "mine" alone.
type role identity.Roles

func (r role) Authenticate(*http.Request) (*identity.Identity, error) {
	return identity.New("somebody", identity.Token, "somebody", 0, identity.Grant{Tenant: "mine", Roles: identity.Roles(r)}), nil
}

// everywhere is somebody with one role in all tenants.
type everywhere identity.Roles

func (r everywhere) Authenticate(*http.Request) (*identity.Identity, error) {
	return identity.New("somebody", identity.Token, "somebody", identity.Roles(r)), nil
}

// rights is what each operation asks for. One that is missing here, or there, fails the test.
const rights = `
GET /status enters
GET /identity enters
GET /keys manages
POST /keys manages
GET /keys/{key} manages
PATCH /keys/{key} manages
DELETE /keys/{key} manages
GET /capabilities enters
GET /tenants operates
POST /tenants operates
GET /tenants/{tenant} enters
PATCH /tenants/{tenant} operates
DELETE /tenants/{tenant} operates
GET /limits enters
GET /queues enters
POST /measures writes
DELETE /measures manages
POST /measures/delete manages
GET /metrics reads
POST /metrics writes
POST /metrics/search reads
POST /metrics/delete manages
GET /metrics/{id} reads
PATCH /metrics/{id} writes
DELETE /metrics/{id} manages
GET /tags reads
GET /tags/{name} reads
GET /cardinality reads
GET /policies reads
POST /policies manages
GET /policies/{name} reads
PATCH /policies/{name} manages
DELETE /policies/{name} manages
GET /rules reads
POST /rules manages
GET /rules/{name} reads
PATCH /rules/{name} manages
DELETE /rules/{name} manages
GET /usage reads
GET /usage/nodes reads
GET /query reads
POST /query reads
`

// TestRightsOfEveryRoute sends every operation as somebody with each role. Who lacks the right is refused, and told which one
// it is, before the body is read; everybody else is not refused for that.
func TestRightsOfEveryRoute(t *testing.T) {
	wanted := map[string]right{}
	for line := range strings.Lines(strings.TrimSpace(rights)) {
		f := strings.Fields(line)
		wanted[f[0]+" "+f[1]] = map[string]right{"operates": operates, "enters": enters, "reads": reads, "writes": writes, "manages": manages}[f[2]]
	}
	allowed := map[right]identity.Roles{
		operates: identity.Operator, enters: identity.Reader | identity.Writer | identity.Admin | identity.Operator, reads: identity.Reader | identity.Admin | identity.Operator,
		writes: identity.Writer | identity.Admin | identity.Operator, manages: identity.Admin | identity.Operator,
	}
	s := twoTenants(t)
	table := s.table()
	for _, op := range table {
		want, ok := wanted[op.method+" "+op.path]
		if !ok || want != op.right {
			t.Errorf("%s %s asks for right %d, want %d (known: %v)", op.method, op.path, op.right, want, ok)
			continue
		}
		delete(wanted, op.method+" "+op.path)
		path := Prefix + strings.NewReplacer("{id}", "6f5a8f0e-2e67-5d20-9a3c-3f1f0a4de0ab", "{tenant}", "mine", "{key}", "000000000000", "{name}", "n").Replace(op.path)
		for r := identity.Reader; r <= identity.Operator; r <<= 1 {
			for _, auth := range []interface {
				Authenticate(*http.Request) (*identity.Identity, error)
			}{role(r), everywhere(r)} {
				s.o.Auth = auth
				body := "{"
				if op.method == http.MethodGet || op.method == http.MethodDelete {
					body = ""
				}
				w := ask(s, op.method, path, body, "Tenant", "mine")
				refused := w.Code == http.StatusForbidden
				// An operator of one tenant operates nothing.
				_, one := auth.(role)
				if may := allowed[want].Has(r) && (!one || want != operates); may == refused {
					t.Errorf("%s %s as %v: %d %s", op.method, path, r, w.Code, w.Body)
				}
				if refused && problemOf(t, w)["code"] != "right-missing" {
					t.Errorf("%s %s as %v: %s", op.method, path, r, w.Body)
				}
			}
		}
	}
	for at := range wanted {
		t.Errorf("there is no %s", at)
	}
}

// TestRightIsNamed: the refusal says what is missing, where, and which roles would do.
func TestRightIsNamed(t *testing.T) {
	s := twoTenants(t)
	s.o.Auth = role(identity.Reader)
	p := problemOf(t, ask(s, "POST", "/v2/measures", "[]", "Tenant", "mine"))
	if p["right"] != "write" || p["tenant"] != "mine" || len(p["roles"].([]any)) != 3 ||
		p["detail"] != `this needs the right to write in tenant "mine", which the roles writer, admin and operator give` {
		t.Errorf("%v", p)
	}
	p = problemOf(t, ask(s, "POST", "/v2/tenants", "{}"))
	if p["right"] != "operate" || p["detail"] != `this needs the right to operate the service, which the role operator gives` {
		t.Errorf("%v", p)
	}
	// Another tenant is no question of rights.
	if w := ask(s, "GET", "/v2/metrics", "", "Tenant", "a"); w.Code != 403 || problemOf(t, w)["code"] != "tenant-forbidden" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestTenantOfAnIdentity: who may enter one tenant need not name it; who may enter several has to.
func TestTenantOfAnIdentity(t *testing.T) {
	for _, c := range []struct {
		tenants []tenant.ID
		want    string
	}{
		{[]tenant.ID{"mine"}, "list  mine"},
		{[]tenant.ID{"mine", "_ops"}, "list  _ops"},
		{[]tenant.ID{"mine", "ours"}, "tenant-not-chosen"},
		{nil, "tenant-forbidden"},
	} {
		a := probe(func(o *Options) { o.Auth = user(c.tenants) })
		w := ask(a, "GET", "/v2/things", "")
		got := w.Body.String()
		if w.Code != 200 {
			p := problemOf(t, w)
			got, _ = p["code"].(string)
			if got == "tenant-not-chosen" && (w.Code != 400 || !strings.Contains(p["detail"].(string), "mine, ours")) {
				t.Errorf("%v", p)
			}
		}
		if got != c.want {
			t.Errorf("%v: %s, want %s", c.tenants, got, c.want)
		}
	}
}
