package isolation_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"granary/openapi"
	"granary/openapi/openapitest"
)

// document is the OpenAPI document in the form from which requests are made.
type document struct {
	// strict says that the services are in the strict mode of Hawkular, whose operations alone are asked for then.
	strict     bool
	root       map[string]any
	operations []*operation
	contract   *openapitest.Contract
}

// operation is one operation of it.
type operation struct {
	id, method, path string
	params           []param
	bodies           []media // empty: it takes none
}

type param struct {
	name, in string
	required bool
	many     bool // a list, as often as there are items
	schema   map[string]any
}

type media struct {
	name   string
	schema map[string]any
}

func readDocument(t testing.TB) *document {
	t.Helper()
	joined, err := openapi.Joined()
	if err != nil {
		t.Fatal(err)
	}
	d := &document{}
	if err := json.Unmarshal(joined.JSON, &d.root); err != nil {
		t.Fatal(err)
	}
	if d.contract, err = openapitest.New(joined.JSON); err != nil {
		t.Fatal(err)
	}
	paths := d.root["paths"].(map[string]any)
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		item := paths[path].(map[string]any)
		for _, method := range []string{"get", "put", "post", "delete", "patch"} {
			node, ok := item[method].(map[string]any)
			if !ok {
				continue
			}
			o := &operation{method: strings.ToUpper(method), path: path}
			o.id, _ = node["operationId"].(string)
			shared, _ := item["parameters"].([]any)
			own, _ := node["parameters"].([]any)
			for _, p := range slices.Concat(shared, own) {
				o.params = append(o.params, d.param(p))
			}
			if body := d.node(node["requestBody"]); body != nil {
				content := body["content"].(map[string]any)
				for _, name := range slices.Sorted(maps.Keys(content)) {
					m, _ := content[name].(map[string]any)
					o.bodies = append(o.bodies, media{name, d.node(m["schema"])})
				}
			}
			d.operations = append(d.operations, o)
			also, _ := node["x-granary-also"].([]any)
			for _, other := range also {
				c := *o
				c.method = other.(string)
				c.id += c.method
				d.operations = append(d.operations, &c)
			}
		}
	}
	return d
}

func (d *document) param(v any) param {
	m := d.node(v)
	p := param{schema: d.node(m["schema"])}
	p.name, _ = m["name"].(string)
	p.in, _ = m["in"].(string)
	p.required, _ = m["required"].(bool)
	p.many = p.schema["type"] == "array"
	return p
}

// node follows references.
func (d *document) node(v any) map[string]any {
	m, _ := v.(map[string]any)
	for {
		ref, ok := m["$ref"].(string)
		if !ok {
			return m
		}
		var at any = d.root
		for name := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
			parent, _ := at.(map[string]any)
			if at, ok = parent[name]; !ok {
				panic(fmt.Sprintf("the document has no %s", ref))
			}
		}
		m, _ = at.(map[string]any)
	}
}

// asked are the operations that are covered, and of which attacks are made.
func (d *document) asked() []*operation {
	if !d.strict {
		return d.operations
	}
	return slices.DeleteFunc(slices.Clone(d.operations), func(o *operation) bool {
		return !o.speaksHawkular() || slices.Contains(mohawkAlone, o.id)
	})
}

// mohawkAlone are operations that the strict mode of Hawkular does not have.
var mohawkAlone = []string{"hawkularTenantsAsDocumented", "hawkularSetTagsOfMany", "hawkularExports", "hawkularDeleteRaw"}

// find is the operation of that id.
func (d *document) find(id string) *operation {
	for _, o := range d.operations {
		if o.id == id {
			return o
		}
	}
	return nil
}
