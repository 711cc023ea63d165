package resource

import (
	"math"
	"strings"

	"github.com/google/uuid"
)

// test says whether a row is what a query looks for. It is asked under the registry's lock.
type test func(b *block, i int) bool

// compile makes a test of a query that CheckQuery found right, for rows of one type. Not is pushed down to the comparisons, since
// null stays null under it.
func compile(q Query, t *typeState, not bool) test {
	switch q := q.(type) {
	case And:
		return join(q, t, not, !not)
	case Or:
		return join(q, t, not, not)
	case Not:
		return compile(q.Query, t, !not)
	case *Compare:
		return q.compile(t, not)
	}
	return func(*block, int) bool { return !not }
}

// join is what all tests of the list, or one of them, say.
func join(list []Query, t *typeState, not, all bool) test {
	tests := make([]test, len(list))
	for i, q := range list {
		tests[i] = compile(q, t, not)
	}
	if len(tests) == 1 {
		return tests[0]
	}
	return func(b *block, i int) bool {
		for _, one := range tests {
			if one(b, i) != all {
				return !all
			}
		}
		return all
	}
}

func (q *Compare) compile(t *typeState, not bool) test {
	kind, _ := t.KindOf(q.Attribute, true)
	at := t.index(q.Attribute)
	if q.Values[0].Null && (q.Op == Eq || q.Op == Ne) {
		want := (q.Op == Eq) != not // null
		has := presence(q.Attribute, kind, at)
		return func(b *block, i int) bool { return has(b, i) != want }
	}
	var values []Value
	nulls := false
	for _, v := range q.Values {
		if nulls = nulls || v.Null; !v.Null {
			values = append(values, v.Value)
		}
	}
	if len(values) == 0 || nulls && not {
		return func(*block, int) bool { return false } // neither true nor false
	}
	onNull := q.Op == Ne && !not
	switch kind {
	case String, UUID:
		if equality := q.Op == Eq || q.Op == Ne || q.Op == In; equality && (q.Attribute == "id" || q.Attribute == "original_resource_id") {
			return q.ids(values, not)
		}
		return q.texts(values, at, not, onNull)
	case Number, Bool:
		get := numbers(q.Attribute, at, kind)
		is := ordered(q.Op, values, func(v Value) float64 {
			if v.Kind == Bool {
				return truth(v.Bool)
			}
			return v.Number
		})
		return func(b *block, i int) bool {
			v := get(b, i)
			if math.IsNaN(v) {
				return onNull
			}
			return is(v) != not
		}
	}
	get := times(q.Attribute, at)
	is := ordered(q.Op, values, func(v Value) int64 { return v.Time })
	return func(b *block, i int) bool {
		v := get(b, i)
		if v == noTime {
			return onNull
		}
		return is(v) != not
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// ordered is the comparison of a value with those of a query.
func ordered[T int64 | float64 | string](op Op, values []Value, of func(Value) T) func(T) bool {
	x := of(values[0])
	switch op {
	case Eq:
		return func(v T) bool { return v == x }
	case Ne:
		return func(v T) bool { return v != x }
	case Lt:
		return func(v T) bool { return v < x }
	case Le:
		return func(v T) bool { return v <= x }
	case Gt:
		return func(v T) bool { return v > x }
	case Ge:
		return func(v T) bool { return v >= x }
	}
	set := make(map[T]bool, len(values))
	for _, v := range values {
		set[of(v)] = true
	}
	return func(v T) bool { return set[v] }
}

// texts compares texts. What a comparison says of each text of a block is found out when the first of its rows is asked about.
func (q *Compare) texts(values []Value, at int, not, onNull bool) test {
	is := q.text(values, not)
	switch q.Attribute {
	case "id":
		return func(b *block, i int) bool { return is(b.id[i].String()) }
	case "type":
		return func(b *block, _ int) bool { return is(b.t.typ.Name) }
	case "original_resource_id":
		return original(is)
	case "created_by_user_id", "created_by_project_id":
		part, project := is, q.Attribute == "created_by_project_id"
		is = func(s string) bool {
			user, of, _ := strings.Cut(s, ":")
			if project {
				return part(of)
			}
			return part(user)
		}
	}
	column := textColumn(q.Attribute, at)
	if column == nil {
		return func(*block, int) bool { return onNull }
	}
	judge := judged(column, onNull, is)
	if (q.Op == Eq || q.Op == Ne) && !created(q.Attribute) {
		judge = judgedEqual(column, onNull, (q.Op == Eq) != not, values[0].Text)
	}
	return func(b *block, i int) bool { return judge(b)[column(b).code(i)] }
}

// judged says what a test of texts says of those in a column of a block, by number.
func judged(column func(*block) *texts, onNull bool, is func(string) bool) func(*block) []bool {
	var of *block
	var version uint32
	var verdicts []bool
	return func(b *block) []bool {
		if b != of || b.version != version {
			of, version = b, b.version
			verdicts = column(b).judge(verdicts, onNull, is)
		}
		return verdicts
	}
}

// judgedEqual is judged for equality with one text, by hashes.
func judgedEqual(column func(*block) *texts, onNull, want bool, s string) func(*block) []bool {
	h := hashOf(s)
	var of *block
	var version uint32
	var verdicts []bool
	return func(b *block) []bool {
		if b != of || b.version != version {
			of, version = b, b.version
			t := column(b)
			verdicts = append(verdicts[:0], onNull)
			for k := range t.entries {
				verdicts = append(verdicts, (t.entries[k].hash == h && t.text(uint16(k+1)) == s) == want)
			}
		}
		return verdicts
	}
}

// original tests original ids, which stand in a column only where they are not the texts of ids.
func original(is func(string) bool) test {
	judge := judged(originals, false, is)
	return func(b *block, i int) bool {
		if c := b.original.code(i); c != 0 {
			return judge(b)[c]
		}
		return is(b.id[i].String())
	}
}

func originals(b *block) *texts { return &b.original }

// text is the comparison of a text.
func (q *Compare) text(values []Value, not bool) func(string) bool {
	var is func(string) bool
	if q.Op == Like {
		p, err := parsePattern(values[0].Text)
		if err != nil {
			panic("resource: pattern of a query that was not checked: " + err.Error())
		}
		is = p.match
	} else {
		is = ordered(q.Op, values, func(v Value) string { return v.Text })
	}
	return func(s string) bool { return is(s) != not }
}

// ids compares ids and original ids for equality. Most original ids are texts of ids, which are not made to be compared.
func (q *Compare) ids(values []Value, not bool) test {
	ids := make(map[uuid.UUID]bool)
	for _, v := range values {
		if id, err := uuid.Parse(v.Text); err == nil && id.String() == v.Text {
			ids[id] = true
		}
	}
	want := (q.Op != Ne) != not
	has := func(b *block, i int) bool { return ids[b.id[i]] == want }
	if q.Attribute == "id" {
		return has
	}
	judge := judged(originals, false, q.text(values, not))
	return func(b *block, i int) bool {
		if c := b.original.code(i); c != 0 {
			return judge(b)[c]
		}
		return has(b, i)
	}
}

// textColumn gets the column of an attribute, nil for attributes whose texts do not stand in one.
func textColumn(attribute string, at int) func(*block) *texts {
	switch attribute {
	case "creator", "created_by_user_id", "created_by_project_id":
		return func(b *block) *texts { return &b.creator }
	case "user_id":
		return func(b *block) *texts { return &b.user }
	case "project_id":
		return func(b *block) *texts { return &b.project }
	}
	if _, ok := special[attribute]; ok || at < 0 {
		return nil
	}
	return func(b *block) *texts { return &b.values[at].texts }
}

// textOf gets the text of a row, and whether it is not null.
func textOf(attribute string, at int) func(*block, int) (string, bool) {
	switch attribute {
	case "id":
		return func(b *block, i int) (string, bool) { return b.id[i].String(), true }
	case "type":
		return func(b *block, _ int) (string, bool) { return b.t.typ.Name, true }
	case "original_resource_id":
		return func(b *block, i int) (string, bool) { return b.originalOf(i), true }
	}
	column := textColumn(attribute, at)
	if column == nil {
		return func(*block, int) (string, bool) { return "", false }
	}
	return func(b *block, i int) (string, bool) { return column(b).get(i) }
}

// numbers gets the number of a row, NaN for null.
func numbers(attribute string, at int, kind Kind) func(*block, int) float64 {
	switch {
	case attribute == "revision":
		return func(b *block, i int) float64 { return float64(b.numberOf(i)) }
	case attribute == "lifespan":
		return func(b *block, i int) float64 {
			if b.ended[i] == noTime {
				return math.NaN()
			}
			return float64(b.ended[i]-b.started[i]) / 1e9
		}
	case at < 0:
		return func(*block, int) float64 { return math.NaN() }
	case kind == Bool:
		return func(b *block, i int) float64 {
			if c := b.values[at].bools; i < len(c) && c[i] != 0 {
				return float64(c[i] - 1)
			}
			return math.NaN()
		}
	}
	return func(b *block, i int) float64 {
		if c := b.values[at].numbers; i < len(c) {
			return c[i]
		}
		return math.NaN()
	}
}

// times gets the time of a row, noTime for null.
func times(attribute string, at int) func(*block, int) int64 {
	switch attribute {
	case "started_at":
		return func(b *block, i int) int64 { return b.started[i] }
	case "ended_at":
		return func(b *block, i int) int64 { return b.ended[i] }
	case "revision_start":
		return func(b *block, i int) int64 { return b.revStart[i] }
	case "revision_end":
		return func(b *block, i int) int64 { return b.revEnd[i] }
	}
	return func(b *block, i int) int64 {
		if at < 0 || i >= len(b.values[at].times) {
			return noTime
		}
		return b.values[at].times[i]
	}
}

// presence says whether an attribute of a row has a value.
func presence(attribute string, kind Kind, at int) test {
	switch kind {
	case String, UUID:
		get := textOf(attribute, at)
		return func(b *block, i int) bool { _, ok := get(b, i); return ok }
	case Number, Bool:
		get := numbers(attribute, at, kind)
		return func(b *block, i int) bool { return !math.IsNaN(get(b, i)) }
	}
	get := times(attribute, at)
	return func(b *block, i int) bool { return get(b, i) != noTime }
}

// numberOf is Resource.Number of a row.
func (b *block) numberOf(i int) int {
	if b.revEnd[i] == noTime {
		return -1
	}
	return int(b.revision[i])
}

// index is the column of an attribute, -1 if the type has none of that name.
func (t *typeState) index(name string) int {
	for i := range t.Attributes {
		if strings.Compare(t.Attributes[i].Name, name) == 0 {
			return i
		}
	}
	return -1
}
