//go:build e2e

package e2e_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const subject = "hpc.metrics"

// broker is a NATS server in this process.
func broker(t *testing.T) (url string, conn *nats.Conn) {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(patience) {
		t.Fatal("the broker did not start")
	}
	url = "nats://127.0.0.1:" + strconv.Itoa(s.Addr().(*net.TCPAddr).Port)
	if conn, err = nats.Connect(url); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return url, conn
}

func natsConfig(url string, subscription object) object {
	c := crashConfig("interval")
	c["nats"] = object{"address": url}
	subscription["subscribe-to"] = subject
	c["metric-store"] = object{"nats-subscriptions": []object{subscription}}
	return c
}

// TestCrashNATSDurable kills a server that reads a JetStream stream again and again, while others go on to publish. In the
// end every message that the stream took must be readable.
func TestCrashNATSDurable(t *testing.T) {
	rng := random(t)
	url, conn := broker(t)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "METRICS", Subjects: []string{subject}})
	if err != nil {
		t.Fatal(err)
	}
	// The consumer is made here so that what a killed server held comes again soon, and not after 30 s.
	consumer, err := stream.CreateConsumer(t.Context(), jetstream.ConsumerConfig{
		Durable: "granary", FilterSubject: subject, AckPolicy: jetstream.AckExplicitPolicy, AckWait: time.Second, MaxAckPending: 100_000,
	})
	if err != nil {
		t.Fatal(err)
	}
	// What comes a second time may come behind what is newer, so slots are written once only.
	c := newNATSCrash(t, rng, natsConfig(url, object{"durable": true}), func(l *ledger, f *faults, body []byte, list []written) {
		if _, err := js.Publish(context.Background(), subject, body); err != nil {
			f.addf("publish: %v", err)
			return
		}
		l.promise(list)
	})
	c.rounds(rounds(t, 50))
	c.stopPublishing()

	var left uint64
	var open int
	poll(t, "the stream to be read", func() bool {
		info, err := consumer.Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		left, open = info.NumPending, info.NumAckPending
		return left == 0 && open == 0
	})
	c.l.fulfil()
	c.l.checkAll(c.p, c.f)
	info, err := stream.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d messages, %d series, %d samples checked", info.State.Msgs, c.l.count, c.f.checked.Load())
	c.p.stop()
}

// TestCrashNATSCore is the same without a stream: messages that are published while no server listens, or that it had not
// written yet, are gone, but what a query has shown must stay.
func TestCrashNATSCore(t *testing.T) {
	rng := random(t)
	url, conn := broker(t)
	c := newNATSCrash(t, rng, natsConfig(url, object{}), func(_ *ledger, f *faults, body []byte, _ []written) {
		if err := conn.Publish(subject, body); err != nil {
			f.addf("publish: %v", err)
		}
	})
	c.rounds(rounds(t, 15))
	c.stopPublishing()
	// What is published last is written last. A server that is ready has not subscribed yet, and what comes before is gone, so the
	// message is published until it is seen.
	poll(t, "the last message to be written", func() bool {
		if err := conn.Publish(subject, fmt.Appendf(nil, "load_one,cluster=%s,hostname=last value=1 %d\n", cluster, epoch)); err != nil {
			t.Fatal(err)
		}
		return len(c.p.mustAsk(question{Cluster: cluster, From: epoch, To: epoch + 1, Queries: []selector{{Metric: "load_one", Host: "last"}}})[0]) == 1
	})
	before := c.f.checked.Load()
	c.l.checkAll(c.p, c.f)
	t.Logf("%d series, %d samples that had been shown checked at the end, %d before", c.l.count, c.f.checked.Load()-before, before)
	if c.f.checked.Load() == before {
		t.Error("nothing was ever shown")
	}
	c.p.stop()
}

// natsCrash is a crash test whose senders publish all the time.
type natsCrash struct {
	t              *testing.T
	l              *ledger
	f              *faults
	rng            *rand.Rand
	p              *process
	config, data   string
	stopPublishing func()
}

func newNATSCrash(t *testing.T, rng *rand.Rand, config object, publish func(*ledger, *faults, []byte, []written)) *natsCrash {
	dir := t.TempDir()
	c := &natsCrash{t: t, l: &ledger{}, f: &faults{t: t}, rng: rng, data: filepath.Join(dir, "data")}
	c.config = configFile(t, filepath.Join(dir, "config.json"), config)
	c.p = serve(t, c.config, c.data)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, s := range newSenders(c.l, rng, 1, 4, false) {
		wg.Go(func() {
			s.run(ctx, 0, 5*time.Millisecond, func(body []byte, list []written) bool {
				publish(c.l, c.f, body, list)
				return true
			})
		})
	}
	c.stopPublishing = func() {
		cancel()
		wg.Wait()
	}
	t.Cleanup(c.stopPublishing)
	return c
}

// rounds kills and starts the server while a reader looks on.
func (c *natsCrash) rounds(n int) {
	c.t.Helper()
	for round := range n {
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		reading := rand.New(rand.NewPCG(c.rng.Uint64(), 2))
		wg.Go(func() { c.l.watch(ctx, c.p, c.f, reading) })
		time.Sleep(killAfter(round, c.rng)) // the moment of the kill is what is tested
		c.p.alive()
		if round%7 == 6 {
			c.p.stop()
		} else {
			c.p.kill()
		}
		cancel()
		wg.Wait()
		c.p = serve(c.t, c.config, c.data)
		hosts := c.l.all()
		for range 3 {
			newest := c.l.length(hosts[0])
			h, low := hosts[c.rng.IntN(len(hosts))], c.rng.IntN(newest+1)
			c.l.check(c.p, c.f, []*host{h}, low, low+1000, false)
			c.l.check(c.p, c.f, []*host{h}, max(newest-1000, 0), newest, false)
		}
		if c.f.any() {
			c.t.Fatalf("round %d:\n%s", round, c.p.log)
		}
	}
}
