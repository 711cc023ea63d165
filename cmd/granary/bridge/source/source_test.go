package source

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"granary/cmd/granary/bridge/endpoint"
	"granary/cmd/granary/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server answers every request the same, and keeps the last one.
type answering struct {
	status int
	body   string
	header http.Header
	last   *http.Request
	sent   string
}

func (a *answering) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	a.last, a.sent = r, string(b)
	maps.Copy(w.Header(), a.header)
	if a.status != 0 {
		w.WriteHeader(a.status)
	}
	io.WriteString(w, a.body)
}

func open(t *testing.T, kind string, a *answering, s config.BridgeSource) Source {
	t.Helper()
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	s.URL += server.URL
	if s.MaxAnswer == 0 {
		s.MaxAnswer = 1 << 20
	}
	if s.Timeout == 0 {
		s.Timeout = 5 * time.Second
	}
	out, err := Open(kind, &s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(out.Close)
	return out
}

func TestPrometheusIsAsked(t *testing.T) {
	a := &answering{body: `{"status":"success","data":{"resultType":"vector","result":[]},"warnings":["w"],"infos":["i"]}`}
	s := open(t, config.Prometheus, a, config.BridgeSource{BridgeEndpoint: config.BridgeEndpoint{Bearer: "b"}})
	answer, err := s.Query(t.Context(), Query{Text: `up{a="ü"}`, Time: 1735689600})
	if err != nil || cmp.Diff([]string{"w", "i"}, answer.Warnings) != "" {
		t.Fatal(answer, err)
	}
	if a.last.Method != http.MethodPost || a.last.URL.Path != "/api/v1/query" || a.last.Header.Get("Authorization") != "Bearer b" {
		t.Errorf("%s %s %v", a.last.Method, a.last.URL, a.last.Header)
	}
	if want := "query=up%7Ba%3D%22%C3%BC%22%7D&time=1735689600&timeout=5s"; a.sent != want {
		t.Errorf("%s", a.sent)
	}
}

func TestInfluxDBIsAsked(t *testing.T) {
	a := &answering{body: `{"results":[{"statement_id":0}]}`}
	dir := t.TempDir()
	password := filepath.Join(dir, "pw")
	write := func(text string) {
		if err := os.WriteFile(password, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("one\n")
	s := open(t, config.InfluxDB, a, config.BridgeSource{Database: "telegraf", Retention: "autogen", Org: "o 1",
		BridgeEndpoint: config.BridgeEndpoint{User: "u", PasswordFile: password}})
	if _, err := s.Query(t.Context(), Query{Text: "SELECT 1", Language: config.InfluxQL}); err != nil {
		t.Fatal(err)
	}
	if _, pw, _ := a.last.BasicAuth(); a.last.URL.Path != "/query" || a.sent != "db=telegraf&epoch=s&q=SELECT+1&rp=autogen" || pw != "one" {
		t.Errorf("%s %s %s", a.last.URL, a.sent, pw)
	}
	// A new password is in force with the next request.
	write("two")
	a.body = ""
	if _, err := s.Query(t.Context(), Query{Text: `from(bucket: "b")`, Language: config.Flux}); err != nil {
		t.Fatal(err)
	}
	var q struct {
		Query, Type string
		Dialect     struct {
			Header      bool
			Delimiter   string
			Annotations []string
		}
	}
	if err := json.Unmarshal([]byte(a.sent), &q); err != nil {
		t.Fatal(err)
	}
	_, pw, _ := a.last.BasicAuth()
	if q.Query != `from(bucket: "b")` || q.Type != "flux" || !q.Dialect.Header || len(q.Dialect.Annotations) != 3 || pw != "two" || a.last.URL.String() != "/api/v2/query?org=o+1" {
		t.Errorf("%+v %s %s", q, pw, a.last.URL)
	}
	write("a\nb")
	if _, err := s.Query(t.Context(), Query{Text: "q", Language: config.InfluxQL}); err == nil || !strings.Contains(err.Error(), "more than one line") || strings.Contains(err.Error(), "a\nb") {
		t.Error(err)
	}
	token := open(t, config.InfluxDB, a, config.BridgeSource{Org: "o", BridgeEndpoint: config.BridgeEndpoint{Token: "t"}})
	if _, err := token.Query(t.Context(), Query{Text: "q", Language: config.Flux}); err != nil || a.last.Header.Get("Authorization") != "Token t" {
		t.Errorf("%v %v", err, a.last.Header)
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	big := &answering{body: strings.Repeat(" ", 2000)}
	s := open(t, config.Prometheus, big, config.BridgeSource{MaxAnswer: 1999})
	_, err := s.Query(t.Context(), Query{Text: "q"})
	if _, ok := errors.AsType[*endpoint.SizeError](err); !ok || !strings.Contains(err.Error(), "1999 bytes (max-answer)") {
		t.Error(err)
	}
	// A redirection could carry the secret elsewhere.
	away := &answering{status: http.StatusFound, header: http.Header{"Location": {"http://elsewhere.example/"}}}
	s = open(t, config.Prometheus, away, config.BridgeSource{BridgeEndpoint: config.BridgeEndpoint{Bearer: "secret"}})
	if _, err := s.Query(t.Context(), Query{Text: "q"}); err == nil || !strings.Contains(err.Error(), `sends us to "http://elsewhere.example/"`) {
		t.Error(err)
	}
	gone := httptest.NewServer(big)
	gone.Close()
	none, err := Open(config.Prometheus, &config.BridgeSource{MaxAnswer: 1, BridgeEndpoint: config.BridgeEndpoint{URL: gone.URL, Timeout: time.Second}})
	if err != nil {
		t.Fatal(err)
	}
	defer none.Close()
	if _, err := none.Query(t.Context(), Query{Text: "q"}); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Error(err)
	}
	for _, e := range []config.BridgeEndpoint{{BearerFile: "none"}, {CAFile: "none"}, {CAFile: "source_test.go"}, {CertFile: "none", KeyFile: "none"}} {
		if _, err := Open(config.Prometheus, &config.BridgeSource{Name: "x", BridgeEndpoint: e}); err == nil || !strings.Contains(err.Error(), "source x") {
			t.Errorf("%+v: %v", e, err)
		}
	}
}

// wanted compares samples; NaN is equal to itself.
func wanted(t *testing.T, what string, got *Answer, want ...Sample) {
	t.Helper()
	same := cmp.Comparer(func(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) })
	if got == nil {
		t.Errorf("%s: no answer", what)
		return
	}
	if len(want) == 0 && len(got.Samples) == 0 {
		return
	}
	if d := cmp.Diff(want, got.Samples, same); d != "" {
		t.Errorf("%s: %s", what, d)
	}
}

type labels = map[string]string

func TestReadPrometheus(t *testing.T) {
	a, err := readPrometheus(200, []byte(`{"status":"success","data":{"resultType":"vector","result":[
		{"metric":{"__name__":"up","instance":"a:1"},"value":[1435781451.781,"1"]},
		{"metric":{},"value":[-1.5,"NaN"]},
		{"metric":{"instance":"b"},"value":[1435781451,"-Inf"]},
		{"metric":{"instance":"c"},"histogram":[1435781451,{"count":"1"}]}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	wanted(t, "vector", a,
		Sample{Labels: labels{"__name__": "up", "instance": "a:1"}, Value: 1, Time: 1435781451, Timed: true},
		Sample{Labels: labels{}, Value: math.NaN(), Time: -2, Timed: true},
		Sample{Labels: labels{"instance": "b"}, Value: math.Inf(-1), Time: 1435781451, Timed: true})
	if a.Skipped[Histogram] != 1 {
		t.Errorf("%v", a.Skipped)
	}
	a, err = readPrometheus(200, []byte(`{"status":"success","data":{"resultType":"scalar","result":[1435781451,"1e3"]}}`))
	if err != nil {
		t.Fatal(err)
	}
	wanted(t, "scalar", a, Sample{Value: 1000, Time: 1435781451, Timed: true})
	for _, c := range []struct {
		status     int
		body, want string
	}{
		{200, `{"status":"success","data":{"resultType":"matrix","result":[]}}`, "matrix"},
		{200, `{"status":"success","data":{"resultType":"string","result":[1,"a"]}}`, "gives a string"},
		{200, `{"status":"success","data":{"resultType":"streams","result":[]}}`, `gives "streams"`},
		{200, `{"status":"success"}`, `gives ""`},
		{400, `{"status":"error","errorType":"bad_data","error":"parse error"}`, "status 400: bad_data: parse error"},
		{503, `{"status":"error","errorType":"timeout","error":"query timed out"}`, "status 503: timeout: query timed out"},
		{200, `{"status":"error","error":"odd"}`, "odd"},
		{502, "<html>Bad Gateway</html>", "status 502: <html>Bad Gateway</html>"},
		{502, strings.Repeat("x", 1000), "xxx..."},
		{200, "<html>Welcome</html>", "no JSON of Prometheus"},
		{200, `{"status":"success","data":{"resultType":"vector","result":{}}}`, "the vector cannot be read"},
		{200, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{}}]}}`, "has no value"},
		{200, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1]}]}}`, "1 parts"},
		{200, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"x"]}]}}`, `"x" is no number`},
		{200, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1e300,"1"]}]}}`, "not one in seconds"},
		{200, `{"status":"success","data":{"resultType":"scalar","result":[1,2]}}`, "the scalar cannot be read"},
		{200, `{"status":"succ`, "no JSON"},
	} {
		if _, err := readPrometheus(c.status, []byte(c.body)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%d %s: %v", c.status, c.body, err)
		}
	}
}

