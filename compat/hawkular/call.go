package hawkular

import (
	"bytes"
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"granary/api/edge"
	"granary/metricdef"
	"granary/tenant"
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
	who *identity.Identity // nil for an open operation
	// admin says that who asks has shown the admin token.
	admin bool
	now   time.Time

	tenant tenant.ID
	// num is the number of the tenant, 0 if it is not there: then there is nothing to be found, for a read makes no tenant.
	num tenant.Num
	// typ is the type that the path names, in a variable or as it is spelt out; 0 if it names none.
	typ metricdef.Type
	// vars are the variables of the path, decoded once: %2F is a slash, and + is a plus.
	vars  map[string]string
	query url.Values

	bodies []*edge.Body
	ticket queue.Ticket // of the gate of reads
	// found is how many metrics the tag queries of the questions of the body have found so far.
	found int64

	// target and detail are what the audit log hears beside the name of the operation, which action is where the route's is not it.
	action string
	target string
	detail map[string]any
}

// run serves an operation.
func (d *Dialect) run(t *route, w http.ResponseWriter, r *http.Request, who *identity.Identity, admin bool) {
	c := &call{d: d, route: t, w: w, r: r, who: who, admin: admin, now: d.o.Now()}
	defer c.free()
	if who != nil {
		c.r = r.WithContext(edge.WithIdentity(r.Context(), who))
	}
	c.ctx = c.r.Context()
	err := c.begin()
	begun := err == nil
	broken := begun // off, by a panic: what the client took of the answer has been seen
	if t.audit != "" {
		defer func() {
			if broken {
				err = http.ErrAbortHandler
			}
			c.audited(err, begun)
		}()
	}
	if begun {
		err = t.serve(c)
		broken = false
	}
	if err != nil {
		d.fail(w, c.r, err)
	}
}

// begin checks what every operation demands.
func (c *call) begin() error {
	err := c.negotiate()
	if err != nil {
		return err
	}
	if c.query, err = url.ParseQuery(c.r.URL.RawQuery); err != nil && !c.route.open { // those have no parameters
		return badRequest("the query string cannot be read: %v", err)
	}
	if err := c.ambiguous(); err != nil {
		return err
	}
	vars := mux.Vars(c.r)
	c.vars = make(map[string]string, len(vars))
	for name, raw := range vars {
		if c.vars[name], err = url.PathUnescape(raw); err != nil {
			return badRequest("the path cannot be read: %v", err)
		}
	}
	first, _, _ := strings.Cut(strings.TrimPrefix(c.route.path, Prefix+"/"), "/")
	for _, name := range []string{c.vars["type"], c.vars["numbers"], first} {
		if typ, ok := typeNames[name]; ok {
			c.typ = typ
		}
	}
	if c.route.open {
		return nil
	}
	if !c.route.self {
		if err := c.choose(); err != nil {
			return err
		}
	}
	if c.d.o.Ready != nil {
		if ok, progress := c.d.o.Ready(); !ok {
			return &startingError{progress}
		}
	}
	if t, ok := c.d.o.Tenants.Lookup(c.tenant); ok {
		c.num = t.Num
	}
	return nil
}

// singles are the parameters that have one value. Only metrics may be given several times.
var singles = []string{
	"start", "end", "fromEarliest", "limit", "order", "distinct", "buckets", "bucketDuration", "percentiles", "stacked",
	"tags", "type", "id", "timestamps", "filter", "threshold", "op", "overwrite", "state",
}

// ambiguous refuses a parameter that is given twice with different values: one of them would be lost.
func (c *call) ambiguous() error {
	for _, name := range singles {
		for i, v := range c.query[name] {
			if first := c.query[name][0]; i > 0 && v != first {
				return badRequest("%s: is given twice, as %q and as %q", name, shorten(first), shorten(v))
			}
		}
	}
	return nil
}

// strict says whether the request is answered as Hawkular Metrics 0.32 does.
func (c *call) strict() bool { return c.d.o.Strict }

