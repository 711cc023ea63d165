package nats

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	client "github.com/nats-io/nats.go"
)

// flushWait bounds the last flush of a connection: the library wants an end, which the caller's context may not have.
const flushWait = 5 * time.Second

// Client is one connection with its subscriptions. Make one with New; it may be started once.
type Client struct {
	o      Options
	log    *slog.Logger
	subs   []*subscription
	conn   atomic.Pointer[client.Conn] // nil before Start
	wg     sync.WaitGroup
	refuse atomic.Pointer[string] // the text of the last failure to connect, so that each is logged once

	// stop ends the reading: what has arrived is still written. kill ends the writing too.
	stop, kill         context.Context
	doStop, doKill     context.CancelFunc
	disconnects        atomic.Uint64
	connects, failures atomic.Uint64
}

// New checks the options. Nothing is opened before Start.
func New(o Options) (*Client, error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	c := &Client{o: o, log: o.Logger}
	for _, s := range o.Subscriptions {
		c.subs = append(c.subs, &subscription{Subscription: s, c: c, log: o.Logger.With("subject", s.Subject, "durable", s.Durable)})
	}
	c.kill, c.doKill = context.WithCancel(context.Background())
	c.stop, c.doStop = context.WithCancel(c.kill)
	return c, nil
}

// Start connects, or begins to try, and subscribes. The error says what no repetition would mend: an address or
// credentials that cannot be read.
func (c *Client) Start() error {
	conn, err := c.connect()
	if err != nil {
		return err
	}
	c.conn.Store(conn)
	for _, s := range c.subs {
		run := s.runDurable
		if !s.Durable {
			if run, err = s.subscribe(); err != nil {
				c.doKill()
				conn.Close()
				c.wg.Wait()
				return fmt.Errorf("nats: subscribing to %q: %w", s.Subject, err)
			}
		}
		c.wg.Go(run)
	}
	return nil
}

// Stop ends the subscriptions, writes what has arrived, and closes the connection. When ctx ends first, messages that
// are not written yet are given up: those of durable subscriptions come again at the next start, others are counted as
// lost.
func (c *Client) Stop(ctx context.Context) error {
	c.doStop()
	defer c.doKill()
	conn := c.conn.Load()
	if conn == nil {
		return nil
	}
	var err error
	giveUp := context.AfterFunc(ctx, c.doKill)
	c.wg.Wait()
	if !giveUp() {
		err = fmt.Errorf("nats: stopped before all messages were written: %w", ctx.Err())
	} else if conn.IsConnected() {
		// The last acknowledgements are still in the connection's buffer. Without a broker nobody waits for them: their
		// messages come again.
		flush, cancel := context.WithTimeout(ctx, flushWait)
		defer cancel()
		if ferr := conn.FlushWithContext(flush); ferr != nil {
			err = fmt.Errorf("nats: last acknowledgements: %w", ferr)
		}
	}
	conn.Close()
	return err
}

func (c *Client) onConnect(conn *client.Conn) {
	c.connects.Add(1)
	c.refuse.Store(nil)
	c.log.Info("connected to NATS", "address", conn.ConnectedUrlRedacted())
}

func (c *Client) onDisconnect(_ *client.Conn, err error) {
	if c.stop.Err() != nil {
		return
	}
	c.disconnects.Add(1)
	c.log.Warn("connection to NATS lost; reconnecting", "error", err)
}

// reconnectDelay is asked before each round of attempts, from 1. A broker that answers and refuses shows nowhere else;
// before the first round the last error is why the connection was lost.
func (c *Client) reconnectDelay(round int) time.Duration {
	if conn := c.conn.Load(); conn != nil && round > 1 {
		if err := conn.LastError(); err != nil {
			c.onRefused(conn, err)
		}
	}
	return c.delay(round - 1)
}

func (c *Client) onRefused(_ *client.Conn, err error) {
	c.failures.Add(1)
	text := err.Error()
	if last := c.refuse.Swap(&text); last == nil || *last != text {
		c.log.Warn("NATS cannot be reached; trying on", "address", redact(c.o.Address), "error", err)
	}
}

// onError hears of what goes wrong besides: a subscription that overflows, a subject that is not allowed.
func (c *Client) onError(_ *client.Conn, sub *client.Subscription, err error) {
	switch {
	case errors.Is(err, client.ErrSlowConsumer) && sub != nil:
		for _, s := range c.subs {
			if s.sub.Load() == sub {
				c.log.Warn("a NATS subscription overflows: messages arrive faster than they are stored and are dropped",
					"subject", s.Subject, "dropped", s.overflow())
			}
		}
	default:
		c.failures.Add(1)
		c.log.Error("NATS reports an error", "error", err)
	}
}

// redact takes passwords out of an address, to be shown.
func redact(address string) string {
	list := strings.Split(address, ",")
	for i, a := range list {
		if u, err := url.Parse(strings.TrimSpace(a)); err == nil {
			list[i] = u.Redacted()
		}
	}
	return strings.Join(list, ",")
}
