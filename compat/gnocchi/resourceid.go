package gnocchi

import (
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"granary/compat/gnocchi/schema"
	"granary/metricdef/resource"
)

// resourceSpace is the namespace of the ids that are made of texts.
var resourceSpace = uuid.MustParse("0a7a15ff-aa13-4ac2-897c-9bdf30ce175b")

// resourceID is the id of the resource that somebody calls so: a UUID is itself, and any other text has one of its own for everybody
// who uses it.
func resourceID(text, creator string) (uuid.UUID, error) {
	if id, ok := parseUUID(text); ok {
		return id, nil
	}
	switch {
	case text == "":
		return uuid.Nil, errors.New("the id of a resource is empty")
	case strings.Contains(text, "/"):
		return uuid.Nil, errors.New("'/' is not supported in the id of a resource")
	case strings.ContainsRune(text, 0):
		return uuid.Nil, errors.New("the character U+0000 is not supported in the id of a resource")
	case utf8.RuneCountInString(text) > resource.MaxOriginal:
		return uuid.Nil, errors.New("the id of a resource is too long")
	}
	return uuid.NewSHA1(resourceSpace, []byte(text+"\x00"+creator)), nil
}

func parseUUID(text string) (uuid.UUID, bool) { return schema.UUID(text) }

// namedResource is a resource as a body names it.
type namedResource struct {
	id   uuid.UUID
	text string
}

// resourceName is the check of the id of a resource that the caller names; it means a namedResource.
func (c *caller) resourceName(v any) (any, error) {
	s, err := schema.Str(v)
	if err != nil {
		return nil, err
	}
	id, err := resourceID(s.(string), c.creator)
	if err != nil {
		return nil, schema.NotValid()
	}
	return namedResource{id, s.(string)}, nil
}
