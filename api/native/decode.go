package native

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"granary/api/edge"
)

// maxNesting bounds how deep objects and arrays of a body lie in one another. What the API takes needs less than half; a
// search is a tree that a client builds.
const maxNesting = 64

// decode reads the JSON of a request's body into v, strictly: the size and the nesting are bounded, and unknown members,
// members given twice, values of a wrong type and numbers out of range are refused with the path of the member. Members of
// v that the body does not name stay as they are.
func (a *API) decode(r *http.Request, v any) error {
	switch t := edge.MediaType(r); {
	case t == "", t == typeJSON, strings.HasPrefix(t, "application/") && strings.HasSuffix(t, "+json"):
	default:
		return &mediaError{found: r.Header.Get("Content-Type"), wanted: jsonOnly}
	}
	body, err := a.o.Requests.Read(r)
	if err != nil {
		return err
	}
	defer body.Free()
	if body.Cut != nil {
		return &syntaxError{text: body.Cut.Error()}
	}
	return decodeJSON(body.Bytes, v)
}

// decodeJSON reads one JSON value, as decode does.
func decodeJSON(b []byte, v any) error {
	if len(bytes.TrimLeft(b, " \t\r\n")) == 0 {
		return &syntaxError{text: "the body is empty; it must be JSON"}
	}
	if err := checkNesting(b); err != nil {
		return err
	}
	return syntax(json.Unmarshal(b, v, json.RejectUnknownMembers(true)))
}

// syntax puts an error of the decoder into our words. An error of ours, from a method that reads a member, keeps its code.
func syntax(err error) error {
	if err == nil {
		return nil
	}
	var own interface{ Code() string }
	var semantic *json.SemanticError
	var broken *jsontext.SyntacticError
	switch {
	case errors.As(err, &semantic):
		path := string(semantic.JSONPointer)
		switch {
		case errors.As(semantic.Err, &own):
			return edge.At(path, semantic.Err)
		case errors.Is(semantic.Err, json.ErrUnknownName):
			return &syntaxError{text: "there is no member of this name" + membersOf(semantic.GoType), path: path, has: true}
		}
		return &syntaxError{text: wrongType(semantic), path: path, has: true}
	case errors.As(err, &broken):
		path := string(broken.JSONPointer)
		if errors.Is(broken.Err, jsontext.ErrDuplicateName) {
			return &syntaxError{text: "the member is given twice", path: path, has: true}
		}
		text := broken.Err.Error()
		if errors.Is(broken.Err, io.ErrUnexpectedEOF) {
			text = "the JSON ends too early"
		}
		return &syntaxError{text: fmt.Sprintf("no valid JSON at byte %d: %s", broken.ByteOffset, shorten(text)), path: path, has: true}
	}
	return &syntaxError{text: shorten(err.Error())}
}

// membersOf lists the members that an object can have, as the end of a sentence.
func membersOf(t reflect.Type) string {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil || t.Kind() != reflect.Struct {
		return ""
	}
	var names []string
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "" && name != "-" {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return ", only " + strings.Join(names, ", ")
}

// wrongType says what stands where something else should.
func wrongType(e *json.SemanticError) string {
	found := map[jsontext.Kind]string{'n': "null", 't': "true", 'f': "false", '"': "a text", '0': "a number", '{': "an object", '[': "a list"}[e.JSONKind]
	value := ""
	if len(e.JSONValue) > 0 && (e.JSONKind == '0' || e.JSONKind == '"') {
		value = " " + shorten(string(e.JSONValue))
	}
	wanted := kindOf(e.GoType)
	switch {
	case found == "" && e.Err != nil:
		return shorten(e.Err.Error())
	case found == wanted && e.Err != nil, wanted == "":
		if e.Err == nil {
			return fmt.Sprintf("%s%s cannot stand here", found, value)
		}
		return fmt.Sprintf("%s%s: %s", found, value, shorten(e.Err.Error()))
	case found == wanted:
		return fmt.Sprintf("%s%s is not one that can stand here", found, value)
	}
	return fmt.Sprintf("expected %s, found %s%s", wanted, found, value)
}

func kindOf(t reflect.Type) string {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil {
		return ""
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a text"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Map, reflect.Struct:
		return "an object"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return fmt.Sprintf("a whole number of %d bits", t.Bits())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return fmt.Sprintf("a whole number of %d bits, not below zero", t.Bits())
	case reflect.Float32, reflect.Float64:
		return "a number"
	}
	return ""
}

// checkNesting refuses a body that is nested too deep, before anything recurses into it.
func checkNesting(b []byte) error {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			for i++; i < len(b) && b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			if depth++; depth > maxNesting {
				return &syntaxError{text: fmt.Sprintf("lists and objects lie more than %d deep", maxNesting), path: pointerAt(b[:i]), has: true}
			}
		case '}', ']':
			depth--
		}
	}
	return nil
}

// pointerAt is the path of the value that begins behind b, the front of a JSON text.
func pointerAt(b []byte) string {
	d := jsontext.NewDecoder(bytes.NewReader(b))
	for {
		if _, err := d.ReadToken(); err != nil {
			return string(d.StackPointer())
		}
	}
}
