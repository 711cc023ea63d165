package nats

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	client "github.com/nats-io/nats.go"
)

// subscription is one Subscription at work. One goroutine reads and writes; counters may be read by others.
type subscription struct {
	Subscription
	c   *Client
	log *slog.Logger
	sub atomic.Pointer[client.Subscription] // of a plain one
	counters
}

// subscribe makes the plain subscription and returns what reads it.
func (s *subscription) subscribe() (func(), error) {
	sub, err := s.c.conn.Load().SubscribeSync(s.Subject)
	if err != nil {
		return nil, err
	}
	if err := sub.SetPendingLimits(s.c.o.PendingMessages, s.c.o.PendingBytes); err != nil {
		return nil, err
	}
	s.sub.Store(sub)
	return func() { s.runPlain(sub) }, nil
}

func (s *subscription) runPlain(sub *client.Subscription) {
	var b body
	for {
		msg, err := sub.NextMsgWithContext(s.c.stop)
		switch {
		case errors.Is(err, client.ErrSlowConsumer): // said once for many; overflow has the count
			continue
		case err != nil && s.c.stop.Err() != nil:
			s.drain(sub, &b)
			return
		case err != nil:
			s.log.Error("a NATS subscription ended", "error", err)
			return
		}
		s.gather(&b, msg.Data, next(sub), s.store)
	}
}

// drain reads what has arrived before the stop. If there is a broker it is told to send no more, and what is on the way
// is awaited; the library then closes the subscription.
func (s *subscription) drain(sub *client.Subscription, b *body) {
	closes := s.c.conn.Load().IsConnected() && sub.Drain() == nil
	for {
		var (
			msg *client.Msg
			err error
		)
		if closes {
			msg, err = sub.NextMsgWithContext(s.c.kill)
		} else {
			msg, err = sub.NextMsg(0)
		}
		switch {
		case err == nil:
			s.gather(b, msg.Data, next(sub), s.store)
			continue
		case errors.Is(err, client.ErrSlowConsumer):
			continue
		}
		if n, _, err := sub.Pending(); err == nil {
			s.lost.Add(uint64(n))
		}
		return
	}
}

// next reads one message of a plain subscription, waiting for up to wait.
func next(sub *client.Subscription) func(wait time.Duration) ([]byte, error) {
	return func(wait time.Duration) ([]byte, error) {
		msg, err := sub.NextMsg(wait)
		if err != nil {
			return nil, err
		}
		return msg.Data, nil
	}
}

// gather puts messages into bodies, beginning with first, until next has none for the time that is left, and flushes
// each body. It returns when the last one is flushed.
func (s *subscription) gather(b *body, first []byte, next func(wait time.Duration) ([]byte, error), flush func(*body)) {
	deadline := time.Now().Add(s.c.o.BatchWait)
	b.reset()
	for data := first; ; {
		s.messages.Add(1)
		s.bytes.Add(uint64(len(data)))
		if !b.fits(data, s.c.o.BatchBytes) {
			flush(b)
			b.reset()
		}
		b.add(data)
		if b.full(s.c.o.BatchBytes) {
			break
		}
		wait := time.Until(deadline)
		if wait <= 0 {
			break
		}
		var err error
		if data, err = next(wait); err != nil {
			break
		}
	}
	flush(b)
}

// store writes the body of a plain subscription, until it is written or the client is stopped for good.
func (s *subscription) store(b *body) {
	for try := 0; ; try++ {
		err := s.write(b)
		if err == nil || permanent(err) {
			return
		}
		if !s.pause(s.c.kill, s.delayOf(err, try)) {
			s.lost.Add(uint64(b.messages))
			return
		}
	}
}

// write gives the body to the writer once and counts what became of it. A first failure is logged, those that follow it
// are counted.
func (s *subscription) write(b *body) error {
	if len(b.text) == 0 {
		return nil
	}
	r, err := s.c.o.Writer.WriteLines(s.c.kill, s.Subscription, b.text)
	switch {
	case err == nil:
		s.bodies.Add(1)
		s.stored.Add(uint64(r.Stored))
		s.ignored.Add(uint64(r.Ignored))
		s.malformed.Add(uint64(r.Malformed))
		if s.failing.CompareAndSwap(true, false) {
			s.log.Info("messages from NATS are stored again")
		}
	case permanent(err):
		s.refused.Add(uint64(b.messages))
		s.log.Error("messages from NATS were refused and given up", "messages", b.messages, "error", err)
	default:
		s.retries.Add(1)
		if s.failing.CompareAndSwap(false, true) {
			s.log.Warn("messages from NATS cannot be stored; trying on", "error", err)
		}
	}
	return err
}

// permanent says that writing the same body again would answer the same error.
func permanent(err error) bool {
	var k interface{ Kind() string }
	if !errors.As(err, &k) {
		return false
	}
	switch k.Kind() {
	case "invalid", "forbidden", "not found", "conflict":
		return true
	}
	return false
}

// delayOf is the wait before repetition try of what failed with err: as long as the error says if it says so, for who asks
// earlier is refused again.
func (s *subscription) delayOf(err error, try int) time.Duration {
	delay := s.c.delay(try)
	var asks interface{ RetryAfter() time.Duration }
	if errors.As(err, &asks) {
		delay = max(asks.RetryAfter(), min(delay, s.c.o.RetryWait))
	}
	return delay
}

// wait sleeps before repetition try and says whether to go on.
func (s *subscription) wait(ctx context.Context, try int) bool { return s.pause(ctx, s.c.delay(try)) }

// pause sleeps and says whether to go on.
func (s *subscription) pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// overflow is the number of messages that the pending limits dropped. The library forgets it with the subscription.
func (s *subscription) overflow() uint64 {
	if sub := s.sub.Load(); sub != nil {
		if n, err := sub.Dropped(); err == nil {
			s.dropped.raise(uint64(n))
		}
	}
	return s.dropped.value()
}

// highWater is a number that only grows.
type highWater struct {
	mu sync.Mutex
	n  uint64
}

func (h *highWater) raise(n uint64) {
	h.mu.Lock()
	h.n = max(h.n, n)
	h.mu.Unlock()
}

func (h *highWater) value() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.n
}
