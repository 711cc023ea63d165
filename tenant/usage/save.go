package usage

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"time"

	"granary/tenant"
)

// Saving is what the ledger had counted at one record and the store has not.
type Saving struct {
	position uint64
	hours    map[tenant.Num][]Hour
	tenants  map[tenant.Num]account // series and newest hour
	nodes    []held
	of       []*node // of nodes
}

// Position is the record up to which everything is in the store.
func (l *Ledger) Position() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.position
}

// Load reads what a start has to know: up to where records are counted, and how many series tenants had. What is damaged is told in
// the log and counts as absent.
func (l *Ledger) Load() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.o.Store == nil {
		return nil
	}
	return l.o.Store.View(func(r Reader) error {
		return r.Each(BucketState, nil, func(k, v []byte, damaged error) bool {
			d := decoder{p: v}
			switch {
			case damaged != nil:
			case bytes.Equal(k, positionKey) && len(v) == 8:
				l.position = binary.BigEndian.Uint64(v)
				return true
			case len(k) == 4:
				a := account{series: d.varint(), newest: d.varint()}
				if !d.failed {
					*l.of(tenant.Num(binary.BigEndian.Uint32(k))) = a
					return true
				}
			}
			l.o.Logger.Error("entry of the usage ledger left out", "bucket", BucketState, "key", fmt.Sprintf("%x", k), "error", damaged)
			return true
		})
	})
}

// Take hands out what is to be saved. position is the last record that was counted; none must be on its way. Save must follow
// before the next Take.
func (l *Ledger) Take(position uint64) *Saving {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &Saving{position: position, hours: make(map[tenant.Num][]Hour), tenants: make(map[tenant.Num]account)}
	for t, a := range l.accounts {
		if !a.dirty {
			continue
		}
		s.tenants[t] = account{series: a.series, newest: a.newest}
		if len(a.hours) > 0 {
			s.hours[t] = a.hours
		}
		a.hours, a.dirty = nil, false
	}
	s.of, l.dirty = l.dirty, nil
	s.nodes = make([]held, len(s.of))
	for i, n := range s.of {
		s.nodes[i] = held{node: n.key, spans: n.spans()}
		n.dirty = false
	}
	l.saving = s
	return s
}

// Save writes what Take has handed out, in one transaction with its position. It calls syncTo with the position first, which returns
// when the journal is durable up to there. After an error everything is where it was before Take.
func (l *Ledger) Save(s *Saving, syncTo func(seq uint64) error) error {
	for i := range s.nodes {
		s.nodes[i].key = s.nodes[i].node.Bytes()
	}
	slices.SortFunc(s.nodes, func(a, b held) int { return bytes.Compare(a.key, b.key) })
	err := syncTo(s.position)
	if err == nil && (len(s.tenants)+len(s.nodes) > 0 || s.position != l.Position()) {
		err = l.o.Store.Update(func(w Writer) error { return l.write(s, w) })
	}
	l.leaving.Lock()
	l.mu.Lock()
	l.saving = nil
	if err != nil {
		l.back(s)
	} else {
		l.position = s.position
		l.totals.Saves++
		l.forget(s)
	}
	l.mu.Unlock()
	l.leaving.Unlock()
	if err != nil {
		return fmt.Errorf("usage ledger: %w", err)
	}
	return l.sweep()
}

