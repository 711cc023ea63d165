package clustercockpit

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestRoutes(t *testing.T) {
	ready := true
	d, _ := newTest(t, func(o *Options) { o.Ready = func() (bool, string) { return ready, "40 %" } })
	for _, c := range []struct {
		method, path string
		code         int
		want         string // header "Allow" or "Location", or the body
	}{
		{"GET", "/api/query", 400, `{"status":"Bad Request","error":"EOF"}` + "\n"},
		{"HEAD", "/api/query/", 400, ""},
		{"POST", "/api/query/deep/er", 400, `{"status":"Bad Request","error":"EOF"}` + "\n"},
		{"DELETE", "/api/query", 405, "GET, HEAD, POST"},
		{"OPTIONS", "/api/write/", 405, "POST"},
		{"GET", "/api/write", 405, "POST"},
		{"POST", "/api/debug", 405, "GET, HEAD"},
		{"POST", "/api/healthcheck", 405, "GET, HEAD"},
		{"GET", "/api", 404, "404 page not found\n"},
		{"GET", "/api/", 404, "404 page not found\n"},
		{"GET", "/api/nope", 404, "404 page not found\n"},
		{"GET", "/api/queryx", 404, "404 page not found\n"},
		{"GET", "/api//query?a=b", 307, "/api/query?a=b"},
		{"POST", "/api/./write/", 307, "/api/write/"},
		{"GET", "/api/debug", 200, "{\"data\":{\n}}\n"},
		{"POST", "/api/write", 200, ""},
	} {
		w := ask(d, c.method, c.path, "")
		got := w.Body.String()
		switch w.Code {
		case 405:
			got = w.Header().Get("Allow")
		case 307:
			got = w.Header().Get("Location")
		}
		if w.Code != c.code || got != c.want {
			t.Errorf("%s %s: %d %q, want %d %q", c.method, c.path, w.Code, got, c.code, c.want)
		}
	}
	ready = false
	if w := ask(d, "POST", "/api/write", ""); w.Code != 503 || w.Header().Get("Retry-After") == "" || w.Body.String() != `{"status":"Service Unavailable","error":"not ready: 40 %"}`+"\n" {
		t.Errorf("not ready: %d %s", w.Code, w.Body)
	}
	if len(d.Routes()) != 5 {
		t.Errorf("routes: %v", d.Routes())
	}
}

func TestWrite(t *testing.T) {
	d, m := newTest(t, nil)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write([]byte(lines("cpu_load,cluster=c,hostname=z", 60, t0, "1")))
	_ = z.Close()
	for _, c := range []struct {
		name, path, body string
		header           []string
		code             int
		answer, ignored  string
	}{
		{"good", "/api/write", lines("cpu_load,cluster=c,hostname=h", 60, t0, "1"), nil, 200, "", ""},
		{"gzip", "/api/write", packed.String(), []string{"Content-Encoding", "gzip"}, 200, "", ""},
		{"unknown encoding", "/api/write", "x", []string{"Content-Encoding", "br"}, 415, `Content-Encoding \"br\" is not understood`, ""},
		{"damaged gzip", "/api/write", "hello, this is no gzip", []string{"Content-Encoding", "gzip"}, 400, "request body is not valid gzip", ""},
		{"cut gzip", "/api/write", packed.String()[:packed.Len()-9], []string{"Content-Encoding", "gzip"}, 400, "gzip stream of the request body ended after", ""},
		{"ignored", "/api/write", "nosuch,cluster=c,hostname=h value=1\ncpu_load,cluster=c,hostname=h value=1 1735689600", nil, 200, "", "some=1"},
		{"malformed", "/api/write?cluster=c", "cpu_load,hostname=m value=1 1735689600\ncpu_load,hostname=m value=x>y\ncpu_load,hostname=m value=2 1735689660", nil, 400,
			`{"status":"Bad Request","error":"at line 2:`, ""},
	} {
		w := ask(d, http.MethodPost, c.path, c.body, c.header...)
		if w.Code != c.code || !strings.Contains(w.Body.String(), c.answer) || w.Header().Get("X-Granary-Ignored") != c.ignored || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %s %v", c.name, w.Code, w.Body, w.Header())
		}
		if c.code == 200 && w.Body.Len() > 0 {
			t.Errorf("%s: body %s", c.name, w.Body)
		}
	}
	if got := results(t, d, t0, t0+120, `"queries":[{"metric":"cpu_load","host":"m"},{"metric":"cpu_load","host":"z"}]`); !strings.HasPrefix(got, `[[{"data":[1.000,2.000]`) || !strings.Contains(got, `],[{"data":[1.000]`) {
		t.Errorf("what was good is stored: %s", got)
	}
	_ = m
}

