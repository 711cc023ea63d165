package pyjson

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
)

func TestDecode(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`{"b": 1, "a": [true, null, "x"]}`, `{"b": 1, "a": [true, null, "x"]}`},
		{` [ ] `, `[]`}, {`{}`, `{}`}, {`-0.5e+10`, `-0.5e+10`}, {`NaN`, `NaN`}, {`[-Infinity,Infinity]`, `[-Infinity, Infinity]`},
		{`"\u00e9\ud83d\ude00é\n"`, `"\u00e9\ud83d\ude00\u00e9\n"`}, {`{"a":1,"b":2,"a":3}`, `{"a": 3, "b": 2}`},
		{`{`, `the name of a member is expected, in quotes at byte 1`}, {``, `a value is expected, and the text ends at byte 0`},
		{`{"a":1,}`, `the name of a member is expected, in quotes at byte 7`}, {`[1 2]`, `a comma or ] is expected at byte 3`},
		{`01`, `a value is expected at byte 0`}, {`1.`, `a digit is expected at byte 2`}, {`nul`, `a value is expected at byte 0`}, {`1 1`, `there is something behind the value at byte 2`},
		{"\"\x01\"", `a control character stands in a string at byte 1`}, {`"\q"`, `\q is no escape at byte 1`}, {`"\ud800"`, `half of a surrogate pair stands alone at byte 7`},
		{`"\ud800\u0041"`, `half of a surrogate pair stands alone at byte 7`}, {"\"\xff\"", `the text is not UTF-8 at byte 1`}, {`"`, `a string does not end at byte 1`},
		{strings.Repeat("[", 101), `lists and objects lie more than 100 deep in each other at byte 100`},
	} {
		v, err := Decode([]byte(c.in))
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			got = string(Append(nil, v))
		}
		if got != c.want {
			t.Errorf("%q: %s, want %s", c.in, got, c.want)
		}
	}
}

func TestAppendFloat(t *testing.T) {
	for x, want := range map[float64]string{
		5.25: "5.25", 1e300: "1e+300", 0.1: "0.1", 1e16: "1e+16", 1e15: "1000000000000000.0", 123456789012345680: "1.2345678901234568e+17", 0.0001: "0.0001", 0.00001: "1e-05",
		-3: "-3.0", 0: "0.0", math.Inf(1): "Infinity", math.Inf(-1): "-Infinity", math.NaN(): "NaN", 9007199254740993: "9007199254740992.0", 1.5e-7: "1.5e-07", math.MaxFloat64: "1.7976931348623157e+308",
	} {
		if got := string(AppendFloat(nil, x)); got != want {
			t.Errorf("%v: %s, want %s", x, got, want)
		}
	}
	if got := string(AppendFloat(nil, math.Copysign(0, -1))); got != "-0.0" {
		t.Error(got)
	}
}

func TestRepr(t *testing.T) {
	v, err := Decode([]byte(`{"a": ["it's", "\"", "x\u0000é"], "b": null, "c": [true, 1.5]}`))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{'a': ["it's", '"', 'x\x00é'], 'b': None, 'c': [True, 1.5]}`
	if got := string(AppendRepr(nil, v)); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	o := &Object{}
	o.Set("id", UUID("0a"))
	if json, python := string(Append(nil, o)), string(AppendRepr(nil, o)); json != `{"id": "0a"}` || python != `{'id': UUID('0a')}` {
		t.Errorf("%s %s", json, python)
	}
}

// FuzzDecode: what the standard library takes is taken too and means the same; what comes out reads again as the same.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5e3,null,"\u00e9"],"b":{}}`, `NaN`, `[[[]]]`, `"\ud83d\ude00"`, `{"a":1,"a":2}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := Decode(b)
		blank := len(b) - len(bytes.TrimLeft(b, " \t\r\n"))
		end, skipped := Skip(b, blank, 0)
		if err != nil {
			if skipped == nil && len(bytes.Trim(b[end:], " \t\r\n")) == 0 {
				t.Fatalf("%q is skipped up to %d: %v", b, end, err)
			}
			return
		}
		if skipped != nil || len(bytes.Trim(b[end:], " \t\r\n")) != 0 {
			t.Fatalf("%q is skipped up to %d: %v", b, end, skipped)
		}
		if text, ok := v.(string); ok {
			if got, at, err := AppendUnquoted(nil, b, blank); err != nil || at != end || string(got) != text {
				t.Fatalf("%q is %q up to %d: %v", b, got, at, err)
			}
		}
		out := Append(nil, v)
		again, err := Decode(out)
		if err != nil {
			t.Fatalf("%q became %q: %v", b, out, err)
		}
		if second := Append(nil, again); !bytes.Equal(out, second) {
			t.Fatalf("%q became %q, then %q", b, out, second)
		}
		if !bytes.Contains(out, []byte("NaN")) && !bytes.Contains(out, []byte("Infinity")) && !json.Valid(out) {
			t.Fatalf("%q became %q", b, out)
		}
	})
}
