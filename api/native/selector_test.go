package native

import (
	"strings"
	"testing"

	"granary/api/edge"
	"granary/metricdef/match"
)

func TestSelectors(t *testing.T) {
	for body, want := range map[string]string{
		`{"s":"cpu{host=~\"n0.*\"}"}`:                        `__name__="cpu" and host=~"n0.*"`,
		`{"s":{"tag":"host","op":"=","value":"n"}}`:          `host="n"`,
		`{"s":{"tag":"host","value":"n"}}`:                   `host="n"`,
		`{"s":{"tag":"host","values":["b","a"]}}`:            `host in ("a","b")`,
		`{"s":{"tag":"host","op":"in","values":[]}}`:         `host in ()`,
		`{"s":{"tag":"host","op":"!=","value":""}}`:          `host!=""`,
		`{"s":{"tag":"host","op":"!~","value":"a|b"}}`:       `host!~"a|b"`,
		`{"s":{"tag":"gpu","op":"exists"}}`:                  `gpu exists`,
		`{"s":{"tag":"gpu","op":"begins with","value":"a"}}`: `gpu begins with "a"`,
		`{"s":{"and":[]}}`:                                   `{}`,
		`{"s":{"or":[{"tag":"a","value":"1"},{"and":[{"tag":"b","value":"2"},{"not":{"tag":"c","op":"exists"}}]}]}}`: `a="1" or b="2" and not c exists`,
	} {
		var v struct {
			S selector `json:"s"`
		}
		if err := decodeJSON([]byte(body), &v); err != nil || !v.S.given || match.Text(v.S.expr) != want {
			t.Errorf("%s: %s, want %s (%v)", body, match.Text(v.S.expr), want, err)
		}
	}
}

// TestSelectorsRefused: each fault is refused with the path of its member and its own code.
func TestSelectorsRefused(t *testing.T) {
	deep := strings.Repeat(`{"not":`, 63) + `{"tag":"a","op":"exists"}` + strings.Repeat("}", 63)
	many := `{"or":[` + strings.Repeat(`{"tag":"a","op":"exists"},`, match.MaxMatchers) + `{"tag":"a","op":"exists"}]}`
	for _, c := range []struct{ s, path, code, text string }{
		{`1`, "/s", "request-syntax", "expected an object, found a number"},
		{`[]`, "/s", "request-syntax", "expected an object, found a list"},
		{`"cpu{"`, "/s", "selector-invalid", "at byte 4"},
		{`"a=~\"(?=x)\""`, "/s", "regexp-invalid", "look-around"},
		{`{}`, "/s", "request-syntax", "exactly one of"},
		{`null`, "/s", "request-syntax", ""},
		{`{"and":[],"or":[]}`, "/s", "request-syntax", "exactly one of"},
		{`{"and":{}}`, "/s/and", "request-syntax", "expected a list"},
		{`{"and":[{"or":[{"nto":{}}]}]}`, "/s/and/0/or/0/nto", "request-syntax", "no member of this name"},
		{`{"and":[{"tag":"a","op":"exists"},{"not":{"tag":"a","op":"~","value":"x"}}]}`, "/s/and/1/not/op", "request-syntax", "is none of"},
		{`{"and":[],"value":"x"}`, "/s", "request-syntax", "belong to"},
		{`{"tag":"a"}`, "/s", "request-syntax", "beside"},
		{`{"tag":"","value":"x"}`, "/s/tag", "request-syntax", "must not be empty"},
		{`{"tag":"a","op":"exists","value":"x"}`, "/s", "request-syntax", `"value" must not be given`},
		{`{"tag":"a","op":"in","value":"x","values":[]}`, "/s", "request-syntax", `"value" must not be given`},
		{`{"tag":"a","op":"="}`, "/s", "request-syntax", `"value" must be given`},
		{`{"tag":"a","op":"in","values":["x",1]}`, "/s/values/1", "request-syntax", "expected a text"},
		{`{"tag":"a","op":"=~","value":"("}`, "/s/value", "regexp-invalid", "missing closing"},
		{`{"tag":"a","tag":"b","op":"exists"}`, "/s/tag", "request-syntax", "given twice"},
		{`{"not":` + deep + `}`, "/s", "request-syntax", ""},
		{many, "/s/or/4096", "request-syntax", "more than 4096 matchers"},
		{`{"tag":"a","value":"` + strings.Repeat("x", match.MaxSelector) + `"}`, "/s", "request-syntax", "at most 1048576"},
	} {
		var v struct {
			S selector `json:"s"`
		}
		err := decodeJSON([]byte(`{"s":`+c.s+`}`), &v)
		if err == nil {
			t.Errorf("%.80s: no error", c.s)
			continue
		}
		p := edge.ProblemOf(err)
		path, _ := p.Members["path"].(string)
		if p.Status != 400 || p.Code != c.code || !strings.HasPrefix(path, c.path) || !strings.Contains(p.Detail, c.text) || len(p.Detail) > 1000 {
			t.Errorf("%.80s: %s at %s: %s", c.s, p.Code, path, p.Detail)
		}
	}
}

func FuzzSelector(f *testing.F) {
	f.Add([]byte(`{"and":[{"tag":"host","op":"=~","value":"n.*"},{"not":{"tag":"a","value":"1"}},{"tag":"dc","op":"in","values":["a"]},{"tag":"gpu","op":"exists"}]}`))
	f.Add([]byte(`"cpu{a=\"1\"} or not b exists"`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var s selector
		if err := decodeJSON(b, &s); err != nil {
			if p := edge.ProblemOf(err); p.Status != 400 || p.Code == "" {
				t.Fatalf("%+v", p)
			}
			return
		}
		if text := match.Text(s.expr); len(text) <= match.MaxSelector {
			if _, err := match.Parse(text); err != nil && strings.Count(text, "not {}") == 0 {
				t.Fatalf("%s: %v", text, err)
			}
		}
	})
}
