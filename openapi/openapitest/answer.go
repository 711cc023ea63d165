package openapitest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Answer is what came back to a request.
type Answer struct {
	Method, Path string
	Status       int
	Header       http.Header
	Body         []byte // without its Content-Encoding
}

// Check says what is wrong with an answer.
func (c *Contract) Check(a Answer) error {
	op, found, known := c.Find(a.Method, a.Path)
	if !found {
		return refused(a, known)
	}
	if err := c.check(op, a); err != nil {
		return fmt.Errorf("%s %s, answered %d: %w", a.Method, a.Path, a.Status, err)
	}
	return nil
}

// refused checks the answer to what the document does not know.
func refused(a Answer, known bool) error {
	switch {
	case a.Status == http.StatusMethodNotAllowed, a.Status == http.StatusNotFound, a.Status == http.StatusTemporaryRedirect:
		return nil
	case a.Status == http.StatusUnauthorized, a.Status == http.StatusForbidden, a.Status == http.StatusServiceUnavailable:
		return nil // whoever asks is turned away before the path is looked at
	case a.Method == http.MethodOptions && a.Status < 300:
		return nil // a browser that asks whether it may
	case known:
		return fmt.Errorf("%s %s, answered %d: the document has the path, but not the method", a.Method, a.Path, a.Status)
	}
	return fmt.Errorf("%s %s, answered %d: the document does not have the path", a.Method, a.Path, a.Status)
}

func (c *Contract) check(op Operation, a Answer) error {
	responses, _ := op.node["responses"].(map[string]any)
	name := strconv.Itoa(a.Status)
	node, ok := responses[name]
	if !ok {
		name = "default"
		if node, ok = responses[name]; !ok {
			return errors.New("the document does not have the status")
		}
	}
	response, at := c.resolve(node, pointer(op.at, "responses", name))
	if response == nil {
		return fmt.Errorf("nothing stands at %s", at)
	}
	if err := c.checkHeader(response, at, a.Header); err != nil {
		return err
	}
	if a.Method == http.MethodHead {
		return nil // net/http cuts its body off
	}
	return c.checkBody(response, at, a)
}

// meaning says whether a header means something that a client has to know, so that the document has to have it.
func meaning(name string) bool {
	return strings.HasPrefix(name, "X-Granary-") || slices.Contains([]string{"Retry-After", "Link", "Etag", "Location"}, name)
}

func (c *Contract) checkHeader(response map[string]any, at string, got http.Header) error {
	documented, _ := response["headers"].(map[string]any)
	names := map[string]bool{}
	for name, node := range documented {
		header, hat := c.resolve(node, pointer(at, "headers", name))
		name = http.CanonicalHeaderKey(name)
		names[name] = true
		value := got.Values(name)
		if required, _ := header["required"].(bool); required && len(value) == 0 {
			return fmt.Errorf("the header %s is missing", name)
		}
		for _, v := range value {
			if err := c.Validate(pointer(hat, "schema"), c.scalar(header["schema"], v)); err != nil {
				return fmt.Errorf("the header %s: %w", name, err)
			}
		}
	}
	for name := range got {
		if meaning(name) && !names[name] {
			return fmt.Errorf("the document does not have the header %s: %s", name, got.Get(name))
		}
	}
	return nil
}

// scalar is the value of a header as its schema wants it.
func (c *Contract) scalar(schema any, text string) any {
	if m, _ := c.resolve(schema, ""); m["type"] == "integer" || m["type"] == "number" {
		return json.Number(text)
	}
	return text
}

func (c *Contract) checkBody(response map[string]any, at string, a Answer) error {
	content, _ := response["content"].(map[string]any)
	if len(a.Body) == 0 {
		if response[bare] == true {
			return nil
		}
		for name, node := range content {
			if m, _ := node.(map[string]any); m["schema"] != nil && strings.Contains(name, "json") && !strings.Contains(name, "ndjson") {
				return errors.New("there is no body")
			}
		}
		return nil
	}
	media, _, err := mime.ParseMediaType(a.Header.Get("Content-Type"))
	if err != nil {
		return fmt.Errorf("Content-Type %q: %w", a.Header.Get("Content-Type"), err)
	}
	node, ok := content[media].(map[string]any)
	if !ok {
		return fmt.Errorf("the document does not have the media type %s", media)
	}
	if _, ok := node["schema"]; !ok {
		return fmt.Errorf("there is a body, %q", shorten(a.Body))
	}
	ptr := pointer(at, "content", media, "schema")
	var values []any
	switch {
	case strings.Contains(media, "ndjson"): // the schema is that of a line
		for line := range bytes.SplitSeq(a.Body, []byte{'\n'}) {
			if len(line) == 0 {
				continue
			}
			v, err := jsonschema.UnmarshalJSON(bytes.NewReader(line))
			if err != nil {
				return fmt.Errorf("%q: %w", shorten(line), err)
			}
			values = append(values, v)
		}
	case strings.Contains(media, "json"):
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(a.Body))
		if err != nil {
			return fmt.Errorf("%q: %w", shorten(a.Body), err)
		}
		values = append(values, v)
	default:
		values = append(values, string(a.Body))
	}
	for _, v := range values {
		if err := c.Validate(ptr, v); err != nil {
			return fmt.Errorf("%w\n%s", err, shorten(a.Body))
		}
	}
	return nil
}

func shorten(b []byte) []byte { return b[:min(len(b), 1000)] }
