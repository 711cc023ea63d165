package server

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// notifier tells the service manager how the service fares, in the protocol of sd_notify(3). Where no manager listens it does nothing.
type notifier struct {
	log *slog.Logger
	// send is daemon.SdNotify but in tests.
	send func(state string) error
	// serving is the status of a service that has nothing else to say. It is set before the watchdog runs.
	serving string
}

func newNotifier(log *slog.Logger) *notifier {
	return &notifier{log: log, send: func(state string) error {
		_, err := daemon.SdNotify(false, state)
		return err
	}}
}

// tell sends assignments such as READY=1, all in one message.
func (n *notifier) tell(assignments ...string) {
	if err := n.send(strings.Join(assignments, "\n")); err != nil {
		n.log.Debug("systemd was not told", "error", err)
	}
}

// ready says that requests are answered at an address.
func (n *notifier) ready(address string) {
	n.serving = status("serving on %s", address)
	n.tell(daemon.SdNotifyReady, n.serving)
}

// reloaded says that what reloading began is over.
func (n *notifier) reloaded() { n.tell(daemon.SdNotifyReady, n.serving) }

// status is the assignment that `systemctl status` shows. A newline would end it.
func status(format string, args ...any) string {
	return "STATUS=" + strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", " ")
}

// reloading says that the configuration is read again. READY=1 has to follow.
func (n *notifier) reloading() {
	state := []string{daemon.SdNotifyReloading, status("reading the configuration again")}
	// Units of Type=notify-reload take the answer for that of their own signal by the time on this clock.
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err == nil {
		state = append(state, fmt.Sprintf("MONOTONIC_USEC=%d", now.Nano()/int64(time.Microsecond)))
	}
	n.tell(state...)
}

// What a start does for TimeoutStartSec of its unit: every startTick it asks for startMore from then on, unless it has made no step for
// startStuck.
const (
	startTick  = 5 * time.Second
	startMore  = time.Minute
	startStuck = 10 * time.Minute
)

// starting tells how far the start is, at each tick until ctx ends. While it gets on, the manager gives it more time than the unit
// does: a long journal is no reason to begin from the front.
func (n *notifier) starting(ctx context.Context, tick <-chan time.Time, progress func() (bool, string)) {
	last, moved := "", time.Now()
	for {
		ready, text := progress()
		if ready {
			return
		}
		if text != last {
			last, moved = text, time.Now()
		}
		state := []string{status("starting: %s", text)}
		if time.Since(moved) < startStuck {
			state = append(state, fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", startMore.Microseconds()))
		}
		n.tell(state...)
		select {
		case <-ctx.Done():
			return
		case <-tick:
		}
	}
}

// watchdog says WATCHDOG=1 at each tick, after alive has returned. One that does not return holds all further messages back, so that
// the manager ends the service and starts it again; with SIGABRT, its signal for that, the runtime prints what every goroutine waits for. What takes
// longer than limit is logged.
func (n *notifier) watchdog(ctx context.Context, tick <-chan time.Time, limit time.Duration, alive func()) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick:
		}
		done := make(chan struct{})
		go func() { alive(); close(done) }()
		late := time.NewTimer(limit)
		select {
		case <-ctx.Done():
			late.Stop()
			return
		case <-done:
			late.Stop()
		case began := <-late.C:
			n.log.Error("the store does not get on; systemd ends the service if that lasts", "waited", limit)
			n.tell(status("stuck: the store does not get on"))
			select {
			case <-ctx.Done():
				return
			case <-done:
				waited := limit + time.Since(began)
				n.log.Warn("the store gets on again", "waited", waited.Round(time.Millisecond))
				n.tell(n.serving)
			}
		}
		n.tell(daemon.SdNotifyWatchdog)
	}
}

// watchStuck feeds the watchdog of the manager until ctx ends, if the unit has one: twice in the time that it allows.
func (s *Server) watchStuck(ctx context.Context) {
	allowed, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		s.o.Logger.Warn("the watchdog of systemd is not fed", "error", err)
		return
	}
	if allowed <= 0 {
		return
	}
	tick := time.NewTicker(allowed / 2)
	defer tick.Stop()
	s.notify.watchdog(ctx, tick.C, allowed/4, s.store.Alive)
}
