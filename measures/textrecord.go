package measures

import (
	"encoding/binary"
	"fmt"
	"math"

	"granary/metricdef"
)

// A texts record, version 1: byte version, then for each text
//
//	varint   ref - previous ref
//	byte     which: 0 a value, 1 the tags of a sample
//	varint   time - previous time, nanoseconds
//	uvarint  0: the text follows, as a uvarint length and that many bytes; else the number of a text of this record, from 1
//	         on in the order in which they follow
//
// It stands behind the samples of its batch, in the same group. Applying a sample takes the tags of its time away, so tags
// must come later.
const textsVersion = 1

// textRecordBytes is how many bytes of texts go into one record at least, before another is begun. With one more text, and
// what stands around it, a record stays below the journal's limit.
const textRecordBytes = 256 << 10

// textRow is a text as a record has it.
type textRow struct {
	ref   metricdef.Ref
	which which
	time  int64
	text  string
}

// textWriter appends the texts of one record.
type textWriter struct {
	ref, time int64
	codes     map[string]uint64
}

func (w *textWriter) begin(b []byte) []byte {
	w.ref, w.time = 0, 0
	if w.codes == nil || len(w.codes) > keepScratch {
		w.codes = make(map[string]uint64)
	} else {
		clear(w.codes)
	}
	return append(b, textsVersion)
}

func (w *textWriter) append(b []byte, r textRow) []byte {
	b = binary.AppendVarint(b, int64(r.ref)-w.ref)
	b = append(b, byte(r.which))
	b = binary.AppendVarint(b, r.time-w.time)
	w.ref, w.time = int64(r.ref), r.time
	if code := w.codes[r.text]; code > 0 {
		return binary.AppendUvarint(b, code)
	}
	w.codes[r.text] = uint64(len(w.codes)) + 1
	b = append(b, 0)
	b = binary.AppendUvarint(b, uint64(len(r.text)))
	return append(b, r.text...)
}

// decodeTexts calls fn for each text of a record. The texts do not lie in p.
func decodeTexts(p []byte, fn func(textRow)) error {
	bad := func(reason string) error { return &DamagedError{Kind: recTexts, Reason: reason} }
	if len(p) == 0 || p[0] != textsVersion {
		return bad("unknown version")
	}
	d := decoder{p: p[1:]}
	var ref, t int64
	var texts []string
	for len(d.p) > 0 {
		ref += d.varint()
		w := which(d.byte())
		t += d.varint()
		code := d.uvarint()
		if d.failed || ref <= 0 || ref > math.MaxUint32 || w >= textColumns || t <= minTime || t >= maxTime {
			return bad("entry")
		}
		if code == 0 {
			n := d.uvarint()
			if n > LimitMaxText {
				return bad(fmt.Sprintf("text of %d bytes", n))
			}
			text := string(d.bytes(int(n)))
			if d.failed {
				return bad("text cut short")
			}
			texts = append(texts, text)
			code = uint64(len(texts))
		}
		if code > uint64(len(texts)) {
			return bad(fmt.Sprintf("text %d of %d", code, len(texts)))
		}
		fn(textRow{metricdef.Ref(ref), w, t, texts[code-1]})
	}
	return nil
}

// tooLong says whether the text or the tags of a row are longer than the setting.
func (b *Batch) tooLong(row, limit int) bool {
	return len(textAt(b.Texts, row)) > limit || len(textAt(b.Tags, row)) > limit
}

