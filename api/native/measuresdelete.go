package native

import (
	"context"
	"math"
	"net/http"
	"strconv"

	"github.com/google/uuid"

	"granary/api/edge"
	"granary/metricdef"
)

// Ranges takes ranges of samples away. measures.Store says more.
type Ranges interface {
	DeleteRange(ctx context.Context, refs []metricdef.Ref, from, to int64) error
}

// rangeDelete is the body of POST /v2/measures/delete: ids, or the conditions of a search, and a range.
type rangeDelete struct {
	IDs      *[]string `json:"ids"`
	Selector selector  `json:"selector"`
	Name     texts     `json:"name"`
	Type     texts     `json:"type"`
	Start    *timeText `json:"start"`
	End      *timeText `json:"end"`
}

// timeText is a time in a body, as edge.ParseTime reads it: a text or a number.
type timeText string

// UnmarshalJSON implements json.Unmarshaler.
func (t *timeText) UnmarshalJSON(b []byte) error {
	if b[0] == '"' {
		s, err := strconv.Unquote(string(b))
		if err != nil {
			return &syntaxError{text: "expected a time without escapes"}
		}
		*t = timeText(s)
		return nil
	}
	*t = timeText(b)
	return nil
}

// rangeDeleted is the answer: how many metrics the range was taken from.
type rangeDeleted struct {
	Metrics int         `json:"metrics"`
	Unknown []uuid.UUID `json:"unknown,omitzero"` // ids of no metric of the tenant
}

// deleteMeasures deletes by the parameters of the URL.
func (a *API) deleteMeasures(w http.ResponseWriter, r *http.Request) error {
	p := a.params(r)
	d := rangeDelete{Name: p.list("name"), Type: p.list("type")}
	if ids := p.list("id"); len(ids) > 0 {
		d.IDs = &ids
	}
	expr, more := p.selector()
	from, to := p.time("start", math.MinInt64), p.time("end", math.MaxInt64)
	bounded := p.has("start") || p.has("end")
	if err := p.end(); err != nil {
		return err
	}
	d.Selector.expr, d.Selector.given = expr, expr != nil || len(more) > 0
	if !bounded {
		return &parameterError{name: "start", text: "is not given, and neither is end: one of them has to say what goes"}
	}
	s := metricSearch{Selector: d.Selector, Name: d.Name, Type: d.Type, and: more}
	return namedAs(a.deleteRange(w, r, &d, &s, from, to))
}

// deleteMeasuresBy deletes by a body.
func (a *API) deleteMeasuresBy(w http.ResponseWriter, r *http.Request) error {
	if err := a.params(r).end(); err != nil {
		return err
	}
	var d rangeDelete
	if err := a.decode(r, &d); err != nil {
		return err
	}
	from, to := int64(math.MinInt64), int64(math.MaxInt64)
	now := a.o.Now()
	for _, t := range []struct {
		name string
		text *timeText
		to   *int64
	}{{"/start", d.Start, &from}, {"/end", d.End, &to}} {
		if t.text == nil {
			continue
		}
		var err error
		if *t.to, err = edge.ParseTime(string(*t.text), now); err != nil {
			return edge.At(t.name, err)
		}
	}
	if d.Start == nil && d.End == nil {
		return &syntaxError{text: "neither start nor end is given: one of them has to say what goes"}
	}
	if err := namesSomething(d.Name, d.Type, d.Selector); err != nil {
		return err
	}
	s := metricSearch{Selector: d.Selector, Name: d.Name, Type: d.Type}
	return a.deleteRange(w, r, &d, &s, from, to)
}

// deleteRange deletes [from, to) of the metrics that are meant.
func (a *API) deleteRange(w http.ResponseWriter, r *http.Request, d *rangeDelete, s *metricSearch, from, to int64) error {
	searched := d.Selector.given || d.Name != nil || d.Type != nil
	switch {
	case d.IDs == nil && !searched:
		return &syntaxError{text: "no metrics are named: give ids, or conditions on them"}
	case d.IDs != nil && searched:
		return &syntaxError{text: "ids and conditions cannot be given together"}
	case from >= to:
		return &syntaxError{text: "the range is empty: start is not before end"}
	}
	var out rangeDeleted
	var refs []metricdef.Ref
	if d.IDs != nil {
		out.Unknown = []uuid.UUID{}
		if len(*d.IDs) > maxItems {
			return edge.At("/ids", errItems)
		}
		for i, text := range *d.IDs {
			id, err := uuid.Parse(text)
			if err != nil || len(text) != 36 {
				return edge.At("/ids/"+strconv.Itoa(i), &syntaxError{text: strconv.Quote(shorten(text)) + " is no UUID"})
			}
			if m, err := a.lookup(r, id); err == nil {
				refs = append(refs, m.Ref)
			} else {
				out.Unknown = append(out.Unknown, id)
			}
		}
	} else {
		ticket, err := a.turn(r)
		if err != nil {
			return err
		}
		defer ticket.Leave()
		limit := int64(maxLimit)
		for s.Limit = &limit; ; {
			found, err := a.find(r, s)
			if err != nil {
				return err
			}
			refs = append(refs, found.Refs...)
			if s.Cursor = found.Next; s.Cursor == "" {
				break
			}
		}
	}
	out.Metrics = len(refs)
	tell(r, "metrics", out.Metrics)
	tell(r, "from", from)
	tell(r, "to", to)
	if len(refs) > 0 {
		if err := a.o.Ranges.DeleteRange(r.Context(), refs, from, to); err != nil {
			return err
		}
	}
	return a.send(w, r, http.StatusOK, &out)
}
