package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"strconv"
)

// prometheus is a server that speaks Prometheus's HTTP API.
type prometheus struct{ server }

// Query asks /api/v1/query.
func (p *prometheus) Query(ctx context.Context, q Query) (*Answer, error) {
	form := url.Values{"query": {q.Text}, "timeout": {strconv.FormatFloat(p.s.Timeout.Seconds(), 'f', -1, 64) + "s"}}
	if q.Time != 0 {
		form.Set("time", strconv.FormatInt(q.Time, 10))
	}
	status, body, err := p.post(ctx, "/api/v1/query", form)
	if err != nil {
		return nil, err
	}
	return readPrometheus(status, body)
}

// readPrometheus reads an answer. Those of errors are JSON too, unless something in front of Prometheus made them.
func readPrometheus(status int, body []byte) (*Answer, error) {
	var a struct {
		Status    string   `json:"status"`
		ErrorType string   `json:"errorType"`
		Error     string   `json:"error"`
		Warnings  []string `json:"warnings"`
		Infos     []string `json:"infos"`
		Data      struct {
			Type   string          `json:"resultType"`
			Result json.RawMessage `json:"result"`
		} `json:"data"`
	}
	err := json.Unmarshal(body, &a)
	switch {
	case err != nil && status/100 != 2:
		return nil, &StatusError{status, shorten(body)}
	case err != nil:
		return nil, fmt.Errorf("the answer is no JSON of Prometheus: %w", err)
	case a.Status != "success" || status/100 != 2:
		text := a.Error
		if a.ErrorType != "" {
			text = a.ErrorType + ": " + text
		}
		if text == "" {
			text = shorten(body)
		}
		return nil, &StatusError{status, text}
	}
	out := &Answer{Warnings: append(a.Warnings, a.Infos...)}
	switch a.Data.Type {
	case "vector":
		var series []struct {
			Metric    map[string]string `json:"metric"`
			Value     *promPoint        `json:"value"`
			Histogram json.RawMessage   `json:"histogram"`
		}
		if err := json.Unmarshal(a.Data.Result, &series); err != nil {
			return nil, fmt.Errorf("the vector cannot be read: %w", err)
		}
		out.Samples = make([]Sample, 0, len(series))
		for _, s := range series {
			switch {
			case s.Value != nil:
				out.Samples = append(out.Samples, Sample{Labels: s.Metric, Value: s.Value.value, Time: s.Value.time, Timed: true})
			case s.Histogram != nil:
				out.skip(Histogram)
			default:
				return nil, errors.New("the vector cannot be read: a series has no value")
			}
		}
	case "scalar":
		var v promPoint
		if err := json.Unmarshal(a.Data.Result, &v); err != nil {
			return nil, fmt.Errorf("the scalar cannot be read: %w", err)
		}
		out.Samples = []Sample{{Value: v.value, Time: v.time, Timed: true}}
	case "matrix":
		return nil, errors.New("the query gives a matrix, which has many values a series; expected a vector: a function such as rate or last_over_time makes one of it")
	case "string":
		return nil, errors.New("the query gives a string; expected a vector or a scalar")
	default:
		return nil, fmt.Errorf("the query gives %q; expected a vector or a scalar", a.Data.Type)
	}
	return out, nil
}

// promPoint is a time in seconds and a value as text: [1435781451.781, "1"].
type promPoint struct {
	time  int64
	value float64
}

// UnmarshalJSON is part of json.Unmarshaler.
func (p *promPoint) UnmarshalJSON(b []byte) error {
	var pair []json.RawMessage
	if err := json.Unmarshal(b, &pair); err != nil {
		return err
	}
	if len(pair) != 2 {
		return fmt.Errorf("a point has %d parts, not 2", len(pair))
	}
	var t float64
	var text string
	if err := json.Unmarshal(pair[0], &t); err != nil {
		return err
	}
	if err := json.Unmarshal(pair[1], &text); err != nil {
		return err
	}
	if !(math.Abs(t) < 1e11) {
		return fmt.Errorf("the time %v is not one in seconds", t)
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return fmt.Errorf("the value %q is no number", text)
	}
	p.time, p.value = int64(math.Floor(t)), v
	return nil
}
