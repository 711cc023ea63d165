package gnocchi

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"granary/compat/gnocchi/schema"
	"granary/metricdef/resource"
)

// resourceSpace is the namespace of the ids that are made of texts.
var resourceSpace = uuid.MustParse("0a7a15ff-aa13-4ac2-897c-9bdf30ce175b")

// resourceID is the id of the resource that somebody calls so: a UUID is itself, and any other text has one of its own for everybody
// who uses it. The error says what is wrong in Gnocchi's words.
func resourceID(text, creator string) (uuid.UUID, error) {
	if id, ok := parseUUID(text); ok {
		return id, nil
	}
	switch {
	case text == "":
		return uuid.Nil, errors.New("length of value must be at least 1")
	case strings.Contains(text, "/"):
		return uuid.Nil, errors.New("'/' is not supported in resource id")
	case schema.NameFault(text) != "":
		return uuid.Nil, errors.New(schema.NameFault(text))
	case utf8.RuneCountInString(text) > resource.MaxOriginal:
		return uuid.Nil, fmt.Errorf("transformable resource id >%d max allowed characters", resource.MaxOriginal)
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
	return namedResource{id, s.(string)}, err
}
