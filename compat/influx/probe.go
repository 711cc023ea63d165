package influx

import (
	"net/http"

	"granary/api/edge"
)

const typeJSON = "application/json"

// ping answers clients that look for a server: with its version in the header, and in a body for those who ask for more.
func (c *call) ping() error {
	switch c.query.Get("verbose") {
	case "", "0", "false":
		c.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	b := append([]byte(nil), `{"version":`...)
	return c.json(http.StatusOK, append(edge.AppendString(b, InfluxVersion), '}'))
}

// health says whether the service takes requests, in the form of InfluxDB's.
func (c *call) health() error {
	status, state, message := http.StatusOK, "pass", "ready for queries and writes"
	if c.d.o.Ready != nil {
		if ok, progress := c.d.o.Ready(); !ok {
			status, state, message = http.StatusServiceUnavailable, "fail", progress
			edge.SetRetryAfter(c.w.Header(), &edge.StartingError{Progress: progress})
		}
	}
	b := append([]byte(nil), `{"checks":[],"message":`...)
	b = edge.AppendString(b, message)
	b = append(b, `,"name":"influxdb","status":`...)
	b = edge.AppendString(b, state)
	b = append(b, `,"version":`...)
	return c.json(status, append(edge.AppendString(b, InfluxVersion), '}'))
}
