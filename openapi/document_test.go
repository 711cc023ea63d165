package openapi

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

func joined(t *testing.T) Document {
	t.Helper()
	doc, err := Joined()
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// TestDocumentIsValid: by OpenAPI 3.1, and every example fits its schema.
func TestDocumentIsValid(t *testing.T) {
	doc := joined(t)
	for name, b := range map[string][]byte{"yaml": doc.YAML, "json": doc.JSON} {
		d, err := openapi3.NewLoader().LoadFromData(b)
		if err != nil {
			t.Fatal(name, err)
		}
		if err := d.Validate(t.Context(), openapi3.EnableExamplesValidation(), openapi3.EnableSchemaDefaultsValidation(), openapi3.EnableSchemaPatternValidation()); err != nil {
			t.Error(name, err)
		}
	}
}

func TestBothFormsAreTheSame(t *testing.T) {
	doc := joined(t)
	var a, b any
	if err := yaml.Unmarshal(doc.YAML, &a); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(doc.JSON, &b); err != nil {
		t.Fatal(err)
	}
	// Through JSON, so that numbers are of one type.
	text, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	a = nil
	if err := json.Unmarshal(text, &a); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(a, b); d != "" {
		t.Error(d)
	}
}

func TestEveryFileIsAPart(t *testing.T) {
	entries, err := files.ReadDir("document")
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != len(parts) {
		t.Errorf("%d files, %d parts", len(entries), len(parts))
	}
}

// TestConventions are the habits of this document that OpenAPI does not ask for.
func TestConventions(t *testing.T) {
	d, err := openapi3.NewLoader().LoadFromData(joined(t).JSON)
	if err != nil {
		t.Fatal(err)
	}
	tags, ids := map[string]bool{}, map[string]string{}
	for _, tag := range d.Tags {
		tags[tag.Name] = true
	}
	for path, item := range d.Paths.Map() {
		for method, op := range item.Operations() {
			at := method + " " + path
			if len(op.Tags) != 1 || !tags[op.Tags[0]] {
				t.Errorf("%s: the tags are %v", at, op.Tags)
			}
			if op.Summary == "" || strings.HasSuffix(op.Summary, ".") {
				t.Errorf("%s: the summary is %q", at, op.Summary)
			}
			if op.OperationID == "" || ids[op.OperationID] != "" {
				t.Errorf("%s: the id %q is none or that of %s", at, op.OperationID, ids[op.OperationID])
			}
			ids[op.OperationID] = at
			if op.Security == nil {
				t.Errorf("%s does not say whom it lets in", at)
			}
		}
	}
}

func TestJoin(t *testing.T) {
	const root = "openapi: 3.1.0\ntags: [a]\npaths: {/a: {}}\ncomponents: {schemas: {A: {}}}\n"
	for _, c := range []struct{ part, want string }{
		{"tags: [b]\npaths: {/b: {}}\ncomponents: {schemas: {B: {x: 1.50}}, headers: {H: {}}}\n",
			`{"openapi":"3.1.0","tags":["a","b"],"paths":{"/a":{},"/b":{}},"components":{"schemas":{"A":{},"B":{"x":1.50}},"headers":{"H":{}}}}` + "\n"},
		{"paths: {/b: {at: 2025-01-01T00:00:00Z, no: null, yes: true}}", `{"openapi":"3.1.0","tags":["a"],"paths":{"/a":{},"/b":{"at":"2025-01-01T00:00:00Z","no":null,"yes":true}},"components":{"schemas":{"A":{}}}}` + "\n"},
		{"paths: {/a: {}}", "/paths/~1a is there already"},
		{"components: {schemas: {A: {}}}", "/components/schemas/A is there already"},
		{"openapi: 3.1.1", "/openapi is there already"},
		{"info: {}", "/info is said by the root only"},
		{"paths: {/b: &x {}, /c: *x}", "anchors have no counterpart"},
		{"paths: {/b: {x: 0x10}}", `"0x10" is not written as JSON writes it`},
		{"paths: {/b: {x: .nan}}", `".nan" is not written as JSON writes it`},
		{"paths: {/b: {x: 1, x: 2}}", "stands there twice"},
		{"paths: {/b: !!binary aaaa}", "!!binary has no counterpart"},
		{"[]", "is no mapping"},
		{"a: [", "part: yaml:"},
	} {
		doc, err := join([]string{"root", "part"}, func(name string) ([]byte, error) {
			return []byte(map[string]string{"root": root, "part": c.part}[name]), nil
		})
		got := string(doc.JSON)
		if err != nil {
			got = err.Error()
		}
		if got != c.want && (err == nil || !strings.Contains(got, c.want)) {
			t.Errorf("%s:\n got %s\nwant %s", c.part, got, c.want)
		}
	}
	if _, err := join(nil, nil); err == nil {
		t.Error("no parts are a document")
	}
}

// TestTextIsReadable holds the YAML to what a pager shows: lines, not one for all of it.
func TestTextIsReadable(t *testing.T) {
	for i, line := range strings.Split(string(joined(t).YAML), "\n") {
		if len(line) > 1000 {
			t.Errorf("line %d has %d bytes: %.100s", i+1, len(line), line)
		}
	}
}
