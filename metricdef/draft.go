package metricdef

import (
	"errors"
	"fmt"
	"strings"

	"granary/metricdef/match"
)

// Bounds on what a definition may hold. They keep every record inside one journal record and every count inside the
// packed form.
const (
	MaxText       = 65535   // bytes of a name, tag name, tag value, unit or dialect
	MaxTags       = 255     // identity tags and plain tags together
	MaxDefinition = 1 << 18 // bytes of all texts of one definition together
)

// NameTag is the pseudo-tag under which searches find the name of the metric. No definition may carry a tag of this
// name.
const NameTag = match.NameTag

// InvalidError says which part of a definition or key is not acceptable, and why.
type InvalidError struct {
	Field string // "name", "identity tags", "plain tags", "unit", "policy", "dialect", "type", "kind", "retention", "state", "tenant", "key", "label", "creator", "resource"
	Value string // the text that failed
	Err   error
}

func (e *InvalidError) Error() string {
	v := e.Value
	if len(v) > 200 {
		v = v[:200] + "…"
	}
	return fmt.Sprintf("definition: %s %q: %v", e.Field, v, e.Err)
}

func (e *InvalidError) Unwrap() error { return e.Err }

// Kind is the kind of the error for the edges.
func (e *InvalidError) Kind() string { return "invalid" }

// Code is the stable code of the error.
func (e *InvalidError) Code() string { return "definition-invalid" }

var (
	errEmpty    = errors.New("must not be empty")
	errNoName   = errors.New("the name of a tag must not be empty")
	errNoValue  = errors.New("the value of a tag must not be empty")
	errTooLong  = fmt.Errorf("longer than %d bytes", MaxText)
	errOrder    = errors.New("tags must be sorted by name, each name once")
	errNegative = errors.New("must not be below zero")
)

// Validate says whether the draft may become a definition. Reserve requires it.
func (d *Draft) Validate() error {
	if d.Tenant == 0 {
		return &InvalidError{Field: "tenant", Value: "0", Err: errEmpty}
	}
	if !d.Type.valid() {
		return &InvalidError{Field: "type", Value: d.Type.String(), Err: errors.New("is not a type of series")}
	}
	if err := d.checkKind(); err != nil {
		return err
	}
	if err := checkIdentity(d.Name, d.Tags); err != nil {
		return err
	}
	if err := d.checkLink(); err != nil {
		return err
	}
	if err := checkTags("plain tags", d.Plain); err != nil {
		return err
	}
	if len(d.Unit) > MaxText {
		return &InvalidError{Field: "unit", Value: d.Unit, Err: errTooLong}
	}
	if len(d.Policy) > MaxText {
		return &InvalidError{Field: "policy", Value: d.Policy, Err: errTooLong}
	}
	if len(d.Dialect) > MaxText {
		return &InvalidError{Field: "dialect", Value: d.Dialect, Err: errTooLong}
	}
	if d.Retention < 0 {
		return &InvalidError{Field: "retention", Value: d.Retention.String(), Err: errNegative}
	}
	if n := len(d.Tags) + len(d.Plain); n > MaxTags {
		return &InvalidError{Field: "identity tags", Value: d.Name, Err: fmt.Errorf("%d tags, at most %d are possible", n, MaxTags)}
	}
	size := len(d.Name) + len(d.Unit) + len(d.Policy) + len(d.Dialect) + len(d.Label) + len(d.Creator)
	for _, t := range d.Tags {
		size += len(t.Name) + len(t.Value)
	}
	for _, t := range d.Plain {
		if hasTag(d.Tags, t.Name) {
			return &InvalidError{Field: "plain tags", Value: t.Name, Err: errors.New("is an identity tag too")}
		}
		size += len(t.Name) + len(t.Value)
	}
	if size > MaxDefinition {
		return &InvalidError{Field: "name", Value: d.Name, Err: fmt.Errorf("name and tags have %d bytes, at most %d are possible", size, MaxDefinition)}
	}
	return nil
}

func checkName(name string) error {
	switch {
	case name == "":
		return &InvalidError{Field: "name", Value: name, Err: errEmpty}
	case len(name) > MaxText:
		return &InvalidError{Field: "name", Value: name, Err: errTooLong}
	}
	return nil
}

func checkTags(field string, tags []Tag) error {
	for i, t := range tags {
		var err error
		switch {
		case t.Name == "":
			err = errNoName
		case t.Value == "":
			err = errNoValue
		case t.Name == NameTag:
			err = errReserved
		case len(t.Name) > MaxText || len(t.Value) > MaxText:
			err = errTooLong
		case i > 0 && strings.Compare(tags[i-1].Name, t.Name) >= 0:
			err = errOrder
		default:
			continue
		}
		return &InvalidError{Field: field, Value: t.Name + "=" + t.Value, Err: err}
	}
	return nil
}

// hasTag looks name up in tags, which are sorted and few.
func hasTag(tags []Tag, name string) bool {
	for i := range tags {
		if tags[i].Name == name {
			return true
		}
	}
	return false
}
