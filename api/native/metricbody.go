package native

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"granary/api/edge"
	"granary/metricdef"
)

// metricBody is a metric as a request describes it.
type metricBody struct {
	Name      string            `json:"name"`
	Type      string            `json:"type"` // "": gauge
	Kind      string            `json:"kind"` // "": as the type has it
	Tags      map[string]string `json:"tags"`
	PlainTags map[string]string `json:"plain_tags"`
	Unit      string            `json:"unit"`
	Policy    string            `json:"policy"` // "": by the rules
	Retention *lifetime         `json:"retention"`
}

// draft checks everything that can be checked without the store. Its tenant only stands for one: the right one may not
// exist yet, and is not made for what cannot be stored. Errors carry the path of a member.
func (m *metricBody) draft() (metricdef.Draft, error) {
	d := metricdef.Draft{
		Identity: metricdef.Identity{Tenant: 1, Type: metricdef.Gauge, Name: m.Name, Tags: sortedTags(m.Tags)},
		Plain:    sortedTags(m.PlainTags), Unit: m.Unit, Policy: m.Policy, Dialect: Name, Explicit: true,
	}
	if m.Retention != nil {
		d.Retention = time.Duration(*m.Retention)
	}
	if m.Type != "" {
		var ok bool
		if d.Type, ok = metricdef.ParseType(m.Type); !ok {
			return d, edge.At("/type", errTypes)
		}
	}
	if m.Kind != "" {
		var ok bool
		if d.Kind, ok = parseKind(m.Kind); !ok {
			return d, edge.At("/kind", errKinds)
		}
	}
	return d, atField(d.Validate())
}

var (
	errTypes = &syntaxError{text: `is none of "gauge", "counter", "availability", "string"`}
	errKinds = &syntaxError{text: `is none of "float", "int", "state", "text"`}
)

func parseKind(name string) (metricdef.Kind, bool) {
	for k := metricdef.KindFloat; k <= metricdef.KindText; k++ {
		if k.String() == name {
			return k, true
		}
	}
	return 0, false
}