func (l *Ledger) write(s *Saving, w Writer) error {
	for t, a := range s.tenants {
		b := binary.AppendVarint(binary.AppendVarint(nil, a.series), a.newest)
		if err := w.Put(BucketState, tenantKey(t), b); err != nil {
			return err
		}
	}
	for t, list := range s.hours {
		for len(list) > 0 {
			start := list[0].Start / day * day
			n := 1
			for n < len(list) && list[n].Start < start+day {
				n++
			}
			key := dayKey(t, start)
			old, err := l.parsedDay(w, key, start)
			if err != nil {
				return err
			}
			if err := w.Put(BucketHours, key, appendDay(nil, merge(old, list[:n]))); err != nil {
				return err
			}
			list = list[n:]
		}
	}
	for i := range s.nodes {
		h := &s.nodes[i]
		v, err := w.Get(BucketNodes, h.key)
		var old []span
		if err == nil && v != nil {
			old, err = parseSpans(v)
		}
		if err != nil {
			l.o.Logger.Error("lives of a node are lost", "tenant", h.node.Tenant, "node", h.node.Name, "error", err)
		}
		if err := w.Put(BucketNodes, h.key, appendSpans(nil, joinAll(old, h.spans))); err != nil {
			return err
		}
	}
	return w.Put(BucketState, positionKey, binary.BigEndian.AppendUint64(nil, s.position))
}

// parsedDay reads a day. One that is damaged is told in the log, and begins anew.
func (l *Ledger) parsedDay(r Reader, key []byte, start int64) ([]Hour, error) {
	v, err := r.Get(BucketHours, key)
	var list []Hour
	if err == nil && v != nil {
		list, err = parseDay(v, start)
	}
	if err != nil {
		l.o.Logger.Error("usage of a day is lost", "tenant", binary.BigEndian.Uint32(key), "day", time.Unix(start, 0).UTC().Format(time.DateOnly), "error", err)
	}
	return list, nil
}

// back undoes Take. REQUIRES: l.mu.
func (l *Ledger) back(s *Saving) {
	for t := range s.tenants {
		a := l.of(t)
		a.hours, a.dirty = merge(s.hours[t], a.hours), true
	}
	for _, n := range s.of {
		if !n.dirty {
			n.dirty = true
			l.dirty = append(l.dirty, n)
		}
	}
}

// forgetAfter is how long behind the end of its last life a node stays in memory.
const forgetAfter = 10 * time.Minute

// forget lets go of what is in the store now. REQUIRES: l.mu.
func (l *Ledger) forget(s *Saving) {
	for _, n := range s.of {
		if !n.dirty {
			n.rest, n.limit = nil, math.MaxInt64
		}
	}
	l.forgetNodes()
}

// Tidy forgets nodes of which nothing was heard for long. It is for now and then: a store that nobody writes to is not saved either.
// It answers how many were forgotten.
func (l *Ledger) Tidy() int {
	l.leaving.Lock()
	defer l.leaving.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.saving != nil { // what is on its way may come back
		return 0
	}
	before := len(l.nodes)
	l.forgetNodes()
	return before - len(l.nodes)
}

// forgetNodes takes nodes that have ended and are in the store out of memory, and their bases with them. REQUIRES: l.leaving, l.mu.
func (l *Ledger) forgetNodes() {
	old := l.o.Now().Add(-forgetAfter).UnixNano()
	gone := 0
	for k, n := range l.nodes {
		if !n.dirty && n.now.to < old {
			delete(l.nodes, k)
			n.gone = true
			gone++
		}
	}
	if gone == 0 {
		return
	}
	if len(l.nodes) == 0 {
		l.nodes = make(map[NodeKey]*node) // a map keeps the room that it once had
	}
	free := len(l.free)
	for i, b := range l.bases {
		if b != nil && b.node != nil && b.node.gone {
			delete(l.known, b.key)
			l.bases[i] = nil
			l.free = append(l.free, uint32(i))
		}
	}
	if len(l.free) == free {
		return
	}
	if len(l.known) == 0 {
		l.known = make(map[NodeKey]uint32)
	}
	// Series that have such a number must ask again before it is another's.
	for _, block := range l.table.blocks {
		if block == nil {
			continue
		}
		for i, n := range block {
			if n >= firstBase && l.bases[n] == nil {
				block[i] = 0
			}
		}
	}
}

