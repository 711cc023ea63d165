package native

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"granary/api/edge"
	"granary/api/edge/scan"
	"granary/measures"
	"granary/metricdef"
)

// The strict way through an item of measures. It decides what is right; the fast way only says yes to some of it.

// item is one metric and its samples as they are sent.
type item struct {
	ID      *string           `json:"id"`
	Name    *string           `json:"name"`
	Type    *string           `json:"type"`
	Tags    map[string]string `json:"tags"`
	Unit    string            `json:"unit"`
	Policy  string            `json:"policy"`
	Samples jsontext.Value    `json:"samples"`
}

// readItem reads an item, which is one whole JSON value. Its samples are left as they are.
func readItem(raw []byte) (*item, error) {
	if err := checkNesting(raw); err != nil {
		return nil, err
	}
	it := &item{}
	if err := syntax(json.Unmarshal(raw, it, json.RejectUnknownMembers(true))); err != nil {
		return nil, err
	}
	return it, it.check()
}

// check says what is wrong with the members of an item beside one another.
func (it *item) check() error {
	lone := func(name string) error {
		return &syntaxError{text: "cannot be given beside id, which names a metric that exists", path: "/" + name, has: true}
	}
	switch {
	case it.ID == nil && it.Name == nil:
		return &syntaxError{text: "the metric has neither a name nor an id", has: true}
	case it.ID != nil && it.Name != nil:
		return lone("name")
	case it.ID != nil && it.Type != nil:
		return lone("type")
	case it.ID != nil && it.Tags != nil:
		return lone("tags")
	case it.ID != nil && it.Unit != "":
		return lone("unit")
	case it.ID != nil && it.Policy != "":
		return lone("policy")
	case it.Samples == nil:
		return &syntaxError{text: "the metric has no member samples", has: true}
	case it.Samples[0] != '[':
		return &syntaxError{text: "expected a list of samples", path: "/samples", has: true}
	}
	return nil
}

// draft is the definition that an item asks for, of no tenant yet. Its key names it.
func (it *item) draft() (*metricdef.Draft, error) {
	d := &metricdef.Draft{Unit: it.Unit, Policy: it.Policy, Dialect: Name}
	d.Type, d.Name = metricdef.Gauge, *it.Name
	if it.Type != nil {
		typ, ok := metricdef.ParseType(*it.Type)
		if !ok {
			return nil, &syntaxError{text: fmt.Sprintf("%q is not one of gauge, counter, availability, string", shorten(*it.Type)), path: "/type", has: true}
		}
		d.Type = typ
	}
	for name, value := range it.Tags {
		d.Tags = append(d.Tags, metricdef.Tag{Name: name, Value: value})
	}
	slices.SortFunc(d.Tags, func(a, b metricdef.Tag) int { return strings.Compare(a.Name, b.Name) })
	// Whose it is comes later; that alone is not judged here.
	d.Tenant = 1
	err := d.Validate()
	d.Tenant = 0
	var invalid *metricdef.InvalidError
	if errors.As(err, &invalid) {
		path := map[string]string{"name": "/name", "unit": "/unit", "identity tags": "/tags"}[invalid.Field]
		return nil, edge.At(path, err)
	}
	return d, err
}

// parseID reads a UUID in its one form.
func (it *item) parseID() (uuid.UUID, error) {
	id, err := uuid.Parse(*it.ID)
	if err != nil || len(*it.ID) != 36 {
		return id, &syntaxError{text: fmt.Sprintf("%q is not a UUID", shorten(*it.ID)), path: "/id", has: true}
	}
	return id, nil
}

// sample is one sample as an object.
type sample struct {
	Time  jsontext.Value    `json:"time"`
	Value jsontext.Value    `json:"value"`
	Tags  map[string]string `json:"tags"`
}

// strict reads all samples of a list that is valid JSON. A sample that cannot be is left out and told to refuse,
// which says whether to go on.
func (c *columns) strict(list []byte, now time.Time, refuse func(n int, err error) (goOn bool)) {
	c.at = c.at[:0]
	if c.at == nil {
		c.at = []int32{}
	}
	i := scan.Space(list, 1)
	for n := 0; list[i] != ']'; n++ {
		if n%samplesInTurn == samplesInTurn-1 {
			c.turn.Spent(workUnit * workOfStrict)
		}
		if end, ok := c.one(list, i); ok {
			i = end
			c.at = append(c.at, int32(n))
		} else {
			// The value is valid, so it has an end.
			raw, _ := nextValue(list[i:])
			i += len(raw)
			if err := c.read(raw, now); err != nil {
				if !refuse(n, err) {
					return
				}
			} else {
				c.at = append(c.at, int32(n))
			}
		}
		if i = scan.Space(list, i); list[i] == ',' {
			i = scan.Space(list, i+1)
		}
	}
}

// nextValue is the JSON value at the front of b. Members that are given twice are for others to judge.
func nextValue(b []byte) ([]byte, error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(b), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	v, err := d.ReadValue()
	if err != nil {
		return nil, err
	}
	end := int(d.InputOffset())
	return b[end-len(v) : end], nil
}

