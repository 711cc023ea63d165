package line

import (
	"bytes"

	"granary/metricdef"
)

// fieldValue is the value of one field of a known line.
type fieldValue struct {
	ref    metricdef.Ref
	source Source
	v      float64
	n      int64
	whole  bool
}

// behind reads the fields behind the first one of a known line, from the comma at i on, into d.row. e is the entry of the first one, id its
// number. It returns the entry of the last one and where its number ends; it is not ok if the line has to go through the library.
func (d *Decoder) behind(e *entry, id uint32, i int) (last *entry, end int, ok bool) {
	body, keys := d.body, d.keys
	for i < len(body) && body[i] == ',' {
		next := e.next.Load()
		f := keys.at(next)
		if f == nil || f.flags&follows == 0 || f.front() != id || !f.opens(body[i:]) {
			text := body[i:min(len(body), i+maxKey)]
			size := bytes.IndexByte(text, '=') + 1
			if size == 0 {
				return e, i, false
			}
			if next, f = keys.find(hashBehind(d.o.Cache.seed, text[:size], id), text[:size], id); f == nil {
				return e, i, false
			}
			e.next.Store(next)
		}
		r := fieldValue{ref: metricdef.Ref(f.ref.Load())}
		if r.ref == 0 || f.owner() >= len(keys.tenants) {
			return e, i, false
		}
		if f.flags&derives != 0 {
			n := int(f.source().Load())
			if n >= len(keys.sources) || n == 0 && r.ref == alone {
				return e, i, false
			}
			r.source = keys.sources[n]
		}
		at := i + int(f.size)
		if r.v, i, ok = parseFloat(body, at); !ok {
			return e, i, false
		}
		if d.typed && i < len(body) && body[i] == 'i' {
			if r.n, i, ok = parseInt(body, at); !ok {
				return e, i, false
			}
			r.whole = true
		}
		d.row = append(d.row, r)
		e, id = f, next
	}
	return e, i, true
}

// addRow takes the values of d.row.
func (d *Decoder) addRow(part *Part, t int64, at int) {
	for i := range d.row {
		r := &d.row[i]
		switch {
		case r.ref == alone:
		case r.whole:
			part.addInt(r.ref, t, r.n, at)
		default:
			part.add(r.ref, t, r.v, at)
		}
		if r.source != nil {
			v := r.v
			if r.whole {
				v = float64(r.n)
			}
			d.o.Derived(r.source, t, v)
		}
	}
}

// keysOf are what the cache may remember of the fields of the line in d.parse, none if nothing: of a line of several fields that each gave
// one value which is a number, in the order of the fields. The first one is what keyOf says. The others are the text from the comma to the "=",
// of which the library makes the same whatever numbers stand between them.
func (d *Decoder) keysOf(text []byte) [][]byte {
	s := &d.parse
	s.raw = s.raw[:0]
	if d.o.Cache == nil || s.fields != len(s.values) || len(s.refused) > 0 {
		return nil
	}
	if s.fields == 1 {
		if key := d.keyOf(text); key != nil {
			s.raw = append(s.raw, key)
		}
		return s.raw
	}
	if bytes.IndexByte(text, '\\') >= 0 || bytes.IndexByte(text, '"') >= 0 {
		return nil
	}
	size := keySize(text)
	if size == 0 {
		return nil
	}
	s.raw = append(s.raw, text[:size])
	for rest := text[size:]; ; {
		comma := bytes.IndexAny(rest, ", \r\n")
		if comma < 0 || rest[comma] != ',' {
			break
		}
		rest = rest[comma:]
		equals := bytes.IndexByte(rest[:min(len(rest), maxKey)], '=')
		if equals < 0 {
			return nil
		}
		s.raw = append(s.raw, rest[:equals+1])
		rest = rest[equals+1:]
	}
	if len(s.raw) != len(s.values) {
		return nil
	}
	return s.raw
}
