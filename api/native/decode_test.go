package native

import (
	"net/http"
	"strings"
	"testing"

	"granary/api/edge"
)

type decodeTarget struct {
	Name  string            `json:"name"`
	Small int8              `json:"small"`
	Big   int64             `json:"big"`
	Float float64           `json:"float"`
	Tags  map[string]string `json:"tags"`
	Sub   []struct {
		On bool `json:"on"`
	} `json:"sub"`
	Ptr *bool `json:"ptr"`
	Any any   `json:"any"`
}

func decoder(o ...func(*Options)) (*API, *decodeTarget) {
	a := bare(o...)
	v := &decodeTarget{}
	a.mount([]route{{method: "POST", path: "/it", serve: func(w http.ResponseWriter, r *http.Request) error {
		*v = decodeTarget{Name: "kept"}
		if err := a.decode(r, v); err != nil {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}}})
	return a, v
}

func TestDecode(t *testing.T) {
	a, v := decoder()
	w := ask(a, "POST", "/v2/it", ` {"big":9223372036854775807,"small":-128,"sub":[{"on":true}],"tags":{"a":"b"},"ptr":true} `)
	if w.Code != 204 || v.Big != 1<<63-1 || v.Small != -128 || !v.Sub[0].On || v.Tags["a"] != "b" || !*v.Ptr || v.Name != "kept" {
		t.Errorf("%d %s %+v", w.Code, w.Body, v)
	}
}

// TestDecodeRefuses: each fault is refused with the path of its member.
func TestDecodeRefuses(t *testing.T) {
	a, _ := decoder()
	for _, c := range []struct{ body, path, text string }{
		{`{"nmae":"x"}`, "/nmae", "no member of this name"},
		{`{"Name":"x"}`, "/Name", "no member of this name"},
		{`{"sub":[{"on":true},{"off":1}]}`, "/sub/1/off", "no member of this name"},
		{`{"name":"x","name":"y"}`, "/name", "given twice"},
		{`{"tags":{"a~/b":"x","a~/b":"y"}}`, "/tags/a~0~1b", "given twice"},
		{`{"name":1}`, "/name", "expected a text, found a number"},
		{`{"name":["x"]}`, "/name", "expected a text, found a list"},
		{`{"small":128}`, "/small", "a whole number of 8 bits"},
		{`{"small":1.5}`, "/small", "a whole number of 8 bits"},
		{`{"small":"1"}`, "/small", "found a text"},
		{`{"big":9223372036854775808}`, "/big", "a whole number of 64 bits"},
		{`{"float":1e999}`, "/float", "a number"},
		{`{"sub":{}}`, "/sub", "expected a list, found an object"},
		{`{"sub":[{"on":0}]}`, "/sub/0/on", "expected true or false, found a number"},
		{`[]`, "", "expected an object, found a list"},
		{`{"name":"x"} {}`, "", "no valid JSON at byte 13"},
		{`{"name":"x"`, "", "ends too early"},
		{`{"name":"` + "\xff" + `"}`, "/name", "no valid JSON"},
		{`{"name":"x",}`, "", "no valid JSON"},
		{`{"any":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, "/any" + strings.Repeat("/0", 62), "64 deep"},
		{strings.Repeat(`[`, 1_000_000), strings.Repeat("/0", 63), "64 deep"},
		{strings.Repeat(`{"a":`, 100_000), strings.Repeat("/a", 64), "64 deep"},
		{" ", "", "is empty"},
	} {
		w := ask(a, "POST", "/v2/it", c.body)
		if w.Code != 400 {
			t.Errorf("%.60s: %d", c.body, w.Code)
			continue
		}
		m := problemOf(t, w)
		path, _ := m["path"].(string)
		if m["code"] != "request-syntax" || path != c.path || !strings.Contains(m["detail"].(string), c.text) || len(w.Body.Bytes()) > 2000 {
			t.Errorf("%.60s:\n%s", c.body, w.Body)
		}
	}
	if w := ask(a, "POST", "/v2/it", ""); w.Code != 400 {
		t.Errorf("no body: %d", w.Code)
	}
}

func TestDecodeMedia(t *testing.T) {
	a, _ := decoder()
	for media, status := range map[string]int{
		"application/json": 204, "application/json; charset=utf-8": 204, "Application/JSON": 204, "application/merge-patch+json": 204, "": 204,
		"text/plain": 415, "application/x-www-form-urlencoded": 415, "application/json2": 415,
	} {
		w := ask(a, "POST", "/v2/it", "{}", "Content-Type", media)
		if w.Code != status || status == 415 && problemOf(t, w)["code"] != "media-type" {
			t.Errorf("%q: %d %s", media, w.Code, w.Body)
		}
	}
}

func TestDecodeLimits(t *testing.T) {
	a, _ := decoder(func(o *Options) { o.Requests = NewRequests(1000) })
	w := ask(a, "POST", "/v2/it", `{"name":"`+strings.Repeat("x", 1000)+`"}`)
	m := problemOf(t, w)
	if w.Code != 413 || m["code"] != "size-limit" || m["limit"] != 1000.0 || m["setting"] != "granary.native.max-request" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := ask(a, "POST", "/v2/it", `{}`, "Content-Encoding", "br"); w.Code != 415 || problemOf(t, w)["code"] != "content-encoding" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"name":"x","small":1,"sub":[{"on":true}],"tags":{"a":"b"},"ptr":null,"any":[{}]}`))
	f.Add([]byte(`{"name":"x","name":"y"}`))
	f.Add([]byte(`{"any":[[[[[[`))
	f.Add([]byte(`{"name":"\ud800"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var v decodeTarget
		if err := decodeJSON(b, &v); err != nil {
			p := edge.ProblemOf(err)
			if p.Status != 400 || p.Code != "request-syntax" {
				t.Fatalf("%+v", p)
			}
			out := p.Append(nil)
			var m any
			if derr := decodeJSON(out, &m); derr != nil {
				t.Fatalf("the problem is no JSON: %v: %s", derr, out)
			}
		}
	})
}
