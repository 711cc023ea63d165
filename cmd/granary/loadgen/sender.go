package loadgen

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// Sender delivers one body of line protocol. It is used by several goroutines at once.
type Sender interface {
	// Send returns what was answered; an error means that nothing was. The body is the sender's until it returns.
	Send(ctx context.Context, body []byte) (Answer, error)
	Close() error
}

// Answer is what a server says to one batch.
type Answer struct {
	Accepted   bool
	Status     string           // "200"
	Ignored    map[string]int64 // what was not stored, by reason; nil if all was
	Text       string           // why the batch was refused
	RetryAfter time.Duration    // what the server asks for, 0 if it does not
}

// Target says where to send to.
type Target struct {
	URL         string // http://, https:// or nats://; without a path that of the format is used
	Subject     string // for NATS
	Token       string // bearer token or NATS token; "" for none
	Gzip        bool
	Format      Format // of the bodies; "": Lines
	Connections int
	Timeout     time.Duration // of one batch
}

// Open makes the sender for a target. For NATS it connects.
func Open(t Target) (Sender, error) {
	u, err := url.Parse(t.URL)
	if err != nil {
		return nil, fmt.Errorf("target %q: %w", t.URL, err)
	}
	switch {
	case u.Host == "":
	case u.Scheme == "http" || u.Scheme == "https":
		if u.Path == "" || u.Path == "/" {
			u.Path = t.Format.path()
		}
		return openHTTP(t, u), nil
	case u.Scheme == "nats" || u.Scheme == "tls":
		return openNATS(t)
	}
	return nil, fmt.Errorf("target %q: expected a URL that begins with http://, https:// or nats://", t.URL)
}

type httpSender struct {
	t      Target
	url    string
	client *http.Client
}

func openHTTP(t Target, u *url.URL) *httpSender {
	return &httpSender{t: t, url: u.String(), client: &http.Client{
		Timeout: t.Timeout,
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			MaxIdleConnsPerHost: t.Connections,
			DisableCompression:  true,
		},
	}}
}

func (s *httpSender) Send(ctx context.Context, body []byte) (Answer, error) {
	encoding := ""
	if s.t.Gzip {
		var b bytes.Buffer
		z, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
		if err != nil {
			return Answer{}, err
		}
		if _, err := z.Write(body); err != nil {
			return Answer{}, err
		}
		if err := z.Close(); err != nil {
			return Answer{}, err
		}
		body, encoding = b.Bytes(), "gzip"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	if kind := s.t.Format.contentType(); kind != "" {
		req.Header.Set("Content-Type", kind)
		req.Header.Set("X-Prometheus-Remote-Write-Version", s.t.Format.version())
		encoding = "snappy"
	}
	if encoding != "" {
		req.Header.Set("Content-Encoding", encoding)
	}
	if s.t.Token != "" {
		req.Header.Set("Authorization", "Bearer "+s.t.Token)
	}
	res, err := s.client.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 4096))
	if err != nil {
		return Answer{}, err
	}
	a := Answer{Status: strconv.Itoa(res.StatusCode), Accepted: res.StatusCode/100 == 2, Ignored: parseIgnored(res.Header.Get("X-Granary-Ignored"))}
	if !a.Accepted {
		a.Text = strings.TrimSpace(string(text))
		if n, err := strconv.ParseUint(res.Header.Get("Retry-After"), 10, 16); err == nil {
			a.RetryAfter = time.Duration(n) * time.Second
		}
	}
	return a, nil
}

// parseIgnored reads "unknown-metric=3, too-old=1".
func parseIgnored(header string) map[string]int64 {
	var m map[string]int64
	for part := range strings.SplitSeq(header, ",") {
		reason, count, ok := strings.Cut(strings.TrimSpace(part), "=")
		n, err := strconv.ParseInt(count, 10, 64)
		if !ok || err != nil {
			continue
		}
		if m == nil {
			m = make(map[string]int64)
		}
		m[reason] += n
	}
	return m
}

func (s *httpSender) Close() error {
	s.client.CloseIdleConnections()
	return nil
}

type natsSender struct {
	t    Target
	conn *nats.Conn
}

func openNATS(t Target) (*natsSender, error) {
	o := []nats.Option{nats.Name("granary load"), nats.Timeout(10 * time.Second), nats.MaxReconnects(-1)}
	if t.Token != "" {
		o = append(o, nats.Token(t.Token))
	}
	conn, err := nats.Connect(t.URL, o...)
	if err != nil {
		return nil, fmt.Errorf("target %s: %w", t.URL, err)
	}
	return &natsSender{t, conn}, nil
}

// Send publishes the body as one message and waits until the broker has it. What becomes of it behind the broker is not
// known.
func (s *natsSender) Send(ctx context.Context, body []byte) (Answer, error) {
	if limit := s.conn.MaxPayload(); limit > 0 && int64(len(body)) > limit {
		return Answer{}, fmt.Errorf("a batch of %d bytes is larger than the broker's limit of %d; send fewer lines in a batch", len(body), limit)
	}
	if err := s.conn.Publish(s.t.Subject, body); err != nil {
		return Answer{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.t.Timeout)
	defer cancel()
	if err := s.conn.FlushWithContext(ctx); err != nil {
		return Answer{}, err
	}
	return Answer{Accepted: true, Status: "published"}, nil
}

func (s *natsSender) Close() error {
	s.conn.Close()
	return nil
}
