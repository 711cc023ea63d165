package usage

import (
	"math"
	"slices"
)

// node is what memory holds of a node: the life that it is in and others that came since the ledger was saved. What was saved is
// joined with it when somebody asks.
type node struct {
	key   NodeKey
	now   span   // the life that took the last sample
	limit int64  // where the one behind it begins
	rest  []span // the others, ascending and apart from each other and from now
	begun bool   // now is one
	dirty bool   // there is something to save
	gone  bool   // Ledger.nodes has it no more
}

// touch says that there were samples from one time to another; the grace is in to, and in between no gap was longer. It answers
// whether that changes anything.
func (n *node) touch(from, to int64) bool {
	if c := &n.now; from >= c.from && from <= c.to && to < n.limit && n.begun {
		if to <= c.to {
			return false
		}
		c.to = to
		return true
	}
	n.turn(span{from, to})
	return true
}

// turn makes the life that a span belongs to the present one.
func (n *node) turn(s span) {
	list := n.rest
	if n.begun {
		list, _ = join(list, n.now)
	}
	list, at := join(list, s)
	n.now, n.begun, n.limit = list[at], true, math.MaxInt64
	if at+1 < len(list) {
		n.limit = list[at+1].from
	}
	if n.rest = slices.Delete(list, at, at+1); len(n.rest) == 0 {
		n.rest = nil
	}
}

// spans are all lives that are in memory.
func (n *node) spans() []span {
	list := append(make([]span, 0, len(n.rest)+1), n.rest...)
	if n.begun {
		list, _ = join(list, n.now)
	}
	return list
}

// base is the node of a series as its tags name it. Where they name no user, who writes is the user, so that a base may lead to
// several nodes.
type base struct {
	key     NodeKey // without the user if byWho
	byWho   bool
	subject string // of the one below
	node    *node  // nil: none yet, or forgotten
}
