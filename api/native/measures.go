package native

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"strings"

	"granary/api/edge"
	"granary/api/edge/scan"
	"granary/measures"
	"granary/measures/ingest"
	"granary/measures/ingest/line"
	"granary/metricdef"
	"granary/tenant"
)

// Lines stores bodies of line protocol. ingest.Writer is one.
type Lines interface {
	WriteFrom(ctx context.Context, m line.Mapping, from ingest.Sender, body []byte) (ingest.Result, error)
	Counters() *ingest.Counters
}

func (a *API) measuresRoutes() []route {
	return []route{
		{method: http.MethodPost, path: "/measures", right: writes, serve: a.writeMeasures},
		{method: http.MethodDelete, path: "/measures", right: manages, audit: "measures.delete", serve: a.deleteMeasures},
		{method: http.MethodPost, path: "/measures/delete", right: manages, audit: "measures.delete", serve: a.deleteMeasuresBy},
	}
}

// The media types of bodies of measures.
var (
	jsonTypes  = []string{typeJSON}
	itemLines  = []string{typeNDJSON, "application/ndjson", "application/jsonl", "application/x-jsonlines"}
	lineTypes  = []string{"text/plain", "application/vnd.influx.line-protocol", "application/vnd.influxdb.line-protocol"}
	writeTypes = slices.Concat(jsonTypes, itemLines[:1], lineTypes[:2])
)

// writeMeasures stores measures: all that is right of a body. What is not is told in the answer, which is an error only if
// nothing was stored. Lines and items that have come are stored whether or not their sender waits for the answer.
func (a *API) writeMeasures(w http.ResponseWriter, r *http.Request) error {
	p := a.params(r)
	create := p.bool("create", true)
	if err := p.end(); err != nil {
		return err
	}
	media := edge.MediaType(r)
	if media == "" {
		media = typeJSON
	}
	if !slices.Contains(jsonTypes, media) && !slices.Contains(itemLines, media) && !slices.Contains(lineTypes, media) {
		return &mediaError{found: r.Header.Get("Content-Type"), wanted: writeTypes}
	}
	if !create && slices.Contains(lineTypes, media) {
		return &parameterError{name: "create", text: "is not possible with line protocol"}
	}
	if a.o.CheckRate != nil {
		if err := a.o.CheckRate(tenantOf(r)); err != nil {
			return err
		}
	}
	body, err := a.o.Bodies.ReadFor(r, tenantOf(r))
	if err != nil {
		return err
	}
	defer body.Free()
	ctx := body.Context(context.WithoutCancel(r.Context()))
	var done *report
	if slices.Contains(lineTypes, media) {
		text := body.Bytes
		if body.Cut != nil {
			text = line.Complete(text)
		}
		done, err = a.writeLines(ctx, tenantOf(r), text)
	} else {
		in, _ := a.intakes.Get().(*intake)
		if in == nil {
			in = &intake{}
		}
		in.begin(ctx, a, tenantOf(r), create)
		text, lines := body.Bytes, slices.Contains(itemLines, media)
		if lines && body.Cut != nil {
			text = text[:bytes.LastIndexByte(text, '\n')+1]
		}
		err = in.store(text, lines)
		r := in.report
		done = &r
		a.count(done, len(text), err)
		in.end()
		a.intakes.Put(in)
	}
	switch {
	case err != nil:
		return &partError{err, done}
	case body.Cut != nil:
		return &partError{&syntaxError{text: body.Cut.Error()}, done}
	case done.stored == 0 && done.rejected > 0 && !(done.allLimited() && a.o.SeriesStatus == http.StatusOK):
		return &nothingError{done, a.o.SeriesStatus}
	}
	return a.send(w, r, http.StatusOK, done.answer())
}

// store stores the items of a body in turns with the work of others.
func (in *intake) store(text []byte, lines bool) error {
	err := in.turn.Begin(in.ctx)
	if err != nil {
		return err
	}
	defer in.turn.End()
	if lines {
		err = in.lines(text)
	} else {
		err = in.body(text)
	}
	if err != nil {
		return err
	}
	return in.flush()
}

