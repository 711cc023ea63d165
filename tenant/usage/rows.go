package usage

import (
	"math"

	"granary/tenant"
)

// table has the base of each series, 0 where nobody has asked yet, in blocks that exist only where series are.
type table struct{ blocks []*[tableBlock]uint32 }

const (
	tableBlock = 256
	nobody     = 1 // the base of series that belong to no node
	firstBase  = 2
)

func (t *table) block(series uint32) *[tableBlock]uint32 {
	i := int(series / tableBlock)
	for i >= len(t.blocks) {
		t.blocks = append(t.blocks, nil)
	}
	if t.blocks[i] == nil {
		t.blocks[i] = new([tableBlock]uint32)
	}
	return t.blocks[i]
}

// maxText is how much of a tag's value counts.
const maxText = 1024

// Name says whose a series is and what its tags are from now on. tag answers "" for a tag that it does not have.
func (l *Ledger) Name(series uint32, t tenant.Num, tag func(name string) string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.table.block(series)[series%tableBlock] = l.base(t, tag)
}

// base finds the number of a base. REQUIRES: l.mu.
func (l *Ledger) base(t tenant.Num, tag func(string) string) uint32 {
	first := func(names []string) string {
		for _, n := range names {
			if v := tag(n); v != "" {
				return string(append([]byte(nil), v[:min(len(v), maxText)]...)) // what tag answers may be overwritten
			}
		}
		return ""
	}
	k := NodeKey{Tenant: t, Name: first(l.o.Tags.Node)}
	if k.Name == "" {
		return nobody
	}
	k.Cluster, k.User, k.Template = first(l.o.Tags.Cluster), first(l.o.Tags.User), first(l.o.Tags.Template)
	n, ok := l.known[k]
	if !ok {
		b := &base{key: k, byWho: k.User == ""}
		if last := len(l.free) - 1; last >= 0 {
			n, l.free = l.free[last], l.free[:last]
			l.bases[n] = b
		} else {
			n = uint32(len(l.bases))
			l.bases = append(l.bases, b)
		}
		l.known[k] = n
	}
	return n
}

// Begin counts the account of a batch, if it names a tenant, and says that its rows come, which its subject wrote. wrote is the time of
// the record, nanoseconds since 1970 UTC. End must follow.
func (l *Ledger) Begin(e *Entry, wrote int64) {
	l.mu.Lock()
	if e.Tenant != 0 {
		l.of(e.Tenant).count(wrote/1e9/hour*hour, &e.Counts)
		l.totals.Add(&e.Counts)
	}
	l.who = e.Subject
}

// End ends what Begin began.
func (l *Ledger) End() { l.mu.Unlock() }

// Rows says of which series there are samples at which times; rows of the series 0 are left out. It stands between Begin and End.
//
// Neighbouring rows mostly are of one node, and of one time or times that follow. So a row costs a look at the base of its series
// and a comparison, and only what is no such row is told to the node.
func Rows[S ~uint32](l *Ledger, series []S, times []int64) {
	if len(l.o.Tags.Node) == 0 {
		return
	}
	var blk *[tableBlock]uint32
	held := uint32(math.MaxUint32)
	run := uint32(0) // base of the rows before
	var lo, hi int64 // what they cover
	for i, s := range series {
		if s == 0 {
			continue
		}
		if n := uint32(s) / tableBlock; n != held {
			held, blk = n, l.table.block(uint32(s))
		}
		b, t := blk[uint32(s)%tableBlock], times[i]
		if b == run && t >= lo && t <= hi {
			hi = max(hi, t+l.grace)
			continue
		}
		if b == nobody {
			continue
		}
		if b == 0 {
			if b = l.ask(uint32(s)); b == nobody {
				continue
			}
		}
		if b == run && t < lo && t+l.grace >= lo {
			lo = t
			continue
		}
		if run != 0 {
			l.touch(run, lo, hi)
		}
		run, lo, hi = b, t, t+l.grace
	}
	if run != 0 {
		l.touch(run, lo, hi)
	}
}

// ask finds out about a series that nobody has named. REQUIRES: l.mu.
func (l *Ledger) ask(series uint32) uint32 {
	b := uint32(nobody)
	if l.o.Series != nil {
		if t, tag, ok := l.o.Series(series); ok {
			b = l.base(t, tag)
		}
	}
	l.table.block(series)[series%tableBlock] = b
	return b
}

// touch tells the node of a base of samples. REQUIRES: l.mu.
func (l *Ledger) touch(number uint32, from, to int64) {
	b := l.bases[number]
	n := b.node
	if n == nil || b.byWho && b.subject != l.who {
		n = l.node(b)
	}
	if n.touch(from, to) && !n.dirty {
		n.dirty = true
		l.dirty = append(l.dirty, n)
	}
}

// node finds the node of a base for the present subject. REQUIRES: l.mu.
func (l *Ledger) node(b *base) *node {
	k := b.key
	if b.byWho {
		k.User = l.who[:min(len(l.who), maxText)]
	}
	n := l.nodes[k]
	if n == nil {
		n = &node{key: k}
		l.nodes[k] = n
	}
	b.node, b.subject = n, l.who
	return n
}
