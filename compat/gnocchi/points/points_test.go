package points

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"granary/compat/gnocchi/pyjson"
	"granary/compat/gnocchi/schema"
	"granary/compat/gnocchi/when"
)

var now = time.Date(2026, 11, 28, 12, 34, 56, 789, time.UTC)

const jan = 1577836800 * second // 2020-01-01

func TestMeasures(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		body   string
		times  []int64
		values []float64
	}{
		{`[]`, nil, nil}, {" [ ] ", nil, nil},
		{`[{"timestamp":1577836800,"value":1.5}]`, []int64{jan}, []float64{1.5}},
		{`[{"value": 2, "timestamp": "2020-01-01T00:00:00"}, {"timestamp": "2020-01-01T00:00:01Z", "value": -3e2}]`, []int64{jan, jan + second}, []float64{2, -300}},
		{`[{"timestamp":"1577836802","value":"2.5"},{"timestamp":1577836800.25,"value":true}]`, []int64{jan + 2*second, jan + second/4}, []float64{2.5, 1}},
		{`[{"timestamp":"2020-01-01 00:00:04","value":false}]`, []int64{jan + 4*second}, []float64{0}},
		{`[{"timestamp":"2020-01-01T01:00:05+01:00","value":1}]`, []int64{jan + 5*second}, []float64{1}},
		{`[{"timestamp":"2020-01-01T00:00:07.123456789","value":1}]`, []int64{jan + 7123456789}, []float64{1}},
		{`[{"timestamp":1577836800,"value":NaN},{"timestamp":1577836801,"value":"-inf"},{"timestamp":1577836802,"value":Infinity}]`, []int64{jan, jan + second, jan + 2*second}, []float64{nan, -inf, inf}},
		{`[{"timestamp":1577836800,"value":1,"extra":[{"a":NaN}]}]`, []int64{jan}, []float64{1}},
		{`[{"timestamp":1,"timestamp":1577836800,"value":"x","value":1}]`, []int64{jan}, []float64{1}},
		{`[{"timestamp":"2020-01-01T00:00:00","value":1},{"timestamp":1577836801,"value":2}]`, []int64{jan, jan + second}, []float64{1, 2}},
		{`[{"timestamp":true,"value":1}]`, []int64{second}, []float64{1}},
		{`[{"timestamp":"-10 seconds","value":1},{"timestamp":5,"value":2}]`, []int64{now.UnixNano() - 10*second, now.UnixNano() + 5*second}, []float64{1, 2}},
		{`[{"timestamp":"now","value":1}]`, []int64{now.Unix() * second}, []float64{1}},
		{`[{"\u0074imestamp":1577836800,"value":1e400}]`, []int64{jan}, []float64{inf}},
		{`[{"timestamp":1577836800.1,"value":1},{"timestamp":1577836800.123456789,"value":1},{"timestamp":1.5778368e9,"value":1}]`, []int64{jan + second/10, jan + 123456789, jan}, []float64{1, 1, 1}},
		{`[{"timestamp":0,"value":1},{"timestamp":4611686018.427387903,"value":1}]`, []int64{0, LastTime}, []float64{1, 1}},
	} {
		var d Decoder
		if err := d.One([]byte(c.body), now, nil); err != nil {
			t.Errorf("%s: %v", c.body, err)
			continue
		}
		if from, to := d.Rows(0); fmt.Sprint(d.Times) != fmt.Sprint(c.times) || fmt.Sprint(d.Values) != fmt.Sprint(c.values) || len(d.Lists) != 1 || from != 0 || to != len(c.times) {
			t.Errorf("%s: %v %v %v", c.body, d.Times, d.Values, d.Lists)
		}
	}
}

const unreadable, epoch = "unexpected timestamp 'Unable to convert timestamps'", "unexpected timestamp 'Timestamp must be after Epoch'"

