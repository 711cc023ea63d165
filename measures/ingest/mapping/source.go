package mapping

import (
	"encoding/binary"
	"hash/maphash"
	"slices"
	"sync/atomic"
	"time"

	"granary/metricdef"
	"granary/tenant"
)

// Source is one series that rules take. It is safe for concurrent use.
type Source struct {
	table   *Table
	num     tenant.Num
	dialect string
	key     string // in its home
	keep    bool
	takes   []take

	used atomic.Int64           // unix seconds of the last sample
	home *home                  // set when it comes into one
	gone atomic.Bool            // it is in no home: there was no room, or it was let go
	next atomic.Pointer[Source] // the one that has taken its place since
}

// Keep says whether the series is stored under its own name too.
func (s *Source) Keep() bool { return s.keep }

// take is a rule that takes a source.
type take struct {
	src   *Source
	rule  *rule
	match int
	def   metricdef.Draft        // what comes out
	out   atomic.Pointer[output] // set when the source is in a home

	// Under the stripe of out.
	pos    int   // in out, -1 if it has none yet
	last   point // for rates
	staged point // what becomes of last if the store takes the samples
	fresh  bool  // staged is set
}

// point is a sample; before the first one there is none.
type point struct {
	at    int64
	value float64
	set   bool
}

// minIdle is for how long nothing must have come of a source before it is let go.
const minIdle = 15 * time.Minute

func (t *Table) idle() int64 { return int64(max(minIdle, 2*t.o.RateGap) / time.Second) }

// register puts a source into its home, if there is room. If another one is there for the same series, that one counts.
func (t *Table) register(s *Source) *Source {
	h := t.ensureHome(s.num)
	room := t.room(h)
	h.mu.Lock()
	defer h.mu.Unlock()
	if other := h.sources[s.key]; other != nil {
		t.giveBack(room)
		return other
	}
	if !room || h.ended {
		t.giveBack(room)
		s.gone.Store(true)
		return s
	}
	for i := range s.takes {
		k := &s.takes[i]
		key := string(metricdef.AppendKey(binary.AppendUvarint(nil, uint64(k.rule.index)), k.def.Name, k.def.Tags))
		out := h.outputs[key]
		if out == nil {
			id := t.made.Add(1)
			out = &output{id: id, key: key, rule: k.rule, def: &k.def, floor: noFloor, stripe: int(maphash.String(seed, key) % stripes)}
			h.outputs[key] = out
		}
		out.refs++
		k.out.Store(out)
	}
	s.home = h
	h.sources[s.key] = s
	t.o.Counters.Sources.Add(1)
	return s
}

var seed = maphash.MakeSeed()

func (t *Table) giveBack(room bool) {
	if room {
		t.held.Add(-1)
	}
}

// live is the source that stands for the series of s now, nil if there is no room for one.
func (s *Source) live() *Source {
	for {
		if !s.gone.Load() {
			return s
		}
		if n := s.next.Load(); n != nil {
			s = n
			continue
		}
		n := &Source{table: s.table, num: s.num, dialect: s.dialect, key: s.key, keep: s.keep, takes: make([]take, len(s.takes))}
		for i := range s.takes {
			k := &s.takes[i]
			n.takes[i] = take{src: n, rule: k.rule, match: k.match, def: k.def, pos: -1}
		}
		n.used.Store(s.used.Load())
		if n = s.table.register(n); n.gone.Load() {
			return nil
		}
		s.next.Store(n)
		s = n
	}
}

// room reserves the room for one more source of a tenant, and lets one of another tenant go for it if that has more than its share.
func (t *Table) room(own *home) bool {
	if t.held.Add(1) <= int64(t.o.MaxSources) {
		return true
	}
	// Whoever was refused a moment ago is not looked at again: that costs a look at all tenants.
	if now := t.o.Now().Unix(); own.refused.Load() != now {
		if t.push(own, now) {
			return true
		}
		own.refused.Store(now)
	}
	t.held.Add(-1)
	return false
}

