package points

import (
	"errors"
	"fmt"
	"math"
	"time"

	"granary/api/edge/scan"
	"granary/compat/gnocchi/pyjson"
	"granary/compat/gnocchi/schema"
	"granary/tenant/queue"
)

// One reads a list of measures, [{"timestamp", "value"}].
func (d *Decoder) One(body []byte, now time.Time, turn *queue.Turn) error {
	return d.read(body, now, turn, func(i int) (int, error) {
		d.depth = 0
		return d.list(i, part{})
	})
}

// Metrics reads lists of measures by metrics, {"UUID": [{"timestamp", "value"}]}.
func (d *Decoder) Metrics(body []byte, now time.Time, turn *queue.Turn) error {
	return d.read(body, now, turn, func(i int) (int, error) {
		d.depth = 1
		return d.object(i, func(name part, i int) (int, error) {
			id, ok := schema.UUID(string(d.text(name)))
			if !ok {
				return i, schema.At(&schema.Error{Text: "extra keys not allowed"}, string(d.text(name)), false)
			}
			end, err := d.list(i, name)
			if err != nil {
				return end, schema.At(err, string(d.text(name)), true)
			}
			d.Lists[len(d.Lists)-1].ID = id
			d.pace(end)
			return end, nil
		})
	})
}

// Resources reads lists of measures by resources and names, {"RESOURCE": {"NAME": [{"timestamp", "value"}]}}. In place of a list may
// stand {"archive_policy_name", "unit", "measures": […]}.
func (d *Decoder) Resources(body []byte, now time.Time, turn *queue.Turn) error {
	return d.read(body, now, turn, func(i int) (int, error) {
		d.depth = 2
		return d.object(i, func(resource part, i int) (int, error) {
			if len(d.resources) == MaxLists {
				return i, schema.Wrong(fmt.Sprintf("a body has at most %d resources", MaxLists))
			}
			d.resources = append(d.resources, resource)
			end, err := d.object(i, func(name part, i int) (int, error) {
				read := d.list
				if i < len(body) && body[i] == '{' {
					read = d.wrapped
				}
				end, err := read(i, name)
				if err != nil {
					return end, schema.At(err, string(d.text(name)), true)
				}
				d.Lists[len(d.Lists)-1].Resource = len(d.resources) - 1
				d.pace(end)
				return end, nil
			})
			if err != nil {
				return end, schema.At(err, string(d.text(resource)), true)
			}
			return end, nil
		})
	})
}

// wrapped reads a list of measures in an object with what a new metric is to have.
func (d *Decoder) wrapped(i int, name part) (end int, err error) {
	l := List{at: int32(i), first: int32(len(d.Times)), name: name}
	lists, measured := len(d.Lists), false
	d.depth++
	end, err = d.object(i, func(member part, i int) (int, error) {
		var to *string
		switch string(d.text(member)) {
		case "measures":
			measured = true
			end, err := d.list(i, name)
			if err != nil {
				return end, schema.At(err, "measures", true)
			}
			return end, nil
		case "archive_policy_name":
			to = &l.Policy
		case "unit":
			to = &l.Unit
		default:
			return i, schema.At(&schema.Error{Text: "extra keys not allowed"}, string(d.text(member)), false)
		}
		if i < len(d.body) && d.body[i] == '"' {
			d.scratch, end, err = pyjson.AppendUnquoted(d.scratch[:0], d.body, i)
			*to = string(d.scratch)
			return end, err
		}
		end, err := pyjson.Skip(d.body, i, d.depth)
		if err == nil {
			err = schema.At(schema.Wrong("expected str"), string(d.text(member)), true)
		}
		return end, err
	})
	d.depth--
	switch {
	case err != nil:
		return end, err
	case !measured:
		return end, schema.At(&schema.Error{Text: "required key not provided"}, "measures", false)
	}
	l.size = int32(end) - l.at
	d.Lists = append(d.Lists[:lists], l) // one, also of measures that are given twice
	return end, nil
}

// read reads a body. What is no JSON is found even behind what is wrong in another way, as the reference reads a body before it looks
// into it.
func (d *Decoder) read(body []byte, now time.Time, turn *queue.Turn, form func(i int) (int, error)) error {
	d.reset(body)
	d.now, d.turn = now, turn
	if len(body) > math.MaxInt32 {
		return &pyjson.SyntaxError{At: math.MaxInt32, Text: "the body is larger than what can be read at once"}
	}
	i, err := form(scan.Space(body, 0))
	if errors.As(err, new(*schema.Error)) {
		var broken error
		if i, broken = pyjson.Skip(body, scan.Space(body, 0), 0); broken != nil {
			return broken
		}
	} else if err != nil {
		return err
	}
	if i = scan.Space(body, i); i < len(body) {
		return broken(i, "there is something behind the value")
	}
	return err
}

