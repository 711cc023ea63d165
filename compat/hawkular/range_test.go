package hawkular

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// testNow is 2026-01-01T00:00:00.5Z.
var testNow = time.UnixMilli(1767225600_500)

const testMilli = int64(1767225600_500)

// asking is a call with that query string, or with that body.
func asking(strict bool, query, body string) *call {
	d := New(Options{Strict: strict, Now: func() time.Time { return testNow }})
	c := &call{d: d, now: testNow, r: httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body)), route: &route{}}
	c.ctx = c.r.Context()
	var err error
	if c.query, err = url.ParseQuery(query); err != nil {
		panic(err)
	}
	return c
}

// askBoth reads the same request from a query string and from a body of texts.
func askBoth(t *testing.T, strict bool, query string) (c *call, a *ask, err error) {
	t.Helper()
	c = asking(strict, query, "")
	a, err = c.ask()
	members := map[string]string{}
	for name, list := range c.query {
		members[name] = list[0]
	}
	body, _ := json.Marshal(members)
	other := asking(strict, "", string(body))
	defer other.free()
	var b ask
	if err2 := other.decode(&b); (err2 == nil) != (err == nil) {
		if !saysNothing(body) {
			t.Errorf("%s: %v in the query string, %v in the body", query, err, err2)
		}
	} else if err == nil && fmt.Sprintf("%v %v %v", a.most(), a.bucketed(), [...]any{a.Start, a.End, a.FromEarliest, a.Order, a.Distinct, a.Percentiles, a.Stacked}) !=
		fmt.Sprintf("%v %v %v", b.most(), b.bucketed(), [...]any{b.Start, b.End, b.FromEarliest, b.Order, b.Distinct, b.Percentiles, b.Stacked}) {
		t.Errorf("%s: %+v in the query string, %+v in the body", query, a, b)
	}
	return c, a, err
}

func TestSpan(t *testing.T) {
	const hour = 3600_000
	now := testMilli
	for _, c := range []struct {
		query    string
		from, to int64  // without the slack
		fails    string // "": no error
		lenient  bool   // the default mode takes it: from and to are its own
	}{
		{query: "", from: now - 8*hour, to: now},
		{query: "start=0", from: 0, to: now},
		{query: "start=&end=", from: now - 8*hour, to: now},
		{query: "start=1000&end=1001", from: 1000, to: 1001},
		{query: "start=-1h", from: now - hour, to: now},
		{query: "start=-1h&end=%2B1h", from: now - hour, to: now + hour},
		{query: "start=-11mn&end=-9mn", from: now - 11*60_000, to: now - 9*60_000},
		{query: "start=-7d&end=-1500ms", from: now - 7*24*hour, to: now - 1500},
		{query: "end=1000", fails: "Range end must be strictly greater than start"},
		{query: "start=1000&end=500", fails: "Range end must be strictly greater than start: 500 is not behind 1000"},
		{query: "start=-1h&end=+1h", fails: "The start (-1h) or end ( 1h) value does not correspond to a valid number. 1h lacks a sign: -1h is before now, +1h (in an address %2B1h) behind it",
			lenient: true, from: now - hour, to: now + hour},
		{query: "start=-1h&end=++1h", fails: "The start (-1h) or end (  1h) value does not correspond to a valid number."},
		{query: "start=1000&end=1000", fails: "Range end must be strictly greater than start"},
		{query: "start=%2B1h", fails: "Range end must be strictly greater than start"},
		{query: "start=abc", fails: "The start (abc) or end (null) value does not correspond to a valid number."},
		{query: "start=5mn", fails: "The start (5mn) or end (null) value does not correspond to a valid number. 5mn lacks a sign: -5mn is before now, +5mn (in an address %2B5mn) behind it"},
		{query: "start=1&end=1.5e3", fails: "The start (1) or end (1.5e3) value does not correspond to a valid number."},
		{query: "start=-5min", fails: "The start (-5min) or end (null) value does not correspond to a valid duration. A time is a number of milliseconds since 1970, or relative to now: a sign, a whole number and one of the units ms, s, mn, h, d, as in -5mn or +1h"},
		{query: "start=1&end=-1w", fails: "The start (1) or end (-1w) value does not correspond to a valid duration."},
		{query: "start=-", fails: "The start (-) or end (null) value does not correspond to a valid duration."},
		{query: "start=99999999999999999999", fails: "The start (99999999999999999999) or end (null) value does not correspond to a valid number."},
		{query: "start=-5000", fails: "The start (-5000) or end (null) value does not correspond to a valid duration.", lenient: true, from: now - 5000, to: now},
		{query: "start=0&end=9223372036854775807", from: 0, to: 9223372036854775807},
		{query: "fromEarliest=true", from: -lastMilli, to: now},
		{query: "fromEarliest=false&start=1", from: 1, to: now},
		{query: "fromEarliest=TRUE&start=1", fails: "fromEarliest can only be used without start & end"},
		{query: "fromEarliest=true&end=1", fails: "fromEarliest can only be used without start & end"},
		{query: "fromEarliest=yes", fails: `"yes" is neither true nor false`},
		{query: "limit=1.5", fails: `limit: "1.5" is not a whole number of 64 bits`},
		{query: "buckets=999999999999999999999999", fails: `buckets: "999999999999999999999999" is not a whole number of 64 bits`},
	} {
		for _, strict := range []bool{true, false} {
			call, a, err := askBoth(t, strict, c.query)
			var from, to int64
			if err == nil {
				from, to, err = call.span(a)
			}
			if c.fails != "" && (strict || !c.lenient) {
				if err == nil || !strings.Contains(err.Error(), c.fails) {
					t.Errorf("%s, strict %v: %v", c.query, strict, err)
				}
				continue
			}
			begin, end := c.from, c.to
			if end == now {
				end += slack.Milliseconds()
				if begin > testMilli/2 {
					begin += slack.Milliseconds()
				}
			}
			if err != nil || from != begin || to != end {
				t.Errorf("%s, strict %v: %d to %d, want %d to %d; %v", c.query, strict, from, to, begin, end, err)
			}
		}
	}
}

