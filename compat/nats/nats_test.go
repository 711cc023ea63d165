package nats

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// patience bounds every wait of a test; none sleeps that long unless something is broken.
const patience = 20 * time.Second

// broker is a NATS server that can be stopped and started again on the same port with the same streams.
type broker struct {
	t      *testing.T
	o      server.Options
	server *server.Server
}

func newBroker(t *testing.T, change func(*server.Options)) *broker {
	b := &broker{t: t, o: server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true}}
	if change != nil {
		change(&b.o)
	}
	b.start()
	b.o.Port = b.server.Addr().(*net.TCPAddr).Port
	t.Cleanup(b.stop)
	return b
}

func (b *broker) start() {
	b.t.Helper()
	o := b.o
	s, err := server.NewServer(&o)
	if err != nil {
		b.t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(patience) {
		b.t.Fatal("the broker did not start")
	}
	b.server = s
}

func (b *broker) stop() {
	if b.server != nil {
		b.server.Shutdown()
		b.server.WaitForShutdown()
		b.server = nil
	}
}

func (b *broker) url() string { return "nats://127.0.0.1:" + strconv.Itoa(b.o.Port) }

// sender is a connection of another program.
func (b *broker) sender(o ...client.Option) *client.Conn {
	b.t.Helper()
	nc, err := client.Connect(b.url(), o...)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(nc.Close)
	return nc
}

func (b *broker) publish(nc *client.Conn, subject string, bodies ...string) {
	b.t.Helper()
	for _, body := range bodies {
		if err := nc.Publish(subject, []byte(body)); err != nil {
			b.t.Fatal(err)
		}
	}
	if err := nc.Flush(); err != nil {
		b.t.Fatal(err)
	}
}

// sink keeps every line with the cluster it is stored under, as the real writer would: a line's own cluster wins.
type sink struct {
	mu     sync.Mutex
	cond   *sync.Cond
	lines  map[string]int // "cluster line" -> how often
	bodies []string
	fail   func(call int, s Subscription) error
	calls  int
}

func newSink() *sink {
	s := &sink{lines: map[string]int{}}
	s.cond = sync.NewCond(&s.mu)
	return s
}

func (k *sink) WriteLines(ctx context.Context, s Subscription, body []byte) (r Result, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	defer k.cond.Broadcast()
	k.calls++
	if err := ctx.Err(); err != nil {
		return r, err
	}
	if k.fail != nil {
		if err := k.fail(k.calls, s); err != nil {
			return r, err
		}
	}
	k.bodies = append(k.bodies, string(body))
	for line := range strings.Lines(string(body)) {
		if !strings.HasSuffix(line, "\n") {
			panic("a body ends in the middle of a line")
		}
		line = strings.TrimSuffix(line, "\n")
		switch {
		case line == "":
		case strings.HasPrefix(line, "bad"):
			r.Malformed++
		default:
			cluster := s.ClusterTag
			if _, tag, ok := strings.Cut(line, ",cluster="); ok {
				cluster, _, _ = strings.Cut(tag, " ")
			}
			k.lines[cluster+" "+line]++
			r.Stored++
		}
	}
	return r, nil
}

// until waits for the sink to be in a state.
func (k *sink) until(t *testing.T, what string, done func() bool) {
	t.Helper()
	timer := time.AfterFunc(patience, func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.cond.Broadcast()
	})
	defer timer.Stop()
	end := time.Now().Add(patience)
	k.mu.Lock()
	defer k.mu.Unlock()
	for !done() {
		if time.Now().After(end) {
			t.Fatalf("waited for %s; %d calls, lines %v", what, k.calls, k.lines)
		}
		k.cond.Wait()
	}
}

func start(t *testing.T, o Options) *Client {
	t.Helper()
	o.RetryWait, o.MaxRetryWait = 5*time.Millisecond, 50*time.Millisecond
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, c) })
	return c
}

func stop(t *testing.T, c *Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.Stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
}

