package hawkular

import (
	"net/http"
	"time"

	"granary/api/edge"
)

// implementation is the version that clients are told: they use the features that it had, and Granary has those of the last.
const implementation = "0.32.0.Final"

// mohawk is the version of Mohawk whose documentation the default mode follows.
const mohawk = "0.33.3"

func (d *Dialect) statusRoutes() []route {
	return []route{
		{method: http.MethodGet, path: "", serve: d.root, open: true, produces: []string{typeJSON, typeHTML}},
		{method: http.MethodGet, path: "/status", serve: d.status, open: true},
		{method: http.MethodGet, path: "/ping", serve: d.ping, open: true},
	}
}

// status says that the service is there and which version of its interface it has.
func (d *Dialect) status(c *call) error {
	state := "STARTED"
	if d.o.Ready != nil {
		if ok, _ := d.o.Ready(); !ok {
			state = "STARTING"
		}
	}
	b := append([]byte(nil), `{"MetricsService":`...)
	b = edge.AppendString(b, state)
	b = append(b, `,"Implementation-Version":`...)
	b = edge.AppendString(b, implementation)
	b = append(b, `,"Built-From-Git-SHA1":`...)
	b = edge.AppendString(b, d.o.Version)
	if d.o.Strict {
		b = append(b, `,"Cassandra":"up"}`...)
	} else {
		b = append(b, `,"MohawkVersion":"`+mohawk+`","MohawkStorage":"Storage-Granary"}`...)
	}
	return c.json(append(b, '\n'))
}

const typeHTML = "text/html"

// rootPage is what a browser is shown at the root: consoles send people there to accept the certificate of the service.
const rootPage = `<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Hawkular Metrics</title></head>
<body><h1>Hawkular Metrics</h1><p>Served by Granary. <a href="/hawkular/metrics/status">Status</a></p></body>
</html>
`

// root names the service.
func (d *Dialect) root(c *call) error {
	c.w.Header().Add("Vary", "Accept")
	if edge.Negotiate(c.r, c.route.produces...) == typeHTML {
		c.w.Header()["Content-Security-Policy"] = []string{"default-src 'none'"}
		d.o.Compress.Answer(c.w, c.r, http.StatusOK, typeHTML+"; charset=utf-8", []byte(rootPage))
		return nil
	}
	b := append([]byte(nil), `{"name":"Hawkular-Metrics","Implementation-Version":`...)
	b = edge.AppendString(b, implementation)
	b = append(b, `,"Built-From-Git-SHA1":`...)
	b = edge.AppendString(b, d.o.Version)
	return c.json(append(b, '}'))
}

// ping answers the date.
func (d *Dialect) ping(c *call) error {
	b := append([]byte(nil), `{"value":`...)
	b = edge.AppendString(b, c.now.UTC().Format(time.RFC1123))
	return c.json(append(b, '}'))
}
