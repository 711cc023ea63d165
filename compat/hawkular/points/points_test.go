package points

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"granary/measures"
	"granary/metricdef"
)

// forms are the ways to read a body.
var forms = map[string]func(d *Decoder, b []byte) error{
	"several": func(d *Decoder, b []byte) error { return d.Several(b, metricdef.Gauge, nil) },
	"one":     func(d *Decoder, b []byte) error { return d.One(b, metricdef.Gauge, "x", nil) },
	"mixed":   func(d *Decoder, b []byte) error { return d.Mixed(b, nil) },
}

// show writes points as lines.
func show(p *Points) (lines []string) {
	for m := range p.Metrics {
		from, to := p.Rows(m)
		for row := from; row < to; row++ {
			line := fmt.Sprintf("%v %s %d ", p.Metrics[m].Type, p.ID(m), p.Times[row])
			switch p.Metrics[m].Type {
			case metricdef.Counter:
				line += fmt.Sprint(measures.WordInt(p.Values[row]))
			case metricdef.Availability:
				s, _ := metricdef.StateOf(p.Values[row])
				line += s.String()
			case metricdef.String:
				line += textOf(p.Texts, row)
			default:
				line += fmt.Sprint(p.Values[row])
				if p.Values[row] == 0 && math.Signbit(p.Values[row]) && !strings.HasSuffix(line, "-0") {
					line += "!"
				}
			}
			if tags := textOf(p.Tags, row); tags != "" {
				line += " " + tags
			}
			lines = append(lines, line)
		}
	}
	return lines
}

func textOf(list []Text, row int) string {
	for _, t := range list {
		if t.Row == row {
			return t.Text
		}
	}
	return ""
}

func TestRead(t *testing.T) {
	for _, c := range []struct {
		form, body string
		typ        metricdef.Type // 0: Gauge
		want       []string
	}{
		{"several", `[{"id":"a","data":[{"timestamp":1,"value":1.5},{"value":-2e-1,"timestamp":2}]},{"data":[{ "timestamp" : 3 , "value" : 7 } , {"timestamp":4,"value":0}],"id":"b"}]`, 0,
			[]string{"gauge a 1000000 1.5", "gauge a 2000000 -0.2", "gauge b 3000000 7", "gauge b 4000000 0"}},
		{"several", ` [ ] `, 0, nil},
		{"several", `null`, 0, nil},
		{"several", `[{"id":"a","data":[]},{"id":"b","data":[{"timestamp":0,"value":1}]}]`, 0, []string{"gauge b 0 1"}},
		{"several", `[{"id":"a","tags":{"x":[1,{}]},"type":"counter","dataRetention":7,"data":[{"timestamp":1,"value":1,"more":null}],"z":{"data":1}}]`, 0, []string{"gauge a 1000000 1"}},
		{"several", `[{"\u0069d":"p/q r+s \"\u00e9\\","data":[{"t\u0069mestamp":"1795250189926","value":"1.5","tags":{}}]}]`, 0, []string{`gauge p/q r+s "é\ 1795250189926000000 1.5`}},
		{"several", `[{"id":"a","data":[{"timestamp":1,"value":100.0},{"timestamp":2,"value":9007199254740993},{"timestamp":3,"value":"-9223372036854775808"},{"timestamp":4,"value":1e3},{"timestamp":5,"value":"7"}]}]`, metricdef.Counter,
			[]string{"counter a 1000000 100", "counter a 2000000 9007199254740993", "counter a 3000000 -9223372036854775808", "counter a 4000000 1000", "counter a 5000000 7"}},
		{"several", `[{"id":"a","data":[{"timestamp":1,"value":"up"},{"timestamp":2,"value":"DOWN"},{"timestamp":3,"value":"Unknown"},{"timestamp":4,"value":"\u0061dmin"}]}]`, metricdef.Availability,
			[]string{"availability a 1000000 up", "availability a 2000000 down", "availability a 3000000 unknown", "availability a 4000000 admin"}},
		{"several", `[{"id":"a","data":[{"timestamp":1,"value":"x y"},{"timestamp":2,"value":"\u00e9\n"},{"timestamp":3,"value":""},{"timestamp":4,"value":1.50},{"timestamp":5,"value":true,"tags":{"a":"b"}}]}]`, metricdef.String,
			[]string{"string a 1000000 x y", "string a 2000000 é\n", "string a 3000000 ", "string a 4000000 1.50", `string a 5000000 true {"a":"b"}`}},
		{"one", `[{"timestamp":1,"value":1.1,"tags":{"y":2,"x":1.0,"b":true,"n":null,"e":"","é":"\u0022"}},{"timestamp":2,"value":2,"tags":null},{"timestamp":"0003","value":-0}]`, 0,
			[]string{`gauge x 1000000 1.1 {"b":"true","x":"1.0","y":"2","é":"\""}`, "gauge x 2000000 2", "gauge x 3000000 -0"}},
		{"one", `[]`, 0, nil},
		{"one", `null`, 0, nil},
		{"one", `[{"timestamp":1.0,"value":1},{"timestamp":17e11,"value":1}]`, 0, []string{"gauge x 1000000 1", "gauge x 1700000000000000000 1"}},
		{"one", fmt.Sprintf(`[{"timestamp":%d,"value":1.7976931348623157e308}]`, int64(MaxTime)), 0, []string{"gauge x 4611686018427000000 1.7976931348623157e+308"}},
		{"mixed", `{"gauges":[{"id":"a","data":[{"timestamp":1,"value":1}]}],"counters":[{"id":"a","data":[{"timestamp":1,"value":2}]}],"availabilities":[{"id":"a","data":[{"timestamp":1,"value":"up"}]}],"strings":[{"id":"a","data":[{"timestamp":1,"value":"s"}]}],"tenantId":"t","version":1}`, 0,
			[]string{"gauge a 1000000 1", "counter a 1000000 2", "availability a 1000000 up", "string a 1000000 s"}},
		{"mixed", `{"gauges":[],"counters":null}`, 0, nil},
		{"mixed", `{}`, 0, nil},
		{"mixed", `[]`, 0, nil},
		// What Hawkular Metrics takes beyond JSON.
		{"several", `[{id:'a"b',data:[{timestamp:1,'value':2.5,tags:{x:'it\'s'}}]}]`, 0, []string{`gauge a"b 1000000 2.5 {"x":"it's"}`}},
		{"one", `[{'timestamp':'12', "value" : "1"}]`, 0, []string{"gauge x 12000000 1"}},
	} {
		d := NewDecoder(Options{})
		read := forms[c.form]
		if c.typ != 0 {
			read = func(d *Decoder, b []byte) error { return d.Several(b, c.typ, nil) }
		}
		for range 2 { // a decoder that is warm reads the same
			if err := read(d, []byte(c.body)); err != nil {
				t.Errorf("%s: %v", c.body, err)
			}
			if got := show(&d.Points); !slices.Equal(got, c.want) {
				t.Errorf("%s\n got %q\nwant %q", c.body, got, c.want)
			}
		}
	}
}