// ready waits until the broker sends on what is published to the subjects.
func (b *broker) ready(subjects ...string) {
	b.t.Helper()
	for _, s := range subjects {
		b.poll("a subscription to "+s, func() bool { return b.server.GlobalAccount().SubscriptionInterest(s) })
	}
}

// poll waits for a state of the broker or the library, which tell nobody when they change.
func (b *broker) poll(what string, done func() bool) {
	b.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !done(); <-tick.C {
		if time.Now().After(end) {
			b.t.Fatalf("waited for %s", what)
		}
	}
}

func plain(subject, cluster string) Subscription {
	return Subscription{Subject: subject, ClusterTag: cluster}
}

func TestEachSubscriptionKeepsItsCluster(t *testing.T) {
	b, k := newBroker(t, func(o *server.Options) { o.JetStream = false }), newSink()
	c := start(t, Options{Address: b.url(), Writer: k, Subscriptions: []Subscription{plain("alex.metrics", "alex"), plain("fritz.>", "fritz")}})
	b.ready("alex.metrics", "fritz.any.metrics")
	nc := b.sender()
	want := map[string]int{}
	for i := range 40 {
		line := "m value=" + strconv.Itoa(i)
		b.publish(nc, "alex.metrics", line)
		b.publish(nc, "fritz.any.metrics", line+"\n", "n,cluster=other value="+strconv.Itoa(i))
		want["alex "+line], want["fritz "+line] = 1, 1
		want["other n,cluster=other value="+strconv.Itoa(i)] = 1
	}
	k.until(t, "120 lines", func() bool { return len(k.lines) == 120 })
	for line := range want {
		if k.lines[line] != 1 {
			t.Errorf("%q came %d times", line, k.lines[line])
		}
	}
	stop(t, c)
	n := c.Counters()
	if a, f := n.Subscriptions[0], n.Subscriptions[1]; a.Messages != 40 || a.Stored != 40 || f.Messages != 80 || f.Stored != 80 || f.Subject != "fritz.>" {
		t.Errorf("counters %+v", n)
	}
}

func TestMessagesAreJoined(t *testing.T) {
	b, k := newBroker(t, nil), newSink()
	gate := make(chan struct{})
	k.fail = func(call int, _ Subscription) error {
		if call == 1 {
			<-gate // while the first body is written the others arrive
		}
		return nil
	}
	c := start(t, Options{Address: b.url(), Writer: k, Subscriptions: []Subscription{plain("m", "c")}, BatchWait: 50 * time.Millisecond, BatchBytes: 200})
	b.ready("m")
	nc := b.sender()
	b.publish(nc, "m", "first value=1")
	b.poll("the first message", func() bool { return c.Counters().Subscriptions[0].Messages == 1 })
	b.publish(nc, "m", "a value=1", "b value=2\n", "", "bad line", "c value=3\nd value=4", `e text="open`, "f value=6", strings.Repeat("g value=7\n", 30), "h value=8")
	close(gate)
	stop(t, c)
	// The first body holds what arrived in its 50 ms, so only the order and the borders are fixed.
	all := strings.Join(k.bodies, "|")
	if got, want := strings.ReplaceAll(all, "|", ""), "first value=1\na value=1\nb value=2\nbad line\nc value=3\nd value=4\ne text=\"open\nf value=6\n"+strings.Repeat("g value=7\n", 30)+"h value=8\n"; got != want {
		t.Errorf("lines %q, want %q", got, want)
	}
	if !slices.Contains(k.bodies, "e text=\"open\n") {
		t.Errorf("a message with a quotation mark does not stand alone: %q", all)
	}
	if len(k.bodies) > 5 {
		t.Errorf("messages were not joined: %q", all)
	}
	if n := c.Counters().Subscriptions[0]; n.Malformed != 1 || n.Messages != 10 || n.Stored != 38 {
		t.Errorf("counters %+v", n)
	}
}

