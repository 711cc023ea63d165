package line

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"granary/measures"
	"granary/metricdef"
	"granary/tenant"
)

// Lines of one body and what is to become of them. Samples are written as tenant/type/key value time.
func TestLines(t *testing.T) {
	const (
		h     = `1/1/cpu_load{cluster="c",hostname="h"} `
		sec   = int64(1735689600)
		stamp = " 1735689600000000000"
	)
	at := func(ns int64) string { return fmt.Sprint(" ", ns) }
	for _, tc := range []struct {
		name, body string
		samples    []string
		ignored    string
		malformed  int
		first      string // the reason begins with it
		lines      int
	}{
		// Values.
		{name: "float", body: "cpu_load,cluster=c,hostname=h,type=node value=1.5 1735689600", samples: []string{h + "1.5" + stamp}},
		{name: "int", body: "cpu_load,cluster=c,hostname=h value=42i 1735689600", samples: []string{h + "42" + stamp}},
		{name: "uint", body: "cpu_load,cluster=c,hostname=h value=18446744073709551615u 1735689600\n", samples: []string{h + "1.8446744073709552e+19" + stamp}},
		{name: "forms", body: "cpu_load,cluster=c,hostname=h value=.5 1735689600\ncpu_load,cluster=c,hostname=h value=1. 1735689600\ncpu_load,cluster=c,hostname=h value=-1.25e3 1735689600\n",
			samples: []string{h + "0.5" + stamp, h + "1" + stamp, h + "-1250" + stamp}, lines: 3},
		{name: "bool", body: "cpu_load,cluster=c,hostname=h value=t 1735689600", ignored: "unmapped-field=1"},
		{name: "string", body: `cpu_load,cluster=c,hostname=h value="a, b=c" 1735689600`, ignored: "unmapped-field=1"},
		{name: "other field", body: "cpu_load,cluster=c,hostname=h load=1 1735689600", ignored: "unmapped-field=1"},
		{name: "value last", body: "cpu_load,cluster=c,hostname=h other=3,value=1 1735689600", samples: []string{h + "1" + stamp}, ignored: "unmapped-field=1"},
		{name: "value first", body: "cpu_load,cluster=c,hostname=h value=1,other=3,event=\"x\" 1735689600", samples: []string{h + "1" + stamp}, ignored: "unmapped-field=2"},
		{name: "value twice", body: "cpu_load,cluster=c,hostname=h value=1,value=9 1735689600", samples: []string{h + "9" + stamp}},
		{name: "event", body: `cpu_load,cluster=c,hostname=h event="x" 1735689600`, ignored: "unmapped-field=1"},
		{name: "unmapped field, bad time", body: "cpu_load,cluster=c,hostname=h load=1 x", malformed: 1, first: `at line 1:38: invalid timestamp ("x")`},

		// Times.
		{name: "milliseconds", body: "cpu_load,cluster=c,hostname=h value=1 1735689600123", samples: []string{h + "1" + at(sec*1e9+123e6)}},
		{name: "microseconds", body: "cpu_load,cluster=c,hostname=h value=1 1735689600123456", samples: []string{h + "1" + at(sec*1e9+123456e3)}},
		{name: "nanoseconds", body: "cpu_load,cluster=c,hostname=h value=1 1735689600123456789", samples: []string{h + "1" + at(sec*1e9+123456789)}},
		{name: "now, not the time before", body: "cpu_load,cluster=c,hostname=h value=1 1735689600\ncpu_load,cluster=c,hostname=h value=2\n", samples: []string{h + "1" + stamp, h + "2" + at(1735693200e9)}, lines: 2},
		{name: "leading zeros", body: "cpu_load,cluster=c,hostname=h value=1 00000000000001735689600\n", samples: []string{h + "1" + stamp}},
		{name: "too old", body: "cpu_load,cluster=c,hostname=h value=1 0\ncpu_load,cluster=c,hostname=h value=1 -60", ignored: "too-old=2", lines: 2},
		{name: "too new", body: "cpu_load,cluster=c,hostname=h value=1 1735693801\ncpu_load,cluster=c,hostname=h value=1 1735693800", ignored: "too-new=1", samples: []string{h + "1" + at(1735693800e9)}, lines: 2},
		{name: "beyond int64", body: "cpu_load,cluster=c,hostname=h value=1 9223372037\ncpu_load,cluster=c,hostname=h value=1 -9223372037\n", ignored: "too-old=1 too-new=1", lines: 2},
		{name: "float time", body: "cpu_load,cluster=c,hostname=h value=1 1735689600.5", malformed: 1, first: `at line 1:39: invalid timestamp ("1735689600.5")`},
		{name: "text time", body: "cpu_load,cluster=c,hostname=h value=1 abc", malformed: 1, first: `at line 1:39: invalid timestamp ("abc")`},
		{name: "quoted time", body: `cpu_load,cluster=c,hostname=h value=1 "1735689600"`, malformed: 1, first: `at line 1:39: invalid timestamp ("\"1735689600\"")`},
		{name: "two times", body: "cpu_load,cluster=c,hostname=h value=1 1735689600 1735689600", malformed: 1, first: `at line 1:50: unexpected text after timestamp ("1735689600")`},
		{name: "huge time", body: "cpu_load,cluster=c,hostname=h value=1 99999999999999999999", malformed: 1, first: `at line 1:39: invalid timestamp ("99999999999999999999"): out of range`},
		{name: "minus inside", body: "\ncpu_load,cluster=c,hostname=h value=1 17-35", malformed: 1, first: `at line 2:39: invalid timestamp ("17-35"): invalid syntax`},

		// Identity.
		{name: "node with ids", body: "cpu_load,cluster=c,hostname=h,type=node,type-id=0,stype=fs,stype-id=x value=1 1735689600", samples: []string{h + "1" + stamp}},
		{name: "stype without type", body: "cpu_load,cluster=c,hostname=h,stype=fs,stype-id=x value=1 1735689600", samples: []string{h + "1" + stamp}},
		{name: "type-id only", body: "cpu_load,cluster=c,hostname=h,type-id=7 value=1 1735689600", samples: []string{`1/1/cpu_load{cluster="c",hostname="h",type-id="7"} 1` + stamp}},
		{name: "all levels, any order", body: "cpu_load,stype-id=/home,stype=filesystem,type-id=0,type=hwthread,hostname=h,cluster=c value=1 1735689600",
			samples: []string{`1/1/cpu_load{cluster="c",hostname="h",stype="filesystem",stype-id="/home",type="hwthread",type-id="0"} 1` + stamp}},
		{name: "repeated tags", body: "cpu_load,cluster=x,cluster=c,host=y,hostname=h,type=node,type=core,type-id=1,type-id=2 value=1 1735689600", samples: []string{`1/1/cpu_load{cluster="c",hostname="h",type="core",type-id="2"} 1` + stamp}},
		{name: "host behind hostname", body: "cpu_load,cluster=c,hostname=x,host=h value=1 1735689600", samples: []string{h + "1" + stamp}},
		{name: "plain tags", body: "cpu_load,cluster=c,hostname=h,unit=GB,foo=bar,__name__=x value=1 1735689600", samples: []string{h + "1" + stamp}},
		{name: "escapes", body: `cpu_load,cluster=c,hostname=a\ b\,c\=d value=1 1735689600`, samples: []string{`1/1/cpu_load{cluster="c",hostname="a b,c=d"} 1` + stamp}},
		{name: "utf-8", body: "möte,cluster=c,hostname=nöde value=1 1735689600", samples: []string{`1/1/möte{cluster="c",hostname="nöde"} 1` + stamp}},
		{name: "tenants", body: "cpu_load,cluster=second,hostname=h value=1 1735689600\ncpu_load,cluster=c,hostname=h value=2 1735689600\ncpu_load,cluster=second,hostname=h value=3 1735689600",
			samples: []string{`2/1/cpu_load{cluster="second",hostname="h"} 1` + stamp, `2/1/cpu_load{cluster="second",hostname="h"} 3` + stamp, h + "2" + stamp}, lines: 3},
		{name: "bad names", body: "cpu_load,cluster=..,hostname=x value=1 1735689600\ncpu_load,cluster=c,hostname=a/b value=x\n" + `cpu_load,cluster=c,hostname=a\x value=1` + "\ncpu_load,cluster=c,hostname=a..b value=1 1735689600\n", ignored: "bad-name=4", lines: 4},
		{name: "one dot", body: "cpu_load,cluster=c,hostname=. value=1 1735689600", samples: []string{`1/1/cpu_load{cluster="c",hostname="."} 1` + stamp}},
		{name: "no cluster", body: "cpu_load,hostname=h value=1 1735689600", malformed: 1, first: `at line 1:1: the line has no tag "cluster"`},
		{name: "no hostname", body: "cpu_load,cluster=c value=1 1735689600\n", malformed: 1, first: `at line 1:1: the line has no tag "hostname"`},
		{name: "no tags", body: "cpu_load value=3 1735689600", malformed: 1, first: `at line 1:1: the line has no tag "cluster"`},
		{name: "nothing carries over", body: "cpu_load,cluster=c,hostname=h value=1 1735689600\ncpu_load,cluster=c value=2 1735689660\ncpu_load,hostname=h value=2 1735689660\n", samples: []string{h + "1" + stamp}, malformed: 2, first: "at line 2:1: ", lines: 3},
		{name: "too many tags", body: "cpu_load,cluster=c,hostname=h" + manyTags(300) + " value=1 1735689600", malformed: 1, first: "at line 1:1: definition: "},

		// Lines.
		{name: "empty", body: "", lines: 0},
		{name: "blank", body: "\n  \n\r\n \r", lines: 0},
		{name: "comments", body: "# hello\n  #x\r\ncpu_load,cluster=c,hostname=h value=1 1735689600\n#end", samples: []string{h + "1" + stamp}, lines: 1},
		{name: "bad comment", body: "# a\tb\ncpu_load,cluster=c,hostname=h value=1 1735689600\n", samples: []string{h + "1" + stamp}, malformed: 1, first: "at line 1:1: invalid character found in comment line", lines: 2},
		{name: "carriage returns", body: "cpu_load,cluster=c,hostname=h value=1 1735689600\r\ncpu_load,cluster=c,hostname=h value=2 1735689600\r\n", samples: []string{h + "1" + stamp, h + "2" + stamp}, lines: 2},
		{name: "spaces", body: "   cpu_load,cluster=c,hostname=h   value=1   1735689600   \n", samples: []string{h + "1" + stamp}},
		{name: "tab", body: "cpu_load,cluster=c,hostname=h\tvalue=1 1735689600", malformed: 1, first: `at line 1:30: expected tag key or field but found '\t' instead`},
		{name: "bad line among good ones", body: "cpu_load,cluster=c,hostname=h value=1 1735689600\n\n# x\ncpu_load,cluster=c,hostname=h value=xx 1735689600\nnosuch,a=b value=1\ncpu_load,cluster=c,hostname=h value=3 1735689600\ncpu_load,cluster=c,hostname=h value=NaN 1735689600\n",
			samples: []string{h + "1" + stamp, h + "3" + stamp}, malformed: 2, ignored: "unknown-metric=1", first: `at line 4:37: value for field "value" ("xx") has unrecognized type`, lines: 5},
		{name: "lone carriage return", body: "cpu_load,cluster=c,hostname=h value=1 1735689600\rjunk\ncpu_load,cluster=c,hostname=h value=2 1735689600", samples: []string{h + "2" + stamp}, malformed: 1, first: `at line 1:49: unexpected text after timestamp`, lines: 2},

		// Unknown metrics: the rest is not read.
		{name: "unknown", body: "nosuch,cluster=c,hostname=h value=1 1735689600\nnosuch,,,===garbage\"\" 1735689600\nhello world this is not line protocol\nnosuch\n{\"metric\":\"cpu_load\",\"value\":1}\n", ignored: "unknown-metric=5", lines: 5},
		{name: "unknown with a string of two lines", body: "job,cluster=c message=\"first\ncpu_load,cluster=c,hostname=evil value=1 1735689600\nlast\" 1735689600\ncpu_load,cluster=c,hostname=h value=1 1735689600\nbad,\n",
			ignored: "unknown-metric=1", samples: []string{h + "1" + stamp}, malformed: 1, first: "at line 5:5: expected tag key after comma", lines: 3},
		{name: "unknown with an open string", body: "job,cluster=c message=\"first\ncpu_load,cluster=c,hostname=h value=1 1735689600\n", ignored: "unknown-metric=1", samples: []string{h + "1" + stamp}, lines: 2},
		{name: "field with a string of two lines", body: "cpu_load,cluster=c,hostname=h text=\"a\\\"\nb\",value=7 1735689600\ncpu_load,cluster=c,hostname=h value=x 1\n",
			ignored: "unmapped-field=1", samples: []string{h + "7" + stamp}, malformed: 1, first: `at line 3:37: value for field "value" ("x") has unrecognized type`, lines: 2},
		{name: "error behind a string of two lines", body: "cpu_load,cluster=c,hostname=h text=\"a\nb\",value=z 1735689600\n", malformed: 1, first: `at line 2:10: value for field "value" ("z") has unrecognized type`},
		{name: "open string", body: "cpu_load,cluster=c,hostname=h value=1,text=\"a\ncpu_load,cluster=c,hostname=h value=2 1735689600\n", samples: []string{h + "2" + stamp}, malformed: 1, first: `at line 1:44: expected closing quote for string field "text", found end of input`, lines: 2},
	} {
		if tc.lines == 0 && (len(tc.samples) > 0 || tc.ignored != "" || tc.malformed > 0) {
			tc.lines = 1
		}
		for _, o := range []Options{{}, {Cache: NewCache(CacheOptions{Now: clock})}} {
			d, r := open(t, o)
			for _, pass := range []string{"cold", "warm"} {
				got := decode(d, r, cockpit(), tc.body)
				what := fmt.Sprintf("%s (%s, cache %v)", tc.name, pass, o.Cache != nil)
				if !slices.Equal(got.samples, tc.samples) {
					t.Errorf("%s: samples\n%q, want\n%q", what, got.samples, tc.samples)
				}
				if got.ignoredText() != tc.ignored {
					t.Errorf("%s: ignored %q, want %q", what, got.ignoredText(), tc.ignored)
				}
				if got.malformed != tc.malformed || got.lines != tc.lines {
					t.Errorf("%s: %d malformed of %d, want %d of %d", what, got.malformed, got.lines, tc.malformed, tc.lines)
				}
				if _, reason, _ := strings.Cut(got.first, " at line"); tc.first != "" && !strings.HasPrefix(" at line"+reason, " "+tc.first) || tc.first == "" && got.first != "" {
					t.Errorf("%s: first %s\nwant %s", what, got.first, tc.first)
				}
			}
		}
	}
}

