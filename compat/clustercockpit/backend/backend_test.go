package backend

import (
	"context"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"
	"time"
)

func TestUsedNodes(t *testing.T) {
	want := map[string][]string{"a": {"h1", "h2"}, "b": {}}
	for _, tc := range []struct {
		name, body string
		status     int
		want       map[string][]string
		fails      bool
	}{
		{"as published", `{"a":["h1","h2"],"b":[]}`, 200, want, false},
		{"as the backend answers", `{"usedNodes":{"a":["h1","h2"],"b":[]}}`, 200, want, false},
		{"a cluster of that name", `{"usedNodes":["h1"]}`, 200, map[string][]string{"usedNodes": {"h1"}}, false},
		{"nothing used", `{}`, 200, map[string][]string{}, false},
		{"null is no list", `null`, 200, nil, true},
		{"null inside is no list", `{"usedNodes":null}`, 200, nil, true},
		{"not JSON", `nodes`, 200, nil, true},
		{"wrong type", `{"a":3}`, 200, nil, true},
		{"refused", `{}`, 401, nil, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.String() != "/api/jobs/used_nodes?ts=1700000000" || r.Header.Get("Authorization") != "Bearer secret" {
					t.Errorf("asked for %s with %q", r.URL, r.Header.Get("Authorization"))
				}
				w.WriteHeader(tc.status)
				w.Write([]byte(tc.body))
			}))
			defer srv.Close()
			p := New(srv.URL+"/", "secret")
			defer p.Close()
			got, err := p.UsedNodes(context.Background(), time.Unix(1_700_000_000, 0))
			if tc.fails != (err != nil) || !tc.fails && !reflect.DeepEqual(got, tc.want) {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
}
