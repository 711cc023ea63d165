package usage

import (
	"cmp"
	"slices"

	"granary/tenant"
)

const hour = int64(3600)

// account is what memory holds of a tenant: what was counted since the ledger was saved, and how many series there are.
type account struct {
	series int64
	newest int64 // newest hour that was ever counted in; series is its end
	hours  []Hour
	dirty  bool // there is something to save
}

// at finds an hour, or begins it with the series that there are. REQUIRES: Ledger.mu.
func (a *account) at(start int64) *Hour {
	if n := len(a.hours); n > 0 && a.hours[n-1].Start == start {
		return &a.hours[n-1]
	}
	i, ok := slices.BinarySearchFunc(a.hours, start, func(h Hour, start int64) int { return cmp.Compare(h.Start, start) })
	if !ok {
		a.hours = slices.Insert(a.hours, i, Hour{Start: start, Series: a.series, Peak: a.series})
	}
	return &a.hours[i]
}

// count adds to an hour. Records of one hour may come behind the first of the next, since the time is taken before their order is.
func (a *account) count(start int64, c *Counts) {
	h := a.at(start)
	h.Add(c)
	a.dirty = true
	change := int64(c.Created) - int64(c.Removed)
	a.newest = max(a.newest, start)
	if change == 0 {
		return
	}
	a.series += change
	for i := len(a.hours) - 1; i >= 0 && a.hours[i].Start >= start; i-- {
		h := &a.hours[i]
		h.Series = a.series
		h.Peak = max(h.Peak, h.Series)
	}
}

// of finds the account of a tenant. REQUIRES: l.mu.
func (l *Ledger) of(t tenant.Num) *account {
	a := l.accounts[t]
	if a == nil {
		a = &account{}
		l.accounts[t] = a
	}
	return a
}

// Count adds to what a tenant has used. wrote is the time of the record, nanoseconds since 1970 UTC.
func (l *Ledger) Count(t tenant.Num, wrote int64, c *Counts) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.of(t).count(wrote/1e9/hour*hour, c)
	l.totals.Add(c)
}

// Settle says how many series a tenant has when all records are applied. It differs from what was counted only where the ledger is
// younger than the series, or lost something.
func (l *Ledger) Settle(t tenant.Num, series int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a := l.of(t); a.series != series {
		a.series, a.dirty = series, true
	}
}

// Asked adds to what a tenant has read. It counts when Reads has taken it and the record is applied.
func (l *Ledger) Asked(t tenant.Num, queries, samples, bytes uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.reads[t]
	if c == nil {
		c = &Counts{}
		l.reads[t] = c
	}
	c.Queries += queries
	c.Read += samples
	c.Sent += bytes
}

// Hours are the hours of a tenant that lie in [from, to), seconds since 1970 UTC, ascending. Hours in which nothing was written or
// asked are there if there were series. Hours to come are not.
func (l *Ledger) Hours(t tenant.Num, from, to int64) ([]Hour, error) {
	from = floor(from)
	to = min(to, floor(l.o.Now().Unix())+hour)
	if from >= to {
		return nil, nil
	}
	l.leaving.RLock()
	defer l.leaving.RUnlock()
	list, before, err := l.stored(t, from, to)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	var series, newest int64
	if a := l.accounts[t]; a != nil {
		series, newest = a.series, a.newest
		if l.saving != nil {
			list = merge(list, l.saving.hours[t])
		}
		list = merge(list, a.hours)
	}
	l.mu.Unlock()
	// What is older than the range tells how many series there were at its beginning.
	first, _ := slices.BinarySearchFunc(list, from, func(h Hour, start int64) int { return cmp.Compare(h.Start, start) })
	end, _ := slices.BinarySearchFunc(list, to, func(h Hour, start int64) int { return cmp.Compare(h.Start, start) })
	if first > 0 {
		before = list[first-1].Series
	}
	return fill(list[first:end], before, from, to, newest, series), nil
}

func floor(seconds int64) int64 {
	if r := seconds % hour; r < 0 {
		return seconds - r - hour
	}
	return seconds - seconds%hour
}

// fill puts hours in which nothing happened between the others, as long as there are series: so many as there were before, and
// behind the newest hour that was counted in as many as there are now.
func fill(list []Hour, before, from, to, newest, now int64) []Hour {
	var out []Hour
	for at := from; at < to; at += hour {
		if at > newest {
			before = now
		}
		switch {
		case len(list) > 0 && list[0].Start == at:
			out = append(out, list[0])
			before = list[0].Series
			list = list[1:]
		case before > 0:
			out = append(out, Hour{Start: at, Series: before, Peak: before})
		case len(list) > 0:
			at = list[0].Start - hour
		case at <= newest:
			at = newest
		default:
			return out
		}
	}
	return out
}

// merge adds newer hours to older ones; both are ascending. The older list may be changed.
func merge(old, more []Hour) []Hour {
	for _, h := range more {
		i, ok := slices.BinarySearchFunc(old, h.Start, func(x Hour, start int64) int { return cmp.Compare(x.Start, start) })
		if !ok {
			old = slices.Insert(old, i, h)
			continue
		}
		o := &old[i]
		o.Add(&h.Counts)
		o.Series, o.Peak = h.Series, max(o.Peak, h.Peak)
	}
	return old
}