// textAt is the text of a row, "" if it has none.
func textAt(list []Text, row int) string {
	lo, hi := 0, len(list)
	for lo < hi {
		if mid := (lo + hi) / 2; list[mid].Row < row {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo < len(list) && list[lo].Row == row {
		return list[lo].Text
	}
	return ""
}

// splitTexts makes b.numbers, the refs of the rows that are not texts, and leaves tags out that a later row of the batch
// takes away again: all samples of a batch are applied before its tags.
func (b *Batch) splitTexts() {
	b.numbers = append(b.numbers[:0], b.Refs...)
	for _, t := range b.Texts {
		b.numbers[t.Row] = 0
	}
	if len(b.Tags) == 0 {
		return
	}
	type point struct {
		ref  metricdef.Ref
		time int64
	}
	tagged := make(map[point]int, len(b.Tags)) // the tags of a point: index in b.Tags
	k := 0
	for i, ref := range b.Refs {
		for k < len(b.Tags) && b.Tags[k].Row < i {
			k++
		}
		p := point{ref, b.Times[i]}
		at, had := tagged[p]
		if had {
			b.Tags[at].Row = -1
			delete(tagged, p)
		}
		if k < len(b.Tags) && b.Tags[k].Row == i && ref != 0 {
			tagged[p] = k
		}
	}
}

// eachText calls fn for the texts and tags of the rows that are stored, values first.
func (b *Batch) eachText(fn func(textRow)) {
	for w, list := range [textColumns][]Text{b.Texts, b.Tags} {
		for _, t := range list {
			if t.Row >= 0 && b.Refs[t.Row] != 0 {
				fn(textRow{b.Refs[t.Row], which(w), b.Times[t.Row], t.Text})
			}
		}
	}
}

// appendTextRecords puts the texts of a batch into records of the group. REQUIRES: s.seq.mu.
func (s *Store) appendTextRecords(p *pending) {
	q := &s.seq
	open, start := false, 0
	p.batch.eachText(func(r textRow) {
		if !open {
			q.group.Begin(recTexts, p.wrote)
			start, open = len(q.group.Buf), true
			q.group.Buf = q.texts.begin(q.group.Buf)
		}
		q.group.Buf = q.texts.append(q.group.Buf, r)
		if len(q.group.Buf)-start >= textRecordBytes {
			s.end(p)
			open = false
		}
	})
	if open {
		s.end(p)
	}
}

// applyTexts applies the texts and tags of a batch, in order and with the lock of a shard held as long as they are of it.
func (s *Store) applyTexts(b *Batch, wrote int64) {
	var held *shard
	dating := s.policies.dating.Load()
	b.eachText(func(r textRow) {
		if sh := s.shardOf(r.ref); sh != held {
			if held != nil {
				held.mu.Unlock()
			}
			held = sh
			held.mu.Lock()
		}
		sr := s.table.at(r.ref)
		held.bill(sr)
		held.putText(r.which, r.ref, sr, r.time, r.text, wrote)
		if dating && wrote > r.time {
			s.noteWrite(held, r.ref, sr, r.time, wrote)
		}
	})
	if held != nil {
		held.mu.Unlock()
	}
}

// applyText applies one text.
func (s *Store) applyText(r textRow, wrote int64) {
	sr, sh := s.table.at(r.ref), s.shardOf(r.ref)
	sh.mu.Lock()
	sh.bill(sr)
	sh.putText(r.which, r.ref, sr, r.time, r.text, wrote)
	if s.policies.dating.Load() && wrote > r.time {
		s.noteWrite(sh, r.ref, sr, r.time, wrote)
	}
	sh.mu.Unlock()
}

// replayTexts applies a texts record but for what a shard holds already and what belongs to definitions that have ended.
func (s *Store) replayTexts(p []byte, seq uint64, wrote int64, n *replayCounts) error {
	// A damaged record is left out as a whole.
	if err := decodeTexts(p, func(textRow) {}); err != nil {
		return err
	}
	return decodeTexts(p, func(r textRow) {
		sr := s.table.grow(r.ref)
		if seq <= s.shardOf(r.ref).held {
			return
		}
		if sr.state == dead {
			n.skipped++
			return
		}
		sr.state = live
		s.policyOf(r.ref, sr) // late texts ask it for its clock
		s.applyText(r, wrote)
		n.samples++
	})
}
