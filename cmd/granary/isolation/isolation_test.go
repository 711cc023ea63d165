package isolation_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// span is how long to look for differences.
func span(t *testing.T) time.Duration {
	if text := os.Getenv("GRANARY_ISOLATION"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatalf("GRANARY_ISOLATION is %q", text)
		}
		return d
	}
	if testing.Short() {
		return 2 * time.Second
	}
	return 6 * time.Second
}

func seed(t *testing.T) uint64 {
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("GRANARY_ISOLATION_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("GRANARY_ISOLATION_SEED is %q", text)
		}
	}
	t.Logf("GRANARY_ISOLATION_SEED=%d", seed)
	return seed
}

// TestIsolation looks for anything of one tenant that another one sees or changes.
func TestIsolation(t *testing.T) {
	isolate(t, readDocument(t), span(t))
}

// TestIsolationStrict does so in the strict mode of Hawkular, with its operations.
func TestIsolationStrict(t *testing.T) {
	d := readDocument(t)
	d.strict = true
	isolate(t, d, span(t)/3)
}

func isolate(t *testing.T, d *document, long time.Duration) {
	u := newUniverse(t, d, seed(t))
	end := time.Now().Add(long)
	u.settle()
	u.cover()
	cycles := 0
	for ; u.fault == nil && time.Now().Before(end); cycles++ {
		u.cycle()
	}
	u.readLogs()
	t.Logf("%d steps in %d cycles; answers by status %v", len(u.steps), cycles, u.answers)
	for what, text := range u.broken {
		t.Errorf("%s is not as the document says: %s", what, text)
	}
	if u.fault != nil {
		t.Errorf("%s\n%s", u.fault.key, u.fault.what)
		t.Log(u.shrink(d))
	}
}

// settle lets every tenant make a few things.
func (u *universe) settle() {
	for range 3 {
		for _, id := range []string{"writeMeasures", "createMetrics", "createPolicy", "createRule", "writeLines", "remoteWrite", "influxWrite", "influxWriteV2", "gnocchiCreateMetric", "gnocchiCreateResource", "gnocchiPostMeasures"} {
			u.both(func(g *gen) *request { return g.valid(u.d.find(id)) }, 0)
		}
		// Types that writes need are everybody's, so they are there before anybody writes.
		for _, id := range []string{"gnocchiCreateResourceType", "gnocchiCreatePolicy", "gnocchiPrometheusWrite"} {
			u.operate(u.d.find(id))
		}
		u.run(&step{world: -1, by: u.op, r: u.signed("POST", "/v1/influxdb/query?q=create+database+influxdb")})
	}
}

// both lets A send a request, and then each B one of its own.
func (u *universe) both(make func(g *gen) *request, foreign int) {
	g := &gen{d: u.d, p: u.a, now: u.clock.now(), foreign: foreign}
	r := make(g)
	g.sign(r, u.a.credentials[0])
	u.run(&step{world: -1, by: u.a, r: r})
	for i, b := range u.b {
		g := &gen{d: u.d, p: b, now: u.clock.now(), foreign: foreign}
		r := make(g)
		g.sign(r, b.credentials[0])
		u.run(&step{world: i, by: b, r: r})
	}
}

// cover makes a valid request for every operation, or fails the test: what it cannot ask for it cannot attack. What tenants may
// not do an operator does.
func (u *universe) cover() {
	const tries = 300
	for _, op := range u.d.asked() {
		for n := 0; u.done[op.id] == 0 && n < tries && u.fault == nil; n++ {
			if maker := u.maker(op); maker != nil && n%3 == 0 {
				u.both(func(g *gen) *request { return g.valid(maker) }, 0)
				u.operate(maker)
			}
			u.both(func(g *gen) *request { return g.valid(op) }, 0)
			if u.done[op.id] == 0 {
				u.operate(op)
			}
		}
		if u.done[op.id] == 0 && u.fault == nil {
			u.t.Errorf("no valid request can be made for %s %s (%s); the last were\n%s", op.method, op.path, op.id, u.last(op, u.op)+u.last(op, u.a))
		}
	}
}

// last is the last request of an operation and what it is answered now.
func (u *universe) last(op *operation, by *party) string {
	for _, s := range slices.Backward(u.steps) {
		if s.r != nil && s.r.op == op.id && s.by == by {
			return s.r.text() + "\n" + u.worlds[0].send(s.r).text() + "\n"
		}
	}
	return ""
}

// operate lets the operator send a valid request of an operation.
func (u *universe) operate(op *operation) {
	g := &gen{d: u.d, p: u.op, now: u.clock.now()}
	r := g.valid(op)
	g.sign(r, operator)
	u.run(&step{world: -1, by: u.op, r: r})
}

// maker is the operation that makes what the other is about.
func (u *universe) maker(op *operation) *operation {
	if strings.HasPrefix(op.path, "/v1/resource/{type}/{id}") {
		return u.d.find("gnocchiCreateResource")
	}
	front, _, one := strings.Cut(op.path, "/{")
	for _, o := range u.d.operations {
		if one && o.method == "POST" && o.path == front {
			return o
		}
	}
	return nil
}

