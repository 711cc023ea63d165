package edge

import (
	"fmt"
	"slices"
	"testing"
)

func TestEndpoints(t *testing.T) {
	type row struct{ method, path string }
	at := func(r *row) (method, path string) { return r.method, r.path }
	all := Endpoints([]row{{"GET", "/a/{id}"}, {"POST", "/a"}, {"GET", "/a/b"}, {"DELETE", "/a/{id}"}}, at)
	var got []string
	for _, e := range all {
		got = append(got, fmt.Sprint(e.Path, " ", e.Methods, " ", e.Allow))
	}
	want := []string{"/a [POST] POST, OPTIONS", "/a/b [GET HEAD] GET, HEAD, OPTIONS", "/a/{id} [GET HEAD DELETE] GET, HEAD, DELETE, OPTIONS"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	for method, want := range map[string]string{"GET": "GET", "HEAD": "GET", "DELETE": "DELETE", "POST": ""} {
		if r := all[2].Operation(method); (r == nil) != (want == "") || r != nil && r.method != want {
			t.Errorf("%s: %v", method, r)
		}
	}
	if got := Pattern("/{id}/{x}", map[string]string{"id": "[0-9]+"}); got != "/{id:[0-9]+}/{x}" {
		t.Error(got)
	}
	defer func() {
		if recover() == nil {
			t.Error("two rows for one method of a path pass")
		}
	}()
	Endpoints([]row{{"GET", "/"}, {"GET", "/"}}, at)
}
