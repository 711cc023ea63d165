package line

import (
	"hash/maphash"
	"math"
	"slices"
	"sync/atomic"
	"unsafe"

	"granary/metricdef"
	"granary/tenant"
)

// A table holds the keys of one scope. A key is the raw text of a line from its start to the "=" behind the name of its
// only field; it leads to a ref and a tenant.
//
// Entries lie one after the other in blocks of words without pointers, each directly in front of its key, so that a
// sender's usual order is a walk through memory. The first blocks of a table are small, since most tenants send few series. An entry's id
// is the number of its block and that of its first word there; 0 is none. The hash table holds hash and id in one word.
//
// Readers work on a snapshot, without locks. Of what a snapshot shows, only the atomic words change: slots, and next and
// ref of an entry. Writers hold the cache's mutex.

const (
	blockBits  = 14
	blockWords = 1 << blockBits // the largest block, 64 KiB
	blockBytes = blockWords * 4
	firstWords = 128 // of the first block; each one behind it is four times as large

	// maxKey bounds the keys that are remembered; longer ones go through the library each time.
	maxKey = 4096

	// maxTenants bounds the tenants of one scope; keys of others are not remembered.
	maxTenants = 1024

	// Bits of an entry's flags: the index of its tenant, and whether a word behind the key holds the index of a source.
	tenantMask = maxTenants - 1
	derives    = 1 << 15
	// follows says that the key is that of a field behind another one; a word behind it holds the id of the one in front.
	follows = 1 << 14

	// alone is the ref of a key that has a source and is not stored under a name of its own.
	alone = math.MaxUint32
)

// entry stands at the front of its key.
type entry struct {
	next  atomic.Uint32 // id of the entry that followed last; a guess
	ref   atomic.Uint32 // 0: forgotten
	size  uint16        // bytes of the key
	flags uint16        // derives, and the index of the tenant
}

const entryWords = int(unsafe.Sizeof(entry{}) / 4)

// key is the entry's key.
func (e *entry) key() string {
	return unsafe.String((*byte)(unsafe.Add(unsafe.Pointer(e), unsafe.Sizeof(*e))), int(e.size))
}

// owner is the index of the entry's tenant in the snapshot's tenants.
func (e *entry) owner() int { return int(e.flags & tenantMask) }

// source is the word with the index of the entry's source in the snapshot's sources; 0 is none. REQUIRES: derives.
func (e *entry) source() *atomic.Uint32 {
	return (*atomic.Uint32)(unsafe.Add(unsafe.Pointer(e), 4*uintptr(wordsOf(int(e.size), e.flags&follows))))
}

// front is the id of the entry in front of it on its line, 0 if it begins one. It never changes.
func (e *entry) front() uint32 {
	if e.flags&follows == 0 {
		return 0
	}
	return *e.frontWord()
}

func (e *entry) frontWord() *uint32 {
	return (*uint32)(unsafe.Add(unsafe.Pointer(e), 4*uintptr(wordsOf(int(e.size), 0))))
}

// opens says whether text begins with the entry's key.
func (e *entry) opens(text []byte) bool {
	return len(text) >= int(e.size) && string(text[:e.size]) == e.key()
}

// snapshot is what readers see of a table.
type snapshot struct {
	slots   []uint64  // hash<<32 | id, read and written atomically; the length is a power of two
	blocks  []*uint32 // the first word of each; a block has as many as fit, up to blockWords
	tenants []tenant.Num
	sources []Source // the first is none
}

// at is the entry of an id, nil for 0 and for one that is younger than the snapshot.
func (s *snapshot) at(id uint32) *entry {
	b := int(id >> blockBits)
	if id == 0 || b >= len(s.blocks) {
		return nil
	}
	return s.entry(b, id%blockWords)
}

// entry is the entry at a word of a block. The word must be one that a writer gave out.
func (s *snapshot) entry(b int, word uint32) *entry {
	return (*entry)(unsafe.Add(unsafe.Pointer(s.blocks[b]), 4*uintptr(word)))
}

// find looks a key up, that of a field behind the entry front where that is not 0.
func (s *snapshot) find(hash uint32, key []byte, front uint32) (uint32, *entry) {
	mask := uint32(len(s.slots) - 1)
	for i := hash; ; i++ {
		v := atomic.LoadUint64(&s.slots[i&mask])
		if v == 0 {
			return 0, nil
		}
		if uint32(v>>32) != hash {
			continue
		}
		if e := s.at(uint32(v)); e != nil && e.key() == string(key) && e.front() == front {
			return uint32(v), e
		}
	}
}

// table is the writers' side of a scope.
type table struct {
	last atomic.Int64 // unix seconds of the last use
	view atomic.Pointer[snapshot]

	// Under the cache's mutex.
	used    []uint32 // words taken in each block
	words   int64    // in all blocks
	room    uint32   // words of the last block
	entries int
	own     snapshot
}

const (
	firstSlots = 16
	// tableBytes is about what a table takes without slots and blocks.
	tableBytes = 512
)

func newTable(now int64) *table {
	t := &table{}
	t.last.Store(now)
	t.own.slots = make([]uint64, firstSlots)
	t.publish()
	return t
}

func (t *table) publish() {
	s := t.own
	t.view.Store(&s)
}

func (t *table) bytes() int64 {
	return tableBytes + t.words*4 + int64(len(t.own.slots))*8 + int64(len(t.own.sources))*sourceBytes
}

// hashOf gives the half of the hash that the table keeps. The seed is the process's own, so that nobody can send keys
// that collide.
func hashOf(seed maphash.Seed, key []byte) uint32 {
	return uint32(maphash.Bytes(seed, key) >> 32)
}

