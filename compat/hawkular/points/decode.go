package points

import (
	"bytes"
	"math"

	"github.com/go-json-experiment/json/jsontext"

	"granary/api/edge/scan"
	"granary/metricdef"
)

func skipSpace(b []byte, i int) int { return scan.Space(b, i) }

// The work of a byte of JSON, in units of turns, and of one that the slow way reads; and after how many bytes it is paid for.
const (
	workOfByte  = 2
	workOfSlow  = 20
	bytesInTurn = 24 << 10
)

// pace lets others have their turns. The work is done up to a place in the body.
func (d *Decoder) pace(i int) {
	if i-d.paced >= bytesInTurn {
		d.turn.Spent(int64(min(i-d.paced, 2*bytesInTurn))*workOfByte + int64(min(d.strict, 2*bytesInTurn))*(workOfSlow-workOfByte))
		d.paced, d.strict = i, 0
	}
}

// mixed reads lists of metrics by type. Where a member of another name is a list or an object, it is refused, as
// its points would be lost; anything else is passed over, as the peers do.
func (d *Decoder) mixed(i int) (end int, err error) {
	b := d.body
	if b[i] != '{' {
		if end, empty, err := d.nothing(i); empty || err != nil {
			return end, err
		}
		return i, d.wrong("", "", "the body is an object of lists: gauges, counters, availabilities, strings")
	}
	var seen [lists]bool
	return d.object(i, func(name []byte, i int) (int, error) {
		for l := gaugeList; l < lists; l++ {
			if string(name) != listNames[l] {
				continue
			}
			if seen[l] {
				return i, d.wrong("", listNames[l], textTwice)
			}
			seen[l] = true
			d.typ = listTypes[l]
			return d.metrics(i, l)
		}
		v, end, err := d.value(i)
		if err != nil || v[0] != '[' && v[0] != '{' {
			return end, err
		}
		return i, d.wrong("", "", "%q is none of the members of this body, which are gauges, counters, availabilities, strings", shorten(string(name)))
	})
}

// nothing reads null or [], a body or list without anything.
func (d *Decoder) nothing(i int) (end int, empty bool, err error) {
	v, end, err := d.value(i)
	if err != nil {
		return end, false, err
	}
	return end, v[0] == 'n' || v[0] == '[' && v[skipSpace(v, 1)] == ']', nil
}

// metrics reads a list of metrics.
func (d *Decoder) metrics(i int, l list) (end int, err error) {
	b := d.body
	d.list = l
	if i >= len(b) || b[i] != '[' {
		d.at = -1
		end, empty, err := d.nothing(i)
		if err == nil && !empty {
			what := ""
			if l == unnamed {
				what = "the body "
			}
			err = d.wrong(listNames[l], "", "%sis not a list of metrics, [{\"id\": …, \"data\": […]}]", what)
		}
		return end, err
	}
	if i = skipSpace(b, i+1); i < len(b) && b[i] == ']' {
		return i + 1, nil
	}
	for d.at = 0; ; d.at++ {
		if i, err = d.metric(i); err != nil {
			return i, err
		}
		d.Listed++
		d.pace(i)
		more := false
		if i, more, err = d.next(i, ']'); !more || err != nil {
			return i, err
		}
	}
}

// next finds what stands behind an element: the next one, or the end of its list or object.
func (d *Decoder) next(i int, closing byte) (end int, more bool, err error) {
	b := d.body
	if i = skipSpace(b, i); i < len(b) {
		switch b[i] {
		case ',':
			return skipSpace(b, i+1), true, nil
		case closing:
			return i + 1, false, nil
		}
	}
	if i >= len(b) {
		return i, false, d.brokenAt(i, "it ends too early")
	}
	return i, false, d.brokenAt(i, "expected , or "+string(rune(closing)))
}

// object reads the members of the object at i.
func (d *Decoder) object(i int, member func(name []byte, i int) (int, error)) (end int, err error) {
	b := d.body
	if i = skipSpace(b, i+1); i < len(b) && b[i] == '}' {
		return i + 1, nil
	}
	for more := true; more; {
		var name []byte
		if name, i, err = d.name(i); err != nil {
			return i, err
		}
		if i, err = member(name, i); err != nil {
			return i, err
		}
		if i, more, err = d.next(i, '}'); err != nil {
			return i, err
		}
	}
	return i, nil
}

// name reads the name of a member, up to its value. It is valid until the next one is read.
func (d *Decoder) name(i int) (name []byte, end int, err error) {
	b := d.body
	if i >= len(b) || b[i] != '"' {
		return nil, i, d.brokenAt(i, "expected the name of a member")
	}
	name, end, ok := scan.Text(b, i)
	if !ok {
		var raw []byte
		if raw, end, err = d.value(i); err != nil {
			return nil, end, err
		}
		if d.scratch, err = jsontext.AppendUnquote(d.scratch[:0], raw); err != nil {
			return nil, i, d.libraryError(i, err)
		}
		name = d.scratch
	}
	if end = skipSpace(b, end); end >= len(b) || b[end] != ':' {
		return nil, end, d.brokenAt(end, "expected : behind the name of a member")
	}
	return name, skipSpace(b, end+1), nil
}