func TestFaults(t *testing.T) {
	for body, want := range map[string]string{
		`{"timestamp":1,"value":1}`: badFormat, `"abc"`: badFormat, `5`: badFormat, `null`: badFormat, `{}`: badFormat, `[5]`: badFormat, `[[1577836800,1]]`: badFormat, `[null]`: badFormat,
		`[{"timestamp":null,"value":1}]`: badFormat, `[{"timestamp":[],"value":1}]`: badFormat, `[{"timestamp":{},"value":1}]`: badFormat,
		`[{"value":1}]`:                               badFormat + ": a measure has no timestamp",
		`[{"timestamp":"1960-01-01","value":1}]`:      epoch,
		`[{"timestamp":-5,"value":1}]`:                epoch,
		`[{"timestamp":"garbage","value":1}]`:         unreadable,
		`[{"timestamp":"2020-13-01","value":1}]`:      unreadable,
		`[{"timestamp":"20200101T000000","value":1}]`: unreadable,
		`[{"timestamp":1577836801,"value":2},{"timestamp":"2020-01-01T00:00:00","value":1}]`: unreadable,
		`[{"timestamp":"-1 hour","value":1},{"timestamp":"2020-01-01T00:00:00","value":1}]`:  unreadable,
		`[{"timestamp":"","value":1}]`:                    `unexpected timestamp 'Timestamp "" is not a time'`,
		`[{"timestamp":NaN,"value":1}]`:                   `unexpected timestamp 'Timestamp "NaN" is not a time'`,
		`[{"timestamp":1e18,"value":1}]`:                  `unexpected timestamp 'Timestamp "1e18" is beyond 2262-04-11T23:47:16+00:00, the last one that nanoseconds in 64 bits hold'`,
		`[{"timestamp":"2200-01-01","value":1}]`:          `unexpected timestamp 'Timestamp "2200-01-01" is beyond 2116-02-20T23:53:38+00:00, the last one that can be stored'`,
		`[{"timestamp":"2200-01-01T00:00:00","value":1}]`: `unexpected timestamp 'Timestamp "2200-01-01T00:00:00" is beyond 2116-02-20T23:53:38+00:00, the last one that can be stored'`,
		`[{"timestamp":4611686018.427387904,"value":1}]`:  `unexpected timestamp 'Timestamp "4611686018.427387904" is beyond 2116-02-20T23:53:38+00:00, the last one that can be stored'`,
		`[{"timestamp":1577836800}]`:                      badValue, `[{"timestamp":1577836800,"value":null}]`: badValue, `[{"timestamp":1577836800,"value":"abc"}]`: badValue,
		`[{"timestamp":1577836800,"value":[]}]`: badValue, `[{"timestamp":1577836800,"value":""}]`: badValue, `[{"timestamp":1577836800,"value":1` + strings.Repeat("0", 400) + `}]`: badValue,
		`[{"timestamp":1,"value":"x"},{"timestamp":-1,"value":1},{"timestamp":"y","value":1},3]`: badFormat,
		`[{"timestamp":1,"value":"x"},{"timestamp":-1,"value":1},{"timestamp":"y","value":1}]`:   unreadable,
		`[{"timestamp":1,"value":"x"},{"timestamp":-1,"value":1}]`:                               epoch,
	} {
		var d Decoder
		err := d.One([]byte(body), now, nil)
		var e *schema.Error
		if !errors.As(err, &e) || e.Error() != want || len(e.Detail()) != 0 {
			t.Errorf("%s: %v instead of %s", body, err, want)
		}
	}
}

func TestBroken(t *testing.T) {
	deep := strings.Repeat("[", 200)
	for _, body := range []string{
		``, ` `, `[`, `[{`, `[{"timestamp"`, `[{"timestamp":1,"value":1}`, `[{"timestamp":1,"value":1},]`, `[{"timestamp":1,"value":1}]]`, `[] []`, `[{"timestamp":1,"value":01}]`,
		`[{"timestamp":1,"value":1}{"timestamp":1,"value":1}]`, `[{"timestamp":1,"value":1},{{"timestamp":1,"value":1}]`, `[5,`, `[{"timestamp":"x","value":1}] x`, `[{"a":"\x"}]`, `[{"a":` + deep,
		`[{"timestamp":1.,"value":1}]`, `[{"timestamp":1 "value":1}]`, `[{"timestamp":1,"value":1,}]`, `[,]`, `{`, `{"a"`, `nul`, deep,
	} {
		var d Decoder
		for _, read := range []func([]byte, time.Time) error{
			func(b []byte, now time.Time) error { return d.One(b, now, nil) }, func(b []byte, now time.Time) error { return d.Metrics(b, now, nil) }, func(b []byte, now time.Time) error { return d.Resources(b, now, nil) },
		} {
			if err := read([]byte(body), now); !errors.As(err, new(*pyjson.SyntaxError)) {
				t.Errorf("%s: %v", body, err)
			}
		}
	}
}

