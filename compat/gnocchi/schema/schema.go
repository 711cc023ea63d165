package schema

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"granary/api/edge"
	"granary/compat/gnocchi/pyjson"
)

// Error says what is wrong with a value.
type Error struct {
	Text string
	// Path leads from the body to the value: names of members and numbers of items.
	Path []any
	// ofMember says that the value is that of a member of an object.
	ofMember bool
}

// Error is the text with the path: "expected str for dictionary value @ data['a'][0]['b']".
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Text)
	if e.ofMember {
		b.WriteString(" for dictionary value")
	}
	for i, p := range e.Path {
		if i == 0 {
			b.WriteString(" @ data")
		}
		b.WriteByte('[')
		if n, ok := p.(int); ok {
			b.WriteString(strconv.Itoa(n))
		} else {
			b.Write(pyjson.AppendRepr(nil, shorten(p.(string))))
		}
		b.WriteByte(']')
	}
	return b.String()
}

// Detail is the path as texts.
func (e *Error) Detail() []string {
	list := make([]string, len(e.Path))
	for i, p := range e.Path {
		if n, ok := p.(int); ok {
			list[i] = strconv.Itoa(n)
		} else {
			list[i] = shorten(p.(string))
		}
	}
	return list
}

// shorten bounds what an error says of a name.
func shorten(s string) string { return edge.Shorten(s, 300) }

// Kind is "invalid".
func (*Error) Kind() string { return "invalid" }

// Code is the stable code of the error.
func (*Error) Code() string { return "body-invalid" }

// Wrong is the error of a value whose fault has this text.
func Wrong(text string) error { return &Error{Text: text} }

// NotValid is the error of a value that nothing more can be said about.
func NotValid() error { return Wrong("not a valid value") }

// Check checks a value and gives what it means. An error that is no *Error stands for one with its text.
type Check func(v any) (any, error)

// At puts an element before the path of an error. member says that it is the name of a member.
func At(err error, where any, member bool) error {
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Text: err.Error()}
	}
	return &Error{e.Text, append([]any{where}, e.Path...), e.ofMember || member && len(e.Path) == 0}
}

// UUID reads a UUID in any spelling: with hyphens or without, in braces, as a URN.
func UUID(text string) (uuid.UUID, bool) {
	if len(text) == 38 && (text[0] != '{' || text[37] != '}') {
		return uuid.Nil, false // the library does not look at what stands around it
	}
	id, err := uuid.Parse(text)
	return id, err == nil
}

// Field is a member that an object may have.
type Field struct {
	Name     string
	Required bool
	Check    Check
}

// Dict is an object with these members and no others. What it means is a *pyjson.Object of what its members mean, in the order of
// the body.
func Dict(fields ...Field) Check {
	return func(v any) (any, error) {
		o, ok := v.(*pyjson.Object)
		if !ok {
			return nil, Wrong("expected a dictionary")
		}
		out := &pyjson.Object{}
	members:
		for i, name := range o.Names {
			for _, f := range fields {
				if f.Name != name {
					continue
				}
				got, err := f.Check(o.Values[i])
				if err != nil {
					return nil, At(err, name, true)
				}
				out.Set(name, got)
				continue members
			}
			return nil, &Error{Text: "extra keys not allowed", Path: []any{name}}
		}
		for _, f := range fields {
			if f.Required && out.Find(f.Name) < 0 {
				return nil, &Error{Text: "required key not provided", Path: []any{f.Name}}
			}
		}
		return out, nil
	}
}

// Map is an object whose members have names of one form and values of one form. What it means has the names that key gives.
func Map(key func(string) (string, error), value Check) Check {
	return func(v any) (any, error) {
		o, ok := v.(*pyjson.Object)
		if !ok {
			return nil, Wrong("expected a dictionary")
		}
		out := &pyjson.Object{}
		for i, name := range o.Names {
			as, err := key(name)
			if err != nil {
				return nil, &Error{Text: "extra keys not allowed", Path: []any{name}}
			}
			got, err := value(o.Values[i])
			if err != nil {
				return nil, At(err, name, true)
			}
			out.Set(as, got)
		}
		return out, nil
	}
}

