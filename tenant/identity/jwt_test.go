package identity

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"granary/tenant"
)

func TestJWT(t *testing.T) {
	a := authority(t, AuthorityOptions{Issuers: []Issuer{three(t)}})
	for _, alg := range Algorithms {
		for _, members := range []map[string]any{{"kid": alg}, nil, {"kid": alg, "typ": "at+jwt", "x5t": "x"}} {
			raw := sign(t, alg, signers()[alg], usual(nil), members)
			for range 2 {
				who, err := a.Identify(Credential{Kind: Bearer, Token: raw}, testNow)
				if err != nil {
					t.Fatalf("%s: %v", alg, err)
				}
				if who.Subject != "alice" || who.Source != JWT || who.Credential != "https://id.example.org" || !who.May("a", Read) || who.May("a", Write) || who.May("c", Read) {
					t.Errorf("%+v", who)
				}
			}
		}
	}
}

// TestForgedTokens: every way to get in without the key.
func TestForgedTokens(t *testing.T) {
	issuer := three(t)
	issuer.Algorithms = []string{"EdDSA", "RS256"}
	a := authority(t, AuthorityOptions{Issuers: []Issuer{issuer}})
	ed, ec := signers()["EdDSA"], signers()["ES256"]
	public := ed.Public().(ed25519.PublicKey)
	der, err := x509.MarshalPKIXPublicKey(signers()["RS256"].Public())
	if err != nil {
		t.Fatal(err)
	}
	_, other, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	good := sign(t, "EdDSA", ed, usual(nil), map[string]any{"kid": "EdDSA"})
	parts := strings.Split(good, ".")
	b64 := base64.RawURLEncoding.EncodeToString
	head := func(h string) string { return b64([]byte(h)) + "." + parts[1] + "." + parts[2] }
	// with signs a header of any form with the right key.
	with := func(h string) string {
		text := b64([]byte(h)) + "." + parts[1]
		return text + "." + b64(ed25519.Sign(ed.(ed25519.PrivateKey), []byte(text)))
	}
	usually := func(members map[string]any) string { return sign(t, "EdDSA", ed, usual(nil), members) }
	for name, c := range map[string]struct{ token, code string }{
		"good":                     {good, ""},
		"none":                     {sign(t, "none", jwt.UnsafeAllowNoneSignatureType, usual(nil), nil), "token-invalid"},
		"none, with a signature":   {head(`{"alg":"none","typ":"JWT"}`), "token-invalid"},
		"None":                     {head(`{"alg":"None"}`), "token-invalid"},
		"no alg":                   {with(`{"kid":"EdDSA"}`), "token-invalid"},
		"alg is no text":           {with(`{"alg":["EdDSA"],"kid":"EdDSA"}`), "token-invalid"},
		"another case":             {with(`{"alg":"eddsa","kid":"EdDSA"}`), "token-invalid"},
		"HS256, the PEM":           {sign(t, "HS256", pemOf(t, signers()["RS256"]), usual(nil), map[string]any{"kid": "RS256"}), "token-invalid"},
		"HS256, the DER":           {sign(t, "HS256", der, usual(nil), map[string]any{"kid": "RS256"}), "token-invalid"},
		"HS256, the bytes":         {sign(t, "HS256", []byte(public), usual(nil), map[string]any{"kid": "EdDSA"}), "token-invalid"},
		"PS256":                    {sign(t, "PS256", signers()["RS256"], usual(nil), map[string]any{"kid": "RS256"}), "token-invalid"},
		"RS512":                    {sign(t, "RS512", signers()["RS256"], usual(nil), map[string]any{"kid": "RS256"}), "token-invalid"},
		"not allowed to use ES256": {sign(t, "ES256", ec, usual(nil), map[string]any{"kid": "ES256"}), "token-invalid"},
		"key of another type":      {usually(map[string]any{"kid": "RS256"}), "token-invalid"},
		"unknown kid":              {usually(map[string]any{"kid": "nobody"}), "token-invalid"},
		"kid is a path":            {usually(map[string]any{"kid": "../../../../dev/null"}), "token-invalid"},
		"kid is SQL":               {usually(map[string]any{"kid": "x' UNION SELECT 'k"}), "token-invalid"},
		"kid is a number":          {usually(map[string]any{"kid": 1}), "token-invalid"},
		"kid is a list":            {usually(map[string]any{"kid": []string{"EdDSA"}}), "token-invalid"},
		"kid is null":              {with(`{"alg":"EdDSA","kid":null}`), ""},
		"jwk":                      {sign(t, "EdDSA", other, usual(nil), map[string]any{"jwk": jwkOf("EdDSA", other.Public())}), "token-invalid"},
		"jwk, the right key":       {usually(map[string]any{"kid": "EdDSA", "jwk": jwkOf("EdDSA", public)}), "token-invalid"},
		"jku":                      {usually(map[string]any{"kid": "EdDSA", "jku": "https://evil.example.org"}), "token-invalid"},
		"x5u":                      {usually(map[string]any{"kid": "EdDSA", "x5u": "https://evil.example.org"}), "token-invalid"},
		"x5c":                      {usually(map[string]any{"kid": "EdDSA", "x5c": []string{"MII"}}), "token-invalid"},
		"crit":                     {usually(map[string]any{"kid": "EdDSA", "crit": []string{"exp"}}), "token-invalid"},
		"b64":                      {usually(map[string]any{"kid": "EdDSA", "b64": false}), "token-invalid"},
		"logout token":             {usually(map[string]any{"kid": "EdDSA", "typ": "logout+jwt"}), "token-invalid"},
		"typ is no text":           {usually(map[string]any{"kid": "EdDSA", "typ": 1}), "token-invalid"},
		"another's signature":      {sign(t, "EdDSA", other, usual(nil), map[string]any{"kid": "EdDSA"}), "token-invalid"},
		"no signature":             {parts[0] + "." + parts[1] + ".", "token-invalid"},
		"signature cut":            {good[:len(good)-2], "token-invalid"},
		"signature padded":         {good + "=", "token-invalid"},
		"signature, other bits":    {good[:len(good)-1] + string(good[len(good)-1]+1), "token-invalid"},
		"claims changed":           {parts[0] + "." + b64([]byte(`{"iss":"https://id.example.org","aud":"granary","sub":"root","exp":9e9}`)) + "." + parts[2], "token-invalid"},
		"header twice":             {parts[0] + "." + parts[0] + "." + parts[2], "issuer-unknown"},
		"no claims":                {parts[0] + ".." + parts[2], "token-invalid"},
		"two parts":                {parts[0] + "." + parts[1], "credentials-wrong"},
		"five parts":               {good + ".a.b", "credentials-wrong"},
		"dots":                     {"..", "token-invalid"},
		"empty":                    {"", "credentials-wrong"},
		"16 KiB of header":         {strings.Repeat("A", MaxToken-100) + "." + parts[1][:10] + "." + parts[2][:10], "token-invalid"},
		"deep":                     {b64([]byte(strings.Repeat("[", 12000))) + ".e30.e30", "token-invalid"},
		"more than 16 KiB":         {sign(t, "EdDSA", ed, usual(claims{"x": strings.Repeat("x", MaxToken)}), nil), "token-too-large"},
		"1 MB":                     {strings.Repeat("a", 1<<20), "token-too-large"},
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 {
				who, err := a.Identify(Credential{Kind: Bearer, Token: c.token}, testNow)
				if codeOf(err) != c.code || (who == nil) != (err != nil) {
					t.Fatalf("%v, %v, want %q", who, err, c.code)
				}
				if err != nil && len(err.Error()) > 200 {
					t.Errorf("%d bytes of an error", len(err.Error()))
				}
			}
		})
	}
}

