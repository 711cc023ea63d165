package policy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// A set's record is
//
//	version   byte, 1; 2 if a policy has tiers
//	revision  uvarint
//	flags     byte; bit 0: open
//	policies  uvarint count, then for each: name, raw length (varint, ns), raw clock (byte), grid (uvarint, ns),
//	          duplicate rule (byte), across (byte); in version 2 also back window (uvarint), tiers (uvarint count, then for
//	          each granularity (uvarint, ns) and points (uvarint)), methods (uvarint count, then each as uvarint)
//	rules     uvarint count, then for each: flags (byte; bit 0: glob, bit 1: the name is not the pattern), pattern,
//	          name if bit 1, policy (uvarint, index into the policies), dialects (uvarint count, then each)
//
// A text is a uvarint length and its bytes. Policies and rules are in the order of their names, and nothing follows the
// last rule. A rule of a typical metric takes some 25 bytes, so that a record of 512 KiB holds 20,000 of them.

const (
	recordPlain = 1 // no policy has tiers; a program that knows none reads it
	recordTiers = 2
)

const (
	flagOpen = 1 << 0

	ruleGlob  = 1 << 0
	ruleNamed = 1 << 1
)

// AppendRecord appends the journal record of the set to dst.
func AppendRecord(dst []byte, s *Set) []byte {
	version := byte(recordPlain)
	if slices.ContainsFunc(s.policies, func(p Policy) bool { return len(p.Tiers) > 0 }) {
		version = recordTiers
	}
	dst = append(dst, version)
	dst = binary.AppendUvarint(dst, s.revision)
	var flags byte
	if s.open {
		flags |= flagOpen
	}
	dst = append(dst, flags)
	dst = binary.AppendUvarint(dst, uint64(len(s.policies)))
	for _, p := range s.policies {
		dst = appendPolicy(dst, p, version)
	}
	dst = binary.AppendUvarint(dst, uint64(len(s.rules)))
	for _, r := range s.rules {
		dst = appendRuleHead(dst, r)
		dst = binary.AppendUvarint(dst, uint64(s.byName[r.Policy]))
		dst = appendDialects(dst, r)
	}
	return dst
}

func appendPolicy(dst []byte, p Policy, version byte) []byte {
	dst = appendText(dst, p.Name)
	dst = binary.AppendVarint(dst, int64(p.Raw.Length))
	dst = append(dst, byte(p.Raw.Clock))
	dst = binary.AppendUvarint(dst, uint64(p.Grid))
	dst = append(dst, byte(p.Duplicates), byte(p.Across))
	if version < recordTiers {
		return dst
	}
	dst = binary.AppendUvarint(dst, uint64(p.BackWindow))
	dst = binary.AppendUvarint(dst, uint64(len(p.Tiers)))
	for _, t := range p.Tiers {
		dst = binary.AppendUvarint(dst, uint64(t.Granularity))
		dst = binary.AppendUvarint(dst, uint64(t.Points))
	}
	dst = binary.AppendUvarint(dst, uint64(len(p.Methods)))
	for _, m := range p.Methods {
		dst = binary.AppendUvarint(dst, uint64(m))
	}
	return dst
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// ParseRecord reads a record of AppendRecord. It keeps nothing of rec.
func ParseRecord(rec []byte) (*Set, error) {
	if len(rec) == 0 {
		return nil, errors.New("policy record: empty")
	}
	version := rec[0]
	if version < recordPlain || version > recordTiers {
		return nil, fmt.Errorf("policy record: version %d, this program knows up to %d", version, recordTiers)
	}
	r := reader{b: rec[1:]}
	revision := r.uvarint()
	flags := r.byte()
	c := Content{Open: flags&flagOpen != 0}
	if flags&^flagOpen != 0 {
		r.fail("unknown flags")
	}
	// Every policy and rule takes several bytes, so a count is believed no further than the bytes that are left.
	n := r.count()
	c.Policies = make([]Policy, 0, n)
	for range n {
		c.Policies = append(c.Policies, r.policy(version))
	}
	n = r.count()
	c.Rules = make([]Rule, 0, n)
	for range n {
		c.Rules = append(c.Rules, r.rule(c.Policies))
		if r.err != nil {
			break
		}
	}
	if r.err == nil && len(r.b) > 0 {
		r.fail("bytes behind the last rule")
	}
	if r.err != nil {
		return nil, r.err
	}
	s, err := NewSet(c)
	if err != nil {
		return nil, fmt.Errorf("policy record: %w", err)
	}
	if len(s.policies) != len(c.Policies) {
		return nil, fmt.Errorf("policy record: no policy %q", DefaultName)
	}
	s.revision = revision
	return s, nil
}

func (r *reader) policy(version byte) Policy {
	p := Policy{
		Name:       r.text(),
		Raw:        Retention{Length: time.Duration(r.varint()), Clock: Clock(r.byte())},
		Grid:       time.Duration(r.uvarint()),
		Duplicates: DuplicateRule(r.byte()),
		Across:     Method(r.byte()),
	}
	if version < recordTiers {
		return p
	}
	if w := r.uvarint(); w <= math.MaxInt {
		p.BackWindow = int(w)
	} else {
		r.fail("back window")
	}
	for range r.count() {
		p.Tiers = append(p.Tiers, Tier{time.Duration(r.uvarint()), int64(r.uvarint())})
	}
	for range r.count() {
		m := r.uvarint()
		if m > math.MaxUint32 {
			r.fail("method")
		}
		p.Methods = append(p.Methods, Method(m))
	}
	return p
}

func (r *reader) rule(policies []Policy) Rule {
	rule := r.ruleHead()
	if i := r.uvarint(); i < uint64(len(policies)) {
		rule.Policy = policies[i].Name
	} else {
		r.fail("a rule names a policy that is not there")
	}
	r.dialects(&rule)
	return rule
}

func (r *reader) ruleHead() Rule {
	flags := r.byte()
	if flags&^(ruleGlob|ruleNamed) != 0 {
		r.fail("unknown flags of a rule")
	}
	rule := Rule{Pattern: r.text(), Glob: flags&ruleGlob != 0}
	rule.Name = rule.Pattern
	if flags&ruleNamed != 0 {
		rule.Name = r.text()
	}
	return rule
}

func (r *reader) dialects(rule *Rule) {
	for range r.count() {
		rule.Dialects = append(rule.Dialects, r.text())
	}
}

// reader takes a record apart. After the first fault every read gives a zero value, and err says what was wrong.
type reader struct {
	b   []byte
	err error
}

func (r *reader) fail(what string) {
	if r.err == nil {
		r.err = fmt.Errorf("policy record: %s", what)
	}
	r.b = nil
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.fail("cut short")
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail("cut short or a number too large")
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail("cut short or a number too large")
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) count() int {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.fail("a count larger than the record")
		return 0
	}
	return int(n)
}

func (r *reader) text() string {
	n := r.count()
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}
