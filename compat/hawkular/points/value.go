package points

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"granary/api/edge"
	"granary/api/edge/scan"
	"granary/measures"
	"granary/metricdef"
)

// wrongValue says what is wrong with a time or a value.
func (d *Decoder) wrongValue(n int, member, text string) error {
	return &Error{Path: path(d.list, d.at, n) + "." + member, Text: text, value: true}
}

// unquote is the text of a JSON string, which is valid.
func (d *Decoder) unquote(raw []byte) []byte {
	if text, _, ok := scan.Text(raw, 0); ok {
		return text
	}
	var err error
	if d.scratch, err = jsontext.AppendUnquote(d.scratch[:0], raw); err != nil {
		panic("points: a text that is valid and cannot be read: " + err.Error())
	}
	return d.scratch
}

// number is a JSON number as it stands, or in a text; false if it is none.
func (d *Decoder) number(raw []byte) (text string, ok bool) {
	if raw[0] == '"' {
		raw = d.unquote(raw)
	}
	end, ok := scan.Number(raw, 0)
	return string(raw), ok && end == len(raw)
}

// time reads a time in milliseconds since 1970.
func (d *Decoder) time(n int, raw []byte) (int64, error) {
	fail := func(text string) (int64, error) {
		return 0, d.wrongValue(n, "timestamp", shorten(string(raw))+text)
	}
	if raw == nil {
		return 0, d.wrongValue(n, "timestamp", "is missing")
	}
	text, ok := d.number(raw)
	if raw[0] == '"' && !ok {
		// Digits may have zeros in front, where JSON has none.
		ok = text != "" && !slices.ContainsFunc([]byte(text), func(c byte) bool { return c < '0' || c > '9' })
		for ok && len(text) > 1 && text[0] == '0' {
			text = text[1:]
		}
	}
	ms, whole := edge.Whole(text)
	switch {
	case !ok:
		return fail(" is not a time, a whole number of milliseconds since 1970")
	case whole && ms >= 0 && ms <= MaxTime:
		return ms * nanos, nil
	case text[0] == '-' && ms != 0:
		return fail(" is a time before 1970")
	}
	if v, err := strconv.ParseFloat(text, 64); err != nil || v > MaxTime || v < 0 {
		return fail(fmt.Sprintf(" is beyond the times that can be stored, which are from 0 to %d", int64(MaxTime)))
	}
	return fail(" is not a whole number of milliseconds")
}

// pointValue reads a value of the type.
func (d *Decoder) pointValue(n int, raw []byte) (v float64, text string, err error) {
	fail := func(text string) (float64, string, error) {
		return 0, "", d.wrongValue(n, "value", shorten(string(raw))+text)
	}
	if raw == nil {
		return 0, "", d.wrongValue(n, "value", "is missing")
	}
	switch d.typ {
	case metricdef.Gauge:
		text, ok := d.number(raw)
		if !ok {
			return fail(" is not a number")
		}
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return fail(" is beyond what a float of 64 bits holds")
		}
		return v, "", nil
	case metricdef.Counter:
		text, ok := d.number(raw)
		if !ok {
			return fail(" is not a number")
		}
		v, ok := edge.Whole(text)
		if !ok {
			return fail(" is not a whole number of 64 bits, which the value of a counter is")
		}
		return measures.IntWord(v), "", nil
	case metricdef.Availability:
		if raw[0] == '"' {
			if state, err := metricdef.ParseState(string(d.unquote(raw))); err == nil {
				return float64(state), "", nil
			}
		}
		return fail(" is not one of up, down, unknown, admin")
	}
	text, ok := d.scalar(raw)
	if !ok {
		return fail(" is not a text")
	}
	if c := utf8.RuneCountInString(text); c > MaxCharacters {
		return 0, "", d.wrongValue(n, "value", fmt.Sprintf("the text has %d characters and exceeds max string length, %d", c, MaxCharacters))
	}
	if len(text) > d.o.MaxText {
		return 0, "", d.wrongValue(n, "value", d.tooLong("the text has", len(text)))
	}
	return 0, text, nil
}