func manyTags(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ",tag%d=x", i)
	}
	return b.String()
}

func TestDraft(t *testing.T) {
	d, _ := open(t, Options{Cache: NewCache(CacheOptions{})})
	body := []byte("mem_used,unit=KB,cluster=c,zone=b,host=h,type=socket,type-id=1,zone=a value=3 1735689600\n")
	if err := d.Begin(cockpit(), body); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Decode(); err != nil {
		t.Fatal(err)
	}
	drafts := slices.Clone(d.Parts()[0].Batch.Drafts)
	clear(body) // the definition must not borrow the body
	want := metricdef.Draft{
		Identity: metricdef.Identity{Tenant: 1, Type: metricdef.Gauge, Name: "mem_used", Tags: []metricdef.Tag{{Name: "cluster", Value: "c"}, {Name: "hostname", Value: "h"}, {Name: "type", Value: "socket"}, {Name: "type-id", Value: "1"}}},
		Plain:    []metricdef.Tag{{Name: "unit", Value: "KB"}, {Name: "zone", Value: "a"}},
		Unit:     "KB",
		Dialect:  "clustercockpit",
	}
	if len(drafts) != 1 || fmt.Sprint(drafts[0].Def) != fmt.Sprint(want) {
		t.Errorf("drafts %+v, want %+v", drafts, want)
	}
}

