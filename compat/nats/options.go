package nats

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	client "github.com/nats-io/nats.go"
)

// Subscription is one subject to read.
type Subscription struct {
	Subject    string // wildcards are allowed
	ClusterTag string // the cluster of lines that name none
	Tenant     string // "" for the default
	// Durable reads through the JetStream consumer Consumer of the stream Stream. An empty Stream is looked up by the
	// subject. The consumer is made if it is not there, the stream is not.
	Durable          bool
	Stream, Consumer string
}

func (s Subscription) String() string {
	if s.Durable {
		return fmt.Sprintf("%s (durable, consumer %s)", s.Subject, s.Consumer)
	}
	return s.Subject
}

// Result is what became of a body.
type Result struct {
	Stored    int // lines
	Ignored   int // well-formed samples that are not wanted
	Malformed int // lines
}

// Writer journals bodies of line protocol. Calls for one subscription follow each other, calls for several run side by
// side.
type Writer interface {
	// WriteLines stores all good lines of body under the cluster and the tenant of s. nil means that they are journalled;
	// bad lines are no error. After an error of the kind "invalid", "forbidden", "not found" or "conflict" the body is given
	// up, after any other it is written again, no sooner than its method RetryAfter says if it has one, so the error must mean that writing it again does no harm. body is valid
	// until the call returns.
	WriteLines(ctx context.Context, s Subscription, body []byte) (Result, error)
}

// Options are what a Client needs. Address, Subscriptions and Writer are required; zero means the default elsewhere.
type Options struct {
	Address            string // one URL or several with commas between
	Username, Password string
	CredsFile          string
	Subscriptions      []Subscription
	Writer             Writer
	Logger             *slog.Logger

	BatchBytes      int           // messages are gathered up to this size; 1 MiB
	BatchWait       time.Duration // or for this long; 10 ms
	PendingMessages int           // of one plain subscription, before overflow; 65,536
	PendingBytes    int           // of one plain subscription, before overflow; 64 MiB
	RetryWait       time.Duration // before the first repetition of what failed; 250 ms
	MaxRetryWait    time.Duration // before a later one; 10 s
	AckWait         time.Duration // of consumers that are made: unacknowledged messages come again after it; 30 s
}

// fill puts the defaults in and says what is wrong.
func (o *Options) fill() error {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	setDefault(&o.BatchBytes, 1<<20)
	setDefault(&o.BatchWait, 10*time.Millisecond)
	setDefault(&o.PendingMessages, 1<<16)
	setDefault(&o.PendingBytes, 64<<20)
	setDefault(&o.RetryWait, 250*time.Millisecond)
	setDefault(&o.MaxRetryWait, 10*time.Second)
	setDefault(&o.AckWait, 30*time.Second)
	if o.Address == "" {
		return errors.New("nats: no address")
	}
	if o.Writer == nil {
		return errors.New("nats: no writer")
	}
	if o.CredsFile != "" {
		if _, err := os.ReadFile(o.CredsFile); err != nil {
			return fmt.Errorf("nats: credentials: %w", err)
		}
	}
	consumers := map[[2]string]string{}
	for _, s := range o.Subscriptions {
		if err := s.check(); err != nil {
			return err
		}
		if !s.Durable {
			continue
		}
		id := [2]string{s.Stream, s.Consumer}
		if other, ok := consumers[id]; ok {
			return fmt.Errorf("nats: the durable subscriptions %q and %q share the consumer %q: each needs its own", other, s.Subject, s.Consumer)
		}
		consumers[id] = s.Subject
	}
	return nil
}

func setDefault[T int | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

func (s Subscription) check() error {
	switch {
	case s.Subject == "" || strings.ContainsAny(s.Subject, " \t\r\n"):
		return fmt.Errorf("nats: subject %q is not valid", s.Subject)
	case s.Durable && s.Consumer == "":
		return fmt.Errorf("nats: the durable subscription %q has no consumer", s.Subject)
	case s.Durable && strings.ContainsAny(s.Consumer+s.Stream, " \t\r\n.*>/\\"):
		return fmt.Errorf("nats: the durable subscription %q: stream %q or consumer %q is not a valid name", s.Subject, s.Stream, s.Consumer)
	}
	return nil
}

// connect returns a connection that may still be trying to reach the broker.
func (c *Client) connect() (*client.Conn, error) {
	o := []client.Option{
		client.Name("granary"),
		client.RetryOnFailedConnect(true),
		client.MaxReconnects(-1),
		client.IgnoreAuthErrorAbort(),
		client.CustomReconnectDelay(c.reconnectDelay),
		client.SyncQueueLen(c.o.PendingMessages),
		client.ConnectHandler(c.onConnect),
		client.ReconnectHandler(c.onConnect),
		client.DisconnectErrHandler(c.onDisconnect),
		client.ReconnectErrHandler(c.onRefused),
		client.ErrorHandler(c.onError),
	}
	if c.o.Username != "" {
		o = append(o, client.UserInfo(c.o.Username, c.o.Password))
	}
	if c.o.CredsFile != "" {
		o = append(o, client.UserCredentials(c.o.CredsFile))
	}
	conn, err := client.Connect(c.o.Address, o...)
	if err != nil {
		return nil, fmt.Errorf("nats: %s: %w", c.o.Address, err)
	}
	return conn, nil
}

// delay is the wait before repetition n, from 0: twice as long each time, up to the limit.
func (c *Client) delay(n int) time.Duration {
	d := c.o.RetryWait
	for ; n > 0 && d < c.o.MaxRetryWait; n-- {
		d *= 2
	}
	return min(d, c.o.MaxRetryWait)
}
