package resource

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// pattern is a pattern of Like, taken apart. At each % a part begins that may lie anywhere behind the one before.
type pattern struct {
	parts []string // characters; any stands for one that may be any
	// plain says that no part has any in it, so that parts can be looked for as texts.
	plain bool
}

// any stands in a part for any character. It is no character that a valid text can have.
const any1 = '\xff'

// parsePattern takes a pattern apart.
func parsePattern(s string) (*pattern, error) {
	if len(s) > maxPattern {
		return nil, fmt.Errorf("pattern has %d bytes, at most %d are possible", len(s), maxPattern)
	}
	if !utf8.ValidString(s) {
		return nil, errors.New("pattern is not UTF-8")
	}
	p := &pattern{plain: true}
	var part []byte
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '%':
			p.parts = append(p.parts, string(part))
			part = part[:0]
		case '_':
			part = append(part, any1)
			p.plain = false
		case '\\':
			if i++; i == len(s) {
				return nil, errors.New("pattern ends with a backslash")
			}
			part = append(part, s[i])
		default:
			part = append(part, c)
		}
	}
	p.parts = append(p.parts, string(part))
	return p, nil
}

// match says whether the pattern describes the whole of s.
func (p *pattern) match(s string) bool {
	first, last := p.parts[0], p.parts[len(p.parts)-1]
	if len(p.parts) == 1 {
		n := p.prefix(s, first)
		return n == len(s)
	}
	n := p.prefix(s, first)
	if n < 0 {
		return false
	}
	s = s[n:]
	for _, part := range p.parts[1 : len(p.parts)-1] {
		if n = p.find(s, part); n < 0 {
			return false
		}
		s = s[n:]
	}
	return p.suffix(s, last)
}

// prefix is how many bytes of s the part describes at its front, -1 if it does not.
func (p *pattern) prefix(s, part string) int {
	if p.plain {
		if !strings.HasPrefix(s, part) {
			return -1
		}
		return len(part)
	}
	at := 0
	for i := 0; i < len(part); i++ {
		switch {
		case at == len(s):
			return -1
		case part[i] == any1:
			_, n := utf8.DecodeRuneInString(s[at:])
			at += n
		case part[i] != s[at]:
			return -1
		default:
			at++
		}
	}
	return at
}

// find is the end of the first place in s that the part describes, -1 if there is none.
func (p *pattern) find(s, part string) int {
	if p.plain {
		if i := strings.Index(s, part); i >= 0 {
			return i + len(part)
		}
		return -1
	}
	for i := 0; ; {
		if n := p.prefix(s[i:], part); n >= 0 {
			return i + n
		}
		if i == len(s) {
			return -1
		}
		_, n := utf8.DecodeRuneInString(s[i:])
		i += n
	}
}

// suffix says whether the part describes the end of s.
func (p *pattern) suffix(s, part string) bool {
	if p.plain {
		return strings.HasSuffix(s, part)
	}
	// As many characters as the part has, from behind.
	chars := 0
	for i := 0; i < len(part); {
		if chars++; part[i] == any1 {
			i++
			continue
		}
		_, n := utf8.DecodeRuneInString(part[i:])
		i += n
	}
	at := len(s)
	for ; chars > 0; chars-- {
		if at == 0 {
			return false
		}
		_, n := utf8.DecodeLastRuneInString(s[:at])
		at -= n
	}
	return p.prefix(s[at:], part) == len(s)-at
}
