package resource

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
)

// Bounds on what a type and a resource may hold.
const (
	MaxTypes         = 1000     // resource types of the service, without the generic one
	MaxAttributes    = 100      // of a type
	MaxName          = 255      // bytes of the name of a type, of a user and of a project
	MaxAttributeName = 63       // characters
	MaxLength        = 512      // the largest MaxLength of an attribute, in characters
	MaxOriginal      = 289      // characters of an original id
	MaxCreator       = 511      // bytes: a user, a colon and a project
	MaxResource      = 64 << 10 // bytes of all texts and values of one resource together
)

// special are the attributes that every resource has, by name, and what their values are. What lies in them is no attribute of a type.
var special = map[string]Kind{
	"id": UUID, "type": String, "original_resource_id": String, "creator": String, "created_by_user_id": String,
	"created_by_project_id": String, "user_id": String, "project_id": String, "started_at": Datetime, "ended_at": Datetime,
	"revision_start": Datetime, "revision_end": Datetime, "revision": Number, "lifespan": Number,
}

// taken are the names that no attribute of a type may have.
var taken = []string{"id", "type", "metrics", "revision", "revision_start", "revision_end", "started_at", "ended_at", "user_id", "project_id",
	"created_by_user_id", "created_by_project_id", "get_metric", "creator"}

// unset are further names that queries use, so that an attribute of such a name could not be asked for.
var unset = []string{"original_resource_id", "lifespan"}

// CheckAttributeName says whether a type may have an attribute of that name.
func CheckAttributeName(name string) error {
	bad := func(err error) error { return &InvalidError{"attribute name", name, err} }
	switch {
	case name == "":
		return bad(errEmpty)
	case !utf8.ValidString(name) || strings.ContainsRune(name, 0):
		return bad(errText)
	case utf8.RuneCountInString(name) > MaxAttributeName:
		return bad(fmt.Errorf("longer than %d characters", MaxAttributeName))
	case !letterOrDigit(name[0]):
		return bad(errors.New("must begin with a letter or a digit of ASCII"))
	case slices.Contains(taken, name) || slices.Contains(unset, name):
		return bad(errors.New("is what every resource has"))
	}
	return nil
}

func letterOrDigit(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

var (
	errEmpty = errors.New("must not be empty")
	errText  = errors.New("must be UTF-8 without the character U+0000")
)

func checkText(field, value string, limit int) error {
	switch {
	case !utf8.ValidString(value) || strings.ContainsRune(value, 0):
		return &InvalidError{field, value, errText}
	case len(value) > limit:
		return &InvalidError{field, value, fmt.Errorf("longer than %d bytes", limit)}
	}
	return nil
}

// CheckTypeName says whether a type may have that name.
func CheckTypeName(name string) error {
	const field = "resource type name"
	switch {
	case name == "":
		return &InvalidError{field, name, errEmpty}
	case strings.Contains(name, "/"):
		return &InvalidError{field, name, errors.New("must not have a slash")}
	}
	return checkText(field, name, MaxName)
}

// Validate says whether the attribute may be part of a type.
func (a *Attribute) Validate() error {
	if err := CheckAttributeName(a.Name); err != nil {
		return err
	}
	bad := func(format string, args ...any) error {
		return &InvalidError{"attribute", a.Name, fmt.Errorf(format, args...)}
	}
	if !a.Kind.valid() {
		return bad("kind %d is not known", a.Kind)
	}
	if a.Kind == String {
		switch {
		case a.MinLength < 0 || a.MinLength > MaxLength:
			return bad("min_length is %d, 0 to %d are possible", a.MinLength, MaxLength)
		case a.MaxLength < 1 || a.MaxLength > MaxLength:
			return bad("max_length is %d, 1 to %d are possible", a.MaxLength, MaxLength)
		case a.MinLength > a.MaxLength:
			return bad("min_length %d is above max_length %d", a.MinLength, a.MaxLength)
		}
	} else if a.MinLength != 0 || a.MaxLength != 0 {
		return bad("a %s has no length", a.Kind)
	}
	if a.Kind != Number && (a.Min != nil || a.Max != nil) {
		return bad("a %s has no min and max", a.Kind)
	}
	for _, x := range [...]*float64{a.Min, a.Max} {
		if x != nil && !finite(*x) {
			return bad("min and max must be finite")
		}
	}
	if a.Min != nil && a.Max != nil && *a.Min > *a.Max {
		return bad("min %v is above max %v", *a.Min, *a.Max)
	}
	return nil
}

func finite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }

