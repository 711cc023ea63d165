package bridge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// stale is after how many intervals without a round a bridge is not well.
const stale = 3

// Serve answers /metrics and /healthz on a listener until ctx ends, which is no error.
func (b *Bridge) Serve(ctx context.Context, l net.Listener) error {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(b.counts.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", b.health)
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() }) // what is being answered may break off
	defer stop()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// health says whether rounds are carried out. That Granary takes nothing does not make the bridge ill: it is there for that.
func (b *Bridge) health(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	last := b.lastRound.Load()
	age := b.clock.Now().Unix() - last
	if last == 0 || age > stale*int64(b.cfg.Interval/time.Second) {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintf(w, "no round for more than %d intervals\n", stale)
		return
	}
	fmt.Fprintf(w, "ok: the last round was %d s ago, %d lines wait\n", age, b.spool.Stats().Lines)
}