func TestBrokerDownAtStartAndRestarted(t *testing.T) {
	b, k := newBroker(t, nil), newSink()
	b.stop()
	c := start(t, Options{Address: b.url(), Writer: k, Subscriptions: []Subscription{plain("m", "c")}})
	b.poll("an attempt that fails", func() bool { return c.Counters().Failures > 0 })
	if c.Counters().Connected {
		t.Error("connected without a broker")
	}
	for round := range 3 {
		b.start()
		b.ready("m")
		nc := b.sender()
		b.publish(nc, "m", "m value="+strconv.Itoa(round))
		k.until(t, "the line of a round", func() bool { return len(k.lines) == round+1 })
		nc.Close()
		b.stop()
		b.poll("the loss of the connection", func() bool { n := c.Counters(); return !n.Connected && n.Disconnects == uint64(round+1) })
	}
	if n := c.Counters(); n.Connects != 3 {
		t.Errorf("%d connects", n.Connects)
	}
	stop(t, c) // without a broker
}

func TestOverflowIsCounted(t *testing.T) {
	b, k := newBroker(t, nil), newSink()
	gate := make(chan struct{})
	k.fail = func(call int, s Subscription) error {
		if s.Subject == "slow" {
			<-gate
		}
		return nil
	}
	c := start(t, Options{Address: b.url(), Writer: k, PendingMessages: 10, BatchWait: time.Nanosecond, Subscriptions: []Subscription{plain("slow", ""), plain("quiet", "")}})
	b.ready("slow", "quiet")
	nc := b.sender()
	const sent = 100
	for i := range sent {
		b.publish(nc, "slow", "m value="+strconv.Itoa(i))
	}
	slow := func() SubscriptionCounters { return c.Counters().Subscriptions[0] }
	b.poll("all messages to be read or dropped", func() bool { n := slow(); return n.Messages+n.Overflow+n.Pending == sent })
	if n := slow(); n.Overflow < sent-15 || n.Pending == 0 || n.PendingBytes == 0 {
		t.Errorf("%+v", n)
	}
	close(gate)
	stop(t, c)
	n := c.Counters()
	if slow, quiet := n.Subscriptions[0], n.Subscriptions[1]; slow.Stored+slow.Overflow != sent || quiet.Overflow != 0 {
		t.Errorf("%+v, %+v", slow, quiet)
	}
}

// errKind is an error of a kind.
type errKind string

func (e errKind) Error() string { return "refused: " + string(e) }
func (e errKind) Kind() string  { return string(e) }

func TestPlainWaitsForTheStore(t *testing.T) {
	b, k := newBroker(t, nil), newSink()
	k.fail = func(call int, _ Subscription) error {
		if call <= 3 {
			return errKind("unavailable")
		}
		return nil
	}
	c := start(t, Options{Address: b.url(), Writer: k, Subscriptions: []Subscription{plain("m", "c")}})
	b.ready("m")
	nc := b.sender()
	b.publish(nc, "m", "m value=1")
	k.until(t, "the line", func() bool { return k.lines["c m value=1"] == 1 })
	k.mu.Lock()
	k.fail = func(int, Subscription) error { return fmt.Errorf("tenant: %w", errKind("forbidden")) }
	k.mu.Unlock()
	b.publish(nc, "m", "m value=2")
	b.poll("the refusal", func() bool { return c.Counters().Subscriptions[0].Refused == 1 })
	if n := c.Counters().Subscriptions[0]; n.Retries != 3 || n.Lost != 0 || n.Failing {
		t.Errorf("%+v", n)
	}
}

