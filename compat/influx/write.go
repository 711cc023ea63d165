package influx

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"granary/api/edge"
	"granary/measures"
	"granary/measures/ingest"
	"granary/measures/ingest/line"
	"granary/tenant"
)

// consistencies are what a request may demand of InfluxDB's clusters. Here each of them is the same.
var consistencies = []string{"", "any", "one", "quorum", "all"}

// write stores the lines of a body: all that are right. What is not is named in the answer, which is an error then.
func (c *call) write() error {
	unit, err := c.precision()
	if err != nil {
		return err
	}
	if c.d.o.CheckRate != nil {
		if err := c.d.o.CheckRate(c.tenant); err != nil {
			return err
		}
	}
	body, err := c.d.o.Bodies.ReadFor(c.r, c.tenant)
	if err != nil {
		return err
	}
	defer body.Free()
	text := body.Bytes
	if body.Cut != nil {
		text = line.Complete(text)
	}
	// Lines that have come are stored whether or not their sender waits for the answer.
	ctx := body.Context(context.WithoutCancel(c.ctx))
	m := &mapping{Lines: c.d.rules(), ctx: ctx, store: c.d.o.Store, id: c.tenant, fields: c.d.fieldsOf(c.tenant), bounds: c.d.o.Bounds(c.tenant), unit: unit}
	r, err := c.d.o.Lines.WriteFrom(ctx, m, ingest.Sender{Subject: c.who.Subject, Whole: true}, text)
	if ignored := r.IgnoredHeader(); ignored != "" {
		c.w.Header()["X-Granary-Ignored"] = []string{ignored}
	}
	switch {
	case err != nil && r.Stored > 0:
		return &partError{err, r.Stored}
	case err != nil:
		return err
	case body.Cut != nil:
		return badRequest("the body does not arrive as a whole: %v; %d values of its complete lines were stored", body.Cut, r.Stored)
	}
	if lost := c.lost(&r); lost != nil {
		return lost
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// precision is what the timestamps of the body count, 0 where their size tells.
func (c *call) precision() (time.Duration, error) {
	name, err := c.one("precision")
	if err != nil {
		return 0, err
	}
	unit, ok := line.Precision(name)
	if !ok && name != "" || second(c.r) && unit > time.Second {
		known := "n, ns, u, us, ms, s, m, h"
		if second(c.r) {
			known = "ns, us, ms, s"
		}
		return 0, badRequest("invalid precision %q (use %s)", shorten(name), known)
	}
	level, err := c.one("consistency")
	if err != nil {
		return 0, err
	}
	if slices.Contains(consistencies, level) {
		return unit, nil
	}
	return 0, badRequest("invalid consistency level %q (use any, one, quorum, all)", shorten(level))
}

// partialError names what of a body was not stored and will not be, however often it is sent.
type partialError struct {
	text   string
	status int
	unread bool // there are lines that could not be read
}

func (e *partialError) Error() string { return e.text }
func (*partialError) Kind() string    { return string(edge.Invalid) }
func (e *partialError) Code() string {
	if e.unread {
		return "request-syntax"
	}
	return "partial-write"
}

// Status is that of InfluxDB: 400, and for lines that could be read 422 in the second version.
func (e *partialError) Status() int { return e.status }

// passed are the reasons that are no error: nobody wants it otherwise.
var passed = [measures.NumReasons]bool{measures.UnmappedField: true}

// lost is the error of a body of which something was not stored, nil if everything was that is wanted.
func (c *call) lost(r *ingest.Result) error {
	var texts []string
	dropped := 0
	if r.Malformed > 0 {
		texts = append(texts, unparsed(r))
		dropped += r.Malformed
	}
	for i, n := range r.Ignored {
		why := measures.Reason(i)
		switch {
		case n == 0 || passed[why] || limitOnSeries(why) && c.d.o.SeriesStatus == http.StatusOK:
			continue
		case why == measures.WrongKind && r.Field != nil:
			texts = append(texts, fmt.Sprintf("%v (line %d, %d values)", r.Field, r.Field.Line, n))
		default:
			texts = append(texts, c.reason(r, why, n))
		}
		dropped += n
	}
	if len(texts) == 0 {
		return nil
	}
	text := strings.Join(texts, "; ")
	e := &partialError{status: http.StatusBadRequest, unread: r.Malformed > 0}
	if r.Malformed == dropped && r.Stored == 0 {
		e.text = text // nothing of it is stored, and nothing else is wrong with it
		return e
	}
	e.text = fmt.Sprintf("partial write: %s; %d values were stored dropped=%d", text, r.Stored, dropped)
	if !e.unread && second(c.r) {
		e.status, e.text = http.StatusUnprocessableEntity, "failure writing points to database: "+e.text
	}
	return e
}

// unparsed names the first line that could not be read.
func unparsed(r *ingest.Result) string {
	text := fmt.Sprintf("unable to parse '%s': %s", r.First.Text, r.First.Reason)
	if r.Malformed > 1 {
		text += fmt.Sprintf(" (and %d lines more)", r.Malformed-1)
	}
	return text
}

func limitOnSeries(why measures.Reason) bool {
	return why == measures.SeriesLimit || why == measures.MemoryLimit
}

// reason says in words why n values were not stored, with the limit and its setting.
func (c *call) reason(r *ingest.Result, why measures.Reason, n int) string {
	text := ""
	switch bounds := c.d.o.Bounds(c.tenant); why {
	case measures.TooOld:
		text = fmt.Sprintf("points beyond retention policy: %d values are older than %s (setting granary.compat.influx.bounds.past)", n, tenant.DurationText(bounds.Past))
	case measures.TooNew:
		text = fmt.Sprintf("points beyond retention policy: %d values are more than %s ahead (setting granary.compat.influx.bounds.future)", n, tenant.DurationText(bounds.Future))
	case measures.SeriesLimit:
		text = fmt.Sprintf("max-series-per-database limit exceeded: %d values: %s", n, c.limit(why))
	default:
		if text = c.limit(why); text == "" {
			text = ingest.ReasonText(why)
		}
		text = fmt.Sprintf("%d values: %s", n, text)
	}
	if at := r.Example(why); at > 0 {
		text += fmt.Sprintf(" (line %d)", at)
	}
	return text
}

// limit names the limit of the tenant that a reason comes from, "" if it comes from none.
func (c *call) limit(why measures.Reason) string {
	t, ok := c.d.o.Tenants.Lookup(c.tenant)
	if !ok {
		return ""
	}
	l := c.d.o.Tenants.Limits(t.Num)
	return ingest.LimitText(why, c.tenant, &l)
}

// partError says that the store failed when a part of a body was stored already.
type partError struct {
	err    error
	stored int
}

func (e *partError) Error() string {
	return fmt.Sprintf("%v; %d values of the body were stored", e.err, e.stored)
}
func (e *partError) Unwrap() error { return e.err }
