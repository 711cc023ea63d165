package source

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// readFlux reads annotated CSV: tables with a row of names each, with or without rows of annotations in front. An error table
// makes the whole answer an error.
func readFlux(status int, body []byte, q Query) (*Answer, error) {
	if status/100 != 2 {
		var e struct {
			Message string `json:"message"`
			Error   string `json:"error"`
		}
		if err := json.Unmarshal(body, &e); err != nil || e.Message+e.Error == "" {
			return nil, &StatusError{status, shorten(body)}
		}
		return nil, &StatusError{status, e.Message + e.Error}
	}
	out := &Answer{}
	f := &fluxReader{q: q}
	c := csv.NewReader(bytes.NewReader(body))
	c.FieldsPerRecord = -1 // each table has as many columns as it has
	for {
		before := c.InputOffset()
		row, err := c.Read()
		if errors.Is(err, io.EOF) {
			if len(f.annotations) > 0 && f.names == nil {
				return nil, errors.New("the answer breaks off behind its annotations")
			}
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("the answer is no CSV: %w", err)
		}
		// The reader steps over empty lines, which end a table here.
		if rest := body[before:]; bytes.HasPrefix(rest, []byte("\n")) || bytes.HasPrefix(rest, []byte("\r\n")) {
			f.end()
		}
		line, _ := c.FieldPos(0)
		if err := f.row(out, row); err != nil {
			return nil, fmt.Errorf("line %d of the answer: %w", line, err)
		}
	}
}

// fluxReader reads the rows of one table after the other.
type fluxReader struct {
	q           Query
	annotations map[string][]string // "#datatype" and others; nil where the table has none
	names       []string            // of the columns; nil before the row of names
	time, value int                 // columns; -1 for none
	failed      int                 // column of the error's text; -1 for a table of values
}

// end forgets the table.
func (f *fluxReader) end() { f.annotations, f.names = nil, nil }

func (f *fluxReader) row(out *Answer, row []string) error {
	switch {
	case strings.HasPrefix(row[0], "#"):
		if f.names != nil {
			f.end()
		}
		if f.annotations == nil {
			f.annotations = map[string][]string{}
		}
		f.annotations[row[0]] = row
		return nil
	case f.names == nil:
		return f.head(row)
	}
	if len(row) != len(f.names) {
		return fmt.Errorf("a row has %d values in %d columns", len(row), len(f.names))
	}
	if f.failed >= 0 {
		return errors.New(f.cell(row, f.failed))
	}
	return f.sample(out, row)
}

// head takes the names of the columns.
func (f *fluxReader) head(row []string) error {
	for name, a := range f.annotations {
		if len(a) != len(row) {
			return fmt.Errorf("%s has %d values for %d columns", name, len(a), len(row))
		}
	}
	f.names = row
	f.failed = slices.Index(row, "error")
	if f.failed >= 0 && (slices.Contains(row, "reference") || !slices.Contains(row, "table")) {
		return nil
	}
	f.failed = -1
	column := f.q.Column
	if column == "" {
		column = "_value"
	}
	f.time, f.value = slices.Index(row, "_time"), slices.Index(row, column)
	if f.value < 0 {
		return fmt.Errorf("there is no column %q, but %s", column, strings.Join(slices.DeleteFunc(slices.Clone(row), func(s string) bool { return s == "" }), ", "))
	}
	return nil
}

// cell is a value of a row, or the default of its column.
func (f *fluxReader) cell(row []string, i int) string {
	if row[i] == "" && f.annotations["#default"] != nil {
		return f.annotations["#default"][i]
	}
	return row[i]
}

func (f *fluxReader) sample(out *Answer, row []string) error {
	text := f.cell(row, f.value)
	if text == "" {
		out.skip(Null)
		return nil
	}
	if types := f.annotations["#datatype"]; types != nil {
		if t := types[f.value]; t != "double" && t != "long" && t != "unsignedLong" {
			out.skip(NotNumber)
			return nil
		}
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) { // beyond the range it is an infinity
		out.skip(NotNumber)
		return nil
	}
	s := Sample{Value: v, Labels: make(map[string]string, len(f.names))}
	for i, name := range f.names {
		if text := f.cell(row, i); i != f.value && i != f.time && name != "" && text != "" {
			s.Labels[name] = text
		}
	}
	if f.time >= 0 {
		if text := f.cell(row, f.time); text != "" {
			t, err := time.Parse(time.RFC3339Nano, text)
			if err != nil {
				return fmt.Errorf("the time %q is not as RFC 3339 has it", text)
			}
			s.Time, s.Timed = t.Unix(), true
		}
	}
	out.Samples = append(out.Samples, s)
	return nil
}