func TestReadInfluxQL(t *testing.T) {
	read := func(body string, q Query) *Answer {
		t.Helper()
		a, err := readInfluxQL(200, []byte(body), q)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	a := read(`{"results":[{"statement_id":0,"series":[
		{"name":"system","tags":{"host":"a"},"columns":["time","last"],"values":[[1735689600,1.5]]},
		{"name":"system","tags":{"host":"b"},"columns":["time","last"],"values":[[1735689600,null],[1735689601,"text"],[1735689602,true],[null,-2e3]]}]},
		{"statement_id":1,"messages":[{"level":"warning","text":"deprecated"}]}]}`, Query{Used: []string{"host"}})
	wanted(t, "series", a,
		Sample{Labels: labels{"host": "a"}, Value: 1.5, Time: 1735689600, Timed: true},
		Sample{Labels: labels{"host": "b"}, Value: -2000})
	if a.Skipped[Null] != 1 || a.Skipped[NotNumber] != 2 || len(a.Warnings) != 1 || a.Warnings[0] != "warning: deprecated" {
		t.Errorf("%+v", a)
	}
	// Tags that were selected as columns.
	rows := `{"results":[{"series":[{"name":"s","tags":{"rack":"r"},"columns":["time","host","load1","cpu"],"values":[[1,"a",1,0],[2,"b",2,null],[3,null,3,true]]}]}]}`
	a = read(rows, Query{Column: "load1", Used: []string{"host", "cpu"}})
	wanted(t, "columns", a,
		Sample{Labels: labels{"rack": "r", "host": "a", "cpu": "0"}, Value: 1, Time: 1, Timed: true},
		Sample{Labels: labels{"rack": "r", "host": "b"}, Value: 2, Time: 2, Timed: true},
		Sample{Labels: labels{"rack": "r", "cpu": "true"}, Value: 3, Time: 3, Timed: true})
	wanted(t, "no series", read(`{"results":[{"statement_id":0}]}`, Query{}))
	for _, c := range []struct {
		status     int
		body, want string
		q          Query
	}{
		{200, rows, "several columns of values (load1, cpu)", Query{Used: []string{"host"}}},
		{200, rows, `no column "load"`, Query{Column: "load"}},
		{200, `{"results":[{"series":[{"name":"s","columns":["time"],"values":[[1]]}]}]}`, "no column of values", Query{}},
		{200, `{"results":[{"series":[{"name":"s","columns":["time","v"],"values":[[1]]}]}]}`, "1 values in 2 columns", Query{}},
		{200, `{"results":[{"series":[{"name":"s","columns":["time","v"],"values":[["2025-01-01T00:00:00Z",1]]}]}]}`, "not one in whole seconds", Query{}},
		{200, `{"results":[{"statement_id":0,"error":"database not found: x"}]}`, "database not found: x", Query{}},
		{200, `{"results":[{"partial":true,"series":[{"name":"s","columns":["time","v"],"values":[[1,2]]}]}]}`, "a part of the whole", Query{}},
		{200, `{"results":[{"series":[{"name":"s","partial":true,"columns":["time","v"],"values":[[1,2]]}]}]}`, "a part of the whole", Query{}},
		{400, `{"error":"error parsing query: found FROM"}`, "status 400: error parsing query", Query{}},
		{401, `{"error":"authorization failed"}`, "status 401: authorization failed", Query{}},
		{401, `{"code":"unauthorized","message":"unauthorized access"}`, "status 401: unauthorized access", Query{}},
		{500, `{}`, "status 500", Query{}},
		{502, "Bad Gateway", "status 502: Bad Gateway", Query{}},
		{200, "nope", "no JSON of InfluxDB", Query{}},
	} {
		if _, err := readInfluxQL(c.status, []byte(c.body), c.q); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%d %s: %v", c.status, c.body, err)
		}
	}
}

