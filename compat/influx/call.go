package influx

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"granary/api/edge"
	"granary/tenant"
	"granary/tenant/identity"
)

// call is one request on its way through a handler.
type call struct {
	d     *Dialect
	route *route
	w     http.ResponseWriter
	r     *http.Request
	ctx   context.Context
	who   *identity.Identity // nil for an open operation

	tenant tenant.ID
	query  url.Values
}

// run serves an operation.
func (d *Dialect) run(t *route, w http.ResponseWriter, r *http.Request, who *identity.Identity) {
	c := &call{d: d, route: t, w: w, r: r, who: who}
	if who != nil {
		c.r = r.WithContext(edge.WithIdentity(r.Context(), who))
	}
	c.ctx = c.r.Context()
	err := c.begin()
	if err == nil {
		err = t.serve(c)
	}
	if err != nil {
		d.fail(w, c.r, err)
	}
}

// begin checks what every operation demands.
func (c *call) begin() (err error) {
	if c.query, err = url.ParseQuery(c.r.URL.RawQuery); err != nil && !c.route.open {
		return badRequest("the query string cannot be read: %v", err)
	}
	if c.route.open {
		return nil
	}
	if c.tenant, err = c.choose(); err != nil {
		return err
	}
	if !c.route.own {
		if err := edge.Demand(c.who, c.tenant, c.route.right); err != nil {
			return err
		}
	}
	if c.d.o.Ready != nil {
		if ok, progress := c.d.o.Ready(); !ok {
			return &edge.StartingError{Progress: progress}
		}
	}
	return nil
}

// identify finds out who asks.
func (d *Dialect) identify(r *http.Request) (*identity.Identity, error) {
	if d.o.Auth == nil {
		return identity.Open(), nil
	}
	return d.o.Auth.Authenticate(r)
}

// choose finds the tenant of the request: the one that its header names, else that of its database or bucket, else the only one that
// who asks may enter, or the default one. A database that has no tenant of its own is none of the tenant's concerns: nothing has to be made
// before it is written to.
func (c *call) choose() (tenant.ID, error) {
	sel := &c.d.o.Select
	if len(c.d.o.Databases) > 0 && !sel.Chooses(c.r) {
		for _, name := range c.route.names(c) {
			if id, ok := c.d.o.Databases[name]; ok {
				if !c.who.Scope().Contains(id) {
					return "", &databaseError{name}
				}
				return id, nil
			}
		}
	}
	return sel.Select(c.r, c.who.Scope())
}

// database are the names of a database of the first version.
func (c *call) database() []string {
	db, rp := c.query.Get("db"), c.query.Get("rp")
	if rp != "" {
		return []string{db + "/" + rp, db}
	}
	return []string{db}
}

// bucket are the names of a bucket. InfluxDB 1.8 takes "db/rp" for one.
func (c *call) bucket() []string {
	bucket := c.query.Get("bucket")
	var names []string
	for _, org := range []string{c.query.Get("org"), c.query.Get("orgID")} {
		if org != "" {
			names = append(names, org+"/"+bucket)
		}
	}
	names = append(names, bucket)
	if i := strings.LastIndexByte(bucket, '/'); i >= 0 {
		names = append(names, bucket[:i])
	}
	return names
}

// one is the value of a parameter, "" if it is not there.
func (c *call) one(name string) (string, error) {
	list := c.query[name]
	for _, other := range list[min(1, len(list)):] {
		if other != list[0] {
			return "", badRequest("the parameter %s is there twice, with different values", name)
		}
	}
	return c.query.Get(name), nil
}

// requestError refuses a request for what it says.
type requestError struct{ text string }

func (e *requestError) Error() string { return e.text }
func (*requestError) Kind() string    { return string(edge.Invalid) }
func (*requestError) Code() string    { return "parameter-invalid" }

// badRequest is a refusal with 400.
func badRequest(format string, args ...any) error { return &requestError{fmt.Sprintf(format, args...)} }
