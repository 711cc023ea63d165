package config

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"granary/tenant"
	"granary/tenant/identity"
)

func TestIdentity(t *testing.T) {
	c, _, err := load(t, files{"config.yaml": `
granary:
  identity:
    jwt:
      - issuer: https://id.example.org
        audience: [granary]
        jwks-file: /etc/granary/jwks.json
        keys: [{kid: a, file: /a.pem}]
        algorithms: [EdDSA]
        leeway: 1m
        claims: {subject: email, roles: "https://example.org/roles", tenants: t}
        roles: {boss: [admin, operator], nobody: []}
        default-roles: [reader]
        default-tenants: [d]
        allow: {operator: true, tenants: "*"}
      - {issuer: other, audience: [x, y], keys: [{file: /b.pem}], allow: {tenants: [a, b]}}
    keys: {enabled: true}
    tokens:
      - {name: collector, token-file: /f, roles: [writer], tenants: [a, b]}
      - {name: spelt, token: 0123456789abcdef, roles: [reader, writer], tenants: "*"}
      - {name: hashed, sha256: 9F9F5111F7B27A781F1F1DDDE5EBC2DD2B796BFC7365C9C28B548E564176929F, roles: [operator]}
    basic: {file: /htpasswd, users: {alice: {roles: [reader], tenants: [a]}, "a.b": {roles: [admin], tenants: [b]}}}
    proxy: {subject: X-User, roles: X-Roles, tenants: X-Tenants, role-names: {x: [writer]}, default-roles: [reader], default-tenants: [a], allow: {tenants: [a]}}
    certificates: [{subject: CN=collector, roles: [writer], tenants: [a]}, {subject: "DNS:h", roles: [reader], tenants: "*"}]
    failures: {allowed: 3, window: 2m, block: 3m}
`}, Overrides{})
	if err != nil {
		t.Fatal(err)
	}
	star := []tenant.ID{"*"}
	want := Identity{
		Issuers: []identity.Issuer{
			{Name: "https://id.example.org", Audience: []string{"granary"}, JWKSFile: "/etc/granary/jwks.json", Keys: []identity.KeyFile{{ID: "a", File: "/a.pem"}},
				Algorithms: []string{"EdDSA"}, Leeway: time.Minute, Claims: identity.ClaimNames{Subject: "email", Roles: "https://example.org/roles", Tenants: "t"},
				Roles: identity.Names{"boss": identity.Admin | identity.Operator, "nobody": 0}, DefaultRoles: identity.Reader, DefaultTenants: []tenant.ID{"d"},
				Allow: identity.Allow{Operator: true, Tenants: star}},
			{Name: "other", Audience: []string{"x", "y"}, Keys: []identity.KeyFile{{File: "/b.pem"}}, Leeway: 30 * time.Second,
				Claims: identity.ClaimNames{Subject: "sub", Roles: "granary.roles", Tenants: "granary.tenants"}, Allow: identity.Allow{Tenants: []tenant.ID{"a", "b"}}},
		},
		Keys: true,
		Tokens: []identity.StaticToken{
			{Name: "collector", File: "/f", Grants: identity.GrantsOf(identity.Writer, "a", "b")},
			{Name: "spelt", SHA256: "9f9f5111f7b27a781f1f1ddde5ebc2dd2b796bfc7365c9c28b548e564176929f", Grants: identity.GrantsOf(identity.Reader|identity.Writer, "*")},
			{Name: "hashed", SHA256: "9F9F5111F7B27A781F1F1DDDE5EBC2DD2B796BFC7365C9C28B548E564176929F", Grants: identity.Grants{All: identity.Operator}},
		},
		Htpasswd: "/htpasswd",
		Users:    map[string]identity.Grants{"alice": identity.GrantsOf(identity.Reader, "a"), "a.b": identity.GrantsOf(identity.Admin, "b")},
		Proxy: identity.ProxyFields{Subject: "X-User", Roles: "X-Roles", Tenants: "X-Tenants", RoleNames: identity.Names{"x": identity.Writer},
			DefaultRoles: identity.Reader, DefaultTenants: []tenant.ID{"a"}, Allow: identity.Allow{Tenants: []tenant.ID{"a"}}},
		Certificates: []identity.CertificateRule{{Subject: "CN=collector", Grants: identity.GrantsOf(identity.Writer, "a")}, {Subject: "DNS:h", Grants: identity.GrantsOf(identity.Reader, "*")}},
		Failures:     Failures{3, 2 * time.Minute, 3 * time.Minute},
	}
	if d := cmp.Diff(want, c.Identity); d != "" {
		t.Error(d)
	}
	if text := fmt.Sprintf("%+v %#v", c, c); strings.Contains(text, "0123456789abcdef") {
		t.Error("a printed configuration shows a token")
	}
	if o := c.Identity.Sources(); !o.Locked || len(o.Issuers) != 2 || len(o.Tokens) != 3 || o.Htpasswd == "" || len(o.Users) != 2 || o.Proxy.Subject == "" || len(o.Certificates) != 2 {
		t.Errorf("%+v", o)
	}
}