// annotated is an answer in the form that InfluxDB's documentation shows.
const annotated = `#group,false,false,true,true,false,false,true,true,true,true
#datatype,string,long,dateTime:RFC3339,dateTime:RFC3339,dateTime:RFC3339,double,string,string,string,string
#default,mean,,,,,,,,,
,result,table,_start,_stop,_time,_value,_field,_measurement,host,region
,,0,2022-12-31T05:41:24Z,2023-01-31T05:41:24.001Z,2023-01-01T00:52:00Z,15.43,mem,m,A,east
,,1,2022-12-31T05:41:24Z,2023-01-31T05:41:24.001Z,2023-01-01T00:52:00.9Z,59.25,mem,m,B,east

#group,false,false,true,false
#datatype,string,long,string,long
#default,_result,,,7
,result,table,host,_value
,,2,"C, ""D""",42
,,2,E,
`

func TestReadFlux(t *testing.T) {
	mem := func(host string, v float64, table string) Sample {
		return Sample{Value: v, Time: 1672534320, Timed: true, Labels: labels{"result": "mean", "table": table, "_start": "2022-12-31T05:41:24Z", "_stop": "2023-01-31T05:41:24.001Z",
			"_field": "mem", "_measurement": "m", "host": host, "region": "east"}}
	}
	want := []Sample{mem("A", 15.43, "0"), mem("B", 59.25, "1"),
		{Value: 42, Labels: labels{"result": "_result", "table": "2", "host": `C, "D"`}}, {Value: 7, Labels: labels{"result": "_result", "table": "2", "host": "E"}}}
	for name, body := range map[string]string{"LF": annotated, "CRLF": strings.ReplaceAll(annotated, "\n", "\r\n") + "\r\n", "no end": strings.TrimRight(annotated, "\n")} {
		a, err := readFlux(200, []byte(body), Query{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		wanted(t, name, a, want...)
	}
	// Without annotations, as the published script asks; a second table has a row of names of its own.
	a, err := readFlux(200, []byte(",result,table,_time,_value,host\r\n,_result,0,2025-01-01T00:00:00Z,1.5,a\r\n,_result,1,2025-01-01T00:00:00Z,NaN,b\r\n\r\n"+
		",result,table,host,_value\r\n,_result,2,c,\r\n,_result,3,d,text\r\n\r\n"), Query{})
	if err != nil {
		t.Fatal(err)
	}
	wanted(t, "plain", a,
		Sample{Value: 1.5, Time: 1735689600, Timed: true, Labels: labels{"result": "_result", "table": "0", "host": "a"}},
		Sample{Value: math.NaN(), Time: 1735689600, Timed: true, Labels: labels{"result": "_result", "table": "1", "host": "b"}})
	if a.Skipped[Null] != 1 || a.Skipped[NotNumber] != 1 {
		t.Errorf("%v", a.Skipped)
	}
	// A column of one's own; a text that looks like a number is none where the type says so.
	a, err = readFlux(200, []byte("#datatype,string,long,string,unsignedLong,string\n,result,table,host,load,id\n,,0,a,3,5\n"), Query{Column: "load"})
	if err != nil {
		t.Fatal(err)
	}
	wanted(t, "column", a, Sample{Value: 3, Labels: labels{"table": "0", "host": "a", "id": "5"}})
	a, err = readFlux(200, []byte("#datatype,string,long,string,unsignedLong,string\n,result,table,host,load,id\n,,0,a,3,5\n"), Query{Column: "id"})
	if err != nil || a.Skipped[NotNumber] != 1 {
		t.Error(a, err)
	}
	for _, empty := range []string{"", "\r\n", "\n\n"} {
		a, err := readFlux(200, []byte(empty), Query{})
		if err != nil {
			t.Fatal(err)
		}
		wanted(t, "empty", a)
	}
	for _, c := range []struct {
		status     int
		body, want string
	}{
		{200, "#datatype,string,long\n,error,reference\n,Failed to parse query,897\n", "line 3 of the answer: Failed to parse query"},
		{200, annotated + "\n#datatype,string,string\n#group,true,true\n#default,,\n,error,reference\n,\"the server gave up\",\n", "the server gave up"},
		{200, annotated + "\n,error\n,gave up\n", "gave up"},
		{400, `{"code":"invalid","message":"compilation failed: error at @1:1"}`, "status 400: compilation failed"},
		{401, `{"error":"authorization failed"}`, "status 401: authorization failed"},
		{404, "404 page not found", "status 404: 404 page not found"},
		{200, ",result,table,host\n,,0,a\n", `there is no column "_value", but result, table, host`},
		{200, ",result,table,_value\n,,0\n", "line 2 of the answer: a row has 3 values in 4 columns"},
		{200, "#datatype,string\n,result,table,_value\n", "#datatype has 2 values for 4 columns"},
		{200, ",result,table,_value,_time\n,,0,1,yesterday\n", `the time "yesterday"`},
		{200, ",result,table,_value\n,,0,\"1\n", "no CSV"},
		{200, "#datatype,string,long,double\n", "breaks off"},
	} {
		if _, err := readFlux(c.status, []byte(c.body), Query{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%d %s: %v", c.status, c.body, err)
		}
	}
}
