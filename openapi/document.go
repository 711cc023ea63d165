package openapi

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"sync"

	"go.yaml.in/yaml/v3"

	"granary/api/edge"
)

//go:embed document/*.yaml
var files embed.FS

// parts are the files of the document, in the order in which their tags and paths are shown. A dialect has a file of its
// own.
var parts = []string{
	"root", // what the whole document says; all others add to it
	"tenants",
	"keys",
	"policies",
	"metrics",
	"measures",
	"query",
	"usage",
	"native",
	"clustercockpit",
	"coopr",
	"hawkular",
	"hawkular-definitions",
	"hawkular-points",
	"hawkular-statistics",
	"influx",
	"gnocchi",
	"gnocchi-metrics",
	"gnocchi-resources",
	"gnocchi-aggregates",
	"prometheus",
	"service",
}

// Document is the joined document.
type Document struct {
	YAML, JSON []byte
}

// Joined gives the document. An error is a mistake in the files, which tests find.
var Joined = sync.OnceValues(func() (Document, error) {
	return join(parts, func(name string) ([]byte, error) { return files.ReadFile("document/" + name + ".yaml") })
})

// join reads the parts and adds each to the first.
func join(parts []string, read func(name string) ([]byte, error)) (Document, error) {
	var whole *yaml.Node
	for _, name := range parts {
		b, err := read(name)
		if err != nil {
			return Document{}, fmt.Errorf("openapi: %w", err)
		}
		var n yaml.Node
		if err := yaml.Unmarshal(b, &n); err != nil {
			return Document{}, fmt.Errorf("openapi: %s: %w", name, err)
		}
		if n.Kind != yaml.DocumentNode || n.Content[0].Kind != yaml.MappingNode {
			return Document{}, fmt.Errorf("openapi: %s is no mapping", name)
		}
		if whole == nil {
			whole = n.Content[0]
			continue
		}
		if err := add(whole, n.Content[0], ""); err != nil {
			return Document{}, fmt.Errorf("openapi: %s: %w", name, err)
		}
	}
	if whole == nil {
		return Document{}, errors.New("openapi: the document has no parts")
	}
	var text bytes.Buffer
	enc := yaml.NewEncoder(&text)
	enc.SetIndent(2)
	if err := errors.Join(enc.Encode(whole), enc.Close()); err != nil {
		return Document{}, fmt.Errorf("openapi: %w", err)
	}
	b, err := appendJSON(nil, whole)
	if err != nil {
		return Document{}, fmt.Errorf("openapi: %w", err)
	}
	return Document{YAML: text.Bytes(), JSON: append(b, '\n')}, nil
}

// add puts what a part has into the whole: mappings are merged, lists are appended. Nothing may be said twice, and a part
// may not say what only the root says.
func add(whole, part *yaml.Node, at string) error {
	blockStyle(whole)
	for i := 0; i+1 < len(part.Content); i += 2 {
		key, value := part.Content[i], part.Content[i+1]
		path := edge.Pointer(at, key.Value)
		old := member(whole, key.Value)
		switch {
		case old == nil && at == "":
			return fmt.Errorf("line %d: %s is said by the root only", key.Line, path)
		case old == nil:
			whole.Content = append(whole.Content, key, value)
		case (at == "" || at == "/components") && old.Kind == yaml.MappingNode && value.Kind == yaml.MappingNode:
			if err := add(old, value, path); err != nil {
				return err
			}
		case at == "" && old.Kind == yaml.SequenceNode && value.Kind == yaml.SequenceNode:
			old.Content = append(old.Content, value.Content...)
			blockStyle(old)
		default:
			return fmt.Errorf("line %d: %s is there already", key.Line, path)
		}
	}
	return nil
}

// blockStyle lets a mapping or list have lines of its own. The root has empty ones, which YAML can write in braces only, and those
// would put everything that is added on one line that nobody can read.
func blockStyle(n *yaml.Node) { n.Style &^= yaml.FlowStyle }

// member is the value of a key of a mapping, nil if it has none.
func member(n *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}
