package alerts

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// Hook says who is told of changes.
type Hook struct {
	Server   string         // URL; "": nobody
	Method   string         // "": POST
	Insecure bool           // takes any certificate
	CA       *x509.CertPool // authorities of certificates; nil: those of the system
	Timeout  time.Duration  // of one attempt; 0: DefaultTimeout
	Retries  int            // attempts behind the first; 0: DefaultRetries, below 0: none
	Queue    int            // changes that may wait; 0: DefaultQueue. For each rule at least one may
	Agent    string         // User-Agent
}

// Defaults of a Hook, and the bounds of the time between two attempts.
const (
	DefaultTimeout = 10 * time.Second
	DefaultRetries = 10
	DefaultQueue   = 1000

	firstPause   = time.Second
	longestPause = time.Minute
)

// Loss is why a change was given up.
type Loss uint8

const (
	LostRefused Loss = iota // the receiver does not want it, and would not at another attempt
	LostRetries             // all attempts have failed
	LostQueue               // too many others came behind it
	LostStopped             // the service was stopped
	numLosses
)

// String is the stable name of the reason.
func (l Loss) String() string { return [...]string{"refused", "retries", "queue", "stopped"}[l] }

// notice is one change on its way, or a reminder: how it stands with an alert of which a change was given up.
type notice struct {
	rule     int // its place in Options.Rules
	alert    string
	status   Status
	at       time.Time
	body     []byte
	reminder bool
	seq      uint64 // of all notices, in the order in which they were put
}

// hook sends changes one after the other, in their order.
type hook struct {
	o      Hook
	shown  string // the address without user, password and query
	client *http.Client
	pause  func(ctx context.Context, d time.Duration) error
	now    func() time.Time
	logger *slog.Logger

	mu      sync.Mutex
	waiting []notice
	busy    bool          // one is being sent
	ended   bool          // nobody sends any more
	wake    chan struct{} // something waits
	debts

	settled func() // if not nil, a change has been sent or given up; for tests

	sent, failed atomic.Uint64
	lost         [numLosses]atomic.Uint64
}

func newHook(o *Options) (*hook, error) {
	h := &hook{o: o.Hook, pause: o.Wait, now: o.Now, logger: o.Logger, wake: make(chan struct{}, 1), debts: debts{newest: make([]uint64, len(o.Rules))}}
	if h.o.Server == "" {
		return h, nil
	}
	u, err := ParseServer(h.o.Server)
	if err != nil {
		return nil, err
	}
	h.shown = Shown(u)
	h.o.Method, h.o.Timeout, h.o.Queue = cmp.Or(h.o.Method, http.MethodPost), cmp.Or(h.o.Timeout, DefaultTimeout), cmp.Or(h.o.Queue, DefaultQueue)
	h.o.Queue = max(h.o.Queue, len(o.Rules)) // at a start all may be sent at once
	h.o.Retries = max(cmp.Or(h.o.Retries, DefaultRetries), 0)
	h.client = &http.Client{
		Timeout: h.o.Timeout,
		// A change goes to the address of the configuration and nowhere else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: h.o.CA, InsecureSkipVerify: h.o.Insecure}, //nolint:gosec // only if the operator says so
			TLSHandshakeTimeout: h.o.Timeout,
			MaxIdleConns:        1, MaxConnsPerHost: 1, IdleConnTimeout: time.Minute,
			MaxResponseHeaderBytes: 64 << 10,
			ForceAttemptHTTP2:      true,
		},
	}
	return h, nil
}

// Shown is the address of a receiver without what may be secret in it: user, password and query.
func Shown(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}).String()
}

// ErrServer says what the address of a receiver has to be. It does not repeat what the parser of URLs says, which may have a part of the password in it.
var ErrServer = errors.New("the URL of a receiver: http:// or https:// and a host; of a name and a password before it, all but letters and digits is percent-encoded")

// ParseServer reads the address of a receiver. The error is ErrServer.
func ParseServer(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, ErrServer
	}
	return u, nil
}

// put has a change sent. It does not wait; when too many are on their way, the oldest of those that wait is given up.
func (h *hook) put(n notice) {
	if h.client == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended {
		h.give(n, LostStopped, nil)
		return
	}
	if len(h.waiting) >= h.o.Queue {
		h.give(h.shift(), LostQueue, nil)
	}
	h.number(&n)
	h.waiting = append(h.waiting, n)
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// give gives a change up. h.mu is held.
func (h *hook) give(n notice, why Loss, err error) {
	if why == LostRetries || why == LostQueue {
		h.owe(&n)
	}
	if n.reminder && why != LostRefused {
		return // that a change was given up has been said
	}
	if !n.reminder {
		h.lost[why].Add(1)
	}
	args := []any{"alert", n.alert, "status", n.status, "of", n.at, "server", h.shown, "reason", why}
	if err != nil {
		args = append(args, "error", err)
	}
	h.logger.Error("a change of an alert was not sent and is given up", args...)
}

// next is the change that has waited longest.
func (h *hook) next() (notice, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.waiting) == 0 {
		return notice{}, false
	}
	h.busy = true
	return h.shift(), true
}

