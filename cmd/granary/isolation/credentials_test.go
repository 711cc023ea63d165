package isolation_test

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// configuration is that of all worlds. Each tenant has tokens for each role, and an issuer makes tokens for who is meant to be
// somebody in particular. Addresses are not shut out: all of these come from one.
const configuration = `
granary:
  disk-free-mark: 0
  snapshot: {interval: 10000h, journal-bytes: 1GiB}
  identity:
    jwt:
      - issuer: https://id.example.org
        audience: [granary]
        keys: [{kid: k1, file: %q}]
        allow: {operator: true}
    keys: {enabled: true}
    failures: {allowed: 0}
    tokens:
      - {name: reader-a, token: %q, roles: [reader], tenants: [tenant-a]}
      - {name: writer-a, token: %q, roles: [writer], tenants: [tenant-a]}
      - {name: admin-a, token: %q, roles: [admin], tenants: [tenant-a]}
      - {name: reader-b, token: %q, roles: [reader], tenants: [tenant-b]}
      - {name: writer-b, token: %q, roles: [writer], tenants: [tenant-b]}
      - {name: admin-b, token: %q, roles: [admin], tenants: [tenant-b]}
      - {name: operator, token: %q, roles: [operator]}
  mapping:
    rules:
      - {name: requests_total, from: [{metric: requests, rate: true}], combine: sum, by: [cluster], slot: 60s, keep: true}
      - {name: load_left, from: [{metric: load}, {metric: cpu, scale: -1}], combine: sum, by: [cluster], tags: {cluster: all}, slot: 60s, keep: true}
  compat:
    clustercockpit: {cluster-tenants: {ca: tenant-a, cb: tenant-b, cz: tenant-zqb2x000000}}
    hawkular: {strict: %v, admin-token: {token: the-admin-token-that-no-tenant-knows}}
    influx: {databases: {dba: tenant-a, dbb: tenant-b, dbz: tenant-zqb2x000000, orgb/telegraf: tenant-b}}
`

// static is the token of somebody in the configuration.
func static(who string) string { return "static-secret-of-" + who + "-0123456789" }

// issuerKey is that of the issuer of the configuration.
var issuerKey = ed25519.NewKeyFromSeed([]byte("isolation isolation isolation 32"))

// configure writes the configuration, and gives it with the paths of the folder.
func configure(t testing.TB, dir string, strict bool) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(issuerKey.Public())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "issuer.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	parts := []any{file}
	for _, who := range []string{"reader-a", "writer-a", "admin-a", "reader-b", "writer-b", "admin-b", "operator"} {
		parts = append(parts, static(who))
	}
	return fmt.Sprintf(configuration, append(parts, strict)...)
}

// token makes a JWT of the issuer.
func token(subject string, claims map[string]any) string {
	all := map[string]any{"iss": "https://id.example.org", "aud": "granary", "sub": subject, "exp": 4102444800}
	for name, v := range claims {
		all[name] = v
	}
	part := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	text := part(map[string]any{"alg": "EdDSA", "typ": "JWT", "kid": "k1"}) + "." + part(all)
	return text + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(issuerKey, []byte(text)))
}

// credential is one way to show who asks.
type credential struct {
	subject string
	secret  string // of a token, key or JWT; "" for none
	admin   bool
}

// credentials are those of a tenant.
func credentials(letter string) []credential {
	id := "tenant-" + letter
	own := func(roles ...string) map[string]any {
		return map[string]any{"granary": map[string]any{"tenants": map[string]any{id: roles}}}
	}
	return []credential{
		{"admin", token("admin", own("admin")), true},
		{"admin-" + letter, static("admin-" + letter), true},
		{"reader-" + letter, static("reader-" + letter), false},
		{"writer-" + letter, static("writer-" + letter), false},
		{"both-" + letter, token("both-"+letter, own("reader", "writer")), false},
		{"nothing-" + letter, token("nothing-"+letter, nil), false},
	}
}

// operator is who runs the service.
var operator = credential{"admin", token("admin", map[string]any{"granary": map[string]any{"roles": []string{"operator"}}}), true}