func TestRefuse(t *testing.T) {
	long := strings.Repeat("é", MaxCharacters+1)
	const ok = `{"timestamp":1,"value":1}`
	for _, c := range []struct {
		form, body, want string
		typ              metricdef.Type
	}{
		{form: "several", body: ``, want: `Payload is empty`},
		{form: "one", body: " \n", want: `Payload is empty`},
		{form: "several", body: `{}`, want: `the body is not a list of metrics, [{"id": …, "data": […]}]`},
		{form: "one", body: `{"timestamp":1,"value":1}`, want: `the body is not a list of points, [{"timestamp": …, "value": …}]`},
		{form: "mixed", body: `[{"id":"a"}]`, want: `the body is an object of lists: gauges, counters, availabilities, strings`},
		{form: "mixed", body: `{"gauges":{"id":"a"}}`, want: `gauges: is not a list of metrics, [{"id": …, "data": […]}]`},
		{form: "mixed", body: `{"gauge":[{"id":"a","data":[` + ok + `]}]}`, want: `"gauge" is none of the members of this body, which are gauges, counters, availabilities, strings`},
		{form: "mixed", body: `{"gauges":[{"id":"a","data":[` + ok + `]}],"Gauges":[]}`, want: `"Gauges" is none of the members of this body, which are gauges, counters, availabilities, strings`},
		{form: "mixed", body: `{availability:{id:'a'}}`, want: `"availability" is none of the members of this body, which are gauges, counters, availabilities, strings`},
		{form: "mixed", body: `{"gauges":[],"gauges":[]}`, want: `gauges: is given twice`},
		{form: "mixed", body: `{"gauges":[{"id":"a","data":[` + ok + `]}],"strings":[{"id":"a","data":[` + ok + `,{"timestamp":1,"value":null}]}]}`, want: `strings[0].data[1].value: null is not a text`},
		{form: "several", body: `[null]`, want: `[0]: null is not a metric, {"id": …, "data": […]}`},
		{form: "several", body: `[{"data":[` + ok + `]}]`, want: `[0].id: is missing`},
		{form: "several", body: `[{"id":"","data":[]}]`, want: `[0].id: is empty`},
		{form: "several", body: `[{"id":5,"data":[]}]`, want: `[0].id: 5 is not a text`},
		{form: "several", body: `[{"id":"a","id":"b","data":[]}]`, want: `[0].id: is given twice`},
		{form: "several", body: `[{"id":"` + strings.Repeat("x", 65536) + `","data":[]}]`, want: `[0].id: has 65536 bytes, at most 65535 are possible`},
		{form: "several", body: `[{"id":"a"}]`, want: `[0].data: is missing`},
		{form: "several", body: `[{"id":"a","data":null}]`, want: `[0].data: null is not a list of points, [{"timestamp": …, "value": …}]`},
		{form: "several", body: `[{"id":"a","data":[null]}]`, want: `[0].data[0]: null is not a point, {"timestamp": …, "value": …}`},
		{form: "several", body: `[{"id":"a","data":[` + ok + `]},{"id":"b","data":[` + ok + `,{"timestamp":1,"value":"abc"}]}]`, want: `[1].data[1].value: "abc" is not a number`},
		{form: "one", body: `[{"value":1.1}]`, want: `[0].timestamp: is missing`},
		{form: "one", body: `[{"timestamp":null,"value":1.1}]`, want: `[0].timestamp: null is not a time, a whole number of milliseconds since 1970`},
		{form: "one", body: `[{"timestamp":"aaa","value":1.1}]`, want: `[0].timestamp: "aaa" is not a time, a whole number of milliseconds since 1970`},
		{form: "one", body: `[{"timestamp":"","value":1.1}]`, want: `[0].timestamp: "" is not a time, a whole number of milliseconds since 1970`},
		{form: "one", body: `[{"timestamp":1.5,"value":1.1}]`, want: `[0].timestamp: 1.5 is not a whole number of milliseconds`},
		{form: "one", body: `[{"timestamp":-1,"value":1.1}]`, want: `[0].timestamp: -1 is a time before 1970`},
		{form: "one", body: `[{"timestamp":4611686018428,"value":1.1}]`, want: `[0].timestamp: 4611686018428 is beyond the times that can be stored, which are from 0 to 4611686018427`},
		{form: "one", body: `[{"timestamp":1e400,"value":1.1}]`, want: `[0].timestamp: 1e400 is beyond the times that can be stored, which are from 0 to 4611686018427`},
		{form: "one", body: `[{"timestamp":"99999999999999999999999","value":1.1}]`, want: `[0].timestamp: "99999999999999999999999" is beyond the times that can be stored, which are from 0 to 4611686018427`},
		{form: "one", body: `[{"timestamp":13}]`, want: `[0].value: is missing`},
		{form: "one", body: `[{"timestamp":13,"value":null}]`, want: `[0].value: null is not a number`},
		{form: "one", body: `[{"timestamp":13,"value":["dsqdqs"]}]`, want: `[0].value: ["dsqdqs"] is not a number`},
		{form: "one", body: `[{"timestamp":13,"value":true}]`, want: `[0].value: true is not a number`},
		{form: "one", body: `[{"timestamp":13,"value":1e400}]`, want: `[0].value: 1e400 is beyond what a float of 64 bits holds`},
		{form: "one", body: `[{"timestamp":13,"value":"NaN"}]`, want: `[0].value: "NaN" is not a number`},
		{form: "one", body: `[{"timestamp":13,"value":""}]`, want: `[0].value: "" is not a number`},
		{form: "one", body: `[` + ok + `,{"timestamp":13,"value":NaN}]`, want: `[1].value: NaN is not a number`},
		{form: "one", body: `[` + ok + `,{"timestamp":13,"value":-Infinity}]`, want: `[1].value: -Infinity is not a number`},
		{form: "one", body: `[{timestamp:13,value:NaN}]`, want: `[0].value: NaN is not a number`},
		{form: "one", body: `[{"timestamp":NaN,"value":1}]`, want: `[0].timestamp: NaN is not a time, a whole number of milliseconds since 1970`},
		{form: "one", body: `[{"timestamp":13,"value":NaN`, want: `no valid JSON at byte 25: `},
		{form: "one", body: `[{"timestamp":13,"timestamp":14,"value":1}]`, want: `[0].timestamp: is given twice`},
		{form: "one", body: `[{"timestamp":13,"value":14,"value":1}]`, want: `[0].value: is given twice`},
		{form: "one", body: `[{"timestamp":13,"value":1,"tags":[]}]`, want: `[0].tags: [] is not an object of tags`},
		{form: "one", body: `[{"timestamp":13,"value":1,"tags":{"x":{}}}]`, want: `[0].tags.x: {} is not a text, a number or a truth value`},
		{form: "one", body: `[{"timestamp":13,"value":1,"tags":{"":"a"}}]`, want: `[0].tags: the name of a tag is empty`},
		{form: "one", body: `[{"timestamp":13,"value":1,"tags":{"x":1,"y":1,"x":2}}]`, want: `[0].tags.x: is given twice`},
		{form: "one", body: `[{"timestamp":13,"value":1,"tags":{},"tags":{}}]`, want: `[0].tags: is given twice`},
		{form: "one", body: `[{"timestamp":13,"value":1,"tags":{"x":"` + strings.Repeat("a", 8192) + `"}}]`, want: `[0].tags: they have, as one text, more than 8192 bytes, the most that is possible (setting the.setting)`},
		{form: "one", body: `[{"timestamp":13,"value":1,"tags":{"x":"` + strings.Repeat("a", 8184) + `","":1}}]`, want: `[0].tags: the name of a tag is empty`},
		{form: "one", body: `[{"timestamp":13,"value":1,"tags":{"x":"` + strings.Repeat("a", 8185) + `"}}]`, want: `[0].tags: they have, as one text, more than 8192 bytes, the most that is possible (setting the.setting)`},
		{typ: metricdef.Counter, body: `[{"id":"c","data":[{"timestamp":1,"value":1.5}]}]`, want: `[0].data[0].value: 1.5 is not a whole number of 64 bits, which the value of a counter is`},
		{typ: metricdef.Counter, body: `[{"id":"c","data":[{"timestamp":1,"value":9223372036854775808}]}]`, want: `[0].data[0].value: 9223372036854775808 is not a whole number of 64 bits, which the value of a counter is`},
		{typ: metricdef.Availability, body: `[{"id":"c","data":[{"timestamp":1,"value":"upp"}]}]`, want: `[0].data[0].value: "upp" is not one of up, down, unknown, admin`},
		{typ: metricdef.Availability, body: `[{"id":"c","data":[{"timestamp":1,"value":1}]}]`, want: `[0].data[0].value: 1 is not one of up, down, unknown, admin`},
		{typ: metricdef.String, body: `[{"id":"c","data":[{"timestamp":1,"value":"` + long + `"}]}]`, want: `[0].data[0].value: the text has 2049 characters and exceeds max string length, 2048`},
		{typ: metricdef.String, body: `[{"id":"c","data":[{"timestamp":1,"value":["a"]}]}]`, want: `[0].data[0].value: ["a"] is not a text`},
		// What is no JSON.
		{form: "several", body: `[{"id":"a","data":[` + ok, want: `no valid JSON at byte 44: it ends too early`},
		{form: "several", body: `[{"id":"a","data":[` + ok + ok + `]}]`, want: `no valid JSON at byte 44: expected , or ]`},
		{form: "several", body: `[{"id":"a","data":[` + ok + `]}] x`, want: `no valid JSON at byte 48: there is something behind the end`},
		{form: "several", body: `[{"id":"a","data":[{"timestamp":01,"value":1}]}]`, want: `[0].data[0].timestamp: 01 is not a time, a whole number of milliseconds since 1970`},
		{form: "several", body: `[{"id":"a","data":[` + ok + `,{"timestamp":1,"value":0x10}]}]`, want: `[0].data[1].value: 0x10 is not a number`},
		{typ: metricdef.Counter, body: `[{"id":"c","data":[{"timestamp":1,"value":0b11}]}]`, want: `[0].data[0].value: 0b11 is not a number`},
		{typ: metricdef.String, body: `[{"id":"c","data":[{"timestamp":1,"value":0x10}]}]`, want: `no valid JSON at byte 43: expected , or }`},
		{form: "several", body: `[{"id":"a","data":[{"timestamp":1,"value":1.}]}]`, want: `[0].data[0].value: 1. is not a number`},
		{form: "several", body: `[{"id":"a","data":[` + ok + `,]}]`, want: `no valid JSON at byte `},
		{form: "several", body: `[{"id":"a` + "\xff" + `","data":[]}]`, want: `no valid JSON at byte `},
		{form: "several", body: `[{"id":"\ud800","data":[]}]`, want: `no valid JSON at byte `},
		{form: "several", body: `[{"id":"a","data":[],}]`, want: `no valid JSON at byte 21: expected the name of a member`},
		// What is lenient is held to the same rules.
		{form: "several", body: `[{id:'a',data:[{timestamp:1,value:'x'}]}]`, want: `[0].data[0].value: "x" is not a number`},
		{form: "several", body: `[{id:'a',data:[{timestamp:1,value:'1}]}]`, want: `no valid JSON at byte 40: it ends too early`},
		{form: "one", body: `[{'timestamp':1,'value':1,}]`, want: `no valid JSON at byte 26: expected the name of a member`},
		{form: "one", body: `[{timestamp:1,'value':01}]`, want: `[0].value: 01 is not a number`},
		{form: "one", body: `[{timestamp:1,value:1}] x`, want: `no valid JSON at byte 24: there is something behind the end`},
		{form: "one", body: `[{"timestamp":1,"value":1]  'a'`, want: `no valid JSON at byte 25: expected , or }`},
	} {
		d := NewDecoder(Options{Setting: "the.setting"})
		read := forms[c.form]
		if c.typ != 0 {
			read = func(d *Decoder, b []byte) error { return d.Several(b, c.typ, nil) }
		}
		err := read(d, []byte(c.body))
		if err == nil || !strings.HasPrefix(err.Error(), c.want) || err.Error() != c.want && !strings.HasPrefix(c.want, "no valid JSON at byte ") {
			t.Errorf("%.200s\n got %v\nwant %s", c.body, err, c.want)
		}
	}
}