// TestCutWrite: of a body that ends early every whole line is stored, the last one never.
func TestCutWrite(t *testing.T) {
	d, m := newTest(t, nil)
	r := httptest.NewRequest(http.MethodPost, "/api/write", cutBody{strings.NewReader(lines("cpu_load,cluster=c,hostname=h", 60, t0, "1", "2") + "cpu_load,cluster=c,hostname=h value=3 17356")})
	r.ContentLength = 10_000
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	if w.Code != 400 || !strings.Contains(w.Body.String(), "request body ended after 141 bytes: unexpected EOF; 2 lines stored") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if len(m.series) != 1 || len(m.series[0].values) != 2 {
		t.Errorf("%d series", len(m.series))
	}
}

type cutBody struct{ *strings.Reader }

func (c cutBody) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if err != nil {
		err = fmt.Errorf("unexpected EOF")
	}
	return n, err
}

func TestClusterParameter(t *testing.T) {
	for raw, want := range map[string]string{
		"": "", "cluster=a": "a", "x=1&cluster=a%20b&cluster=c": "a%20b", "mycluster=a": "", "cluster": "", "cluster=": "", "cluster=a+b=c": "a+b=c",
	} {
		if got := clusterParameter(raw); got != want {
			t.Errorf("%s: %q, want %q", raw, got, want)
		}
	}
}

func TestShorten(t *testing.T) {
	if got := shorten("abcdef", 6); got != "abcdef" {
		t.Error(got)
	}
	if got := shorten("aöö", 2); got != "a…" {
		t.Error(got)
	}
}

func TestDebug(t *testing.T) {
	d, m := newTest(t, nil)
	m.write(t, lines("load10,cluster=c,hostname=h", 10, t0, "1", "2"))
	m.write(t, lines("load10,cluster=c,hostname=h", 10, t0+5120, "3"))
	m.write(t, lines("temp,cluster=c,hostname=h,type=accelerator,type-id=00000000:49:00.0,stype=x,stype-id=a:b", 10, t0, "1"))
	want := fmt.Sprintf(`{"data":{
	"h":{
		"load10":[{"start":%d,"len":2,"end":%d},{"start":%d,"len":1,"end":%d}],
		"accelerator00000000:49:00.0":{
			"xa:b":{
				"temp":[{"start":%d,"len":1,"end":%d}]
			}
		}
	}
}}
`, t0-5, t0+15, t0+5115, t0+5125, t0-5, t0+5)
	if got := ask(d, "GET", "/api/debug?selector=c", "").Body.String(); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	for selector, found := range map[string]bool{
		"c:h:accelerator00000000:49:00.0": true, "c:h:accelerator00000000:49:00.0:xa:b": true, "c:h:accelerator00000000:49:00": false,
		"c:h:": false, ":": false, "h": false, strings.Repeat(":", 40): false, "c:h:" + strings.Repeat("a:", 5000): false,
	} {
		w := ask(d, "GET", "/api/debug/?selector="+selector, "")
		if (w.Code == 200) != found || found && !json.Valid(w.Body.Bytes()) || !found && !strings.Contains(w.Body.String(), `[METRICSTORE]\u003e not found: []string{`) {
			t.Errorf("%.60s: %d %.100s", selector, w.Code, w.Body)
		}
	}
}

