package edge

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"granary/tenant/identity"
)

func basic(text string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(text)) }

// told says everything about a credential, as no log may.
func told(c identity.Credential) string {
	s := [...]string{"nothing", "bearer", "password", "certificate", "proxy"}[c.Kind]
	for _, part := range []string{c.Token, c.User, c.Password, c.Roles, c.Tenants} {
		if part != "" {
			s += " " + part
		}
	}
	if c.HasRoles || c.HasTenants {
		s += fmt.Sprint(" ", c.HasRoles, c.HasTenants)
	}
	return s
}

func TestCarriers(t *testing.T) {
	c := Carriers{Proxies: Loopback, Subject: "X-Remote-User", Roles: "X-Remote-Roles", Tenants: "X-Remote-Tenants", Certificates: true, Parameters: true}
	const near, far = "127.0.0.1:1", "192.0.2.1:1"
	for _, row := range []struct {
		remote, target string
		header         []string
		want           string // what is shown, or the code of the refusal
	}{
		{far, "/", nil, "nothing"},
		{far, "/", []string{"Authorization", "Bearer x.y.z"}, "bearer x.y.z"},
		{far, "/", []string{"Authorization", "bearer  x "}, "bearer x"},
		{far, "/", []string{"Authorization", "Token x"}, "bearer x"},
		{far, "/", []string{"Authorization", "token me:secret:2"}, "password me secret:2"},
		{far, "/", []string{"Authorization", "Bearer me:x"}, "bearer me:x"},
		{far, "/", []string{"Authorization", "Bearer "}, "nothing"},
		{far, "/", []string{"Authorization", ""}, "nothing"},
		{far, "/", []string{"Authorization", "Digest x"}, "nothing"},
		{far, "/", []string{"Authorization", basic("me:secret:2")}, "password me secret:2"},
		{far, "/", []string{"Authorization", basic(":")}, "password"},
		{far, "/", []string{"Authorization", basic("me")}, "credentials-malformed"},
		{far, "/", []string{"Authorization", "Basic secret!"}, "credentials-malformed"},
		{far, "/", []string{"X-Api-Key", "k"}, "bearer k"},
		{far, "/", []string{"X-Api-Key", ""}, "nothing"},
		{far, "/", []string{"Coopr-ApiKey", "k"}, "bearer k"},
		{far, "/", []string{"X-Loom-ApiKey", "k"}, "bearer k"},
		{far, "/?p=k", nil, "bearer k"},
		{far, "/?u=me&p=k", nil, "password me k"},
		{far, "/?u=me", nil, "nothing"},
		// The same in two places is one credential, two different ones are none.
		{far, "/", []string{"Authorization", "Bearer k", "Authorization", "Bearer k"}, "bearer k"},
		{far, "/", []string{"Authorization", "Bearer k", "Authorization", "Bearer l"}, "credentials-ambiguous"},
		{far, "/", []string{"Authorization", "Bearer k", "X-Api-Key", "k"}, "bearer k"},
		{far, "/", []string{"Authorization", "Bearer k", "X-Api-Key", "l"}, "credentials-ambiguous"},
		{far, "/", []string{"X-Api-Key", "k", "X-Api-Key", "l"}, "credentials-ambiguous"},
		{far, "/", []string{"Authorization", basic("me:k"), "X-Api-Key", "k"}, "password me k"},
		{far, "/", []string{"Authorization", basic("me:k"), "X-Api-Key", "me"}, "credentials-ambiguous"},
		{far, "/?u=you&p=k", []string{"Authorization", basic("me:k")}, "credentials-ambiguous"},
		{far, "/?p=l", []string{"X-Api-Key", "k"}, "credentials-ambiguous"},
		// A proxy is believed if it is trusted.
		{far, "/", []string{"X-Remote-User", "me"}, "nothing"},
		{near, "/", []string{"X-Remote-User", "me"}, "proxy me"},
		{near, "/", []string{"X-Remote-User", ""}, "nothing"},
		{near, "/", []string{"X-Remote-Roles", "admin"}, "nothing"},
		{near, "/", []string{"X-Remote-User", "me", "X-Remote-Roles", "reader", "X-Remote-Roles", "writer", "X-Remote-Tenants", ""}, "proxy me reader,writer true true"},
		{near, "/", []string{"X-Remote-User", "me", "X-Remote-User", "you"}, "credentials-malformed"},
		{near, "/", []string{"X-Remote-User", "me", "Authorization", basic("me:k")}, "credentials-ambiguous"},
		{far, "/", []string{"X-Remote-User", "me", "Authorization", basic("me:k")}, "password me k"},
	} {
		r := httptest.NewRequest(http.MethodGet, row.target, nil)
		r.RemoteAddr = row.remote
		for i := 0; i < len(row.header); i += 2 {
			r.Header.Add(row.header[i], row.header[i+1])
		}
		cred, err := c.Find(r)
		got := told(cred)
		if err != nil {
			if got != "nothing" || Status(err) != 400 || strings.Contains(err.Error(), "secret") {
				t.Errorf("%q: %s, %v", row.header, got, err)
			}
			got = CodeOf(err)
		}
		if got != row.want {
			t.Errorf("%s%s %q: %s, want %s", row.remote, row.target, row.header, got, row.want)
		}
	}
}

