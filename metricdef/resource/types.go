package resource

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"granary/tenant"
)

// Kind says what the values of an attribute are.
type Kind uint8

const (
	String Kind = iota + 1
	UUID
	Number
	Bool
	Datetime
)

var kindNames = [...]string{"", "string", "uuid", "number", "bool", "datetime"}

// String is the kind's stable name.
func (k Kind) String() string {
	if k.valid() {
		return kindNames[k]
	}
	return "unknown"
}

func (k Kind) valid() bool { return k >= String && k <= Datetime }

// ParseKind is the kind of that name.
func ParseKind(name string) (Kind, bool) {
	for k := String; k <= Datetime; k++ {
		if kindNames[k] == name {
			return k, true
		}
	}
	return 0, false
}

// Attribute is one attribute of a type: what resources of the type may, or must, say.
type Attribute struct {
	Name     string
	Kind     Kind
	Required bool
	// MinLength and MaxLength bound the characters of a String; other kinds have 0 here.
	MinLength, MaxLength int
	// Min and Max bound a Number; nil: no bound. Other kinds have nil here.
	Min, Max *float64
}

// Equal says whether the attributes say the same.
func (a *Attribute) Equal(b *Attribute) bool {
	same := func(x, y *float64) bool { return (x == nil) == (y == nil) && (x == nil || *x == *y) }
	return a.Name == b.Name && a.Kind == b.Kind && a.Required == b.Required && a.MinLength == b.MinLength && a.MaxLength == b.MaxLength &&
		same(a.Min, b.Min) && same(a.Max, b.Max)
}

// Type is a resource type. Types belong to the service, not to a tenant.
type Type struct {
	Name       string
	Attributes []Attribute // by name
	Created    int64       // nanoseconds since 1970 UTC
}

// Generic is the type that is always there. It has no attributes of its own, and a search in it finds resources of every type.
const Generic = "generic"

// Attribute is the attribute of that name, nil if the type has none.
func (t *Type) Attribute(name string) *Attribute {
	i, ok := slices.BinarySearchFunc(t.Attributes, name, func(a Attribute, name string) int { return strings.Compare(a.Name, name) })
	if !ok {
		return nil
	}
	return &t.Attributes[i]
}

// Clone is a copy that shares nothing that can change.
func (t *Type) Clone() Type {
	c := *t
	c.Attributes = slices.Clone(t.Attributes)
	return c
}

// Value is one value of an attribute; there is none for null, which is the absence of a value.
type Value struct {
	Kind   Kind
	Text   string  // of String, and of UUID: 36 characters in lower case
	Number float64 // finite
	Bool   bool
	Time   int64 // nanoseconds since 1970 UTC
}

// TextValue, UUIDValue, NumberValue, BoolValue and TimeValue make values.
func TextValue(s string) Value      { return Value{Kind: String, Text: s} }
func UUIDValue(id uuid.UUID) Value  { return Value{Kind: UUID, Text: id.String()} }
func NumberValue(f float64) Value   { return Value{Kind: Number, Number: f} }
func BoolValue(b bool) Value        { return Value{Kind: Bool, Bool: b} }
func TimeValue(nanosec int64) Value { return Value{Kind: Datetime, Time: nanosec} }

// String is the value as a text: of a time RFC 3339 in UTC, of a number the shortest that says it.
func (v Value) String() string {
	switch v.Kind {
	case Number:
		return strconv.FormatFloat(v.Number, 'g', -1, 64)
	case Bool:
		return strconv.FormatBool(v.Bool)
	case Datetime:
		return formatTime(v.Time)
	}
	return v.Text
}

func formatTime(nanosec int64) string { return time.Unix(0, nanosec).UTC().Format(time.RFC3339Nano) }

// Draft is a resource as somebody proposes it.
type Draft struct {
	Tenant  tenant.Num
	ID      uuid.UUID
	Type    string
	Creator string // who makes it: "user" or "user:project"; "": unknown
	// Original is the id as it was given, whose UUID may be made from it.
	Original       string
	User, Project  *string          // nil: null
	Started, Ended int64            // nanoseconds since 1970 UTC; Ended 0: null
	Attributes     map[string]Value // absent: null
}

// Resource is one revision of a resource. Nothing that it points to may be changed.
type Resource struct {
	Draft
	Revision int   // 1 is the first one
	Created  int64 // when the first revision began
	// RevisionStart and RevisionEnd are when it became, and ceased to be, the current one, in nanoseconds since 1970 UTC and whole
	// microseconds; RevisionEnd 0: it is the current one.
	RevisionStart, RevisionEnd int64
}

// Number is the number of the revision for markers and queries: -1 for the current one.
func (r *Resource) Number() int {
	if r.RevisionEnd == 0 {
		return -1
	}
	return r.Revision
}

// CreatedBy splits the creator into user and project, which is "" where it has none.
func (d *Draft) CreatedBy() (user, project string) {
	user, project, _ = strings.Cut(d.Creator, ":")
	return user, project
}

// Update is a change of a resource. What it does not name stays.
type Update struct {
	User, Project  **string
	Started, Ended *int64            // Ended 0: null
	Attributes     map[string]*Value // a nil value: null
}
