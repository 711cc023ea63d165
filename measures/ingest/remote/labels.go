package remote

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"unicode/utf8"
)

// Label is a label of a series: two texts of the message.
type Label struct{ Name, Value []byte }

// LabelError says why the labels of a series are none. Other series of the message are as good as they are.
type LabelError struct {
	At   int // the byte of the message
	Text string
	Many bool // there are more than may be
}

func (e *LabelError) Error() string { return fmt.Sprintf("at byte %d: %s", e.At, e.Text) }

// Kind is "invalid", or "over limit" for more labels than may be.
func (e *LabelError) Kind() string {
	if e.Many {
		return "over limit"
	}
	return "invalid"
}

// Code is the stable code of the error.
func (e *LabelError) Code() string {
	if e.Many {
		return "size-limit"
	}
	return "request-syntax"
}

// Labels appends the labels of the present series, by name, each name once, at most so many. A label without a value is as good as
// absent. They are valid until Next. The error is a *LabelError.
func (r *Reader) Labels(dst []Label, most int) ([]Label, error) {
	key, err := r.Key()
	if err != nil {
		return dst, err
	}
	first := len(dst)
	if r.version == V2 {
		dst, err = r.symbolLabels(dst, key, most)
	} else {
		dst, err = r.fieldLabels(dst, key, most)
	}
	if err != nil {
		return dst[:first], err
	}
	labels := dst[first:]
	if len(labels) == 0 {
		return dst[:first], &LabelError{At: r.at, Text: "a series has no labels"}
	}
	sorted := true
	for i := 1; i < len(labels); i++ {
		sorted = sorted && bytes.Compare(labels[i-1].Name, labels[i].Name) < 0
	}
	if sorted { // as it has to be
		return dst, nil
	}
	slices.SortFunc(labels, func(a, b Label) int { return bytes.Compare(a.Name, b.Name) })
	for i := 1; i < len(labels); i++ {
		if bytes.Equal(labels[i].Name, labels[i-1].Name) {
			return dst[:first], &LabelError{At: r.at, Text: fmt.Sprintf("the label %q is given twice", shorten(labels[i].Name))}
		}
	}
	return dst, nil
}

// fieldLabels reads the labels of a key of V1.
func (r *Reader) fieldLabels(dst []Label, key []byte, most int) ([]Label, error) {
	first := len(dst)
	for f := (field{b: key, start: r.at}); f.next(); {
		if f.wire != length {
			continue
		}
		var l Label
		in := field{b: f.bytes, start: f.at}
		for in.next() {
			switch {
			case in.wire != length:
			case in.number == 1:
				l.Name = in.bytes
			case in.number == 2:
				l.Value = in.bytes
			}
		}
		if in.err != nil {
			r.err = in.err
			return dst, in.err
		}
		var err error
		if dst, err = appendLabel(dst, first, l, f.at, most); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// symbolLabels reads the labels of a key of V2: names and values in turns, each with its length in front.
func (r *Reader) symbolLabels(dst []Label, key []byte, most int) ([]Label, error) {
	first := len(dst)
	next := func() []byte {
		n, size := binary.Uvarint(key)
		text := key[size : size+int(n)]
		key = key[size+int(n):]
		return text
	}
	for len(key) > 0 {
		l := Label{Name: next()}
		if len(key) == 0 {
			return dst, &LabelError{At: r.at, Text: fmt.Sprintf("the label %q has a name and no value: the references are odd in number", shorten(l.Name))}
		}
		l.Value = next()
		var err error
		if dst, err = appendLabel(dst, first, l, r.at, most); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// appendLabel adds a label to those behind the first ones.
func appendLabel(dst []Label, first int, l Label, at, most int) ([]Label, error) {
	switch {
	case !utf8.Valid(l.Name):
		return dst, &LabelError{At: at, Text: fmt.Sprintf("the name of a label is not UTF-8: %q", shorten(l.Name))}
	case !utf8.Valid(l.Value):
		return dst, &LabelError{At: at, Text: fmt.Sprintf("a label is not UTF-8: the value of %q", shorten(l.Name))}
	case len(l.Name) == 0:
		return dst, &LabelError{At: at, Text: "the name of a label is empty"}
	case len(l.Value) == 0:
		return dst, nil
	case len(dst)-first == most:
		return dst, &LabelError{At: at, Text: fmt.Sprintf("a series has more than %d labels", most), Many: true}
	}
	return append(dst, l), nil
}

func shorten(b []byte) string { return string(b[:min(len(b), 100)]) }