func sortedTags(tags map[string]string) []metricdef.Tag {
	if len(tags) == 0 {
		return nil
	}
	list := make([]metricdef.Tag, 0, len(tags))
	for name, value := range tags {
		list = append(list, metricdef.Tag{Name: name, Value: value})
	}
	slices.SortFunc(list, func(a, b metricdef.Tag) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// memberOf are the members of a body by the fields of a definition.
var memberOf = map[string]string{
	"name": "/name", "identity tags": "/tags", "plain tags": "/plain_tags", "unit": "/unit", "type": "/type", "kind": "/kind", "policy": "/policy", "retention": "/retention",
}

// atField puts the path of the member at fault to an error about a definition.
func atField(err error) error {
	var invalid *metricdef.InvalidError
	var identity *metricdef.IdentityTagError
	var derived *metricdef.DerivedTagError
	switch {
	case errors.As(err, &invalid):
		return edge.At(memberOf[invalid.Field], err)
	case errors.As(err, &identity):
		return edge.At(edge.Pointer("/plain_tags", identity.Tag), err)
	case errors.As(err, &derived):
		return edge.At(edge.Pointer("/plain_tags", derived.Tag), err)
	}
	if edge.CodeOf(err) == "policy-unknown" {
		return edge.At("/policy", err)
	}
	return err
}

// maxItems is how many metrics one request may make or delete by their ids.
const maxItems = 10_000

var errItems = &syntaxError{text: "the list has more than " + strconv.Itoa(maxItems) + " elements, which is the limit"}

// metricBodies is a metric or a list of metrics. What is wrong with one of a list is its own.
type metricBodies struct {
	list  []metricBody
	errs  []error // by metric, nil where it could be read
	isOne bool
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (m *metricBodies) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() != '[' {
		m.list, m.errs, m.isOne = make([]metricBody, 1), make([]error, 1), true
		return json.UnmarshalDecode(d, &m.list[0], json.RejectUnknownMembers(true))
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for d.PeekKind() != ']' {
		if len(m.list) == maxItems {
			return errItems
		}
		raw, err := d.ReadValue()
		if err != nil {
			return err
		}
		var b metricBody
		m.errs = append(m.errs, syntax(json.Unmarshal(raw, &b, json.RejectUnknownMembers(true))))
		m.list = append(m.list, b)
	}
	_, err := d.ReadToken()
	return err
}

// optional is a text that may be given, or given as null.
type optional struct {
	given bool
	value string // "" for null
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (o *optional) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	o.given = true
	if d.PeekKind() == 'n' {
		_, err := d.ReadToken()
		return err
	}
	return json.UnmarshalDecode(d, &o.value)
}

// pointer is the text, nil if it was not given.
func (o optional) pointer() *string {
	if !o.given {
		return nil
	}
	return &o.value
}

// lifetime is a duration above zero.
type lifetime time.Duration

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (v *lifetime) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if err := (*duration)(v).UnmarshalJSONFrom(d); err != nil {
		return err
	}
	if *v == 0 {
		return &syntaxError{text: "expected a duration above zero"}
	}
	return nil
}

// optionalLifetime is a lifetime that may be given, or given as null.
type optionalLifetime struct {
	given bool
	value lifetime // 0 for null
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (o *optionalLifetime) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	o.given = true
	if d.PeekKind() == 'n' {
		_, err := d.ReadToken()
		return err
	}
	return o.value.UnmarshalJSONFrom(d)
}

// pointer is the duration, nil if it was not given.
func (o optionalLifetime) pointer() *time.Duration {
	if !o.given {
		return nil
	}
	return (*time.Duration)(&o.value)
}

// metricPatch is a JSON merge patch (RFC 7396) of a metric: null takes away. Members of the identity may be given as they are.
type metricPatch struct {
	Unit      optional           `json:"unit"`
	Policy    optional           `json:"policy"`
	Retention optionalLifetime   `json:"retention"`
	PlainTags map[string]*string `json:"plain_tags"`

	Name *string            `json:"name"`
	Type *string            `json:"type"`
	Kind *string            `json:"kind"`
	Tags map[string]*string `json:"tags"`
}

// identityError refuses a change of what makes a metric the metric that it is.
type identityError struct{}

func (*identityError) Error() string {
	return "name, type, kind and tags make the metric what it is and cannot change; only unit, policy, retention and plain_tags can"
}
func (*identityError) Kind() string { return string(edge.Conflict) }
func (*identityError) Code() string { return "identity-tag" }

// update is what the patch changes of a metric.
func (m *metricPatch) update(d *metricdef.Definition) (metricdef.Update, error) {
	for _, fixed := range []struct {
		member string
		given  *string
		is     string
	}{{"/name", m.Name, d.Name}, {"/type", m.Type, d.Type.String()}, {"/kind", m.Kind, d.Values().String()}} {
		if fixed.given != nil && *fixed.given != fixed.is {
			return metricdef.Update{}, edge.At(fixed.member, &identityError{})
		}
	}
	has := map[string]string{}
	for _, t := range d.Tags {
		has[t.Name] = t.Value
	}
	for _, name := range slices.Sorted(maps.Keys(m.Tags)) {
		value := m.Tags[name]
		is, known := has[name]
		if known != (value != nil) || value != nil && *value != is {
			return metricdef.Update{}, edge.At(edge.Pointer("/tags", name), &identityError{})
		}
	}
	u := metricdef.Update{Unit: m.Unit.pointer(), Policy: m.Policy.pointer(), Retention: m.Retention.pointer()}
	for _, name := range slices.Sorted(maps.Keys(m.PlainTags)) {
		if value := m.PlainTags[name]; value == nil {
			u.Remove = append(u.Remove, name)
		} else {
			u.Set = append(u.Set, metricdef.Tag{Name: name, Value: *value})
		}
	}
	return u, nil
}
