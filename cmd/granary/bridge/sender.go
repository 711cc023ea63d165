package bridge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"

	"granary/cmd/granary/bridge/spool"
	"granary/cmd/granary/writer"
)

// The pauses between attempts: the first one, and the longest that Granary may ask for.
const (
	firstWait     = 500 * time.Millisecond
	maxRetryAfter = 5 * time.Minute
	// sayAgain is after how long the same trouble is logged again.
	sayAgain = 5 * time.Minute
)

// outcome is what became of a body.
type outcome string

const (
	accepted    outcome = "accepted"
	refused     outcome = "refused"     // for good, or some of it
	busy        outcome = "busy"        // may be taken later
	unreachable outcome = "unreachable" // no answer
	forbidden   outcome = "forbidden"   // will be taken once a human has changed something
)

// sender brings what is in the spool to Granary, in order.
type sender struct {
	spool   *spool.Spool
	http    *writer.HTTP
	clock   Clock
	maxWait time.Duration
	counts  *counts
	log     *slog.Logger

	failures int // in a row
	said     outcome
	saidAt   time.Time
	ignored  map[string]int // as it was last logged
	refusals int            // bodies that were refused, since the start
}

// run sends until ctx ends.
func (s *sender) run(ctx context.Context) error {
	for {
		b, err := s.spool.Next(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			s.log.Error("the spool cannot be read", "error", err)
			if s.clock.Sleep(ctx, s.maxWait) != nil {
				return nil
			}
			continue
		}
		if pause := s.step(ctx, b); pause > 0 && s.clock.Sleep(ctx, pause) != nil {
			return nil
		}
	}
}

// drain sends until nothing waits, Granary wants a human, or ctx ends. It gives what the last attempt came to.
func (s *sender) drain(ctx context.Context) (outcome, error) {
	last := accepted
	for {
		b, ok, err := s.spool.Peek()
		if err != nil || !ok {
			return last, err
		}
		pause := s.step(ctx, b)
		if pause == 0 {
			last = accepted
			continue
		}
		if last = s.said; last == forbidden || s.clock.Sleep(ctx, pause) != nil {
			return last, nil
		}
	}
}

// step sends one body once. A pause of 0 says that it has left the spool.
func (s *sender) step(ctx context.Context, b spool.Body) (pause time.Duration) {
	what, after, err := s.send(ctx, b.Bytes)
	if ctx.Err() != nil && what != accepted {
		return firstWait // the attempt was broken off, which says nothing
	}
	s.counts.attempts.WithLabelValues(string(what)).Inc()
	switch what {
	case accepted, refused:
		if s.failures > 0 {
			s.log.Info("Granary takes lines again", "attempts", s.failures+1, "waiting", s.spool.Stats().Lines)
		}
		s.failures, s.said = 0, what
		if what == refused {
			s.refusals++
			s.counts.refused.Add(float64(b.Lines))
			s.log.Error("Granary has refused lines; they are not sent again, those it took of the body are stored", "lines", b.Lines, "error", err)
		} else {
			s.counts.sent.Add(float64(b.Lines))
			s.counts.lastSent.Set(float64(s.clock.Now().Unix()))
		}
		if err := s.spool.Done(b); err != nil {
			s.log.Error("the spool cannot mark what was sent; it may be sent once more", "error", err)
		}
		return 0
	}
	s.failures++
	s.sayFailure(what, err)
	pause = min(firstWait<<min(s.failures-1, 16), s.maxWait)
	if what == forbidden {
		pause = s.maxWait
	}
	// Bridges that Granary has sent away together should not come back together.
	pause = pause/2 + rand.N(pause/2+1)
	return max(pause, min(after, maxRetryAfter))
}

// sayFailure logs trouble that is new, and from time to time that it lasts.
func (s *sender) sayFailure(what outcome, err error) {
	now := s.clock.Now()
	if s.said == what && now.Sub(s.saidAt) < sayAgain && what != forbidden {
		return
	}
	s.said, s.saidAt = what, now
	stats := s.spool.Stats()
	level, text := slog.LevelWarn, "lines wait for Granary"
	if what == forbidden {
		level, text = slog.LevelError, "Granary lets nothing in, and lines wait until that is mended"
	}
	s.log.Log(context.Background(), level, text, "cause", string(what), "lines", stats.Lines, "bytes", stats.Bytes, "error", err)
}

// send sends a body once. One that is too large for Granary goes in halves.
func (s *sender) send(ctx context.Context, body []byte) (outcome, time.Duration, error) {
	ignored, err := s.http.Send(ctx, body)
	if err == nil {
		s.sayIgnored(ignored)
		return accepted, 0, nil
	}
	r, ok := errors.AsType[*writer.Refusal](err)
	if !ok {
		return forbidden, 0, err
	}
	switch {
	case r.Status == 0:
		return unreachable, 0, err
	case r.Status == http.StatusTooManyRequests, r.Status == http.StatusRequestTimeout, r.Status == http.StatusTooEarly, r.Status >= 500:
		return busy, r.After, err
	case r.Status == http.StatusBadRequest:
		return refused, 0, err
	case r.Status == http.StatusRequestEntityTooLarge:
		return s.halves(ctx, body, err)
	}
	return forbidden, r.After, err
}

// halves sends a body in two parts. What the first one comes to decides whether there is a second one.
func (s *sender) halves(ctx context.Context, body []byte, tooLarge error) (outcome, time.Duration, error) {
	middle := bytes.IndexByte(body[len(body)/2:], '\n') + len(body)/2 + 1
	if middle >= len(body) {
		middle = bytes.IndexByte(body, '\n') + 1
	}
	if middle <= 0 || middle >= len(body) {
		return refused, 0, tooLarge
	}
	first, after, firstErr := s.send(ctx, body[:middle])
	if first != accepted && first != refused {
		return first, after, firstErr
	}
	second, after, err := s.send(ctx, body[middle:])
	if second == accepted && first == refused {
		return refused, 0, firstErr
	}
	if err != nil && firstErr != nil {
		err = fmt.Errorf("%w; %w", firstErr, err)
	}
	return second, after, err
}

// sayIgnored counts what Granary did not store, and logs it when the numbers change.
func (s *sender) sayIgnored(ignored map[string]int) {
	changed := false
	for reason, n := range ignored {
		s.counts.ignored.WithLabelValues(reason).Add(float64(n))
		changed = changed || s.ignored[reason] != n
	}
	if changed {
		s.log.Warn("Granary did not store all samples", "ignored", ignored)
	}
	s.ignored = ignored
}
