package nats

import (
	"context"
	"errors"
	"fmt"
	"time"

	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// setupWait bounds one request to JetStream.
	setupWait = 5 * time.Second
	// prefetch and prefetchBytes bound what the broker sends ahead.
	prefetch      = 4096
	prefetchBytes = 8 << 20
	// maxAckPending bounds what is out without acknowledgement, on consumers that are made here.
	maxAckPending = 2 * prefetch
)

// runDurable finds the consumer, reads it, and begins anew whenever one of them fails.
func (s *subscription) runDurable() {
	var last string
	for try := 0; ; try++ {
		began := time.Now()
		err := s.consume()
		if s.c.stop.Err() != nil {
			return
		}
		if text := fmt.Sprint(err); s.c.conn.Load().IsConnected() && text != last {
			last = text
			s.log.Warn("a durable NATS subscription cannot be read; trying on", "stream", s.Stream, "consumer", s.Consumer, "error", err)
		}
		if time.Since(began) > s.c.o.MaxRetryWait { // it did work in between
			try, last = 0, ""
		}
		if !s.wait(s.c.stop, try) {
			return
		}
	}
}

// consume reads the consumer until the client stops (nil) or something fails.
func (s *subscription) consume() error {
	consumer, err := s.consumer()
	if err != nil {
		return err
	}
	limit := max(prefetchBytes, 2*int(s.c.conn.Load().MaxPayload()))
	it, err := consumer.Messages(jetstream.PullMaxMessagesWithBytesLimit(prefetch, limit))
	if err != nil {
		return fmt.Errorf("reading the consumer: %w", err)
	}
	defer it.Stop()
	defer context.AfterFunc(s.c.kill, it.Stop)()
	defer context.AfterFunc(s.c.stop, func() {
		if s.c.conn.Load().IsConnected() {
			it.Drain()
		} else {
			it.Stop()
		}
	})()
	s.log.Info("a durable NATS subscription is read", "stream", consumer.CachedInfo().Stream, "consumer", s.Consumer)

	r := durableReader{s: s, it: it}
	for {
		data, err := r.next(0)
		switch {
		case err == nil:
			s.gather(&r.body, data, r.next, r.flush)
		case errors.Is(err, jetstream.ErrMsgIteratorClosed) && s.c.stop.Err() != nil:
			return nil
		default:
			return err
		}
	}
}

// consumer finds the consumer, or makes it.
func (s *subscription) consumer() (jetstream.Consumer, error) {
	js, err := jetstream.New(s.c.conn.Load())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(s.c.stop, setupWait)
	defer cancel()
	stream := s.Stream
	if stream == "" {
		if stream, err = js.StreamNameBySubject(ctx, s.Subject); err != nil {
			return nil, fmt.Errorf("the stream of subject %q: %w", s.Subject, err)
		}
	}
	consumer, err := js.Consumer(ctx, stream, s.Consumer)
	switch {
	case errors.Is(err, jetstream.ErrConsumerNotFound):
		consumer, err = js.CreateConsumer(ctx, stream, jetstream.ConsumerConfig{
			Durable:       s.Consumer,
			Description:   "granary reads " + s.Subject,
			FilterSubject: s.Subject,
			AckPolicy:     jetstream.AckExplicitPolicy,
			AckWait:       s.c.o.AckWait,
			MaxAckPending: maxAckPending,
		})
		if err != nil {
			return nil, fmt.Errorf("making consumer %q of stream %q: %w", s.Consumer, stream, err)
		}
		return consumer, nil
	case err != nil:
		return nil, fmt.Errorf("consumer %q of stream %q: %w", s.Consumer, stream, err)
	}
	// A consumer that another hand made is taken as it is, if it can keep the promise and means the same subject.
	config := consumer.CachedInfo().Config
	if config.AckPolicy != jetstream.AckExplicitPolicy {
		return nil, fmt.Errorf("consumer %q of stream %q does not have explicit acknowledgement", s.Consumer, stream)
	}
	if f := config.FilterSubject; f != "" && f != s.Subject {
		return nil, fmt.Errorf("consumer %q of stream %q reads subject %q, not %q", s.Consumer, stream, f, s.Subject)
	}
	return consumer, nil
}

// durableReader keeps the messages of the body that is being gathered, to acknowledge them.
type durableReader struct {
	s     *subscription
	it    jetstream.MessagesContext
	body  body
	open  []jetstream.Msg // in the body or just read
	tries int             // failures in a row
}

// next reads one message, waiting for ever if wait is 0.
func (r *durableReader) next(wait time.Duration) ([]byte, error) {
	var o []jetstream.NextOpt
	if wait > 0 {
		o = append(o, jetstream.NextMaxWait(wait))
	}
	msg, err := r.it.Next(o...)
	if err != nil {
		return nil, err
	}
	if meta, err := msg.Metadata(); err == nil {
		r.s.lag.Store(meta.NumPending)
		if meta.NumDelivered > 1 {
			r.s.redelivered.Add(1)
		}
	}
	r.open = append(r.open, msg)
	return msg.Data(), nil
}

// flush writes the body and settles its messages: acknowledged if it is journalled, given back with a delay if it could
// not be, ended if it never can be. While the store fails the reading waits as well, or the whole stream would be given
// back one by one.
func (r *durableReader) flush(b *body) {
	n := b.messages
	if n == 0 {
		return
	}
	msgs := r.open[:n]
	err := r.s.write(b)
	delay := r.s.delayOf(err, r.tries)
	for _, m := range msgs {
		var sent error
		switch {
		case err == nil:
			sent = m.Ack()
		case permanent(err):
			sent = m.TermWithReason("refused by the store")
		default:
			sent = m.NakWithDelay(delay)
		}
		if sent != nil && !errors.Is(sent, client.ErrConnectionClosed) {
			r.s.log.Warn("a message could not be acknowledged and will come again", "error", sent)
			break
		}
	}
	r.open = r.open[:copy(r.open, r.open[n:])]
	if err == nil || permanent(err) {
		r.tries = 0
		return
	}
	r.s.pause(r.s.c.stop, delay)
	r.tries++
}
