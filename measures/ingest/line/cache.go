package line

import (
	"hash/maphash"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"granary/metricdef"
	"granary/tenant"
)

// CacheOptions bounds a Cache. Zero values take the defaults.
type CacheOptions struct {
	// Bytes is the memory that keys may take, 256 MiB by default: about 2.7 M series with keys of 60 bytes.
	Bytes int64
	// Scopes is how many scopes have a place at the same time, 16,384 by default. Lines of others go through the library.
	Scopes int
	// Now is the clock, time.Now by default.
	Now func() time.Time
}

// TidyAfter is how long a scope must have been unused for Tidy to forget it.
const TidyAfter = 15 * time.Minute

const (
	defaultCacheBytes  = 256 << 20
	defaultCacheScopes = 16 << 10

	// idleScope is how long a scope must have been unused, in seconds, before another may take its place.
	idleScope = 60
	// tidyScope is the same as TidyAfter, in seconds.
	tidyScope = int64(TidyAfter / time.Second)

	// A generation has its tables in that many maps, so that a new scope copies few of the others.
	tableMaps = 64
)

// Cache remembers which series the keys of lines stand for. It is safe for concurrent use; see DESIGN.md for how.
type Cache struct {
	o    CacheOptions
	seed maphash.Seed

	current atomic.Pointer[generation]

	mu sync.Mutex
	// Under mu.
	bytes   int64
	entries int
	refused int // keys turned away since the memory is full
}

// generation is what the cache knows between two drops. It never changes: a new scope makes a new one of the same epoch.
type generation struct {
	epoch  uint64 // one more after each drop
	seed   maphash.Seed
	scopes int
	tables [tableMaps]map[string]*table
}

// place is the map that a scope is in.
func (g *generation) place(scope []byte) int { return int(maphash.Bytes(g.seed, scope) % tableMaps) }

// each calls fn for all tables.
func (g *generation) each(fn func(scope string, t *table)) {
	for _, m := range &g.tables {
		for scope, t := range m {
			fn(scope, t)
		}
	}
}

// with is a generation of the same epoch that has a table for a scope, or none if t is nil.
func (g *generation) with(scope string, t *table) *generation {
	next := *g
	i := g.place([]byte(scope))
	m := make(map[string]*table, len(g.tables[i])+1)
	maps.Copy(m, g.tables[i])
	if t == nil {
		delete(m, scope)
	} else {
		m[scope] = t
	}
	next.tables[i] = m
	next.scopes += len(m) - len(g.tables[i])
	return &next
}

// NewCache makes an empty cache.
func NewCache(o CacheOptions) *Cache {
	if o.Bytes <= 0 {
		o.Bytes = defaultCacheBytes
	}
	if o.Scopes <= 0 {
		o.Scopes = defaultCacheScopes
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &Cache{o: o, seed: maphash.MakeSeed()}
	c.current.Store(&generation{seed: c.seed})
	return c
}

// Drop forgets everything. It must be called after the set of wanted metrics or a mapping has changed and is in force:
// what bodies learn that began before the drop is not taken.
func (c *Cache) Drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop()
}

// REQUIRES: c.mu.
func (c *Cache) drop() {
	c.current.Store(&generation{epoch: c.current.Load().epoch + 1, seed: c.seed})
	c.bytes, c.entries, c.refused = 0, 0, 0
}

