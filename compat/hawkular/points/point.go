package points

import (
	"slices"
	"unsafe"

	"granary/api/edge/scan"
	"granary/measures"
	"granary/measures/ingest/line"
	"granary/metricdef"
)

// The fast way through a point: {"timestamp": 1, "value": 2}, its members in either order, with or without blanks, its numbers
// as numbers or as texts, and nothing else in it. Where it says no, the slow way reads the point from its beginning: what is wrong
// is found there and nowhere else.

const (
	timeName  = `"timestamp"`
	valueName = `"value"`

	// What stands in front of the numbers of a point without blanks.
	usualTime  = `{"timestamp":`
	usualValue = `,"value":`
)

// quick reads a point and adds it.
func (d *Decoder) quick(b []byte, i int) (end int, ok bool) {
	if i >= len(b) || b[i] != '{' {
		return i, false
	}
	if d.typ == metricdef.Gauge && scan.At(b, i, usualTime) { // as most points are
		if t, j, ok := quickTime(b, i+len(usualTime)); ok && scan.At(b, j, usualValue) {
			if v, j, ok := scan.Float(b, j+len(usualValue)); ok && j < len(b) {
				switch b[j] {
				case '}':
					d.add(j, t, v)
					return j + 1, true
				case ',': // there is more in it, which is not for this way
					return j, false
				}
			}
		}
	}
	var t int64
	var v float64
	var text []byte
	i = skipSpace(b, i+1)
	timed := scan.At(b, i, timeName)
	switch {
	case timed:
		t, i, ok = quickTime(b, scan.Member(b, i+len(timeName)))
	case scan.At(b, i, valueName):
		v, text, i, ok = d.quickValue(b, scan.Member(b, i+len(valueName)))
	}
	if i = skipSpace(b, i); !ok || i >= len(b) || b[i] != ',' {
		return i, false
	}
	i = skipSpace(b, i+1)
	switch {
	case timed && scan.At(b, i, valueName):
		v, text, i, ok = d.quickValue(b, scan.Member(b, i+len(valueName)))
	case !timed && scan.At(b, i, timeName):
		t, i, ok = quickTime(b, scan.Member(b, i+len(timeName)))
	default:
		return i, false
	}
	if i = skipSpace(b, i); !ok || i >= len(b) || b[i] != '}' {
		return i, false
	}
	if d.typ == metricdef.String {
		d.Texts = append(d.Texts, Text{len(d.Times), string(text)})
	}
	d.add(i, t, v)
	return i + 1, true
}

// quickTime reads a time in milliseconds, a number or a text of digits.
func quickTime(b []byte, i int) (t int64, end int, ok bool) {
	var ms uint64
	if i < len(b) && b[i] == '"' {
		end, ms = line.Digits(b, i+1)
		n := end - i - 1
		return int64(ms) * nanos, end + 1, n > 0 && n <= 18 && ms <= MaxTime && end < len(b) && b[end] == '"'
	}
	ms, end, ok = scan.Uint(b, i)
	return int64(ms) * nanos, end, ok && ms <= MaxTime
}

// quickValue reads a value of the type.
func (d *Decoder) quickValue(b []byte, i int) (v float64, text []byte, end int, ok bool) {
	if i >= len(b) {
		return 0, nil, i, false
	}
	switch d.typ {
	case metricdef.Gauge:
		if b[i] != '"' {
			v, end, ok = scan.Float(b, i)
			return v, nil, end, ok
		}
		v, end, ok = scan.Float(b, i+1)
	case metricdef.Counter:
		var n int64
		if b[i] != '"' {
			n, end, ok = scan.Int(b, i)
			return measures.IntWord(n), nil, end, ok
		}
		n, end, ok = scan.Int(b, i+1)
		v = measures.IntWord(n)
	case metricdef.Availability:
		if text, end, ok = scan.Text(b, i); !ok {
			return 0, nil, end, false
		}
		state, err := metricdef.ParseState(unsafe.String(unsafe.SliceData(text), len(text)))
		return float64(state), nil, end, err == nil
	default:
		text, end, ok = scan.Text(b, i)
		return 0, text, end, ok && len(text) <= MaxCharacters && len(text) <= d.o.MaxText
	}
	return v, nil, end + 1, ok && end < len(b) && b[end] == '"'
}

// add adds a point that has been read up to a place in the body.
func (d *Decoder) add(i int, t int64, v float64) {
	if len(d.Times) == cap(d.Times) || len(d.Values) == cap(d.Values) {
		d.grow(i)
	}
	d.Times, d.Values = append(d.Times, t), append(d.Values, v)
}

// smallestPoint is {"timestamp":0,"value":0} and a comma.
const smallestPoint = 26

// grow makes room for as many points as the rest of the body may have, if they are like those before.
func (d *Decoder) grow(i int) {
	n, rest := len(d.Times), len(d.body)-min(i, len(d.body))
	more := rest/smallestPoint + 1
	if n > 0 {
		more = min(more, int(float64(rest)/float64(i)*float64(n)*1.1)+16)
	}
	more = min(more, max(n, 1024)) // a body that begins with little things must not take room for large ones
	d.Times, d.Values = slices.Grow(d.Times, more), slices.Grow(d.Values, more)
}

// slow reads a point of any form and adds it.
func (d *Decoder) slow(i, n int) (end int, err error) {
	b := d.body
	if i >= len(b) || b[i] != '{' {
		raw, end, err := d.value(i)
		if err == nil {
			err = d.wrongPoint(n, "", "%s is not a point, {\"timestamp\": …, \"value\": …}", shorten(string(raw)))
		}
		return end, err
	}
	var time, value []byte
	tagged := false
	d.pairs = d.pairs[:0]
	end, err = d.object(i, func(name []byte, i int) (end int, err error) {
		switch string(name) {
		case "timestamp":
			if time != nil {
				return i, d.wrongPoint(n, "timestamp", textTwice)
			}
			time, i, err = d.member(i, n, "timestamp")
		case "value":
			if value != nil {
				return i, d.wrongPoint(n, "value", textTwice)
			}
			value, i, err = d.member(i, n, "value")
		case "tags":
			if tagged {
				return i, d.wrongPoint(n, "tags", textTwice)
			}
			tagged = true
			i, err = d.tags(i, n)
		default:
			_, i, err = d.value(i)
		}
		return i, err
	})
	if err != nil {
		return end, err
	}
	t, err := d.time(n, time)
	if err != nil {
		return end, err
	}
	v, text, err := d.pointValue(n, value)
	if err != nil {
		return end, err
	}
	if err := d.addTags(n); err != nil {
		return end, err
	}
	if d.typ == metricdef.String {
		d.Texts = append(d.Texts, Text{len(d.Times), text})
	}
	d.add(end, t, v)
	return end, nil
}