// shift takes the first of those that wait.
func (h *hook) shift() notice {
	n := h.waiting[0]
	h.waiting[0] = notice{} // its memory is let go
	h.waiting = h.waiting[1:]
	return n
}

// run sends until the context ends. What waits then is given up.
func (h *hook) run(ctx context.Context) {
	if h.client == nil {
		return
	}
	defer h.client.CloseIdleConnections()
	defer h.end()
	for {
		n, ok := h.next()
		if ok {
			h.deliver(ctx, n)
			if h.settled != nil {
				h.settled()
			}
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-h.wake:
		}
	}
}

// end gives up what waits.
func (h *hook) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = true
	for _, n := range h.waiting {
		h.give(n, LostStopped, nil)
	}
	h.waiting = nil
}

// deliver sends a change, again if that fails, with longer and longer pauses. A reminder is sent once.
func (h *hook) deliver(ctx context.Context, n notice) {
	pause := firstPause
	for try := 0; ; try++ {
		if ctx.Err() != nil {
			h.drop(n, LostStopped, nil)
			return
		}
		again, err := h.send(ctx, n.body)
		switch {
		case err == nil:
			h.taken(&n, try+1)
			return
		case ctx.Err() != nil:
			h.drop(n, LostStopped, nil)
			return
		}
		h.failed.Add(1)
		h.fails()
		switch {
		case !again:
			h.drop(n, LostRefused, err)
			return
		case n.reminder || try == h.o.Retries:
			h.drop(n, LostRetries, err)
			return
		case try == 0:
			h.logger.Warn("the receiver of alerts did not take a change; it is tried again", "alert", n.alert, "status", n.status, "server", h.shown, "error", err)
		}
		if h.pause(ctx, pause) != nil {
			h.drop(n, LostStopped, nil)
			return
		}
		pause = min(2*pause, longestPause)
	}
}

// taken takes down that the receiver has a change.
func (h *hook) taken(n *notice, attempts int) {
	h.sent.Add(1)
	h.mu.Lock()
	h.busy, h.down = false, false
	h.mu.Unlock()
	switch {
	case n.reminder:
		h.logger.Info("the receiver of alerts has been told how it stands with an alert of which a change was given up", "alert", n.alert, "status", n.status, "server", h.shown)
	case attempts > 1:
		h.logger.Info("the receiver of alerts has taken a change", "alert", n.alert, "status", n.status, "server", h.shown, "attempts", attempts)
	}
}

// drop gives up the notice that is being sent.
func (h *hook) drop(n notice, why Loss, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.busy = false
	if n.reminder && why == LostRetries {
		h.withdraw()
	}
	h.give(n, why, err)
}

// maxAnswer is how much of an answer is read so that its connection can be used again.
const maxAnswer = 64 << 10

// send makes one attempt, and says whether another one may succeed.
func (h *hook) send(ctx context.Context, body []byte) (again bool, err error) {
	r, err := http.NewRequestWithContext(ctx, h.o.Method, h.o.Server, bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	r.Header.Set("Content-Type", "application/json")
	if h.o.Agent != "" {
		r.Header.Set("User-Agent", h.o.Agent)
	}
	answer, err := h.client.Do(r)
	if err != nil {
		var bad *url.Error
		switch {
		case errors.As(err, &bad) && bad.Timeout() && ctx.Err() == nil:
			err = fmt.Errorf("there was no answer within %v", h.o.Timeout)
		case bad != nil:
			err = bad.Err // without the address
		}
		return true, err
	}
	defer answer.Body.Close()
	_, _ = io.CopyN(io.Discard, answer.Body, maxAnswer)
	switch code := answer.StatusCode; {
	case code >= 200 && code < 300:
		return false, nil
	default:
		again := code >= 500 || code == http.StatusRequestTimeout || code == http.StatusTooManyRequests
		return again, fmt.Errorf("the receiver answered %d", code)
	}
}

func (h *hook) stats(s *Stats) {
	h.mu.Lock()
	s.Waiting, s.Untold = len(h.waiting), len(h.owed)
	h.mu.Unlock()
	s.Sent, s.Failed = h.sent.Load(), h.failed.Load()
	for why := range numLosses {
		s.Lost[why] = h.lost[why].Load()
	}
}