func TestStopDrainsOrCounts(t *testing.T) {
	b, k := newBroker(t, nil), newSink()
	gate := make(chan struct{})
	k.fail = func(call int, _ Subscription) error {
		if call == 1 {
			<-gate
		}
		return nil
	}
	c := start(t, Options{Address: b.url(), Writer: k, BatchWait: time.Nanosecond, Subscriptions: []Subscription{plain("m", "c")}})
	b.ready("m")
	nc := b.sender()
	for i := range 50 {
		b.publish(nc, "m", "m value="+strconv.Itoa(i))
	}
	b.poll("all messages", func() bool { n := c.Counters().Subscriptions[0]; return n.Messages+n.Pending == 50 })
	time.AfterFunc(10*time.Millisecond, func() { close(gate) })
	stop(t, c)
	if len(k.lines) != 50 {
		t.Errorf("%d of 50 lines written at the stop", len(k.lines))
	}

	k = newSink()
	k.fail = func(int, Subscription) error { return errKind("unavailable") }
	o := Options{Address: b.url(), Writer: k, BatchWait: time.Nanosecond, Subscriptions: []Subscription{plain("m", "c")}, RetryWait: time.Millisecond}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	b.ready("m")
	for i := range 50 {
		b.publish(nc, "m", "m value="+strconv.Itoa(i))
	}
	b.poll("all messages", func() bool { n := c.Counters().Subscriptions[0]; return n.Messages+n.Pending == 50 })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := c.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("stop with a store that fails: %v", err)
	}
	if n := c.Counters().Subscriptions[0]; n.Lost != 50 {
		t.Errorf("%d of 50 messages counted as lost", n.Lost)
	}
}

// stream makes a stream of one subject and fills it.
func (b *broker) stream(nc *client.Conn, name, subject string) jetstream.Stream {
	b.t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		b.t.Fatal(err)
	}
	s, err := js.CreateOrUpdateStream(b.t.Context(), jetstream.StreamConfig{Name: name, Subjects: []string{subject}})
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

func durable(subject, cluster string) Subscription {
	return Subscription{Subject: subject, ClusterTag: cluster, Durable: true, Stream: "METRICS", Consumer: "granary"}
}

// acked waits until the consumer has nothing left that is not acknowledged.
func (b *broker) acked(s jetstream.Stream, consumer string) {
	b.t.Helper()
	b.poll("all to be acknowledged", func() bool {
		c, err := s.Consumer(b.t.Context(), consumer)
		if err != nil {
			return false
		}
		i := c.CachedInfo()
		return i.NumPending == 0 && i.NumAckPending == 0
	})
}

func TestDurableComesAgainUntilItIsWritten(t *testing.T) {
	b, k := newBroker(t, nil), newSink()
	nc := b.sender()
	s := b.stream(nc, "METRICS", "alex.>")
	const sent = 200
	for i := range sent {
		b.publish(nc, "alex.metrics", "m value="+strconv.Itoa(i)) // before there is a consumer
	}
	k.fail = func(call int, _ Subscription) error {
		if call%3 != 0 {
			return errKind("unavailable")
		}
		return nil
	}
	sub := durable("alex.metrics", "alex")
	sub.Stream = "" // found by the subject
	c := start(t, Options{Address: b.url(), Writer: k, Subscriptions: []Subscription{sub}, BatchBytes: 100})
	k.until(t, "all lines", func() bool { return len(k.lines) == sent })
	b.acked(s, "granary")
	stop(t, c)
	n := c.Counters().Subscriptions[0]
	if n.Retries == 0 || n.Redelivered == 0 || n.Lag != 0 || n.Lost != 0 || n.Stored < sent {
		t.Errorf("%+v", n)
	}
}

func TestDurableSurvivesRestarts(t *testing.T) {
	b, k := newBroker(t, nil), newSink()
	nc := b.sender()
	b.stream(nc, "METRICS", "m")
	b.publish(nc, "m", "m value=0")
	nc.Close()
	b.stop()
	c := start(t, Options{Address: b.url(), Writer: k, Subscriptions: []Subscription{durable("m", "c")}, AckWait: time.Second})
	b.poll("an attempt that fails", func() bool { return c.Counters().Failures > 0 })
	want := 1
	for round := range 3 {
		b.start()
		nc = b.sender()
		s := b.stream(nc, "METRICS", "m")
		b.publish(nc, "m", fmt.Sprintf("m value=%d\n", want))
		want++
		k.until(t, fmt.Sprintf("the lines of round %d", round), func() bool { return len(k.lines) == want })
		b.acked(s, "granary")
		nc.Close()
		b.stop()
	}
	stop(t, c)

	// Another client goes on behind the last acknowledgement.
	b.start()
	nc = b.sender()
	b.publish(nc, "m", "m value=last")
	k = newSink()
	c = start(t, Options{Address: b.url(), Writer: k, Subscriptions: []Subscription{durable("m", "c")}})
	k.until(t, "the last line", func() bool { return k.lines["c m value=last"] == 1 })
	stop(t, c)
	if len(k.lines) != 1 {
		t.Errorf("lines that were acknowledged came again: %v", k.lines)
	}
}