func TestByMetric(t *testing.T) {
	var d Decoder
	a, b := uuid.MustParse("8ce1da1d-1e5a-4e5f-b90f-466c9a2781a3"), uuid.MustParse("d98c2c35-6206-4d77-929a-4e960df99ac3")
	body := `{"8ce1da1d-1e5a-4e5f-b90f-466c9a2781a3": [{"timestamp": "2020-01-01T00:00:00", "value": 12}, {"timestamp": "2020-01-01T00:00:08", "value": 2}],
		"D98C2C3562064d77929a4e960df99ac3": [], "8ce1da1d-1e5a-4e5f-b90f-466c9a2781a3" : [{"timestamp": 1577836800, "value": 3}]}`
	if err := d.Metrics([]byte(body), now, nil); err != nil {
		t.Fatal(err)
	}
	if len(d.Lists) != 3 || d.Lists[0].ID != a || d.Lists[1].ID != b || d.Lists[2].ID != a || fmt.Sprint(d.Values) != "[12 2 3]" {
		t.Fatal(d.Lists, d.Values)
	}
	if from, to := d.Rows(1); from != 2 || to != 2 || d.ListOf(2) != 2 || d.ListOf(1) != 0 || d.Path(2) != `data["8ce1da1d-1e5a-4e5f-b90f-466c9a2781a3"][0]` {
		t.Fatal(from, to, d.ListOf(2), d.Path(2))
	}
	if at := d.Lists[0].at; body[at:at+d.Lists[0].size] != `[{"timestamp": "2020-01-01T00:00:00", "value": 12}, {"timestamp": "2020-01-01T00:00:08", "value": 2}]` || d.Size(1) != 2 {
		t.Fatal(d.Size(0), d.Size(1))
	}
	for body, want := range map[string]string{
		`[]`:         "expected a dictionary",
		`{"foo":[]}`: "extra keys not allowed @ data['foo']",
		`{"` + a.String() + `":[{"timestamp":-1}]}`: epoch + " for dictionary value @ data['" + a.String() + "']",
		`{"` + a.String() + `":5,"foo":1}`:          badFormat + " for dictionary value @ data['" + a.String() + "']",
	} {
		err := d.Metrics([]byte(body), now, nil)
		var e *schema.Error
		if !errors.As(err, &e) || e.Error() != want {
			t.Errorf("%s: %v instead of %s", body, err, want)
		}
	}
	if err := d.Metrics([]byte(`{}`), now, nil); err != nil || len(d.Lists) != 0 {
		t.Error(err)
	}
}

func TestByResource(t *testing.T) {
	var d Decoder
	body := `{"r1": {"cpu": [{"timestamp": 1577836800, "value": 1}], "mem": {"unit": "\u0042", "measures": [{"timestamp": 1577836800, "value": 2}], "archive_policy_name": "low"}},
		"r\u0032": {"c\u0070u": {"measures": []}}, "r3": {}}`
	if err := d.Resources([]byte(body), now, nil); err != nil {
		t.Fatal(err)
	}
	if resources(&d.Points) != "r1 r2 r3" || len(d.Lists) != 3 || fmt.Sprint(d.Values) != "[1 2]" {
		t.Fatal(resources(&d.Points), d.Lists, d.Values)
	}
	for i, want := range []string{"0 cpu  ", "0 mem low B", "1 cpu  "} {
		if l := d.Lists[i]; fmt.Sprintf("%d %s %s %s", l.Resource, d.Name(i), l.Policy, l.Unit) != want {
			t.Error(i, l, want)
		}
	}
	if got := d.Path(1); got != `data["r1"]["mem"][0]` {
		t.Error(got)
	}
	for body, want := range map[string]string{
		`[]`:                              "expected a dictionary",
		`{"r":[]}`:                        "expected a dictionary for dictionary value @ data['r']",
		`{"r":{"m":5}}`:                   badFormat + " for dictionary value @ data['r']['m']",
		`{"r":{"m":[{"timestamp":"x"}]}}`: unreadable + " for dictionary value @ data['r']['m']",
		`{"r":{"m":{"measures":[{"timestamp":1,"value":"x"}]}}}`: badValue + " for dictionary value @ data['r']['m']['measures']",
		`{"r":{"m":{"measures":[],"x":1}}}`:                      "extra keys not allowed @ data['r']['m']['x']",
		`{"r":{"m":{"measures":[],"unit":1}}}`:                   "expected str for dictionary value @ data['r']['m']['unit']",
		`{"r":{"m":{"unit":"B"}}}`:                               "required key not provided @ data['r']['m']['measures']",
	} {
		err := d.Resources([]byte(body), now, nil)
		var e *schema.Error
		if !errors.As(err, &e) || e.Error() != want {
			t.Errorf("%s: %v instead of %s", body, err, want)
		}
	}
}

// resources are the resources as one text.
func resources(p *Points) string {
	var all []string
	for r := range p.NumResources() {
		all = append(all, string(p.Resource(r)))
	}
	return strings.Join(all, " ")
}

