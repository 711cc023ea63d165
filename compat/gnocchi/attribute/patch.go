package attribute

import (
	"fmt"
	"strings"
	"time"

	"granary/api/edge"
	"granary/compat/gnocchi/pyjson"
	"granary/compat/gnocchi/schema"
	"granary/metricdef/resource"
)

// Patch is a change of the attributes of a type, as JSON patch describes it.
type Patch []operation

// operation is one step of a patch: it adds a value, or removes what is there.
type operation struct {
	add   bool
	path  []string
	value *pyjson.Object // of add
}

// root is the member of a type that patches are about.
const root = "attributes"

// Bounds of a patch.
const (
	MaxPatch   = 1000 // operations
	maxPath    = 4    // elements of a path: /attributes/NAME/options/fill
	maxMembers = 1000 // of an object that is changed
)

// ParsePatch is the check of a body that changes a type; it means a Patch.
func ParsePatch(v any) (any, error) {
	list, err := schema.List(0, parseOperation)(v)
	if err != nil {
		return nil, err
	}
	if n := len(list.([]any)); n > MaxPatch {
		return nil, schema.Wrong(fmt.Sprint("length of value must be at most ", MaxPatch))
	}
	patch := Patch{}
	for _, op := range list.([]any) {
		patch = append(patch, op.(operation))
	}
	return patch, nil
}

func parseOperation(v any) (any, error) {
	out, err := schema.Dict(
		schema.Field{Name: "op", Required: true, Check: func(v any) (any, error) {
			if v != "add" && v != "remove" {
				return nil, schema.NotValid()
			}
			return v, nil
		}},
		schema.Field{Name: "path", Required: true, Check: parsePath},
		schema.Field{Name: "value", Check: func(v any) (any, error) { return schema.Map(anyName, anything)(v) }},
	)(v)
	if err != nil {
		return nil, err
	}
	o := out.(*pyjson.Object)
	op, _ := o.Get("op")
	path, _ := o.Get("path")
	value, given := o.Get("value")
	step := operation{add: op == "add", path: path.([]string)}
	if step.value, _ = value.(*pyjson.Object); step.add && !given {
		return nil, &schema.Error{Text: "required key not provided", Path: []any{"value"}}
	}
	return step, nil
}

func anyName(name string) (string, error) { return name, nil }
func anything(v any) (any, error)         { return v, nil }

// unescape reads an element of a path.
var unescape = strings.NewReplacer("~1", "/", "~0", "~")

// parsePath reads a JSON pointer to something below the attributes; it means its elements.
func parsePath(v any) (any, error) {
	s, err := schema.Str(v)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(s.(string), "/"+root) || strings.Count(s.(string), "/") > maxPath {
		return nil, schema.NotValid()
	}
	path := strings.Split(s.(string)[1:], "/")
	for i := range path {
		path[i] = unescape.Replace(path[i])
	}
	return path, nil
}

// Apply gives a type the attributes that it has after the patch, and says with which values resources are filled that have none. The type
// is as it was if there is an error, which is an *InputError, *schema.Error or *PatchError.
func (p Patch) Apply(t *resource.Type, now time.Time) (fill map[string]resource.Value, err error) {
	next := &pyjson.Object{}
	attributes := &pyjson.Object{}
	for i := range t.Attributes {
		attributes.Set(t.Attributes[i].Name, describe(&t.Attributes[i]))
	}
	next.Set(root, attributes)
	for i := range p {
		if next, err = p[i].apply(next, p[i].path); err != nil {
			return nil, err
		}
	}
	out, err := schema.Dict(schema.Field{Name: root, Required: true, Check: specs(true)})(next)
	if err != nil {
		return nil, err
	}
	list := out.(*pyjson.Object).Values[0].([]spec)
	after := make([]resource.Attribute, len(list))
	fill = map[string]resource.Value{}
	for i := range list {
		s := &list[i]
		after[i] = s.Attribute
		if err := s.follow(t, fill, now); err != nil {
			return nil, err
		}
	}
	sortByName(after)
	t.Attributes = after
	return fill, nil
}

// follow says whether an attribute may be after a change what it is, and with what it is filled.
func (s *spec) follow(t *resource.Type, fill map[string]resource.Value, now time.Time) error {
	before := t.Attribute(s.Name)
	switch {
	case before == nil:
		if err := s.fits(); err != nil {
			return err
		}
	case before.Kind != s.Kind:
		return &PatchError{fmt.Sprintf("Type update is not available yet. Changing %s to %s for attribute %s of resource %s",
			before.Kind, s.Kind, s.Name, t.Name)}
	case !before.Equal(&s.Attribute):
		if err := s.fits(); err != nil {
			return err
		}
	}
	if s.fill == nil {
		if s.Required && (before == nil || !before.Required) {
			return s.badFill("must not be empty if required=True")
		}
		return nil
	}
	v, err := value(&s.Attribute, s.fill, now)
	if err != nil {
		return s.badFill(err.Error())
	}
	fill[s.Name] = v
	return nil
}

func (s *spec) badFill(reason string) error {
	return inputError("Option 'fill' of resource attribute %s is invalid: %s", s.Name, reason)
}

// apply makes the step in an object below which the rest of the path lies. What the step is given stays as it is.
func (op *operation) apply(o *pyjson.Object, path []string) (*pyjson.Object, error) {
	name := path[0]
	old, there := o.Get(name)
	changed := &pyjson.Object{}
	for i, n := range o.Names {
		if len(path) > 1 || op.add || n != name {
			changed.Set(n, o.Values[i])
		}
	}
	switch {
	case len(changed.Names) > maxMembers:
		return nil, &PatchError{fmt.Sprintf("more than %d members in path '/%s'", maxMembers, shorten(strings.Join(op.path, "/")))}
	case len(path) > 1:
		inner, ok := old.(*pyjson.Object)
		if !ok {
			return nil, &PatchError{fmt.Sprintf("member '%s' not found in path '/%s'", shorten(name), shorten(strings.Join(op.path, "/")))}
		}
		inner, err := op.apply(inner, path[1:])
		if err != nil {
			return nil, err
		}
		changed.Set(name, inner)
	case op.add:
		changed.Set(name, op.value)
	case !there:
		return nil, &PatchError{fmt.Sprintf("can't remove a non-existent object '%s'", shorten(name))}
	}
	return changed, nil
}

// PatchError refuses a patch that the type does not allow.
type PatchError struct{ Text string }

// Error implements error.
func (e *PatchError) Error() string { return e.Text }

// Kind is "invalid".
func (*PatchError) Kind() string { return "invalid" }

// Code is the stable code of the error.
func (*PatchError) Code() string { return "resource-invalid" }

func shorten(s string) string { return edge.Shorten(s, 200) }
