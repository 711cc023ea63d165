package identity

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"granary/tenant"
)

// The record of an API key is
//
//	version  byte, 1
//	length   uvarint, of the body
//	body     id (text), fields to the end: number (uvarint), text; numbers ascend
//
// where a text is its length (uvarint) and its bytes. A field that this program does not know is kept and written again.
const keyVersion = 1

// The fields of a record. Numbers are never reused. Times are varints of nanoseconds since 1970.
const (
	fieldDigest  = 1 // SHA-256 of the secret
	fieldName    = 2
	fieldSubject = 3
	fieldAll     = 4 // roles in all tenants, uvarint
	fieldGrants  = 5 // one behind the other: tenant (text), roles (uvarint)
	fieldCreated = 6
	fieldExpires = 7
	fieldCreator = 8
	fieldRevoked = 9
	fieldUsed    = 10 // day since 1970, uvarint; in the catalogue only
	fieldRemoved = 11 // empty: the key is forgotten
)

// Bounds of a key.
const (
	maxKeyName   = 128
	maxKeyGrants = 256
)

// KeyRecord is an API key as it is kept. The secret is not part of it.
type KeyRecord struct {
	ID      string
	Digest  [32]byte // SHA-256 of the secret
	Name    string   // what it is for, in words
	Subject string   // who makes requests with it
	Grants  Grants
	Created time.Time
	Expires time.Time // zero: never
	Creator string    // who made it
	Revoked time.Time // zero: it is in force
	Used    time.Time // the day of its last use; zero: not known

	removed bool
	more    string // fields that are not known
}

// KeyError refuses a key's record, or its change.
type KeyError struct {
	Field string // the member at fault: "name"; "" for none
	Text  string
	code  keyCode
}

type keyCode uint8

const (
	keyInvalid keyCode = iota
	keyUnknown
	keyEnded
	keyTooMany
)

func (e *KeyError) Error() string {
	if e.Field != "" {
		return e.Field + " of the key: " + e.Text
	}
	return e.Text
}

// Kind is that of its code.
func (e *KeyError) Kind() string {
	return [...]string{"invalid", "not found", "conflict", "over limit"}[e.code]
}

// Code is the stable code of the error.
func (e *KeyError) Code() string {
	switch e.code {
	case keyUnknown:
		return "key-not-found"
	case keyEnded:
		return "key-ended"
	case keyTooMany:
		return "key-limit"
	default:
		return "key-invalid"
	}
}

// Lasting says that time alone does not help: there are too many keys until some end.
func (e *KeyError) Lasting() bool { return e.code == keyTooMany }

// Problem says where the fault is.
func (e *KeyError) Problem() map[string]any {
	if e.Field == "" {
		return nil
	}
	return map[string]any{"path": "/" + e.Field}
}

// UnknownKey says that there is no key of that id.
func UnknownKey() *KeyError { return &KeyError{Text: "there is no key of that id", code: keyUnknown} }

// Validate says whether the record can be kept. The error is a *KeyError.
func (r *KeyRecord) Validate() error {
	switch {
	case !IsKeyID(r.ID):
		return &KeyError{Field: "id", Text: "expected 12 letters and digits"}
	case len(r.Name) > maxKeyName || !printable(r.Name):
		return &KeyError{Field: "name", Text: fmt.Sprintf("expected at most %d bytes that can be printed", maxKeyName)}
	case r.Subject == "" || len(r.Subject) > maxSubject || !printable(r.Subject):
		return &KeyError{Field: "subject", Text: fmt.Sprintf("expected 1 to %d bytes that can be printed", maxSubject)}
	case len(r.Creator) > maxSubject || !utf8.ValidString(r.Creator):
		return &KeyError{Field: "creator", Text: fmt.Sprintf("expected at most %d bytes of UTF-8", maxSubject)}
	case len(r.Grants.Items) > maxKeyGrants:
		return &KeyError{Field: "tenants", Text: fmt.Sprintf("expected at most %d, or \"*\"", maxKeyGrants)}
	case !r.Created.IsZero() && !inRange(r.Created), !r.Expires.IsZero() && !inRange(r.Expires), !r.Revoked.IsZero() && !inRange(r.Revoked):
		return &KeyError{Field: "expires", Text: "expected a time between 1970 and 2262"}
	}
	for _, g := range r.Grants.Items {
		if _, err := tenant.Parse(string(g.Tenant)); err != nil {
			return &KeyError{Field: "tenants", Text: err.Error()}
		}
		if g.Roles == 0 || g.Roles&^(Reader|Writer|Admin) != 0 {
			return &KeyError{Field: "roles", Text: "expected reader, writer or admin in a single tenant"}
		}
	}
	if r.Grants.All&^(Reader|Writer|Admin|Operator) != 0 {
		return &KeyError{Field: "roles", Text: "expected reader, writer, admin or operator"}
	}
	return nil
}

