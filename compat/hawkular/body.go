package hawkular

import (
	"bytes"
	"errors"

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

// unmarshal reads one JSON text, and what Hawkular takes for JSON beside it. An error names the member that is wrong.
func unmarshal(b []byte, v any) error {
	err := json.Unmarshal(b, v, jsontext.AllowDuplicateNames(true))
	var broken *jsontext.SyntacticError
	if errors.As(err, &broken) {
		if meant, changed := points.Strict(b); changed {
			if err2 := json.Unmarshal(meant, v, jsontext.AllowDuplicateNames(true)); !errors.As(err2, new(*jsontext.SyntacticError)) {
				err = err2 // else the place in what was sent is of more use
			}
		}
	}
	if err == nil {
		return nil
	}
	var semantic *json.SemanticError
	var own *requestError
	switch {
	case errors.As(err, &semantic):
		at := semantic.JSONPointer
		if at == "" {
			at = "/"
		}
		if errors.As(semantic.Err, &own) {
			return badRequest("%s: %v", shorten(string(at)), own)
		}
		return badRequest("%s: %s cannot stand here", shorten(string(at)), kinds[semantic.JSONKind])
	case errors.As(err, &broken):
		return badRequest("the body is no valid JSON at byte %d: %v", broken.ByteOffset, broken.Err)
	}
	return badRequest("the body cannot be read: %s", shorten(err.Error()))
}

var kinds = map[jsontext.Kind]string{'n': "null", 't': "true", 'f': "false", '"': "a text", '0': "a number", '{': "an object", '[': "a list", 0: "this value"}

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
