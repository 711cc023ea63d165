package openapi

import (
	"encoding/json"
	"fmt"

	"go.yaml.in/yaml/v3"

	"granary/api/edge"
)

// appendJSON writes a node as JSON, with its members in their order, which is the order in which the page shows things.
// Numbers keep their digits. What has no counterpart in JSON (anchors, tags, keys that are no texts) is an error.
func appendJSON(b []byte, n *yaml.Node) ([]byte, error) {
	var err error
	switch n.Kind {
	case yaml.MappingNode:
		b = append(b, '{')
		seen := map[string]bool{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			if key.Kind != yaml.ScalarNode || key.ShortTag() == "!!merge" || seen[key.Value] {
				return nil, fmt.Errorf("line %d: the key %q is no text or stands there twice", key.Line, key.Value)
			}
			seen[key.Value] = true
			if i > 0 {
				b = append(b, ',')
			}
			b = append(edge.AppendString(b, key.Value), ':')
			if b, err = appendJSON(b, n.Content[i+1]); err != nil {
				return nil, err
			}
		}
		return append(b, '}'), nil
	case yaml.SequenceNode:
		b = append(b, '[')
		for i, one := range n.Content {
			if i > 0 {
				b = append(b, ',')
			}
			if b, err = appendJSON(b, one); err != nil {
				return nil, err
			}
		}
		return append(b, ']'), nil
	case yaml.ScalarNode:
		return appendScalar(b, n)
	}
	return nil, fmt.Errorf("line %d: anchors have no counterpart in JSON", n.Line)
}

func appendScalar(b []byte, n *yaml.Node) ([]byte, error) {
	switch tag := n.ShortTag(); tag {
	case "!!str", "!!timestamp": // a time in an example is a text
		return edge.AppendString(b, n.Value), nil
	case "!!null":
		return append(b, "null"...), nil
	case "!!bool", "!!int", "!!float":
		if !json.Valid([]byte(n.Value)) {
			return nil, fmt.Errorf("line %d: %q is not written as JSON writes it", n.Line, n.Value)
		}
		return append(b, n.Value...), nil
	default:
		return nil, fmt.Errorf("line %d: the tag %s has no counterpart in JSON", n.Line, tag)
	}
}
