package edge

import (
	"net/http"
	"slices"
	"strings"
)

// Endpoint is a path of a dialect with its operations, which are rows of the dialect's table.
type Endpoint[T any] struct {
	Path       string // with variables: "/metrics/{id}"
	Operations map[string]*T
	Methods    []string // of the operations, in their order; a GET answers HEAD too
	Allow      string   // the methods, and OPTIONS
}

// Operation is the one of a method, nil if the path has none.
func (e *Endpoint[T]) Operation(method string) *T {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	return e.Operations[method]
}

// Endpoints puts the rows of a table together by their paths, in the order in which a router that takes the first path that matches
// has to look at them: an element that is spelt out goes before a variable. It panics if a method of a path has two rows, which is a mistake of the
// program.
func Endpoints[T any](table []T, at func(*T) (method, path string)) []*Endpoint[T] {
	byPath := map[string]*Endpoint[T]{}
	var all []*Endpoint[T]
	for i := range table {
		method, path := at(&table[i])
		e := byPath[path]
		if e == nil {
			e = &Endpoint[T]{Path: path, Operations: map[string]*T{}}
			byPath[path] = e
			all = append(all, e)
		}
		if e.Operations[method] != nil {
			panic("edge: two operations for " + method + " " + path)
		}
		e.Operations[method] = &table[i]
		e.Methods = append(e.Methods, method)
		if method == http.MethodGet {
			e.Methods = append(e.Methods, http.MethodHead)
		}
	}
	last := func(path string) string { return strings.ReplaceAll(path, "{", "\xff") }
	slices.SortFunc(all, func(x, y *Endpoint[T]) int { return strings.Compare(last(x.Path), last(y.Path)) })
	for _, e := range all {
		e.Allow = strings.Join(append(slices.Clone(e.Methods), http.MethodOptions), ", ")
	}
	return all
}

// Pattern is a path as gorilla/mux takes it, with the forms that its variables have; those that are not named take any one element.
func Pattern(path string, variables map[string]string) string {
	for name, form := range variables {
		path = strings.ReplaceAll(path, "{"+name+"}", "{"+name+":"+form+"}")
	}
	return path
}
