package native

import (
	"bytes"
	"context"
	"net/http"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"granary/api/edge"
	"granary/measures"
	"granary/metricdef"
)

// Metrics makes, changes and deletes metrics.
type Metrics interface {
	CreateDefinitions(ctx context.Context, drafts []metricdef.Draft) []measures.CreateResult
	UpdateDefinition(ctx context.Context, ref metricdef.Ref, u metricdef.Update) error
	DeleteDefinitions(ctx context.Context, refs []metricdef.Ref) (int, error)
}

// created is what became of one metric of a request.
type created struct {
	ref     metricdef.Ref
	existed bool
	err     error
}

func (a *API) createMetrics(w http.ResponseWriter, r *http.Request) error {
	p := a.params(r)
	format := p.format()
	if err := p.end(); err != nil {
		return err
	}
	var m metricBodies
	if err := a.decode(r, &m); err != nil {
		return err
	}
	results, err := a.create(r, &m)
	if err != nil {
		return err
	}
	if !m.isOne {
		return a.sendCreated(w, r, results)
	}
	if err := results[0].err; err != nil {
		return err
	}
	d, ok := a.o.Definitions.Get(results[0].ref)
	if !ok {
		return errEnded
	}
	status := http.StatusOK
	if !results[0].existed {
		status = http.StatusCreated
		w.Header()["Location"] = []string{Prefix + "/metrics/" + d.ID.String()}
	}
	return a.sendMetric(w, r, status, &d, false, format)
}

// create makes what can be made, each metric on its own. The tenant is not made for metrics that cannot be.
func (a *API) create(r *http.Request, m *metricBodies) ([]created, error) {
	results := make([]created, len(m.list))
	var drafts []metricdef.Draft
	var at []int
	for i := range m.list {
		err := m.errs[i]
		var d metricdef.Draft
		if err == nil {
			d, err = m.list[i].draft()
		}
		if results[i].err = err; err == nil {
			drafts, at = append(drafts, d), append(at, i)
		}
	}
	if len(drafts) == 0 {
		return results, nil
	}
	num, err := a.writing(r)
	if err != nil {
		return nil, err
	}
	for i := range drafts {
		drafts[i].Tenant = num
	}
	for i, c := range a.o.Metrics.CreateDefinitions(r.Context(), drafts) {
		results[at[i]] = created{c.Ref, c.Existed, atField(c.Err)}
	}
	return results, nil
}

// sendCreated answers what became of each of a list of metrics.
func (a *API) sendCreated(w http.ResponseWriter, r *http.Request, results []created) error {
	failed, made, existed := &itemsError{}, 0, 0
	buf := edge.NewBuffer()
	defer buf.Free()
	b := append(buf.B, `{"results":[`...)
	for i, c := range results {
		if i > 0 {
			b = append(b, ',')
		}
		var d metricdef.Definition
		if c.err == nil {
			var ok bool
			if d, ok = a.o.Definitions.Get(c.ref); !ok {
				c.err = errEnded
			}
		}
		switch {
		case c.err != nil:
			p := failed.add(i, c.err)
			if p.Status == http.StatusInternalServerError {
				a.o.Logger.Error("a metric could not be made", "dialect", Name, "tenant", tenantOf(r), "error", c.err)
			}
			b = append(b, "\n"+`{"status":`...)
			b = strconv.AppendInt(b, int64(p.Status), 10)
			b = append(b, `,"error":`...)
			b = append(append(b, bytes.TrimSpace(p.Append(nil))...), '}')
			continue
		case c.existed:
			existed++
			b = append(b, "\n"+`{"status":200,"id":"`...)
		default:
			made++
			b = append(b, "\n"+`{"status":201,"id":"`...)
		}
		b = append(append(b, d.ID.String()...), '"', '}')
	}
	buf.B = b
	if failed.count > 0 && failed.count == len(results) {
		return failed
	}
	b = strconv.AppendInt(append(b, `],"created":`...), int64(made), 10)
	b = strconv.AppendInt(append(b, `,"existed":`...), int64(existed), 10)
	b = strconv.AppendInt(append(b, `,"failed":`...), int64(failed.count), 10)
	buf.B = append(b, '}', '\n')
	a.sendBytes(w, r, http.StatusOK, typeJSON, buf.B)
	return nil
}

// maxErrors is how many errors of items one problem document names.
const maxErrors = 100

// itemsError says that nothing of a list could be done: the first error, and beside it those of the others.
type itemsError struct {
	first  error
	count  int
	others []jsontext.Value // problem documents, the first too
}

// add adds the error of one item and returns its problem document.
func (e *itemsError) add(i int, err error) edge.Problem {
	err = edge.At("/"+strconv.Itoa(i), err)
	p := edge.ProblemOf(err)
	if e.count++; e.first == nil {
		e.first = err
	}
	if len(e.others) < maxErrors {
		e.others = append(e.others, bytes.TrimSpace(p.Append(nil)))
	}
	return p
}

func (e *itemsError) Error() string { return e.first.Error() }
func (e *itemsError) Unwrap() error { return e.first }

// Problem adds the errors of the items.
func (e *itemsError) Problem() map[string]any { return map[string]any{"errors": e.others} }

// endedError says that a metric was deleted while the request was worked on.
type endedError struct{}

func (*endedError) Error() string { return "the metric was deleted meanwhile" }
func (*endedError) Kind() string  { return string(edge.Conflict) }
func (*endedError) Code() string  { return "metric-ended" }

var errEnded = &endedError{}

