package line

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unsafe"

	"github.com/influxdata/line-protocol/v2/lineprotocol"

	"granary/measures"
	"granary/metricdef"
)

// maxFields bounds the mapped fields of one line.
const maxFields = 256

// scratch is the memory of the slow path. Strings in tags and series borrow text.
type scratch struct {
	text  []byte // measurement, tags and metric names, without escapes
	spans []span // of the tags in text
	// measured is where the measurement ends in text.
	measured int
	tags     []metricdef.Tag
	series   Series
	values   []value
	key      []byte
	all      []metricdef.Tag // of the series, where somebody asked
	// refused are fields of an Exact mapping.
	refused []refusedField
	raw     [][]byte // keys of the fields

	wanted   bool // the mapping wants the measurement
	time     int64
	fields   int
	unmapped int
}

type span struct{ name, equals, end int }

type value struct {
	name  span // of the metric, from name to end
	field span // from name to end
	v     float64
	kind  metricdef.Kind // of a Typed mapping; 0 is a float
	is    string         // of an Exact one: the type of the field
	whole int64          // KindInt
	text  string         // KindText

	takes  bool   // the mapping may have a source for it
	source Source // that the sample is handed over with, nil if with none
	alone  bool   // there is no metric of its own for it
}

// number is the value as a float. REQUIRES: it is no text.
func (v *value) number() float64 {
	if v.kind == metricdef.KindInt {
		return float64(v.whole)
	}
	return v.v
}

func (s *scratch) release() {
	clear(s.tags[:cap(s.tags)])
	clear(s.values[:cap(s.values)])
	s.series.reset()
	clear(s.series.Tags[:cap(s.series.Tags)])
	clear(s.series.Plain[:cap(s.series.Plain)])
	clear(s.all[:cap(s.all)])
	clear(s.raw[:cap(s.raw)])
}

