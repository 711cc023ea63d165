package gnocchi

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"granary/api/edge"
	"granary/compat/gnocchi/pyjson"
	"granary/compat/gnocchi/schema"
	"granary/measures/query"
	"granary/tenant"
	"granary/tenant/audit"
	"granary/tenant/identity"
	"granary/tenant/queue"
)

// call is one request on its way through a handler.
type call struct {
	d     *Dialect
	route *route
	w     http.ResponseWriter
	r     *http.Request
	// ctx is that of the request; behind body, that in which the work on it takes its turns.
	ctx context.Context
	*caller
	now time.Time

	// num is the number of the caller's home, 0 if there is no such tenant: then there is nothing to be found, for a read makes none.
	num tenant.Num
	// vars are the variables of the path, decoded once: %2F is a slash, and + is a plus.
	vars  map[string]string
	query url.Values

	bodies []*edge.Body
	ticket queue.Ticket // of the gate of reads
	cost   query.Cost   // of all that the request has prepared to read

	// beyond are the tenants other than the caller's home that the request is about.
	beyond []tenant.ID
	// target and detail are what the audit log hears beside the name of the operation.
	target string
	detail map[string]any
	// unchanged says that nothing was done that the audit log has to hear of.
	unchanged bool
}

// run serves an operation.
func (d *Dialect) run(t *route, w http.ResponseWriter, r *http.Request) {
	c := &call{d: d, route: t, w: w, r: r, ctx: r.Context(), now: d.o.Now()}
	defer c.free()
	err := c.begin()
	if err == nil {
		broken := !t.open // off, by a panic
		if !t.open {
			defer func() {
				if broken {
					err = http.ErrAbortHandler
				}
				c.audited(err)
			}()
		}
		err = t.serve(c)
		broken = false
	}
	if err != nil {
		d.fail(w, c.r, err)
	}
}

// begin checks what every operation demands. Where identity is demanded nothing is said to who has none.
func (c *call) begin() (err error) {
	if !c.route.open {
		if c.caller, err = c.d.enter(c.r); err != nil {
			return err
		}
		c.r = c.r.WithContext(edge.WithIdentity(c.r.Context(), c.id))
		c.ctx = c.r.Context()
	}
	produces := c.route.produces
	if produces == "" {
		produces = typeJSON
	}
	if produces != "*" {
		if err := acceptable(c.r, produces); err != nil {
			return err
		}
	}
	if c.query, err = url.ParseQuery(c.r.URL.RawQuery); err != nil && !c.route.open { // those have no parameters
		return badRequest("the query string cannot be read: %v", err)
	}
	c.vars = mux.Vars(c.r)
	for name, raw := range c.vars {
		if c.vars[name], err = url.PathUnescape(raw); err != nil {
			return badRequest("the path cannot be read: %v", err)
		}
	}
	if c.route.open {
		return nil
	}
	switch {
	case !c.known && !c.route.anyone && !(c.vouched && c.route.right == identity.Read): // nobody sees what nobody has, and makes nothing
		return errUnknown
	case !c.wide() && !c.vouched:
		if err := edge.Demand(c.id, c.home, c.route.right); err != nil {
			return err
		}
	}
	if c.d.o.Ready != nil {
		if ok, progress := c.d.o.Ready(); !ok {
			return &edge.StartingError{Progress: progress}
		}
	}
	if t, ok := c.d.o.Tenants.Lookup(c.home); ok {
		c.num = t.Num
	}
	return nil
}

// body reads the body of the request, decompressed. It is valid until the handler returns.
func (c *call) body() ([]byte, error) {
	var b *edge.Body
	var err error
	if c.route.points {
		if c.d.o.CheckRate != nil {
			if err := c.d.o.CheckRate(c.home); err != nil {
				return nil, err
			}
		}
		if c.route.block {
			b, err = c.d.o.Bodies.ReadBlockFor(c.r, c.home)
		} else {
			b, err = c.d.o.Bodies.ReadFor(c.r, c.home)
		}
	} else {
		b, err = c.d.o.Requests.Read(c.r)
	}
	if err != nil {
		return nil, err
	}
	c.bodies = append(c.bodies, b)
	if b.Cut != nil {
		return nil, badRequest("the body does not arrive as a whole: %v", b.Cut)
	}
	c.ctx = b.Context(c.ctx)
	return b.Bytes, nil
}

// typed refuses a body of another media type than the operation takes.
func (c *call) typed() error {
	want := c.route.takes
	if want == "" {
		want = typeJSON
	}
	got, _, _ := strings.Cut(c.r.Header.Get("Content-Type"), ";")
	if want != "*" && strings.TrimSpace(got) != want {
		return &mediaError{got, want}
	}
	return nil
}

// json reads the body as JSON and checks it.
func (c *call) json(check schema.Check) (any, error) {
	if err := c.typed(); err != nil {
		return nil, err
	}
	b, err := c.body()
	if err != nil {
		return nil, err
	}
	v, err := pyjson.Decode(b)
	if err != nil {
		return nil, undecodable(err)
	}
	if v, err = check(v); err != nil {
		return nil, invalid(err)
	}
	return v, nil
}

