package hawkulartest

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Player sends the requests of cases to a server.
type Player struct {
	Base   string       // what stands before the path: http://127.0.0.1:8080/hawkular/metrics
	Client *http.Client // nil: one that does not decompress
	Admin  string       // the admin token
	// Now is the time of a case, from which all of its times follow. It should be a little before that of the server, as the
	// end of a range is not within it.
	Now time.Time
	// Header are fields of all requests that have no other value for them.
	Header http.Header
	// JSON says that requests with a method that has a body declare it as JSON if they declare nothing else.
	JSON bool
}

// Fault is a step that was not answered as expected.
type Fault struct {
	Case string
	Step int
	Sent string
	Got  string
	Why  string
}

func (f Fault) String() string {
	return fmt.Sprintf("%s, step %d: %s\n   %s\n   answered %.2000s", f.Case, f.Step, f.Why, f.Sent, f.Got)
}

// prefix is that of all paths of the dialect.
const prefix = "/hawkular"

// Play sends the requests of a case for a tenant. The error is about a request that cannot be made, or to which nothing is
// answered.
func (p Player) Play(ctx context.Context, c Case, tenant string) ([]Fault, error) {
	w := words{tenant: tenant, admin: p.Admin, now: p.Now}
	var faults []Fault
	for i, s := range c.Steps {
		r, sent, err := p.request(ctx, s, w)
		if err != nil {
			return faults, fmt.Errorf("%s, step %d: %w", c.Name, i, err)
		}
		status, header, body, err := p.do(r)
		if err != nil {
			return faults, fmt.Errorf("%s, step %d: %s: %w", c.Name, i, sent, err)
		}
		for _, why := range s.check(w, status, header, body) {
			faults = append(faults, Fault{Case: c.Name, Step: i, Sent: sent, Got: fmt.Sprint(status, " ", string(body)), Why: why})
		}
	}
	return faults, nil
}

func (p Player) request(ctx context.Context, s Step, w words) (r *http.Request, sent string, err error) {
	target := p.Base + w.put(s.Path)
	if strings.HasPrefix(s.Path, prefix+"/") {
		at := strings.Index(p.Base, prefix)
		target = p.Base[:at] + w.put(s.Path)
	}
	for i, q := range s.Query {
		name, value, _ := strings.Cut(w.put(q), "=")
		target += string("&?"[btoi(i == 0)]) + name + "=" + url.QueryEscape(value)
	}
	var text string
	switch {
	case s.Text != nil:
		text = w.put(*s.Text)
	case s.Body != nil:
		text = w.put(string(s.Body))
	}
	sent = s.Method + " " + target + " " + text
	if s.Headers["Content-Encoding"] == "gzip" {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		if _, err := z.Write([]byte(text)); err != nil {
			return nil, sent, err
		}
		if err := z.Close(); err != nil {
			return nil, sent, err
		}
		text = b.String()
	}
	if r, err = http.NewRequestWithContext(ctx, s.Method, target, strings.NewReader(text)); err != nil {
		return nil, sent, err
	}
	for name, values := range p.Header {
		r.Header[name] = values
	}
	if s.Tenant == nil || *s.Tenant {
		r.Header.Set("Hawkular-Tenant", w.tenant)
	}
	if p.JSON && (s.Method == http.MethodPost || s.Method == http.MethodPut) {
		r.Header.Set("Content-Type", "application/json")
	}
	for name, value := range s.Headers {
		r.Header.Set(name, w.put(value))
	}
	return r, sent, nil
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// bare is a client that shows the encoding of answers.
var bare = &http.Client{Transport: &http.Transport{DisableCompression: true}}

func (p Player) do(r *http.Request) (status int, header http.Header, body []byte, err error) {
	client := p.Client
	if client == nil {
		client = bare
	}
	answer, err := client.Do(r)
	if err != nil {
		return 0, nil, nil, err
	}
	defer answer.Body.Close()
	var from io.Reader = answer.Body
	if answer.Header.Get("Content-Encoding") == "gzip" {
		if from, err = gzip.NewReader(from); err != nil {
			return answer.StatusCode, answer.Header, nil, err
		}
	}
	body, err = io.ReadAll(from)
	return answer.StatusCode, answer.Header, body, err
}