// hashBehind is hashOf for the key of a field behind the entry front.
func hashBehind(seed maphash.Seed, key []byte, front uint32) uint32 {
	return hashOf(seed, key) ^ front*0x9e3779b1
}

// growth is by how many bytes adding one key of this size may make the table grow.
func (t *table) growth(k *known) int64 {
	var n int64
	words := k.words()
	if !t.fits(words) {
		n += int64(t.nextBlock(words)) * 4
	}
	if t.crowded() {
		n += int64(len(t.own.slots)) * 8
	}
	if k.source != nil {
		n += sourceBytes
	}
	return n
}

// sourceBytes is what a source takes in the list of them.
const sourceBytes = int64(unsafe.Sizeof(Source(nil)))

// wordsOf is how many words an entry has with a key of that many bytes.
func wordsOf(size int, flags uint16) uint32 {
	n := uint32(entryWords + (size+3)/4)
	if flags&derives != 0 {
		n++
	}
	if flags&follows != 0 {
		n++
	}
	return n
}

// words is how many words the entry of a key has.
func (k *known) words() uint32 { return wordsOf(len(k.key), k.flags()) }

func (k *known) flags() (flags uint16) {
	if k.takes {
		flags |= derives
	}
	if k.nth > 0 {
		flags |= follows
	}
	return flags
}

func (t *table) fits(words uint32) bool {
	n := len(t.used)
	return n > 0 && t.used[n-1]+words <= t.room
}

// nextBlock is how many words the next block has, for an entry of that many to fit.
func (t *table) nextBlock(words uint32) uint32 {
	n := uint32(firstWords) << min(2*len(t.used), blockBits)
	return min(max(n, 1+words), blockWords)
}

// crowded says whether the slots must be doubled before the next key.
func (t *table) crowded() bool { return (t.entries+1)*5 > len(t.own.slots)*4 }

// put adds a key or gives a key that is there a new ref and source. It returns the id, 0 if the scope has too many tenants.
//
// front is the id of the entry in front of it, if it is the key of a field behind another.
func (t *table) put(hash uint32, k *known, front uint32) uint32 {
	if id, e := t.own.find(hash, k.key, front); e != nil {
		if t.own.tenants[e.owner()] != k.tenant {
			// Its tenant was deleted, and made again under its name. So were those of the other keys that it had: their refs are of no
			// use, and come back as stale. Who holds an older snapshot takes the ref for one of the tenant that is gone, of which the
			// store takes nothing.
			t.own.tenants = slices.Clone(t.own.tenants)
			t.own.tenants[e.owner()] = k.tenant
			t.publish()
		}
		t.bind(e, k)
		return id
	}
	index := slices.Index(t.own.tenants, k.tenant)
	changed := false
	if index < 0 {
		if index = len(t.own.tenants); index == maxTenants {
			return 0
		}
		t.own.tenants = append(t.own.tenants, k.tenant)
		changed = true
	}
	if words := k.words(); !t.fits(words) {
		t.room = t.nextBlock(words)
		t.words += int64(t.room)
		t.own.blocks = append(t.own.blocks, unsafe.SliceData(make([]uint32, t.room)))
		first := uint32(0)
		if len(t.used) == 0 {
			first = 1 // id 0 is none
		}
		t.used = append(t.used, first)
		changed = true
	}
	if t.crowded() {
		t.double()
		changed = true
	}
	b := len(t.used) - 1
	at := t.used[b]
	t.used[b] += k.words()
	e := t.own.entry(b, at)
	e.size, e.flags = uint16(len(k.key)), k.flags()|uint16(index)
	copy(unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(e), unsafe.Sizeof(*e))), len(k.key)), k.key)
	if k.nth > 0 {
		*e.frontWord() = front
	}
	t.bind(e, k)
	id := uint32(b)<<blockBits | at
	// The slot comes last: who sees it sees the entry.
	place(t.own.slots, hash, id)
	t.entries++
	if changed {
		t.publish()
	}
	return id
}

// bind gives an entry the source and the ref of a key. A source that it has already is not listed again.
func (t *table) bind(e *entry, k *known) {
	if e.flags&derives != 0 {
		if i := e.source().Load(); k.source == nil {
			e.source().Store(0)
		} else if i == 0 || t.own.sources[i] != k.source {
			if len(t.own.sources) == 0 {
				t.own.sources = append(t.own.sources, nil)
			}
			t.own.sources = append(t.own.sources, k.source)
			t.publish()
			e.source().Store(uint32(len(t.own.sources) - 1))
		}
	}
	e.ref.Store(uint32(k.ref))
}

func place(slots []uint64, hash, id uint32) {
	mask := uint32(len(slots) - 1)
	i := hash
	for slots[i&mask] != 0 {
		i++
	}
	atomic.StoreUint64(&slots[i&mask], uint64(hash)<<32|uint64(id))
}

func (t *table) double() {
	slots := make([]uint64, 2*len(t.own.slots))
	for _, v := range t.own.slots {
		if v != 0 {
			place(slots, uint32(v>>32), uint32(v))
		}
	}
	t.own.slots = slots
}

// forget clears the entries whose ref is in refs.
func (t *table) forget(refs map[metricdef.Ref]struct{}) (n int) {
	for b, used := range t.used {
		at := uint32(0)
		if b == 0 {
			at = 1
		}
		for at < used {
			e := t.own.entry(b, at)
			if _, ok := refs[metricdef.Ref(e.ref.Load())]; ok {
				e.ref.Store(0)
				n++
			}
			at += wordsOf(int(e.size), e.flags)
		}
	}
	return n
}
