package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// manager is a service manager: a socket, and what was told to it.
func manager(t *testing.T, address string) <-chan string {
	t.Helper()
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: address})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	t.Setenv("NOTIFY_SOCKET", address)
	heard := make(chan string, 1000)
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := c.Read(b)
			if err != nil {
				return
			}
			heard <- string(b[:n])
		}
	}()
	return heard
}

// await waits until something is told that matches.
func await(t *testing.T, heard <-chan string, pattern string) string {
	t.Helper()
	end := time.After(20 * time.Second)
	for re, all := regexp.MustCompile(pattern), []string(nil); ; {
		select {
		case text := <-heard:
			if re.MatchString(text) {
				return text
			}
			all = append(all, text)
		case <-end:
			t.Fatalf("nothing like %q was told, only %q", pattern, all)
		}
	}
}

// TestNotify: what a service tells its manager from the start to the stop, over a socket with a path and an abstract one.
func TestNotify(t *testing.T) {
	for name, address := range map[string]string{
		"path":     filepath.Join(t.TempDir(), "notify"),
		"abstract": fmt.Sprintf("@granary-test-%d-%d", os.Getpid(), time.Now().UnixNano()),
	} {
		t.Run(name, func(t *testing.T) {
			heard := manager(t, address)
			t.Setenv("WATCHDOG_USEC", "20000")
			t.Setenv("WATCHDOG_PID", fmt.Sprint(os.Getpid()))
			s := made(t, configured(t, "metrics: {a: {frequency: 1}}"))
			reload := make(chan struct{})
			s.o.Reload = reload
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- s.Run(ctx) }()
			await(t, heard, `^STATUS=starting: .*\nEXTEND_TIMEOUT_USEC=60000000$`)
			await(t, heard, `^READY=1\nSTATUS=serving on 127\.0\.0\.1:\d+$`)
			await(t, heard, `^WATCHDOG=1$`)
			reload <- struct{}{}
			await(t, heard, `^RELOADING=1\nSTATUS=reading .*\nMONOTONIC_USEC=\d+$`)
			await(t, heard, `^READY=1\nSTATUS=serving on `)
			await(t, heard, `^WATCHDOG=1$`)
			cancel()
			await(t, heard, `^STOPPING=1\nSTATUS=stopping$`)
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// TestNoWatchdog: without a watchdog, or with that of another process, nothing is fed; a variable that is none says so in the log.
func TestNoWatchdog(t *testing.T) {
	for _, c := range []struct{ usec, pid, logged string }{
		{"", "", ""}, {"1000", "1", ""}, {"x", "", "is not fed"}, {"-5", "", "is not fed"},
	} {
		var log strings.Builder
		t.Setenv("WATCHDOG_USEC", c.usec)
		t.Setenv("WATCHDOG_PID", c.pid)
		s := &Server{o: Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}}
		s.watchStuck(t.Context())
		if !strings.Contains(log.String(), c.logged) || (log.Len() > 0) != (c.logged != "") {
			t.Errorf("%+v: %s", c, log.String())
		}
	}
}

// recorded is a notifier that keeps what it tells.
func recorded() (*notifier, <-chan string) {
	heard := make(chan string, 1000)
	return &notifier{log: slog.New(slog.DiscardHandler), serving: "STATUS=serving", send: func(s string) error {
		heard <- s
		return errors.New("it is heard all the same")
	}}, heard
}

// TestWatchdogOfAStuckStore: while the store does not answer, the watchdog is not fed, however often it is time; afterwards it is.
func TestWatchdogOfAStuckStore(t *testing.T) {
	n, heard := recorded()
	tick, stuck := make(chan time.Time, 10), make(chan struct{})
	go n.watchdog(t.Context(), tick, time.Millisecond, func() { <-stuck })
	for range cap(tick) {
		tick <- time.Now()
	}
	if text := await(t, heard, "."); text != "STATUS=stuck: the store does not get on" {
		t.Errorf("told %q", text)
	}
	select {
	case text := <-heard:
		t.Errorf("told %q of a store that is stuck", text)
	case <-time.After(20 * time.Millisecond):
	}
	close(stuck)
	if text := await(t, heard, "."); text != "STATUS=serving" {
		t.Errorf("told %q", text)
	}
	if text := await(t, heard, "."); text != "WATCHDOG=1" {
		t.Errorf("told %q", text)
	}
}

// TestLongStart: a start is given more time as long as it gets on, and its status has no newline that would end it.
func TestLongStart(t *testing.T) {
	n, heard := recorded()
	tick, at := make(chan time.Time), make(chan string)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		n.starting(t.Context(), tick, func() (bool, string) { text := <-at; return text == "", text })
	}()
	for i := range 3 {
		at <- fmt.Sprintf("record\n%d", i)
		if got, want := <-heard, fmt.Sprintf("STATUS=starting: record %d\nEXTEND_TIMEOUT_USEC=60000000", i); got != want {
			t.Errorf("told %q, want %q", got, want)
		}
		tick <- time.Now()
	}
	at <- ""
	<-ended
}