// carry puts a credential into a request, in one of the ways in which it can be shown.
func (g *gen) carry(r *request, c credential) {
	if c.secret == "" {
		return
	}
	if coopr(r) {
		r.set(choose(g.p.rng, "Coopr-ApiKey", "X-Loom-ApiKey", "X-Coopr-ApiKey"), c.secret)
		return
	}
	if strings.HasPrefix(r.op, "influx") && g.p.rng.IntN(4) == 0 {
		if g.p.rng.IntN(2) == 0 {
			byParameters(r, c)
		} else {
			r.set("Authorization", "Token "+c.subject+":"+c.secret)
		}
		return
	}
	switch g.p.rng.IntN(6) {
	case 0:
		r.set("X-Api-Key", c.secret)
	case 1:
		r.set("Authorization", basic+c.subject+":"+c.secret)
	case 2:
		r.set("Authorization", "Token "+c.secret)
	default:
		r.set("Authorization", "Bearer "+c.secret)
	}
}

// coopr says whether a request is one of Coopr's, which says in fields of its own who asks.
func coopr(r *request) bool {
	return strings.Contains(r.target, "/metrics/queues") || strings.Contains(r.target, "/metrics/nodes/usage")
}

// sign adds who asks to a request, and for which tenant. A database may say the latter instead.
func (g *gen) sign(r *request, c credential) {
	g.carry(r, c)
	if strings.Contains(r.target, "=db") && strings.HasPrefix(r.op, "influx") && g.p.rng.IntN(3) == 0 {
		return
	}
	if coopr(r) {
		r.set(choose(g.p.rng, "Coopr-UserID", "X-Loom-UserID"), c.subject)
		r.set(choose(g.p.rng, "Coopr-TenantID", "X-Coopr-TenantID"), g.p.id)
		return
	}
	r.set("Tenant", g.p.id)
}

// signOddly is sign in a way that should not open anything, or not what it asks for.
func (g *gen) signOddly(r *request, list []credential) {
	rng := g.p.rng
	c := choose(rng, list...)
	switch rng.IntN(9) {
	case 0: // nobody
		r.set("Tenant", choose(rng, g.p.id, g.p.otherID()))
	case 1: // somebody who is made up
		c.secret = choose(rng, "wrong-wrong-wrong-wrong", "gk_000000000000_"+strings.Repeat("A", 43), "a.b.c", c.secret+"x", c.secret[:max(len(c.secret)-1, 0)])
		g.sign(r, c)
	case 2: // two at once
		g.sign(r, c)
		g.carry(r, choose(rng, list...))
	case 3: // the tenant of the other
		g.carry(r, c)
		r.set(choose(rng, "Tenant", "X-Scope-OrgID", "Hawkular-Tenant", "Coopr-TenantID", "X-Project-Id"), g.p.otherID())
		r.set("Coopr-UserID", c.subject)
	case 4: // both tenants
		g.sign(r, c)
		r.set(choose(rng, "Tenant", "X-Scope-OrgID", "Hawkular-Tenant", "Coopr-TenantID", "X-Project-Id"), g.p.otherID())
	case 5: // no tenant
		g.carry(r, c)
	case 6: // a tenant that is nobody's
		g.carry(r, c)
		r.set("Tenant", choose(rng, "ghost", "_ops", "superadmin", "*", "", g.p.id+"|"+g.p.otherID(), g.p.id+","+g.p.otherID(), strings.ToUpper(g.p.otherID())))
	case 7: // what only a proxy may say
		g.sign(r, c)
		r.set("Hawkular-Admin-Token", choose(rng, "the-admin-token-that-nobody-knows", c.secret, "", "*"))
		r.set("X-Remote-User", "admin")
		r.set("X-Remote-Roles", "operator")
	case 8: // another user
		g.carry(r, c)
		r.set("Coopr-UserID", choose(rng, "admin", "superadmin", c.subject))
		r.set("Coopr-TenantID", choose(rng, g.p.id, g.p.otherID(), "superadmin"))
	}
}

// signs says whether a header field is one of those by which a request says who asks, and for whom.
func signs(name string) bool {
	switch strings.ToLower(name) {
	case "tenant", "hawkular-tenant", "hawkular-admin-token", "x-scope-orgid", "x-project-id", "authorization", "x-api-key", "x-remote-user", "x-remote-roles":
		return true
	}
	return strings.Contains(strings.ToLower(name), "coopr-") || strings.Contains(strings.ToLower(name), "loom-")
}
