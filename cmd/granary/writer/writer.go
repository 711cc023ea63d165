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
		client:   &http.Client{Timeout: 2 * time.Minute},
		Patience: 5 * time.Minute,
		Wait:     100 * time.Millisecond,
	}, nil
}

// Close drops idle connections.
func (h *HTTP) Close() { h.client.CloseIdleConnections() }

// WriteLines sends one body and returns what the server ignored of it, by reason.
func (h *HTTP) WriteLines(ctx context.Context, body []byte) (map[string]int, error) {
	ctx, cancel := context.WithTimeout(ctx, h.Patience)
	defer cancel()
	wait := h.Wait
	for {
		ignored, err := h.send(ctx, body)
		busy, ok := errors.AsType[*busyError](err)
		if !ok {
			return ignored, err
		}
		pause := wait
		if busy.after > 0 {
			pause = busy.after
		}
		wait = min(2*wait, maxWait)
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil, fmt.Errorf("%w; gave up: %w", busy.err, context.Cause(ctx))
		}
	}
}

// busyError says that the same body may be taken later.
type busyError struct {
	after time.Duration // as the server wishes; 0 if it does not say
	err   error
}

func (e *busyError) Error() string { return e.err.Error() }
func (e *busyError) Unwrap() error { return e.err }

func (h *HTTP) send(ctx context.Context, body []byte) (map[string]int, error) {
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
		return nil, &busyError{err: err}
	}
	defer res.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(res.Body, maxAnswer)) // only to be shown, and to free the connection
	switch res.StatusCode {
	case http.StatusOK, http.StatusNoContent:
		return parseIgnored(res.Header.Get("X-Granary-Ignored")), nil
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		busy := &busyError{err: h.refusal(res, answer)}
		if n, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && n > 0 {
			busy.after = min(time.Duration(n)*time.Second, maxRetryAfter)
		}
		return nil, busy
	}
	return nil, h.refusal(res, answer)
}

func (h *HTTP) refusal(res *http.Response, answer []byte) error {
	return fmt.Errorf("%s answers %s: %s", h.url, res.Status, bytes.TrimSpace(answer))
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