// FuzzOne: a body is read as a model reads it, which makes all values first.
func FuzzOne(f *testing.F) {
	for _, s := range []string{
		`[{"timestamp": "2020-01-01T00:00:00", "value": 12}, {"timestamp": "2020-01-01T00:00:08.5Z", "value": 2.5e-3}]`, `[{"value":1,"timestamp":1577836800.5}]`, `[{"timestamp":"-1 hour","value":"nan"}]`,
		`[{"timestamp":1,"value":Infinity,"x":{"y":[]}}]`, `[{"timestamp":-1,"value":"x"},{"timestamp":"y"}]`, `[ ]`, `{"a":1}`, `[{"timestamp":1,"value":1},{{}]`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var d Decoder
		err := d.One(body, now, nil)
		v, broken := pyjson.Decode(body)
		if (broken != nil) != errors.As(err, new(*pyjson.SyntaxError)) {
			t.Fatalf("%q: %v, %v", body, err, broken)
		}
		if broken != nil {
			return
		}
		times, values, ok := model(v)
		if ok != (err == nil) {
			t.Fatalf("%q: %v; %v", body, err, ok)
		}
		if ok && (fmt.Sprint(times) != fmt.Sprint(d.Times) || fmt.Sprint(values) != fmt.Sprint(d.Values)) {
			t.Fatalf("%q: %v %v instead of %v %v", body, d.Times, d.Values, times, values)
		}
	})
}

func model(v any) (times []int64, values []float64, ok bool) {
	list, ok := v.([]any)
	var format when.Format
	for i, item := range list {
		o, ok := item.(*pyjson.Object)
		if !ok {
			return nil, nil, false
		}
		scalar := func(name string) (string, bool, bool) {
			v, _ := o.Get(name)
			switch v := v.(type) {
			case string:
				return v, false, true
			case pyjson.Number:
				return string(v), true, true
			case bool:
				if v {
					return "1", true, true
				}
				return "0", true, true
			}
			return "", false, false
		}
		text, bare, ok := scalar("timestamp")
		if !ok {
			return nil, nil, false
		}
		if i == 0 {
			format = when.FormatOf(text)
		}
		use := format
		if bare && use == when.ISO {
			use = when.Number
		}
		at, err := use.Timestamp(text, now)
		if err != nil || at > LastTime {
			return nil, nil, false
		}
		if text, bare, ok = scalar("value"); !ok {
			return nil, nil, false
		}
		value, ok := when.Float(text)
		if !ok || bare && math.IsInf(value, 0) && pyjson.Number(text).IsInt() {
			return nil, nil, false
		}
		times, values = append(times, at), append(values, value)
	}
	return times, values, ok
}

// FuzzBatches: nothing panics, and what is no JSON is refused as such.
func FuzzBatches(f *testing.F) {
	for _, s := range []string{`{"8ce1da1d-1e5a-4e5f-b90f-466c9a2781a3": [{"timestamp": 1, "value": 12}]}`, `{"r":{"m":{"measures":[{"timestamp": 1, "value": 12}],"unit":"B"}}}`, `{"r":{"m":[]}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		_, broken := pyjson.Decode(body)
		for _, read := range []func(d *Decoder) error{func(d *Decoder) error { return d.Metrics(body, now, nil) }, func(d *Decoder) error { return d.Resources(body, now, nil) }} {
			var d Decoder
			if err := read(&d); (broken != nil) != errors.As(err, new(*pyjson.SyntaxError)) {
				t.Fatalf("%q: %v, %v", body, err, broken)
			}
			for row := range d.Times {
				_ = d.Path(row)
			}
		}
	})
}

// TestMany: little things without number take no room without bound.
func TestMany(t *testing.T) {
	var d Decoder
	for name, c := range map[string]struct {
		body, one, end string
		n              int
		want           string
	}{
		"lists":     {`{"r":{"":[]`, `,"":[]`, "}}", MaxLists, "a body has at most 524288 lists of measures for dictionary value @ data['r']['']"},
		"resources": {`{"":{}`, `,"":{}`, "}", MaxLists, "a body has at most 524288 resources @ data['']"},
	} {
		body := c.body + strings.Repeat(c.one, c.n-1) + c.end
		if err := d.Resources([]byte(body), now, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		body = c.body + strings.Repeat(c.one, c.n) + c.end
		if err := d.Resources([]byte(body), now, nil); err == nil || !strings.HasPrefix(err.Error(), c.want[:30]) {
			t.Errorf("%s: %v", name, err)
		}
	}
	d.Begin()
	for n := range MaxLists + 1 {
		if ok := d.List("", 1); ok != (n < MaxLists) {
			t.Fatal(n, ok)
		}
	}
}