// TestManyTags: tags without end, with values or without, are refused before they take much room.
func TestManyTags(t *testing.T) {
	d := NewDecoder(Options{})
	for _, value := range []string{"1", "null", `""`, `"b"`} {
		body := []byte(`[{"timestamp":13,"value":1,"tags":{` + strings.Repeat(`"a":`+value+`,`, 200_000) + `"b":1}}]`)
		made := testing.AllocsPerRun(1, func() {
			if err := d.One(body, metricdef.Gauge, "x", nil); err == nil || !strings.Contains(err.Error(), "[0].tags: they have, as one text, more than 8192 bytes") {
				t.Error(value, err)
			}
		})
		if made > 20_000 || cap(d.pairs) > 10_000 {
			t.Errorf("%s: %v allocations, room for %d tags", value, made, cap(d.pairs))
		}
	}
}

func TestPaths(t *testing.T) {
	d := NewDecoder(Options{})
	if err := d.Mixed([]byte(`{"counters":[{"id":"n","data":[]},{"id":"c","data":[{"timestamp":1,"value":1},{"timestamp":2,"value":1}]}]}`), nil); err != nil {
		t.Fatal(err)
	}
	if got := d.Path(0, 1); got != "counters[1].data[1]" || d.Listed != 2 || d.Size(0) != int64(len(`{"id":"c","data":[{"timestamp":1,"value":1},{"timestamp":2,"value":1}]}`)) {
		t.Error(got, d.Listed, d.Size(0))
	}
	if err := d.One([]byte(`[{"timestamp":1,"value":1},{"timestamp":2,"value":1}]`), metricdef.Gauge, "a", nil); err != nil {
		t.Fatal(err)
	}
	if got := d.Path(0, 1); got != "[1]" || d.Listed != 1 || string(d.ID(0)) != "a" {
		t.Error(got, d.Listed, string(d.ID(0)))
	}
}

