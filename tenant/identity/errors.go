package identity

// Fault says why a credential is refused.
type Fault uint8

// The faults.
const (
	Missing            Fault = iota // nothing was shown that any source could judge
	Wrong                           // name and password, key or token are nobody's
	Invalid                         // a token that is no good: form, algorithm, key, signature, claims
	TooLarge                        // a token that is not even looked at
	Expired                         // it was good once
	NotYet                          // it will be good later
	WrongIssuer                     // nobody who is trusted has made the token
	WrongAudience                   // the token is for another service
	KeyRevoked                      // an API key that was taken back
	UnknownCertificate              // a certificate that the configuration does not name
	Busy                            // too many passwords are being checked
)

// Error refuses a credential. Its text may be shown to who came with it: it never quotes the credential.
type Error struct {
	Fault  Fault
	Reason string // what is wrong, in words
}

func (e *Error) Error() string { return e.Reason }

// Kind is "forbidden", or "unavailable" for what may be tried again.
func (e *Error) Kind() string {
	if e.Fault == Busy {
		return "unavailable"
	}
	return "forbidden"
}

// Code is the stable code of the error.
func (e *Error) Code() string {
	switch e.Fault {
	case Missing:
		return "credentials-missing"
	case Invalid:
		return "token-invalid"
	case TooLarge:
		return "token-too-large"
	case Expired:
		return "token-expired"
	case NotYet:
		return "token-not-yet"
	case WrongIssuer:
		return "issuer-unknown"
	case WrongAudience:
		return "audience-wrong"
	case KeyRevoked:
		return "key-revoked"
	case UnknownCertificate:
		return "certificate-unknown"
	case Busy:
		return "passwords-in-work"
	default:
		return "credentials-wrong"
	}
}

// Guess says whether somebody could be guessing: what was good once, or is good elsewhere, is no guess.
func (e *Error) Guess() bool {
	switch e.Fault {
	case Wrong, Invalid, TooLarge, WrongIssuer:
		return true
	default:
		return false
	}
}

func refuse(f Fault, reason string) *Error { return &Error{f, reason} }
