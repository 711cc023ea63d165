package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sort"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// parse makes a tree out of a file: YAML if its name ends so or its first character is no "{", else JSON. An empty file
// gives nil.
func parse(file string, data []byte) (*node, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if !utf8.Valid(data) {
		return nil, &Error{File: file, Text: "expected UTF-8 text"}
	}
	start := bytes.TrimLeft(data, " \t\r\n")
	if len(start) == 0 {
		return nil, nil
	}
	ext := strings.ToLower(filepath.Ext(file))
	if ext == ".yaml" || ext == ".yml" || start[0] != '{' {
		return parseYAML(file, data)
	}
	return parseJSON(file, data)
}

type jsonParser struct {
	file  string
	dec   *json.Decoder
	lines []int // offset of each line's end
	nodes int
}

func parseJSON(file string, data []byte) (*node, error) {
	p := &jsonParser{file: file, dec: json.NewDecoder(bytes.NewReader(data))}
	p.dec.UseNumber()
	for i, c := range data {
		if c == '\n' {
			p.lines = append(p.lines, i)
		}
	}
	// The check of the whole text comes first: its error knows the offset, and the tokens below cannot fail after it.
	var raw json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return nil, &Error{File: file, Line: p.lineAt(int(syntax.Offset)), Text: "not valid JSON: " + syntax.Error()}
		}
		return nil, &Error{File: file, Text: "not valid JSON: " + err.Error()}
	}
	return p.value(1, "")
}

func (p *jsonParser) lineAt(offset int) int {
	return sort.SearchInts(p.lines, offset-1) + 1
}

func (p *jsonParser) line() int { return p.lineAt(int(p.dec.InputOffset())) }

func (p *jsonParser) fail(key, format string, args ...any) error {
	return &Error{File: p.file, Line: p.line(), Key: key, Text: fmt.Sprintf(format, args...)}
}

func (p *jsonParser) value(depth int, path string) (*node, error) {
	tok, err := p.dec.Token()
	if err != nil {
		return nil, p.fail(path, "not valid JSON: %v", err)
	}
	if p.nodes++; p.nodes > maxNodes || depth > maxDepth {
		return nil, p.fail(path, "expected at most %d values, nested at most %d deep", maxNodes, maxDepth)
	}
	n := &node{file: p.file, line: p.line()}
	switch t := tok.(type) {
	case nil:
	case bool:
		n.kind, n.text = boolean, fmt.Sprint(t)
	case json.Number:
		n.kind, n.text = number, t.String()
	case string:
		n.kind, n.text = text, t
	case json.Delim:
		if t == '[' {
			n.kind = list
			return n, p.list(n, depth, path)
		}
		n.kind = object
		return n, p.object(n, depth, path)
	}
	return n, nil
}

func (p *jsonParser) list(n *node, depth int, path string) error {
	for p.dec.More() {
		item, err := p.value(depth+1, fmt.Sprintf("%s[%d]", path, len(n.items)))
		if err != nil {
			return err
		}
		n.items = append(n.items, item)
	}
	_, err := p.dec.Token()
	return err
}

func (p *jsonParser) object(n *node, depth int, path string) error {
	seen := make(map[string]int)
	for p.dec.More() {
		tok, err := p.dec.Token()
		if err != nil {
			return err
		}
		key, _ := tok.(string)
		line := p.line()
		if first, dup := seen[key]; dup {
			return p.fail(join(path, key), "is given twice, first in line %d", first)
		}
		seen[key] = line
		v, err := p.value(depth+1, join(path, key))
		if err != nil {
			return err
		}
		n.members = append(n.members, member{key, v, line})
	}
	_, err := p.dec.Token()
	return err
}

type yamlParser struct {
	file  string
	nodes int
}

func parseYAML(file string, data []byte) (n *node, err error) {
	// The library turns its own errors into values but has panicked on odd input before; a configuration must not.
	defer func() {
		if r := recover(); r != nil {
			n, err = nil, &Error{File: file, Text: fmt.Sprintf("not valid YAML: %v", r)}
		}
	}()
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, &Error{File: file, Text: "not valid YAML: " + strings.TrimPrefix(err.Error(), "yaml: ")}
	}
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, &Error{File: file, Line: more.Line, Text: "expected one YAML document, found a second one"}
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return nil, nil
	}
	p := &yamlParser{file: file}
	n, err = p.value(doc.Content[0], 1, "")
	if err == nil && n.kind == null {
		n = nil
	}
	return n, err
}

func (p *yamlParser) value(y *yaml.Node, depth int, path string) (*node, error) {
	fail := func(format string, args ...any) error {
		return &Error{File: p.file, Line: y.Line, Key: path, Text: fmt.Sprintf(format, args...)}
	}
	if p.nodes++; p.nodes > maxNodes || depth > maxDepth {
		return nil, fail("expected at most %d values, nested at most %d deep", maxNodes, maxDepth)
	}
	n := &node{file: p.file, line: y.Line}
	switch y.Kind {
	case yaml.AliasNode:
		return p.value(y.Alias, depth+1, path)
	case yaml.ScalarNode:
		n.text = y.Value
		switch y.ShortTag() {
		case "!!null":
			n.kind = null
		case "!!bool":
			n.kind = boolean
			n.text = strings.ToLower(y.Value)
		case "!!int", "!!float":
			n.kind = number
		case "!!str", "!!timestamp":
			n.kind = text
		default:
			return nil, fail("expected a plain value, found one with the tag %s", y.ShortTag())
		}
	case yaml.SequenceNode:
		n.kind = list
		for i, c := range y.Content {
			item, err := p.value(c, depth+1, fmt.Sprintf("%s[%d]", path, i))
			if err != nil {
				return nil, err
			}
			n.items = append(n.items, item)
		}
	case yaml.MappingNode:
		n.kind = object
		seen := make(map[string]int, len(y.Content)/2)
		for i := 0; i+1 < len(y.Content); i += 2 {
			k := y.Content[i]
			if k.Kind != yaml.ScalarNode || k.ShortTag() == "!!merge" {
				return nil, &Error{File: p.file, Line: k.Line, Key: path, Text: "expected a plain key, without merging"}
			}
			if first, dup := seen[k.Value]; dup {
				return nil, &Error{File: p.file, Line: k.Line, Key: join(path, k.Value), Text: fmt.Sprintf("is given twice, first in line %d", first)}
			}
			seen[k.Value] = k.Line
			v, err := p.value(y.Content[i+1], depth+1, join(path, k.Value))
			if err != nil {
				return nil, err
			}
			n.members = append(n.members, member{k.Value, v, k.Line})
		}
	default:
		return nil, fail("expected a value")
	}
	return n, nil
}