// TestCertificateIsACredential: where the request shows nothing itself, and TLS has found the certificate good.
func TestCertificateIsACredential(t *testing.T) {
	cert := &x509.Certificate{}
	verified := &tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}, VerifiedChains: [][]*x509.Certificate{{cert}}}
	for _, row := range []struct {
		state  *tls.ConnectionState
		counts bool
		header string
		want   string
	}{
		{verified, true, "", "certificate"},
		{verified, true, "Bearer k", "bearer k"},
		{verified, false, "", "nothing"},
		{&tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}}, true, "", "nothing"},
		{nil, true, "", "nothing"},
	} {
		c := Carriers{Certificates: row.counts}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.TLS = row.state
		if row.header != "" {
			r.Header.Set("Authorization", row.header)
		}
		if cred, err := c.Find(r); err != nil || told(cred) != row.want {
			t.Errorf("%+v: %s, %v", row, told(cred), err)
		}
	}
}

func TestClientAddress(t *testing.T) {
	p := append(Proxies{}, Loopback...)
	for _, c := range []struct {
		remote    string
		forwarded []string
		want      string
	}{
		{"192.0.2.1:1", nil, "192.0.2.1"},
		{"[fe80::1%eth0]:1", nil, "fe80::1"},
		{"[::ffff:192.0.2.1]:1", nil, "192.0.2.1"},
		{"192.0.2.1:1", []string{"198.51.100.1"}, "192.0.2.1"},
		{"127.0.0.1:1", []string{"198.51.100.1"}, "198.51.100.1"},
		{"127.0.0.1:1", []string{"spoofed, 10.0.0.1, 198.51.100.1 , 127.0.0.2"}, "198.51.100.1"},
		{"127.0.0.1:1", []string{"10.0.0.1", "198.51.100.1:99"}, "198.51.100.1"},
		{"127.0.0.1:1", []string{"[2001:db8::1]:99"}, "2001:db8::1"},
		{"127.0.0.1:1", []string{"unknown"}, "127.0.0.1"},
		{"127.0.0.1:1", []string{"10.0.0.1, unknown, 127.0.0.9"}, "127.0.0.9"},
		{"127.0.0.1:1", []string{"127.0.0.3"}, "127.0.0.3"},
		{"@", []string{"10.0.0.1"}, "invalid IP"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = c.remote
		r.Header["X-Forwarded-For"] = c.forwarded
		if got := p.Client(r).String(); got != c.want {
			t.Errorf("%s %q: %s, want %s", c.remote, c.forwarded, got, c.want)
		}
	}
}

// FuzzCarriers: whatever stands in the header, an error never quotes it, and the proxies' list never breaks.
func FuzzCarriers(f *testing.F) {
	f.Add("Basic eDp5", "k", "10.0.0.1, ::1")
	f.Add("Bearer a.b.c", "", ",,:,[")
	c := Carriers{Proxies: Loopback, Subject: "X-Remote-User"}
	f.Fuzz(func(t *testing.T, authorization, key, forwarded string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = "127.0.0.1:1"
		r.Header["Authorization"], r.Header["X-Api-Key"], r.Header["X-Forwarded-For"] = []string{authorization}, []string{key}, []string{forwarded}
		cred, err := c.Find(r)
		if err != nil && len(key) > 8 && !strings.Contains("the request shows two different credentials: in Authorization and in X-Api-Key", key) && strings.Contains(err.Error(), key) {
			t.Errorf("%q is quoted: %v", key, err)
		}
		if err != nil && cred.Kind != identity.NoCredential {
			t.Error("an error and a credential")
		}
		if ip := c.Proxies.Client(r); ip.Zone() != "" || ip.Is4In6() {
			t.Errorf("%v", ip)
		}
	})
}