func TestClaims(t *testing.T) {
	at := func(d time.Duration) int64 { return testNow.Add(d).Unix() }
	in := func(roles, tenants any) claims {
		m := map[string]any{}
		if roles != nil {
			m["roles"] = roles
		}
		if tenants != nil {
			m["tenants"] = tenants
		}
		return claims{"granary": m}
	}
	issuer := three(t)
	issuer.Roles = Names{"metrics-admin": Admin, "writer": Reader, "boss": Operator | Admin}
	issuer.DefaultRoles, issuer.DefaultTenants = Writer, []tenant.ID{"d"}
	few, all := issuer, issuer
	few.Name, few.Allow = "few", Allow{Tenants: []tenant.ID{"a", "b"}}
	all.Name, all.Allow = "all", Allow{Operator: true}
	a := authority(t, AuthorityOptions{Issuers: []Issuer{issuer, few, all}})
	for name, c := range map[string]struct {
		claims claims
		want   string // code, or everywhere and grants
	}{
		"usual":                    {nil, " a:reader b:reader"},
		"other issuer":             {claims{"iss": "https://evil.example.org"}, "issuer-unknown"},
		"no issuer":                {claims{"iss": nil}, "issuer-unknown"},
		"issuer is a list":         {claims{"iss": []string{"https://id.example.org"}}, "issuer-unknown"},
		"other audience":           {claims{"aud": "granary2"}, "audience-wrong"},
		"no audience":              {claims{"aud": nil}, "audience-wrong"},
		"audiences":                {claims{"aud": []any{1, "x", "granary"}}, " a:reader b:reader"},
		"no audience of them":      {claims{"aud": []any{"x", []string{"granary"}}}, "audience-wrong"},
		"audience is an object":    {claims{"aud": map[string]any{"granary": true}}, "audience-wrong"},
		"expired":                  {claims{"exp": at(-30 * time.Second)}, "token-expired"},
		"expired within leeway":    {claims{"exp": at(-29 * time.Second)}, " a:reader b:reader"},
		"expires far ahead":        {claims{"exp": 1e300}, " a:reader b:reader"},
		"expired long ago":         {claims{"exp": -1e300}, "token-expired"},
		"parts of seconds":         {claims{"exp": float64(at(-30*time.Second)) + 0.5}, " a:reader b:reader"},
		"no expiry":                {claims{"exp": nil}, "token-invalid"},
		"expiry is a text":         {claims{"exp": "9999999999"}, "token-invalid"},
		"not yet":                  {claims{"nbf": at(31 * time.Second)}, "token-not-yet"},
		"not yet within leeway":    {claims{"nbf": at(30 * time.Second)}, " a:reader b:reader"},
		"nbf is a text":            {claims{"nbf": "0"}, "token-invalid"},
		"issued in the future":     {claims{"iat": at(31 * time.Second)}, "token-not-yet"},
		"iat is an object":         {claims{"iat": map[string]any{}}, "token-invalid"},
		"no subject":               {claims{"sub": nil}, "token-invalid"},
		"subject is a number":      {claims{"sub": 7}, "token-invalid"},
		"subject with a line feed": {claims{"sub": "alice\nroot"}, "token-invalid"},
		"long subject":             {claims{"sub": strings.Repeat("x", 257)}, "token-invalid"},
		"roles and tenants absent": {claims{"granary": nil}, " d:writer"},
		"roles absent":             {in(nil, "a"), " a:writer"},
		"tenants absent":           {in("admin", nil), " d:admin"},
		"texts":                    {in("reader writer", "a, b"), " a:reader b:reader"},
		"names":                    {in([]any{"metrics-admin", "nonsense", 5}, []string{"a"}), " a:admin"},
		"own name of a role":       {in("admin", "a"), " a:admin"},
		"a role that is renamed":   {in("writer", "a"), " a:reader"},
		"nothing that is known":    {in("nonsense", "a"), ""},
		"no tenants":               {in("reader", []string{}), ""},
		"everywhere":               {in("reader", "*"), "reader"},
		"operator is not allowed":  {in("operator", "*"), ""},
		"operator by another name": {in("boss", []string{"a"}), " a:admin"},
		"operator in an object":    {in(nil, map[string]any{"a": "operator", "*": "operator admin"}), "admin"},
		"object":                   {in("admin", map[string]any{"a": []string{"reader"}, "b": "metrics-admin", "a/b": "reader", "c": 7}), " a:reader b:admin"},
		"object for all":           {in(nil, map[string]any{"*": "reader", "a": "admin"}), "reader a:admin"},
		"bad ids":                  {in("reader", []any{"", "a/b", "x\x00", strings.Repeat("x", 129), "ok"}), " ok:reader"},
		"flat member":              {claims{"granary": nil, "granary.roles": "admin", "granary.tenants": "a"}, " a:admin"},
		"few: everywhere":          {claims{"iss": "few", "granary": map[string]any{"roles": "reader", "tenants": "*"}}, " a:reader b:reader"},
		"few: others":              {claims{"iss": "few", "granary": map[string]any{"roles": "reader", "tenants": "b c"}}, " b:reader"},
		"few: operator":            {claims{"iss": "few", "granary": map[string]any{"roles": "boss", "tenants": "*"}}, " a:admin b:admin"},
		"few: default elsewhere":   {claims{"iss": "few", "granary": nil}, ""},
		"operator":                 {claims{"iss": "all", "granary": map[string]any{"roles": "operator"}}, "operator"},
		"operator, some tenants":   {claims{"iss": "all", "granary": map[string]any{"roles": "boss", "tenants": "a"}}, "operator a:admin"},
	} {
		t.Run(name, func(t *testing.T) {
			raw := sign(t, "EdDSA", signers()["EdDSA"], usual(c.claims), nil)
			for range 2 {
				who, err := a.Identify(Credential{Kind: Bearer, Token: raw}, testNow)
				got := codeOf(err)
				if err == nil {
					got = who.Everywhere().String()
					for _, g := range who.Grants() {
						got += fmt.Sprintf(" %s:%v", g.Tenant, g.Roles)
					}
				}
				if got != c.want {
					t.Fatalf("%q, want %q (%v)", got, c.want, err)
				}
			}
		})
	}
}

