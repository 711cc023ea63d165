package nats

import (
	"sync/atomic"
)

// counters are what a subscription counts, from its start.
type counters struct {
	messages, bytes, bodies    atomic.Uint64
	stored, ignored, malformed atomic.Uint64
	retries, refused, lost     atomic.Uint64
	redelivered, lag           atomic.Uint64
	dropped                    highWater
	failing                    atomic.Bool
}

// Counters is what a Client has seen since its start, as it stands now.
type Counters struct {
	Connected     bool
	Connects      uint64 // first connections and reconnections
	Disconnects   uint64 // connections that were lost
	Failures      uint64 // attempts to connect that failed, and errors that the broker reported
	Subscriptions []SubscriptionCounters
}

// SubscriptionCounters is the part of one subscription.
type SubscriptionCounters struct {
	Subscription
	Messages, Bytes uint64 // received
	Bodies          uint64 // written
	Stored          uint64 // lines, as the writer counted
	Ignored         uint64 // samples, as the writer counted
	Malformed       uint64 // lines, as the writer counted
	Retries         uint64 // bodies that could not be written and were tried again, each time
	Refused         uint64 // messages that the writer refused for good
	Overflow        uint64 // messages of a plain subscription that were dropped because too many were pending
	Lost            uint64 // messages of a plain subscription that were given up at the stop
	Redelivered     uint64 // messages of a durable subscription that came again
	Pending         uint64 // messages of a plain subscription that have arrived and are not written
	PendingBytes    uint64 // their size
	Lag             uint64 // messages that the stream held for a durable subscription behind the last one received
	Failing         bool   // the last body could not be written
}

// Counters may be called at any time.
func (c *Client) Counters() Counters {
	conn := c.conn.Load()
	out := Counters{
		Connected:   conn != nil && conn.IsConnected(),
		Connects:    c.connects.Load(),
		Disconnects: c.disconnects.Load(),
		Failures:    c.failures.Load(),
	}
	for _, s := range c.subs {
		n := SubscriptionCounters{
			Subscription: s.Subscription,
			Messages:     s.messages.Load(),
			Bytes:        s.bytes.Load(),
			Bodies:       s.bodies.Load(),
			Stored:       s.stored.Load(),
			Ignored:      s.ignored.Load(),
			Malformed:    s.malformed.Load(),
			Retries:      s.retries.Load(),
			Refused:      s.refused.Load(),
			Overflow:     s.overflow(),
			Lost:         s.lost.Load(),
			Redelivered:  s.redelivered.Load(),
			Lag:          s.lag.Load(),
			Failing:      s.failing.Load(),
		}
		if sub := s.sub.Load(); sub != nil {
			if messages, bytes, err := sub.Pending(); err == nil {
				n.Pending, n.PendingBytes = uint64(messages), uint64(bytes)
			}
		}
		out.Subscriptions = append(out.Subscriptions, n)
	}
	return out
}
