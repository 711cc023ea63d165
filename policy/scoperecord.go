package policy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"granary/tenant"
)

// A scope's record is
//
//	version   byte, 1; 2 if it was seeded or a policy has an order
//	scope     uvarint; 0 is the service, else the tenant's number
//	revision  uvarint
//	flags     byte, in version 2 only; bit 0: it was seeded
//	policies  uvarint count, then each as in version 2 of a set's record; in version 2 also its order (uvarint count, then a
//	          byte for each tier)
//	rules     uvarint count, then for each: flags (byte; bit 0: glob, bit 1: the name is not the pattern), pattern,
//	          name if bit 1, policy (its name, which need not be of this scope), dialects (uvarint count, then each)
//
// Policies and rules are in the order of their names, and nothing follows the last rule. A scope that holds nothing any more
// has a record too: the older ones must not come back.

const (
	scopePlain   = 1 // a program that knows neither seeds nor orders reads it
	scopeOrdered = 2

	flagSeeded = 1 << 0
)

func appendScope(dst []byte, o *owned) []byte {
	version := byte(scopePlain)
	if o.seeded || slices.ContainsFunc(o.policies, func(p Policy) bool { return len(p.Order) > 0 }) {
		version = scopeOrdered
	}
	dst = append(dst, version)
	dst = binary.AppendUvarint(dst, uint64(o.scope))
	dst = binary.AppendUvarint(dst, o.revision)
	if version >= scopeOrdered {
		var flags byte
		if o.seeded {
			flags |= flagSeeded
		}
		dst = append(dst, flags)
	}
	dst = binary.AppendUvarint(dst, uint64(len(o.policies)))
	for _, p := range o.policies {
		dst = appendPolicy(dst, p, recordTiers)
		if version >= scopeOrdered {
			dst = appendText(dst, string(p.Order))
		}
	}
	dst = binary.AppendUvarint(dst, uint64(len(o.rules)))
	for _, r := range o.rules {
		dst = appendRuleHead(dst, r)
		dst = appendText(dst, r.Policy)
		dst = appendDialects(dst, r)
	}
	return dst
}

func appendRuleHead(dst []byte, r Rule) []byte {
	flags := byte(0)
	if r.Glob {
		flags |= ruleGlob
	}
	if r.Name != r.Pattern {
		flags |= ruleNamed
	}
	dst = append(dst, flags)
	dst = appendText(dst, r.Pattern)
	if r.Name != r.Pattern {
		dst = appendText(dst, r.Name)
	}
	return dst
}

func appendDialects(dst []byte, r Rule) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(r.Dialects)))
	for _, d := range r.Dialects {
		dst = appendText(dst, d)
	}
	return dst
}

func parseScope(rec []byte) (*owned, error) {
	if len(rec) == 0 {
		return nil, errors.New("record of a scope: empty")
	}
	version := rec[0]
	if version < scopePlain || version > scopeOrdered {
		return nil, fmt.Errorf("record of a scope: version %d, this program knows up to %d", version, scopeOrdered)
	}
	r := reader{b: rec[1:]}
	scope := r.uvarint()
	if scope > math.MaxUint32 {
		r.fail("number of the tenant")
	}
	revision := r.uvarint()
	var flags byte
	if version >= scopeOrdered {
		if flags = r.byte(); flags&^flagSeeded != 0 {
			r.fail("unknown flags")
		}
	}
	policies := make([]Policy, 0, r.count())
	for range cap(policies) {
		p := r.policy(recordTiers)
		if version >= scopeOrdered {
			if order := r.text(); order != "" {
				p.Order = []uint8(order)
			}
		}
		policies = append(policies, p)
	}
	n := r.count()
	rules := make([]Rule, 0, n)
	for range n {
		rule := r.ruleHead()
		rule.Policy = r.text()
		r.dialects(&rule)
		rules = append(rules, rule)
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
	o, err := newOwned(OfTenant(tenant.Num(scope)), revision, flags&flagSeeded != 0, policies, rules)
	if err != nil {
		return nil, fmt.Errorf("record of a scope: %w", err)
	}
	return o, nil
}