// TestSpanOfBuckets: a range that is as long as some buckets is not longer than they are.
func TestSpanOfBuckets(t *testing.T) {
	for _, query := range []string{"start=-1h&bucketDuration=1h", "start=-1h&buckets=1"} {
		for _, strict := range []bool{true, false} {
			call, a, err := askBoth(t, strict, query)
			if err != nil {
				t.Fatal(err)
			}
			if from, to, err := call.span(a); err != nil || to-from != 3600_000 || to <= testMilli {
				t.Errorf("%s, strict %v: %d to %d; %v", query, strict, from, to, err)
			}
		}
	}
}

func TestOrderAndLimit(t *testing.T) {
	for _, c := range []struct {
		query               string
		limit               int64
		strict, get, posted bool // newest first
	}{
		{"", 0, true, true, false},
		{"limit=2", 2, true, true, false},
		{"limit=0&start=1", 0, true, true, false},
		{"limit=-1&start=1", 0, true, true, false},
		{"limit=3&start=1", 3, false, true, false},
		{"limit=3&end=1", 3, true, true, false},
		{"limit=3&start=1&end=2", 3, true, true, false},
		{"limit=3&start=1&order=desc", 3, true, true, true},
		{"start=1", 0, true, true, false},
		{"order=asc", 0, false, false, false},
		{"order=ASC&limit=1", 1, false, false, false},
		{"order=DESC", 0, true, true, true},
	} {
		for mode, want := range map[[2]bool]bool{{true, false}: c.strict, {true, true}: c.strict, {false, false}: c.get, {false, true}: c.posted} {
			call, a, err := askBoth(t, mode[0], c.query)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := call.desc(a, mode[1]); err != nil || got != want || a.most() != c.limit {
				t.Errorf("%s, strict %v, posted %v: newest first %v, limit %d, %v", c.query, mode[0], mode[1], got, a.most(), err)
			}
		}
	}
	call, a, _ := askBoth(t, true, "order=up")
	if _, err := call.desc(a, false); err == nil || err.Error() != `order: "up" is neither asc nor desc` {
		t.Error(err)
	}
}

