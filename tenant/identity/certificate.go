package identity

import (
	"crypto/x509"
	"slices"
	"strings"
	"time"
)

// CertificateRule says what the holder of a client certificate may do. The first rule that a certificate fits holds.
type CertificateRule struct {
	// Subject is a distinguished name as RFC 4514 writes it ("CN=collector,O=Example"), a common name alone ("CN=collector"),
	// or an alternative name: "DNS:host.example.org", "URI:spiffe://…", "EMAIL:me@example.org".
	Subject string
	Grants  Grants
}

// certificates are the rules, with who each stands for.
type certificates []certificateRule

type certificateRule struct {
	subject string
	who     *Identity
}

func newCertificates(rules []CertificateRule) certificates {
	var list certificates
	for _, r := range rules {
		subject := r.Subject
		if name, ok := commonName(subject); ok {
			subject = name
		} else if _, name, ok := alternative(subject); ok {
			subject = name
		}
		list = append(list, certificateRule{r.Subject, New(subject, Certificate, r.Subject, r.Grants.All, r.Grants.Items...)})
	}
	return list
}

// commonName is the name of a rule that is about nothing else.
func commonName(rule string) (string, bool) {
	name, ok := strings.CutPrefix(rule, "CN=")
	return name, ok && !strings.ContainsAny(name, `,+\`)
}

// alternative is the kind and the name of a rule about alternative names.
func alternative(rule string) (kind, name string, ok bool) {
	kind, name, ok = strings.Cut(rule, ":")
	return kind, name, ok && slices.Contains([]string{"DNS", "URI", "EMAIL"}, kind)
}

// CheckCertificateRule says whether a text can be the subject of a rule.
func CheckCertificateRule(subject string) bool {
	_, name, ok := alternative(subject)
	if ok {
		return name != ""
	}
	kind, name, ok := strings.Cut(subject, "=")
	return ok && kind != "" && name != ""
}

// judge finds the rule of a certificate.
func (l certificates) judge(c *x509.Certificate, now time.Time) (*Identity, error) {
	if c == nil {
		return nil, refuse(Missing, "no certificate is shown")
	}
	// A connection may live longer than the certificate that opened it.
	switch {
	case !now.Before(c.NotAfter):
		return nil, refuse(Expired, "the certificate has expired")
	case now.Before(c.NotBefore):
		return nil, refuse(NotYet, "the certificate is not valid yet")
	}
	dn := ""
	for i := range l {
		r := &l[i]
		if name, ok := commonName(r.subject); ok {
			if c.Subject.CommonName == name {
				return r.who, nil
			}
			continue
		}
		if kind, name, ok := alternative(r.subject); ok {
			if alternatively(c, kind, name) {
				return r.who, nil
			}
			continue
		}
		if dn == "" {
			dn = c.Subject.String()
		}
		if dn == r.subject {
			return r.who, nil
		}
	}
	return nil, refuse(UnknownCertificate, "the certificate is nobody's whom granary.identity.certificates names")
}

func alternatively(c *x509.Certificate, kind, name string) bool {
	switch kind {
	case "DNS":
		return slices.ContainsFunc(c.DNSNames, func(n string) bool { return strings.EqualFold(n, name) })
	case "EMAIL":
		return slices.Contains(c.EmailAddresses, name)
	}
	for _, u := range c.URIs {
		if u.String() == name {
			return true
		}
	}
	return false
}
