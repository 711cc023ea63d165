package resource

import (
	"hash/maphash"
	"unsafe"
)

// texts is a column of texts. Each text stands once in a block, one behind the other, however many rows have it; rows have the number of
// theirs. A search asks about each text once, in the order of memory, and then looks at numbers.
type texts struct {
	codes   []uint16 // by row: the number of its text, 0 is null; rows behind the end have null
	entries []entry  // by number - 1
	free    []uint16 // numbers without a text
	bytes   []byte   // is appended to and never changed, so that strings in it stay valid
	dead    int      // bytes that no entry names
}

type entry struct {
	off, hash uint32
	len, uses uint16
}

// seed makes hashes that nobody can foresee.
var seed = maphash.MakeSeed()

func hashOf(s string) uint32 { return uint32(maphash.String(seed, s)) }

// code is the number of a row's text, 0 if it is null.
func (t *texts) code(i int) uint16 {
	if i < len(t.codes) {
		return t.codes[i]
	}
	return 0
}

// text is the text of a number that is not 0. It stays valid without the lock.
func (t *texts) text(code uint16) string {
	e := &t.entries[code-1]
	if e.len == 0 {
		return ""
	}
	return unsafe.String(&t.bytes[e.off], int(e.len))
}

// get is the text of a row.
func (t *texts) get(i int) (string, bool) {
	c := t.code(i)
	if c == 0 {
		return "", false
	}
	return t.text(c), true
}

// set gives a row a text.
func (t *texts) set(i int, s string) {
	old := t.code(i)
	for len(t.codes) <= i {
		t.codes = append(t.codes, 0)
	}
	t.codes[i] = t.use(s)
	t.release(old)
}

// clear makes a row null.
func (t *texts) clear(i int) {
	if old := t.code(i); old != 0 {
		t.codes[i] = 0
		t.release(old)
	}
}

func (t *texts) use(s string) uint16 {
	h := hashOf(s)
	for k := range t.entries {
		if e := &t.entries[k]; e.hash == h && e.uses > 0 && t.text(uint16(k+1)) == s {
			e.uses++
			return uint16(k + 1)
		}
	}
	e := entry{off: uint32(len(t.bytes)), hash: h, len: uint16(len(s)), uses: 1}
	t.bytes = append(t.bytes, s...)
	if n := len(t.free); n > 0 {
		c := t.free[n-1]
		t.free = t.free[:n-1]
		t.entries[c-1] = e
		return c
	}
	t.entries = append(t.entries, e)
	return uint16(len(t.entries))
}

func (t *texts) release(code uint16) {
	if code == 0 {
		return
	}
	e := &t.entries[code-1]
	if e.uses--; e.uses > 0 {
		return
	}
	t.dead += int(e.len)
	*e = entry{}
	t.free = append(t.free, code)
	const some = 4096
	if t.dead > some && t.dead > len(t.bytes)/2 {
		t.compact()
	}
}

// compact moves the texts that are in use to memory of their own. What was handed out keeps the old one.
func (t *texts) compact() {
	bytes := make([]byte, 0, len(t.bytes)-t.dead)
	for k := range t.entries {
		if e := &t.entries[k]; e.uses > 0 {
			s := t.text(uint16(k + 1))
			e.off = uint32(len(bytes))
			bytes = append(bytes, s...)
		}
	}
	t.bytes, t.dead = bytes, 0
}

// judge says of each number, 0 among them, whether a test of texts holds. It reuses the memory of verdicts.
func (t *texts) judge(verdicts []bool, onNull bool, is func(string) bool) []bool {
	verdicts = append(verdicts[:0], onNull)
	for k := range t.entries {
		verdicts = append(verdicts, t.entries[k].uses > 0 && is(t.text(uint16(k+1))))
	}
	return verdicts
}

// optional gives a row a text, or makes it null.
func (t *texts) optional(i int, s *string) {
	if s == nil {
		t.clear(i)
		return
	}
	t.set(i, *s)
}

// pointer is the text of a row, nil if it is null.
func (t *texts) pointer(i int) *string {
	s, ok := t.get(i)
	if !ok {
		return nil
	}
	return &s
}

// rowBytes is what the text of a row takes, as if no other row had it.
func (t *texts) rowBytes(i int) int64 {
	c := t.code(i)
	if c == 0 {
		return 0
	}
	return int64(t.entries[c-1].len) + int64(unsafe.Sizeof(entry{}))
}