// TestDurableKilled: what was written but not acknowledged, and what was not written, comes again in the next life.
func TestDurableKilled(t *testing.T) {
	b, k := newBroker(t, nil), newSink()
	nc := b.sender()
	s := b.stream(nc, "METRICS", "m")
	for i := range 20 {
		b.publish(nc, "m", "m value="+strconv.Itoa(i))
	}
	k.fail = func(call int, _ Subscription) error {
		if call > 2 {
			return errKind("unavailable")
		}
		return nil
	}
	c := start(t, Options{Address: b.url(), Writer: k, BatchBytes: 30, AckWait: 100 * time.Millisecond, Subscriptions: []Subscription{durable("m", "c")}})
	k.until(t, "failures", func() bool { return k.calls > 4 })
	c.conn.Load().Close() // nothing more is acknowledged or given back
	c.doKill()
	c.wg.Wait()

	k.mu.Lock()
	k.fail = nil
	k.mu.Unlock()
	start(t, Options{Address: b.url(), Writer: k, Subscriptions: []Subscription{durable("m", "c")}})
	k.until(t, "all lines", func() bool { return len(k.lines) == 20 })
	b.acked(s, "granary")
}

func TestDurablePoisonIsEnded(t *testing.T) {
	b, k := newBroker(t, nil), newSink()
	nc := b.sender()
	s := b.stream(nc, "METRICS", "m")
	k.fail = func(call int, _ Subscription) error {
		if call == 1 {
			return errKind("invalid")
		}
		return nil
	}
	b.publish(nc, "m", `poison text="a"`, `good text="b"`)
	c := start(t, Options{Address: b.url(), Writer: k, Subscriptions: []Subscription{durable("m", "c")}})
	k.until(t, "the good line", func() bool { return len(k.lines) == 1 })
	b.acked(s, "granary")
	if n := c.Counters().Subscriptions[0]; n.Refused != 1 || n.Stored != 1 {
		t.Errorf("%+v", n)
	}
}

// TestDurableConsumerOfOthers: a consumer that was made by hand is used if it fits and is refused by name if not.
func TestDurableConsumerOfOthers(t *testing.T) {
	b, k := newBroker(t, nil), newSink()
	nc := b.sender()
	s := b.stream(nc, "METRICS", "m.>")
	for _, tt := range []struct {
		config jetstream.ConsumerConfig
		want   string
	}{
		{jetstream.ConsumerConfig{Durable: "none", AckPolicy: jetstream.AckNonePolicy}, "does not have explicit acknowledgement"},
		{jetstream.ConsumerConfig{Durable: "other", AckPolicy: jetstream.AckExplicitPolicy, FilterSubject: "m.other"}, `reads subject "m.other", not "m.mine"`},
		{jetstream.ConsumerConfig{Durable: "fits", AckPolicy: jetstream.AckExplicitPolicy, FilterSubject: "m.mine"}, ""},
	} {
		if _, err := s.CreateConsumer(t.Context(), tt.config); err != nil {
			t.Fatal(err)
		}
		sub := durable("m.mine", "c")
		sub.Consumer = tt.config.Durable
		c := start(t, Options{Address: b.url(), Writer: k, Subscriptions: []Subscription{sub}})
		b.poll("a connection", func() bool { return c.Counters().Connected })
		_, err := c.subs[0].consumer()
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v", tt.config.Durable, err)
		}
		stop(t, c)
	}
	sub := durable("m.mine", "c")
	sub.Stream = "NONE"
	c := start(t, Options{Address: b.url(), Writer: k, Subscriptions: []Subscription{sub}})
	b.poll("a connection", func() bool { return c.Counters().Connected })
	if _, err := c.subs[0].consumer(); !errors.Is(err, jetstream.ErrStreamNotFound) {
		t.Errorf("no stream: %v", err)
	}
}

