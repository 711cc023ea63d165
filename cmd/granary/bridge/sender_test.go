package bridge

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"granary/cmd/granary/config"
)

// sending is a bridge whose spool holds bodies and whose source answers nothing.
func sending(t *testing.T, clock *fakeClock, granary string, bodies ...string) (*Bridge, *logged) {
	t.Helper()
	b, log := open(t, clock, config.Prometheus, "http://127.0.0.1:1", granary, head+"metrics: {m: q}\n")
	if err := b.OpenSpool(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	for _, body := range bodies {
		if err := b.spool.Append([]byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	return b, log
}

func status(code int, text string, header ...string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		http.Error(w, text, code)
	}
}

// TestAnswersOfGranary: what passes is sent again, in order; what is refused for good is not; what wants a human stays.
func TestAnswersOfGranary(t *testing.T) {
	ok := func(http.ResponseWriter) {}
	for _, c := range []struct {
		name    string
		answers []func(http.ResponseWriter)
		last    outcome
		sent    []string // bodies in order of arrival
		waits   int      // bodies that stay
		log     string
		least   time.Duration // of the pause
	}{
		{"busy", []func(http.ResponseWriter){status(503, "replay"), status(429, "rate"), status(500, "odd"), ok, ok}, accepted, []string{"a", "a", "a", "a", "b"}, 0, "Granary takes lines again", 0},
		{"asks for time", []func(http.ResponseWriter){status(503, "later", "Retry-After", "77"), ok, ok}, accepted, []string{"a", "a", "b"}, 0, "lines wait for Granary", 77 * time.Second},
		{"asks for too much time", []func(http.ResponseWriter){status(429, "later", "Retry-After", "100000"), ok, ok}, accepted, []string{"a", "a", "b"}, 0, "cause=busy", maxRetryAfter},
		{"a date", []func(http.ResponseWriter){status(503, "later", "Retry-After", time.Now().Add(40*time.Second).UTC().Format(http.TimeFormat)), ok, ok}, accepted, []string{"a", "a", "b"}, 0, "", 30 * time.Second},
		{"refused", []func(http.ResponseWriter){status(400, "at line 1: odd; 3 stored"), ok}, accepted, []string{"a", "b"}, 0, `level=ERROR msg="Granary has refused lines`, 0},
		{"unauthorized", []func(http.ResponseWriter){status(401, "token expired")}, forbidden, []string{"a"}, 2, "level=ERROR msg=\"Granary lets nothing in", 0},
		{"forbidden", []func(http.ResponseWriter){status(403, "no")}, forbidden, []string{"a"}, 2, "403", 0},
		{"elsewhere", []func(http.ResponseWriter){status(302, "no", "Location", "http://other.example/")}, forbidden, []string{"a"}, 2, "302", 0},
		{"not there", []func(http.ResponseWriter){status(404, "no")}, forbidden, []string{"a"}, 2, "404", 0},
		{"ignored", []func(http.ResponseWriter){status(200, "", "X-Granary-Ignored", "unknown-metric=3"), ok}, accepted, []string{"a", "b"}, 0, "unknown-metric:3", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			granary, clock := newStore(t), newClock()
			granary.answer = func(n int, _ string, w http.ResponseWriter) { c.answers[min(n, len(c.answers))-1](w) }
			b, log := sending(t, clock, granary.URL, "a", "b")
			last, err := b.sender.drain(t.Context())
			if err != nil || last != c.last {
				t.Errorf("%v %v", last, err)
			}
			if got := granary.got(); !slices.Equal(got, c.sent) {
				t.Errorf("%q, want %q", got, c.sent)
			}
			if st := b.spool.Stats(); st.Bodies != c.waits {
				t.Errorf("%+v", st)
			}
			if !strings.Contains(log.String(), c.log) || strings.Contains(log.String(), "secret") {
				t.Error(log)
			}
			if c.least > 0 && (len(clock.slept) != 1 || clock.slept[0] < c.least || clock.slept[0] > maxRetryAfter) {
				t.Errorf("%v", clock.slept)
			}
		})
	}
}

// TestBackoff: pauses double up to the setting, and are not the same for all.
func TestBackoff(t *testing.T) {
	clock := newClock()
	gone := httptest.NewServer(nil)
	gone.Close()
	b, log := sending(t, clock, gone.URL, "a")
	clock.wake = func(n int) error {
		if n == 20 {
			return errors.New("enough")
		}
		return nil
	}
	if last, err := b.sender.drain(t.Context()); err != nil || last != unreachable {
		t.Errorf("%v %v", last, err)
	}
	for i, d := range clock.slept {
		most := min(firstWait<<i, 4*time.Second)
		if d < most/2 || d > most {
			t.Errorf("pause %d is %v, want %v to %v", i, d, most/2, most)
		}
	}
	if n := strings.Count(log.String(), "lines wait for Granary"); n != 1 {
		t.Errorf("the same trouble is logged %d times within a minute\n%s", n, log)
	}
}

// TestTooLargeForGranary: a body goes in halves until it fits, and only a line that is too large by itself is given up.
func TestTooLargeForGranary(t *testing.T) {
	granary := newStore(t)
	granary.answer = func(_ int, body string, w http.ResponseWriter) {
		if len(body) > 8 {
			status(413, "too large")(w)
		}
	}
	b, log := sending(t, newClock(), granary.URL, "aaa\nbbb\nccc\nddd\neee\n", "fff\n", strings.Repeat("x", 20)+"\nggg\n")
	if last, err := b.sender.drain(t.Context()); err != nil || last != accepted {
		t.Error(last, err)
	}
	var taken strings.Builder
	for _, body := range granary.got() {
		if len(body) <= 8 {
			taken.WriteString(body)
		}
	}
	if taken.String() != "aaa\nbbb\nccc\nddd\neee\nfff\nggg\n" || b.spool.Stats().Bodies != 0 || b.sender.refusals != 1 || !strings.Contains(log.String(), "413") {
		t.Errorf("%q %+v\n%s", taken.String(), b.spool.Stats(), log)
	}
}

// TestBrokenOff: an attempt that the end of the process breaks off changes nothing.
func TestBrokenOff(t *testing.T) {
	granary := newStore(t)
	b, log := sending(t, newClock(), granary.URL, "a")
	ctx, cancel := context.WithCancel(t.Context())
	granary.answer = func(int, string, http.ResponseWriter) { cancel() }
	if err := b.sender.run(ctx); err != nil {
		t.Fatal(err)
	}
	if b.sender.failures != 0 || strings.Contains(log.String(), "wait") {
		t.Errorf("%d failures\n%s", b.sender.failures, log)
	}
}
