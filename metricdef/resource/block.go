package resource

import (
	"math"

	"github.com/google/uuid"

	"granary/tenant"
)

// place addresses a row: the number of its block above, its slot below. 0 is no row, since no block has the number 0.
type place uint32

const (
	slotBits  = 10
	blockRows = 1 << slotBits
)

// block holds the rows of one table in columns, so that a search reads what it asks for and nothing else. Columns grow with the rows
// up to blockRows. A row whose revision is 0 is free.
type block struct {
	t      *table
	number uint32
	live   int
	// version grows with each change of a row.
	version uint32

	id                []uuid.UUID
	original, creator texts // original null: it is the text of the id
	user, project     texts
	started, ended    []int64 // ended noTime: null
	revStart, revEnd  []int64 // revEnd noTime: it is the current one
	created           []int64
	revision          []uint32
	prev              []place  // the revision before
	twin              []place  // of current ones: that of another tenant with the same id
	stamp             []uint32 // the version of its last change
	values            []column // by the attributes of the type
}

// column holds the values of one attribute; one that is shorter than the block has null behind.
type column struct {
	texts   texts     // String, UUID
	numbers []float64 // Number; NaN: null
	times   []int64   // Datetime; noTime: null
	bools   []uint8   // Bool; 0: null, 1: false, 2: true
}

func (c *column) get(k Kind, i int) (Value, bool) {
	switch k {
	case String, UUID:
		if s, ok := c.texts.get(i); ok {
			return Value{Kind: k, Text: s}, true
		}
	case Number:
		if i < len(c.numbers) && !math.IsNaN(c.numbers[i]) {
			return NumberValue(c.numbers[i]), true
		}
	case Bool:
		if i < len(c.bools) && c.bools[i] != 0 {
			return BoolValue(c.bools[i] == 2), true
		}
	case Datetime:
		if i < len(c.times) && c.times[i] != noTime {
			return TimeValue(c.times[i]), true
		}
	}
	return Value{}, false
}

// set puts a value into the column, null if there is none.
func (c *column) set(k Kind, i int, v Value, ok bool) {
	switch k {
	case String, UUID:
		if ok {
			c.texts.set(i, v.Text)
		} else {
			c.texts.clear(i)
		}
	case Number:
		if ok {
			c.numbers = extend(c.numbers, i, math.NaN())
			c.numbers[i] = v.Number
		} else if i < len(c.numbers) {
			c.numbers[i] = math.NaN()
		}
	case Bool:
		if ok {
			c.bools = extend(c.bools, i, 0)
			if c.bools[i] = 1; v.Bool {
				c.bools[i] = 2
			}
		} else if i < len(c.bools) {
			c.bools[i] = 0
		}
	case Datetime:
		if ok {
			c.times = extend(c.times, i, noTime)
			c.times[i] = v.Time
		} else if i < len(c.times) {
			c.times[i] = noTime
		}
	}
}

// extend makes a column reach to row i; rows that come are filled with zero.
func extend[T any](s []T, i int, zero T) []T {
	for len(s) <= i {
		s = append(s, zero)
	}
	return s
}

// add makes room for one more row and returns its slot, which is free until put.
func (b *block) add() int {
	i := len(b.revision)
	b.id = append(b.id, uuid.UUID{})
	b.started, b.ended = append(b.started, 0), append(b.ended, 0)
	b.revStart, b.revEnd = append(b.revStart, 0), append(b.revEnd, 0)
	b.created, b.revision = append(b.created, 0), append(b.revision, 0)
	b.prev, b.twin = append(b.prev, 0), append(b.twin, 0)
	b.stamp = append(b.stamp, 0)
	return i
}

// put makes a row say what r says.
func (b *block) put(i int, r *Resource) {
	b.changed(i)
	b.id[i] = r.ID
	b.original.clear(i)
	if r.Original != r.ID.String() {
		b.original.set(i, r.Original)
	}
	b.creator.set(i, r.Creator)
	b.user.optional(i, r.User)
	b.project.optional(i, r.Project)
	b.started[i], b.ended[i] = r.Started, r.Ended
	if r.Ended == 0 {
		b.ended[i] = noTime
	}
	b.revStart[i], b.revEnd[i] = r.RevisionStart, r.RevisionEnd
	if r.RevisionEnd == 0 {
		b.revEnd[i] = noTime
	}
	b.created[i], b.revision[i] = r.Created, uint32(r.Revision)
	for k := range b.t.typ.Attributes {
		a := &b.t.typ.Attributes[k]
		v, ok := r.Attributes[a.Name]
		b.values[k].set(a.Kind, i, v, ok && v.Kind == a.Kind)
	}
}

// changed says that a row changes.
func (b *block) changed(i int) {
	b.version++
	b.stamp[i] = b.version
}

// clear makes a row free.
func (b *block) clear(i int) {
	b.changed(i)
	b.revision[i], b.prev[i], b.twin[i] = 0, 0, 0
	for _, t := range [...]*texts{&b.original, &b.creator, &b.user, &b.project} {
		t.clear(i)
	}
	for k := range b.values {
		b.values[k].set(b.t.typ.Attributes[k].Kind, i, Value{}, false)
	}
}

// get is the resource of a row.
func (b *block) get(i int) Resource {
	r := Resource{
		Draft: Draft{
			Tenant: b.t.tenant, ID: b.id[i], Type: b.t.typ.Name, Original: b.originalOf(i),
			User: b.user.pointer(i), Project: b.project.pointer(i), Started: b.started[i], Ended: b.ended[i],
		},
		Revision: int(b.revision[i]), Created: b.created[i], RevisionStart: b.revStart[i], RevisionEnd: b.revEnd[i],
	}
	r.Creator, _ = b.creator.get(i)
	if r.Ended == noTime {
		r.Ended = 0
	}
	if r.RevisionEnd == noTime {
		r.RevisionEnd = 0
	}
	for k := range b.values {
		if v, ok := b.values[k].get(b.t.typ.Attributes[k].Kind, i); ok {
			if r.Attributes == nil {
				r.Attributes = make(map[string]Value, len(b.values))
			}
			r.Attributes[b.t.typ.Attributes[k].Name] = v
		}
	}
	return r
}

func (b *block) originalOf(i int) string {
	if s, ok := b.original.get(i); ok {
		return s
	}
	return b.id[i].String()
}

// rowBytes is about what a row takes: its columns, its part of the index, and its texts, also where other rows share them.
func (b *block) rowBytes(i int) int64 {
	const fixed = 16 + 5*8 + 4*4 + 4*2 + 40
	n := int64(fixed)
	for _, t := range [...]*texts{&b.original, &b.creator, &b.user, &b.project} {
		n += t.rowBytes(i)
	}
	for k := range b.values {
		switch b.t.typ.Attributes[k].Kind {
		case String, UUID:
			n += 2 + b.values[k].texts.rowBytes(i)
		case Number, Datetime:
			n += 8
		case Bool:
			n++
		}
	}
	return n
}

// table holds the resources of one type that one tenant has: those that are, and former revisions.
type table struct {
	tenant tenant.Num
	typ    *typeState // replaced when the type changes
	now    part
	former part
	bytes  int64 // see rowBytes
}

// part is a list of blocks and the slots that are free in them.
type part struct {
	blocks []*block
	rows   int
	free   []place
}