func (a *API) patchMetric(w http.ResponseWriter, r *http.Request) error {
	p := a.params(r)
	format := p.format()
	if err := p.end(); err != nil {
		return err
	}
	d, err := a.metric(r)
	if err != nil {
		return err
	}
	var patch metricPatch
	if err := a.decode(r, &patch); err != nil {
		return err
	}
	u, err := patch.update(&d)
	if err != nil {
		return err
	}
	if err := a.o.Metrics.UpdateDefinition(r.Context(), d.Ref, u); err != nil {
		if edge.KindOf(err) == edge.NotFound {
			return &metricError{d.ID}
		}
		return atField(err)
	}
	now, ok := a.o.Definitions.Get(d.Ref)
	if !ok {
		return &metricError{d.ID}
	}
	return a.sendMetric(w, r, http.StatusOK, &now, false, format)
}

func (a *API) deleteMetric(w http.ResponseWriter, r *http.Request) error {
	if err := a.params(r).end(); err != nil {
		return err
	}
	d, err := a.metric(r)
	if err != nil {
		return err
	}
	n, err := a.o.Metrics.DeleteDefinitions(r.Context(), []metricdef.Ref{d.Ref})
	if err != nil {
		return err
	}
	if n == 0 {
		return &metricError{d.ID}
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// metricDelete is the body of POST /v2/metrics/delete: ids, or the conditions of a search.
type metricDelete struct {
	IDs          *[]string `json:"ids"`
	Selector     selector  `json:"selector"`
	Name         texts     `json:"name"`
	Type         texts     `json:"type"`
	ActiveWithin *duration `json:"active_within"`
	IdleFor      *duration `json:"idle_for"`
	DryRun       bool      `json:"dry_run"`
}

// metricsDeleted is the answer.
type metricsDeleted struct {
	Matched int         `json:"matched"`
	Deleted int         `json:"deleted"`
	Unknown []uuid.UUID `json:"unknown,omitzero"` // ids of no metric of the tenant
}

func (a *API) deleteMetrics(w http.ResponseWriter, r *http.Request) error {
	if err := a.params(r).end(); err != nil {
		return err
	}
	var m metricDelete
	if err := a.decode(r, &m); err != nil {
		return err
	}
	searched := m.Selector.given || m.Name != nil || m.Type != nil || m.ActiveWithin != nil || m.IdleFor != nil
	switch {
	case m.IDs == nil && !searched:
		return &syntaxError{text: `expected "ids", or conditions on the metrics that are to go; the selector {"and":[]} stands for all`}
	case m.IDs != nil && searched:
		return &syntaxError{text: `"ids" and conditions cannot be given together`}
	}
	if err := namesSomething(m.Name, m.Type, m.Selector); err != nil {
		return err
	}
	var out metricsDeleted
	var err error
	if m.IDs != nil {
		err = a.deleteIDs(r, &m, &out)
	} else {
		err = a.deleteFound(r, &m, &out)
	}
	tell(r, "deleted", out.Deleted)
	if m.DryRun {
		tell(r, "dry_run", true)
	}
	if err != nil {
		return err
	}
	return a.send(w, r, http.StatusOK, &out)
}

// namesSomething refuses conditions of a deletion that are given and empty. A list or a text that came out empty would stand
// for every metric there is.
func namesSomething(names, types texts, s selector) error {
	for _, member := range []struct {
		path  string
		empty bool
	}{{"/name", names != nil && len(names) == 0}, {"/type", types != nil && len(types) == 0}, {"/selector", s.given && s.expr == nil}} {
		if member.empty {
			return edge.At(member.path, &syntaxError{text: `is empty; the selector {"and":[]} stands for all metrics`})
		}
	}
	return nil
}

func (a *API) deleteIDs(r *http.Request, m *metricDelete, out *metricsDeleted) error {
	if len(*m.IDs) > maxItems {
		return edge.At("/ids", errItems)
	}
	out.Unknown = []uuid.UUID{}
	refs := make([]metricdef.Ref, 0, len(*m.IDs))
	seen := make(map[uuid.UUID]bool, len(*m.IDs))
	for i, text := range *m.IDs {
		id, err := uuid.Parse(text)
		if err != nil || len(text) != len(uuid.UUID{}.String()) {
			return edge.At("/ids/"+strconv.Itoa(i), &syntaxError{text: strconv.Quote(shorten(text)) + " is no UUID"})
		}
		if seen[id] {
			continue
		}
		seen[id] = true
		if d, err := a.lookup(r, id); err == nil {
			refs = append(refs, d.Ref)
		} else {
			out.Unknown = append(out.Unknown, id)
		}
	}
	return a.deleteRefs(r, refs, m.DryRun, out)
}

// deleteFound deletes what a search finds, page by page.
func (a *API) deleteFound(r *http.Request, m *metricDelete, out *metricsDeleted) error {
	ticket, err := a.turn(r)
	if err != nil {
		return err
	}
	defer ticket.Leave()
	limit := int64(maxLimit)
	s := metricSearch{Selector: m.Selector, Name: m.Name, Type: m.Type, ActiveWithin: m.ActiveWithin, IdleFor: m.IdleFor, Limit: &limit}
	for {
		found, err := a.find(r, &s)
		if err != nil {
			return err
		}
		if err := a.deleteRefs(r, found.Refs, m.DryRun, out); err != nil {
			return err
		}
		if s.Cursor = found.Next; s.Cursor == "" {
			return nil
		}
	}
}

func (a *API) deleteRefs(r *http.Request, refs []metricdef.Ref, dry bool, out *metricsDeleted) error {
	out.Matched += len(refs)
	if dry || len(refs) == 0 {
		return nil
	}
	n, err := a.o.Metrics.DeleteDefinitions(r.Context(), refs)
	out.Deleted += n
	return err
}
