package metricdef

import (
	"strings"

	"granary/tenant"
)

// compareKey compares the first bytes of a definition's key text with those of another, part by part and without making it.
//
// REQUIRES: r.mu.
func (r *Registry) compareKey(d *packed, other string) int {
	x := r.tenants[tenant.Num(d.tenant)]
	k := keyComparison{other: other, left: maxPlace}
	k.text(r.symbols.text(x.pairs[d.name].value), namePart)
	if d.identity > 0 {
		lead := "{"
		for _, id := range r.words.at(d.tags, d.run())[2 : 2+int(d.identity)] {
			p := &x.pairs[id]
			k.bytes(lead)
			k.text(r.symbols.text(p.name), tagPart)
			k.bytes(`="`)
			k.text(r.symbols.text(p.value), valuePart)
			k.bytes(`"`)
			if k.result != 0 {
				return k.result
			}
			lead = ","
		}
		k.bytes("}")
	}
	if k.result == 0 && len(k.other) > 0 {
		return -1
	}
	return k.result
}

// keyComparison compares a text that comes in parts with another.
type keyComparison struct {
	other  string // what is left of it
	left   int    // bytes of the parts that still count
	result int    // of the parts so far
}

// text compares the next part as AppendKey writes it.
func (k *keyComparison) text(s string, kind part) {
	switch {
	case k.result != 0:
	case kind.plain(s):
		k.bytes(s)
	default:
		k.bytes(string(kind.append(nil, s)))
	}
}

func (k *keyComparison) bytes(s string) {
	if k.result != 0 {
		return
	}
	s = s[:min(len(s), k.left)]
	n := min(len(s), len(k.other))
	if k.result = strings.Compare(s[:n], k.other[:n]); k.result == 0 && n < len(s) {
		k.result = 1
	}
	k.other, k.left = k.other[n:], k.left-n
}
