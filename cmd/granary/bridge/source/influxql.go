package source

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// readInfluxQL reads the JSON of InfluxDB 1.x: results of statements, series of tags, rows of columns. Times are in seconds.
func readInfluxQL(status int, body []byte, q Query) (*Answer, error) {
	var a struct {
		Results []struct {
			Series []struct {
				Name    string              `json:"name"`
				Tags    map[string]string   `json:"tags"`
				Columns []string            `json:"columns"`
				Values  [][]json.RawMessage `json:"values"`
				Partial bool                `json:"partial"`
			} `json:"series"`
			Messages []struct {
				Level string `json:"level"`
				Text  string `json:"text"`
			} `json:"messages"`
			Error   string `json:"error"`
			Partial bool   `json:"partial"`
		} `json:"results"`
		Error   string `json:"error"`
		Message string `json:"message"` // of InfluxDB 2
	}
	err := json.Unmarshal(body, &a)
	switch {
	case err != nil && status/100 != 2:
		return nil, &StatusError{status, shorten(body)}
	case err != nil:
		return nil, fmt.Errorf("the answer is no JSON of InfluxDB: %w", err)
	case a.Error != "" || a.Message != "" || status/100 != 2:
		text := a.Error
		if a.Message != "" {
			text = a.Message
		}
		if text == "" {
			text = shorten(body)
		}
		return nil, &StatusError{status, text}
	}
	out := &Answer{}
	for _, r := range a.Results {
		if r.Error != "" {
			return nil, errors.New(r.Error)
		}
		for _, m := range r.Messages {
			out.Warnings = append(out.Warnings, m.Level+": "+m.Text)
		}
		for _, s := range r.Series {
			if s.Partial || r.Partial {
				return nil, errors.New("the answer is a part of the whole only (partial: max-row-limit of the server); expected a query with fewer rows")
			}
			t := &table{columns: s.Columns, tags: s.Tags, q: q}
			if err := t.find(); err != nil {
				return nil, fmt.Errorf("series %q: %w", s.Name, err)
			}
			for _, row := range s.Values {
				if len(row) != len(s.Columns) {
					return nil, fmt.Errorf("series %q: a row has %d values in %d columns", s.Name, len(row), len(s.Columns))
				}
				if err := t.read(out, row); err != nil {
					return nil, fmt.Errorf("series %q: %w", s.Name, err)
				}
			}
		}
	}
	return out, nil
}

// table is a series of an answer.
type table struct {
	columns     []string
	tags        map[string]string
	q           Query
	time, value int // columns; -1 for none
	labels      []int
}

// find tells the column of the value: the one that the query names, else the only one that is neither the time nor a label in use.
func (t *table) find() error {
	t.time, t.value = slices.Index(t.columns, "time"), -1
	if t.q.Column != "" {
		if t.value = slices.Index(t.columns, t.q.Column); t.value < 0 {
			return fmt.Errorf("there is no column %q, but %s", t.q.Column, strings.Join(t.columns, ", "))
		}
	}
	var others []string
	for i, c := range t.columns {
		switch {
		case i == t.time || i == t.value:
		case slices.Contains(t.q.Used, c):
			t.labels = append(t.labels, i)
		case t.q.Column == "":
			others, t.value = append(others, c), i
		}
	}
	if t.value < 0 {
		return fmt.Errorf("there is no column of values, but %s", strings.Join(t.columns, ", "))
	}
	if len(others) > 1 {
		return fmt.Errorf("there are several columns of values (%s); expected the setting column to name one", strings.Join(others, ", "))
	}
	return nil
}

func (t *table) read(out *Answer, row []json.RawMessage) error {
	s := Sample{Labels: t.tags}
	if len(t.labels) > 0 {
		s.Labels = maps.Clone(t.tags)
		if s.Labels == nil {
			s.Labels = map[string]string{}
		}
		for _, i := range t.labels {
			if text, ok := plain(row[i]); ok {
				s.Labels[t.columns[i]] = text
			}
		}
	}
	if t.time >= 0 && string(row[t.time]) != "null" {
		sec, err := strconv.ParseInt(string(row[t.time]), 10, 64)
		if err != nil {
			return fmt.Errorf("the time %s is not one in whole seconds", shorten(row[t.time]))
		}
		s.Time, s.Timed = sec, true
	}
	raw := string(row[t.value])
	if raw == "null" {
		out.skip(Null)
		return nil
	}
	v, err := strconv.ParseFloat(raw, 64)
	if err != nil { // of JSON's values only numbers are such
		out.skip(NotNumber)
		return nil
	}
	s.Value = v
	out.Samples = append(out.Samples, s)
	return nil
}

// plain is a value as the text of a label: texts without quotes, numbers and truth values as they are written.
func plain(raw json.RawMessage) (string, bool) {
	var text string
	if err := json.Unmarshal(raw, &text); err == nil && string(raw) != "null" {
		return text, true
	}
	return string(raw), string(raw) != "null" && raw[0] != '{' && raw[0] != '['
}
