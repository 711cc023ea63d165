package openapitest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Example is a request that the document gives as an example.
type Example struct {
	Name   string // of the body, "" for the only one
	Method string
	Target string // path and query
	Header http.Header
	Body   []byte
}

// Examples are the requests that a reader of the document would send: the examples of all parameters, and each of the
// examples of bodies.
func (c *Contract) Examples(o Operation) ([]Example, error) {
	path, query, header := o.Path, url.Values{}, http.Header{}
	item, _ := c.at(o.at[:strings.LastIndexByte(o.at, '/')]).(map[string]any)
	shared, _ := item["parameters"].([]any)
	own, _ := o.node["parameters"].([]any)
	for _, node := range slices.Concat(shared, own) {
		p, _ := c.resolve(node, "")
		name, _ := p["name"].(string)
		example, ok := p["example"]
		if !ok {
			schema, _ := c.resolve(p["schema"], "")
			if required, _ := p["required"].(bool); required {
				example, ok = schema["example"]
			}
		}
		required, _ := p["required"].(bool)
		switch {
		case required && !ok:
			return nil, fmt.Errorf("%s %s: the parameter %s has no example", o.Method, o.Path, name)
		case !ok:
		case p["in"] == "path":
			path = strings.ReplaceAll(path, "{"+name+"}", url.PathEscape(fmt.Sprint(example)))
		case p["in"] == "header":
			header.Set(name, fmt.Sprint(example))
		default:
			list, several := example.([]any)
			if !several {
				list = []any{example}
			}
			for _, v := range list {
				query.Add(name, fmt.Sprint(v))
			}
		}
	}
	target := path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	body, _ := c.resolve(o.node["requestBody"], "")
	content, _ := body["content"].(map[string]any)
	var all []Example
	for media, node := range content {
		m, _ := node.(map[string]any)
		examples := map[string]any{}
		if e, ok := m["example"]; ok {
			examples[""] = e
		}
		named, _ := m["examples"].(map[string]any)
		for name, node := range named {
			e, _ := c.resolve(node, "")
			examples[name] = e["value"]
		}
		for name, v := range examples {
			text, err := encode(v)
			if err != nil {
				return nil, err
			}
			e := Example{Name: name, Method: o.Method, Target: target, Header: header.Clone(), Body: text}
			e.Header.Set("Content-Type", media)
			all = append(all, e)
		}
	}
	if content == nil {
		all = append(all, Example{Method: o.Method, Target: target, Header: header})
	}
	slices.SortFunc(all, func(a, b Example) int {
		return strings.Compare(a.Header.Get("Content-Type")+a.Name, b.Header.Get("Content-Type")+b.Name)
	})
	return all, nil
}

// encode is a body: a text as it is, all else as JSON.
func encode(v any) ([]byte, error) {
	if text, ok := v.(string); ok {
		return []byte(text), nil
	}
	return json.Marshal(v)
}