// push lets a source go: of the tenant itself one that is idle, else one of the tenant with the most, if that has more than this one would.
func (t *Table) push(own *home, now int64) bool {
	if t.letOne(own, func(s *Source) bool { return now-s.used.Load() > t.idle() }, &t.o.Counters.Idle) {
		return true
	}
	var most *home
	t.mu.RLock()
	for _, h := range t.homes {
		if h != own && (most == nil || h.size() > most.size()) {
			most = h
		}
	}
	t.mu.RUnlock()
	if most == nil || own.size()+1 >= most.size() {
		return false
	}
	return t.letOne(most, func(*Source) bool { return true }, &t.o.Counters.Pushed)
}

// size is how many sources the home has.
func (h *home) size() int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return len(h.sources)
}

// sampled is how many sources are looked at to find one to let go.
const sampled = 16

// letOne lets go the one that was used least recently of some that may go.
func (t *Table) letOne(h *home, may func(*Source) bool, count *atomic.Uint64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	var oldest *Source
	n := 0
	for _, s := range h.sources {
		if may(s) && (oldest == nil || s.used.Load() < oldest.used.Load()) {
			oldest = s
		}
		if n++; n == sampled {
			break
		}
	}
	if oldest == nil || !h.letGo(oldest) {
		return false
	}
	t.left(1)
	count.Add(1)
	return true
}

// left takes note that sources are in no home any more.
func (t *Table) left(n int) {
	t.held.Add(-int64(n))
	t.o.Counters.Sources.Add(-int64(n))
}

// letGo takes a source out of the home, unless samples of it are on their way. REQUIRES: h.mu. It waits for no stripe, for whoever
// holds one may wait for h.mu.
func (h *home) letGo(s *Source) bool {
	var locked []int
	defer func() {
		for _, n := range locked {
			h.stripes[n].Unlock()
		}
	}()
	for i := range s.takes {
		n := s.takes[i].out.Load().stripe
		if slices.Contains(locked, n) {
			continue
		}
		if !h.stripes[n].TryLock() {
			return false
		}
		locked = append(locked, n)
	}
	for i := range s.takes {
		k := &s.takes[i]
		out := k.out.Load()
		out.release(k)
		if out.refs--; out.refs == 0 {
			delete(h.outputs, out.key)
		}
	}
	delete(h.sources, s.key)
	s.gone.Store(true)
	return true
}

// Tidy lets go what nothing has come of for long, and the tenants that have ended. It should be called about once a minute.
func (t *Table) Tidy() {
	if t == nil {
		return
	}
	t.mu.RLock()
	homes := make([]*home, 0, len(t.homes))
	for _, h := range t.homes {
		homes = append(homes, h)
	}
	t.mu.RUnlock()
	before := t.o.Now().Unix() - t.idle()
	for _, h := range homes {
		if t.o.Gone(h.num) {
			t.end(h)
			continue
		}
		n := 0
		h.mu.Lock()
		for _, s := range h.sources {
			if s.used.Load() < before && h.letGo(s) {
				n++
			}
		}
		h.mu.Unlock()
		t.left(n)
		t.o.Counters.Idle.Add(uint64(n))
	}
}

// end forgets a tenant that is gone.
func (t *Table) end(h *home) {
	t.mu.Lock()
	if t.homes[h.num] == h {
		delete(t.homes, h.num)
	}
	t.mu.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended {
		return
	}
	h.ended = true
	for _, s := range h.sources {
		s.gone.Store(true)
	}
	t.left(len(h.sources))
	clear(h.sources)
	clear(h.outputs)
}

// Close forgets everything: another table takes the place of this one. Bodies that have begun may end.
func (t *Table) Close() {
	if t == nil {
		return
	}
	t.mu.RLock()
	homes := make([]*home, 0, len(t.homes))
	for _, h := range t.homes {
		homes = append(homes, h)
	}
	t.mu.RUnlock()
	for _, h := range homes {
		t.end(h)
	}
}