// Validate says whether there may be such a type.
func (t *Type) Validate() error {
	if err := CheckTypeName(t.Name); err != nil {
		return err
	}
	if n := len(t.Attributes); n > MaxAttributes {
		return &InvalidError{"resource type", t.Name, fmt.Errorf("has %d attributes, at most %d are possible", n, MaxAttributes)}
	}
	if t.Name == Generic && len(t.Attributes) > 0 {
		return &InvalidError{"resource type", t.Name, errors.New("has no attributes of its own")}
	}
	for i := range t.Attributes {
		if err := t.Attributes[i].Validate(); err != nil {
			return err
		}
		if i > 0 && t.Attributes[i-1].Name >= t.Attributes[i].Name {
			return &InvalidError{"resource type", t.Name, errors.New("attributes must be sorted by name, each name once")}
		}
	}
	return nil
}

// Check says whether the attribute may have the value.
func (a *Attribute) Check(v Value) error {
	bad := func(value any, format string, args ...any) error {
		return &InvalidError{"value of attribute " + a.Name, fmt.Sprint(value), fmt.Errorf(format, args...)}
	}
	if v.Kind != a.Kind {
		return bad(v.Kind, "a %s is needed", a.Kind)
	}
	switch v.Kind {
	case String:
		if !utf8.ValidString(v.Text) || strings.ContainsRune(v.Text, 0) {
			return bad(v.Text, "%w", errText)
		}
		switch n := utf8.RuneCountInString(v.Text); {
		case n < a.MinLength:
			return bad(v.Text, "has %d characters, at least %d are needed", n, a.MinLength)
		case n > a.MaxLength:
			return bad(v.Text, "has %d characters, at most %d are possible", n, a.MaxLength)
		}
	case UUID:
		if id, err := uuid.Parse(v.Text); err != nil || id.String() != v.Text {
			return bad(v.Text, "is not a UUID of 36 characters in lower case")
		}
	case Number:
		switch {
		case !finite(v.Number):
			return bad(v.Number, "must be finite")
		case a.Min != nil && v.Number < *a.Min:
			return bad(v.Number, "must be at least %v", *a.Min)
		case a.Max != nil && v.Number > *a.Max:
			return bad(v.Number, "must be at most %v", *a.Max)
		}
	case Datetime:
		return checkTime("value of attribute "+a.Name, v.Time)
	}
	return nil
}

// noTime stands in memory for a time that is null.
const noTime = math.MinInt64

func checkTime(field string, t int64) error {
	if t == noTime {
		return &InvalidError{field, fmt.Sprint(t), errors.New("is out of range")}
	}
	return nil
}

// validate says whether a resource may be as it is, given its type. Of its attributes those are looked at that check names: a type that
// has become narrower does not hold against what resources had before.
func (d *Draft) validate(t *Type, check func(attribute string) bool) error {
	switch {
	case d.Tenant == 0:
		return &InvalidError{"tenant", "0", errEmpty}
	case d.Original == "":
		return &InvalidError{"original resource id", d.Original, errEmpty}
	case strings.Contains(d.Original, "/"):
		return &InvalidError{"original resource id", d.Original, errors.New("must not have a slash")}
	case utf8.RuneCountInString(d.Original) > MaxOriginal:
		return &InvalidError{"original resource id", d.Original, fmt.Errorf("longer than %d characters", MaxOriginal)}
	}
	if err := checkText("original resource id", d.Original, 4*MaxOriginal); err != nil {
		return err
	}
	if err := checkText("creator", d.Creator, MaxCreator); err != nil {
		return err
	}
	size := len(d.Original) + len(d.Creator)
	for i, p := range [...]*string{d.User, d.Project} {
		if p != nil {
			if err := checkText([...]string{"user_id", "project_id"}[i], *p, MaxName); err != nil {
				return err
			}
			size += len(*p)
		}
	}
	for i, x := range [...]int64{d.Started, d.Ended} {
		if err := checkTime([...]string{"started_at", "ended_at"}[i], x); err != nil {
			return err
		}
	}
	if d.Ended != 0 && d.Ended < d.Started {
		return &InvalidError{"ended_at", formatTime(d.Ended), fmt.Errorf("is before started_at, which is %s", formatTime(d.Started))}
	}
	for name, v := range d.Attributes {
		a := t.Attribute(name)
		if a == nil {
			return &UnknownAttributeError{t.Name, name}
		}
		if check(name) {
			if err := a.Check(v); err != nil {
				return err
			}
		}
		size += len(name) + len(v.Text) + 8
	}
	for i := range t.Attributes {
		if a := &t.Attributes[i]; a.Required {
			if _, ok := d.Attributes[a.Name]; !ok {
				return &InvalidError{"attribute", a.Name, fmt.Errorf("resources of type %s must have it", t.Name)}
			}
		}
	}
	if size > MaxResource {
		return &InvalidError{"resource", d.Original, fmt.Errorf("has %d bytes, at most %d are possible", size, MaxResource)}
	}
	return nil
}
