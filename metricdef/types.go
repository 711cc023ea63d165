package metricdef

import (
	"strconv"
	"time"

	"github.com/google/uuid"

	"granary/tenant"
)

// Ref addresses a definition, and so its series, inside one partition. Refs are assigned in ascending order and never
// reused. 0 is no definition.
type Ref uint32

// Type is the type of a series, fixed at creation and part of its identity.
type Type uint8

const (
	Gauge Type = iota + 1
	Counter
	Availability
	String
)

var typeNames = [...]string{"", "gauge", "counter", "availability", "string"}

// String is the type's stable name.
func (t Type) String() string {
	if t.valid() {
		return typeNames[t]
	}
	return "Type(" + strconv.Itoa(int(t)) + ")"
}

// ParseType is the type of that name.
func ParseType(name string) (Type, bool) {
	for i, n := range typeNames[1:] {
		if n == name {
			return Type(i + 1), true
		}
	}
	return 0, false
}

func (t Type) valid() bool { return t >= Gauge && t <= String }

// Tag is one tag, name and value.
type Tag struct{ Name, Value string }

// Identity is what makes a series the same series: tenant, type, name and identity tags.
type Identity struct {
	Tenant tenant.Num
	Type   Type
	Name   string
	Tags   []Tag // sorted by name, names unique, no empty names or values
}

// Draft is a definition that does not exist yet, as a dialect proposes it.
type Draft struct {
	Identity
	Plain    []Tag  // plain tags, sorted by name
	Unit     string // "" if not known
	Policy   string // name of the policy that was chosen for it; "": the rules choose
	Dialect  string // the dialect that made it: "clustercockpit", "native", ...
	Kind     Kind   // of its values; 0: as its type has them
	Explicit bool   // made by a create call, not only by data
	// Retention is how long its raw samples are kept, whatever policy and tenant say; 0: as they say.
	Retention time.Duration
	// ByID: Name is the text of a UUID, canonical and in lower case, there are no identity tags, and that UUID is the id of the definition.
	ByID bool
	// Label is the name that people gave it, and the name under which its resource has it; "": none. It is free text that need be
	// unique among the metrics of one resource only. Searches find it as the tag LabelTag.
	Label string
	// Creator says who made it, "user" or "user:project"; "": unknown.
	Creator string
	// Resource is the id of the resource that it belongs to, which is one of the same tenant; zero: none. Searches find what
	// Options.Derived says of it as tags.
	Resource uuid.UUID
}

// Called is what people call the metric: its label if its name is an id, else its name.
func (d *Draft) Called() string {
	if d.ByID {
		return d.Label
	}
	return d.Name
}

// Definition is one definition as the registry shows it. Slices and strings may be kept by the caller.
type Definition struct {
	Draft
	ID      uuid.UUID
	Ref     Ref
	Created time.Time
}
