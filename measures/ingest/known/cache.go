package known

import (
	"sync"
	"sync/atomic"

	"granary/metricdef"
	"granary/tenant"
)

// Cache remembers the series of texts, byte for byte, by tenant. It is safe for concurrent use. The zero value is ready.
type Cache struct {
	mu      sync.RWMutex
	entries map[key]*Entry
	bytes   int
}

type key struct {
	tenant tenant.Num
	text   string
}

// Entry is one text and its series.
type Entry struct {
	Text string
	Kind metricdef.Kind // of the values of the series
	With any            // what else was learned of it

	ref  atomic.Uint32
	next atomic.Pointer[Entry]
}

const (
	maxText  = 4 << 10  // a longer text is not remembered
	maxBytes = 64 << 20 // of all texts, with what each costs beside
	cost     = 200
)

// Ref is the series.
func (e *Entry) Ref() metricdef.Ref { return metricdef.Ref(e.ref.Load()) }

// Set says that the text stands for another series from now on: the one before has ended.
func (e *Entry) Set(ref metricdef.Ref) { e.ref.Store(uint32(ref)) }

// Next is the entry of the text that followed last time, nil if none is known: a guess, since senders send in the same order again and
// again.
func (e *Entry) Next() *Entry { return e.next.Load() }

// Follow says that another entry's text has followed. All of a chain belong to one tenant.
func (e *Entry) Follow(next *Entry) { e.next.Store(next) }

// Find returns what is known of a text, nil for nothing.
func (c *Cache) Find(num tenant.Num, text []byte) *Entry {
	c.mu.RLock()
	e := c.entries[key{num, string(text)}]
	c.mu.RUnlock()
	return e
}

// Learn remembers a text. When there are too many, all are forgotten: what is kept is what is sent.
func (c *Cache) Learn(num tenant.Num, text []byte, ref metricdef.Ref, kind metricdef.Kind) {
	c.LearnWith(num, text, ref, kind, nil)
}

// LearnWith is Learn with something else to be remembered, which follows from the text and is the same each time. The ref may be 0 where
// that is all that the text stands for.
func (c *Cache) LearnWith(num tenant.Num, text []byte, ref metricdef.Ref, kind metricdef.Kind, with any) {
	if len(text) > maxText {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.entries[key{num, string(text)}]; e != nil && e.Kind == kind {
		e.Set(ref)
		return
	}
	if c.bytes += len(text) + cost; c.bytes > maxBytes || c.entries == nil {
		c.entries, c.bytes = map[key]*Entry{}, len(text)+cost
	}
	e := &Entry{Text: string(text), Kind: kind, With: with}
	e.Set(ref)
	c.entries[key{num, e.Text}] = e
}