// cycle is a burst of requests of B's and one of A's, with a look at everything that the other has around each.
func (u *universe) cycle() {
	rng := u.a.rng
	if rng.IntN(4) == 0 {
		u.run(&step{tick: time.Duration(rng.IntN(600)) * time.Second})
	}
	switch rng.IntN(12) {
	case 0: // the operator does something, to A in both worlds or to B
		u.operate(choose(rng, u.d.asked()...))
	case 1: // one B begins anew
		u.run(&step{world: rng.IntN(2), by: u.op, r: u.signed("DELETE", "/v2/tenants/tenant-b")})
	case 2:
		if rng.IntN(4) == 0 {
			u.run(&step{world: -1, by: u.op, r: u.signed("DELETE", "/v2/tenants/tenant-a")})
		}
	case 3:
		u.restart()
	}
	for _, id := range []string{"gnocchiCreateResource", "gnocchiPostBatchOfResources", "gnocchiPostMeasures"} { // or there are none, as much deletes them
		u.both(func(g *gen) *request { return g.valid(u.d.find(id)) }, 0)
	}
	before := [2]string{u.fingerprint(0, u.a), u.fingerprint(1, u.a)}
	if before[0] != before[1] {
		u.faultf(u.steps[len(u.steps)-1], "fingerprints", "tenant A has, in world 1\n%s\nand in world 2\n%s", diff(before[0], before[1]), diff(before[1], before[0]))
	}
	for range 10 + rng.IntN(20) {
		for i, b := range u.b {
			if rng.IntN(3) > 0 {
				u.run(&step{world: i, by: b, r: u.attack(b)})
			}
		}
	}
	var foreign [2]string
	for i := range u.worlds {
		if after := u.fingerprint(i, u.a); after != before[i] {
			u.faultf(u.steps[len(u.steps)-1], "changed", "B has changed, in world %d, what A has, from\n%s\nto\n%s", i+1, diff(before[i], after), diff(after, before[i]))
		}
		foreign[i] = u.fingerprint(i, u.b[i])
	}
	for range 40 + rng.IntN(40) {
		u.run(&step{world: -1, by: u.a, r: u.attack(u.a)})
		if u.fault != nil {
			return
		}
	}
	for i := range u.worlds {
		if after := u.fingerprint(i, u.b[i]); after != foreign[i] {
			u.faultf(u.steps[len(u.steps)-1], "changed", "A has changed, in world %d, what B has, from\n%s\nto\n%s", i+1, diff(foreign[i], after), diff(after, foreign[i]))
		}
	}
	u.readLogs()
}

// signed is a request of the operator.
func (u *universe) signed(method, target string) *request {
	r := &request{op: "operator", method: method, target: target}
	r.set("Authorization", "Bearer "+operator.secret)
	return r
}

// restart stops all services and starts them again. Everything is as it was.
func (u *universe) restart() {
	var before [2][2]string
	for i := range u.worlds {
		before[i] = [2]string{u.lasting(i, u.a), u.lasting(i, u.b[i])}
	}
	s := &step{start: true}
	u.run(s)
	for i := range u.worlds {
		for k, after := range []string{u.lasting(i, u.a), u.lasting(i, u.b[i])} {
			if was := before[i][k]; after != was {
				u.faultf(s, "lost", "a restart of world %d has changed\n%s\nto\n%s", i+1, diff(was, after), diff(after, was))
			}
		}
	}
}

// lasting is the fingerprint without what belongs to the process.
func (u *universe) lasting(world int, p *party) string {
	return ofProcess.ReplaceAllString(u.fingerprint(world, p), "")
}

// attack makes up a request.
func (u *universe) attack(p *party) *request {
	g := &gen{d: u.d, p: p, now: u.clock.now(), foreign: 20}
	op := choose(p.rng, u.d.asked()...)
	r := g.valid(op)
	switch n := p.rng.IntN(20); {
	case n == 0: // a page, its own or the other's
		from := choose(p.rng, p, p.other)
		if links := from.pools["link"]; len(links) > 0 {
			r = &request{op: "a link", method: "GET", target: choose(p.rng, links...)}
		}
	case n < 6 && len(p.other.sent) > 0: // what the other has asked for, and was given
		c := *choose(p.rng, p.other.sent...)
		c.header = slices.Clone(c.header)
		r = &c
	}
	if op.speaksGnocchi() && p.rng.IntN(6) == 0 {
		g.claim(r)
	}
	p.learn(r.said())
	if p.rng.IntN(4) == 0 {
		g.mangle(r)
		p.learn(r.said()) // words of the other in which it has put something
	}
	if p.rng.IntN(5) == 0 {
		g.signOddly(r, p.credentials)
		return r
	}
	c := p.credentials[0]
	if p.rng.IntN(3) == 0 {
		c = choose(p.rng, p.credentials...)
	}
	g.sign(r, c)
	return r
}

// readLogs looks at what the services have logged.
func (u *universe) readLogs() {
	for i, w := range u.worlds {
		for _, f := range faultsOfLog(w.log.take(), w.secrets()) {
			u.faultf(u.steps[len(u.steps)-1], "log", "the log of world %d says: %s", i+1, f)
		}
	}
}

// diff are the lines of x that y does not have.
func diff(x, y string) string {
	has := map[string]bool{}
	for line := range strings.Lines(y) {
		has[line] = true
	}
	var b strings.Builder
	for line := range strings.Lines(x) {
		if !has[line] {
			fmt.Fprintf(&b, "%.1500s\n", strings.TrimSpace(line))
		}
	}
	return b.String()
}