// stored are the hours of a tenant in the store, from the day of from on, and how many series there were before them.
func (l *Ledger) stored(t tenant.Num, from, to int64) (list []Hour, before int64, err error) {
	if l.o.Store == nil {
		return nil, 0, nil
	}
	first := dayKey(t, max(from, 0))
	err = l.o.Store.View(func(r Reader) error {
		// What the last hour before the range says.
		if err := r.Each(BucketHours, tenantKey(t), func(k, v []byte, damaged error) bool {
			if len(k) != 8 || bytes.Compare(k, first) >= 0 {
				return false
			}
			if h, err := parseDay(v, 0); err == nil && damaged == nil && len(h) > 0 {
				before = h[len(h)-1].Series
			}
			return true
		}); err != nil {
			return err
		}
		return r.Each(BucketHours, first, func(k, v []byte, damaged error) bool {
			if len(k) != 8 || !bytes.Equal(k[:4], first[:4]) {
				return false
			}
			start := int64(binary.BigEndian.Uint32(k[4:])) * day
			if start >= to {
				return false
			}
			h, err := parseDay(v, start)
			if damaged != nil {
				err = damaged
			}
			if err != nil {
				l.o.Logger.Error("usage of a day cannot be read", "tenant", t, "day", time.Unix(start, 0).UTC().Format(time.DateOnly), "error", err)
			}
			list = append(list, h...)
			return true
		})
	})
	return list, before, err
}

// storedNodes are some of the nodes of the store that a filter takes, from one key up to another, and the key to go on from, nil
// at the end.
func (l *Ledger) storedNodes(low, high []byte, f *NodeFilter) (page []held, next []byte, err error) {
	if l.o.Store == nil {
		return nil, nil, nil
	}
	seen := 0
	err = l.o.Store.View(func(r Reader) error {
		return r.Each(BucketNodes, low, func(k, v []byte, damaged error) bool {
			if high != nil && bytes.Compare(k, high) >= 0 {
				return false
			}
			if seen++; seen > pageNodes {
				next = bytes.Clone(k)
				return false
			}
			n, ok := ParseNodeKey(k)
			spans, err := parseSpans(v)
			if damaged != nil {
				err = damaged
			}
			if !ok || err != nil {
				l.o.Logger.Error("lives of a node cannot be read", "key", fmt.Sprintf("%x", k), "error", err)
				return true
			}
			if f.takes(&n) {
				page = append(page, held{key: bytes.Clone(k), node: n, spans: spans})
			}
			return true
		})
	})
	return page, next, err
}

// sweepEvery is how often what is too old is looked for.
const sweepEvery = 24 * time.Hour

// sweep removes what is older than it is kept.
func (l *Ledger) sweep() error {
	now := l.o.Now()
	if !l.swept.IsZero() && now.Sub(l.swept) < sweepEvery {
		return nil
	}
	l.swept = now
	cut := now.Add(-l.o.Keep)
	type entry struct {
		bucket string
		key    []byte
	}
	var old []entry
	err := l.o.Store.View(func(r Reader) error {
		if err := r.Each(BucketHours, nil, func(k, _ []byte, _ error) bool {
			if len(k) == 8 && int64(binary.BigEndian.Uint32(k[4:])+1)*day <= cut.Unix() {
				old = append(old, entry{BucketHours, bytes.Clone(k)})
			}
			return true
		}); err != nil {
			return err
		}
		return r.Each(BucketNodes, nil, func(k, v []byte, damaged error) bool {
			if list, err := parseSpans(v); damaged == nil && err == nil && (len(list) == 0 || list[len(list)-1].to < cut.UnixNano()) {
				old = append(old, entry{BucketNodes, bytes.Clone(k)})
			}
			return true
		})
	})
	if err != nil || len(old) == 0 {
		return err
	}
	l.o.Logger.Info("old usage is removed", "entries", len(old), "before", cut.UTC().Format(time.DateOnly))
	return l.o.Store.Update(func(w Writer) error {
		for _, e := range old {
			if err := w.Delete(e.bucket, e.key); err != nil {
				return err
			}
		}
		return nil
	})
}