func TestFreeErrors(t *testing.T) {
	d, m := newTest(t, nil)
	m.write(t, lines("load10,cluster=c,hostname=h,type=core,type-id=0", 10, t0, "1"))
	for _, c := range []struct {
		path, body string
		code       int
		want       string
	}{
		{"/api/free", `[]`, 400, `{"status":"Bad Request","error":"'to' is a required query parameter"}`},
		{"/api/free?to=x", `[]`, 500, `{"status":"Internal Server Error","error":"strconv.ParseInt: parsing \"x\": invalid syntax"}`},
		{"/api/free?to=1", ``, 400, "EOF"},
		{"/api/free?to=1", `["a"]`, 400, "json: cannot unmarshal string into Go value of type []string"},
		{"/api/free?to=1", `null`, 200, "buffers freed: 0"},
		{"/api/free?to=9000000000000000000", `[["c","nope"],["nope"],["c","h","core1"],["c","h","core0","x"],["","h"]]`, 200, "buffers freed: 0"},
		{"/api/free/?to=9000000000000000000", `[["c","h","core0"],["c"],[]]`, 200, "buffers freed: 1"},
	} {
		if w := ask(d, "POST", c.path, c.body); w.Code != c.code || strings.TrimSpace(w.Body.String()) != c.want {
			t.Errorf("%s %s: %d %s", c.path, c.body, w.Code, w.Body)
		}
	}
	if m.roots[1].children["nope"] != nil {
		t.Error("a selector that does not exist was created")
	}
}

func TestHealthcheck(t *testing.T) {
	now := testNow
	d, m := newTest(t, func(o *Options) { o.Now = func() time.Time { return now } })
	at := now.Unix()
	m.write(t, lines("cpu_load,cluster=c,hostname=h", 60, at-60, "1"))
	m.write(t, lines("temp,cluster=c,hostname=h,type=core,type-id=0", 10, at, "1"))
	m.write(t, lines("temp,cluster=c,hostname=h,type=core,type-id=1", 10, at-56, "1")) // 5.6 steps ago
	m.write(t, lines("cpu_load,cluster=c,hostname=edge", 60, at-330, "1"))             // 5.5 steps ago exactly
	for _, c := range []struct{ body, want string }{
		{`{"cluster":"c","nodes":["h"],"metric-names":["cpu_load"]}`, `{"h":{"State":"full","HealthMetrics":"{\"degraded\":[],\"missing\":[]}"}}`},
		{`{"cluster":"c","nodes":["h"]}`, `{"h":{"State":"full","HealthMetrics":"{\"degraded\":[],\"missing\":[]}"}}`},
		{`{"cluster":"c","nodes":["edge"],"metric-names":["cpu_load"]}`, `{"edge":{"State":"full","HealthMetrics":"{\"degraded\":[],\"missing\":[]}"}}`},
		{`{"cluster":"c","nodes":["zz","h","zz"],"metric-names":["cpu_load","temp","mem_bw","nope","nope"]}`,
			`{"h":{"State":"partial","HealthMetrics":"{\"degraded\":[\"temp\"],\"missing\":[\"mem_bw\",\"nope\",\"nope\"]}"},"zz":{"State":"failed","HealthMetrics":""}}`},
		{`{"cluster":"c","nodes":["h"],"metric-names":["temp","mem_bw"]}`, `{"h":{"State":"failed","HealthMetrics":"{\"degraded\":[\"temp\"],\"missing\":[\"mem_bw\"]}"}}`},
		{`{"cluster":"x","nodes":["h"],"metric-names":["temp"]}`, `{"h":{"State":"failed","HealthMetrics":""}}`},
		{`{"cluster":"c","nodes":[]}`, `{}`},
	} {
		if w := ask(d, "GET", "/api/healthcheck", c.body); w.Code != 200 || w.Body.String() != c.want+"\n" {
			t.Errorf("%s: %d %s", c.body, w.Code, w.Body)
		}
	}
	for body, want := range map[string]string{
		``:        `{"status":"Bad Request","error":"parsing request body failed: EOF"}`,
		`{"x":1}`: `{"status":"Bad Request","error":"parsing request body failed: json: unknown field \"x\""}`,
	} {
		if w := ask(d, "GET", "/api/healthcheck/", body); w.Code != 400 || w.Body.String() != want+"\n" {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
	if w := ask(d, "GET", "/api/healthcheck?cluster=c&node=h&metric=cpu_load", ""); w.Code != 200 || !strings.HasPrefix(w.Body.String(), `{"h":{"State":"full"`) {
		t.Errorf("the documented form: %d %s", w.Code, w.Body)
	}
	now = now.Add(301 * time.Second)
	if w := ask(d, "GET", "/api/healthcheck", `{"cluster":"c","nodes":["h"],"metric-names":["cpu_load"]}`); !strings.Contains(w.Body.String(), `"failed"`) {
		t.Errorf("stale: %s", w.Body)
	}
}
