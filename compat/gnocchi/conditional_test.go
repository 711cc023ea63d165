package gnocchi

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"granary/metricdef/resource"
)

func TestResourceID(t *testing.T) {
	for _, c := range []struct{ text, creator, want string }{
		{"75C44741-CC60-4033-804E-2D3098C7D2E9", "bob", "75c44741-cc60-4033-804e-2d3098c7d2e9"},
		{"75c44741cc604033804e2d3098c7d2e9", "", "75c44741-cc60-4033-804e-2d3098c7d2e9"},
		{"{75c44741-cc60-4033-804e-2d3098c7d2e9}", "", "75c44741-cc60-4033-804e-2d3098c7d2e9"},
		{"urn:uuid:75c44741-cc60-4033-804e-2d3098c7d2e9", "", "75c44741-cc60-4033-804e-2d3098c7d2e9"},
		{"res-a", "bob", "a0920ac9-fe5e-5f43-94fa-1a37b1f6c7e6"},
		{"340102AA-AA19-BBE0-E1E2-2D3JDC7D289R", "admin", "3cbcca4f-af46-5285-b7f7-951affcb4772"},
		{"x75c44741-cc60-4033-804e-2d3098c7d2e9y", "", uuid.NewSHA1(resourceSpace, []byte("x75c44741-cc60-4033-804e-2d3098c7d2e9y\x00")).String()},
		{strings.Repeat("ü", 289), "", uuid.NewSHA1(resourceSpace, []byte(strings.Repeat("ü", 289)+"\x00")).String()},
		{"a/b", "bob", "'/' is not supported in resource id"},
		{"", "bob", "length of value must be at least 1"},
		{"a\x00b", "bob", "the character U+0000 is not supported in a name"},
		{strings.Repeat("x", 290), "bob", "transformable resource id >289 max allowed characters"},
	} {
		id, err := resourceID(c.text, c.creator)
		got := id.String()
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%.100q of %q: %s, want %s", c.text, c.creator, got, c.want)
		}
	}
}

func TestPrecondition(t *testing.T) {
	res := &resource.Resource{RevisionStart: time.Date(2026, 11, 21, 9, 1, 27, 404_397_000, time.UTC).UnixNano()}
	res.ID = uuid.MustParse("75c44741-cc60-4033-804e-2d3098c7d2e9")
	h := http.Header{}
	setRevision(h, res)
	const tag, date = `"c484a6ba4967183b6b25cc93a5e4f216eb7a0177"`, "Sat, 21 Nov 2026 09:01:27 GMT"
	if h.Get("ETag") != tag || h.Get("Last-Modified") != date {
		t.Fatal(h)
	}
	const before, after = "Sat, 21 Nov 2026 09:01:26 GMT", "Sat, 21 Nov 2026 09:01:28 GMT"
	for _, c := range []struct {
		fields string // name: value, | between
		get    int
		change int
	}{
		{"", 0, 0},
		{"If-Match: " + tag, 0, 0},
		{"If-Match: " + strings.Trim(tag, `"`), 0, 0},
		{`If-Match: "x", ` + tag, 0, 0},
		{"If-Match: *", 0, 0},
		{`If-Match: "x"`, 412, 412},
		{"If-Match: ", 412, 412},
		{"If-None-Match: " + tag, 304, 412},
		{"If-None-Match: W/" + tag, 304, 412},
		{"If-None-Match: *", 304, 412},
		{`If-None-Match: "x"`, 0, 0},
		{"If-Modified-Since: " + date, 304, 0},
		{"If-Modified-Since: " + after, 304, 0},
		{"If-Modified-Since: " + before, 0, 0},
		{"If-Modified-Since: yesterday", 0, 0},
		{"If-Unmodified-Since: " + date, 0, 0},
		{"If-Unmodified-Since: " + after, 0, 0},
		{"If-Unmodified-Since: " + before, 412, 412},
		{"If-Match: " + tag + "|If-Unmodified-Since: " + before, 0, 0},
		{`If-None-Match: "x"|If-Modified-Since: ` + after, 0, 0},
		{"If-Match: " + tag + "|If-None-Match: " + tag, 304, 412},
	} {
		for method, want := range map[string]int{"GET": c.get, "PATCH": c.change, "DELETE": c.change} {
			r := &http.Request{Method: method, Header: http.Header{}}
			for f := range strings.SplitSeq(c.fields, "|") {
				if name, value, ok := strings.Cut(f, ": "); ok {
					r.Header.Set(name, value)
				}
			}
			if got := precondition(r, res); got != want {
				t.Errorf("%s with %s: %d, want %d", method, c.fields, got, want)
			}
			if err := met(r, res); (err != nil) != (want != 0) {
				t.Errorf("%s with %s: %v", method, c.fields, err)
			}
		}
	}
}
