package resource

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"strings"
)

// SortKey is one attribute that resources are sorted by.
type SortKey struct {
	Attribute string
	Desc      bool
	Nulls     Nulls
}

// Nulls says where resources stand whose attribute is null.
type Nulls uint8

const (
	NullsAsLarge Nulls = iota // behind all values if ascending, before them if descending
	NullsFirst
	NullsLast
)

// Order is the order that a search has in the end: the keys, or if there are none revision_start and started_at, and behind them those
// that make it unique, as far as they are not among them: id, and over the history revision.
func Order(keys []SortKey, history bool) []SortKey {
	if len(keys) == 0 {
		keys = []SortKey{{Attribute: "revision_start"}, {Attribute: "started_at"}}
	}
	keys = slices.Clip(keys)
	for _, name := range [...]string{"id", "revision"} {
		if name == "revision" && !history || slices.ContainsFunc(keys, func(k SortKey) bool { return k.Attribute == name }) {
			continue
		}
		keys = append(keys, SortKey{Attribute: name})
	}
	return keys
}

// CheckSort says whether resources of the type can be sorted so.
func (t *Type) CheckSort(keys []SortKey, history bool) error {
	for _, k := range keys {
		if _, ok := t.KindOf(k.Attribute, history); !ok || created(k.Attribute) || k.Attribute == "lifespan" {
			return &SortError{k.Attribute}
		}
	}
	return nil
}

// keyValue is the value of a sort key in a form that compares the same for all kinds: the numbers first, then the text. Of a text a is the
// front, which mostly decides.
type keyValue struct {
	null bool
	a, b uint64
	s    string
}

func (k *SortKey) compare(x, y *keyValue) int {
	if x.null || y.null {
		first := k.Nulls == NullsFirst || k.Nulls == NullsAsLarge && k.Desc
		switch {
		case x.null && y.null:
			return 0
		case x.null == first:
			return -1
		}
		return 1
	}
	var c int
	switch {
	case x.a < y.a:
		c = -1
	case x.a > y.a:
		c = 1
	case x.b != y.b:
		c = cmp.Compare(x.b, y.b)
	default:
		c = strings.Compare(x.s, y.s)
	}
	if k.Desc {
		return -c
	}
	return c
}

// ordering compares rows.
type ordering struct {
	keys []SortKey
	get  []func(*block, int) keyValue
	// quick is the first number of the first key, where that is never null; nil otherwise. It decides nearly always.
	quick func(*block, int) uint64
}

// tenantKey is the last key of every order: ids are unique within a tenant.
const tenantKey = "tenant"

// newOrdering makes the order of rows of a type; keys have been checked.
func newOrdering(keys []SortKey, t *typeState) *ordering {
	o := &ordering{keys: append(slices.Clone(keys), SortKey{Attribute: tenantKey})}
	for _, k := range o.keys {
		o.get = append(o.get, getter(k.Attribute, t))
	}
	switch o.keys[0].Attribute {
	case "revision_start":
		o.quick = func(b *block, i int) uint64 { return timeNumber(b.revStart[i]) }
	case "started_at":
		o.quick = func(b *block, i int) uint64 { return timeNumber(b.started[i]) }
	case "id":
		o.quick = func(b *block, i int) uint64 { return binary.BigEndian.Uint64(b.id[i][:8]) }
	}
	return o
}

// timeNumber is a time as a number that compares as times do.
func timeNumber(t int64) uint64 { return uint64(t) ^ 1<<63 }

func getter(attribute string, t *typeState) func(*block, int) keyValue {
	switch attribute {
	case tenantKey:
		return func(b *block, _ int) keyValue { return keyValue{a: uint64(b.t.tenant)} }
	case "id":
		return func(b *block, i int) keyValue {
			id := &b.id[i]
			return keyValue{a: binary.BigEndian.Uint64(id[:8]), b: binary.BigEndian.Uint64(id[8:])}
		}
	}
	kind, _ := t.KindOf(attribute, true)
	at := t.index(attribute)
	switch kind {
	case String, UUID:
		get := textOf(attribute, at)
		return func(b *block, i int) keyValue {
			s, ok := get(b, i)
			return keyValue{null: !ok, a: front(s), s: s}
		}
	case Number, Bool:
		get := numbers(attribute, at, kind)
		return func(b *block, i int) keyValue {
			v := get(b, i)
			if math.IsNaN(v) {
				return keyValue{null: true}
			}
			bits := math.Float64bits(v + 0) // -0 is 0
			if bits>>63 != 0 {
				return keyValue{a: ^bits}
			}
			return keyValue{a: bits | 1<<63}
		}
	}
	get := times(attribute, at)
	return func(b *block, i int) keyValue {
		v := get(b, i)
		return keyValue{null: v == noTime, a: timeNumber(v)}
	}
}

// front is the first eight bytes of a text as a number that compares as they do. No text has the byte 0, which stands behind shorter ones.
func front(s string) (n uint64) {
	if len(s) >= 8 {
		return binary.BigEndian.Uint64([]byte(s[:8]))
	}
	for i := range len(s) {
		n |= uint64(s[i]) << (56 - 8*i)
	}
	return n
}

// appendOf appends the values of all keys of a row.
func (o *ordering) appendOf(list []keyValue, b *block, i int) []keyValue {
	for _, get := range o.get {
		list = append(list, get(b, i))
	}
	return list
}

// row compares a row with values, one key after the other.
func (o *ordering) row(b *block, i int, with []keyValue) int {
	if o.quick != nil {
		if a := o.quick(b, i); a != with[0].a {
			if (a < with[0].a) != o.keys[0].Desc {
				return -1
			}
			return 1
		}
	}
	for k, get := range o.get {
		v := get(b, i)
		if c := o.keys[k].compare(&v, &with[k]); c != 0 {
			return c
		}
	}
	return 0
}

func (o *ordering) compare(x, y []keyValue) int {
	for k := range o.keys {
		if c := o.keys[k].compare(&x[k], &y[k]); c != 0 {
			return c
		}
	}
	return 0
}
