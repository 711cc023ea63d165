package alerts

import (
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// flip makes the only rule of a bed change its status.
func (b *bed) flip() {
	b.t.Helper()
	v := 50.0
	if b.Alerts("t")[0].Status() == Firing {
		v = 1
	}
	b.put("m", v)
	b.look()
}

func flipping(t *testing.T, h Hook) *bed {
	t.Helper()
	return newBed(t, h, Rule{ID: "a", Metrics: []string{"m"}, Higher: new(10.0)})
}

// TestRetries sends again what fails, later and later, in order, and gives up in the end.
func TestRetries(t *testing.T) {
	r := newReceiver(t, 500, 503, 429, 408, 200)
	b := flipping(t, Hook{Server: r.URL})
	close(b.goOn)
	b.flip()
	b.flip()
	b.settle(2)
	if got := r.got(); !slices.Equal(got, []string{"a firing", "a ok"}) {
		t.Errorf("%q", got)
	}
	for i, want := range []time.Duration{1, 2, 4, 8} {
		if got := <-b.pauses; got != want*time.Second {
			t.Errorf("pause %d is %v", i, got)
		}
	}
	b.stop()
	if s := b.Stats(); s.Sent != 2 || s.Failed != 4 {
		t.Errorf("%+v", s)
	}

	r = newReceiver(t, 500)
	b = flipping(t, Hook{Server: r.URL, Retries: 8})
	close(b.goOn)
	b.flip()
	b.flip()
	b.settle(2)
	b.stop()
	if s := b.Stats(); s.Sent != 0 || s.Failed != 18 || s.Lost[LostRetries] != 2 {
		t.Errorf("%+v", s)
	}
	longest := time.Duration(0)
	for range 16 {
		longest = max(longest, <-b.pauses)
	}
	if longest != longestPause {
		t.Errorf("longest pause %v", longest)
	}
	if n := strings.Count(b.log.String(), "given up"); n != 2 {
		t.Errorf("said %d times: %s", n, b.log)
	}
}

// TestRefused does not try again where that would be in vain, and follows nobody elsewhere.
func TestRefused(t *testing.T) {
	for _, status := range []int{400, 401, 404, 302, 307} {
		r := newReceiver(t, status)
		b := flipping(t, Hook{Server: r.URL + "/append?token=secret", Method: http.MethodPut})
		b.flip()
		b.settle(1)
		b.stop()
		if s := b.Stats(); s.Failed != 1 || s.Lost[LostRefused] != 1 || len(b.pauses) != 0 {
			t.Errorf("%d: %+v", status, s)
		}
		if text := b.log.String(); !strings.Contains(text, "reason=refused") || strings.Contains(text, "secret") || !strings.Contains(text, fmt.Sprint(status)) {
			t.Errorf("%d: %s", status, text)
		}
		if got := b.Server(); got != r.URL+"/append" {
			t.Errorf("shown as %s", got)
		}
	}
}

// TestComesBack has the receiver down, and back at the same address: all changes arrive, in order.
func TestComesBack(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	b := flipping(t, Hook{Server: "http://user:secret@" + addr + "/append"})
	var want []string
	for range 5 {
		b.flip()
		want = append(want, "a "+b.Alerts("t")[0].Status().String())
	}
	for range 3 {
		<-b.pauses // an attempt has failed
		b.goOn <- struct{}{}
	}
	<-b.pauses
	if s := b.Stats(); s.Sent != 0 || s.Failed != 4 || s.Waiting != 4 {
		t.Errorf("%+v", s)
	}
	r := &receiver{took: make(chan struct{}, 100)}
	if l, err = net.Listen("tcp", addr); err != nil {
		t.Fatal(err)
	}
	r.Server = &httptest.Server{Listener: l, Config: &http.Server{Handler: r, ReadHeaderTimeout: time.Minute}}
	r.Start()
	defer r.Close()
	b.goOn <- struct{}{}
	b.settle(len(want))
	b.stop()
	if got := r.got(); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if user, password, ok := (&http.Request{Header: r.headers[0]}).BasicAuth(); !ok || user != "user" || password != "secret" {
		t.Errorf("%v", r.headers[0])
	}
	if text := b.log.String(); strings.Contains(text, "secret") || !strings.Contains(text, "has taken a change") {
		t.Error(text)
	}
}

// TestQueueFull gives up the oldest of those that wait, and says so.
func TestQueueFull(t *testing.T) {
	r := newReceiver(t, 500, 200)
	b := flipping(t, Hook{Server: r.URL, Queue: 3})
	b.flip() // 1: firing
	<-b.pauses
	for range 6 { // 2 to 7; 2, 3 and 4 are given up
		b.flip()
	}
	if s := b.Stats(); s.Waiting != 3 || s.Lost[LostQueue] != 3 {
		t.Errorf("%+v", s)
	}
	close(b.goOn)
	b.settle(4)
	b.stop()
	if got, want := r.got(), []string{"a firing", "a firing", "a ok", "a firing"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if n := strings.Count(b.log.String(), "reason=queue"); n != 3 {
		t.Errorf("said %d times: %s", n, b.log)
	}
}

// TestStopped counts what was not sent when the service stops, also what comes behind that.
func TestStopped(t *testing.T) {
	block := make(chan struct{})
	came := make(chan struct{}, 10)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		came <- struct{}{}
		select {
		case <-block:
		case <-r.Context().Done():
		}
	}))
	defer server.Close()
	defer close(block)
	b := flipping(t, Hook{Server: server.URL})
	for range 3 {
		b.flip()
	}
	<-came
	b.stop()
	b.flip()
	if s := b.Stats(); s.Lost[LostStopped] != 4 || s.Sent != 0 || s.Waiting != 0 {
		t.Errorf("%+v", s)
	}
}

// TestTimeout gives up an attempt that takes too long.
func TestTimeout(t *testing.T) {
	block := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-block:
		case <-r.Context().Done():
		}
	}))
	defer server.Close()
	defer close(block)
	b := flipping(t, Hook{Server: server.URL, Timeout: 20 * time.Millisecond, Retries: -1})
	close(b.goOn)
	b.flip()
	b.settle(1)
	b.stop()
	if !strings.Contains(b.log.String(), `error="there was no answer within 20ms"`) {
		t.Error(b.log)
	}
	if s := b.Stats(); s.Failed != 1 {
		t.Errorf("%+v", s)
	}
}

// TestTLS trusts whom it is told to trust.
func TestTLS(t *testing.T) {
	r := &receiver{took: make(chan struct{}, 100)}
	r.Server = httptest.NewUnstartedServer(r)
	r.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	r.StartTLS()
	defer r.Close()
	pool := x509.NewCertPool()
	pool.AddCert(r.Certificate())
	for _, c := range []struct {
		name string
		hook Hook
		sent uint64
	}{{"unknown authority", Hook{Retries: -1}, 0}, {"insecure", Hook{Insecure: true}, 1}, {"authority", Hook{CA: pool}, 1}} {
		c.hook.Server = r.URL
		b := flipping(t, c.hook)
		b.flip()
		b.settle(1)
		b.stop()
		if s := b.Stats(); s.Sent != c.sent {
			t.Errorf("%s: %+v\n%s", c.name, s, b.log)
		}
	}
}
