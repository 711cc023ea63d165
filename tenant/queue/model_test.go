package queue

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// piece is one piece of work of the model: inside, or waiting to enter or to grow.
type piece struct {
	flow  *flow
	hold  hold
	wait  *waiter // nil if it waits for nothing
	aside int64
	since int // the step at which it began to wait
}

// model drives a pool without goroutines or a clock: whether a call goes in is known when the step is over.
type model struct {
	t      *testing.T
	r      *rand.Rand
	p      pool
	flows  []*flow
	pieces []*piece
	step   int
}

func newModel(t *testing.T, seed uint64) *model {
	r := rand.New(rand.NewPCG(seed, 11))
	m := &model{t: t, r: r}
	m.p.max, m.p.quantum = 20+r.Int64N(80), 1+r.Int64N(20)
	if r.IntN(2) == 0 {
		m.p.kept, m.p.least = r.Int64N(30), r.Int64N(15)
	}
	for range 1 + r.IntN(5) {
		fl := &flow{bound: unbounded, weight: 1 + r.Int64N(3)}
		if r.IntN(3) == 0 {
			fl.bound = 5 + r.Int64N(m.p.max)
		}
		m.flows = append(m.flows, fl)
	}
	return m
}

// call begins to enter or to grow, as enter and grow do.
func (m *model) call(x *piece, n int64, grows bool) {
	p, c := &m.p, call{flow: x.flow, hold: &x.hold, units: n, cost: n}
	p.mu.Lock()
	defer p.mu.Unlock()
	w := &waiter{call: c, grows: grows}
	switch {
	case grows && (p.growing.first == nil && p.take(c) || p.pass(c)):
		return
	case grows:
		p.growing.push(w)
		c.flow.wanted += n
	case p.growing.first == nil && p.active.Load() == 0 && p.take(c):
		return
	default:
		p.push(w)
	}
	p.admit()
	if !w.in {
		x.wait, x.since = w, m.step
	}
}

func (m *model) some(want func(*piece) bool) *piece {
	var list []*piece
	for _, x := range m.pieces {
		if want(x) {
			list = append(list, x)
		}
	}
	if len(list) == 0 {
		return nil
	}
	return list[m.r.IntN(len(list))]
}

func inside(x *piece) bool  { return x.wait == nil && x.aside == 0 && x.hold.all() > 0 }
func waiting(x *piece) bool { return x.wait != nil }
func away(x *piece) bool    { return x.aside > 0 }

func (m *model) random() {
	p := &m.p
	m.step++
	switch m.r.IntN(10) {
	case 0, 1, 2, 3:
		fl := m.flows[m.r.IntN(len(m.flows))]
		x := &piece{flow: fl}
		m.pieces = append(m.pieces, x)
		m.call(x, 1+m.r.Int64N(min(fl.bound, p.max)), false)
	case 4:
		if x := m.some(inside); x != nil {
			if room := min(x.flow.bound, p.max) - x.hold.all(); room > 0 {
				m.call(x, 1+m.r.Int64N(room), true)
			}
		}
	case 5:
		if x := m.some(waiting); x != nil { // it gives up
			p.mu.Lock()
			p.giveUp(x.wait, cancelled)
			p.mu.Unlock()
			x.wait = nil
		}
	case 6:
		if x := m.some(inside); x != nil {
			if n, ok := p.stepAside(x.flow, &x.hold); ok {
				x.aside = n
			}
		}
		if x := m.some(away); x != nil && m.r.IntN(2) == 0 {
			p.stepBack(x.flow, &x.hold, x.aside)
			x.aside = 0
		}
	default:
		if x := m.some(inside); x != nil {
			p.leave(x.flow, &x.hold, -1)
		}
	}
	m.settle()
}

// settle takes note of who has been let in, and checks all that holds between two steps.
func (m *model) settle() {
	t, p := m.t, &m.p
	for _, x := range m.pieces {
		if x.wait != nil && x.wait.in {
			x.wait = nil
		}
	}
	m.pieces = slices.DeleteFunc(m.pieces, func(x *piece) bool { return x.wait == nil && x.aside == 0 && x.hold.all() == 0 })
	var common, kept, paused int64
	held, waits := map[*flow]int64{}, map[*flow]int{}
	for _, x := range m.pieces {
		common, kept, paused = common+x.hold.common, kept+x.hold.kept, paused+x.aside
		held[x.flow] += x.hold.all()
		if x.wait != nil && !x.wait.grows {
			waits[x.flow]++
		}
	}
	if p.held != common || p.keptHeld != kept || p.paused != paused {
		t.Fatalf("step %d: %d, %d and %d units are counted, %d, %d and %d held", m.step, p.held, p.keptHeld, p.paused, common, kept, paused)
	}
	if kept > p.kept || paused > p.max || common > 3*p.max || p.over == nil && common > 2*p.max {
		t.Fatalf("step %d: of %d and %d units %d and %d are held, %d aside", m.step, p.max, p.kept, common, kept, paused)
	}
	if int(p.active.Load()) != len(waits) {
		t.Fatalf("step %d: %d flows wait, %d are counted", m.step, len(waits), p.active.Load())
	}
	for _, fl := range m.flows {
		if fl.held != held[fl] || int(fl.waits.Load()) != waits[fl] || fl.entering.n != waits[fl] {
			t.Fatalf("step %d: a flow holds %d and has %d calls, counted are %d and %d", m.step, held[fl], waits[fl], fl.held, fl.waits.Load())
		}
		if w := fl.entering.first; w != nil {
			if fl.in == nil && w.units <= fl.bound-fl.held {
				t.Fatalf("step %d: a flow is forgotten", m.step)
			}
			if w.units <= fl.bound-fl.held && p.fitsKept(w.call) {
				t.Fatalf("step %d: one that holds little waits, although room is kept", m.step)
			}
		}
	}
	if fl := p.fresh.first; p.growing.first == nil && fl != nil && fl.entering.first != nil && fl.entering.first.units <= p.max-p.held && fl.entering.first.units <= fl.bound-fl.held {
		t.Fatalf("step %d: the first waits for %d units, and %d of %d are held", m.step, fl.entering.first.units, p.held, p.max)
	}
}