func TestDefaultCluster(t *testing.T) {
	cache := NewCache(CacheOptions{Now: clock})
	d, r := open(t, Options{Cache: cache})
	const body = "cpu_load,hostname=h value=1 1735689600\ncpu_load,cluster=own,hostname=h value=1 1735689600\n"
	for range 2 {
		for _, c := range []string{"one", "two", "second"} {
			m := cockpit()
			m.Cluster = c
			got := decode(d, r, m, body)
			num := 1
			if c == "second" {
				num = 2
			}
			if want := fmt.Sprintf(`%d/1/cpu_load{cluster=%q,hostname="h"} 1 1735689600000000000`, num, c); !slices.Contains(got.samples, want) || len(got.samples) != 2 {
				t.Errorf("default %s: %q", c, got.samples)
			}
		}
	}
	if s := cache.Stats(); s.Scopes != 3 || s.Entries != 6 {
		t.Errorf("%+v", s)
	}
}

func TestNoBounds(t *testing.T) {
	d, r := open(t, Options{})
	m := cockpit()
	m.Limits = Bounds{}
	got := decode(d, r, m, "cpu_load,cluster=c,hostname=h value=1 9223372036\ncpu_load,cluster=c,hostname=h value=1 9223372037\ncpu_load,cluster=c,hostname=h value=1 -9223372036\n")
	if len(got.samples) != 2 || got.malformed != 1 || !strings.Contains(got.first, "out of range") {
		t.Errorf("%+v", got)
	}
}

