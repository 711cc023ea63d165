package source

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"granary/cmd/granary/config"
)

// influx is an InfluxDB, of any version that answers in one of the two languages.
type influx struct{ server }

// Query asks /query in InfluxQL, or /api/v2/query in Flux.
func (i *influx) Query(ctx context.Context, q Query) (*Answer, error) {
	if q.Language == config.Flux {
		return i.flux(ctx, q)
	}
	form := url.Values{"q": {q.Text}, "db": {i.s.Database}, "epoch": {"s"}}
	if i.s.Retention != "" {
		form.Set("rp", i.s.Retention)
	}
	status, body, err := i.post(ctx, "/query", form)
	if err != nil {
		return nil, err
	}
	return readInfluxQL(status, body, q)
}

// flux asks with the annotations that tell the types of the columns.
func (i *influx) flux(ctx context.Context, q Query) (*Answer, error) {
	body, err := json.Marshal(map[string]any{
		"query": q.Text, "type": "flux",
		"dialect": map[string]any{"header": true, "delimiter": ",", "annotations": []string{"datatype", "group", "default"}},
	})
	if err != nil {
		return nil, err
	}
	address := i.at("/api/v2/query")
	if i.s.Org != "" {
		address += "?" + url.Values{"org": {i.s.Org}}.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/csv")
	status, answer, err := i.do(r)
	if err != nil {
		return nil, err
	}
	return readFlux(status, answer, q)
}
