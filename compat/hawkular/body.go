package hawkular

import (
	"bytes"
	"errors"
	"reflect"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"granary/compat/hawkular/points"
)

// errPayload refuses a request whose body says nothing.
var errPayload = &requestError{"Payload is empty"}

// decode reads the JSON of the body into v. Members that v has not are passed over, as both peers do; null is as good as absent. Texts in
// single quotes and names without quotes are read too. A body that says nothing, which is none at all, null, [] or {}, is refused in the
// strict mode, and else leaves v as it is.
func (c *call) decode(v any) error {
	b, err := c.payload()
	if err != nil || b == nil {
		return err
	}
	return unmarshal(b, v)
}

// payload is the body of a request that should say something. One that says nothing is refused in the strict mode, and nil in the default
// one.
func (c *call) payload() ([]byte, error) {
	b, err := c.body()
	switch {
	case err != nil:
		return nil, err
	case !saysNothing(b):
		return b, nil
	case c.strict():
		return nil, errPayload
	}
	return nil, nil
}

// saysNothing is true for no JSON at all, for null, and for a list or an object that is empty.
func saysNothing(b []byte) bool {
	const blank = " \t\r\n"
	b = bytes.Trim(b, blank)
	switch n := len(b); {
	case n == 0, string(b) == "null":
		return true
	case n > 1 && (b[0] == '[' && b[n-1] == ']' || b[0] == '{' && b[n-1] == '}'):
		return len(bytes.Trim(b[1:n-1], blank)) == 0
	}
	return false
}

// unmarshal reads one JSON text, and what Hawkular takes for JSON beside it. An error names the member that is wrong. A member that is given twice is: one
// of its two values would be lost.
func unmarshal(b []byte, v any) error {
	err := json.Unmarshal(b, v, jsontext.AllowDuplicateNames(true))
	broken, ok := errors.AsType[*jsontext.SyntacticError](err)
	if ok {
		if meant, changed := points.Strict(b); changed {
			err2 := json.Unmarshal(meant, v, jsontext.AllowDuplicateNames(true))
			if still, ok := errors.AsType[*jsontext.SyntacticError](err2); !ok {
				b, err = meant, err2
			} else if at := int64(points.Place(b, int(still.ByteOffset))); at >= broken.ByteOffset {
				still.ByteOffset, broken, err = at, still, err2
			}
		}
	}
	if err == nil {
		if at := twice(b); at != "" {
			return badRequest("%s: is given twice", shorten(at))
		}
		return nil
	}
	var semantic *json.SemanticError
	var own *requestError
	switch {
	case errors.As(err, &semantic):
		at := place(semantic.JSONPointer)
		if errors.As(semantic.Err, &own) {
			return badRequest("%s: %v", at, own)
		}
		if what := shape(semantic.GoType); what != "" {
			return badRequest("%s: %s cannot stand here, only %s", at, kinds[semantic.JSONKind], what)
		}
		return badRequest("%s: %s cannot stand here", at, kinds[semantic.JSONKind])
	case errors.As(err, &broken):
		return badRequest("the body is no valid JSON at byte %d: %v", broken.ByteOffset, broken.Err)
	}
	return badRequest("the body cannot be read: %s", shorten(err.Error()))
}

// How far a body is looked through for members that are given twice: so deep, and so many members of an object. None that is read lies deeper or has
// more. What the library does about all of them costs many times as much as to read the body.
const (
	mostDeep  = 4
	mostNames = 64
)

// twice is the place of a member that is given twice in an object of a JSON text; "" if there is none.
func twice(b []byte) string {
	d := jsontext.NewDecoder(bytes.NewBuffer(b), jsontext.AllowDuplicateNames(true))
	var names [mostDeep + 1][]string // of the objects around
	for {
		deep := d.StackDepth()
		if kind := d.PeekKind(); deep == mostDeep && (kind == '{' || kind == '[') {
			if d.SkipValue() != nil {
				return ""
			}
			continue
		}
		around, before := d.StackIndex(deep)
		token, err := d.ReadToken()
		switch {
		case err != nil:
			return "" // the end
		case token.Kind() == '{':
			names[deep+1] = names[deep+1][:0]
		case token.Kind() == '"' && around == '{' && before%2 == 0 && len(names[deep]) < mostNames:
			name := token.String()
			if slices.Contains(names[deep], name) {
				return string(d.StackPointer())
			}
			names[deep] = append(names[deep], name)
		}
	}
}

// place names a value of a body.
func place(at jsontext.Pointer) string {
	if at == "" {
		return "the body"
	}
	return shorten(string(at))
}

var kinds = map[jsontext.Kind]string{'n': "null", 't': "true", 'f': "false", '"': "a text", '0': "a number", '{': "an object", '[': "a list", 0: "this value"}

// shape is what a value of a type is written as in JSON; "" for what has several ways to be written.
func shape(t reflect.Type) string {
	if t == nil {
		return ""
	}
	switch t.Kind() {
	case reflect.String:
		return kinds['"']
	case reflect.Slice:
		return kinds['[']
	case reflect.Map, reflect.Struct:
		return kinds['{']
	}
	return ""
}

// readList reads a list of at most so many elements, so that a body does not become many times as large as it is.
func readList[T any](d *jsontext.Decoder, list *[]T, most int, what string) error {
	if d.PeekKind() != '[' {
		return json.UnmarshalDecode(d, list) // null, or the error says what is wrong with it
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	*list = []T{}
	for d.PeekKind() != ']' {
		if len(*list) == most {
			return badRequest("more than %d %s", most, what)
		}
		var one T
		if err := json.UnmarshalDecode(d, &one); err != nil {
			return err
		}
		*list = append(*list, one)
	}
	_, err := d.ReadToken()
	return err
}

// idList are the ids of metrics that a body names.
type idList []string

const mostIDs = 100_000

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (l *idList) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	return readList(d, (*[]string)(l), mostIDs, "ids")
}

// scalar is the text of a JSON value that is a text, a number, or true or false; "" for null.
func scalar(b []byte) (string, error) {
	switch b[0] {
	case '"':
		text, err := jsontext.AppendUnquote(nil, b)
		return string(text), err
	case 'n':
		return "", nil
	case '[', '{':
		return "", badRequest("%s cannot stand here", kinds[jsontext.Kind(b[0])])
	}
	return string(b), nil
}
