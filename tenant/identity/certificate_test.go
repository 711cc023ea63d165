package identity

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"net/url"
	"testing"
	"time"
)

func TestCertificates(t *testing.T) {
	uri, err := url.Parse("spiffe://example.org/agent")
	if err != nil {
		t.Fatal(err)
	}
	cert := func(subject pkix.Name, sans ...string) *x509.Certificate {
		c := &x509.Certificate{Subject: subject, NotBefore: testNow.Add(-time.Hour), NotAfter: testNow.Add(time.Hour), DNSNames: sans}
		return c
	}
	a := authority(t, AuthorityOptions{Certificates: []CertificateRule{
		{"CN=collector", GrantsOf(Writer, "a")},
		{"CN=boss,O=Example", GrantsOf(Operator)},
		{"DNS:host.example.org", GrantsOf(Reader, "b")},
		{"URI:spiffe://example.org/agent", GrantsOf(Reader, "c")},
		{"EMAIL:me@example.org", GrantsOf(Reader, "d")},
	}})
	with := func(c *x509.Certificate, change func(*x509.Certificate)) *x509.Certificate { change(c); return c }
	for name, c := range map[string]struct {
		cert          *x509.Certificate
		subject, want string
	}{
		"common name":     {cert(pkix.Name{CommonName: "collector", Organization: []string{"Other"}}), "collector", "a:writer"},
		"whole name":      {cert(pkix.Name{CommonName: "boss", Organization: []string{"Example"}}), "CN=boss,O=Example", "*:operator"},
		"part of a name":  {cert(pkix.Name{CommonName: "boss"}), "", "certificate-unknown"},
		"name in a name":  {cert(pkix.Name{CommonName: "boss,O=Example"}), "", "certificate-unknown"},
		"host":            {cert(pkix.Name{CommonName: "x"}, "y", "HOST.example.org"), "host.example.org", "b:reader"},
		"another host":    {cert(pkix.Name{CommonName: "x"}, "a.host.example.org"), "", "certificate-unknown"},
		"URI":             {with(cert(pkix.Name{}), func(c *x509.Certificate) { c.URIs = []*url.URL{uri} }), "spiffe://example.org/agent", "c:reader"},
		"email":           {with(cert(pkix.Name{}), func(c *x509.Certificate) { c.EmailAddresses = []string{"me@example.org"} }), "me@example.org", "d:reader"},
		"nobody":          {cert(pkix.Name{}), "", "certificate-unknown"},
		"expired":         {with(cert(pkix.Name{CommonName: "collector"}), func(c *x509.Certificate) { c.NotAfter = testNow }), "", "token-expired"},
		"not yet":         {with(cert(pkix.Name{CommonName: "collector"}), func(c *x509.Certificate) { c.NotBefore = testNow.Add(1) }), "", "token-not-yet"},
		"no certificate":  {nil, "", "credentials-missing"},
		"other than host": {cert(pkix.Name{CommonName: "host.example.org"}), "", "certificate-unknown"},
	} {
		who, err := a.Identify(Credential{Kind: ClientCertificate, Certificate: c.cert}, testNow)
		got := codeOf(err)
		if err == nil {
			got = grantsText(who)
			if who.Subject != c.subject || who.Source != Certificate {
				t.Errorf("%s: %+v", name, who)
			}
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	for text, want := range map[string]bool{"CN=a": true, "DNS:a": true, "DNS:": false, "a": false, "": false, "CN=": false, "IP:1": false, "CN=a,O=b": true} {
		if CheckCertificateRule(text) != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
}
