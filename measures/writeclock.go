package measures

import (
	"encoding/binary"
	"errors"

	"granary/metricdef"
	"granary/policy"
)

// Under the clock "write" a sample expires by the later of its time and the time when it was written. Most are written at their
// time; those that are not leave a mark with the series, so that nothing has to be kept for the others. A mark stands for a
// range: while it lives, what lies in the range and behind it is shown.

// writeMark says that samples inside [from, to] were written as late as wrote.
type writeMark struct{ from, to, wrote int64 }

// writeMarks are those of a series, in the order of their first samples' writing.
type writeMarks []writeMark

const (
	// writeSlack is how late a sample may be written and still count as written at its time.
	writeSlack = 60 * second
	// markSpan is how far samples may lie apart, and be written apart, that share a mark.
	markSpan = 3600 * second
	// maxMarks is how many marks a series has; beyond that the oldest two become one, which keeps samples longer.
	maxMarks = 32
)

// markLate notes a sample that was written long after its time, if the policy of its series counts from then. Which policy that is
// is asked when the sample is applied, in replay too: the only thing that replay asks, and it may keep samples longer by it.
// REQUIRES: sh.mu.
func (s *Store) markLate(ref metricdef.Ref, sr *series, t, wrote int64) {
	if pol := s.policyOf(ref, sr); pol.Raw.Clock != policy.WriteClock || pol.Raw.Length <= 0 {
		return
	}
	if sr.marks == nil {
		sr.marks = new(writeMarks)
	}
	sr.marks.add(t, wrote)
}

func (list *writeMarks) add(t, wrote int64) {
	for i := range *list {
		m := &(*list)[i]
		if t >= m.from-markSpan && t <= m.to+markSpan && wrote-m.wrote <= markSpan {
			m.from, m.to, m.wrote = min(m.from, t), max(m.to, t), max(m.wrote, wrote)
			return
		}
	}
	*list = append(*list, writeMark{t, t, wrote})
	if l := *list; len(l) > maxMarks {
		l[1] = writeMark{min(l[0].from, l[1].from), max(l[0].to, l[1].to), max(l[0].wrote, l[1].wrote)}
		*list = append(l[:0], l[1:]...)
	}
}

// since is the time from which on samples are shown if those that were written before cut have expired.
func (list *writeMarks) since(cut int64) int64 {
	from := cut
	if list != nil {
		for _, m := range *list {
			if m.wrote >= cut {
				from = min(from, m.from)
			}
		}
	}
	return from
}

// expire forgets the marks of samples that were written before cut.
func (sr *series) expireMarks(cut int64) {
	if sr.marks == nil {
		return
	}
	left := (*sr.marks)[:0]
	for _, m := range *sr.marks {
		if m.wrote >= cut {
			left = append(left, m)
		}
	}
	if *sr.marks = left; len(left) == 0 {
		sr.marks = nil
	}
}

// The extension extWrites of a series in the state file: for each mark varint from, uvarint to - from, varint wrote.
func init() {
	extensions = append(extensions, extension{what: extWrites, append: appendMarksOf, restore: restoreMarksOf})
}

func appendMarksOf(b []byte, _ *Store, _ *shard, _ metricdef.Ref, sr *series) []byte {
	if sr.marks == nil {
		return b
	}
	for _, m := range *sr.marks {
		b = binary.AppendVarint(b, m.from)
		b = binary.AppendUvarint(b, uint64(m.to-m.from))
		b = binary.AppendVarint(b, m.wrote)
	}
	return b
}

func restoreMarksOf(p []byte, _ *Store, _ *shard, _ metricdef.Ref, sr *series) error {
	d := decoder{p: p}
	list := new(writeMarks)
	for len(d.p) > 0 {
		m := writeMark{from: d.varint()}
		m.to = m.from + int64(d.uvarint())
		m.wrote = d.varint()
		if d.failed || m.to < m.from {
			return errors.New("time of writing out of range")
		}
		*list = append(*list, m)
	}
	sr.marks = list
	return nil
}
