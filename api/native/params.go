package native

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"granary/api/edge"
)

// params reads the parameters of a URL. Every parameter is asked for once; what stays is refused by end, as is the first
// one that is not as it should be.
type params struct {
	values url.Values
	asked  []string
	now    time.Time
	err    error
}

// params begins to read the parameters of a request.
func (a *API) params(r *http.Request) *params {
	p := &params{now: a.o.Now()}
	p.values, p.err = url.ParseQuery(r.URL.RawQuery)
	if p.err != nil {
		p.err = &parameterError{name: r.URL.RawQuery, text: "is not a query that can be read: " + shorten(p.err.Error())}
	}
	return p
}

func (p *params) fail(name, format string, args ...any) {
	if p.err == nil {
		p.err = &parameterError{name: name, text: fmt.Sprintf(format, args...)}
	}
}

// list is all values of a parameter.
func (p *params) list(name string) []string {
	p.asked = append(p.asked, name)
	return p.values[name]
}

// has says whether the parameter is given.
func (p *params) has(name string) bool { return p.values.Has(name) }

// text is the one value of a parameter, def if it is not given.
func (p *params) text(name, def string) string {
	switch v := p.list(name); len(v) {
	case 0:
		return def
	case 1:
		return v[0]
	default:
		p.fail(name, "is given %d times", len(v))
		return v[0]
	}
}

// choice is one of a few texts, the first if it is not given.
func (p *params) choice(name string, of ...string) string {
	v := p.text(name, of[0])
	if !slices.Contains(of, v) {
		p.fail(name, "%q is not one of %q", shorten(v), of)
	}
	return v
}

// bool is true or false; a parameter without a value is true.
func (p *params) bool(name string, def bool) bool {
	if !p.has(name) {
		p.asked = append(p.asked, name)
		return def
	}
	switch v := p.text(name, ""); v {
	case "", "true", "1":
		return true
	case "false", "0":
		return false
	default:
		p.fail(name, "%q is neither true nor false", shorten(v))
		return def
	}
}

// integer is a whole number between low and high.
func (p *params) integer(name string, def, low, high int64) int64 {
	s := p.text(name, "")
	if s == "" && !p.has(name) {
		return def
	}
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil || v < low || v > high {
		p.fail(name, "%q is not a whole number from %d to %d", shorten(s), low, high)
		return def
	}
	return v
}

// time is a time as edge.ParseTime reads it, def if it is not given.
func (p *params) time(name string, def int64) int64 {
	s := p.text(name, "")
	if s == "" && !p.has(name) {
		return def
	}
	// No form of a time has a space, and a "+" that is not escaped arrives as one.
	t, err := edge.ParseTime(strings.ReplaceAll(s, " ", "+"), p.now)
	if err != nil {
		p.fail(name, "%v", err)
	}
	return t
}

// duration is a duration as edge.ParseDuration reads it, def if it is not given.
func (p *params) duration(name string, def time.Duration) time.Duration {
	s := p.text(name, "")
	if s == "" && !p.has(name) {
		return def
	}
	d, err := edge.ParseDuration(s)
	if err != nil {
		p.fail(name, "%v", err)
	}
	return d
}

// format is the form of times in the answer: the parameter times, or time_format.
func (p *params) format() edge.TimeFormat {
	name := "times"
	if p.has("time_format") {
		name = "time_format"
	}
	if name != "times" && p.has("times") {
		p.fail("times", "is given beside time_format, which is the same")
	}
	p.asked = append(p.asked, "times")
	f, err := edge.ParseTimeFormat(p.text(name, ""))
	if err != nil {
		p.fail(name, "%v", err)
	}
	return f
}

// end is the first error; a parameter that nobody has asked for is one.
func (p *params) end() error {
	if p.err != nil {
		return p.err
	}
	for _, name := range slices.Sorted(maps.Keys(p.values)) {
		if !slices.Contains(p.asked, name) {
			return &parameterError{name: name, text: "is not one of this request, which has " + strings.Join(slices.Compact(slices.Sorted(slices.Values(p.asked))), ", ")}
		}
	}
	return nil
}
