package prometheus

import (
	"context"
	"errors"
	"mime"
	"net/http"
	"os"
	"strings"
	"time"

	"granary/api/edge"
	"granary/measures/ingest/remote"
	"granary/tenant"
	"granary/tenant/identity"
)

// call is one request on its way through a handler.
type call struct {
	d     *Dialect
	route *route
	w     http.ResponseWriter
	r     *http.Request
	// ctx is that of the request; behind read, that in which the work on it takes its turns.
	ctx context.Context
	who *identity.Identity
	now time.Time

	version remote.Version
	tenant  tenant.ID
	num     tenant.Num // 0: the tenant is not there yet
	body    *edge.Body
}

// run serves an operation.
func (d *Dialect) run(t *route, w http.ResponseWriter, r *http.Request) {
	c := &call{d: d, route: t, w: w, r: r, ctx: r.Context(), now: d.o.Now()}
	defer c.free()
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
	o := &c.d.o
	if c.who = identity.Open(); o.Auth != nil {
		if c.who, err = o.Auth.Authenticate(c.r); err != nil {
			return err
		}
	}
	c.r = c.r.WithContext(edge.WithIdentity(c.r.Context(), c.who))
	c.ctx = c.r.Context()
	if err := c.d.cors.Check(c.r); err != nil {
		return err
	}
	if c.tenant, err = o.Select.Select(c.r, c.who.Scope()); err != nil {
		return err
	}
	if err := edge.Demand(c.who, c.tenant, c.route.right); err != nil {
		return err
	}
	if o.Ready != nil {
		if ok, progress := o.Ready(); !ok {
			return &edge.StartingError{Progress: progress}
		}
	}
	if t, ok := o.Tenants.Lookup(c.tenant); ok {
		c.num = t.Num
	}
	return nil
}

// The messages of remote write, as Content-Type names them.
const (
	mediaType = "application/x-protobuf"
	messageV1 = "prometheus.WriteRequest"
	messageV2 = "io.prometheus.write.v2.Request"
)

// negotiate finds out what the body is. A sender that says nothing sends 1.0, packed by snappy, as the first senders did.
func (c *call) negotiate() error {
	c.version = remote.V1
	if field := c.r.Header.Get("Content-Type"); field != "" {
		kind, params, err := mime.ParseMediaType(field)
		if err != nil || kind != mediaType {
			return &mediaError{field}
		}
		switch params["proto"] {
		case "", messageV1:
		case messageV2:
			c.version = remote.V2
		default:
			return &mediaError{field}
		}
	}
	for _, field := range c.r.Header["Content-Encoding"] {
		if name := strings.TrimSpace(field); name != "" && !strings.EqualFold(name, "snappy") {
			return &encodingError{field}
		}
	}
	return nil
}

// read reads the body of the request, decompressed. It is valid until the handler returns.
func (c *call) read() (message []byte, err error) {
	if check := c.d.o.CheckRate; check != nil {
		if err := check(c.tenant); err != nil {
			return nil, err
		}
	}
	b, err := c.d.o.Bodies.ReadBlockFor(c.r, c.tenant)
	if err != nil {
		return nil, err
	}
	if c.body = b; b.Cut != nil {
		return nil, &cutError{b.Cut, errors.Is(b.Cut, os.ErrDeadlineExceeded)}
	}
	c.ctx = b.Context(c.ctx)
	return b.Bytes, nil
}

// free gives back what the request held.
func (c *call) free() {
	if c.body != nil {
		c.body.Free()
	}
}
