package checkpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
)

type jsonLevel struct {
	Metrics  map[string]*jsonMetric `json:"metrics"`
	Children map[string]*jsonLevel  `json:"children"`
}

type jsonMetric struct {
	Frequency int64    `json:"frequency"`
	Start     int64    `json:"start"`
	Data      jsonData `json:"data"`
}

// jsonData is an array of numbers in which null is a hole.
type jsonData []float64

func (d *jsonData) UnmarshalJSON(b []byte) error {
	var v []*float64
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	*d = make(jsonData, len(v))
	for i, p := range v {
		(*d)[i] = math.NaN()
		if p != nil {
			(*d)[i] = *p
		}
	}
	return nil
}

// readJSON calls run for every metric of a JSON snapshot, in the order of names. All of b is decoded before the first
// call.
func readJSON(b []byte, run runFunc) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	var root *jsonLevel
	if err := dec.Decode(&root); err != nil {
		var syntax *json.SyntaxError
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return errShort
		case errors.As(err, &syntax):
			return fmt.Errorf("offset %d: %w", syntax.Offset, err)
		}
		return err
	}
	if root == nil {
		return errors.New("the snapshot is null")
	}
	if err := root.check(0); err != nil {
		return err
	}
	if err := root.walk(nil, run); err != nil {
		return err
	}
	if rest := bytes.TrimSpace(b[dec.InputOffset():]); len(rest) > 0 {
		return errTrailing{len(rest)}
	}
	return nil
}

func (l *jsonLevel) check(depth int) error {
	if depth > maxLevels {
		return fmt.Errorf("more than %d levels", maxLevels)
	}
	for name, m := range l.Metrics {
		if m == nil {
			return fmt.Errorf("metric %q is null", name)
		}
	}
	for name, c := range l.Children {
		if c == nil {
			return fmt.Errorf("child %q is null", name)
		}
		if err := c.check(depth + 1); err != nil {
			return err
		}
	}
	return nil
}

func (l *jsonLevel) walk(levels []string, run runFunc) error {
	for _, name := range slices.Sorted(maps.Keys(l.Metrics)) {
		m := l.Metrics[name]
		if err := run(levels, name, m.Frequency, m.Start, m.Data); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(l.Children)) {
		if err := l.Children[name].walk(append(levels, name), run); err != nil {
			return err
		}
	}
	return nil
}