// body reads the body of the request, decompressed. It is valid until the handler returns.
func (c *call) body() ([]byte, error) {
	var b *edge.Body
	var err error
	if c.route.points {
		if c.d.o.CheckRate != nil {
			if err := c.d.o.CheckRate(c.tenant); err != nil {
				return nil, err
			}
		}
		b, err = c.d.o.Bodies.ReadFor(c.r, c.tenant)
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

// enter waits until it is the request's turn to look at much: reads and searches pass one gate, in which each tenant has its
// queue. The body, if there is one, is read before, so that a slow sender keeps nobody waiting.
func (c *call) enter() (err error) {
	c.ctx, err = c.d.o.Reads.Pass(c.ctx, c.tenant, &c.ticket)
	return err
}

// free gives back what the request held.
func (c *call) free() {
	c.ticket.Leave()
	for _, b := range c.bodies {
		b.Free()
	}
}

// resolve finds the metric of an id: the series of that type whose key text it is, else the one of that name without tags.
func (c *call) resolve(typ metricdef.Type, id string) (metricdef.Ref, bool) {
	return resolve(c.d.o.Definitions, c.num, typ, id)
}

func resolve(defs Definitions, t tenant.Num, typ metricdef.Type, id string) (metricdef.Ref, bool) {
	if t == 0 || id == "" {
		return 0, false
	}
	ref, _ := lookUp(defs, t, typ, []byte(id))
	if ref == 0 {
		return 0, false
	}
	_, ok := defs.Get(ref) // one that is about to be made is not there yet
	return ref, ok
}

// lookUp is resolve for writers, which also find what is about to be made: 0 if there is none. asKey says that the id is its key text.
func lookUp(defs Definitions, t tenant.Num, typ metricdef.Type, id []byte) (ref metricdef.Ref, asKey bool) {
	if ref, asKey = defs.Resolve(t, typ, id); asKey {
		return ref, true
	}
	if key := metricdef.AppendKey(nil, string(id), nil); !bytes.Equal(key, id) {
		ref, _ = defs.Resolve(t, typ, key)
	}
	return ref, false
}

// refsOf are the metrics of ids, in the order of these. Ids of none are passed over.
func (c *call) refsOf(typ metricdef.Type, ids ...string) (refs []metricdef.Ref) {
	for _, id := range ids {
		if ref, ok := c.resolve(typ, id); ok {
			refs = append(refs, ref)
		}
	}
	return refs
}

// own is the metric that the path names, if it is there.
func (c *call) own() []metricdef.Ref { return c.refsOf(c.typ, c.vars["id"]) }

// definition is the metric of an id.
func (c *call) definition(typ metricdef.Type, id string) (metricdef.Definition, bool) {
	ref, ok := c.resolve(typ, id)
	if !ok {
		return metricdef.Definition{}, false
	}
	return c.d.o.Definitions.Get(ref)
}

// idOf is the id under which the dialect shows a metric: its name, and where it has identity tags its key text.
func idOf(d *metricdef.Definition) string {
	if len(d.Tags) == 0 {
		return d.Name
	}
	return string(metricdef.AppendKey(nil, d.Name, d.Tags))
}

// choose finds the tenant of the request, and whether who asks may do this in it. A field that is blank is as good as none, and then the
// default mode has a tenant for the request and the strict mode has not.
func (c *call) choose() (err error) {
	sel := &c.d.o.Select
	if c.strict() && !sel.Chooses(c.r) {
		return errNoTenant
	}
	if c.tenant, err = sel.Select(withoutBlank(c.r), c.who.Scope()); err != nil {
		return err
	}
	if c.route.admin {
		return c.administers()
	}
	return edge.Demand(c.who, c.tenant, c.route.right)
}

// withoutBlank is a request without the fields that choose a tenant and are blank.
func withoutBlank(r *http.Request) *http.Request {
	blank := func(v string) bool { return strings.TrimSpace(v) == "" }
	copied := false
	for _, name := range edge.TenantHeaders {
		if !slices.ContainsFunc(r.Header[name], blank) {
			continue
		}
		if !copied {
			copied = true
			other := *r
			other.Header = maps.Clone(r.Header)
			r = &other
		}
		if rest := slices.DeleteFunc(slices.Clone(r.Header[name]), blank); len(rest) > 0 {
			r.Header[name] = rest
		} else {
			delete(r.Header, name)
		}
	}
	return r
}

// negotiate refuses in the strict mode what Hawkular's server refuses before it calls a handler.
func (c *call) negotiate() error {
	if !c.strict() {
		return nil
	}
	if m := c.r.Method; m == http.MethodPost || m == http.MethodPut {
		if got := edge.MediaType(c.r); got != typeJSON {
			return &mediaError{got}
		}
	}
	if edge.Negotiate(c.r, c.route.produces...) == "" {
		return &acceptError{c.route.produces}
	}
	return nil
}

// flag is a parameter that is true or false; false if it is not there.
func (c *call) flag(name string) (bool, error) {
	var f flag
	if text := c.query.Get(name); text != "" {
		if err := f.parse(text); err != nil {
			return false, badRequest("%s: %v", name, err)
		}
	}
	return bool(f), nil
}
