package clustercockpit

import (
	"fmt"
	"math"
	"net/http"
	"os"
	"reflect"
	"strings"
	"testing"

	"granary/compat/clustercockpit/goldentest"
)

var requestCases = []string{
	`{}`, `null`, ``, `[]`, `"x"`, `{`, `{"cluster"`, `{"from":1,"to":2}`, `{"from":-1,"to":-0}`, `{"from":01}`, `{"from":1.0}`, `{"from":1e3}`,
	`{"from":999999999999999999,"to":9223372036854775807}`, `{"from":99999999999999999999}`, ` { "cluster" : "c" , "queries" : [ ] } `,
	`{"queries":null,"for-all-nodes":null,"with-stats":null}`, `{"for-all-nodes":["a","b"],"with-data":false} trailing`,
	`{"queries":[{"metric":"m","host":"h","type":"core","type-ids":["0","1"],"subtype":null,"subtype-ids":[],"aggreg":true,"resolution":600}]}`,
	`{"queries":[{"metric":"m"},{"metric":"n","scale-by":2}]}`, `{"queries":[{"metric":"m","scale-by":null}]}`, `{"queries":[{"Metric":"m"}]}`,
	`{"cluster":"a","cluster":"b"}`, `{"queries":[{"metric":"a"}],"queries":[{"host":"b"}]}`, `{"bogus":[{"x":{}}],"cluster":"c"}`,
	`{"cluster":"\u0063\"x"}`, "{\"cluster\":\"\xff\"}", "{\"cluster\":\"a\nb\"}", `{"cluster":"nöde"}`, `{"with-padding":truex}`, `{"with-padding":1}`, `{"queries":{}}`,
	`{"queries":[{"type-ids":[1]}]}`, `{"queries":[1]}`, `{"queries":[{"aggreg":null,"type":"","resolution":null}]}`, `{"queries":[null]}`, `{"queries":[{},]}`, `{"cluster":"c",}`,
}

// checkRequest holds the fast decoder against encoding/json.
func checkRequest(t *testing.T, body []byte) {
	t.Helper()
	fast, slow := queryRequest{Queries: make([]query, 3, 8)}, queryRequest{WithStats: true, WithData: true, WithPadding: true}
	fast.Queries[0].Metric = "from the last request"
	if !fastQuery(body, &fast) {
		return
	}
	if err := decodeFirst(body, &slow); err != nil {
		t.Fatalf("%q: %v, but taken", body, err)
	}
	// Empty and nil mean the same here.
	for _, r := range []*queryRequest{&fast, &slow} {
		if len(r.Queries) == 0 {
			r.Queries = nil
		}
		if len(r.ForAllNodes) == 0 {
			r.ForAllNodes = nil
		}
		for i := range r.Queries {
			q := &r.Queries[i]
			if len(q.TypeIDs) == 0 {
				q.TypeIDs = nil
			}
			if len(q.SubTypeIDs) == 0 {
				q.SubTypeIDs = nil
			}
		}
	}
	if !reflect.DeepEqual(fast, slow) {
		t.Fatalf("%q:\nfast %+v\nslow %+v", body, fast, slow)
	}
}

func TestFastRequest(t *testing.T) {
	for _, c := range requestCases {
		checkRequest(t, []byte(c))
	}
	for _, c := range []string{
		`{"cluster":"alex","from":1735689600,"to":1735693200,"with-stats":true,"with-data":true,"for-all-nodes":null,"queries":[{"metric":"cpu_load","host":"n1","aggreg":false,"resolution":0,"type":"core","type-ids":["0"]}]}`,
		`{"cluster": "qu", "from": 1735689600, "to": 1735689900, "queries": [{"metric": "cpu_load", "host": "n1"}], "with-stats": false}`,
	} {
		var req queryRequest
		if !fastQuery([]byte(c), &req) {
			t.Errorf("what clients send is not taken: %s", c)
		}
	}
}

func FuzzRequest(f *testing.F) {
	for _, c := range requestCases {
		f.Add([]byte(c))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		checkRequest(t, body)
		var req queryRequest
		_ = decodeQuery(body, &req)
	})
}

func TestScaleDecoding(t *testing.T) {
	var req queryRequest
	if err := decodeQuery([]byte(`{"queries":[{"scale-by":null},{"scale-by":-2.5e0},{}]}`), &req); err != nil {
		t.Fatal(err)
	}
	if q := req.Queries; !math.IsNaN(float64(q[0].Scale)) || q[1].Scale != -2.5 || q[2].Scale != 0 {
		t.Errorf("%v", req.Queries)
	}
}

// TestRequestErrors are the texts of encoding/json as a program with the original's types prints them.
func TestRequestErrors(t *testing.T) {
	d, _ := newTest(t, nil)
	for body, want := range map[string]string{
		``:                            "EOF",
		`{"cluster":"c`:               "unexpected EOF",
		`hello`:                       "invalid character 'h' looking for beginning of value",
		`[]`:                          "json: cannot unmarshal array into Go value of type api.APIQueryRequest",
		`{"from":"x"}`:                "json: cannot unmarshal string into Go struct field APIQueryRequest.from of type int64",
		`{"queries":{}}`:              "json: cannot unmarshal object into Go struct field APIQueryRequest.queries of type []api.APIQuery",
		`{"queries":[7]}`:             "json: cannot unmarshal number into Go struct field APIQueryRequest.queries of type api.APIQuery",
		`{"queries":[{"aggreg":1}]}`:  "json: cannot unmarshal number into Go struct field APIQuery.queries.aggreg of type bool",
		`{"for-all-nodes":"x"}`:       "json: cannot unmarshal string into Go struct field APIQueryRequest.for-all-nodes of type []string",
		`{"queries":[{"scale-by":[]`:  "unexpected EOF",
		`{"queries":[{"scale-by":t}]`: "invalid character '}' in literal true (expecting 'r')",
	} {
		w := ask(d, http.MethodPost, "/api/query/", body)
		if got := w.Body.String(); w.Code != 400 || !strings.Contains(got, `"error":`+fmt.Sprintf("%q", want)) {
			t.Errorf("%s: %d %s\nwant %s", body, w.Code, got, want)
		}
	}
}

// FuzzGolden feeds the recorded bodies, where there are any, to the request decoder.
func FuzzGolden(f *testing.F) {
	if file := os.Getenv("GRANARY_GOLDEN"); file != "" {
		exchanges, err := goldentest.Load(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, e := range exchanges {
			if e.Body != nil {
				f.Add([]byte(*e.Body))
			}
		}
	}
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, body []byte) { checkRequest(t, body) })
}