func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(c rune) bool { return !unicode.IsPrint(c) })
}

// inRange says whether a time can be kept in nanoseconds. Zero stands for none in records, so 1970 itself is not one.
func inRange(t time.Time) bool {
	return t.Unix() >= 0 && t.Unix() < math.MaxInt64/1_000_000_000 && t.UnixNano() > 0
}

// Drop takes a tenant out, if the key has roles in it. A key that is left with none is revoked.
func (r *KeyRecord) Drop(id tenant.ID, now time.Time) bool {
	had := len(r.Grants.Items)
	items := slices.DeleteFunc(slices.Clone(r.Grants.Items), func(g Grant) bool { return g.Tenant == id })
	if len(items) == had {
		return false
	}
	if r.Grants.Items = items; len(items) == 0 && r.Grants.All == 0 && r.Revoked.IsZero() {
		r.Revoked = now
	}
	return true
}

// Reaches says whether the key has a role in a tenant.
func (r *KeyRecord) Reaches(id tenant.ID) bool {
	return r.Grants.All != 0 || slices.ContainsFunc(r.Grants.Items, func(g Grant) bool { return g.Tenant == id })
}

// AppendKey appends the record of a key.
func AppendKey(dst []byte, r *KeyRecord) []byte {
	b := appendText(make([]byte, 0, 256), r.ID)
	if !r.removed {
		b = appendField(b, fieldDigest, string(r.Digest[:]))
		b = appendField(b, fieldName, r.Name)
		b = appendField(b, fieldSubject, r.Subject)
		b = appendNumber(b, fieldAll, uint64(r.Grants.All))
		var list []byte
		for _, g := range r.Grants.Items {
			list = binary.AppendUvarint(appendText(list, string(g.Tenant)), uint64(g.Roles))
		}
		b = appendField(b, fieldGrants, string(list))
		b = appendTime(b, fieldCreated, r.Created)
		b = appendTime(b, fieldExpires, r.Expires)
		b = appendField(b, fieldCreator, r.Creator)
		b = appendTime(b, fieldRevoked, r.Revoked)
		if !r.Used.IsZero() {
			b = appendNumber(b, fieldUsed, uint64(dayOf(r.Used)))
		}
	} else {
		b = appendText(binary.AppendUvarint(b, fieldRemoved), "")
	}
	b = append(b, r.more...)
	dst = append(dst, keyVersion)
	dst = binary.AppendUvarint(dst, uint64(len(b)))
	return append(dst, b...)
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// appendField appends a field, nothing if it says nothing.
func appendField(b []byte, number uint64, text string) []byte {
	if text == "" {
		return b
	}
	return appendText(binary.AppendUvarint(b, number), text)
}

func appendNumber(b []byte, number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return appendField(b, number, string(binary.AppendUvarint(nil, v)))
}

func appendTime(b []byte, number uint64, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	return appendField(b, number, string(binary.AppendVarint(nil, t.UnixNano())))
}

const day = 24 * 60 * 60

// dayOf is the day of a time, since 1970.
func dayOf(t time.Time) int64 { return max(t.Unix()/day, 0) }

var errKeyCut = errors.New("key record: cut short")

// keyParser reads a record's body and remembers that it failed.
type keyParser struct {
	b   []byte
	err error
}

func (p *keyParser) fail(err error) {
	if p.err == nil {
		p.err = err
	}
	p.b = nil
}

func (p *keyParser) uvarint() uint64 {
	v, n := binary.Uvarint(p.b)
	if n <= 0 {
		p.fail(errKeyCut)
		return 0
	}
	p.b = p.b[n:]
	return v
}

func (p *keyParser) text() string {
	n := p.uvarint()
	if n > uint64(len(p.b)) {
		p.fail(errKeyCut)
		return ""
	}
	t := string(p.b[:n])
	p.b = p.b[n:]
	return t
}

func (p *keyParser) time() time.Time {
	v, n := binary.Varint(p.b)
	if n <= 0 {
		p.fail(errKeyCut)
		return time.Time{}
	}
	p.b = p.b[n:]
	return time.Unix(0, v).UTC()
}

func (p *keyParser) roles() Roles {
	v := p.uvarint()
	if v > math.MaxUint8 {
		p.fail(errors.New("key record: roles out of range"))
	}
	return Roles(v)
}

// parseKey reads the record at the front of rec and returns its length.
func parseKey(rec []byte) (int, KeyRecord, error) {
	if len(rec) == 0 {
		return 0, KeyRecord{}, errKeyCut
	}
	if rec[0] != keyVersion {
		return 0, KeyRecord{}, fmt.Errorf("key record: version %d, this program knows %d", rec[0], keyVersion)
	}
	size, n := binary.Uvarint(rec[1:])
	if n <= 0 || size > uint64(len(rec)-1-n) {
		return 0, KeyRecord{}, errKeyCut
	}
	end := 1 + n + int(size)
	p := keyParser{b: rec[1+n : end]}
	r := KeyRecord{ID: p.text()}
	p.fields(&r)
	if p.err != nil {
		return 0, KeyRecord{}, p.err
	}
	if r.removed {
		if !IsKeyID(r.ID) {
			return 0, KeyRecord{}, errors.New("key record: no id")
		}
		return end, r, nil
	}
	if err := r.Validate(); err != nil {
		return 0, KeyRecord{}, fmt.Errorf("key record: %w", err)
	}
	return end, r, nil
}

func (p *keyParser) fields(r *KeyRecord) {
	var last uint64
	var more []byte
	for len(p.b) > 0 && p.err == nil {
		start := p.b
		what := p.uvarint()
		body := p.text()
		if p.err == nil && what <= last {
			p.fail(errors.New("key record: fields out of order"))
		}
		if p.err != nil {
			return
		}
		last = what
		in := keyParser{b: []byte(body)}
		if !in.field(r, what, body) {
			more, in.b = append(more, start[:len(start)-len(p.b)]...), nil
		}
		if in.err != nil || len(in.b) > 0 {
			p.fail(fmt.Errorf("key record: field %d of %d bytes", what, len(body)))
		}
	}
	r.more = string(more)
}

// field reads one field; false for one that is not known.
func (p *keyParser) field(r *KeyRecord, what uint64, body string) bool {
	switch what {
	case fieldDigest:
		if len(body) != len(r.Digest) {
			p.fail(errKeyCut)
			return true
		}
		r.Digest, p.b = [32]byte(p.b), nil
	case fieldName:
		r.Name, p.b = body, nil
	case fieldSubject:
		r.Subject, p.b = body, nil
	case fieldAll:
		r.Grants.All = p.roles()
	case fieldGrants:
		for len(p.b) > 0 && p.err == nil && len(r.Grants.Items) <= maxKeyGrants {
			r.Grants.Items = append(r.Grants.Items, Grant{tenant.ID(p.text()), p.roles()})
		}
	case fieldCreated:
		r.Created = p.time()
	case fieldExpires:
		r.Expires = p.time()
	case fieldCreator:
		r.Creator, p.b = body, nil
	case fieldRevoked:
		r.Revoked = p.time()
	case fieldUsed:
		if n := p.uvarint(); n <= math.MaxInt32 {
			r.Used = time.Unix(int64(n)*day, 0).UTC()
		} else {
			p.fail(errors.New("key record: day out of range"))
		}
	case fieldRemoved:
		r.removed = true
	default:
		return false
	}
	return true
}