// someJSON reads the body as JSON, if there is one.
func (c *call) someJSON() (v any, ok bool, err error) {
	b, err := c.body()
	if err != nil || len(b) == 0 {
		return nil, false, err
	}
	if err := c.typed(); err != nil {
		return nil, false, err
	}
	if v, err = pyjson.Decode(b); err != nil {
		return nil, false, undecodable(err)
	}
	return v, true, nil
}

// object is json for an object.
func (c *call) object(fields ...schema.Field) (*pyjson.Object, error) {
	v, err := c.json(schema.Dict(fields...))
	if err != nil {
		return nil, err
	}
	return v.(*pyjson.Object), nil
}

// enter waits until it is the request's turn to look at much: reads and searches pass one gate, in which each tenant has its
// queue. The body, if there is one, is read before, so that a slow sender keeps nobody waiting.
func (c *call) enter() (err error) {
	c.ctx, err = c.d.o.Reads.Pass(c.ctx, c.home, &c.ticket)
	return err
}

// free gives back what the request held.
func (c *call) free() {
	c.ticket.Leave()
	for _, b := range c.bodies {
		b.Free()
	}
}

// demand is nil if the caller may do something to an object, which is one of a tenant that the caller sees; nil: to the service.
func (c *call) demand(a action, o *object) error {
	if !c.may(a, o) {
		return errForbidden
	}
	if o != nil {
		c.reach(o.tenant)
	}
	return nil
}

// maxBeyond bounds the tenants that the audit log hears of by name.
const maxBeyond = 20

// reach notes that the request is about something of a tenant, for the audit log, if that is another one than the caller's.
func (c *call) reach(id tenant.ID) {
	if id != c.home && !slices.Contains(c.beyond, id) && len(c.beyond) <= maxBeyond {
		c.beyond = append(c.beyond, id)
	}
}

// audited tells the audit log how an operation ended: if it hears of it in any case, or if it was about other tenants than the caller's.
func (c *call) audited(err error) {
	if c.unchanged || err != nil && !edge.Changed(err) {
		return
	}
	e := audit.Entry{Action: c.route.audit, Tenant: c.home, Target: c.target, Outcome: edge.Outcome(err), Detail: c.detail}
	switch n := len(c.beyond); {
	case n == 0 && e.Action == "":
		return
	case n > maxBeyond:
		e.Tenants = identity.Everywhere
	case n > 0:
		names := make([]string, n)
		for i, id := range c.beyond {
			names[i] = string(id)
		}
		e.Tenants = strings.Join(names, ",")
	}
	if e.Action != "" {
		c.d.o.Audit.Record(c.r, c.id, e)
		return
	}
	e.Action = Name + ".read"
	if c.route.right != identity.Read {
		e.Action = Name + ".write"
	}
	c.d.o.Audit.Often(c.r, c.id, e) // as somebody does who writes for all tenants
}

// flag is a parameter that is true or false; false if it is not there.
func (c *call) flag(name string) (bool, error) {
	text := c.query.Get(name)
	if _, ok := c.query[name]; !ok {
		return false, nil
	}
	return parseFlag(name, text)
}

// parseFlag reads the value of a flag.
func parseFlag(name, text string) (bool, error) {
	switch strings.ToLower(text) {
	case "1", "t", "true", "on", "y", "yes":
		return true, nil
	case "0", "f", "false", "off", "n", "no":
		return false, nil
	}
	return false, badRequest("Unable to parse `%s': Unrecognized value '%s', acceptable values are: '0', '1', 'f', 'false', 'n', 'no', 'off', 'on', 't', 'true', 'y', 'yes'", name, shorten(text))
}

// tenants are the numbers of the tenants in the caller's sight: its home, or all for those whose role reaches so far.
func (c *call) tenants() []tenant.Num {
	if !c.wide() {
		if c.num == 0 {
			return nil
		}
		return []tenant.Num{c.num}
	}
	var list []tenant.Num
	for _, t := range c.d.o.Tenants.All() {
		list = append(list, t.Num)
	}
	slices.Sort(list)
	return list
}

// page is which part of a list is asked for.
type page struct {
	limit  int
	marker string
	sort   []string // key:dir as they were given; nil: the default of the list
}

// page reads the parameters of a page.
func (c *call) page() (p page, err error) {
	p = page{limit: c.d.o.MaxLimit, marker: c.query.Get("marker"), sort: c.query["sort"]}
	if list, ok := c.query["limit"]; ok {
		n, err := strconv.Atoi(strings.TrimSpace(list[0]))
		if errors.Is(err, strconv.ErrRange) {
			err = nil // n is the number next to it, and bounded like others
		}
		switch {
		case len(list) > 1 || err != nil:
			return p, badLimit("expected int")
		case n < 1:
			return p, badLimit("value must be at least 1")
		}
		p.limit = min(n, p.limit)
	}
	return p, nil
}

// next writes the field Link of an answer behind which there may be another page: one that is as long as it may be. sort is what the
// page is sorted by in effect.
func (c *call) next(p page, sort []string, marker string) {
	q := make(url.Values, len(c.query)+3)
	for name, values := range c.query {
		q[name] = values
	}
	q["limit"], q["sort"], q["marker"] = []string{strconv.Itoa(p.limit)}, sort, []string{marker}
	c.w.Header()["Link"] = []string{"<" + c.url(strings.TrimPrefix(c.r.URL.EscapedPath(), Prefix)) + "?" + q.Encode() + `>; rel="next"`}
}
