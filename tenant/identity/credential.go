package identity

import "crypto/x509"

// CredentialKind says in what form somebody shows who they are.
type CredentialKind uint8

// The kinds of credentials.
const (
	NoCredential      CredentialKind = iota
	Bearer                           // a text that is all there is: a JWT, an API key or a token of the configuration
	Password                         // a name and a password, or a name and a text as for Bearer
	ClientCertificate                // a certificate that TLS has verified
	ProxyHeaders                     // what a trusted proxy says of its client
)

// Credential is what a request shows. The fields that do not belong to its kind are empty.
type Credential struct {
	Kind     CredentialKind
	Token    string // Bearer
	User     string // Password, ProxyHeaders
	Password string // Password
	// Certificate has been verified up to an authority that is trusted, and the client has shown that it has the key.
	Certificate *x509.Certificate
	// Roles and Tenants are the values of the header fields of a proxy; several are joined by commas. HasRoles and HasTenants
	// say whether there were any.
	Roles, Tenants       string
	HasRoles, HasTenants bool
}

// String says what kind it is and nothing that is secret, so that a credential can stray into a log.
func (c Credential) String() string {
	return [...]string{"no credential", "a token", "a name and a password", "a certificate", "header fields of a proxy"}[min(c.Kind, ProxyHeaders)]
}

// GoString hides the text.
func (c Credential) GoString() string { return c.String() }