// Forget removes the keys of definitions that have ended. It walks the whole cache: call it with many refs at a time. A
// ref that is not forgotten does no harm: its rows come back from Commit as stale.
func (c *Cache) Forget(refs []metricdef.Ref) {
	if len(refs) == 0 {
		return
	}
	set := make(map[metricdef.Ref]struct{}, len(refs))
	for _, r := range refs {
		set[r] = struct{}{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current.Load().each(func(_ string, t *table) { t.forget(set) })
}

// Tidy forgets scopes that have been unused for a quarter of an hour. It is for now and then: tenants that fell idle keep nothing. It
// answers how many bytes were given up.
func (c *Cache) Tidy() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.bytes
	g, now := c.current.Load(), c.o.Now().Unix()
	c.current.Load().each(func(scope string, t *table) {
		if now-t.last.Load() >= tidyScope {
			g = c.without(g, scope, t)
		}
	})
	c.current.Store(g)
	return before - c.bytes
}

// without is a generation without a scope. REQUIRES: c.mu.
func (c *Cache) without(g *generation, scope string, t *table) *generation {
	c.bytes -= t.bytes()
	c.entries -= t.entries
	return g.with(scope, nil)
}

// CacheStats says what a cache holds.
type CacheStats struct {
	Scopes, Entries int
	Bytes           int64
	Refused         int // keys that found no place since the memory is full
}

// Stats says what the cache holds.
func (c *Cache) Stats() CacheStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return CacheStats{Scopes: c.current.Load().scopes, Entries: c.entries, Bytes: c.bytes, Refused: c.refused}
}

// table finds the table of a scope, nil if it has none.
func (g *generation) table(scope []byte, now int64) *table {
	t := g.tables[g.place(scope)][string(scope)]
	if t != nil && t.last.Load() != now {
		t.last.Store(now)
	}
	return t
}

// known is one key that a body has taught.
type known struct {
	key    []byte
	ref    metricdef.Ref // 0: that of the row, once it is stored; alone: there is no row
	tenant tenant.Num
	row    int    // of the batch
	line   int    // where its line begins
	nth    int    // of the fields of the line
	takes  bool   // the mapping may have a source for it
	source Source // nil: it has none
}

// learn takes keys, in the order in which they stood in the body, unless the cache was dropped since the epoch.
func (c *Cache) learn(epoch uint64, scope []byte, keys []known) {
	if len(keys) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current.Load().epoch != epoch {
		return
	}
	t := c.admit(scope)
	if t == nil {
		return
	}
	var last *entry
	var id uint32 // of the key in front, 0 if it has none
	for i := range keys {
		k := &keys[i]
		front := uint32(0)
		if k.nth > 0 {
			if front = id; i == 0 || keys[i-1].line != k.line || keys[i-1].nth != k.nth-1 {
				front = 0
			}
			if front == 0 {
				id = 0
				continue // nothing leads to it
			}
		}
		id = 0
		if k.ref == 0 {
			continue // its row was not stored
		}
		hash := hashOf(c.seed, k.key)
		if k.nth > 0 {
			hash = hashBehind(c.seed, k.key, front)
		}
		before := t.bytes()
		grow := t.growth(k)
		if c.bytes+grow > c.o.Bytes {
			if c.refused++; c.refused > c.entries {
				// As many keys were turned away as there are: what is kept is no longer what is sent.
				c.drop()
				return
			}
			continue
		}
		c.entries -= t.entries
		id = t.put(hash, k, front)
		c.entries += t.entries
		c.bytes += t.bytes() - before
		if last != nil && id != 0 && last.next.Load() == 0 {
			last.next.Store(id)
		}
		last = t.own.at(id)
	}
}

// admit finds the table of a scope or makes one. When all places are taken, the scope that was longest without use gives
// way, if it is idle; else the new one stays outside, so that invented scopes cannot push out those in use.
//
// REQUIRES: c.mu.
func (c *Cache) admit(scope []byte) *table {
	g := c.current.Load()
	now := c.o.Now().Unix()
	if t := g.table(scope, now); t != nil {
		return t
	}
	if g.scopes >= c.o.Scopes {
		var oldest *table
		name, idle := "", int64(idleScope)
		g.each(func(scope string, t *table) {
			if d := now - t.last.Load(); d >= idle {
				oldest, name, idle = t, scope, d
			}
		})
		if oldest == nil {
			return nil
		}
		g = c.without(g, name, oldest)
	}
	t := newTable(now)
	c.bytes += t.bytes()
	c.current.Store(g.with(string(scope), t))
	return t
}
