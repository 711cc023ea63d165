package hawkular

import (
	"cmp"
	"fmt"
	"net/http"

	"granary/api/edge"
	"granary/compat/hawkular/points"
	"granary/measures"
	"granary/measures/ingest"
	"granary/tenant"
	"granary/tenant/identity"
	"granary/tenant/queue"
)

const settingText = "granary.limits.text"

// reading reads a body of one form.
type reading func(c *call, d *points.Decoder, body []byte, turn *queue.Turn) error

func readSeveral(c *call, d *points.Decoder, body []byte, turn *queue.Turn) error {
	return d.Several(body, c.typ, turn)
}

func readSingle(c *call, d *points.Decoder, body []byte, turn *queue.Turn) error {
	return d.One(body, c.typ, c.vars["id"], turn)
}

func readMixed(_ *call, d *points.Decoder, body []byte, turn *queue.Turn) error {
	return d.Mixed(body, turn)
}

func (d *Dialect) writeRoutes() []route {
	post := func(path string, read reading) route {
		return route{method: http.MethodPost, path: path, right: identity.Write, points: true, serve: func(c *call) error { return c.write(read) }}
	}
	return []route{
		post("/{type}/raw", readSeveral),
		post("/{type}/{id}/raw", readSingle),
		post("/{metrics}/raw", readMixed),
		// The forms of old clients, which strings never had.
		post("/{numbers}/data", readSeveral),
		post("/{numbers}/{id}/data", readSingle),
		post("/availability/data", readSeveral),
		post("/availability/{id}/data", readSingle),
		post("/{metrics}/data", readMixed),
	}
}

// write stores a body of points: all of it, or nothing where anything is wrong with it. What the store does not take, since a limit or
// a policy forbids it, is told in X-Granary-Ignored; it is an error only if nothing was stored.
func (c *call) write(read reading) error {
	body, err := c.body()
	if err != nil {
		return err
	}
	if c.strict() && saysNothing(body) {
		return errPayload
	}
	in := c.d.takeIntake()
	defer in.end()
	in.begin(c)
	err = in.store(body, read)
	in.count(len(body), err)
	if err != nil {
		if in.stored > 0 {
			err = &partError{err, in.stored, len(in.dec.Times)}
		}
		return err
	}
	return in.answer()
}

// answer says what became of a body that met no error.
func (in *intake) answer() error {
	c, listed := in.c, in.dec.Listed
	if listed == 0 && c.strict() {
		return errPayload
	}
	if in.refused > 0 {
		limited := in.ignored[measures.SeriesLimit] + in.ignored[measures.MemoryLimit]
		ok := limited == 0 || c.d.o.SeriesStatus == http.StatusOK
		c.w.Header()["X-Granary-Ignored"] = []string{ingest.IgnoredHeader(&in.ignored)}
		if in.stored == 0 && (limited < in.refused || !ok) || !ok {
			return &refusedError{in.first, in.stored, in.refused, limited, ingest.IgnoredHeader(&in.ignored), c.d.o.SeriesStatus}
		}
	}
	return c.done("Received %d data items", listed)
}

// count counts a body with those of the other dialects. A line is a point.
func (in *intake) count(size int, err error) {
	c := in.c.d.o.Counters.Dialect(Name)
	c.Bodies.Add(1)
	c.Bytes.Add(uint64(size))
	c.Lines.Add(uint64(len(in.dec.Times) + in.malformed))
	c.Stored.Add(uint64(in.stored))
	for why, n := range in.ignored {
		c.Ignored[why].Add(uint64(n))
	}
	c.Malformed.Add(uint64(in.malformed))
	c.Stale.Add(uint64(in.stale))
	if err != nil && in.malformed == 0 && in.refused == 0 {
		c.Failed.Add(1)
	}
}

// refusedError says what the store did not take of a body.
type refusedError struct {
	first           string // of the points
	stored, refused int
	limited         int // of refused: since the tenant may have no more series or memory
	reasons         string
	status          int // the setting for a limit on series; 0: 429
}

func (e *refusedError) Error() string {
	if e.stored == 0 {
		return fmt.Sprintf("nothing was stored: %s; %d points were refused: %s", e.first, e.refused, e.reasons)
	}
	return fmt.Sprintf("%s; %d points were refused: %s; %d points were stored", e.first, e.refused, e.reasons, e.stored)
}

// Kind is over limit if a limit that may be raised is all that was met.
func (e *refusedError) Kind() string {
	if e.limited == e.refused || e.stored > 0 {
		return string(edge.OverLimit)
	}
	return string(edge.Invalid)
}

// Code is the stable code of the error.
func (e *refusedError) Code() string {
	if e.Kind() == string(edge.OverLimit) {
		return "tenant-limit"
	}
	return "nothing-stored"
}

// Lasting says that time alone does not help.
func (*refusedError) Lasting() bool { return true }

// Status is what the setting says, if it says something.
func (e *refusedError) Status() int {
	if e.Kind() != string(edge.OverLimit) {
		return http.StatusBadRequest
	}
	return cmp.Or(e.status, http.StatusTooManyRequests)
}

// partError says that the store failed when a part of a body was stored already.
type partError struct {
	err         error
	stored, all int
}

func (e *partError) Error() string {
	return fmt.Sprintf("%v; %d points of the body were stored, %d were not", e.err, e.stored, e.all-e.stored)
}
func (e *partError) Unwrap() error { return e.err }

// seriesError says that a body would make more series than its tenant may have. Nothing of it is stored.
type seriesError struct {
	limit        *tenant.LimitError
	fresh, count int // series that it would make, points that it has
	status       int // 0: 429
}

func (e *seriesError) Error() string {
	return fmt.Sprintf("%v: none of the %d points was stored, since they would make %d more series", e.limit, e.count, e.fresh)
}
func (e *seriesError) Unwrap() error { return e.limit }

// Status is what the setting says, if it says something.
func (e *seriesError) Status() int { return cmp.Or(e.status, http.StatusTooManyRequests) }
