// Package writer sends line protocol to a running server, with patience: what the server cannot take now is sent again
// until it can, or until the caller gives up. It keeps no queue; one body is on its way at a time.
package writer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// HTTP writes to /api/write of one server. It is a checkpoint.Sink.
type HTTP struct {
	url    string
	token  string
	client *http.Client
	// Patience is how long one body is sent again before its error is returned.
	Patience time.Duration
	// Wait is the pause before the second attempt; later ones are twice as long each, up to 5 s. A Retry-After of the
	// server, up to a minute, wins.
	Wait time.Duration
}

const (
	maxWait       = 5 * time.Second
	maxRetryAfter = time.Minute
	maxAnswer     = 64 << 10
)

// NewHTTP takes the address of a server, with or without the path /api/write, and a token or "".
func NewHTTP(address, token string) (*HTTP, error) {
	return NewHTTPWith(address, token, &http.Client{Timeout: 2 * time.Minute})
}

// NewHTTPWith is NewHTTP with a client of the caller's, which may know by itself who asks.
func NewHTTPWith(address, token string, client *http.Client) (*HTTP, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%q is not an address of a server, such as http://127.0.0.1:8082", address)
	}
	if path := strings.TrimRight(u.Path, "/"); !strings.HasSuffix(path, "/api/write") {
		u.Path = path + "/api/write"
	}
	return &HTTP{
		url:      u.String(),
		token:    token,
		client:   client,
		Patience: 5 * time.Minute,
		Wait:     100 * time.Millisecond,
	}, nil
}

// Close drops idle connections.
func (h *HTTP) Close() { h.client.CloseIdleConnections() }

// WriteLines sends one body and returns what the server ignored of it, by reason. What the server cannot take now is sent again, until
// the patience is over.
func (h *HTTP) WriteLines(ctx context.Context, body []byte) (map[string]int, error) {
	ctx, cancel := context.WithTimeout(ctx, h.Patience)
	defer cancel()
	wait := h.Wait
	for {
		ignored, err := h.Send(ctx, body)
		refusal, ok := errors.AsType[*Refusal](err)
		if !ok || !refusal.busy() {
			return ignored, err
		}
		pause := wait
		if refusal.After > 0 {
			pause = min(refusal.After, maxRetryAfter)
		}
		wait = min(2*wait, maxWait)
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil, fmt.Errorf("%w; gave up: %w", refusal, context.Cause(ctx))
		}
	}
}

// Refusal is an answer that is no success, or that none came.
type Refusal struct {
	Status int           // 0 without an answer
	After  time.Duration // until the body may be sent again, as the server wishes; 0 if it does not say
	Text   string        // what the server says
	err    error
}

func (r *Refusal) Error() string { return r.err.Error() }

// Unwrap is why no answer came.
func (r *Refusal) Unwrap() error { return r.err }

// busy says that the same body may be taken later.
func (r *Refusal) busy() bool {
	switch r.Status {
	case 0, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// Send sends one body once and returns what the server ignored of it, by reason. The error is a *Refusal if the request was made.
func (h *HTTP) Send(ctx context.Context, body []byte) (map[string]int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	if h.token != "" {
		req.Header.Set("Authorization", "Bearer "+h.token)
	}
	res, err := h.client.Do(req)
	if err != nil {
		return nil, &Refusal{err: err}
	}
	defer res.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(res.Body, maxAnswer)) // only to be shown, and to free the connection
	switch res.StatusCode {
	case http.StatusOK, http.StatusNoContent:
		return parseIgnored(res.Header.Get("X-Granary-Ignored")), nil
	}
	text := string(bytes.TrimSpace(answer))
	return nil, &Refusal{
		Status: res.StatusCode, After: retryAfter(res.Header.Get("Retry-After"), time.Now()), Text: text,
		err: fmt.Errorf("%s answers %s: %s", h.url, res.Status, text),
	}
}

// retryAfter reads seconds or a date.
func retryAfter(field string, now time.Time) time.Duration {
	if n, err := strconv.ParseUint(field, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(field); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}

// parseIgnored reads "unknown-metric=3, too-old=1". Parts of another form are left out.
func parseIgnored(header string) map[string]int {
	var out map[string]int
	for part := range strings.SplitSeq(header, ",") {
		reason, count, ok := strings.Cut(strings.TrimSpace(part), "=")
		n, err := strconv.Atoi(count)
		if !ok || err != nil {
			continue
		}
		if out == nil {
			out = map[string]int{}
		}
		out[reason] += n
	}
	return out
}