// borrow is b as a string that is valid as long as b does not change.
func borrow(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// entry takes the next line through the library. Its error is an *AbortError of the mapping.
func (d *Decoder) entry() error {
	start, line := d.pos, d.line
	text := d.body[start:]
	if i := bytes.IndexByte(text, '\n'); i >= 0 {
		text = text[:i+1]
	}
	d.pos += len(text)
	d.line++
	if blank(text) {
		return nil
	}
	d.tally.Lines++
	d.tally.Parsed++
	if n := len(bytes.TrimSuffix(text, newline)); n > d.o.MaxLine {
		d.malformed(line, start, fmt.Sprintf("at line %d:1: line of %d bytes, the limit is %d (setting granary.limits.line)", line, n, d.o.MaxLine))
		return nil
	}
	if d.unwanted(text) {
		d.tally.ignore(measures.UnknownMetric, 1, line, start)
		return nil
	}

	if d.tally.First != nil && bytes.IndexByte(text, '=') < 0 {
		d.tally.Malformed++ // no field; what the library would say of it, nobody hears
		return nil
	}

	open, err := d.read(lineprotocol.NewDecoderWithBytes(text), bytes.IndexByte(text, '"') >= 0)
	if open && d.pos < len(d.body) && d.ahead > 0 {
		// A string runs over the end of the line. If it ends within the limit, all these lines are one.
		r := &lineReader{body: d.body[start:min(len(d.body), start+d.o.MaxLine)], whole: start+d.o.MaxLine >= len(d.body)}
		if stillOpen, longErr := d.read(lineprotocol.NewDecoder(r), true); !stillOpen {
			err, text = longErr, d.body[start:start+r.pos]
			d.pos = start + r.pos
			d.line = line + bytes.Count(text, newline)
		} else {
			d.ahead -= r.pos // wasted; see DESIGN.md
		}
	}

	if err == nil {
		err = d.emit(text, start, line)
	}
	if p := d.part; p != nil && len(p.at) > 0 && int(p.at[len(p.at)-1]) == start {
		p.Batch.Bytes += int64(len(text))
		if d.line > line+1 {
			p.spread = append(p.spread, spread{start, int64(len(text))})
		}
	}
	if err != nil {
		return d.reject(err, text, start, line)
	}
	return nil
}

// reject counts a line that gave nothing to store.
func (d *Decoder) reject(err error, text []byte, start, line int) error {
	var ignore Ignore
	var abort *AbortError
	switch {
	case errors.As(err, &ignore):
		d.tally.ignore(measures.Reason(ignore), 1, line, start)
	case errors.As(err, &abort):
		return abort
	case d.tally.First != nil:
		d.tally.Malformed++ // only the first is described
	default:
		d.malformed(line, start, describe(err, text, line))
	}
	return nil
}

var newline = []byte{'\n'}

func (d *Decoder) malformed(line, start int, reason string) {
	d.tally.Malformed++
	if d.tally.First == nil {
		d.tally.First = &Error{Line: line, Text: shorten(d.body[start:]), Reason: reason}
	}
}

// blank says whether a line holds nothing, or a comment that the library would skip.
func blank(text []byte) bool {
	text = bytes.TrimLeft(text, " ")
	if text = bytes.TrimSuffix(text, newline); len(text) > 0 && text[len(text)-1] == '\r' {
		text = text[:len(text)-1]
	}
	if len(text) == 0 {
		return true
	}
	return text[0] == '#' && !slices.ContainsFunc(text, func(c byte) bool { return c < ' ' || c == 0x7f })
}

// unwanted says whether a line belongs to a measurement that is not wanted, as far as that can be told without the
// library: the measurement is plain ASCII, and no string can run over the end of the line.
func (d *Decoder) unwanted(text []byte) bool {
	end := bytes.IndexAny(text, ", ")
	if end <= 0 || text[0] == '#' {
		return false
	}
	for _, c := range text[:end] {
		if c <= ' ' || c >= 0x7f || c == '\\' {
			return false
		}
	}
	if text[end] == ',' && (end+1 == len(text) || bytes.IndexByte([]byte(" \r\n"), text[end+1]) >= 0) {
		return false // the library says what is wrong
	}
	name := borrow(text[:end])
	return !d.m.Wanted(name) && !d.takes(name, "") && bytes.IndexByte(text[end:], '"') < 0
}

// takes says whether samples may be made of those of a field, or of any of the measurement if there is none.
func (d *Decoder) takes(measurement, field string) bool {
	return d.derive != nil && d.derive.Takes(measurement, field)
}

// read takes one line apart into d.parse. The error says why there is nothing to store: an Ignore, an *AbortError, or
// what is wrong with the line. open says that a string is not closed where the input ends; it is looked for, behind what
// is ignored, if the line is quoted.
func (d *Decoder) read(in *lineprotocol.Decoder, quoted bool) (open bool, err error) {
	if err = d.readLine(in); err == nil {
		return false, nil
	}
	var ignore Ignore
	if quoted && errors.As(err, &ignore) {
		_, rest := in.TimeBytes()
		return unclosed(rest), err
	}
	return unclosed(err), err
}

func (d *Decoder) readLine(in *lineprotocol.Decoder) error {
	s := &d.parse
	s.text, s.spans, s.tags, s.values = s.text[:0], s.spans[:0], s.tags[:0], s.values[:0]
	s.all, s.refused, s.fields, s.unmapped = s.all[:0], s.refused[:0], 0, 0
	s.series.reset()

	if !in.Next() {
		return errNothing
	}
	name, err := in.Measurement()
	if err != nil {
		return err
	}
	if s.wanted = d.m.Wanted(borrow(name)); !s.wanted && !d.takes(borrow(name), "") {
		return Ignore(measures.UnknownMetric)
	}
	s.text = append(s.text, name...)
	measured := len(s.text)
	for {
		k, v, err := in.NextTag()
		if err != nil {
			return err
		}
		if k == nil {
			break
		}
		at := len(s.text)
		s.text = append(append(s.text, k...), v...)
		s.spans = append(s.spans, span{at, at + len(k), len(s.text)})
	}
	for _, p := range s.spans {
		s.tags = append(s.tags, metricdef.Tag{Name: borrow(s.text[p.name:p.equals]), Value: borrow(s.text[p.equals:p.end])})
	}
	if err := d.m.Series(borrow(s.text[:measured]), s.tags, &s.series); err != nil {
		return err
	}
	s.measured = measured
	if err := d.readFields(in); err != nil {
		return err
	}
	digits, err := in.TimeBytes()
	if err != nil {
		return err
	}
	if s.time, err = d.time.parse(digits); err != nil {
		return &timeError{text: bytes.Clone(digits), err: err}
	}
	return nil
}

// errNothing cannot come up: blank lines do not get as far as the library.
var errNothing = errors.New("no line found")

// readFields gathers the mapped fields of a line. Of fields that stand for the same metric the last counts. Names go
// behind what s.text holds already; strings that were borrowed from it stay valid, for they are only added to.
func (d *Decoder) readFields(in *lineprotocol.Decoder) error {
	s := &d.parse
	measurement := borrow(s.text[:s.measured])
next:
	for {
		k, field, err := in.NextField()
		if err != nil {
			return err
		}
		if k == nil {
			return nil
		}
		s.fields++
		v, become := d.valueOf(field)
		switch become {
		case Pass:
			s.unmapped++
			continue
		case Refuse:
			s.refused = append(s.refused, refusedField{name: s.keep(k), is: v.is})
			continue
		}
		at := len(s.text)
		text, ok := s.text, false
		if s.wanted {
			text, ok = d.m.Metric(text, measurement, borrow(k))
		}
		v.takes = v.kind != metricdef.KindText && d.takes(measurement, borrow(k))
		if v.alone = !ok; v.alone && !v.takes {
			s.unmapped++
			continue
		}
		v.name = span{name: at, end: len(text)}
		text = append(text, k...)
		v.field = span{name: v.name.end, end: len(text)}
		for i := range s.values {
			if o := &s.values[i]; v.replaces(o, text) {
				v.name, v.field = o.name, o.field
				*o = v
				continue next
			}
		}
		if len(s.values) == maxFields {
			return fmt.Errorf("more than %d fields", maxFields)
		}
		s.text = text
		s.values = append(s.values, v)
	}
}

// replaces says whether v, which stands behind o, is another value of what o is a value of. text holds the names.
func (v *value) replaces(o *value, text []byte) bool {
	if v.alone || o.alone {
		return v.alone && o.alone && string(text[v.field.name:v.field.end]) == string(text[o.field.name:o.field.end])
	}
	return string(text[v.name.name:v.name.end]) == string(text[o.name.name:o.name.end]) && (v.kind == metricdef.KindText) == (o.kind == metricdef.KindText)
}

// keep puts the name of a field behind what s.text holds.
func (s *scratch) keep(name []byte) span {
	at := len(s.text)
	s.text = append(s.text, name...)
	return span{name: at, end: len(s.text)}
}

// valueOf is the value of a field, and what becomes of it.
func (d *Decoder) valueOf(field lineprotocol.Value) (value, Treatment) {
	switch field.Kind() {
	case lineprotocol.Float:
		return value{v: field.FloatV(), is: typeFloat}, Take
	case lineprotocol.Int:
		if d.typed {
			return value{kind: metricdef.KindInt, whole: field.IntV(), is: typeInteger}, Take
		}
		return value{v: float64(field.IntV())}, Take
	case lineprotocol.Uint:
		u := field.UintV()
		switch {
		case d.typed && u <= math.MaxInt64:
			return value{kind: metricdef.KindInt, whole: int64(u), is: typeInteger}, Take
		case d.isExact:
			return value{is: typeUnsigned}, Refuse
		}
		return value{v: float64(u)}, Take
	case lineprotocol.String:
		switch {
		case !d.typed:
		case d.exact.Strings == Take:
			return value{kind: metricdef.KindText, text: strings.Clone(field.StringV()), is: typeString}, Take
		default:
			return value{is: typeString}, d.exact.Strings
		}
	case lineprotocol.Bool:
		switch {
		case !d.typed:
		case d.exact.Booleans != Take:
			return value{is: typeBoolean}, d.exact.Booleans
		case field.BoolV():
			return value{v: 1, is: typeBoolean}, Take
		default:
			return value{is: typeBoolean}, Take
		}
	}
	return value{}, Pass
}

// emit puts the samples of the line in d.parse into the part of their tenant.
func (d *Decoder) emit(text []byte, start, line int) error {
	s := &d.parse
	def := metricdef.Draft{
		Identity: metricdef.Identity{Tenant: s.series.Tenant, Type: s.series.Type, Tags: s.series.Tags},
		Plain:    s.series.Plain,
		Unit:     s.series.Unit,
		Dialect:  d.m.Dialect(),
	}
	d.findSources()
	if !s.wanted && len(s.values) == 0 {
		return Ignore(measures.UnknownMetric)
	}
	for i := range s.values {
		if s.values[i].alone {
			continue
		}
		s.define(&def, &s.values[i])
		if err := def.Validate(); err != nil {
			return err
		}
	}
	for i := range s.refused {
		d.refuseField(&s.refused[i], line, start)
	}
	if s.unmapped > 0 {
		d.tally.ignore(measures.UnmappedField, s.unmapped, line, start)
	}
	if reason, ok := d.time.check(s.time); !ok {
		if n := len(s.values); n > 0 {
			d.tally.ignore(reason, n, line, start)
		}
		return nil
	}
	if len(s.values) > 0 {
		if p := d.partOf(def.Tenant); len(bytes.TrimSuffix(text, newline)) > p.maxLine {
			d.tally.ignore(measures.LineLimit, len(s.values), line, start)
			p.TooLong += len(s.values)
			return nil
		}
	}
	raw := d.keysOf(text)
	for i := range s.values {
		v := &s.values[i]
		d.part = d.partOf(def.Tenant)
		if v.source != nil && !d.again {
			d.o.Derived(v.source, s.time, v.number())
		}
		key := known{tenant: def.Tenant, row: len(d.part.at), line: start, nth: i, takes: v.takes, source: v.source}
		if v.alone {
			key.ref = alone
		} else {
			s.define(&def, v)
			s.key = metricdef.AppendKey(s.key[:0], def.Name, def.Tags)
			var ok bool
			if key.ref, ok = d.defs.Resolve(def.Tenant, def.Type, s.key); ok {
				d.part.addValue(key.ref, nil, s.time, v, start)
			} else if was, ok := d.conflicts(&def, s.key); ok {
				d.refuseField(&refusedField{name: v.field, is: v.is, was: was}, line, start)
				raw = nil
				continue
			} else {
				d.part.addValue(0, &measures.Draft{Def: clone(&def)}, s.time, v, start)
			}
		}
		if v.kind == metricdef.KindText {
			raw = nil // what a number in its place stands for is another series
		}
		if len(raw) > 0 {
			key.key = raw[i]
			d.part.resolved = append(d.part.resolved, key)
		}
	}
	return nil
}

// findSources asks for the sources of the values in d.parse. Those that are neither stored nor handed over are unmapped.
func (d *Decoder) findSources() {
	s := &d.parse
	if d.derive == nil {
		return
	}
	kept := s.values[:0]
	for _, v := range s.values {
		if v.takes {
			v.source = d.sourceOf(&v)
			if v.source == nil && v.alone {
				s.unmapped++
				continue
			}
			v.alone = v.alone || v.source != nil && !v.source.Keep()
		}
		kept = append(kept, v)
	}
	s.values = kept
}

// sourceOf is what the samples of the field of a value are handed over with.
func (d *Decoder) sourceOf(v *value) Source {
	s := &d.parse
	if len(s.all) == 0 {
		s.all = mergeTags(s.all, s.series.Tags, s.series.Plain)
	}
	return d.derive.Source(s.series.Tenant, borrow(s.text[:s.measured]), borrow(s.text[v.field.name:v.field.end]), s.all)
}

// mergeTags appends two lists of tags, sorted by name and without a name in common, as one.
func mergeTags(dst, a, b []metricdef.Tag) []metricdef.Tag {
	for len(a) > 0 && len(b) > 0 {
		if a[0].Name < b[0].Name {
			dst, a = append(dst, a[0]), a[1:]
		} else {
			dst, b = append(dst, b[0]), b[1:]
		}
	}
	return append(append(dst, a...), b...)
}

// define gives the definition what one value of the line decides. A text makes a series of texts, which is another than
// that of numbers under the same name.
func (s *scratch) define(def *metricdef.Draft, v *value) {
	def.Name = borrow(s.text[v.name.name:v.name.end])
	def.Type, def.Kind = s.series.Type, v.kind
	switch {
	case v.kind == metricdef.KindText:
		def.Type = metricdef.String
	case v.kind == 0 && def.Type == metricdef.Counter:
		def.Kind = metricdef.KindFloat
	}
}

// keyOf is what the cache may remember of a line that the library has understood, nil if nothing. Everything up to the
// "=" of a field decides what the library makes of it, whatever comes behind: so if the line has one field, and no
// escapes that could hide a space, a line with the same beginning belongs to the same series.
func (d *Decoder) keyOf(text []byte) []byte {
	if d.o.Cache == nil || d.parse.fields != 1 {
		return nil
	}
	key := text[:keySize(text)]
	if len(key) == 0 || bytes.IndexByte(key, '\\') >= 0 {
		return nil
	}
	return key
}

// clone copies a draft whose strings are borrowed, in three allocations.
func clone(f *metricdef.Draft) metricdef.Draft {
	size := len(f.Name) + len(f.Unit)
	for _, t := range f.Tags {
		size += len(t.Name) + len(t.Value)
	}
	for _, t := range f.Plain {
		size += len(t.Name) + len(t.Value)
	}
	text := make([]byte, 0, size)
	own := func(s string) string {
		at := len(text)
		text = append(text, s...)
		return borrow(text[at:])
	}
	tags := make([]metricdef.Tag, 0, len(f.Tags)+len(f.Plain))
	for _, t := range f.Tags {
		tags = append(tags, metricdef.Tag{Name: own(t.Name), Value: own(t.Value)})
	}
	for _, t := range f.Plain {
		tags = append(tags, metricdef.Tag{Name: own(t.Name), Value: own(t.Value)})
	}
	c := *f
	c.Name, c.Unit = own(f.Name), own(f.Unit)
	c.Tags, c.Plain = tags[:len(f.Tags):len(f.Tags)], tags[len(f.Tags):]
	return c
}