// TestPoolModel holds the bounds and the books of pools against a plain model, at each of many random steps; and in the end,
// when nobody comes any more, everybody gets in, in bounded time.
func TestPoolModel(t *testing.T) {
	for seed := range uint64(300) {
		m := newModel(t, seed)
		for range 400 {
			m.random()
		}
		for len(m.pieces) > 0 {
			m.step++
			if m.step > 10_000 {
				t.Fatalf("seed %d: %d pieces of work never end", seed, len(m.pieces))
			}
			switch x := m.some(inside); {
			case x != nil:
				m.p.leave(x.flow, &x.hold, -1)
			default:
				x := m.some(away)
				if x == nil {
					t.Fatalf("seed %d: all wait, and nothing is inside", seed)
				}
				m.p.stepBack(x.flow, &x.hold, x.aside)
				x.aside = 0
			}
			m.settle()
		}
		if m.p.held != 0 || m.p.keptHeld != 0 || m.p.over != nil || m.p.growing.n != 0 {
			t.Fatalf("seed %d: %+v is left", seed, &m.p)
		}
	}
}

// TestNobodyStarves: however much others bring, and however large they come, one that waits goes in after no more of them than
// the quantum and its own size allow.
func TestNobodyStarves(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 12))
		p := &pool{max: 100, quantum: 10}
		flood := make([]*flow, 1+r.IntN(4))
		for i := range flood {
			flood[i] = &flow{bound: unbounded, weight: 1}
		}
		victim := &flow{bound: unbounded, weight: 1}
		type work struct {
			fl *flow
			h  hold
		}
		var in []*work
		var out []*waiter
		enter := func(fl *flow, n int64) *waiter {
			x := &work{fl: fl}
			w := &waiter{call: call{flow: fl, hold: &x.h, units: n, cost: n}}
			in = append(in, x)
			out = append(out, w)
			p.push(w)
			p.admit()
			return w
		}
		for range 500 {
			enter(flood[r.IntN(len(flood))], 1+r.Int64N(40))
		}
		w := enter(victim, 100) // all there is
		brought := int64(0)
		for step := 0; !w.in; step++ {
			if step > 5000 {
				t.Fatalf("seed %d: it waits for ever", seed)
			}
			i := slices.IndexFunc(in, func(x *work) bool { return x.h.all() > 0 })
			brought += in[i].h.all()
			p.giveBack(in[i].fl, &in[i].h, -1)
			in = slices.Delete(in, i, i+1)
			p.admit()
			enter(flood[r.IntN(len(flood))], 1+r.Int64N(40))
		}
		// What was inside, and of each flow a quantum and its largest piece.
		if limit := 100 + int64(len(flood))*(10+40); brought > limit {
			t.Errorf("seed %d: %d units went before it, at most %d should", seed, brought, limit)
		}
	}
}

// TestWeights: what flows that always wait bring in follows their weights, within a quantum and the largest piece of each.
func TestWeights(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 13))
		p := &pool{max: 1 + r.Int64N(200), quantum: 1 + r.Int64N(50)}
		largest := min(p.max, 60)
		flows := make([]*flow, 2+r.IntN(4))
		brought := map[*flow]int64{}
		for i := range flows {
			flows[i] = &flow{bound: unbounded, weight: 1 + r.Int64N(5)}
		}
		type work struct {
			w    *waiter
			h    hold
			seen bool
		}
		var list []*work
		enter := func(fl *flow) {
			x := &work{}
			n := 1 + r.Int64N(largest)
			x.w = &waiter{call: call{flow: fl, hold: &x.h, units: n, cost: n}}
			p.push(x.w)
			list = append(list, x)
		}
		for _, fl := range flows {
			for range 250 { // more than ever go in at once: a pool of 200 is filled by 200 at most
				enter(fl)
			}
		}
		for range 1500 {
			p.admit()
			first := -1
			for i, x := range list {
				if x.w.in && !x.seen {
					x.seen = true
					brought[x.w.flow] += x.w.units
					enter(x.w.flow)
				}
				if x.w.in && first < 0 {
					first = i
				}
			}
			p.giveBack(list[first].w.flow, &list[first].h, -1)
			list = slices.Delete(list, first, first+1)
		}
		for _, a := range flows {
			for _, b := range flows {
				if d := float64(brought[a])/float64(a.weight) - float64(brought[b])/float64(b.weight); d > float64(2*p.quantum+2*largest) {
					t.Errorf("seed %d: weights %d and %d brought %d and %d, quantum %d, largest %d", seed, a.weight, b.weight, brought[a], brought[b], p.quantum, largest)
				}
			}
		}
	}
}
