package native

import (
	"errors"
	"net/http"
	"strconv"

	"granary/api/edge"
	"granary/measures"
)

// maxItemErrors is how many errors an answer names; their number is always whole.
const maxItemErrors = 100

// report is what became of a body.
type report struct {
	stored   int
	rejected int
	reasons  map[string]int // rejected samples by code, or by the reason of the store
	errors   []itemError
	limited  int // of rejected: for the limit on series
	unread   int // items and samples that could not be read
	line     int // of the body that is being read; 0 where lines say nothing
}

// itemError is one thing that was not stored.
type itemError struct {
	Index  int    `json:"index"`         // of the item, from 0
	Line   int    `json:"line,omitzero"` // of the body, from 1, where a line is an item
	Path   string `json:"path"`          // from the body, or from the item where a line is one
	Code   string `json:"code"`
	Reason string `json:"reason,omitzero"` // of sample-refused
	Detail string `json:"detail"`
}

// measuresAnswer is the answer of POST /v2/measures.
type measuresAnswer struct {
	Stored   int            `json:"stored"`
	Rejected int            `json:"rejected"`
	Reasons  map[string]int `json:"reasons,omitempty"`
	Errors   []itemError    `json:"errors"`
}

// maxUnread is how many items and samples of a body may be unreadable. What stands behind is not looked at: saying of each of some
// million what is wrong with it would take a core for half a minute.
const maxUnread = 100_000

func (r *report) enough() bool { return r.unread >= maxUnread }

var errUnread = &syntaxError{text: "the rest was not read: the body has " + strconv.Itoa(maxUnread) + " items and samples that could not be, which is the limit"}

// add counts one sample, or an item that cannot be read, and shows why.
func (r *report) add(index int, path string, err error) { r.refuseItem(index, path, 1, err) }

// refuseItem counts an item of n samples, and shows why.
func (r *report) refuseItem(index int, path string, n int, err error) {
	r.rejected += n
	r.unread++
	r.reason(edge.CodeOf(err), n)
	r.show(index, path+edge.PathOf(err), err)
}

func (r *report) reason(name string, n int) {
	if r.reasons == nil {
		r.reasons = map[string]int{}
	}
	r.reasons[name] += n
}

// count counts samples that the store refused.
func (r *report) count(why measures.Reason, n int) {
	r.rejected += n
	r.reason(why.String(), n)
	if why == measures.SeriesLimit || why == measures.MemoryLimit {
		r.limited += n
	}
}

// show adds an error to those that are named.
func (r *report) show(index int, path string, err error) {
	if len(r.errors) >= maxItemErrors {
		return
	}
	e := itemError{Index: index, Line: r.line, Path: edge.ShortPath(path), Code: edge.CodeOf(err), Detail: edge.DetailOf(err)}
	if refused, ok := errors.AsType[*refusedError](err); ok {
		e.Reason = refused.why.String()
	}
	r.errors = append(r.errors, e)
}

func (r *report) answer() *measuresAnswer {
	out := &measuresAnswer{Stored: r.stored, Rejected: r.rejected, Reasons: r.reasons, Errors: r.errors}
	if out.Errors == nil {
		out.Errors = []itemError{}
	}
	return out
}

// showLimit adds an error of a line that a limit of the tenant refused: one for each limit, since lines are counted by reason.
func (r *report) showLimit(why measures.Reason, line int, text string) {
	if text == "" || len(r.errors) >= maxItemErrors {
		return
	}
	e := &refusedError{why, text}
	r.errors = append(r.errors, itemError{Index: max(line-1, 0), Line: line, Code: e.Code(), Reason: why.String(), Detail: edge.DetailOf(e)})
}

// allLimited says that all samples met the limit on series.
func (r *report) allLimited() bool { return r.limited == r.rejected }

// nothingError says that nothing of a body was stored, since nothing of it was right.
type nothingError struct {
	r *report
	// series is the status if all samples met the limit on series; 0: 429.
	series int
}

func (e *nothingError) Error() string {
	if len(e.r.errors) == 0 {
		return "nothing was stored"
	}
	return "nothing was stored: " + e.r.errors[0].Detail
}

// Kind is over limit if all samples met the limit on series: they are right, and may be sent again once it is raised.
func (e *nothingError) Kind() string {
	if e.r.allLimited() {
		return string(edge.OverLimit)
	}
	return string(edge.Invalid)
}

// Lasting says that time alone does not help: what met the limit on series meets it until somebody raises it.
func (*nothingError) Lasting() bool { return true }

// Status is what the setting says, if it says something.
func (e *nothingError) Status() int {
	switch {
	case !e.r.allLimited():
		return http.StatusBadRequest
	case e.series != 0:
		return e.series
	}
	return http.StatusTooManyRequests
}

func (e *nothingError) Code() string {
	if e.r.allLimited() {
		return "tenant-limit"
	}
	return "nothing-stored"
}

// Problem tells what the answer would have told.
func (e *nothingError) Problem() map[string]any {
	a := e.r.answer()
	m := map[string]any{"stored": a.Stored, "rejected": a.Rejected, "reasons": a.Reasons, "errors": a.Errors}
	if e.r.allLimited() {
		m["setting"] = "granary.limits.series"
	}
	return m
}

// partError says that the store failed when a part of a body was stored already.
type partError struct {
	err error
	r   *report
}

func (e *partError) Error() string { return e.err.Error() }
func (e *partError) Unwrap() error { return e.err }

// Problem tells how much was stored.
func (e *partError) Problem() map[string]any {
	return map[string]any{"stored": e.r.stored, "rejected": e.r.rejected}
}