func broken(i int, text string) error { return &pyjson.SyntaxError{At: i, Text: text} }

// next finds what stands behind an element: the next one, or the end of its list or object.
func (d *Decoder) next(i int, closing byte) (end int, more bool, err error) {
	b := d.body
	if i = scan.Space(b, i); i < len(b) {
		switch b[i] {
		case ',':
			return scan.Space(b, i+1), true, nil
		case closing:
			return i + 1, false, nil
		}
	}
	return i, false, broken(i, "a comma or "+string(rune(closing))+" is expected")
}

// object reads the members of the object at i.
func (d *Decoder) object(i int, member func(name part, i int) (int, error)) (end int, err error) {
	b := d.body
	if i >= len(b) || b[i] != '{' {
		if end, err = pyjson.Skip(b, i, 0); err == nil {
			err = schema.Wrong("expected a dictionary")
		}
		return end, err
	}
	if i = scan.Space(b, i+1); i < len(b) && b[i] == '}' {
		return i + 1, nil
	}
	for more := true; more; {
		var name part
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

// name reads the name of a member, up to its value.
func (d *Decoder) name(i int) (name part, end int, err error) {
	b := d.body
	if i >= len(b) || b[i] != '"' {
		return part{}, i, broken(i, "the name of a member is expected, in quotes")
	}
	if text, end, ok := scan.Text(b, i); ok {
		name = part{from: int32(i + 1), size: int32(len(text))}
		i = end
	} else {
		from := len(d.own)
		if d.own, i, err = pyjson.AppendUnquoted(d.own, b, i); err != nil {
			return part{}, i, err
		}
		name = part{from: int32(from), size: int32(len(d.own) - from), owned: true}
	}
	if end = scan.Member(b, i); end == len(b) {
		return part{}, end, broken(i, "a colon and a value are expected")
	}
	return name, end, nil
}

// list reads a list of measures.
func (d *Decoder) list(i int, name part) (end int, err error) {
	b, from := d.body, i
	if len(d.Lists) == MaxLists {
		return i, schema.Wrong(fmt.Sprintf("a body has at most %d lists of measures", MaxLists))
	}
	d.Lists = append(d.Lists, List{at: int32(i), first: int32(len(d.Times)), name: name})
	if i >= len(b) || b[i] != '[' {
		if end, err = pyjson.Skip(b, i, d.depth); err == nil {
			err = schema.Wrong(badFormat)
		}
		return end, err
	}
	d.fixed, d.fault = false, fault{}
	if i = scan.Space(b, i+1); i < len(b) && b[i] == ']' {
		d.Lists[len(d.Lists)-1].size = int32(i + 1 - from)
		return i + 1, nil
	}
	for n, more := 0, true; more; n++ {
		if end, ok := d.quick(b, i); ok {
			i = end
		} else {
			if end, err = d.slow(i); err != nil {
				return end, err
			}
			d.strict += end - i
			i = end
		}
		if n%256 == 255 {
			d.pace(i)
		}
		switch { // as it mostly is
		case scan.At(b, i, ",{"):
			i++
		case scan.At(b, i, ", {"):
			i += 2
		default:
			if i, more, err = d.next(i, ']'); err != nil {
				return i, err
			}
		}
	}
	d.Lists[len(d.Lists)-1].size = int32(i - from)
	if d.fault.rank > 0 {
		return i, schema.Wrong(d.fault.text)
	}
	return i, nil
}

// The work of a byte of JSON, in units of turns, and of one that the slow way reads; and after how many bytes it is paid for.
const (
	workOfByte  = 2
	workOfSlow  = 10
	bytesInTurn = 24 << 10
)

// pace lets others have their turns. The work is done up to a place in the body.
func (d *Decoder) pace(i int) {
	if i-d.paced >= bytesInTurn {
		d.turn.Spent(int64(min(i-d.paced, 2*bytesInTurn))*workOfByte + int64(min(d.strict, 2*bytesInTurn))*(workOfSlow-workOfByte))
		d.paced, d.strict = i, 0
	}
}

// fault is what is wrong with a list. The reference looks at all measures for one thing after the other, so that the graver one is told
// though another stands before it.
type fault struct {
	rank uint8
	text string
}

// The ranks, from what is looked at last to what is looked at first.
const (
	wrongValue uint8 = iota + 1
	wrongTime
	noTime
	wrongFormat
)

const (
	badFormat = "unexpected measures format"
	badValue  = "unexpected measures value"
)

func (d *Decoder) wrong(rank uint8, text string) {
	if rank > d.fault.rank {
		d.fault = fault{rank, text}
	}
}

func (d *Decoder) badTime(rank uint8, err any) {
	d.wrong(rank, fmt.Sprintf("unexpected timestamp '%v'", err))
}