// TestKnownToken: a token that is remembered is still checked for its time.
func TestKnownToken(t *testing.T) {
	a := authority(t, AuthorityOptions{Issuers: []Issuer{three(t)}})
	c := Credential{Kind: Bearer, Token: sign(t, "RS256", signers()["RS256"], usual(claims{"nbf": testNow.Unix()}), nil)}
	for _, step := range []struct {
		at   time.Duration
		code string
	}{{-31 * time.Second, "token-not-yet"}, {0, ""}, {-31 * time.Second, "token-not-yet"}, {time.Hour, ""}, {time.Hour + 30*time.Second, "token-expired"}, {0, ""}} {
		if _, err := a.Identify(c, testNow.Add(step.at)); codeOf(err) != step.code {
			t.Errorf("at %v: %v, want %q", step.at, err, step.code)
		}
	}
}

// BenchmarkKnownToken is what a request pays for a token that came before.
func BenchmarkKnownToken(b *testing.B) {
	a := authority(b, AuthorityOptions{Issuers: []Issuer{three(b)}, Tokens: []StaticToken{{Name: "s", Token: strings.Repeat("s", 40), Grants: GrantsOf(Reader, "a")}}})
	for name, token := range map[string]string{
		"jwt-EdDSA": sign(b, "EdDSA", signers()["EdDSA"], usual(nil), nil),
		"jwt-RS256": sign(b, "RS256", signers()["RS256"], usual(nil), nil),
		"jwt-4KiB":  sign(b, "EdDSA", signers()["EdDSA"], usual(claims{"x": strings.Repeat("x", 2700)}), nil),
		"static":    strings.Repeat("s", 40),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := a.Identify(Credential{Kind: Bearer, Token: token}, testNow); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
