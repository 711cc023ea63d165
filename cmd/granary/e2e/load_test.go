//go:build e2e

package e2e_test

import (
	"context"
	"math/rand/v2"
	"time"
)

// sender is one connection of a load. It lives through all rounds.
type sender struct {
	l      *ledger
	rng    *rand.Rand
	shared []*host // with another sender, which writes the slots of the other parity
	parity int
	own    []*host // made by this sender
	next   int     // the next slot of the shared hosts, divided by two
	late   []written
	again  bool // slots are also written again
	round  int
	body   []byte
	list   []written
}

// newSenders makes pairs of senders with hosts of their own each.
func newSenders(l *ledger, rng *rand.Rand, pairs, hosts int, again bool) []*sender {
	var list []*sender
	for range pairs {
		var shared []*host
		for range hosts {
			shared = append(shared, l.newHost(0))
		}
		for parity := range 2 {
			list = append(list, &sender{l: l, rng: rand.New(rand.NewPCG(rng.Uint64(), 1)), shared: shared, parity: parity, again: again})
		}
	}
	return list
}

// slot is the slot that the n-th step of the sender writes.
func (s *sender) slot(n int) int { return 2*n + s.parity }

// fill makes the next body: some steps of all shared hosts, now and then a new host, samples that were held back
// before, slots that are written again. Lines may stand in any order.
func (s *sender) fill() {
	s.body, s.list = s.body[:0], s.list[:0]
	s.l.mu.Lock()
	defer s.l.mu.Unlock()
	for range 1 + s.rng.IntN(3) {
		slot := s.slot(s.next)
		if slot >= maxSlots {
			break
		}
		s.next++
		for _, h := range s.shared {
			for _, sr := range h.series {
				s.add(sr, slot)
			}
		}
	}
	for _, h := range s.own {
		if h.round == s.round || s.rng.IntN(50) == 0 {
			for _, sr := range h.series {
				s.add(sr, h.next)
			}
			h.next += 1 + s.rng.IntN(2)
		}
	}
	if n := len(s.late); n > 40 {
		for range 20 {
			i := s.rng.IntN(n)
			w := s.late[i]
			n--
			s.late[i] = s.late[n]
			s.late = s.late[:n]
			s.list = append(s.list, w)
		}
	}
	if s.again && s.next > 0 {
		for range 3 {
			h := s.shared[s.rng.IntN(len(s.shared))]
			sr := h.series[s.rng.IntN(len(h.series))]
			slot := s.slot(s.rng.IntN(s.next))
			if slot < len(sr.tried) && sr.tried[slot] > 0 && sr.tried[slot] < 100 {
				s.list = append(s.list, written{s: sr, slot: slot})
			}
		}
	}
	if s.rng.IntN(3) == 0 {
		s.rng.Shuffle(len(s.list), func(i, k int) { s.list[i], s.list[k] = s.list[k], s.list[i] })
	}
	for i := range s.list {
		w := &s.list[i]
		w.version = w.s.try(w.slot)
		s.body = w.s.appendLine(s.body, w.slot, w.version)
	}
}

// add takes a sample into the body, or holds it back for later.
func (s *sender) add(sr *series, slot int) {
	if s.rng.IntN(50) == 0 {
		s.late = append(s.late, written{s: sr, slot: slot})
		return
	}
	s.list = append(s.list, written{s: sr, slot: slot})
}

// run sends bodies until ctx ends or send says that there is no use in going on.
func (s *sender) run(ctx context.Context, round int, pause time.Duration, send func(body []byte, list []written) bool) {
	s.round = round
	s.own = append(s.own, s.l.newHost(round))
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for ctx.Err() == nil {
		s.fill()
		if !send(s.body, s.list) {
			return
		}
		if s.rng.IntN(40) == 0 {
			s.own = append(s.own, s.l.newHost(round))
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}