// List is a list of at least so many items, []any of what they mean.
func List(least int, item Check) Check {
	return func(v any) (any, error) {
		list, ok := v.([]any)
		if !ok {
			return nil, Wrong("expected a list")
		}
		out := make([]any, len(list))
		for i, e := range list {
			got, err := item(e)
			if err != nil {
				return nil, At(err, i, false)
			}
			out[i] = got
		}
		if len(list) < least {
			return nil, Wrong("length of value must be at least " + strconv.Itoa(least))
		}
		return out, nil
	}
}

// Str is a string.
func Str(v any) (any, error) {
	if s, ok := v.(string); ok {
		return s, nil
	}
	return nil, Wrong("expected str")
}

// StrMax is a string of at most so many characters.
func StrMax(most int) Check { return StrRange(0, most) }

// StrRange is a string with a number of characters from least to most.
func StrRange(least, most int) Check {
	return func(v any) (any, error) {
		s, err := Str(v)
		if err != nil {
			return nil, err
		}
		switch n := utf8.RuneCountInString(s.(string)); {
		case n < least:
			return nil, Wrong("length of value must be at least " + strconv.Itoa(least))
		case n > most:
			return nil, Wrong("length of value must be at most " + strconv.Itoa(most))
		}
		return s, nil
	}
}

// Name is a string of 1 to 255 bytes that an address can hold, which is what names of things that are kept may have.
func Name(v any) (any, error) {
	s, err := Str(v)
	switch {
	case err != nil:
		return nil, err
	case s == "":
		return nil, Wrong("length of value must be at least 1")
	case len(s.(string)) > MaxName:
		return nil, Wrong("length of value must be at most " + strconv.Itoa(MaxName))
	}
	if fault := NameFault(s.(string)); fault != "" {
		return nil, Wrong(fault)
	}
	return s, nil
}

// NameFault says why a text cannot be the name of something that addresses lead to; "": it can. Clients and proxies take the segments "."
// and ".." out of addresses, also where they are escaped.
func NameFault(text string) string {
	switch {
	case text == "." || text == "..":
		return "'" + text + "' is not supported in a name: no address leads to it"
	case strings.ContainsRune(text, 0):
		return "the character U+0000 is not supported in a name"
	}
	return ""
}

// MaxName is the length of the longest name, in bytes.
const MaxName = 255

// Bool is true or false.
func Bool(v any) (any, error) {
	if b, ok := v.(bool); ok {
		return b, nil
	}
	return nil, Wrong("expected bool")
}

// Int is a number that is written as a whole one, int64.
func Int(v any) (any, error) {
	if n, ok := v.(pyjson.Number); ok {
		if i, ok := n.Int(); ok {
			return i, nil
		}
	}
	return nil, Wrong("expected int")
}

// CoerceInt is what Python's int takes: a whole number, a text of one, and any other number without its decimals; int64.
func CoerceInt(v any) (any, error) {
	switch v := v.(type) {
	case bool:
		if v {
			return int64(1), nil
		}
		return int64(0), nil
	case string:
		if i, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64); err == nil {
			return i, nil
		}
	case pyjson.Number:
		if i, ok := v.Int(); ok {
			return i, nil
		}
		if f := v.Float(); f > -1<<63 && f < 1<<63 && !v.IsInt() {
			return int64(f), nil
		}
	}
	return nil, Wrong("expected int")
}

// AtLeast is a check of an int64 with a lower bound.
func AtLeast(least int64, check Check) Check {
	return func(v any) (any, error) {
		got, err := check(v)
		if err == nil && got.(int64) < least {
			return nil, Wrong("value must be at least " + strconv.FormatInt(least, 10))
		}
		return got, err
	}
}

// Nullable is null, which means nil, or what the check takes.
func Nullable(check Check) Check {
	return func(v any) (any, error) {
		if v == nil {
			return nil, nil
		}
		return check(v)
	}
}
