package measures

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"

	"granary/metricdef"
	"granary/policy"
)

// Under the clock "write" a sample lives as long as its retention says from its own time or from when it was written, whichever is
// later. What is written when it happens needs no account of that. What comes later is remembered by series: what is a little late as
// one number, the most that it ever was; what is later than that as spans of time with the write time of what they hold. Both are
// taken from the records, so that replay finds them again, and where they say less than a list of all samples would, samples are kept
// longer, not shorter.

// writeTimes is what a series knows of samples that were written late. Under the shard's lock.
type writeTimes struct {
	lag   int64       // how late samples outside of the spans may be
	spans []writeSpan // ascending, never overlapping

	weight int64 // as it stands in the account
}

// writeSpan is a stretch of time whose late samples were written from since to wrote. It begins and ends with one.
type writeSpan struct {
	span
	since, wrote int64
}

// near says whether two spans were written at about the same time.
func (e *writeSpan) near(o *writeSpan, part int64) bool {
	return max(e.wrote, o.wrote)-min(e.since, o.since) <= part
}

const (
	// writeParts is how many parts a retention is divided into: samples that are no later than one of them need no span, and
	// spans that are no further apart in time, and were written no further apart, are one.
	writeParts = 64
	// maxWriteSpans is how many spans a series keeps; beyond that neighbours are joined.
	maxWriteSpans = 128
)

// writeGrace is how late a sample may be and count as written at its time, so that nobody keeps account of the delay that a network
// has.
func writeGrace(length int64) int64 { return min(length/1024, 10*second) }

// noteWrite takes down that a sample was applied, if it came late and its policy counts from the time of writing. REQUIRES: sh.mu.
func (s *Store) noteWrite(sh *shard, ref metricdef.Ref, sr *series, t, wrote int64) {
	late := wrote - t
	if late <= 0 {
		return
	}
	pol := s.policyOf(ref, sr)
	if pol.Raw.Clock != policy.WriteClock {
		return
	}
	length := int64(s.rawLength(ref, pol))
	if length <= 0 || late <= writeGrace(length) {
		return
	}
	wt := sh.writes[ref]
	if wt == nil {
		wt = new(writeTimes)
		sh.writes[ref] = wt
		sr.flags |= hasWrites
		sh.weighWrites(wt)
	}
	part := max(length/writeParts, 1)
	if late <= part {
		if late > wt.lag {
			wt.lag = late
		}
		return
	}
	wt.note(t, wrote, part)
	sh.weighWrites(wt)
}

// note puts a time into the spans. Spans that are near to it are joined with it, over what was written before.
func (wt *writeTimes) note(t, wrote, part int64) {
	list := wt.spans
	// The first span that ends behind t.
	i, _ := slices.BinarySearchFunc(list, t, func(e writeSpan, t int64) int {
		if e.to <= t {
			return -1
		}
		return 1
	})
	lo, hi := i, i // the spans that the new one takes the place of, or of a part
	if i < len(list) && list[i].from <= t {
		if list[i].wrote >= wrote {
			return
		}
		hi++
	}
	made := writeSpan{span{t, t + 1}, wrote, wrote}
	for k := i - 1; k >= 0 && list[k].wrote <= wrote && t-list[k].to <= part; k-- {
		if e := &list[k]; e.near(&made, part) {
			made.from, made.since, lo = e.from, e.since, k
			break
		}
	}
	for k := i; k < len(list) && list[k].wrote <= wrote && list[k].from-t <= part; k++ {
		if e := &list[k]; e.near(&made, part) {
			made.from, made.to, made.since, hi = min(made.from, e.from), e.to, min(made.since, e.since), k+1
			break
		}
	}
	if lo+1 == hi && made.from == list[lo].from && made.to >= list[lo].to {
		list[lo] = made
		return
	}
	var put [3]writeSpan
	n := 0
	if lo < hi && list[lo].from < made.from {
		put[0] = list[lo]
		put[0].to = made.from
		n++
	}
	put[n] = made
	n++
	if lo < hi && list[hi-1].to > made.to {
		put[n] = list[hi-1]
		put[n].from = made.to
		n++
	}
	wt.spans = slices.Replace(list, lo, hi, put[:n]...)
	for len(wt.spans) > maxWriteSpans {
		wt.join()
	}
}

// join makes one of the two neighbours that lose least by it: the time that is kept longer than it need be.
func (wt *writeTimes) join() {
	best, least := 1, int64(maxTime)
	for i := 1; i < len(wt.spans); i++ {
		a, b := &wt.spans[i-1], &wt.spans[i]
		cost := b.from - a.to
		switch {
		case a.wrote < b.wrote:
			cost += a.to - a.from
		case a.wrote > b.wrote:
			cost += b.to - b.from
		}
		if cost < least {
			best, least = i, cost
		}
	}
	a, b := &wt.spans[best-1], &wt.spans[best]
	a.to, a.since, a.wrote = b.to, min(a.since, b.since), max(a.wrote, b.wrote)
	wt.spans = slices.Delete(wt.spans, best, best+1)
}

// expireWrites forgets the spans whose samples have expired, and all if the policy counts by another clock. REQUIRES: sh.mu.
func (sh *shard) expireWrites(ref metricdef.Ref, sr *series, cut int64) {
	if sr.flags&hasWrites == 0 {
		return
	}
	wt := sh.writes[ref]
	wt.spans = slices.DeleteFunc(wt.spans, func(e writeSpan) bool { return e.wrote < cut })
	pol := sr.policy.Load()
	if len(wt.spans) == 0 && (wt.lag == 0 || sr.wrote < cut) || pol != nil && pol.Raw.Clock != policy.WriteClock {
		sh.endWrites(ref)
		sr.flags &^= hasWrites
	}
}