// body reads {"metrics": [...]} or a list.
func (in *intake) body(b []byte) error {
	i := scan.Space(b, 0)
	var end int
	var broken, err error
	switch {
	case i < len(b) && b[i] == '[':
		end, broken, err = in.list(b, i+1, "")
	case i < len(b) && b[i] == '{':
		name, j, ok := scan.Text(b, min(scan.Space(b, i+1), len(b)-1))
		j = scan.Space(b, j)
		switch {
		case !ok || j >= len(b) || b[j] != ':':
			broken = &syntaxError{text: `a body is {"metrics": [...]} or a list of metrics`}
		case string(name) != "metrics":
			broken = &syntaxError{text: `there is no member of this name; a body is {"metrics": [...]} or a list of metrics`, path: edge.Pointer("", string(name)), has: true}
		default:
			if j = scan.Space(b, j+1); j >= len(b) || b[j] != '[' {
				broken = &syntaxError{text: "expected a list of metrics", path: "/metrics", has: true}
				break
			}
			if end, broken, err = in.list(b, j+1, "/metrics"); broken != nil || err != nil {
				break
			}
			if end = scan.Space(b, end); end >= len(b) || b[end] != '}' {
				broken = brokenAt(end, "expected } behind the list: metrics is the only member")
			}
			end++
		}
	default:
		broken = &syntaxError{text: `a body is {"metrics": [...]} or a list of metrics`}
	}
	if broken == nil && err == nil {
		if end = scan.Space(b, end); end < len(b) {
			broken = brokenAt(end, "there is something behind the body")
		}
	}
	if broken != nil {
		in.report.add(0, "", broken)
	}
	return err
}

// count counts a body of items with those of lines.
func (a *API) count(r *report, size int, err error) {
	c := a.o.Lines.Counters().Dialect(Name)
	c.Bodies.Add(1)
	c.Bytes.Add(uint64(size))
	c.Lines.Add(uint64(r.stored + r.rejected))
	c.Stored.Add(uint64(r.stored))
	rest := r.rejected
	for reason := range measures.NumReasons {
		n := r.reasons[reason.String()]
		c.Ignored[reason].Add(uint64(n))
		rest -= n
	}
	c.Malformed.Add(uint64(rest))
	if err != nil {
		c.Failed.Add(1)
	}
}

// writeLines stores line protocol.
func (a *API) writeLines(ctx context.Context, id tenant.ID, text []byte) (*report, error) {
	m := &lineMapping{ctx: ctx, a: a, id: id}
	from := ingest.Sender{}
	if who := edge.IdentityFrom(ctx); who != nil {
		from.Subject = who.Subject
	}
	res, err := a.o.Lines.WriteFrom(ctx, m, from, text)
	r := &report{stored: res.Stored}
	for reason, n := range res.Ignored {
		if n > 0 {
			r.count(measures.Reason(reason), n)
			r.showLimit(measures.Reason(reason), res.Example(measures.Reason(reason)), a.limitText(id, measures.Reason(reason)))
		}
	}
	if res.First != nil {
		r.rejected += res.Malformed
		r.reason("request-syntax", res.Malformed)
		r.errors = append(r.errors, itemError{Index: res.First.Line - 1, Line: res.First.Line, Code: "request-syntax", Detail: res.First.Reason})
	}
	return r, err
}

// lineMapping makes of a line a gauge of its measurement's name, or measurement_field, with all its tags.
type lineMapping struct {
	ctx context.Context
	a   *API
	id  tenant.ID
}

func (m *lineMapping) Dialect() string { return Name }

// Typed implements line.Typed: integer fields are whole numbers, string fields texts.
func (*lineMapping) Typed() {}

func (m *lineMapping) AppendScope(dst []byte) []byte {
	return append(append(dst, Name+" "...), m.id...)
}

func (*lineMapping) Bounds() line.Bounds { return line.Bounds{} }

func (*lineMapping) Wanted(string) bool { return true }

func (*lineMapping) Metric(dst []byte, measurement, field string) ([]byte, bool) {
	dst = append(dst, measurement...)
	if field != "value" {
		dst = append(append(dst, '_'), field...)
	}
	return dst, true
}

func (m *lineMapping) Series(_ string, tags []metricdef.Tag, s *line.Series) error {
	num, err := m.a.o.Store.EnsureTenant(m.ctx, m.id)
	if err != nil {
		return &line.AbortError{Err: err}
	}
	s.Tenant, s.Type = num, metricdef.Gauge
	s.Tags = append(s.Tags, tags...)
	slices.SortStableFunc(s.Tags, func(a, b metricdef.Tag) int { return strings.Compare(a.Name, b.Name) })
	kept := s.Tags[:0]
	for i, t := range s.Tags { // of repeated tags the last counts
		if t.Name != metricdef.NameTag && (i+1 == len(s.Tags) || s.Tags[i+1].Name != t.Name) {
			kept = append(kept, t)
		}
	}
	s.Tags = kept
	return nil
}