func TestDecodeAsk(t *testing.T) {
	limit := integer(3)
	for _, c := range []struct {
		body  string
		want  ask
		fails string
	}{
		{body: `{"ids":["a","b"],"start":1500,"end":"-5mn","limit":3,"order":"desc","fromEarliest":null,"other":[{}]}`,
			want: ask{IDs: []string{"a", "b"}, Start: "1500", End: "-5mn", Limit: &limit, Order: "desc"}},
		{body: `{"ids":null,"tags":null,"start":null,"end":null,"limit":null,"order":null,"buckets":null,"percentiles":null,"stacked":null}`},
		{body: `{"limit":"3","tags":"x:*","percentiles":"50,90.0"}`, want: ask{Limit: &limit, Tags: "x:*", Percentiles: words{"50", "90.0"}}},
		{body: `{"percentiles":[50,"90.0"],"stacked":"True","bucketDuration":1000}`, want: ask{Percentiles: words{"50", "90.0"}, Stacked: true, BucketDuration: "1000"}},
		{body: `{ids:['a',"b'"],'start': '-5mn', limit : 3}`, want: ask{IDs: []string{"a", "b'"}, Start: "-5mn", Limit: &limit}},
		{body: `{"start":{}}`, fails: "/start: an object cannot stand here"},
		{body: `{"limit":1.5}`, fails: `/limit: 1.5 is not a whole number of 64 bits`},
		{body: `{"limit":1e2}`, fails: `/limit: 1e2 is not a whole number of 64 bits`},
		{body: `{"limit":"ten"}`, fails: `/limit: "ten" is not a whole number of 64 bits`},
		{body: `{"ids":["a",7]}`, fails: "/ids/1: a number cannot stand here, only a text"},
		{body: `{"ids":"a"}`, fails: "/ids: a text cannot stand here, only a list"},
		{body: `{"tags":{"a":"b"}}`, fails: "/tags: an object cannot stand here, only a text"},
		{body: `{"start":1,"start":2}`, fails: "/start: is given twice"},
		{body: `["a"]`, fails: "the body: a list cannot stand here, only an object"},
		{body: `{"ids":["a"`, fails: "the body is no valid JSON at byte 11: unexpected EOF"},
		{body: `{ids:['a'], start:}`, fails: "the body is no valid JSON at byte 18: invalid character '}' at start of value"},
		{body: `{"ids":["a"]} x`, fails: "the body is no valid JSON at byte 14: invalid character 'x' after top-level value"},
	} {
		for _, strict := range []bool{true, false} {
			call := asking(strict, "", c.body)
			var a ask
			err := call.decode(&a)
			if c.fails != "" {
				if err == nil || err.Error() != c.fails {
					t.Errorf("%s: %v", c.body, err)
				}
				continue
			}
			if err != nil || !slices.Equal(a.IDs, c.want.IDs) || !slices.Equal(a.Percentiles, c.want.Percentiles) || a.most() != c.want.most() ||
				a.Start != c.want.Start || a.End != c.want.End || a.Order != c.want.Order || a.Stacked != c.want.Stacked ||
				a.BucketDuration != c.want.BucketDuration || a.Tags != c.want.Tags || a.Buckets != nil {
				t.Errorf("%s: %+v, %v", c.body, a, err)
			}
		}
	}
	for _, body := range []string{"", " \n", "null", "[]", "{ }", " [ ] "} {
		if err := asking(true, "", body).decode(new(ask)); err != errPayload {
			t.Errorf("%q: %v", body, err)
		}
		if err := asking(false, "", body).decode(new(ask)); err != nil {
			t.Errorf("%q: %v", body, err)
		}
	}
}

func FuzzAsk(f *testing.F) {
	for _, s := range []string{`{"ids":["a"],"start":-1,"end":"+1h","limit":"7","order":"ASC","fromEarliest":"true"}`, `{"start":1.5}`, `null`, `{"percentiles":[1,"2"]}`,
		`start=-5mn&end=%2B1h&limit=-1&order=desc&fromEarliest=false`, `start=-9223372036854775807`, `limit=9223372036854775808`} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, s string, strict bool) {
		check := func(c *call, a *ask) {
			from, to, err := c.span(a)
			if err == nil && (from >= to || nanos(from) > nanos(to)) {
				t.Errorf("%q: from %d to %d", s, from, to)
			}
			if a.most() < 0 {
				t.Errorf("%q: limit %d", s, a.most())
			}
			if _, err := c.desc(a, strict); err == nil && a.Order != "" && !strings.EqualFold(a.Order, "asc") && !strings.EqualFold(a.Order, "desc") {
				t.Errorf("%q: order %q was taken", s, a.Order)
			}
		}
		c := asking(strict, "", s)
		defer c.free()
		var a ask
		if c.decode(&a) == nil {
			check(c, &a)
		}
		if _, err := url.ParseQuery(s); err == nil {
			c := asking(strict, s, "")
			if a, err := c.ask(); err == nil {
				check(c, a)
			}
		}
	})
}
