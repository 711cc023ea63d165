package isolation_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"granary/cmd/granary/config"
	"granary/cmd/granary/server"
)

// clock stands still until it is moved, and is that of all worlds.
type clock struct{ ns atomic.Int64 }

// epoch is when all begins.
var epoch = time.Date(2026, 2, 1, 10, 0, 0, 0, time.UTC)

func newClock() *clock {
	c := &clock{}
	c.ns.Store(epoch.UnixNano())
	return c
}

func (c *clock) now() time.Time { return time.Unix(0, c.ns.Load()) }

func (c *clock) advance(d time.Duration) { c.ns.Add(int64(d)) }

// world is one service with all that lies in it.
type world struct {
	t     testing.TB
	name  string
	dir   string
	clock *clock
	log   *logBook
	wire  *wire
	alias aliases

	stop context.CancelFunc
	done chan error
}

// newWorld makes a service with an empty data folder and starts it.
func newWorld(t testing.TB, name string, c *clock, strict bool) *world {
	t.Helper()
	w := &world{t: t, name: name, dir: t.TempDir(), clock: c, log: &logBook{}}
	if err := os.WriteFile(filepath.Join(w.dir, "granary.yaml"), []byte(configure(t, w.dir, strict)), 0o600); err != nil {
		t.Fatal(err)
	}
	w.start()
	t.Cleanup(w.end)
	return w
}

// start starts the service on what the folder holds and returns when it is ready.
func (w *world) start() {
	w.t.Helper()
	cfg, _, err := config.Load(filepath.Join(w.dir, "granary.yaml"), config.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	cfg.Listen, cfg.Data = "127.0.0.1:0", filepath.Join(w.dir, "data")
	ready := make(chan string, 1)
	s, err := server.New(cfg, server.Options{
		Version: "test", Now: w.clock.now, Ready: func(addr string) { ready <- addr },
		Logger: slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	w.stop, w.done = cancel, make(chan error, 1)
	go func(done chan error) { done <- s.Run(ctx) }(w.done)
	select {
	case addr := <-ready:
		w.wire = &wire{addr: addr}
	case err := <-w.done:
		w.t.Fatalf("world %s does not start: %v", w.name, err)
	}
}

// end stops the service. It may be called twice.
func (w *world) end() {
	if w.stop == nil {
		return
	}
	w.wire.close()
	w.stop()
	w.stop = nil
	if err := <-w.done; err != nil {
		w.t.Errorf("world %s stops: %v", w.name, err)
	}
}

// restart stops the service and starts it again.
func (w *world) restart() {
	w.t.Helper()
	w.end()
	w.start()
}

// send sends a request and gives the answer.
func (w *world) send(r *request) *answer { return w.wire.do(w.alias.resolve(r)) }

// secrets are the texts that no log may hold.
func (w *world) secrets() []string {
	list := []string{operator.secret}
	for _, c := range slices.Concat(credentials("a"), credentials("b")) {
		list = append(list, c.secret)
	}
	for _, p := range w.alias.list {
		if strings.Contains(p.alias, "secret") {
			list = append(list, p.thing)
		}
	}
	return list
}

// logBook keeps what a service logs, for a look at its lines now and then.
type logBook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// take gives the lines since the last call.
func (l *logBook) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := l.text.String()
	l.text.Reset()
	return text
}

// bad are lines of the log that a request must not be able to cause.
var bad = regexp.MustCompile(`(?m)^.*(level=ERROR|panicked).*$`)

// faultsOfLog are the lines that should not be there.
func faultsOfLog(text string, secrets []string) (faults []string) {
	faults = append(faults, bad.FindAllString(text, 5)...)
	for _, s := range secrets {
		if at := strings.Index(text, s); at >= 0 {
			faults = append(faults, "a secret: "+text[max(at-200, 0):min(at+200, len(text))])
		}
	}
	return faults
}