func TestUserAndPassword(t *testing.T) {
	b, k := newBroker(t, func(o *server.Options) { o.Username, o.Password = "granary", "secret" }), newSink()
	c := start(t, Options{Address: b.url(), Username: "granary", Password: "wrong", Writer: k, Subscriptions: []Subscription{plain("m", "c")}})
	b.poll("several refusals", func() bool { return c.Counters().Failures > 3 })
	stop(t, c)
	start(t, Options{Address: b.url(), Username: "granary", Password: "secret", Writer: k, Subscriptions: []Subscription{plain("m", "c")}})
	b.ready("m")
	b.publish(b.sender(client.UserInfo("granary", "secret")), "m", "m value=1")
	k.until(t, "the line", func() bool { return len(k.lines) == 1 })
}

func TestOptions(t *testing.T) {
	creds := filepath.Join(t.TempDir(), "creds")
	if err := os.WriteFile(creds, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	good := Options{Address: "nats://localhost", Writer: newSink(), CredsFile: creds}
	for _, tt := range []struct {
		change func(*Options)
		want   string
	}{
		{func(o *Options) { o.Address = "" }, "no address"},
		{func(o *Options) { o.Writer = nil }, "no writer"},
		{func(o *Options) { o.CredsFile = creds + ".none" }, "no such file"},
		{func(o *Options) { o.Subscriptions = []Subscription{plain("a b", "")} }, `subject "a b"`},
		{func(o *Options) { o.Subscriptions = []Subscription{{Subject: "a", Durable: true}} }, "has no consumer"},
		{func(o *Options) { o.Subscriptions = []Subscription{{Subject: "a", Durable: true, Consumer: "x.y"}} }, "not a valid name"},
		{func(o *Options) { o.Subscriptions = []Subscription{durable("a", ""), durable("b", "")} }, `share the consumer "granary"`},
		{func(o *Options) { o.Subscriptions = []Subscription{durable("a", ""), plain("a", "")} }, ""},
	} {
		o := good
		tt.change(&o)
		c, err := New(o)
		if tt.want == "" {
			if err != nil {
				t.Error(err)
			} else if err := c.Stop(t.Context()); err != nil { // never started
				t.Error(err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("error %v, want %q", err, tt.want)
		}
	}
	if got := redact("nats://u:secret@a:4222, tls://b"); got != "nats://u:xxxxx@a:4222,tls://b" {
		t.Error(got)
	}
}

type waiting struct{ wait time.Duration }

func (waiting) Error() string               { return "too fast" }
func (waiting) Kind() string                { return "over limit" }
func (w waiting) RetryAfter() time.Duration { return w.wait }

// TestDelayOf: who is told how long to wait waits for that, not for what it would otherwise.
func TestDelayOf(t *testing.T) {
	s := &subscription{c: &Client{o: Options{RetryWait: 250 * time.Millisecond, MaxRetryWait: 10 * time.Second}}}
	for _, c := range []struct {
		err  error
		try  int
		want time.Duration
	}{
		{errors.New("down"), 0, 250 * time.Millisecond}, {errors.New("down"), 9, 10 * time.Second},
		{fmt.Errorf("body: %w", waiting{7 * time.Minute}), 0, 7 * time.Minute}, {waiting{time.Second}, 9, time.Second}, {waiting{}, 9, 250 * time.Millisecond},
	} {
		if got := s.delayOf(c.err, c.try); got != c.want {
			t.Errorf("%v, try %d: %v, want %v", c.err, c.try, got, c.want)
		}
	}
	if permanent(waiting{}) {
		t.Error("samples that come too fast are given up")
	}
}
