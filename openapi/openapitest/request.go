package openapitest

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Request is a request that was answered with success.
type Request struct {
	Method, Path string
	Query        url.Values
	ContentType  string
	Body         []byte // without its Content-Encoding
}

// CheckRequest says what a request that the service has taken has that the document does not let it have: a parameter, a
// media type, a body that does not fit the schema. Else the document would keep clients from what they may do.
func (c *Contract) CheckRequest(r Request) error {
	op, found, _ := c.Find(r.Method, r.Path)
	if !found {
		return nil // Check says so
	}
	if err := c.checkRequest(op, r); err != nil {
		return fmt.Errorf("the request %s %s, which was taken: %w", r.Method, r.Path, err)
	}
	return nil
}

func (c *Contract) checkRequest(op Operation, r Request) error {
	parameters := map[string]bool{}
	list, _ := op.node["parameters"].([]any)
	for _, node := range list {
		p, _ := c.resolve(node, "")
		if p["in"] == "query" {
			name, _ := p["name"].(string)
			parameters[name] = true
			other, _ := p[alias].(string)
			parameters[other] = true
		}
	}
	for name := range r.Query {
		if !parameters[name] {
			return fmt.Errorf("the document does not have the parameter %s", name)
		}
	}
	if len(r.Body) == 0 || r.Method == http.MethodGet {
		return nil // the body of a GET has no place in OpenAPI
	}
	body, at := c.resolve(op.node["requestBody"], pointer(op.at, "requestBody"))
	content, _ := body["content"].(map[string]any)
	if content == nil {
		return errors.New("the document does not have a body")
	}
	media, _, err := mime.ParseMediaType(r.ContentType)
	if err != nil || content[media] == nil {
		return nil // a service may be more lenient about names of media types
	}
	if !strings.Contains(media, "json") || strings.Contains(media, "ndjson") {
		return nil
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(r.Body))
	if err != nil {
		return nil // more lenient again: what stands behind a whole value is ignored by some
	}
	if err := c.Validate(pointer(at, "content", media, "schema"), v); err != nil {
		return fmt.Errorf("%w\n%s", err, shorten(r.Body))
	}
	return nil
}
