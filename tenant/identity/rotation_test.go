package identity

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestRotation: keys come into the file, and go. What was signed with one that is gone is refused at once, also if it is remembered.
func TestRotation(t *testing.T) {
	public, private := make([]ed25519.PublicKey, 3), make([]ed25519.PrivateKey, 3)
	for i := range public {
		var err error
		if public[i], private[i], err = ed25519.GenerateKey(nil); err != nil {
			t.Fatal(err)
		}
	}
	file := inFile(t, jwksOf(jwkOf("a", public[0])))
	logger, log := logged()
	reads := 0
	a := authority(t, AuthorityOptions{Logger: logger, Issuers: []Issuer{{Name: "https://id.example.org", Audience: []string{"granary"}, JWKSFile: file}},
		ReadFile: func(name string) ([]byte, error) { reads++; return ReadFile(name) }})
	now := testNow
	check := func(what string, kid string, key int, code string) {
		t.Helper()
		var members map[string]any
		if kid != "" {
			members = map[string]any{"kid": kid}
		}
		if _, err := a.Identify(Credential{Kind: Bearer, Token: sign(t, "EdDSA", private[key], usual(nil), members)}, now); codeOf(err) != code {
			t.Errorf("%s: %v, want %q", what, err, code)
		}
	}
	check("the key", "a", 0, "")
	check("the only key", "", 0, "")
	check("not there yet", "b", 1, "token-invalid")
	if reads != 2 {
		t.Errorf("%d reads", reads)
	}
	write(t, file, jwksOf(jwkOf("a", public[0]), jwkOf("b", public[1])))
	now = now.Add(readAgain - 1)
	for range 100 {
		check("too early to look again", "b", 1, "token-invalid")
	}
	if reads != 2 {
		t.Errorf("%d reads", reads)
	}
	now = now.Add(1)
	check("there now", "b", 1, "")
	check("still there", "a", 0, "")
	check("the only key no more", "", 0, "token-invalid")
	now = now.Add(-time.Hour) // a clock that was set back keeps nobody out
	write(t, file, jwksOf(jwkOf("b", public[1]), jwkOf("c", public[2])))
	check("after the clock went back", "c", 2, "")
	check("gone", "a", 0, "token-invalid")

	// The same kid, another key.
	write(t, file, jwksOf(jwkOf("b", public[0])))
	a.Refresh()
	check("the old one under its name", "b", 1, "token-invalid")
	check("the new one", "b", 0, "")

	// A file with a fault, or none.
	for _, content := range []string{"", "{", `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"topsecret"}]}`, `{"keys":5}`} {
		write(t, file, []byte(content))
		log.Reset()
		a.Refresh()
		a.Refresh()
		check("with "+content, "b", 0, "")
		if n := strings.Count(log.String(), "level=ERROR"); n != 1 || strings.Contains(log.String(), "topsecret") {
			t.Errorf("%s: %d lines: %s", content, n, log)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	log.Reset()
	a.Refresh()
	a.Refresh()
	check("without a file", "b", 0, "")
	check("not known, without a file", "x", 1, "token-invalid")
	if n := strings.Count(log.String(), "level=ERROR"); n != 1 || !strings.Contains(log.String(), "no such file") {
		t.Errorf("a file that is gone: %d lines: %s", n, log)
	}
	log.Reset()
	write(t, file, jwksOf(jwkOf("b", public[0])))
	a.Refresh()
	a.Refresh()
	if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), `level=INFO msg="identity: file read again" file=`+file+" keys=1") {
		t.Errorf("a file that is back: %d lines: %s", n, log)
	}
	write(t, file, jwksOf())
	a.Refresh()
	check("no keys", "b", 0, "token-invalid")
	write(t, file, jwksOf(jwkOf("b", public[0])))
	a.Refresh()
	check("back again", "b", 0, "")
}

// TestStaticTokens: given in three ways, one of them in a file that changes.
func TestStaticTokens(t *testing.T) {
	one, two, three := strings.Repeat("1", 40), strings.Repeat("2", 16), strings.Repeat("3", 40)
	file := inFile(t, []byte(" "+two+"\n"))
	logger, log := logged()
	sum := sumOf(three)
	a := authority(t, AuthorityOptions{Logger: logger, Tokens: []StaticToken{
		{Name: "one", Token: one, Grants: GrantsOf(Writer, "a", "b")},
		{Name: "two", File: file, Grants: GrantsOf(Reader, "*")},
		{Name: "three", SHA256: hexOf(sum), Grants: GrantsOf(Operator)},
	}})
	check := func(token, subject, code string) {
		t.Helper()
		who, err := a.Identify(Credential{Kind: Bearer, Token: token}, testNow)
		if codeOf(err) != code || err == nil && (who.Subject != subject || who.Credential != subject || who.Source != Token) {
			t.Errorf("%+v, %v, want %s %s", who, err, subject, code)
		}
	}
	check(one, "one", "")
	check(two, "two", "")
	check(three, "three", "")
	for _, wrong := range []string{"", one[1:], one + "1", strings.Repeat("1", 41), hexOf(sum), " " + two} {
		check(wrong, "", "credentials-wrong")
	}
	if who, _ := a.Identify(Credential{Kind: Bearer, Token: three}, testNow); !who.Operator() {
		t.Error("the operator is none")
	}
	write(t, file, []byte("short"))
	a.Refresh()
	check(two, "two", "")
	if !strings.Contains(log.String(), "less than 16 bytes") || strings.Contains(log.String(), "short") {
		t.Errorf("the log: %s", log)
	}
	write(t, file, []byte(strings.Repeat("4", 20)))
	a.Refresh()
	check(two, "", "credentials-wrong")
	check(strings.Repeat("4", 20), "two", "")
	check(one, "one", "")

	for what, list := range map[string][]StaticToken{
		"less than 16":      {{Name: "x", Token: "0123456789abcde"}},
		"no header field":   {{Name: "x", Token: "0123456789abcdef x"}},
		"64 hexadecimal":    {{Name: "x", SHA256: "00"}},
		"same token as":     {{Name: "x", Token: one}, {Name: "y", SHA256: hexOf(sumOf(one))}},
		"no such file":      {{Name: "x", File: filepath.Join(t.TempDir(), "none")}},
		"more than 4096":    {{Name: "x", Token: strings.Repeat("x", 4097)}},
		"more than 1048576": {{Name: "x", File: inFile(t, bytes.Repeat([]byte{'x'}, maxFile+1))}},
	} {
		if _, err := NewAuthority(AuthorityOptions{Tokens: list}); err == nil || !strings.Contains(err.Error(), what) || strings.Contains(err.Error(), "0123456789") {
			t.Errorf("%v, want %s", err, what)
		}
	}
}