func TestNanoseconds(t *testing.T) {
	for _, tc := range []struct {
		in, want int64
		ok       bool
	}{
		{0, 0, true}, {-1, -1e9, true}, {9223372036, 9223372036e9, true}, {9223372037, 1<<63 - 1, false}, {-9223372037, -1 << 63, false},
		{99999999999, 1<<63 - 1, false}, {100000000000, 1e17, true}, {1735689600000, 1735689600e9, true}, {99999999999999, 1<<63 - 1, false},
		{100000000000000, 1e17, true}, {99999999999999999, 1<<63 - 1, false}, {100000000000000000, 1e17, true}, {1<<63 - 1, 1<<63 - 1, true}, {-1 << 63, -1 << 63, true}, {-100000000000, -1e17, true},
	} {
		if got, ok := Nanoseconds(tc.in); got != tc.want || ok != tc.ok {
			t.Errorf("%d: %d, %v, want %d, %v", tc.in, got, ok, tc.want, tc.ok)
		}
	}
}

func TestMaxLine(t *testing.T) {
	good := "cpu_load,cluster=c,hostname=h value=1 1735689600"
	for _, tc := range []struct {
		limit, samples, malformed int
	}{{len(good), 3, 0}, {len(good) - 1, 0, 3}, {0, 3, 0}} {
		d, r := open(t, Options{MaxLine: tc.limit, Cache: NewCache(CacheOptions{})})
		for range 3 {
			got := decode(d, r, cockpit(), good+"\n"+good+"\n"+good)
			if len(got.samples) != tc.samples || got.malformed != tc.malformed {
				t.Errorf("limit %d: %+v", tc.limit, got)
			}
			if want := fmt.Sprintf("at line 1:1: line of %d bytes, the limit is %d (setting granary.limits.line)", len(good), tc.limit); tc.malformed > 0 && !strings.Contains(got.first, want) {
				t.Errorf("%s, want %s", got.first, want)
			}
		}
	}
	// A string may not run on for longer than a line may be long.
	d, r := open(t, Options{MaxLine: 60})
	got := decode(d, r, cockpit(), "job text=\""+strings.Repeat("\nx", 40)+"\" 1\n"+good+"\n")
	if len(got.samples) != 1 || got.ignored[measures.UnknownMetric] == 0 {
		t.Errorf("%+v", got)
	}
}

