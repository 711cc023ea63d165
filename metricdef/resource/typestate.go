package resource

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// typeState is a type with what is needed to read records of resources that were written before it changed. It is immutable.
//
// A change of a type touches the records of none of its resources. The type has a mark instead, which grows with each change and stands in
// the records of resources. An attribute remembers at which mark it came: values that older records have under its name belong to
// another attribute, which has gone. And it remembers at which mark resources were last given a value, and which: an older
// record without one has that.
type typeState struct {
	Type
	mark  uint64
	since []uint64 // by attribute: the mark at which it came
	fills []fill   // by attribute
	// guessed says that the type is lost, and made up from the values that its resources have.
	guessed bool
}

// fill is the value that resources without one got; mark 0: there is none.
type fill struct {
	mark  uint64
	value Value
}

var generic = &typeState{Type: Type{Name: Generic}}

// settle makes the values of a record, written at a mark, those that its resource has now. Values that the type has no attribute for are
// left out.
func (t *typeState) settle(values map[string]Value, mark uint64) map[string]Value {
	var list map[string]Value
	for i := range t.Attributes {
		a := &t.Attributes[i]
		v, ok := values[a.Name]
		if ok = ok && v.Kind == a.Kind && mark >= t.since[i]; !ok {
			if v = t.fills[i].value; t.fills[i].mark <= mark {
				continue
			}
		}
		if list == nil {
			list = make(map[string]Value, len(t.Attributes))
		}
		list[a.Name] = v
	}
	return list
}

// guess is the type with an attribute for each of the values that it lacks.
func (t *typeState) guess(values map[string]Value, mark uint64) *typeState {
	n := t
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if n.Attribute(name) != nil || len(n.Attributes) == MaxAttributes {
			continue
		}
		if n == t {
			n = t.clone()
		}
		a := Attribute{Name: name, Kind: values[name].Kind}
		if a.Kind == String {
			a.MaxLength = MaxLength
		}
		i, _ := slices.BinarySearchFunc(n.Attributes, name, func(a Attribute, name string) int { return strings.Compare(a.Name, name) })
		n.Attributes = slices.Insert(n.Attributes, i, a)
		n.since, n.fills = slices.Insert(n.since, i, 0), slices.Insert(n.fills, i, fill{})
	}
	if mark > n.mark {
		if n == t {
			n = t.clone()
		}
		n.mark = mark
	}
	return n
}

func (t *typeState) clone() *typeState {
	c := *t
	c.Type = t.Clone()
	c.since, c.fills = slices.Clone(t.since), slices.Clone(t.fills)
	return &c
}

// create is the state of a type that is new.
func create(t Type) *typeState {
	n := &typeState{Type: t.Clone(), mark: 1, since: make([]uint64, len(t.Attributes)), fills: make([]fill, len(t.Attributes))}
	for i := range n.since {
		n.since[i] = 1
	}
	return n
}

// change is the state of a type that was t and says next from now on, nil if nothing changes. Resources without a value of an
// attribute that fills names get that; an attribute that is required, and is new or was not, needs one.
func (t *typeState) change(next *Type, fills map[string]Value) (*typeState, error) {
	if next.Name != t.Name {
		return nil, &InvalidError{"resource type name", next.Name, fmt.Errorf("the type is named %s, which cannot change", t.Name)}
	}
	if t.Name == Generic {
		return nil, &InUseError{Type: Generic}
	}
	if err := next.Validate(); err != nil {
		return nil, err
	}
	for name := range fills {
		if next.Attribute(name) == nil {
			return nil, &FillError{name, errors.New("the type has no such attribute")}
		}
	}
	n := create(*next)
	n.Created, n.mark = t.Created, t.mark+1
	same := len(fills) == 0 && len(next.Attributes) == len(t.Attributes)
	for i := range n.Attributes {
		a := &n.Attributes[i]
		k := t.index(a.Name)
		required := a.Required
		if k < 0 {
			n.since[i], same = n.mark, false
		} else {
			was := &t.Attributes[k]
			if was.Kind != a.Kind {
				return nil, &KindChangeError{t.Name, a.Name, was.Kind, a.Kind}
			}
			n.since[i], n.fills[i] = t.since[k], t.fills[k]
			required = required && !was.Required
			same = same && was.Equal(a)
		}
		v, ok := fills[a.Name]
		switch {
		case ok:
			if err := a.Check(v); err != nil {
				return nil, &FillError{a.Name, err}
			}
			n.fills[i] = fill{n.mark, v}
		case required:
			return nil, &FillError{a.Name, errors.New("a required attribute needs one")}
		}
	}
	if same {
		return nil, nil
	}
	return n, nil
}