// read reads one sample of any form.
func (c *columns) read(raw []byte, now time.Time) error {
	var s sample
	at := [2]string{"/0", "/1"}
	switch raw[0] {
	case '[':
		var pair []jsontext.Value
		if err := syntax(json.Unmarshal(raw, &pair)); err != nil {
			return err
		}
		if len(pair) != 2 {
			return &syntaxError{text: fmt.Sprintf("a sample is a time and a value, not %d things", len(pair)), has: true}
		}
		s.Time, s.Value = pair[0], pair[1]
	case '{':
		at = [2]string{"/time", "/value"}
		if err := syntax(json.Unmarshal(raw, &s, json.RejectUnknownMembers(true))); err != nil {
			return err
		}
		if s.Time == nil || s.Value == nil {
			return &syntaxError{text: "a sample needs a time and a value", has: true}
		}
	default:
		return &syntaxError{text: `a sample is [time, value] or {"time": time, "value": value}`, has: true}
	}
	t, err := readTime(s.Time, now)
	if err != nil {
		return edge.At(at[0], err)
	}
	tags, err := canonicalTags(s.Tags)
	if err != nil {
		return edge.At("/tags", err)
	}
	v, text, err := readValue(s.Value, c.kind)
	if err != nil {
		return edge.At(at[1], err)
	}
	if tags != "" {
		c.tags = append(c.tags, pointTags{len(c.times), tags})
	}
	c.times, c.values = append(c.times, t), append(c.values, v)
	if c.kind == metricdef.KindText {
		c.texts = append(c.texts, text)
	}
	return nil
}

func readTime(raw jsontext.Value, now time.Time) (int64, error) {
	text := string(raw)
	switch raw.Kind() {
	case '0':
	case '"':
		b, err := jsontext.AppendUnquote(nil, raw)
		if err != nil {
			return 0, syntax(err)
		}
		text = string(b)
	default:
		return 0, &syntaxError{text: "expected a time, as a number or a text", has: true}
	}
	return edge.ParseTime(text, now)
}

// canonicalTags is the one text that stands for the tags of a sample, "" for none.
func canonicalTags(tags map[string]string) (string, error) {
	if len(tags) == 0 {
		return "", nil
	}
	list := make([]metricdef.Tag, 0, len(tags))
	for name, value := range tags {
		if name == "" || value == "" {
			return "", &syntaxError{text: "the name and the value of a tag must not be empty", has: true}
		}
		list = append(list, metricdef.Tag{Name: name, Value: value})
	}
	b, err := edge.AppendTags(nil, list)
	return string(b), err
}

// valueError refuses a value that its metric cannot have.
type valueError struct {
	found, wanted string
}

func (e *valueError) Error() string { return shorten(e.found) + " is not " + e.wanted }
func (*valueError) Kind() string    { return string(edge.Invalid) }
func (*valueError) Code() string    { return "value-invalid" }

const (
	wantFloat = `a value of a gauge: a number that 64 bits of a float hold, or "NaN", "Infinity", "-Infinity"`
	wantInt   = "a value of a counter, or of a gauge of kind int: a whole number of 64 bits, as a number or a text"
	wantState = `a value of an availability: "up", "down", "unknown" or "admin"`
	wantText  = "a value of a string: a text"
)

// readValue reads a value of any form that a series of the kind takes.
func readValue(raw jsontext.Value, kind metricdef.Kind) (v float64, text string, err error) {
	fail := func(wanted string) (float64, string, error) {
		return 0, "", &valueError{string(raw), wanted}
	}
	isText := raw.Kind() == '"'
	if isText {
		b, err := jsontext.AppendUnquote(nil, raw)
		if err != nil {
			return 0, "", syntax(err)
		}
		text = string(b)
	}
	switch kind {
	case metricdef.KindFloat:
		if isText {
			v, ok := special[text]
			if !ok {
				return fail(wantFloat)
			}
			return v, "", nil
		}
		if raw.Kind() == '0' {
			if v, err := strconv.ParseFloat(string(raw), 64); err == nil {
				return v, "", nil
			}
		}
		return fail(wantFloat)
	case metricdef.KindInt:
		if raw.Kind() == '0' {
			text = string(raw)
		} else if !isText {
			return fail(wantInt)
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err == nil && text[0] != '+' {
			return measures.IntWord(n), "", nil
		}
		if n, ok := edge.Whole(text); ok && !isText {
			return measures.IntWord(n), "", nil // 1e3 and 12.0 are whole too
		}
		return fail(wantInt)
	case metricdef.KindState:
		if isText {
			if s, err := metricdef.ParseState(text); err == nil {
				return float64(s), "", nil
			}
		}
		return fail(wantState)
	default:
		if !isText {
			return fail(wantText)
		}
		return 0, text, nil
	}
}

// special are the values of a gauge that JSON has no numbers for.
var special = map[string]float64{"NaN": math.NaN(), "Infinity": math.Inf(1), "-Infinity": math.Inf(-1)}
