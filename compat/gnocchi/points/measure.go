package points

import (
	"fmt"
	"slices"

	"granary/api/edge"
	"granary/api/edge/scan"
	"granary/compat/gnocchi/pyjson"
	"granary/compat/gnocchi/when"
	"granary/measures/ingest/line"
)

const (
	timeName  = `"timestamp"`
	valueName = `"value"`
	second    = 1_000_000_000
)

// quick reads a measure in which nothing else stands than "timestamp" and "value", in either order, with or without blanks. The time is a
// number or the usual form of ISO 8601, and is of the format of its list; the value is a number. Where it says no, the slow way reads
// the measure from its beginning: what is wrong is found there and nowhere else.
func (d *Decoder) quick(b []byte, i int) (end int, ok bool) {
	if i >= len(b) || b[i] != '{' {
		return i, false
	}
	var t int64
	var v float64
	i = scan.Space(b, i+1)
	timed := scan.At(b, i, timeName)
	switch {
	case timed:
		t, i, ok = d.quickTime(b, scan.Member(b, i+len(timeName)))
	case scan.At(b, i, valueName):
		v, i, ok = scan.Float(b, scan.Member(b, i+len(valueName)))
	}
	if !ok {
		return i, false
	}
	if i = scan.Space(b, i); i >= len(b) || b[i] != ',' {
		return i, false
	}
	i = scan.Space(b, i+1)
	switch {
	case timed && scan.At(b, i, valueName):
		v, i, ok = scan.Float(b, scan.Member(b, i+len(valueName)))
	case !timed && scan.At(b, i, timeName):
		t, i, ok = d.quickTime(b, scan.Member(b, i+len(timeName)))
	default:
		return i, false
	}
	if !ok {
		return i, false
	}
	if i = scan.Space(b, i); i >= len(b) || b[i] != '}' {
		return i, false
	}
	d.fixed = true
	d.add(i, t, v)
	return i + 1, true
}

// add adds a measure that has been read up to a place in the body.
func (d *Decoder) add(i int, t int64, v float64) {
	if len(d.Times) == cap(d.Times) || len(d.Values) == cap(d.Values) {
		d.grow(i)
	}
	d.Times, d.Values = append(d.Times, t), append(d.Values, v)
}

// grow makes room for as many measures as the rest of the body may have, if they are like those before, but for not many more than there
// are: a body that begins with little things must not take room for large ones.
func (d *Decoder) grow(i int) {
	n, rest := len(d.Times), len(d.body)-i
	more := min(int(float64(rest)/float64(i)*float64(n+1)*1.05)+16, max(4*n, 1024))
	d.Times, d.Values = slices.Grow(d.Times, more), slices.Grow(d.Values, more)
}

// quickTime reads a time of the format of the list, and where it is the first of it sets that format.
func (d *Decoder) quickTime(b []byte, i int) (t int64, end int, ok bool) {
	format := when.ISO
	if i < len(b) && b[i] != '"' {
		format = when.Number
		t, end, ok = quickSeconds(b, i)
	} else if t, end, ok = when.Usual(b, i+1); ok {
		ok = end < len(b) && b[end] == '"'
		end++
	}
	if !ok || t > LastTime || d.fixed && d.format != format {
		return 0, end, false
	}
	d.format = format
	return t, end, true
}

// quickSeconds reads seconds, with up to nine decimals, into nanoseconds.
func quickSeconds(b []byte, i int) (t int64, end int, ok bool) {
	end, secs := line.Digits(b, i)
	n := end - i
	if n == 0 || n > 10 || n > 1 && b[i] == '0' || secs > LastTime/second {
		return 0, end, false
	}
	t = int64(secs) * second
	if end < len(b) && b[end] == '.' {
		from := end + 1
		behind, part := line.Digits(b, from)
		n = behind - from
		if n == 0 || n > 9 {
			return 0, behind, false
		}
		end = behind
		t += int64(part) * tens[9-n]
	}
	return t, end, end < len(b) && b[end]|0x20 != 'e'
}

var tens = [9]int64{1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8}

// slow reads a measure of any form. What is wrong with it is noted as the fault of its list.
func (d *Decoder) slow(i int) (end int, err error) {
	b := d.body
	if i >= len(b) || b[i] != '{' {
		if end, err = pyjson.Skip(b, i, d.depth+1); err == nil {
			d.wrong(wrongFormat, badFormat)
		}
		return end, err
	}
	var time, value []byte
	own := len(d.own)
	end, err = d.object(i, func(name part, i int) (int, error) {
		end, err := pyjson.Skip(b, i, d.depth+2)
		if err != nil {
			return end, err
		}
		switch string(d.text(name)) {
		case "timestamp":
			time = b[i:end]
		case "value":
			value = b[i:end]
		}
		return end, nil
	})
	d.own = d.own[:own]
	if err != nil {
		return end, err
	}
	t, timed := d.time(time)
	v, valued := d.value(value)
	if timed && valued {
		d.add(end, t, v)
	}
	return end, nil
}

// time reads the time of a measure, a JSON value that may be missing.
func (d *Decoder) time(raw []byte) (t int64, ok bool) {
	if raw == nil {
		d.wrong(wrongFormat, badFormat+": a measure has no timestamp")
		return 0, false
	}
	text, bare, ok := d.scalar(raw)
	if !ok {
		d.wrong(wrongFormat, badFormat)
		return 0, false
	}
	if !d.fixed {
		d.fixed, d.format = true, when.FormatOf(text)
	}
	format := d.format
	if bare && format == when.ISO {
		format = when.Number // a number never is a date
	}
	t, err := format.Timestamp(text, d.now)
	switch e, _ := err.(*when.TimeError); { //nolint:errorlint // it is theirs, as it was made
	case err == nil && t > LastTime:
		d.badTime(wrongTime, fmt.Sprintf("Timestamp %q is beyond %s, the last one that can be stored", edge.Shorten(text, 100), when.AppendTime(nil, LastTime)))
	case err == nil:
		return t, true
	case e.Why == when.Unreadable:
		d.badTime(noTime, err)
	default:
		d.badTime(wrongTime, err)
	}
	return 0, false
}

// scalar is the text of a string, of a number, or of what a truth value counts as. bare says that it is no string.
func (d *Decoder) scalar(raw []byte) (text string, bare, ok bool) {
	switch raw[0] {
	case '"':
		var err error
		d.scratch, _, err = pyjson.AppendUnquoted(d.scratch[:0], raw, 0)
		return string(d.scratch), false, err == nil
	case 't':
		return "1", true, true
	case 'f':
		return "0", true, true
	case '{', '[', 'n':
		return "", true, false
	}
	return string(raw), true, true
}

// value reads the value of a measure, a JSON value that may be missing: all that Python's float takes.
func (d *Decoder) value(raw []byte) (v float64, ok bool) {
	if raw != nil {
		var text string
		var bare bool
		if text, bare, ok = d.scalar(raw); ok {
			if v, ok = when.Float(text); ok && bare && v-v != 0 && pyjson.Number(text).IsInt() {
				ok = false // a whole number is not infinite because it is large
			}
		}
	}
	if !ok {
		d.wrong(wrongValue, badValue)
	}
	return v, ok
}