// A record of a type, format 1:
//
//	u8      version = 1
//	u24     length of the body, little endian
//	body:
//	  text    name
//	  u8      flags: 1 the type has gone, and nothing follows
//	  i64     created, nanoseconds since 1970 UTC, little endian
//	  uvarint mark
//	  uvarint number of attributes, then of each, in ascending order of names:
//	    text    name
//	    u8      kind
//	    u8      flags: 1 required, 2 min, 4 max, 8 fill
//	    uvarint min_length, max_length
//	    f64     min, max, where the flags say so
//	    uvarint mark at which it came
//	    uvarint mark of the fill, u8 kind and value, where the flags say so
const (
	typeVersion = 1
	maxTypeBody = MaxName + 64 + MaxAttributes*(4*MaxAttributeName+4*MaxLength+96)

	flagGone     = 1
	flagRequired = 1
	flagMin      = 2
	flagMax      = 4
	flagFill     = 8
)

func appendTypeEnd(dst []byte, name string) []byte {
	start := len(dst)
	dst = appendText(append(dst, typeVersion, 0, 0, 0), name)
	return endRecord(append(dst, flagGone), start)
}

func (t *typeState) append(dst []byte) []byte {
	start := len(dst)
	dst = appendText(append(dst, typeVersion, 0, 0, 0), t.Name)
	dst = appendInt64(append(dst, 0), t.Created)
	dst = binary.AppendUvarint(dst, t.mark)
	dst = binary.AppendUvarint(dst, uint64(len(t.Attributes)))
	for i := range t.Attributes {
		a := &t.Attributes[i]
		flags := byte(0)
		if a.Required {
			flags |= flagRequired
		}
		if a.Min != nil {
			flags |= flagMin
		}
		if a.Max != nil {
			flags |= flagMax
		}
		if t.fills[i].mark != 0 {
			flags |= flagFill
		}
		dst = append(appendText(dst, a.Name), byte(a.Kind), flags)
		dst = binary.AppendUvarint(dst, uint64(a.MinLength))
		dst = binary.AppendUvarint(dst, uint64(a.MaxLength))
		for _, x := range [...]*float64{a.Min, a.Max} {
			if x != nil {
				dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(*x))
			}
		}
		dst = binary.AppendUvarint(dst, t.since[i])
		if t.fills[i].mark != 0 {
			dst = appendValue(binary.AppendUvarint(dst, t.fills[i].mark), t.fills[i].value)
		}
	}
	return endRecord(dst, start)
}

// parseType reads the record of a type at the front of b and returns its length. The state is nil if the type has gone.
func parseType(b []byte) (name string, t *typeState, n int, err error) {
	p := openRecord(b, typeVersion, maxTypeBody)
	name = p.text(MaxName)
	switch flags := p.byte(); {
	case p.err == nil && flags > flagGone:
		p.fail(errNumber)
	case p.err == nil && flags == 0:
		t = p.typeState(name)
	}
	if p.err == nil && (name == "" || name == Generic) {
		p.fail(fmt.Errorf("type %q", name))
	}
	if n, err = p.end(); err != nil {
		return "", nil, 0, err
	}
	return name, t, n, nil
}

func (p *reader) typeState(name string) *typeState {
	t := &typeState{Type: Type{Name: name, Created: p.int64()}, mark: p.uvarint(math.MaxInt64)}
	count := p.uvarint(MaxAttributes)
	for i := uint64(0); i < count && p.err == nil; i++ {
		a := Attribute{Name: p.text(4 * MaxAttributeName), Kind: Kind(p.byte())}
		flags := p.byte()
		if a.Required = flags&flagRequired != 0; flags > flagRequired|flagMin|flagMax|flagFill {
			p.fail(errNumber)
		}
		a.MinLength, a.MaxLength = int(p.uvarint(MaxLength)), int(p.uvarint(MaxLength))
		for k, to := range [...]**float64{&a.Min, &a.Max} {
			if flags&(flagMin<<k) != 0 {
				x := math.Float64frombits(uint64(p.int64()))
				*to = &x
			}
		}
		t.since = append(t.since, p.uvarint(t.mark))
		f := fill{}
		if flags&flagFill != 0 {
			if f.mark, f.value = p.uvarint(t.mark), p.value(); p.err == nil && (f.mark == 0 || a.Check(f.value) != nil && f.value.Kind != a.Kind) {
				p.fail(errNumber)
			}
		}
		t.fills = append(t.fills, f)
		t.Attributes = append(t.Attributes, a)
	}
	if p.err == nil {
		if err := t.Validate(); err != nil {
			p.fail(err)
		}
	}
	return t
}