// member reads the time or the value of a point.
func (d *Decoder) member(i, n int, member string) (raw []byte, end int, err error) {
	raw, end, err = d.value(i)
	if err == nil && end < len(d.body) && nameByte(d.body[end]) { // a number that goes on, as 01 and 0x10 do
		err = d.brokenAt(end, "expected , or }")
	}
	if err != nil {
		err = d.unreadable(i, n, member, err)
	}
	return raw, end, err
}

// unreadable says what is wrong with a time or a value that is no JSON, as NaN is none: which it is, instead of at which byte it stands.
func (d *Decoder) unreadable(i, n int, member string, err error) error {
	b, end := d.body, i
	for end < len(b) && nameByte(b[end]) {
		end++
	}
	if end == i || end == len(b) {
		return err
	}
	var better error
	switch {
	case member == "timestamp":
		_, better = d.time(n, b[i:end])
	case d.typ != metricdef.String: // where a word would be a text
		_, _, better = d.pointValue(n, b[i:end])
	}
	return cmp.Or(better, err)
}

// tooLong says that a text passes the limit of the store.
func (d *Decoder) tooLong(what string, size int) string {
	return fmt.Sprintf("%s %d bytes, at most %d are possible%s", what, size, d.o.MaxText, d.setting())
}

// setting names the setting of the limit on texts.
func (d *Decoder) setting() string {
	if d.o.Setting == "" {
		return ""
	}
	return " (setting " + d.o.Setting + ")"
}

// scalar is a text, or the text of a number or of a truth value. Nothing else is one.
func (d *Decoder) scalar(raw []byte) (text string, ok bool) {
	switch raw[0] {
	case '"':
		return string(d.unquote(raw)), true
	case '{', '[', 'n':
		return "", false
	}
	return string(raw), true
}

// tags reads the tags of a point into pairs. Null is none.
func (d *Decoder) tags(i, n int) (end int, err error) {
	if b := d.body; i >= len(b) || b[i] != '{' {
		raw, end, err := d.value(i)
		if err == nil && raw[0] != 'n' {
			err = d.wrongPoint(n, "tags", "%s is not an object of tags", shorten(string(raw)))
		}
		return end, err
	}
	size := 0
	return d.object(i, func(name []byte, i int) (int, error) {
		tag := metricdef.Tag{Name: string(name)}
		raw, end, err := d.value(i)
		if err != nil {
			return end, err
		}
		if tag.Name == "" {
			return end, d.wrongPoint(n, "tags", "the name of a tag is empty")
		}
		ok := true
		if raw[0] != 'n' {
			tag.Value, ok = d.scalar(raw)
		}
		if !ok {
			return end, d.wrongPoint(n, "tags."+tag.Name, "%s is not a text, a number or a truth value", shorten(string(raw)))
		}
		// What is far too much is not read to its end: it would take many times the room of the body.
		if size += len(tag.Name) + len(tag.Value) + 1; size > d.o.MaxText {
			return end, d.wrongPoint(n, "tags", "%s", d.manyTags())
		}
		d.pairs = append(d.pairs, tag)
		return end, nil
	})
}

func (d *Decoder) manyTags() string {
	return fmt.Sprintf("they have, as one text, more than %d bytes, the most that is possible%s", d.o.MaxText, d.setting())
}

// addTags adds the tags of the point that is added next. One without a value counts as absent.
func (d *Decoder) addTags(n int) error {
	if len(d.pairs) == 0 {
		return nil
	}
	seen := d.pairs[:0]
	for _, t := range d.pairs {
		if t.Value != "" {
			seen = append(seen, t)
		}
	}
	b, err := edge.AppendTags(d.scratch[:0], seen)
	if err != nil {
		return d.wrongPoint(n, "tags", "%v", err)
	}
	d.scratch = b
	for i := range seen {
		if i > 0 && seen[i].Name == seen[i-1].Name {
			return d.wrongPoint(n, "tags."+seen[i].Name, textTwice)
		}
	}
	switch {
	case len(b) > d.o.MaxText:
		return d.wrongPoint(n, "tags", "%s", d.manyTags())
	case len(b) > 0:
		d.Tags = append(d.Tags, Text{len(d.Times), string(b)})
	}
	clear(d.pairs)
	return nil
}
