package line

import (
	"bytes"
	"fmt"

	"github.com/influxdata/line-protocol/v2/lineprotocol"

	"granary/measures"
	"granary/metricdef"
)

// FieldError is a field of which no value was stored since it is not of a type that it may have.
type FieldError struct {
	Line               int    // its number in the body, from 1
	Measurement, Field string // cut to maxText bytes
	Is                 string // the type of the value: float, integer, unsigned, string, boolean
	Was                string // the type that the field has; "": values of type Is are not taken at all
}

func (e *FieldError) Error() string {
	switch {
	case e.Was != "":
		return fmt.Sprintf("field type conflict: input field %q on measurement %q is type %s, already exists as type %s", e.Field, e.Measurement, e.Is, e.Was)
	case e.Is == typeUnsigned:
		return fmt.Sprintf("input field %q on measurement %q is type unsigned and above 9223372036854775807, which is the largest whole number that is stored", e.Field, e.Measurement)
	}
	return fmt.Sprintf("input field %q on measurement %q is type %s, which is refused", e.Field, e.Measurement, e.Is)
}

// The types of fields.
const (
	typeFloat    = "float"
	typeInteger  = "integer"
	typeUnsigned = "unsigned"
	typeString   = "string"
	typeBoolean  = "boolean"
)

// refusedField is a field of the line in d.parse that is refused for its type.
type refusedField struct {
	name    span
	is, was string
}

// refuseField counts a field of the line in d.parse.
func (d *Decoder) refuseField(f *refusedField, line, at int) {
	d.tally.ignore(measures.WrongKind, 1, line, at)
	d.showField(f, line)
}

// showField keeps the first field that was refused.
func (d *Decoder) showField(f *refusedField, line int) {
	if d.tally.Field != nil {
		return
	}
	s := &d.parse
	d.tally.Field = &FieldError{Line: line, Measurement: shorten(s.text[:s.measured]), Field: shorten(s.text[f.name.name:f.name.end]), Is: f.is, Was: f.was}
}

// conflicts says whether the field of a value exists with a type that its values are not of: numbers and texts are different series under
// one name, which no field is. REQUIRES: the series of def does not exist.
func (d *Decoder) conflicts(def *metricdef.Draft, key []byte) (was string, ok bool) {
	if !d.isExact {
		return "", false
	}
	if def.Type != metricdef.String {
		_, ok = d.defs.Resolve(def.Tenant, metricdef.String, key)
		return typeString, ok
	}
	_, ok = d.defs.Resolve(def.Tenant, d.parse.series.Type, key)
	return "number", ok
}

// showRow keeps the field of a row that the store refused for its kind, if it is the first: it is looked for in its line once more.
func (d *Decoder) showRow(p *Part, row int) {
	if d.tally.Field != nil || !d.isExact {
		return
	}
	at, size := p.Piece(row)
	nth := 0
	for row-nth > 0 && int(p.at[row-nth-1]) == at {
		nth++
	}
	if d.readLine(lineprotocol.NewDecoderWithBytes(d.body[at:at+int(size)])) != nil {
		return
	}
	d.findSources()
	for i := range d.parse.values {
		v := &d.parse.values[i]
		if v.alone {
			continue
		}
		if nth == 0 {
			was := typeInteger
			if v.kind == metricdef.KindInt {
				was = typeFloat
			}
			d.showField(&refusedField{name: v.field, is: v.is, was: was}, 1+bytes.Count(d.body[:at], newline))
			return
		}
		nth--
	}
}