// TestOpenStrings sends the worst case of strings that may or may not go on: every line looks ahead in vain. The body pays
// for that once, not once a line.
func TestOpenStrings(t *testing.T) {
	d, r := open(t, Options{})
	body := strings.Repeat("m a=1\",b=\"\n", 100_000)
	got := decode(d, r, cockpit(), body)
	if got.lines == 0 || len(got.samples) > 0 {
		t.Errorf("%+v", got)
	}
	if d.ahead > 0 || d.ahead < -DefaultMaxLine {
		t.Errorf("%d bytes of looking ahead are left", d.ahead)
	}
}

func TestComplete(t *testing.T) {
	for in, want := range map[string]string{"": "", "a": "", "a\n": "a\n", "a\nb": "a\n", "\n\nb": "\n\n"} {
		if got := string(Complete([]byte(in))); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestAbort(t *testing.T) {
	d, r := open(t, Options{})
	got := decode(d, r, cockpit(), "cpu_load,cluster=c,hostname=h value=1 1735689600\ncpu_load,cluster=closed,hostname=h value=1 1735689600\ncpu_load,cluster=c,hostname=h value=1 1735689600\n")
	if len(got.samples) != 1 || got.err != "tenant of closed is closed" {
		t.Errorf("%+v", got)
	}
	var abort *AbortError
	if err := error(&AbortError{Err: tenantError{}}); !errors.As(err, &abort) || !errors.As(err, new(tenantError)) {
		t.Error("the cause is hidden")
	}
}

type tenantError struct{}

func (tenantError) Error() string { return "no" }

func TestRows(t *testing.T) {
	d, r := open(t, Options{MaxRows: 3, Cache: NewCache(CacheOptions{})})
	var body bytes.Buffer
	for i := range 20 {
		fmt.Fprintf(&body, "cpu_load,cluster=%s,hostname=h%d value=%d 1735689600\n", []string{"c", "second"}[i%2], i%4, i)
	}
	for range 3 {
		if err := d.Begin(cockpit(), body.Bytes()); err != nil {
			t.Fatal(err)
		}
		rows, rounds := 0, 0
		for more := true; more; rounds++ {
			var err error
			if more, err = d.Decode(); err != nil {
				t.Fatal(err)
			}
			for _, p := range d.Parts() {
				if n := len(p.Batch.Refs); n > 3 {
					t.Fatalf("%d rows", n)
				} else {
					rows += n
				}
				r.commit(&p.Batch)
				d.Done(p)
			}
		}
		d.End()
		if rows != 20 || rounds < 4 {
			t.Errorf("%d rows in %d rounds", rows, rounds)
		}
	}
}

func TestAgain(t *testing.T) {
	d, r := open(t, Options{Cache: NewCache(CacheOptions{})})
	body := []byte("cpu_load,cluster=c,hostname=a value=1 1735689600\ncpu_load,cluster=c,hostname=b value=2 1735689600\ncpu_load,cluster=c,hostname=a value=3 1735689660\n")
	decode(d, r, cockpit(), string(body))
	r.end(1)
	if err := d.Begin(cockpit(), body); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Decode(); err != nil {
		t.Fatal(err)
	}
	p := d.Parts()[0]
	if len(p.Batch.Drafts) != 0 || len(p.Batch.Refs) != 3 {
		t.Fatalf("%+v", p.Batch)
	}
	p.Batch.Stale = append(p.Batch.Stale, 0, 2)
	p.Batch.Refs[0], p.Batch.Refs[2] = 0, 0
	if err := d.Again(p); err != nil {
		t.Fatal(err)
	}
	if len(p.Batch.Drafts) != 2 || len(p.Batch.Refs) != 2 || p.Batch.Values[1] != 3 || d.Tally().Lines != 3 {
		t.Fatalf("%+v", p.Batch)
	}
	r.commit(&p.Batch)
	d.Done(p)
	d.End()
	got := decode(d, r, cockpit(), string(body))
	if len(got.samples) != 3 || r.keys[1] != r.keys[3] || r.refs[r.keys[3]] != 3 {
		t.Errorf("%+v, %q", got, r.keys)
	}
}

// TestNoAllocation holds the fast path to its promise: a body of 5,000 known lines.
func TestNoAllocation(t *testing.T) {
	d, r := open(t, Options{Cache: NewCache(CacheOptions{})})
	m := &ClusterCockpit{Tenant: func(string) (tenant.Num, error) { return 1, nil }}
	_, body := workload(54, 5000, now.Unix())
	decode(d, r, m, string(body))
	decode(d, r, m, string(body))
	n := testing.AllocsPerRun(20, func() {
		if err := d.Begin(m, body); err != nil {
			t.Fatal(err)
		}
		for more := true; more; {
			more, _ = d.Decode()
			for _, p := range d.Parts() {
				d.Done(p)
			}
		}
		if d.Tally().Predicted < 4990 {
			t.Errorf("%+v", d.Tally())
		}
		d.End()
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestTypedFields decodes fields of all kinds, twice, so that the second time the cache knows them.
func TestTypedFields(t *testing.T) {
	d, r := open(t, Options{Cache: NewCache(CacheOptions{Now: clock})})
	at := now.Truncate(time.Second)
	body := fmt.Sprintf(strings.ReplaceAll(`cpu_load,cluster=c,hostname=h value=9007199254740993i T
cpu_user,cluster=c,hostname=h value=1.5 T
mem_bw,cluster=c,hostname=h value="on fire" T
temp,cluster=c,hostname=h value=true T
net_bw,cluster=c,hostname=h value=18446744073709551615u T
mem_used,cluster=c,hostname=h value=7u T
cpu_load,cluster=c,hostname=h value="a text of the same name" T
cpu_load,cluster=c,hostname=h value=-5i T
flops_any,cluster=c,hostname=h value=1i,value="both" T
`, "T", "%[1]d"), at.Unix())
	ns := at.UnixNano()
	key := func(typ metricdef.Type, metric string) string {
		return fmt.Sprintf("1/%d/%s{cluster=\"c\",hostname=\"h\"}", typ, metric)
	}
	want := []string{
		fmt.Sprintf("%s %v %d", key(metricdef.Gauge, "cpu_load"), measures.IntWord(1<<53+1), ns),
		fmt.Sprintf("%s 1.5 %d", key(metricdef.Gauge, "cpu_user"), ns),
		fmt.Sprintf("%s \"on fire\" %d", key(metricdef.String, "mem_bw"), ns),
		fmt.Sprintf("%s 1 %d", key(metricdef.Gauge, "temp"), ns),
		fmt.Sprintf("%s 1.8446744073709552e+19 %d", key(metricdef.Gauge, "net_bw"), ns),
		fmt.Sprintf("%s %v %d", key(metricdef.Gauge, "mem_used"), measures.IntWord(7), ns),
		fmt.Sprintf("%s \"a text of the same name\" %d", key(metricdef.String, "cpu_load"), ns),
		fmt.Sprintf("%s %v %d", key(metricdef.Gauge, "cpu_load"), measures.IntWord(-5), ns),
		fmt.Sprintf("%s %v %d", key(metricdef.Gauge, "flops_any"), measures.IntWord(1), ns),
		fmt.Sprintf("%s \"both\" %d", key(metricdef.String, "flops_any"), ns),
	}
	for _, pass := range []string{"cold", "warm"} {
		got := decode(d, r, typed{cockpit()}, body)
		if diff := cmp.Diff(want, got.samples); diff != "" || got.malformed > 0 || got.ignoredText() != "" {
			t.Errorf("%s: %s %s", pass, got.ignoredText(), diff)
		}
	}
	if got := decode(d, r, cockpit(), body); got.ignoredText() != "unmapped-field=4" || len(got.samples) != 6 {
		t.Errorf("without types: %s, %q", got.ignoredText(), got.samples)
	}
}
