package resource

import (
	"fmt"

	"github.com/google/uuid"
)

// InvalidError says which part of a type or resource is not acceptable, and why.
type InvalidError struct {
	Field string // "resource type name", "attribute name", "original resource id", …
	Value string // what failed
	Err   error
}

func (e *InvalidError) Error() string {
	return fmt.Sprintf("resource: %s %q: %v", e.Field, shorten(e.Value), e.Err)
}

func (e *InvalidError) Unwrap() error { return e.Err }

// Kind is the kind of the error for the edges.
func (*InvalidError) Kind() string { return "invalid" }

// Code is the stable code of the error.
func (*InvalidError) Code() string { return "resource-invalid" }

// shorten bounds what an error quotes.
func shorten(s string) string {
	if len(s) > 200 {
		return s[:200] + "…"
	}
	return s
}

// UnknownTypeError says that there is no resource type of that name.
type UnknownTypeError struct{ Name string }

func (e *UnknownTypeError) Error() string {
	return fmt.Sprintf("there is no resource type %q", shorten(e.Name))
}

// Kind is the kind of the error for the edges.
func (*UnknownTypeError) Kind() string { return "not found" }

// Code is the stable code of the error.
func (*UnknownTypeError) Code() string { return "resource-type-not-found" }

// UnknownError says that the tenant has no resource of that id.
type UnknownError struct{ ID uuid.UUID }

func (e *UnknownError) Error() string { return fmt.Sprintf("there is no resource %s", e.ID) }

// Kind is the kind of the error for the edges.
func (*UnknownError) Kind() string { return "not found" }

// Code is the stable code of the error.
func (*UnknownError) Code() string { return "resource-not-found" }

// ExistsError says that there is already a type of that name, or a resource of that id.
type ExistsError struct {
	What string // "resource type" or "resource"
	Name string
}

func (e *ExistsError) Error() string {
	return fmt.Sprintf("%s %q exists already", e.What, shorten(e.Name))
}

// Kind is the kind of the error for the edges.
func (*ExistsError) Kind() string { return "conflict" }

// Code is the stable code of the error.
func (*ExistsError) Code() string { return "resource-exists" }

// InUseError says that a type cannot go, since resources have it.
type InUseError struct {
	Type string
	Uses int // resources that have it; of the generic type there need not be any
}

func (e *InUseError) Error() string {
	if e.Type == Generic {
		return fmt.Sprintf("resource type %q is always there", e.Type)
	}
	return fmt.Sprintf("resource type %q is in use by %d resources", shorten(e.Type), e.Uses)
}

// Kind is the kind of the error for the edges.
func (*InUseError) Kind() string { return "conflict" }

// Code is the stable code of the error.
func (*InUseError) Code() string { return "resource-type-in-use" }

// KindChangeError says that an attribute that is there cannot become one of another kind.
type KindChangeError struct {
	Type, Attribute string
	From, To        Kind
}

func (e *KindChangeError) Error() string {
	return fmt.Sprintf("attribute %q of resource type %q cannot change from %s to %s", shorten(e.Attribute), shorten(e.Type), e.From, e.To)
}

// Kind is the kind of the error for the edges.
func (*KindChangeError) Kind() string { return "invalid" }

// Code is the stable code of the error.
func (*KindChangeError) Code() string { return "resource-invalid" }

// FillError says that the value which resources that exist are to get for an attribute is missing or not acceptable.
type FillError struct {
	Attribute string
	Err       error
}

func (e *FillError) Error() string {
	return fmt.Sprintf("value that existing resources get for attribute %q: %v", shorten(e.Attribute), e.Err)
}

func (e *FillError) Unwrap() error { return e.Err }

// Kind is the kind of the error for the edges.
func (*FillError) Kind() string { return "invalid" }

// Code is the stable code of the error.
func (*FillError) Code() string { return "resource-invalid" }

// UnknownAttributeError says that a query names an attribute that resources of the type do not have.
type UnknownAttributeError struct{ Type, Attribute string }

func (e *UnknownAttributeError) Error() string {
	return fmt.Sprintf("resource type %q has no attribute %q", shorten(e.Type), shorten(e.Attribute))
}

// Kind is the kind of the error for the edges.
func (*UnknownAttributeError) Kind() string { return "invalid" }

// Code is the stable code of the error.
func (*UnknownAttributeError) Code() string { return "resource-query-invalid" }

// SortError says that resources cannot be sorted by an attribute.
type SortError struct{ Attribute string }

func (e *SortError) Error() string {
	return fmt.Sprintf("resources cannot be sorted by %q", shorten(e.Attribute))
}

// Kind is the kind of the error for the edges.
func (*SortError) Kind() string { return "invalid" }

// Code is the stable code of the error.
func (*SortError) Code() string { return "resource-query-invalid" }

// MarkerError says that there is no resource, or revision, behind which a page could begin.
type MarkerError struct{ Marker Marker }

func (e *MarkerError) Error() string {
	return fmt.Sprintf("there is no resource %s of revision %d to go on behind", e.Marker.ID, e.Marker.Revision)
}

// Kind is the kind of the error for the edges.
func (*MarkerError) Kind() string { return "invalid" }

// Code is the stable code of the error.
func (*MarkerError) Code() string { return "resource-query-invalid" }

// QueryError says what is wrong with a query.
type QueryError struct {
	Attribute string // "" if it is about the query as a whole
	Err       error
}

func (e *QueryError) Error() string {
	if e.Attribute == "" {
		return fmt.Sprintf("query for resources: %v", e.Err)
	}
	return fmt.Sprintf("query for resources: attribute %q: %v", shorten(e.Attribute), e.Err)
}

func (e *QueryError) Unwrap() error { return e.Err }

// Kind is the kind of the error for the edges.
func (*QueryError) Kind() string { return "invalid" }

// Code is the stable code of the error.
func (*QueryError) Code() string { return "resource-query-invalid" }

// RecordError says what is wrong with a record, and at which byte.
type RecordError struct {
	At  int
	Err error
}

func (e *RecordError) Error() string {
	return fmt.Sprintf("resource record damaged at byte %d: %v", e.At, e.Err)
}

func (e *RecordError) Unwrap() error { return e.Err }

// Kind is the kind of the error for the edges.
func (*RecordError) Kind() string { return "internal" }

// Code is the stable code of the error.
func (*RecordError) Code() string { return "resource-record-damaged" }
