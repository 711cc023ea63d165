package alerts

import (
	"slices"
	"time"
)

// debts are the alerts of which the receiver was not told how they stand, because the last of their changes was given up while nobody took
// it. They are told of once it takes something again, as they stand then. hook.mu guards them.
type debts struct {
	seq    uint64
	newest []uint64 // by rule, the number of its last notice
	owed   []int    // rules, in the order in which they are to be told of

	down     bool // the last attempt has failed
	failedAt time.Time
}

// number gives a notice its place among all, and takes it for what its rule owed.
func (d *debts) number(n *notice) {
	d.seq++
	n.seq, d.newest[n.rule] = d.seq, d.seq
	if i := slices.Index(d.owed, n.rule); i >= 0 {
		d.owed = slices.Delete(d.owed, i, i+1)
	}
}

// owe takes down that a notice did not arrive. It matters only if none of its rule came behind it.
func (d *debts) owe(n *notice) {
	if n.seq == d.newest[n.rule] {
		d.owed = append(d.owed, n.rule)
	}
}

// fails takes down that an attempt has failed.
func (h *hook) fails() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.down, h.failedAt = true, h.now()
}

// due are the rules whose alerts are to be told of now: as soon as nothing else is on its way, and no more often than each longestPause
// while the receiver takes nothing.
func (h *hook) due() []int {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.busy || len(h.waiting) > 0 || h.down && h.now().Sub(h.failedAt) < longestPause {
		return nil
	}
	return slices.Clone(h.owed)
}

// withdraw takes the reminders that wait out of the queue when one has failed: each would take as long again.
func (h *hook) withdraw() {
	h.waiting = slices.DeleteFunc(h.waiting, func(n notice) bool {
		if n.reminder {
			h.owe(&n)
		}
		return n.reminder
	})
}