func TestStrict(t *testing.T) {
	for in, want := range map[string]string{
		`{"a":'b'}`: `{"a":"b"}`, `{a : 1}`: `{"a" : 1}`, `{'it\'s "x" \\ \n':true}`: `{"it's \"x\" \\ \n":true}`,
		`{"a'b":1}`: "", `[true, null, 1.5e+3, "x\"'y"]`: "", `{$x-1:[2]}`: `{"$x-1":[2]}`, `'`: `"`, `{"a`: "", `'\`: `"\`, `"\`: "",
	} {
		got, changed := Strict([]byte(in))
		if string(got) != want || changed != (want != "") {
			t.Errorf("%s: %s, %v", in, got, changed)
		}
	}
}

// TestPlace: a byte of what Strict makes is found where it stood before.
func TestPlace(t *testing.T) {
	const sent = `{'it\'s "x"' : [1.5, "a'b"], name: 'c', n:tru}`
	strict, _ := Strict([]byte(sent))
	for _, part := range []string{"it", "1.5", "a'b", "name", "c", "tru", "}"} {
		if got, want := Place([]byte(sent), strings.Index(string(strict), part)), strings.Index(sent, part); got != want {
			t.Errorf("%s: %d, want %d", part, got, want)
		}
	}
	for at := range len(strict) + 3 {
		if got := Place([]byte(sent), at); got > len(sent) || got < 0 || at >= len(strict) && got != len(sent) {
			t.Errorf("%d: %d", at, got)
		}
	}
}
