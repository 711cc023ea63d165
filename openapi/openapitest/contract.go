package openapitest

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// What the document says beyond OpenAPI.
const (
	deep  = "x-granary-deep"  // of a path: everything below it is answered alike
	same  = "x-granary-same"  // of a path: other paths that are answered alike
	slash = "x-granary-slash" // of a tag: a slash at the end of the paths of its operations says nothing
	bare  = "x-granary-bare"  // of a response: it may come without its body
	also  = "x-granary-also"  // of an operation: methods that are answered alike and have no place in OpenAPI
	alone = "x-granary-alone" // of a GET: HEAD is not answered like it

	alias = "x-granary-alias" // of a parameter: another name that means the same
)

// Operation is one operation of the document.
type Operation struct {
	Method string // in capitals
	Path   string // "/v2/tenants/{tenant}"
	Deep   bool   // everything below the path is answered alike
	Also   bool   // it has no place in OpenAPI, or is only another name, and is answered like one that has
	Alone  bool   // HEAD is not answered like this GET
	Slash  bool   // a slash at the end of the path says nothing

	at   string // JSON pointer
	node map[string]any
	// elements are what the variables of the path may be, of those that may not be everything.
	elements map[string][]string
}

// ID is the operation's id.
func (o Operation) ID() string { id, _ := o.node["operationId"].(string); return id }

// Contract is a document in a form that answers can be checked against. It is safe for concurrent use.
type Contract struct {
	doc        any
	operations []Operation

	mu       sync.Mutex // a compiler is not safe for concurrent use
	compiler *jsonschema.Compiler
	schemas  map[string]*jsonschema.Schema // by pointer
}

// resource is the address under which the compiler knows the document.
const resource = "granary:openapi"

// New reads a document.
func New(document []byte) (*Contract, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return nil, fmt.Errorf("openapitest: %w", err)
	}
	c := &Contract{doc: doc, compiler: jsonschema.NewCompiler(), schemas: map[string]*jsonschema.Schema{}}
	c.compiler.DefaultDraft(jsonschema.Draft2020)
	c.compiler.AssertFormat()
	if err := c.compiler.AddResource(resource, doc); err != nil {
		return nil, fmt.Errorf("openapitest: %w", err)
	}
	root, _ := doc.(map[string]any)
	paths, _ := root["paths"].(map[string]any)
	slack := map[any]bool{}
	tags, _ := root["tags"].([]any)
	for _, t := range tags {
		tag, _ := t.(map[string]any)
		slack[tag["name"]], _ = tag[slash].(bool)
	}
	for path, item := range paths {
		members, _ := item.(map[string]any)
		isDeep, _ := members[deep].(bool)
		names := []any{path}
		others, _ := members[same].([]any)
		names = append(names, others...)
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete, http.MethodPatch, http.MethodHead, http.MethodOptions} {
			key := strings.ToLower(method)
			node, ok := members[key].(map[string]any)
			if !ok {
				continue
			}
			o := Operation{Deep: isDeep, at: pointer("", "paths", path, key), node: node, elements: c.elements(members, node)}
			o.Alone, _ = node[alone].(bool)
			tags, _ := node["tags"].([]any)
			o.Slash = len(tags) > 0 && slack[tags[0]]
			methods, _ := node[also].([]any)
			for i, name := range names {
				o.Path, _ = name.(string)
				for k, other := range append([]any{method}, methods...) {
					o.Method, _ = other.(string)
					o.Also = i+k > 0
					c.operations = append(c.operations, o)
				}
			}
		}
	}
	slices.SortFunc(c.operations, func(a, b Operation) int {
		return strings.Compare(a.Path+" "+a.Method, b.Path+" "+b.Method)
	})
	return c, nil
}

// elements are the values of the parameters in a path that have a list of them.
func (c *Contract) elements(item, node map[string]any) map[string][]string {
	all := map[string][]string{}
	shared, _ := item["parameters"].([]any)
	own, _ := node["parameters"].([]any)
	for _, n := range slices.Concat(shared, own) {
		p, _ := c.resolve(n, "")
		schema, _ := c.resolve(p["schema"], "")
		list, _ := schema["enum"].([]any)
		name, _ := p["name"].(string)
		for _, v := range list {
			if text, ok := v.(string); ok && p["in"] == "path" {
				all["{"+name+"}"] = append(all["{"+name+"}"], text)
			}
		}
	}
	return all
}

// Operations are all operations, sorted by path and method.
func (c *Contract) Operations() []Operation { return slices.Clone(c.operations) }

// Find returns the operation of a request. HEAD is answered where GET is, unless that is alone. known says whether the path is in the document
// under any method.
func (c *Contract) Find(method, path string) (op Operation, found, known bool) {
	best := -1
	for _, o := range c.operations {
		n := o.matches(path)
		if n < 0 {
			continue
		}
		known = true
		if (o.Method == method || o.Method == http.MethodGet && method == http.MethodHead && !o.Alone) && n > best {
			op, found, best = o, true, n
		}
	}
	return op, found, known
}

// matches says how many segments of the path the operation names literally, -1 if it is another path.
func (o Operation) matches(path string) int {
	if o.Slash {
		path = strings.TrimSuffix(path, "/")
	}
	have, want := strings.Split(path, "/"), strings.Split(o.Path, "/")
	if o.Deep && len(have) > len(want) {
		have = have[:len(want)]
	}
	if len(have) != len(want) {
		return -1
	}
	literal := 0
	for i, w := range want {
		switch {
		case w == have[i]:
			literal++
		case !strings.HasPrefix(w, "{"):
			return -1
		case o.elements[w] != nil && !slices.Contains(o.elements[w], have[i]):
			return -1
		}
	}
	return literal
}

// pointer appends to a JSON pointer.
func pointer(base string, names ...string) string {
	for _, name := range names {
		base += "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
	}
	return base
}

// resolve follows references, and gives the node and where it stands.
func (c *Contract) resolve(node any, at string) (map[string]any, string) {
	for {
		m, ok := node.(map[string]any)
		if !ok {
			return nil, at
		}
		ref, ok := m["$ref"].(string)
		if !ok {
			return m, at
		}
		at = strings.TrimPrefix(ref, "#")
		node = c.at(at)
	}
}

// at is the node that a pointer names, nil if there is none.
func (c *Contract) at(ptr string) any {
	node := c.doc
	for name := range strings.SplitSeq(strings.TrimPrefix(ptr, "/"), "/") {
		m, ok := node.(map[string]any)
		if !ok {
			return nil
		}
		node = m[strings.NewReplacer("~1", "/", "~0", "~").Replace(name)]
	}
	return node
}

// Validate checks a value, as encoding/json with numbers as json.Number reads it, against the schema at a pointer.
func (c *Contract) Validate(ptr string, value any) error {
	c.mu.Lock()
	s := c.schemas[ptr]
	if s == nil {
		var err error
		if s, err = c.compiler.Compile(resource + "#" + escape(ptr)); err != nil {
			c.mu.Unlock()
			return fmt.Errorf("the schema at %s: %w", ptr, err)
		}
		c.schemas[ptr] = s
	}
	c.mu.Unlock()
	return s.Validate(value)
}

// escape makes a pointer a fragment of a URL.
func escape(ptr string) string {
	return strings.NewReplacer("%", "%25", "{", "%7B", "}", "%7D", " ", "%20", `"`, "%22").Replace(ptr)
}