// sight says which samples of a series may be shown: those at from or behind it, and older ones that lie in the spans, which
// ascend, do not touch and end before from.
type sight struct {
	from  int64
	spans []span
}

// oldest is the first time that may be shown.
func (v *sight) oldest() int64 {
	if len(v.spans) > 0 {
		return v.spans[0].from
	}
	return v.from
}

// shows says whether a sample of that time may be shown.
func (v *sight) shows(t int64) bool { return t >= v.from || v.meets(t, t) }

// meets says whether a time from start to end lies in one of the spans.
func (v *sight) meets(start, end int64) bool {
	for _, e := range v.spans {
		if start < e.to && end >= e.from {
			return true
		}
	}
	return false
}

// each calls fn for the parts of [from, to) that may be shown, in order.
func (v *sight) each(from, to int64, fn func(from, to int64)) {
	for _, e := range v.spans {
		if lo, hi := max(from, e.from), min(to, e.to); lo < hi {
			fn(lo, hi)
		}
	}
	if lo := max(from, v.from); lo < to {
		fn(lo, to)
	}
}

// sight is what may be shown of a series, when cut is the time below which samples have expired by the clock on the wall.
// REQUIRES: sh.mu, at least for reading.
func (sh *shard) sight(ref metricdef.Ref, sr *series, cut int64) (v sight) {
	v.from = cut
	if sr.flags&spared != 0 {
		v.from = math.MinInt64
	}
	if v.from != math.MinInt64 {
		v.from = sr.byClock(cut)
		if sr.flags&hasWrites != 0 {
			sh.byWrites(ref, sr, cut, &v)
		}
	}
	if sr.low != 0 {
		v.from = max(v.from, sr.low)
	}
	return v
}

// shown is sight for readers of raw samples. Where these live only in the window of their tiers, what lies behind it is hidden at
// once: when it goes is a matter of the store, and the same question must not have another answer then. REQUIRES: sh.mu, at
// least for reading.
func (sh *shard) shown(ref metricdef.Ref, sr *series, cut int64) sight {
	v := sh.sight(ref, sr, cut)
	if pol := sr.policy.Load(); pol != nil && pol.tiers != nil && pol.tiers.window && sr.flags&hasData != 0 {
		v.from = max(v.from, pol.tiers.limit(sr.newest)) // there are no spans: the window has no clock
	}
	return v
}

// writtenLate says whether a series may show samples amid expired ones. REQUIRES: sh.mu, at least for reading.
func (sh *shard) writtenLate(ref metricdef.Ref, sr *series) bool {
	return sr.flags&hasWrites != 0 && len(sh.writes[ref].spans) > 0
}

// byWrites is the part of sight for a series that knows of samples that were written late. REQUIRES: sh.mu, at least for reading.
func (sh *shard) byWrites(ref metricdef.Ref, sr *series, cut int64, v *sight) {
	if pol := sr.policy.Load(); pol == nil || pol.Raw.Clock != policy.WriteClock {
		return
	}
	wt := sh.writes[ref]
	v.from -= wt.lag
	for _, e := range wt.spans {
		if e.wrote < cut || e.from >= v.from {
			continue
		}
		s := e.span
		if sr.low != 0 {
			if s.from = max(s.from, sr.low); s.from >= s.to {
				continue
			}
		}
		if n := len(v.spans); n > 0 && v.spans[n-1].to == s.from {
			v.spans[n-1].to = s.to
		} else {
			v.spans = append(v.spans, s)
		}
	}
	if n := len(v.spans); n > 0 && v.spans[n-1].to >= v.from {
		v.from, v.spans = v.spans[n-1].from, v.spans[:n-1]
	}
}

func init() {
	extensions = append(extensions, extension{what: extWrites, append: appendWrites, restore: restoreWrites})
}

// What the state file has of write times, version 1: byte version, uvarint lag, then for each span varint from - end of the one
// before, uvarint to - from, varint wrote - wrote of the one before, uvarint wrote - since.
const writesVersion = 1

func appendWrites(b []byte, _ *Store, sh *shard, ref metricdef.Ref, sr *series) []byte {
	if sr.flags&hasWrites == 0 {
		return b
	}
	wt := sh.writes[ref]
	b = append(b, writesVersion)
	b = binary.AppendUvarint(b, uint64(wt.lag))
	var before writeSpan
	for _, e := range wt.spans {
		b = binary.AppendVarint(b, e.from-before.to)
		b = binary.AppendUvarint(b, uint64(e.to-e.from))
		b = binary.AppendVarint(b, e.wrote-before.wrote)
		b = binary.AppendUvarint(b, uint64(e.wrote-e.since))
		before = e
	}
	return b
}

func restoreWrites(p []byte, _ *Store, sh *shard, ref metricdef.Ref, sr *series) error {
	if len(p) == 0 || p[0] != writesVersion {
		return errors.New("write times: unknown version")
	}
	d := decoder{p: p[1:]}
	lag := d.uvarint()
	wt := &writeTimes{lag: int64(lag)}
	var e writeSpan
	for first := true; len(d.p) > 0; first = false {
		before := e
		e.from = before.to + d.varint()
		length := d.uvarint()
		e.to, e.wrote = e.from+int64(length), before.wrote+d.varint()
		took := d.uvarint()
		e.since = e.wrote - int64(took)
		if d.failed || took > maxTime || length == 0 || length > maxTime || e.from < minTime || e.to > maxTime || !first && e.from < before.to || len(wt.spans) == maxWriteSpans {
			return errors.New("write times: span")
		}
		wt.spans = append(wt.spans, e)
	}
	if d.failed || lag > maxTime {
		return errors.New("write times: cut short")
	}
	sh.writes[ref] = wt
	sr.flags |= hasWrites
	sh.weighWrites(wt)
	return nil
}