func TestIdentityFaults(t *testing.T) {
	for content, want := range map[string]string{
		`jwt: {}`:                              `granary.identity.jwt: expected a list of objects`,
		`jwt: [{audience: [a], jwks-file: f}]`: `jwt[0].issuer: expected what the claim iss`,
		`jwt: [{issuer: i, jwks-file: f}]`:     `jwt[0].audience: expected at least one`,
		`jwt: [{issuer: i, audience: [a]}]`:    `jwt[0].jwks-file: expected a file of keys`,
		`jwt: [{issuer: i, audience: [a], jwks-file: f}, {issuer: i, audience: [a], jwks-file: f}]`: `jwt[1].issuer: expected an issuer that is not there already`,
		`jwt: [{issuer: i, audience: [a], jwks-file: f, algorithms: [HS256]}]`:                      `algorithms: expected some of EdDSA, RS256, ES256`,
		`jwt: [{issuer: i, audience: [a], jwks-file: f, leeway: 11m}]`:                              `leeway: expected at most 10m`,
		`jwt: [{issuer: i, audience: [a], keys: [{kid: x}]}]`:                                       `keys[0].file: expected the file`,
		`jwt: [{issuer: i, audience: [a], jwks-file: f, allow: {operator: true, tenants: [a]}}]`:    `allow.operator: expected false`,
		`jwt: [{issuer: i, audience: [a], jwks-file: f, roles: {x: [root]}}]`:                       `roles.x: expected a list of roles`,
		`jwt: [{issuer: i, audience: [a], jwks-file: f, roles: {x: admin}}]`:                        `roles.x: expected a list of roles`,
		`jwt: [null]`: `jwt[0]: expected an object`,
		`tokens: [{token: 0123456789abcdef, roles: [reader], tenants: [a]}]`:                         `tokens[0].name: expected a name`,
		`tokens: [{name: x, roles: [reader], tenants: [a]}]`:                                         `expected one of token, token-file and sha256, found 0`,
		`tokens: [{name: x, token: 0123456789abcdef, token-file: f, roles: [reader], tenants: [a]}]`: `found 2`,
		`tokens: [{name: x, token: hunter2, roles: [reader], tenants: [a]}]`:                         `tokens[0].token: the token has less than 16 bytes`,
		`tokens: [{name: x, token: [hunter2], roles: [reader], tenants: [a]}]`:                       `tokens[0].token: expected a text, found a list`,
		`tokens: [{name: x, sha256: 00, roles: [reader], tenants: [a]}]`:                             `tokens[0].sha256: expected`,
		`tokens: [{name: x, token-file: f, tenants: [a]}]`:                                           `tokens[0].roles: expected at least one`,
		`tokens: [{name: x, token-file: f, roles: [reader]}]`:                                        `tokens[0].tenants: expected the tenants`,
		`tokens: [{name: x, token-file: f, roles: [reader], tenants: [a/b]}]`:                        `tokens[0].tenants: expected the id`,
		`tokens: [{name: x, token-file: f, roles: [reader], tenants: a}]`:                            `tokens[0].tenants: expected a list of tenants`,
		`basic: {users: {a: {roles: [reader], tenants: [a]}}}`:                                       `basic.file: expected a file`,
		`basic: {file: f, users: {a: null}}`:                                                         `users.a: expected an object`,
		`basic: {file: f, users: {a: {}}}`:                                                           `users.a.roles: expected at least one`,
		`proxy: {roles: X}`:                                                                          `proxy.subject: expected the name`,
		`proxy: {subject: "a b"}`:                                                                    `proxy.subject: expected the name of a header field`,
		`certificates: [{subject: collector, roles: [reader], tenants: [a]}]`:                        `certificates[0].subject: expected a distinguished name`,
		`certificates: [{subject: CN=a, roles: [reader], tenants: [a], tenant: b}]`:                  `unknown key`,
		`failures: {allowed: -1}`:                                                                    `failures.allowed: expected`,
	} {
		_, _, err := load(t, files{"config.yaml": "granary: {identity: {" + content + "}}"}, Overrides{})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want %s", content, err, want)
		}
	}
}
