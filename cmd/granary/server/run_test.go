package server

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	"granary/compat/clustercockpit"
	"granary/tenant"
)

// TestNotReadyWithoutPolicies: a store that has recovered is not ready before the policies of the configuration are in
// force, for samples would go to the grids of the old ones and overwrite each other.
func TestNotReadyWithoutPolicies(t *testing.T) {
	s := unserved(t, configured(t, "metrics: {a: {frequency: 1}}"))
	if err := s.store.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	line := fmt.Sprintf("a,cluster=c,hostname=h value=1 %d\n", time.Now().Unix())
	for path, method := range map[string]string{"/readyz": http.MethodGet, "/api/write": http.MethodPost} {
		if w := ask(s, here, method, path, line); w.Code != http.StatusServiceUnavailable {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

// TestSilentConnections: connections that have never sent anything do not hold up the stop.
func TestSilentConnections(t *testing.T) {
	s := made(t, configured(t, ""))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ready, done := make(chan struct{}), make(chan error, 1)
	s.o.Ready = func(string) { close(ready) }
	go func() { done <- s.Run(ctx) }()
	<-ready
	for range 3 {
		c, err := net.Dial("tcp", s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	// An answer to a later connection shows that the others have been accepted.
	res, err := http.Get("http://" + s.Addr() + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	began := time.Now()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("the stop took %v", took)
	}
}

// TestSenderThatIsGone: what has come is stored though nobody waits for the answer.
func TestSenderThatIsGone(t *testing.T) {
	s := running(t, configured(t, ""))
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	line := fmt.Sprintf("a,cluster=c,hostname=h value=1 %d\n", time.Now().Unix())
	w, err := s.lines.WriteLines(gone, clustercockpit.Source{Tenant: func(string) (tenant.ID, error) { return "_ops", nil }, May: func(tenant.ID) error { return nil }}, []byte(line))
	if err != nil || w.Stored != 1 {
		t.Errorf("%+v, %v", w, err)
	}
}

// TestStopDuringStart: a stop before the start has come to its end is no failure.
func TestStopDuringStart(t *testing.T) {
	s := made(t, configured(t, "metrics: {a: {frequency: 1}}"))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Run(ctx); err != nil {
		t.Error(err)
	}
}