// value reads any JSON value.
func (d *Decoder) value(i int) (raw []byte, end int, err error) {
	b := d.body
	if i < len(b) {
		if _, end, ok := scan.Text(b, i); ok {
			return b[i:end], end, nil
		}
		if end, ok := scan.Number(b, i); ok {
			return b[i:end], end, nil
		}
	}
	// Members that are given twice matter only where they are read.
	dec := jsontext.NewDecoder(bytes.NewBuffer(b[min(i, len(b)):]), jsontext.AllowDuplicateNames(true))
	v, err := dec.ReadValue()
	if err != nil {
		return nil, i, d.libraryError(i, err)
	}
	end = i + int(dec.InputOffset())
	return b[end-len(v) : end], end, nil
}

// metric reads one metric with its points. Members that it does not know are passed over, tags among them: a body of points does not
// change what a metric is.
func (d *Decoder) metric(i int) (end int, err error) {
	b := d.body
	if i >= len(b) || b[i] != '{' {
		v, end, err := d.value(i)
		if err == nil {
			err = d.wrongMetric("", "%s is not a metric, {\"id\": …, \"data\": […]}", shorten(string(v)))
		}
		return end, err
	}
	from := i
	m := Metric{at: int32(i), first: int32(len(d.Times)), index: int32(d.at), list: d.list, Type: d.typ}
	hasID, hasData := false, false
	end, err = d.object(i, func(name []byte, i int) (int, error) {
		switch string(name) {
		case "id":
			if hasID {
				return i, d.wrongMetric("id", textTwice)
			}
			hasID = true
			return d.id(i, &m)
		case "data":
			if hasData {
				return i, d.wrongMetric("data", textTwice)
			}
			hasData = true
			return d.points(i, "data")
		}
		_, i, err := d.value(i)
		return i, err
	})
	switch {
	case err != nil:
		return end, err
	case !hasID:
		return end, d.wrongMetric("id", "is missing")
	case !hasData:
		return end, d.wrongMetric("data", "is missing")
	}
	if m.size = int32(end - from); len(d.Times) > int(m.first) {
		d.Metrics = append(d.Metrics, m)
	}
	return end, nil
}

// id reads the id of a metric.
func (d *Decoder) id(i int, m *Metric) (end int, err error) {
	if text, end, ok := scan.Text(d.body, i); ok {
		m.id, m.idn = int32(i+1), int32(len(text))
		return end, d.checkID(len(text))
	}
	raw, end, err := d.value(i)
	if err != nil {
		return end, err
	}
	if raw[0] != '"' {
		return end, d.wrongMetric("id", "%s is not a text", shorten(string(raw)))
	}
	from := len(d.own)
	if d.own, err = jsontext.AppendUnquote(d.own, raw); err != nil {
		return i, d.libraryError(i, err)
	}
	m.owned, m.id, m.idn = true, int32(from), int32(len(d.own)-from)
	return end, d.checkID(len(d.own) - from)
}

func (d *Decoder) checkID(size int) error {
	switch {
	case size == 0:
		return d.wrongMetric("id", "is empty")
	case size > metricdef.MaxText:
		return d.wrongMetric("id", "has %d bytes, at most %d are possible", size, metricdef.MaxText)
	}
	return nil
}

// one reads a body that is a list of points.
func (d *Decoder) one(i int, id string) (end int, err error) {
	d.own = append(d.own, id...)
	d.at = -1
	if end, err = d.points(i, ""); err != nil {
		return end, err
	}
	if len(d.Times) > 0 {
		d.Listed = 1
		d.Metrics = append(d.Metrics, Metric{size: int32(min(len(d.body), math.MaxInt32)), owned: true, idn: int32(len(id)), index: -1, Type: d.typ})
	}
	return end, nil
}

// points reads a list of points.
func (d *Decoder) points(i int, member string) (end int, err error) {
	b := d.body
	if i >= len(b) || b[i] != '[' {
		v, end, err := d.value(i)
		switch {
		case err != nil:
			return end, err
		case member == "" && v[0] == 'n': // a body that is null
			return end, nil
		case member == "":
			return end, d.wrong("", "", "the body is not a list of points, [{\"timestamp\": …, \"value\": …}]")
		}
		return end, d.wrongMetric(member, "%s is not a list of points, [{\"timestamp\": …, \"value\": …}]", shorten(string(v)))
	}
	if i = skipSpace(b, i+1); i < len(b) && b[i] == ']' {
		return i + 1, nil
	}
	for n := 0; ; n++ {
		end, ok := d.quick(b, i)
		if !ok {
			if end, err = d.slow(i, n); err != nil {
				return end, err
			}
			d.strict += end - i
		}
		if i = end; n%512 == 511 {
			d.pace(i)
		}
		if i+1 < len(b) && b[i] == ',' && b[i+1] == '{' { // as it mostly is
			i++
			continue
		}
		more := false
		if i, more, err = d.next(i, ']'); !more || err != nil {
			return i, err
		}
	}
}
