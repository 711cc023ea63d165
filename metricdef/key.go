package metricdef

import (
	"crypto/sha1"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"granary/tenant"
)

// Key text is "name" or name{tag="value",…}, tags sorted by name. So that two identities never share a key, a backslash
// escapes whatever would end the part it stands in: "{" in a name, "=" in a tag name, the quote in a value, and in all of
// them the backslash itself and the newline, which is written \n. A name and tags without these characters read as
// they are.
type part uint8

const (
	namePart part = 1 << iota
	tagPart
	valuePart
)

// special says in which parts a byte is escaped.
var special = [256]part{'\\': namePart | tagPart | valuePart, '\n': namePart | tagPart | valuePart, '{': namePart, '=': tagPart, '"': valuePart}

func (p part) special(c byte) bool { return special[c]&p != 0 }

// plain says whether a text reads as it is. It looks at every byte, since the texts are short and hardly ever special.
func (p part) plain(s string) bool {
	var seen part
	for i := range len(s) {
		seen |= special[s[i]]
	}
	return seen&p == 0
}

// AppendKey appends the key text of a name and its identity tags, which must be sorted by name.
func AppendKey(dst []byte, name string, tags []Tag) []byte {
	dst = namePart.append(dst, name)
	if len(tags) == 0 {
		return dst
	}
	dst = append(dst, '{')
	for i := range tags {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = tagPart.append(dst, tags[i].Name)
		dst = append(dst, '=', '"')
		dst = valuePart.append(dst, tags[i].Value)
		dst = append(dst, '"')
	}
	return append(dst, '}')
}

func (p part) append(dst []byte, s string) []byte {
	if p.plain(s) {
		return append(dst, s...)
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case p.special(c):
			dst = append(dst, '\\', c)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// ParseKey takes a key text apart. It accepts exactly what AppendKey writes for a valid identity, and says at which
// byte anything else goes wrong.
func ParseKey(key string) (name string, tags []Tag, err error) {
	p := keyParser{in: key}
	name, end, err := p.read(namePart, '{')
	if err != nil {
		return "", nil, err
	}
	if !end {
		return name, nil, checkIdentity(name, nil)
	}
	for {
		var t Tag
		if t.Name, end, err = p.read(tagPart, '='); err != nil {
			return "", nil, err
		}
		if !end || !p.take('"') {
			return "", nil, p.fail(`expected ="value"`)
		}
		if t.Value, end, err = p.read(valuePart, '"'); err != nil {
			return "", nil, err
		}
		if !end {
			return "", nil, p.fail("value is not closed")
		}
		if tags = append(tags, t); len(tags) > MaxTags {
			return "", nil, p.fail(fmt.Sprintf("more than %d tags", MaxTags))
		}
		if p.take(',') {
			continue
		}
		if !p.take('}') || p.at != len(p.in) {
			return "", nil, p.fail("expected a comma or the closing brace at the end")
		}
		return name, tags, checkIdentity(name, tags)
	}
}

type keyParser struct {
	in string
	at int
}

func (p *keyParser) take(c byte) bool {
	if p.at < len(p.in) && p.in[p.at] == c {
		p.at++
		return true
	}
	return false
}

// read reads a part up to the unescaped byte end, which it takes, or to the end of the key.
func (p *keyParser) read(kind part, end byte) (text string, found bool, err error) {
	start := p.at
	for ; p.at < len(p.in); p.at++ {
		if c := p.in[p.at]; c == end {
			p.at++
			return p.in[start : p.at-1], true, nil
		} else if c == '\\' || c == '\n' {
			return p.readEscaped(kind, end, start)
		}
	}
	return p.in[start:], false, nil
}

func (p *keyParser) readEscaped(kind part, end byte, start int) (text string, found bool, err error) {
	b := []byte(p.in[start:p.at])
	for p.at < len(p.in) {
		c := p.in[p.at]
		p.at++
		switch {
		case c == end:
			return string(b), true, nil
		case c == '\n':
			return "", false, p.fail("newline that is not escaped")
		case c != '\\':
			b = append(b, c)
		case p.take('n'):
			b = append(b, '\n')
		case p.at < len(p.in) && p.in[p.at] != '\n' && kind.special(p.in[p.at]):
			b = append(b, p.in[p.at])
			p.at++
		default:
			return "", false, p.fail("backslash before a character that needs none")
		}
	}
	return string(b), false, nil
}

func (p *keyParser) fail(reason string) error {
	return &InvalidError{Field: "key", Value: p.in, Err: fmt.Errorf("at byte %d: %s", p.at, reason)}
}

func checkIdentity(name string, tags []Tag) error {
	if err := checkName(name); err != nil {
		return err
	}
	return checkTags("identity tags", tags)
}

// space is the name space of Granary's version 5 UUIDs. It must never change: ids are kept by clients.
var space = uuid.MustParse("6d1fc1be-4c0a-5e7b-9c55-1d6f0e6f8a2b")

// NewID returns the id of a definition that has no id of its own: the version 5 UUID (RFC 9562, SHA-1) of tenant,
// type and key text in Granary's name space, so that two nodes agree without asking.
func NewID(t tenant.ID, typ Type, key string) uuid.UUID { return newID(t, typ, []byte(key)) }

func newID(t tenant.ID, typ Type, key []byte) uuid.UUID {
	data := make([]byte, 0, 512)
	data = append(data, space[:]...)
	data = append(data, t...)
	data = append(data, 0, byte(typ), 0)
	sum := sha1.Sum(append(data, key...))
	id := uuid.UUID(sum[:16])
	id[6] = id[6]&0x0f | 0x50 // version 5
	id[8] = id[8]&0x3f | 0x80 // variant of RFC 9562
	return id
}

var errReserved = errors.New("the name is reserved for the name of the metric")
