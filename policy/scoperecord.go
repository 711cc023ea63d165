package policy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"granary/tenant"
)

// A scope's record is
//
//	version   byte, 1
//	scope     uvarint; 0 is the service, else the tenant's number
//	revision  uvarint
//	policies  uvarint count, then each as in version 2 of a set's record
//	rules     uvarint count, then for each: flags (byte; bit 0: glob, bit 1: the name is not the pattern), pattern,
//	          name if bit 1, policy (its name, which need not be of this scope), dialects (uvarint count, then each)
//
// Policies and rules are in the order of their names, and nothing follows the last rule. A scope that holds nothing any more
// has a record too: the older ones must not come back.

const scopeVersion = 1

func appendScope(dst []byte, o *owned) []byte {
	dst = append(dst, scopeVersion)
	dst = binary.AppendUvarint(dst, uint64(o.scope))
	dst = binary.AppendUvarint(dst, o.revision)
	dst = binary.AppendUvarint(dst, uint64(len(o.policies)))
	for _, p := range o.policies {
		dst = appendPolicy(dst, p, recordTiers)
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
	if rec[0] != scopeVersion {
		return nil, fmt.Errorf("record of a scope: version %d, this program knows %d", rec[0], scopeVersion)
	}
	r := reader{b: rec[1:]}
	scope := r.uvarint()
	if scope > math.MaxUint32 {
		r.fail("number of the tenant")
	}
	revision := r.uvarint()
	policies := make([]Policy, 0, r.count())
	for range cap(policies) {
		policies = append(policies, r.policy(recordTiers))
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
	o, err := newOwned(OfTenant(tenant.Num(scope)), revision, policies, rules)
	if err != nil {
		return nil, fmt.Errorf("record of a scope: %w", err)
	}
	return o, nil
}