func hexOf(d digest) string {
	const digits = "0123456789ABCDEF"
	var b []byte
	for _, c := range d {
		b = append(b, digits[c>>4], digits[c&15])
	}
	return string(b)
}

// TestCache: what is used stays, what is not goes, and the room is bounded by number and by bytes.
func TestCache(t *testing.T) {
	var c cache
	v := &verified{}
	token := func(i, size int) string {
		return strings.Repeat("x", size) + string(rune('A'+i%26)) + string(rune('A'+i/26%26)) + string(rune('A'+i/676))
	}
	for i := range 3 * cacheTokens {
		c.put(token(i, 0), v)
		if c.get(token(0, 0)) == nil {
			t.Fatalf("what is used is forgotten after %d", i)
		}
	}
	if n := len(c.young) + len(c.old); n > 2*cacheTokens || c.get(token(1, 0)) != nil || c.get(token(3*cacheTokens-1, 0)) == nil {
		t.Errorf("%d are remembered", n)
	}
	for i := range 500 {
		c.put(token(i, MaxToken-100), v)
	}
	bytes := 0
	for _, m := range []map[string]*verified{c.young, c.old} {
		for k := range m {
			bytes += len(k)
		}
	}
	if bytes > 2*cacheBytes {
		t.Errorf("%d bytes", bytes)
	}
}

// TestProxyFields: what a proxy says is cut to what it may say.
func TestProxyFields(t *testing.T) {
	a := authority(t, AuthorityOptions{Proxy: ProxyFields{Subject: "X-Remote-User", RoleNames: Names{"boss": Admin | Operator}, DefaultRoles: Reader, Allow: Allow{}}})
	for _, c := range []struct {
		c    Credential
		want string
	}{
		{Credential{User: "alice", Roles: "writer, boss,nonsense", HasRoles: true, Tenants: "a,b", HasTenants: true}, "a:writer,admin b:writer,admin"},
		{Credential{User: "alice", Tenants: "a", HasTenants: true}, "a:reader"},
		{Credential{User: "alice", Tenants: "*", HasTenants: true}, "*:reader"},
		{Credential{User: "alice", HasRoles: true, Tenants: "a", HasTenants: true}, ""},
		{Credential{User: "alice", Roles: "operator", HasRoles: true, Tenants: "*", HasTenants: true}, ""},
		{Credential{User: ""}, "token-invalid"},
		{Credential{User: "a\x00"}, "token-invalid"},
	} {
		c.c.Kind = ProxyHeaders
		who, err := a.Identify(c.c, testNow)
		got := codeOf(err)
		if err == nil {
			got = grantsText(who)
		}
		if got != c.want {
			t.Errorf("%+v: %q, want %q", c.c.User, got, c.want)
		}
	}
	if _, err := authority(t, AuthorityOptions{}).Identify(Credential{Kind: ProxyHeaders, User: "alice"}, testNow); codeOf(err) != "credentials-missing" {
		t.Error(err)
	}
}

// grantsText is all roles of an identity as a text.
func grantsText(who *Identity) string {
	var parts []string
	if r := who.Everywhere(); r != 0 {
		parts = append(parts, "*:"+r.String())
	}
	for _, g := range who.Grants() {
		parts = append(parts, string(g.Tenant)+":"+g.Roles.String())
	}
	return strings.Join(parts, " ")
}

func TestErrors(t *testing.T) {
	codes := map[string]bool{}
	for f := Missing; f <= Busy; f++ {
		e := refuse(f, "because")
		if codes[e.Code()] || e.Error() != "because" {
			t.Errorf("%d: %s", f, e.Code())
		}
		codes[e.Code()] = true
		if kind := e.Kind(); (kind == "unavailable") != (f == Busy) {
			t.Error(kind)
		}
	}
	c := Credential{Kind: Password, User: "u", Password: "hunter2", Token: "hunter2"}
	if s := errors.New(c.String() + c.GoString()).Error(); strings.Contains(s, "hunter2") {
		t.Error(s)
	}
}
