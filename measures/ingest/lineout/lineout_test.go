package lineout

import (
	"errors"
	"math"
	"strconv"
	"testing"

	"github.com/influxdata/line-protocol/v2/lineprotocol"

	"granary/metricdef"
)

// readBack decodes one line with the library that defines the syntax here.
func readBack(t *testing.T, line []byte) (name string, tags []metricdef.Tag, v float64, at string) {
	t.Helper()
	d := lineprotocol.NewDecoderWithBytes(line)
	if !d.Next() {
		t.Fatalf("%q holds no line", line)
	}
	m, err := d.Measurement()
	if err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	name = string(m)
	for {
		k, val, err := d.NextTag()
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if k == nil {
			break
		}
		tags = append(tags, metricdef.Tag{Name: string(k), Value: string(val)})
	}
	k, val, err := d.NextField()
	if err != nil || string(k) != "value" {
		t.Fatalf("%q: field %q: %v", line, k, err)
	}
	v = val.FloatV()
	if k, _, err := d.NextField(); k != nil || err != nil {
		t.Fatalf("%q: second field %q: %v", line, k, err)
	}
	ts, err := d.TimeBytes()
	if err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	if d.Next() {
		t.Fatalf("%q holds a second line", line)
	}
	return name, tags, v, string(ts)
}

