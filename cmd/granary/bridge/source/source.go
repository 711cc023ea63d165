package source

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"granary/cmd/granary/bridge/endpoint"
	"granary/cmd/granary/config"
)

// The reasons for which a part of an answer gives no sample.
const (
	Null      = "null"
	NotNumber = "not-a-number" // a text or a truth value
	Histogram = "histogram"    // of Prometheus, native
)

// Query is what is asked.
type Query struct {
	Text     string
	Language string   // config.InfluxQL or config.Flux; of no account for Prometheus
	Column   string   // of the value; "" for the one that there is
	Used     []string // labels that the caller looks at, so columns that are no values
	Time     int64    // seconds since 1970 UTC that Prometheus is asked about; 0 for its own now
}

// Sample is one number of an answer.
type Sample struct {
	Labels map[string]string
	Value  float64
	Time   int64 // seconds since 1970 UTC
	Timed  bool  // whether the answer gives a time
}

// Answer is what a server said.
type Answer struct {
	Samples  []Sample
	Skipped  map[string]int // parts that give no sample, by reason
	Warnings []string       // of the server
}

func (a *Answer) skip(reason string) {
	if a.Skipped == nil {
		a.Skipped = map[string]int{}
	}
	a.Skipped[reason]++
}

// Source is a server. Query may be called from several goroutines at once.
type Source interface {
	Query(ctx context.Context, q Query) (*Answer, error)
	Close()
}

// Open makes the source of a kind. It connects to nothing; it is an error if a file that the configuration names cannot be read.
func Open(kind string, s *config.BridgeSource) (Source, error) {
	c, err := endpoint.NewClient(&s.BridgeEndpoint, nil)
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", s.Name, err)
	}
	server := server{s: s, client: c}
	if kind == config.Prometheus {
		return &prometheus{server}, nil
	}
	return &influx{server}, nil
}

// server is what all kinds have.
type server struct {
	s      *config.BridgeSource
	client *http.Client
}

// Close drops idle connections.
func (s *server) Close() { s.client.CloseIdleConnections() }

// at is the address of a path of the server.
func (s *server) at(path string) string { return strings.TrimRight(s.s.URL, "/") + path }

// post sends a form and gives status and answer.
func (s *server) post(ctx context.Context, path string, form url.Values) (int, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.at(path), strings.NewReader(form.Encode()))
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	return s.do(r)
}

func (s *server) do(r *http.Request) (int, []byte, error) {
	a, err := endpoint.Do(s.client, r, s.s.MaxAnswer)
	if err != nil {
		return 0, nil, err
	}
	if a.Status/100 == 3 {
		return 0, nil, fmt.Errorf("status %d sends us to %q; expected that address as the url of the source", a.Status, a.Header.Get("Location"))
	}
	return a.Status, a.Body, nil
}

// StatusError is an answer that is no success.
type StatusError struct {
	Status int
	Text   string // what the server says
}

func (e *StatusError) Error() string { return fmt.Sprintf("status %d: %s", e.Status, e.Text) }

// shorten bounds what an error quotes of an answer.
func shorten(b []byte) string {
	const most = 300
	text := strings.ToValidUTF8(strings.TrimSpace(string(b[:min(len(b), most)])), "?")
	if len(b) > most {
		text += "..."
	}
	return text
}