func TestLines(t *testing.T) {
	tests := []struct {
		name string
		tags []metricdef.Tag
		v    float64
		at   int64
		want string
	}{
		{"flops_any", nil, 0, 0, "flops_any value=0 0\n"},
		{"temp", []metricdef.Tag{{Name: "cluster", Value: "alex"}, {Name: "hostname", Value: "a0101"}}, 21.5, 1_700_000_000e9,
			"temp,cluster=alex,hostname=a0101 value=21.5 1700000000\n"},
		{"a b,c=d", []metricdef.Tag{{Name: "x =,", Value: `y\,= z`}}, -0.1, -60e9, "a\\ b\\,c=d,x\\ \\=\\,=y\\\\,\\=\\ z value=-0.1 -60\n"},
		{"m", nil, 1e21, 1_700_000_000e9 + 1, "m value=1000000000000000000000 1700000000000000001\n"},
		{"größe", nil, math.Copysign(0, -1), 1e17 + 5, "größe value=-0 100000000000000005\n"},
		{"m", nil, 0.1 + 0.2, 1, ""},
		{"m", nil, math.NaN(), 0, ""},
		{"m", nil, math.Inf(-1), 0, ""},
		{"", nil, 0, 0, ""},
		{"#m", nil, 0, 0, ""},
		{"m", []metricdef.Tag{{Name: "t", Value: ""}}, 0, 0, ""},
		{"m", []metricdef.Tag{{Name: "t", Value: `C:\`}}, 0, 0, ""},
		{"m", []metricdef.Tag{{Name: "t", Value: "a\nb"}}, 0, 0, ""},
		{"m", []metricdef.Tag{{Name: "t", Value: "\xff"}}, 0, 0, ""},
		{"m", []metricdef.Tag{{Name: "t\x7f", Value: "v"}}, 0, 0, ""},
	}
	for _, tt := range tests {
		line, err := AppendSeries(nil, tt.name, tt.tags)
		if err == nil {
			line, err = AppendSample(line, tt.v, tt.at)
		}
		if tt.want == "" {
			if !errors.Is(err, ErrUnprintable) {
				t.Errorf("%q %v %v %d: error %v, want ErrUnprintable", tt.name, tt.tags, tt.v, tt.at, err)
			}
			continue
		}
		if err != nil || string(line) != tt.want {
			t.Errorf("%q, %v, want %q", line, err, tt.want)
		}
	}
}

func TestErrorKeepsPrefix(t *testing.T) {
	dst := []byte("kept\n")
	dst, err := AppendSeries(dst, "m", []metricdef.Tag{{Name: "good", Value: "v"}, {Name: "bad", Value: ""}})
	if err == nil || string(dst) != "kept\n" {
		t.Errorf("after an error: %q, %v", dst, err)
	}
}

// FuzzRoundTrip: what is printed is read back equal, bits and all.
func FuzzRoundTrip(f *testing.F) {
	f.Add("m", "tag", "value", uint64(0x3ff0000000000000), int64(1_700_000_000_000_000_000))
	f.Add("a b", "x=", `\,`, uint64(1), int64(-1))
	f.Add("#", "t", `\`, math.Float64bits(math.MaxFloat64), int64(math.MinInt64))
	f.Fuzz(func(t *testing.T, name, tag, value string, bits uint64, at int64) {
		in := []metricdef.Tag{{Name: tag, Value: value}}
		v := math.Float64frombits(bits)
		line, err := AppendSeries(nil, name, in)
		if err == nil {
			line, err = AppendSample(line, v, at)
		}
		if err != nil {
			if !errors.Is(err, ErrUnprintable) {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		gotName, gotTags, gotV, ts := readBack(t, line)
		if gotName != name || len(gotTags) != 1 || gotTags[0] != in[0] {
			t.Fatalf("%q read back as %q %q", line, gotName, gotTags)
		}
		if math.Float64bits(gotV) != bits {
			t.Fatalf("%q: bits %x, want %x", line, math.Float64bits(gotV), bits)
		}
		n, err := strconv.ParseInt(ts, 10, 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if n > -1e11 && n < 1e11 {
			n *= 1e9
		}
		if n != at {
			t.Fatalf("%q: time %d, want %d", line, n, at)
		}
	})
}

// TestValues prints each kind of value.
func TestValues(t *testing.T) {
	tests := []struct {
		v    Value
		want string // empty: unprintable
	}{
		{Value{Kind: metricdef.KindFloat, Float: 0.5}, "m value=0.5 7\n"},
		{Value{Kind: metricdef.KindInt, Int: math.MinInt64}, "m value=-9223372036854775808i 7\n"},
		{Value{Kind: metricdef.KindInt, Int: 1<<53 + 1}, "m value=9007199254740993i 7\n"},
		{Value{Kind: metricdef.KindState, Float: 2}, "m value=\"unknown\" 7\n"},
		{Value{Kind: metricdef.KindState, Float: 2.5}, ""},
		{Value{Kind: metricdef.KindText, Text: ""}, "m value=\"\" 7\n"},
		{Value{Kind: metricdef.KindText, Text: "a \"b\" \\ c,d=e\n\tf"}, `m value="a \"b\" \\ c,d=e\n\tf" 7` + "\n"},
		{Value{Kind: metricdef.KindText, Text: "\x00"}, ""},
		{Value{Kind: metricdef.KindText, Text: "\xff"}, ""},
	}
	for _, tt := range tests {
		got, err := tt.v.Append([]byte("m"), 7e9)
		if tt.want == "" && !errors.Is(err, ErrUnprintable) || tt.want != "" && (err != nil || string(got) != tt.want) {
			t.Errorf("%+v: %q, %v, want %q", tt.v, got, err, tt.want)
		}
	}
}

// FuzzTexts: a text that is printed is read back equal.
func FuzzTexts(f *testing.F) {
	f.Add("a \"b\" \\ c,d=e\n\tf")
	f.Add("\\")
	f.Add("\r\n#")
	f.Fuzz(func(t *testing.T, text string) {
		line, err := AppendText([]byte("m"), text, 7e9)
		if err != nil {
			if !errors.Is(err, ErrUnprintable) || string(line) != "m" {
				t.Fatalf("%q, %v", line, err)
			}
			return
		}
		d := lineprotocol.NewDecoderWithBytes(line)
		if !d.Next() {
			t.Fatalf("%q holds no line", line)
		}
		if _, err := d.Measurement(); err != nil {
			t.Fatal(err)
		}
		_, v, err := d.NextField()
		if err != nil || v.Kind() != lineprotocol.String || v.StringV() != text {
			t.Fatalf("%q: %v, %v", line, v, err)
		}
	})
}
